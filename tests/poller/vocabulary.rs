//! Every word that the API publishes for what we read, and one that it does not.

use std::collections::{BTreeMap, BTreeSet};

use branchline::telephony::Snapshot;
use branchline_probes::Foreign;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};

use crate::contract::words;
use crate::fake::{EDGE_GROUPS, EDGES, Fake, PHONES, Reply, SITES, TRUNKS, page};
use crate::published::{
    AUDITS_NOW, LOCATIONS, ORGANIZATION, example, published, published_but, read,
};

/// A word that nobody publishes.
const INVENTED: &str = "INVENTED";

/// One enum of the API: where it stands, and what each of its words becomes.
struct Enum {
    schema: &'static str,
    property: &'static str,
    path: &'static str,
    /// A thing with this word.
    thing: fn(&str) -> Value,
    /// What every word becomes, the invented one included; `gone` where the thing is left out.
    becomes: &'static [(&'static str, &'static str)],
    /// What became of the things, by their id.
    found: fn(&Snapshot) -> Found,
}

struct Found {
    states: BTreeMap<String, String>,
    unknown: usize,
}

macro_rules! found {
    ($part:ident, $item:ident => $id:expr, $state:expr) => {
        |snapshot| Found {
            states: snapshot
                .$part
                .items
                .iter()
                .map(|$item| ($id.as_str().to_owned(), $state.to_string()))
                .collect(),
            unknown: snapshot.$part.unknown,
        }
    };
}

fn kept(text: &Option<Foreign>) -> &str {
    text.as_ref().map_or("", Foreign::as_str)
}

fn up_trunk(more: Value) -> Value {
    let mut trunk = json!({
        "inService": true, "enabled": true, "connectedStatus": { "connected": true },
        "optionsStatus": [{ "optionState": true }], "registersStatus": [{ "registerState": true }],
    });
    trunk.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    trunk
}

const SETTINGS: &str = "/api/v2/telephony/providers/edges/trunkbasesettings";
const AUTHORITIES: &str = "/api/v2/telephony/providers/edges/certificateauthorities";

/// For what is kept word by word.
const LIFE: &[(&str, &str)] =
    &[("active", "kept"), ("inactive", "kept"), ("deleted", "gone"), (INVENTED, "kept")];
const USE: &[(&str, &str)] =
    &[("active", "up"), ("inactive", "down"), ("deleted", "gone"), (INVENTED, "unknown")];
const KINDS: &[(&str, &str)] =
    &[("EXTERNAL", "EXTERNAL"), ("PHONE", "PHONE"), ("EDGE", "EDGE"), (INVENTED, INVENTED)];

/// Edges that wait for their pairing, or are on their way back, are deliberately unknown; so are
/// phones of which the vendor does not say whether anybody is to blame.
const ENUMS: &[Enum] = &[
    Enum {
        schema: "Edge",
        property: "onlineStatus",
        path: EDGES,
        thing: |word| json!({ "onlineStatus": word, "statusCode": "ACTIVE", "state": "active" }),
        becomes: &[("ONLINE", "up"), ("OFFLINE", "down"), (INVENTED, "unknown")],
        found: found!(edges, edge => edge.reference.id, edge.state.label()),
    },
    Enum {
        schema: "Edge",
        property: "statusCode",
        path: EDGES,
        thing: |word| json!({ "onlineStatus": "ONLINE", "statusCode": word, "state": "active" }),
        becomes: &[
            ("NEW", "unknown, out of service"),
            ("AWAITING_CONNECTION", "unknown, out of service"),
            ("AWAITING_FINGERPRINT", "unknown, out of service"),
            ("AWAITING_FINGERPRINT_VERIFICATION", "unknown, out of service"),
            ("FINGERPRINT_VERIFIED", "unknown, out of service"),
            ("AWAITING_BOOTSTRAP", "unknown, out of service"),
            ("ACTIVE", "up, in service"),
            ("INACTIVE", "unknown, out of service"),
            ("RMA", "unknown, out of service"),
            ("UNPAIRING", "unknown, out of service"),
            ("UNPAIRED", "unknown, out of service"),
            ("INITIALIZING", "unknown, out of service"),
            (INVENTED, "unknown, in service"),
        ],
        found: found!(edges, edge => edge.reference.id, format!(
            "{}, {} service", edge.state.label(), if edge.is_in_service { "in" } else { "out of" }
        )),
    },
    Enum {
        schema: "Edge",
        property: "state",
        path: EDGES,
        thing: |word| json!({ "onlineStatus": "ONLINE", "statusCode": "ACTIVE", "state": word }),
        becomes: USE,
        found: found!(edges, edge => edge.reference.id, edge.state.label()),
    },
    Enum {
        schema: "Edge",
        property: "edgeDeploymentType",
        path: EDGES,
        thing: |word| json!({ "edgeDeploymentType": word }),
        becomes: &[
            ("HARDWARE", "HARDWARE"),
            ("LDM", "LDM"),
            ("CDM", "CDM"),
            ("CHS", "CHS"),
            ("INVALID", "INVALID"),
            (INVENTED, INVENTED),
        ],
        found: found!(edges, edge => edge.reference.id, kept(&edge.deployment)),
    },
    Enum {
        schema: "EdgeGroup",
        property: "state",
        path: EDGE_GROUPS,
        thing: |word| json!({ "state": word }),
        // No edge is in any of them.
        becomes: &[
            ("active", "active, 0 of 0 edges up"),
            ("inactive", "inactive, 0 of 0 edges up"),
            ("deleted", "gone"),
            (INVENTED, "INVENTED, 0 of 0 edges up"),
        ],
        found: found!(edge_groups, group => group.reference.id, group.raw),
    },
    Enum {
        schema: "Trunk",
        property: "trunkType",
        path: TRUNKS,
        thing: |word| json!({ "trunkType": word }),
        becomes: KINDS,
        found: found!(trunks, trunk => trunk.reference.id, trunk.kind),
    },
    Enum {
        schema: "Trunk",
        property: "state",
        path: TRUNKS,
        thing: |word| json!({ "state": word }),
        becomes: LIFE,
        found: found!(trunks, trunk => trunk.reference.id, "kept"),
    },
    Enum {
        schema: "Trunk",
        property: "optionsEnabledStatus",
        path: TRUNKS,
        thing: |word| up_trunk(json!({ "optionsEnabledStatus": word })),
        becomes: &[
            ("ENABLED", "up"),
            ("DISABLED", "up"),
            ("NOT_SUPPORTED", "up"),
            (INVENTED, "unknown"),
        ],
        found: found!(trunks, trunk => trunk.reference.id, trunk.state.label()),
    },
    Enum {
        schema: "Trunk",
        property: "registersEnabledStatus",
        path: TRUNKS,
        thing: |word| up_trunk(json!({ "registersEnabledStatus": word })),
        becomes: &[
            ("ENABLED", "registered"),
            ("DISABLED", "not_applicable"),
            ("NOT_SUPPORTED", "not_applicable"),
            (INVENTED, "unknown"),
        ],
        found: found!(trunks, trunk => trunk.reference.id, trunk.registration.label()),
    },
    Enum {
        schema: "TrunkBase",
        property: "state",
        path: SETTINGS,
        thing: |word| json!({ "state": word }),
        becomes: LIFE,
        found: found!(trunk_settings, settings => settings.reference.id, "kept"),
    },
    Enum {
        schema: "TrunkBase",
        property: "trunkType",
        path: SETTINGS,
        thing: |word| json!({ "trunkType": word }),
        becomes: &[("EXTERNAL", "kept"), ("PHONE", "kept"), ("EDGE", "kept"), (INVENTED, "kept")],
        found: found!(trunk_settings, settings => settings.reference.id, "kept"),
    },
    Enum {
        schema: "Phone",
        property: "state",
        path: PHONES,
        thing: |word| json!({ "state": word }),
        becomes: LIFE,
        found: found!(phones, phone => phone.reference.id, "kept"),
    },
    Enum {
        schema: "PhoneStatus",
        property: "operationalStatus",
        path: PHONES,
        thing: |word| json!({ "status": { "operationalStatus": word, "edgesStatus": "IN_SERVICE" } }),
        becomes: &[
            ("OPERATIONAL", "active"),
            ("DEGRADED", "unknown"),
            ("OFFLINE", "failed"),
            ("UNKNOWN", "unknown"),
            (INVENTED, "unknown"),
        ],
        found: found!(phones, phone => phone.reference.id, phone.state.label()),
    },
    Enum {
        schema: "PhoneStatus",
        property: "edgesStatus",
        path: PHONES,
        thing: |word| json!({ "status": { "operationalStatus": "OFFLINE", "edgesStatus": word } }),
        becomes: &[
            ("IN_SERVICE", "failed"),
            ("MIXED_SERVICE", "unknown"),
            ("OUT_OF_SERVICE", "unknown"),
            ("NO_EDGES", "unassigned"),
            (INVENTED, "unknown"),
        ],
        found: found!(phones, phone => phone.reference.id, phone.state.label()),
    },
    Enum {
        schema: "PhoneStatus",
        property: "phoneAssignmentToEdgeType",
        path: PHONES,
        thing: |word| {
            json!({
                "status": { "phoneAssignmentToEdgeType": word, "operationalStatus": "UNKNOWN" },
                "secondaryStatus": { "operationalStatus": "OFFLINE", "edgesStatus": "IN_SERVICE" },
            })
        },
        becomes: &[("PRIMARY", "unknown"), ("SECONDARY", "failed"), (INVENTED, "unknown")],
        found: found!(phones, phone => phone.reference.id, phone.state.label()),
    },
    Enum {
        schema: "Site",
        property: "state",
        path: SITES,
        thing: |word| json!({ "state": word }),
        becomes: USE,
        found: found!(sites, site => site.reference.id, site.state.label()),
    },
    Enum {
        schema: "Site",
        property: "mediaModel",
        path: SITES,
        thing: |word| json!({ "mediaModel": word }),
        becomes: &[("Premises", "Premises"), ("Cloud", "Cloud"), (INVENTED, INVENTED)],
        found: found!(sites, site => site.reference.id, kept(&site.media_model)),
    },
    Enum {
        schema: "LocationDefinition",
        property: "state",
        path: LOCATIONS,
        thing: |word| json!({ "state": word }),
        becomes: &[("active", "up"), ("deleted", "gone"), (INVENTED, "unknown")],
        found: found!(locations, location => location.reference.id, location.state.label()),
    },
    Enum {
        schema: "DomainCertificateAuthority",
        property: "state",
        path: AUTHORITIES,
        thing: |word| json!({ "state": word }),
        becomes: LIFE,
        found: found!(authorities, authority => authority.reference.id, "kept"),
    },
    Enum {
        schema: "DomainCertificateAuthority",
        property: "type",
        path: AUTHORITIES,
        thing: |word| json!({ "type": word }),
        becomes: &[("MANAGED", "MANAGED"), ("REMOTE", "REMOTE"), (INVENTED, INVENTED)],
        found: found!(authorities, authority => authority.reference.id, kept(&authority.kind)),
    },
    Enum {
        schema: "DomainCertificateAuthority",
        property: "services",
        path: AUTHORITIES,
        thing: |word| json!({ "services": [word] }),
        becomes: &[
            ("SIP", "SIP"),
            ("PROVISION", "PROVISION"),
            ("PROVISION_PHONE", "PROVISION_PHONE"),
            (INVENTED, INVENTED),
        ],
        found: found!(authorities, authority => authority.reference.id, authority.services[0]),
    },
    Enum {
        schema: "AuditLogMessage",
        property: "status",
        path: AUDITS_NOW,
        thing: |word| json!({ "action": "Update", "entity": { "id": word }, "status": word }),
        becomes: &[
            ("SUCCESS", "SUCCESS"),
            ("FAILURE", "FAILURE"),
            ("WARNING", "WARNING"),
            (INVENTED, INVENTED),
        ],
        found: found!(changes, change => change.entity.id, kept(&change.status)),
    },
];

// F19
#[tokio::test]
async fn every_published_word_has_a_meaning_and_an_invented_one_is_unknown_and_counted() {
    for case in ENUMS {
        let name = format!("{}.{}", case.schema, case.property);
        let mut words = words(case.schema, case.property);
        words.push(INVENTED.to_owned());
        let things: Vec<Value> = words
            .iter()
            .map(|word| {
                let mut thing = (case.thing)(word);
                thing["id"] = word.as_str().into();
                thing
            })
            .collect();
        let fake = Fake::start(published_but(case.path, move |seen| {
            // Audits are asked for twice: of the telephony and of the locations.
            if seen.before == 0 { page(&things) } else { page(&[]) }
        }))
        .await;

        let found = (case.found)(&read(&fake).await);

        for word in words {
            let meaning = case.becomes.iter().find(|(known, _)| *known == word);
            let (_, meaning) = meaning.unwrap_or_else(|| panic!("{name} {word} has no meaning"));
            let became = found.states.get(&word).map_or("gone", String::as_str);
            assert_eq!(became, *meaning, "{name} {word}");
        }
        assert_eq!(found.unknown, 1, "{name}: the invented word alone");
    }
}

// F19
#[tokio::test]
async fn every_published_state_of_an_organisation_has_a_meaning() {
    let table = [("active", "up", 0), ("inactive", "down", 0), (INVENTED, "unknown", 1)];
    let known: Vec<_> = words("Organization", "state");
    assert_eq!(known, ["active", "inactive", "deleted"]);
    for (word, state, unknown) in table {
        let fake = Fake::start(published_but(ORGANIZATION, move |_| {
            let mut organization = example("organization").clone();
            organization["state"] = word.into();
            Reply::json(200, &organization)
        }))
        .await;

        let snapshot = read(&fake).await;

        let states = snapshot.organization.items.iter().map(|it| it.state.label());
        assert_eq!(states.collect::<Vec<_>>(), [state]);
        assert_eq!(snapshot.organization.unknown, unknown);
    }
}

// F19
#[tokio::test]
async fn every_published_candidate_of_ice_is_relayed_or_not() {
    let mut words = words("MediaIceSelectedCandidate", "type");
    words.push(INVENTED.to_owned());
    let mut relayed = BTreeMap::new();
    for word in words {
        let candidate = word.clone();
        let fake = Fake::start(move |seen| {
            if !seen.path.contains("/mediastatistics/") {
                return published(seen);
            }
            let pair = json!({ "client": { "type": candidate }, "server": { "type": "host" } });
            let ice = json!({ "ice": { "selectedPairs": [pair] } });
            page(&[json!({ "mediaStatistics": [ice] })])
        })
        .await;

        let snapshot = read(&fake).await;

        let is_relayed = snapshot.quality.items[0].worst[0].is_relayed;
        relayed.insert(word, (is_relayed, snapshot.quality.unknown));
    }
    let expected = [
        ("host", Some(false), 0),
        ("prflx", Some(false), 0),
        ("relay", Some(true), 0),
        ("srflx", Some(false), 0),
        (INVENTED, Some(false), 1),
    ];
    let expected = expected.map(|(word, is, odd)| (word.to_owned(), (is, odd)));
    assert_eq!(relayed, BTreeMap::from(expected));
}

/// The schemas of which the poller decodes objects. What they refer to and nobody reads is told of
/// in `PASSED_OVER`.
const DECODED: &[&str] = &[
    "Edge",
    "EdgeGroup",
    "Trunk",
    "TrunkBase",
    "TrunkConnectedStatus",
    "Phone",
    "PhoneStatus",
    "Line",
    "Site",
    "LocationDefinition",
    "Organization",
    "DomainCertificateAuthority",
    "EdgeMetrics",
    "TrunkMetrics",
    "DomainLogicalInterface",
    "AuditQueryExecutionStatusResponse",
    "AuditQueryExecutionResultsResponse",
    "MediaRegions",
    "ChannelTopic",
];

/// Enums of what is decoded that have no table here, each with the reason: a whole schema, or one
/// property of it.
const PASSED_OVER: &[(&str, &str)] = &[
    ("Edge.certType", "not read: certificates are judged by what their servers show"),
    ("Edge.callDrainingState", "not read: statusCode says whether an edge takes calls"),
    ("EdgeInterface", "not read: addresses are those of logical interfaces"),
    ("DomainEdgeSoftwareUpdateDto", "not read: an update shows in the states of its edge"),
    ("SiteConnection", "not read: how sites reach each other is no affair of a branch"),
    ("Contact", "not read: people are nobody's business here"),
    ("LocationEmergencyNumber", "not read: the number is told, not its kind"),
    ("LocationAddressVerificationDetails", "not read: an address says nothing of telephony"),
    ("Line.state", "not read: a line is told by its registrations"),
    ("PhoneCapabilities", "not read: what a model can do is not its state"),
    ("Organization.productPlatform", "not read: one product speaks this API"),
    ("Organization.state", "has a test of its own, above"),
    ("DomainLogicalInterface", "not read: its addresses are taken whatever its state"),
    ("DomainNetworkRoute", "not read: routes are the host's own to probe"),
    ("DomainNetworkAddress", "not read: an address shows its family itself"),
    ("AuditQueryExecutionStatusResponse.state", "has its tests in changes.rs"),
    ("AuditQueryFilter", "an echo of what was asked"),
    ("AuditQuerySort", "an echo of what was asked"),
    ("AuditLogMessage.level", "not read: the service and the action are told"),
    ("ChannelTopic.state", "has its tests in channel.rs"),
];

/// Every enum of a schema and of what it refers to, as `Schema.property`.
fn enums(schema: &str, found: &mut BTreeMap<String, Vec<String>>) {
    if found.contains_key(schema) {
        return;
    }
    found.insert(schema.to_owned(), Vec::new());
    let mut open = vec![(String::new(), crate::contract::schema(schema))];
    while let Some((property, node)) = open.pop() {
        if let Some(link) = node["$ref"].as_str() {
            enums(link.rsplit('/').next().unwrap_or_default(), found);
        }
        if node.get("enum").is_some() {
            found.entry(schema.to_owned()).or_default().push(format!("{schema}.{property}"));
        }
        for part in node["allOf"].as_array().into_iter().flatten() {
            open.push((property.clone(), part));
        }
        for (name, part) in node["properties"].as_object().into_iter().flatten() {
            open.push((name.clone(), part));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(part) = node.get(key) {
                open.push((property.clone(), part));
            }
        }
    }
}

// F19
#[test]
fn no_published_enum_of_what_is_decoded_is_forgotten() {
    let mut found = BTreeMap::new();
    for schema in DECODED {
        enums(schema, &mut found);
    }
    let found: BTreeSet<String> = found.into_values().flatten().collect();
    let mapped: Vec<_> =
        ENUMS.iter().map(|case| format!("{}.{}", case.schema, case.property)).collect();
    let covers = |known: &str, name: &str| name == known || name.split('.').next() == Some(known);

    let forgotten: Vec<_> = found
        .iter()
        .filter(|name| !mapped.contains(name))
        .filter(|name| !PASSED_OVER.iter().any(|(known, _)| covers(known, name)))
        .collect();
    let idle: Vec<_> = PASSED_OVER
        .iter()
        .filter(|(known, _)| !found.iter().any(|name| covers(known, name)))
        .collect();

    assert!(found.len() > 40, "{found:?}");
    assert!(forgotten.is_empty(), "neither a table nor a reason: {forgotten:?}");
    assert!(idle.is_empty(), "reasons for what is not published: {idle:?}");
}

// F19
#[tokio::test]
async fn words_that_are_not_known_are_counted_by_part() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let fake = Fake::start(published_but(TRUNKS, |_| {
        let trunk = |id: &str, kind: &str| json!({ "id": id, "trunkType": kind });
        page(&[trunk("1", "EXTERNAL"), trunk("2", INVENTED), trunk("3", INVENTED)])
    }))
    .await;

    read(&fake).await;

    let text = recorder.handle().render();
    let counted: Vec<_> =
        text.lines().filter(|line| line.starts_with("branchline_telephony_unknown")).collect();
    assert_eq!(counted, [r#"branchline_telephony_unknown_values_total{part="trunks"} 2"#]);
}
