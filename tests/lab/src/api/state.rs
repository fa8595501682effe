//! What the vendor's API says: a branch with two edges, its trunks and its
//! phones, and an edge of another branch, whose troubles are not ours.

pub(super) mod phone;
pub(super) mod records;
pub(super) mod trunk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scenario::{Carriers, Faults, Vendor};

/// The edge group to which both edges belong once it is ready.
pub(crate) const EDGE_GROUP: &str = "lyon-edge-group";
/// Where the branch is.
pub(crate) const LOCATION: &str = "Lyon office";
/// The trunk whose registrar is probed from the branch, too.
pub(crate) const TRUNK: &str = "Carrier A";

const BASE: &str = "/api/v2/telephony/providers/edges";
const SINCE: &str = "2026-05-15T14:31:55.000Z";

/// The region in which the organisation lives.
const REGION: &str = "eu-west-1";

/// How much the vendor has of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Edges, all of one group and one site.
    pub edges: u32,
    /// Trunks to carriers.
    pub trunks: u32,
    /// Phones.
    pub phones: u32,
}

impl Inventory {
    /// The branch of the scenarios, which has a trunk to its phones and a neighbour besides.
    pub const BRANCH: Self = Self { edges: 2, trunks: 2, phones: 30 };
}

/// What there is, in the words of the published API, whichever API is spoken. It holds together:
/// what names another thing names one that is here.
#[derive(Clone, Debug)]
pub struct State {
    /// `Edge`
    pub edges: Vec<Value>,
    /// `EdgeGroup`
    pub edge_groups: Vec<Value>,
    /// `Trunk`
    pub trunks: Vec<Value>,
    /// What is listed as trunks the first time, where that differs.
    pub trunks_at_first: Option<Vec<Value>>,
    /// `TrunkBase`, with the properties that are sent on request.
    pub trunk_settings: Vec<Value>,
    /// `Phone`, with the status that is sent on request.
    pub phones: Vec<Value>,
    /// `Site`
    pub sites: Vec<Value>,
    /// `LocationDefinition`
    pub locations: Vec<Value>,
    /// `DomainCertificateAuthority`
    pub authorities: Vec<Value>,
    /// `AuditLogMessage`, the latest first.
    pub changes: Vec<Value>,
    /// `AnalyticsConversationWithoutAttributes`, of the last hour.
    pub conversations: Vec<Value>,
    /// How many conversations each edge had in all, by its id.
    pub calls: BTreeMap<String, u64>,
    /// `Organization`
    pub organization: Value,
    /// `MediaRegions`
    pub media_regions: Value,
    /// How often a group is still said to be on its way, in the API of the guide.
    pub polls_until_ready: u32,
}

impl State {
    /// The branch, as a scenario has it.
    pub(super) fn new(faults: &Faults, registrar: SocketAddr) -> Self {
        let vendor = faults.vendor;
        let at_first = Faults { carriers: Carriers::FirstUnregistered, ..*faults };
        let is_settling = faults.carriers == Carriers::FirstSettling;
        let trunks = trunk::trunks(faults, registrar);
        let stuck = if vendor == Vendor::PhonesStuck { STUCK } else { 0 };
        let edges = vec![edge(1, vendor), edge(2, vendor), edge_elsewhere()];
        let trunks_at_first = is_settling.then(|| trunk::trunks(&at_first, registrar));
        let polls_until_ready = if vendor == Vendor::GroupPending { POLLS } else { 0 };
        let phones = phone::phones(Inventory::BRANCH.phones, stuck);
        let state = Self::of(edges, trunks, phones, vendor);
        Self { trunks_at_first, polls_until_ready, ..state }
    }

    /// A branch of this size, in which nothing is broken.
    pub(super) fn sized(inventory: Inventory, registrar: SocketAddr) -> Self {
        let edges = (1..=inventory.edges).map(|number| edge(number, Vendor::Ready)).collect();
        let trunks = trunk::many(inventory, registrar);
        Self::of(edges, trunks, phone::phones(inventory.phones, 0), Vendor::Ready)
    }

    fn of(edges: Vec<Value>, trunks: Vec<Value>, phones: Vec<Value>, vendor: Vendor) -> Self {
        let (conversations, calls) = records::conversations(vendor == Vendor::PoorCalls);
        Self {
            edges,
            edge_groups: vec![edge_group()],
            trunk_settings: trunk::settings(&trunks),
            trunks,
            trunks_at_first: None,
            phones,
            sites: [1, 2].map(|number| site(number, vendor)).into(),
            locations: [1, 2].map(whole_location).into(),
            authorities: records::authorities(vendor == Vendor::AuthorityExpiring),
            changes: records::changes(),
            conversations,
            calls,
            organization: records::organization(),
            media_regions: records::media_regions(),
            polls_until_ready: 0,
        }
    }
}

/// How many phones are stuck where phones are.
const STUCK: u32 = 3;

/// As often as the guide looks before it gives up.
const POLLS: u32 = 20;

/// The moment so many seconds ago, as the vendor writes it.
pub(super) fn ago(seconds: u64) -> String {
    written(Timestamp::now() - Duration::from_secs(seconds))
}

/// The moment in so many days.
pub(super) fn in_days(days: u64) -> String {
    written(Timestamp::now() + Duration::from_secs(days * 86_400))
}

fn written(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// An id in the vendor's shape: the kind of a thing, and its number.
pub(super) fn id(kind: u32, number: u32) -> String {
    format!("{kind:06}{:02}-1111-4222-8333-{kind:08}{number:04}", number % 100)
}

fn reference(kind: u32, number: u32, name: &str, path: &str) -> Value {
    let id = id(kind, number);
    json!({ "id": id, "name": name, "selfUri": format!("{BASE}{path}/{id}") })
}

fn edge_name(number: u32) -> String {
    format!("branch-lyon-edge-{number}")
}

fn edge_reference(number: u32) -> Value {
    reference(10, number, &edge_name(number), "")
}

fn edge_group_reference() -> Value {
    reference(20, 1, EDGE_GROUP, "/edgegroups")
}

/// The site of this branch is the first, that of the other the second.
fn site_reference(number: u32) -> Value {
    reference(70, number, if number == 1 { "Lyon" } else { "Nice" }, "/sites")
}

fn site(number: u32, vendor: Vendor) -> Value {
    let is_elsewhere = vendor == Vendor::RegionElsewhere && number == 1;
    let regions =
        if is_elsewhere { json!(["ap-southeast-2"]) } else { json!(["eu-west-3", REGION]) };
    let reference = site_reference(number);
    json!({
        "id": reference["id"],
        "name": reference["name"],
        "state": "active",
        "version": 5,
        "managed": false,
        "mediaModel": "Premises",
        "coreSite": false,
        "mediaRegionsUseLatencyBased": false,
        "mediaRegions": regions,
        "cloudProxyForceTurn": false,
        "location": location(number),
        "ntpSettings": { "servers": ["ntp.example.net"] },
        "selfUri": reference["selfUri"],
    })
}

fn whole_location(number: u32) -> Value {
    let city = if number == 1 { "Lyon" } else { "Nice" };
    let location = location(number);
    json!({
        "id": location["id"],
        "name": location["name"],
        "state": "active",
        "version": 3,
        "address": {
            "street1": "1 rue Exemple",
            "city": city,
            "zipcode": "69001",
            "country": "FR",
            "countryName": "France",
        },
        "emergencyNumber": { "e164": "+33400000000", "number": "0400000000", "type": "default" },
        "addressVerified": true,
        "addressStored": true,
        "selfUri": location["selfUri"],
    })
}

fn location(number: u32) -> Value {
    let id = id(80, number);
    let name = if number == 1 { LOCATION } else { "Nice office" };
    json!({ "id": id, "name": name, "selfUri": format!("/api/v2/locations/{id}") })
}

/// Adds a key, or nothing where there is no value: the vendor leaves out what is empty.
fn with(mut object: Value, key: &str, value: Option<Value>) -> Value {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(key.to_owned(), value);
    }
    object
}

fn membership(vendor: Vendor) -> Option<Value> {
    (vendor != Vendor::GroupWithoutEdge).then(edge_group_reference)
}

const fn is_online(number: u32, vendor: Vendor) -> bool {
    !(number == 2 && matches!(vendor, Vendor::EdgeOffline))
}

fn edge(number: u32, vendor: Vendor) -> Value {
    let online = if is_online(number, vendor) { "ONLINE" } else { "OFFLINE" };
    let edge = json!({
        "id": id(10, number),
        "name": edge_name(number),
        "state": "active",
        "version": 41,
        "make": "Genesys",
        "model": "Edge Mini",
        "softwareVersion": "1.0.0.13107",
        "onlineStatus": online,
        "statusCode": "ACTIVE",
        "edgeDeploymentType": "HARDWARE",
        "certType": "PureCloud",
        "physicalEdge": true,
        "managed": false,
        "callDrainingState": "NONE",
        "site": with(site_reference(1), "location", Some(location(1))),
        "selfUri": format!("{BASE}/{}", id(10, number)),
    });
    // An edge holds its group whole, a trunk only a reference to it.
    with(edge, "edgeGroup", membership(vendor).map(|_| edge_group()))
}

/// The edge of the other branch, which has been offline for long.
fn edge_elsewhere() -> Value {
    json!({
        "id": id(10, 3),
        "name": "branch-nice-edge-1",
        "state": "active",
        "onlineStatus": "OFFLINE",
        "statusCode": "ACTIVE",
        "edgeDeploymentType": "HARDWARE",
        "site": with(site_reference(2), "location", Some(location(2))),
        "selfUri": format!("{BASE}/{}", id(10, 3)),
    })
}

fn edge_group() -> Value {
    json!({
        "id": id(20, 1),
        "name": EDGE_GROUP,
        "state": "active",
        "version": 7,
        "managed": false,
        "hybrid": false,
        "edgeTrunkBaseAssignment": {
            "family": 2,
            "trunkBase": {
                "id": id(40, 9),
                "name": "Tie TrunkBase for EdgeGroup",
                "trunkMetabase": { "id": "edge_tielines.json" },
                "trunkType": "EDGE",
            },
        },
        "phoneTrunkBases": [{
            "id": id(40, 3),
            "name": "Phone SIP TLS",
            "trunkMetabase": { "id": "phone_connections.json" },
            "trunkType": "PHONE",
        }],
        "selfUri": format!("{BASE}/edgegroups/{}", id(20, 1)),
    })
}
