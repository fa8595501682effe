//! What the vendor keeps beside the things themselves: load, calls, changes, authorities.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{BASE, REGION, ago, edge_reference, id, in_days, reference};

pub(super) fn organization() -> Value {
    json!({
        "id": id(1, 1),
        "name": "Example Org",
        "defaultLanguage": "fr",
        "defaultCountryCode": "FR",
        "thirdPartyOrgName": "exampleorg",
        "domain": "exampleorg.orgspan.com",
        "version": 12,
        "state": "active",
        "defaultSiteId": id(70, 1),
        "voicemailEnabled": true,
        "productPlatform": "GenesysCloud",
        "selfUri": "/api/v2/organizations/me",
    })
}

pub(super) fn media_regions() -> Value {
    json!({
        "awsHomeRegion": REGION,
        "awsCoreRegions": [REGION, "eu-central-1"],
        "awsSatelliteRegions": ["eu-west-3"],
    })
}

/// Whom the edges trust; one of them not for long, if so wished.
pub(super) fn authorities(is_expiring: bool) -> Vec<Value> {
    let days = if is_expiring { 5 } else { 3000 };
    let authority = |number: u32, name: &str, kind: &str, days: u64| {
        let subject = format!("CN={name}");
        let id = id(96, number);
        json!({
            "id": id,
            "name": name,
            "state": "active",
            "type": kind,
            "services": ["SIP"],
            "certificate": "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----",
            "certificateDetails": [{
                "issuer": subject,
                "subject": subject,
                "issueDate": "2024-01-01T00:00:00.000Z",
                "expirationDate": in_days(days),
                "expired": false,
                "valid": true,
                "signatureValid": true,
            }],
            "selfUri": format!("{BASE}/certificateauthorities/{id}"),
        })
    };
    vec![
        authority(1, "Branch SBC CA", "REMOTE", days),
        authority(2, "Organization CA", "MANAGED", 3000),
    ]
}

/// What was changed in the last day, the latest first.
pub(super) fn changes() -> Vec<Value> {
    let change = |number: u32, seconds: u64, service: &str, kind: &str, entity: Value| {
        json!({
            "id": id(98, number),
            "user": { "id": id(3, 1) },
            "serviceName": service,
            "level": "USER",
            "eventDate": ago(seconds),
            "action": "Update",
            "entity": { "id": entity["id"], "name": entity["name"] },
            "entityType": kind,
            "status": "SUCCESS",
            "remoteIp": ["198.51.100.25"],
            "propertyChanges": [{
                "property": "description", "oldValues": ["before"], "newValues": ["after"],
            }],
        })
    };
    let trunk = reference(30, 1, super::TRUNK, "/trunks");
    vec![
        change(1, 7200, "Telephony", "Trunk", trunk),
        change(2, 14_400, "Telephony", "Edge", edge_reference(1)),
        change(3, 28_800, "Locations", "Location", super::location(1)),
    ]
}

/// The conversations of the last hour that are told one by one, and how many there were by edge.
pub(super) fn conversations(is_poor: bool) -> (Vec<Value>, BTreeMap<String, u64>) {
    let count = if is_poor { POOR } else { 1 };
    let of = |number: u32| conversation(number, if is_poor { 2.4 } else { 4.3 });
    ((1..=count).map(of).collect(), [(id(10, 1), 60), (id(10, 2), 12)].into())
}

/// How many conversations are poor where they are.
const POOR: u32 = 20;

fn conversation(number: u32, mos: f64) -> Value {
    let factor = if mos < 3.5 { 52.0 } else { 90.0 };
    let begun = 3000 - u64::from(number) * 60;
    json!({
        "conversationId": id(90, number),
        "conversationStart": ago(begun),
        "conversationEnd": ago(begun - 50),
        "originatingDirection": "inbound",
        "divisionIds": [id(4, 1)],
        "mediaStatsMinConversationMos": mos,
        "mediaStatsMinConversationRFactor": factor,
        "participants": [{
            "participantId": id(91, number),
            "purpose": "agent",
            "userId": id(5, 1),
            "sessions": [{
                "sessionId": id(92, number),
                "mediaType": "voice",
                "direction": "inbound",
                "edgeId": id(10, 1),
                "provider": "Edge",
                "protocolCallId": format!("{number}@192.0.2.20"),
                "mediaEndpointStats": [{
                    "codecs": ["audio/opus"],
                    "minMos": mos,
                    "minRFactor": factor,
                    "maxLatencyMs": 240,
                    "receivedPackets": 12_000,
                    "discardedPackets": 320,
                    "eventTime": ago(begun - 50),
                }],
            }],
        }],
    })
}

/// How the media of one conversation went.
pub(in crate::api) fn media(conversation: &Value) -> Value {
    json!({ "entities": [{
        "communicationId": id(93, 1),
        "dateStart": conversation["conversationStart"],
        "preferredRegion": "eu-west-3",
        "effectiveRegion": REGION,
        "mediaStatistics": [{
            "sourceType": "Server",
            "rtp": {
                "packetsReceived": 12_000,
                "packetsSent": 12_010,
                "estimatedAverageMos": conversation["mediaStatsMinConversationMos"],
                "averageJitter": 8.4,
            },
        }],
    }] })
}

/// What an edge has to do.
pub(in crate::api) fn load(edge: &Value) -> Value {
    json!({
        "edge": { "id": edge["id"], "name": edge["name"], "selfUri": edge["selfUri"] },
        "eventTime": ago(30),
        "upTimeMsec": 864_000_000,
        "processors": [{
            "cpuId": "total",
            "activeTimePct": 12.5,
            "idleTimePct": 87.5,
            "privilegedTimePct": 3.1,
            "userTimePct": 9.4,
        }],
        "memory": [
            { "type": "physical", "availableBytes": 4_000_000_000_u64, "totalBytes": 8_000_000_000_u64 },
        ],
        "disks": [{
            "partitionName": "/",
            "availableBytes": 90_000_000_000_u64,
            "totalBytes": 120_000_000_000_u64,
        }],
        "subsystems": [{ "processName": "media", "delayMs": 2 }],
        "networks": [{
            "ifname": "eth0",
            "sentBytesPerSec": 120_000,
            "receivedBytesPerSec": 118_000,
            "bandwidthBitsPerSec": 1_000_000_000,
            "utilizationPct": 0.2,
        }],
    })
}

/// The one interface of an edge.
pub(in crate::api) fn interface(edge: &Value) -> Value {
    let uri = edge["selfUri"].as_str().unwrap_or_default();
    let interface = id(35, 1);
    json!({
        "id": interface,
        "name": "LAN",
        "state": "active",
        "edgeUri": uri,
        "friendlyName": "LAN",
        "hardwareAddress": "0004f2000001",
        "physicalAdapterId": "eth0",
        "ifStatus": "up",
        "interfaceType": "SYSTEM",
        "addresses": [{ "type": "ip", "address": "192.0.2.20/24", "family": 2 }],
        "currentState": "OK",
        "useForWanInterface": true,
        "selfUri": format!("{uri}/logicalinterfaces/{interface}"),
    })
}
