//! The API of the vendor's guide: its bodies as they are written there, its words, its calls.

#[path = "guide/calls.rs"]
mod calls;
#[path = "guide/listings.rs"]
mod listings;
#[path = "guide/narrowed.rs"]
mod narrowed;
#[path = "guide/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::time::SystemTime;

use axum::http::Method;
use branchline::poller::{Poller, Profile, Settings};
use branchline::telephony::{ApiProblem, Part, PartName, Reference, Snapshot};
use branchline_probes::Foreign;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fake::{Fake, HASTE, Reply, Seen, TOKEN, json_of, token};

const EDGES: &str = "/api/v2/telephony/providers/edges";
const GROUPS: &str = "/api/v2/telephony/providers/edgegroups";
const EDGE: &str = "a1b2c3d4-5678-90ab-cdef-1234567890ab";
const TRUNKS: &str =
    "/api/v2/telephony/providers/edges/a1b2c3d4-5678-90ab-cdef-1234567890ab/siptrunks";
const REGISTRATIONS: &str = "/api/v2/telephony/providers/edges/a1b2c3d4-5678-90ab-cdef-1234567890ab/siptrunks/trunk-xyz-789/registrations";
const PHONES: &str = "/api/v2/telephony/providers/edgegroups/group-1/phones";
const LOCATIONS: &str = "/api/v2/locations";
const TENANT: &str = "/api/v2/tenant";
const ANALYTICS: &str = "/api/v2/analytics/telephony/edges/query";
const AUDIT_LOGS: &str = "/api/v2/platform/auditlogs";
const WEBHOOKS: &str = "/api/v2/webhooks";

/// The listing of edges, as the guide prints it.
const EDGES_BODY: &str = r#"{
  "entities": [
    {
      "id": "a1b2c3d4-5678-90ab-cdef-1234567890ab",
      "name": "us-east-1-edge",
      "type": "sip",
      "status": "available",
      "regionId": "us-east-1",
      "codecs": ["G711", "G729", "OPUS"],
      "links": {}
    }
  ],
  "page": 1,
  "pageSize": 25,
  "total": 1
}"#;

/// What the guide sends to make a location, which the answer has beside its id and status.
const LOCATION_BODY: &str = r#"{
  "name": "Frankfurt Office",
  "region": "eu-central-1",
  "sip": { "ports": [5060, 5061, 5080, 5081] },
  "media": {
    "sip": { "ports": [5060, 5061, 5080, 5081] },
    "proxy": { "host": "media-proxy.example.com", "port": 5060 },
    "stun": { "host": "stun.example.com", "port": 3478 },
    "turn": { "host": "turn.example.com", "port": 3478 }
  },
  "ipAddressAllowlist": ["10.0.0.0/8", "192.168.1.0/24"]
}"#;

/// The answer to that.
const LOCATION_ANSWER: &str = r#"{
  "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
  "name": "Frankfurt Office",
  "region": "eu-central-1",
  "status": "active",
  "selfUri": "/api/v2/locations/a1b2c3d4-e5f6-7890-abcd-ef1234567890"
}"#;

fn listing(entities: &[Value]) -> Reply {
    let total = entities.len();
    Reply::json(
        200,
        &json!({ "entities": entities, "page": 1, "pageNumber": 1, "pageSize": 100, "total": total }),
    )
}

fn group(status: &str) -> Value {
    // The members that the guide sends and reads.
    json!({
        "id": "group-1", "name": "lyon", "type": "edgeGroup", "edgeGroupType": "Standard",
        "primaryEdge": EDGE, "secondaryEdge": null,
        "description": "Programmatically deployed edge group", "phones": [],
        "status": status, "provisioningUrl": "https://lyon.genesyscloud.com/",
    })
}

fn trunk() -> Value {
    json!({
        "id": "trunk-xyz-789", "edgeId": EDGE,
        "config": {
            "name": "Production-Trunk-01",
            "sipUri": "sip:trunk@customer.carrier.net:5060",
            "codecs": ["G711", "OPUS"],
            "natTraversal": { "enabled": true, "stunServer": "stun.mypurecloud.com" },
            "tlsSettings": {
                "enabled": true, "certificateId": "cert-id-12345", "clientAuthEnabled": false,
            },
        },
        "outboundProxyEnabled": false, "registrationEnabled": true, "_version": "7",
    })
}

fn phone(id: &str, state: &str) -> Value {
    json!({ "id": id, "name": id, "mac": "00:04:F2:AB:CD:01", "provisioningState": state })
}

fn location() -> Value {
    let mut location = json_of(LOCATION_BODY);
    let answer = json_of(LOCATION_ANSWER);
    let answer = answer.as_object().expect("an object").clone();
    location.as_object_mut().expect("an object").extend(answer);
    location
}

/// A vendor that has one of everything.
fn tenant(seen: &Seen) -> Reply {
    let is_post = seen.method == Method::POST;
    match (seen.path.as_str(), is_post) {
        (TOKEN, true) => token(seen),
        (EDGES, false) => Reply::new(200, EDGES_BODY),
        (GROUPS, false) => listing(&[group("ACTIVE")]),
        (TRUNKS, false) => listing(&[trunk()]),
        (REGISTRATIONS, false) => listing(&[json!({
            "status": "Registered", "lastRegistrationTime": "2024-05-15T14:31:55.000Z",
        })]),
        (PHONES, false) => listing(&[phone("phone-1", "ACTIVE")]),
        (LOCATIONS, false) => listing(&[location()]),
        (TENANT, false) => Reply::json(200, &json!({ "defaultRegion": "us-east-1" })),
        (ANALYTICS, true) => Reply::json(200, &json!({ "entities": [], "nextUri": null })),
        (AUDIT_LOGS, false) => listing(&[]),
        _ => Reply::new(404, ""),
    }
}

fn tenant_but(
    path: &'static str,
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| if seen.path == path { script(seen) } else { tenant(seen) }
}

fn settings(fake: &Fake) -> Settings {
    Settings { profile: Profile::Guide, skip: BTreeSet::new(), ..fake.settings() }
}

fn poller(fake: &Fake) -> Poller {
    Poller::hasty(settings(fake), HASTE).expect("a poller")
}

async fn read(fake: &Fake) -> Snapshot {
    poller(fake).read(&Snapshot::default()).await
}

fn all_problems(snapshot: &Snapshot) -> Vec<(PartName, ApiProblem)> {
    let parts = snapshot.parts().into_iter();
    parts.filter_map(|part| Some((part.name, part.problem?.clone()))).collect()
}

fn only<T: Clone>(part: &Part<T>) -> T {
    let [item] = part.items.as_slice() else { panic!("{} items", part.items.len()) };
    item.clone()
}

fn time(text: &str) -> SystemTime {
    text.parse::<Timestamp>().expect("a time").into()
}

fn reference(id: &str, name: &str) -> Reference {
    Reference { id: Foreign::new(id), name: Foreign::new(name) }
}
