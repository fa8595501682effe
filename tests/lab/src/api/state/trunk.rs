//! Trunks to carriers and to phones, and the settings that they are made of.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{
    BASE, Inventory, SINCE, TRUNK, edge_reference, id, is_online, membership, reference, with,
};
use crate::scenario::{Carriers, Faults, Vendor};

/// What a trunk to a carrier does.
struct Carrier {
    name: String,
    number: u32,
    proxy: String,
    is_connected: bool,
    is_registered: bool,
}

pub(super) fn trunks(faults: &Faults, registrar: SocketAddr) -> Vec<Value> {
    let second = faults.carriers != Carriers::SecondDown && is_online(2, faults.vendor);
    let carriers = [
        Carrier {
            name: TRUNK.to_owned(),
            number: 1,
            proxy: registrar.to_string(),
            is_connected: true,
            is_registered: faults.carriers != Carriers::FirstUnregistered,
        },
        Carrier {
            name: "Carrier B".to_owned(),
            number: 2,
            proxy: "203.0.113.10:5060".to_owned(),
            is_connected: second,
            is_registered: second,
        },
    ];
    let trunk =
        |carrier: &Carrier| with_edge(carrier_trunk(carrier), carrier.number, faults.vendor);
    let mut trunks: Vec<_> = carriers.iter().map(trunk).collect();
    trunks.push(with_edge(phone_trunk(), 1, faults.vendor));
    trunks
}

/// Puts a trunk on an edge, whose state it shares.
fn with_edge(trunk: Value, number: u32, vendor: Vendor) -> Value {
    let trunk = with(trunk, "edge", Some(edge_reference(number)));
    let trunk = with(trunk, "enabled", Some(json!(is_online(number, vendor))));
    with(trunk, "edgeGroup", membership(vendor))
}

fn carrier_trunk(carrier: &Carrier) -> Value {
    let Carrier { name, number, proxy, is_connected, is_registered } = carrier;
    let options = json!({
        "proxyAddress": proxy, "optionState": is_connected, "optionStateTime": SINCE,
    });
    let options_error = (!is_connected).then(|| {
        error("No response to OPTIONS", "options.timeout", "408", "Request Timeout", proxy)
    });
    let registers = json!({
        "proxyAddress": proxy, "registerState": is_registered, "registerStateTime": SINCE,
    });
    let registers_error = (!is_registered).then(|| match is_connected {
        true => error("Registration failed", "register.failed", "403", "Forbidden", proxy),
        false => error("No response", "register.timeout", "408", "Request Timeout", proxy),
    });
    json!({
        "id": id(30, *number),
        "name": name,
        "state": "active",
        "trunkType": "EXTERNAL",
        "trunkBase": reference(40, *number, name, "/trunkbasesettings"),
        "trunkMetabase": { "id": "external_sip.json", "name": "Generic SIP" },
        "inService": true,
        "connectedStatus": { "connected": is_connected, "connectedStateTime": SINCE },
        "optionsEnabledStatus": "ENABLED",
        "registersEnabledStatus": "ENABLED",
        "optionsStatus": [with(options, "errorInfo", options_error)],
        "registersStatus": [with(registers, "errorInfo", registers_error)],
        "ipStatus": { "address": "192.0.2.20" },
        "family": 2,
        "proxyAddressList": [proxy],
        "selfUri": format!("{BASE}/trunks/{}", id(30, *number)),
    })
}

fn error(text: &str, code: &str, sip: &str, message: &str, proxy: &str) -> Value {
    let hostname = proxy.split(':').next();
    json!({
        "text": text,
        "code": code,
        "details": { "code": sip, "message": message, "hostname": hostname },
    })
}

fn phone_trunk() -> Value {
    json!({
        "id": id(30, 3),
        "name": "Phone SIP TLS",
        "state": "active",
        "trunkType": "PHONE",
        "trunkBase": reference(40, 3, "Phone SIP TLS", "/trunkbasesettings"),
        "trunkMetabase": { "id": "phone_connections.json", "name": "Phone connections" },
        "inService": true,
        "connectedStatus": { "connected": true, "connectedStateTime": SINCE },
        "optionsEnabledStatus": "NOT_SUPPORTED",
        "registersEnabledStatus": "NOT_SUPPORTED",
        "ipStatus": { "address": "192.0.2.20" },
        "family": 2,
        "selfUri": format!("{BASE}/trunks/{}", id(30, 3)),
    })
}

/// The trunks of an inventory: each edge in turn has one to a carrier.
pub(super) fn many(inventory: Inventory, registrar: SocketAddr) -> Vec<Value> {
    let trunk = |number: u32| {
        let carrier = Carrier {
            name: format!("Carrier {number}"),
            number,
            proxy: registrar.to_string(),
            is_connected: true,
            is_registered: true,
        };
        let edge = (number - 1) % inventory.edges.max(1) + 1;
        with_edge(carrier_trunk(&carrier), edge, Vendor::Ready)
    };
    (1..=inventory.trunks).map(trunk).collect()
}

/// The settings out of which these trunks are made.
pub(super) fn settings(trunks: &[Value]) -> Vec<Value> {
    let mut settings: Vec<Value> = trunks.iter().map(base).collect();
    settings.dedup_by(|one, other| one["id"] == other["id"]);
    settings
}

fn base(trunk: &Value) -> Value {
    let base = &trunk["trunkBase"];
    let value = |value: Value| json!({ "value": { "instance": value } });
    let is_external = trunk["trunkType"] == "EXTERNAL";
    let transport = if is_external { "udp" } else { "tls" };
    let properties = json!({
        "trunk_enabled": value(json!(true)),
        "trunk_type": value(trunk["trunkType"].clone()),
        "trunk_protocol": value(json!("SIP")),
        "trunk_transport_protocolVariant": value(json!(transport)),
        "trunk_media_codec": value(json!(["audio/opus", "audio/pcmu", "audio/pcma"])),
        "trunk_media_dscpValue": value(json!(46)),
        "trunk_transport_sipDscpValue": value(json!(24)),
    });
    let proxies = is_external.then(|| value(trunk["proxyAddressList"].clone()));
    let properties = with(properties, "trunk_transport_serverProxyList", proxies);
    let password = is_external.then(|| value(json!(PASSWORD)));
    let properties = with(properties, "trunk_sip_authentication_credentials_password", password);
    json!({
        "id": base["id"],
        "name": base["name"],
        "state": "active",
        "version": 3,
        "trunkMetabase": trunk["trunkMetabase"],
        "trunkType": trunk["trunkType"],
        "managed": false,
        "properties": properties,
        "selfUri": base["selfUri"],
    })
}

/// What no client may ever repeat.
pub(crate) const PASSWORD: &str = "a-password-that-nobody-repeats";

/// What the trunk carried.
pub(in crate::api) fn metrics(trunk: &Value) -> Value {
    json!({
        "eventTime": super::ago(30),
        "logicalInterface": { "id": id(35, 1), "name": "LAN" },
        "trunk": { "id": trunk["id"], "name": trunk["name"], "selfUri": trunk["selfUri"] },
        "calls": { "inboundCallCount": 3, "outboundCallCount": 5 },
        "qos": { "mismatchCount": 0 },
    })
}
