//! Edges, and the readiness of their groups.

use std::net::IpAddr;
use std::time::SystemTime;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::Value;

use super::entity::{
    Entity, Named, STATES, activity, decode, filled, has_odd, lenient, words, worst,
};
use crate::poller::page::Decoded;
use crate::telephony::{Edge, EdgeGroup, Reference, State};

/// One edge out of its listing.
pub(super) fn edge(entity: Value, now: SystemTime) -> Decoded<Edge> {
    decode::<RawEdge>(entity, now)
}

/// One edge group out of its listing, not yet joined with its edges.
pub(super) fn edge_group(entity: Value, now: SystemTime) -> Decoded<LoneGroup> {
    decode::<RawGroup>(entity, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEdge {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    online_status: Option<String>,
    status_code: Option<String>,
    edge_group: Option<Named>,
    site: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    edge_deployment_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    software_version: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    conversation_count: Option<u64>,
    /// Not every edge has them, and an odd one costs nothing but itself.
    interfaces: Option<Value>,
}

const ONLINE: &[&str] = &["ONLINE", "OFFLINE"];

/// The one status of an edge that is expected to serve.
const IN_SERVICE: &str = "ACTIVE";

/// Those of an edge that waits for its pairing, or is on its way back.
const OUT_OF_SERVICE: &[&str] = &[
    "NEW",
    "AWAITING_CONNECTION",
    "AWAITING_FINGERPRINT",
    "AWAITING_FINGERPRINT_VERIFICATION",
    "FINGERPRINT_VERIFIED",
    "AWAITING_BOOTSTRAP",
    "INACTIVE",
    "RMA",
    "UNPAIRING",
    "UNPAIRED",
    "INITIALIZING",
];

const DEPLOYMENTS: &[&str] = &["HARDWARE", "LDM", "CDM", "CHS", "INVALID"];

impl Entity for RawEdge {
    type Item = Edge;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        let is_code = |code: &str| code == IN_SERVICE || OUT_OF_SERVICE.contains(&code);
        self.status_code.as_deref().is_some_and(|code| !is_code(code))
            || has_odd(&[
                (&self.state, STATES),
                (&self.online_status, ONLINE),
                (&self.edge_deployment_type, DEPLOYMENTS),
            ])
    }

    fn item(self, _now: SystemTime) -> Option<Edge> {
        let online = match self.online_status.as_deref() {
            Some("ONLINE") => State::Up,
            Some("OFFLINE") => State::Down,
            Some(_) | None => State::Unknown,
        };
        let code = self.status_code.as_deref();
        let is_in_service = !code.is_some_and(|code| OUT_OF_SERVICE.contains(&code));
        let paired = if code == Some(IN_SERVICE) { State::Up } else { State::Unknown };
        // Of an edge that is out of service nobody expects anything.
        let state = if is_in_service {
            worst([online, paired, activity(self.state.as_deref())])
        } else {
            State::Unknown
        };
        let raw = words([&self.online_status, &self.status_code, &self.state]);
        Some(Edge {
            reference: Named { id: self.id, name: self.name }.reference()?,
            state,
            is_in_service,
            raw,
            edge_group: self.edge_group.and_then(Named::reference),
            site: self.site.and_then(Named::reference),
            addresses: self.interfaces.as_ref().map(addresses).unwrap_or_default(),
            deployment: filled(self.edge_deployment_type),
            software: filled(self.software_version),
            conversations: self.conversation_count,
            ..Edge::default()
        })
    }
}

/// The addresses that a list of interfaces tells, sorted, each once.
fn addresses(interfaces: &Value) -> Vec<IpAddr> {
    let listed = interfaces.as_array().into_iter().flatten().take(MOST_INTERFACES);
    let address = |it: &Value| it.get("ipAddress")?.as_str()?.trim().parse::<IpAddr>().ok();
    let mut addresses: Vec<IpAddr> =
        listed.filter_map(address).filter(|it| !it.is_unspecified()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// No appliance has more.
pub(super) const MOST_INTERFACES: usize = 64;

/// An edge group as it is listed: without its edges.
#[derive(Clone)]
pub(super) struct LoneGroup {
    reference: Reference,
    state: State,
    word: Foreign,
}

#[derive(Deserialize)]
struct RawGroup {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
}

impl Entity for RawGroup {
    type Item = LoneGroup;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn is_odd(&self) -> bool {
        has_odd(&[(&self.state, STATES)])
    }

    fn item(self, _now: SystemTime) -> Option<LoneGroup> {
        let state = activity(self.state.as_deref());
        let word = words([&self.state]);
        let reference = Named { id: self.id, name: self.name }.reference()?;
        Some(LoneGroup { reference, state, word })
    }
}

/// An edge group with the readiness that its edges give it.
///
/// The vendor's API has no word for it, so an edge that could not be read leaves open whether its
/// group is ready.
pub(super) fn joined(group: LoneGroup, edges: &[Edge], unreadable: usize) -> EdgeGroup {
    let is_of =
        |edge: &&Edge| edge.edge_group.as_ref().is_some_and(|of| of.id == group.reference.id);
    let edges_of = || edges.iter().filter(is_of);
    let states: Vec<State> = edges_of().map(|edge| edge.state).collect();
    let serves = edges_of().any(|edge| edge.is_in_service);
    let up = states.iter().filter(|state| **state == State::Up).count();
    let raw = Foreign::new(format!("{}, {up} of {} edges up", group.word, states.len()));
    let edges_state = match (serves, unreadable) {
        (false, 0) => State::Down,
        (true, 0) => worst(states),
        (_, _) => worst(states.into_iter().chain([State::Unknown])),
    };
    let state = worst([group.state, edges_state]);
    EdgeGroup { reference: group.reference, state, raw, ..EdgeGroup::default() }
}
