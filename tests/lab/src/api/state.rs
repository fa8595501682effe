//! What the vendor's API says: a branch with two edges, its trunks and its
//! phones, and an edge of another branch, whose troubles are not ours.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::scenario::{Carriers, Faults, Vendor};

/// The edge group to which both edges belong once it is ready.
pub(crate) const EDGE_GROUP: &str = "lyon-edge-group";
/// Where the branch is.
pub(crate) const LOCATION: &str = "Lyon office";
/// The trunk whose registrar is probed from the branch, too.
pub(crate) const TRUNK: &str = "Carrier A";

const BASE: &str = "/api/v2/telephony/providers/edges";
const PHONES: u32 = 30;
const SINCE: &str = "2026-05-15T14:31:55.000Z";

/// The entities of each listing.
#[derive(Debug)]
pub(super) struct State {
    pub(super) edges: Vec<Value>,
    pub(super) edge_groups: Vec<Value>,
    pub(super) trunks: Vec<Value>,
    /// What is listed as trunks the first time, where that differs.
    pub(super) trunks_at_first: Option<Vec<Value>>,
    pub(super) phones: Vec<Value>,
    pub(super) sites: Vec<Value>,
}

impl State {
    pub(super) fn new(faults: &Faults, registrar: SocketAddr) -> Self {
        let at_first = Faults { carriers: Carriers::FirstUnregistered, ..*faults };
        let is_settling = faults.carriers == Carriers::FirstSettling;
        Self {
            edges: vec![edge(1, faults.vendor), edge(2, faults.vendor), edge_elsewhere()],
            edge_groups: vec![edge_group()],
            trunks: trunks(faults, registrar),
            trunks_at_first: is_settling.then(|| trunks(&at_first, registrar)),
            phones: (1..=PHONES).map(phone).collect(),
            sites: [1, 2].map(site).into(),
        }
    }
}

/// An id in the vendor's shape: the kind of a thing, and its number.
fn id(kind: u32, number: u32) -> String {
    format!("{kind:06}{number:02}-1111-4222-8333-{kind:08}{number:04}")
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

fn site(number: u32) -> Value {
    let site = with(site_reference(number), "location", Some(location(number)));
    let site = with(site, "mediaModel", Some(json!("Premises")));
    with(site, "state", Some(json!("active")))
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

/// What a trunk to a carrier does.
struct Carrier {
    name: &'static str,
    number: u32,
    proxy: String,
    is_connected: bool,
    is_registered: bool,
}

fn trunks(faults: &Faults, registrar: SocketAddr) -> Vec<Value> {
    let second = faults.carriers != Carriers::SecondDown && is_online(2, faults.vendor);
    let carriers = [
        Carrier {
            name: TRUNK,
            number: 1,
            proxy: registrar.to_string(),
            is_connected: true,
            is_registered: faults.carriers != Carriers::FirstUnregistered,
        },
        Carrier {
            name: "Carrier B",
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

fn phone(number: u32) -> Value {
    let name = format!("Lyon desk {number:02}");
    let address = format!("192.0.2.{}", 100 + number);
    json!({
        "id": id(50, number),
        "name": name,
        "state": "active",
        "site": site_reference(1),
        "phoneBaseSettings": { "id": id(55, 1), "name": "Polycom VVX 411" },
        "lineBaseSettings": { "id": id(56, 1), "name": "Polycom line" },
        "phoneMetaBase": { "id": "polycom_vvx411.json", "name": "Polycom VVX 411" },
        "lines": [reference(60, number, &format!("{name}_1"), "/lines")],
        "status": {
            "id": id(50, number),
            "operationalStatus": "OPERATIONAL",
            "edgesStatus": "IN_SERVICE",
            "eventCreationTime": SINCE,
            "provision": { "time": "2026-05-15T06:00:11.000Z", "source": address },
            "lineStatuses": [{
                "id": id(60, number),
                "reachable": true,
                "addressOfRecord": format!("sip:10{number:02}@lyon.example"),
                "contactAddresses": [format!("sip:{address}:5060;transport=tls")],
                "reachableStateTime": "2026-05-15T06:00:15.000Z",
            }],
            "phoneAssignmentToEdgeType": "PRIMARY",
            "edge": edge_reference(1),
        },
        "secondaryStatus": {
            "id": id(50, number),
            "operationalStatus": "UNKNOWN",
            "edgesStatus": "NO_EDGES",
            "phoneAssignmentToEdgeType": "SECONDARY",
        },
        "userAgentInfo": {
            "manufacturer": "Polycom", "model": "VVX411", "firmwareVersion": "6.4.3.1234",
        },
        "properties": {
            "phone_hardwareId": { "value": { "instance": format!("0004f2aabb{number:02x}") } },
        },
        "capabilities": {
            "provisions": true,
            "registers": true,
            "dualRegisters": true,
            "hardwareIdType": "mac",
            "allowReboot": true,
            "noRebalance": false,
            "noCloudProvisioning": false,
            "mediaCodecs": ["audio/opus", "audio/pcmu"],
            "cdm": false,
        },
        "standAlone": false,
        "selfUri": format!("{BASE}/phones/{}", id(50, number)),
    })
}
