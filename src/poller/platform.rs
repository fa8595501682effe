//! The published API in the words of `telephony`.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::location::Site;
use super::page::{Decoded, Listing};
use crate::telephony::{Edge, EdgeGroup, Phone, PhoneState, Reference, Registration, State, Trunk};

/// Where the edges are listed.
pub(super) const EDGES: &str = "/api/v2/telephony/providers/edges";

/// Where the edge groups are listed.
pub(super) const EDGE_GROUPS: &str = "/api/v2/telephony/providers/edges/edgegroups";

/// Where the trunks are listed.
pub(super) const TRUNKS: &str = "/api/v2/telephony/providers/edges/trunks";

/// Where the phones are listed.
pub(super) const PHONES: &str = "/api/v2/telephony/providers/edges/phones";

/// Where the sites are listed.
pub(super) const SITES: &str = "/api/v2/telephony/providers/edges/sites";

/// Without it a site's location may come without its name.
pub(super) const SITES_QUERY: &[(&str, &str)] = &[("expand", "location")];

/// Without the first the list carries no status; in another order than the second it ends at
/// 10,000 phones.
pub(super) const PHONES_QUERY: &[(&str, &str)] = &[("expand", "status"), ("sortBy", "id")];

/// How long after its provisioning a degraded phone is taken to be still busy with it.
const PROVISIONING: Duration = Duration::from_secs(300);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

impl Named {
    fn reference(self) -> Option<Reference> {
        let id = self.id.filter(|id| !id.is_empty())?;
        let name = self.name.unwrap_or_default();
        Some(Reference { id: Foreign::new(id), name: Foreign::new(name) })
    }
}

/// What every entity has.
trait Entity: DeserializeOwned {
    type Item;

    fn state(&self) -> Option<&str>;

    /// `None` for one without an id, which nothing could refer to.
    fn item(self, now: SystemTime) -> Option<Self::Item>;
}

fn decode<E: Entity>(entity: Value, now: SystemTime) -> Decoded<E::Item> {
    match serde_json::from_value::<E>(entity) {
        Ok(entity) if entity.state() == Some("deleted") => Decoded::Deleted,
        Ok(entity) => entity.item(now).map_or(Decoded::Unreadable, Decoded::Item),
        Err(_) => Decoded::Unreadable,
    }
}

/// One edge out of its listing.
pub(super) fn edge(entity: Value, now: SystemTime) -> Decoded<Edge> {
    decode::<RawEdge>(entity, now)
}

/// One edge group out of its listing, not yet joined with its edges.
pub(super) fn edge_group(entity: Value, now: SystemTime) -> Decoded<LoneGroup> {
    decode::<RawGroup>(entity, now)
}

/// One trunk out of its listing.
pub(super) fn trunk(entity: Value, now: SystemTime) -> Decoded<Trunk> {
    decode::<RawTrunk>(entity, now)
}

/// One phone out of its listing.
pub(super) fn phone(entity: Value, now: SystemTime) -> Decoded<Phone> {
    decode::<RawPhone>(entity, now)
}

/// One site out of its listing.
pub(super) fn site(entity: Value, now: SystemTime) -> Decoded<Site> {
    decode::<RawSite>(entity, now)
}

#[derive(Deserialize)]
struct RawSite {
    id: Option<String>,
    state: Option<String>,
    location: Option<Named>,
}

impl Entity for RawSite {
    type Item = Site;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn item(self, _now: SystemTime) -> Option<Site> {
        let id = self.id.filter(|id| !id.is_empty())?;
        let location = self.location.and_then(Named::reference);
        Some(Site { id: Foreign::new(id), location })
    }
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
    /// Not every edge has them, and an odd one costs nothing but itself.
    interfaces: Option<Value>,
}

impl Entity for RawEdge {
    type Item = Edge;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn item(self, _now: SystemTime) -> Option<Edge> {
        let online = match self.online_status.as_deref() {
            Some("ONLINE") => State::Up,
            Some("OFFLINE") => State::Down,
            Some(_) | None => State::Unknown,
        };
        let is_in_service = !matches!(
            self.status_code.as_deref(),
            Some(
                "NEW"
                    | "AWAITING_CONNECTION"
                    | "AWAITING_FINGERPRINT"
                    | "AWAITING_FINGERPRINT_VERIFICATION"
                    | "FINGERPRINT_VERIFIED"
                    | "AWAITING_BOOTSTRAP"
                    | "INACTIVE"
                    | "RMA"
                    | "UNPAIRING"
                    | "UNPAIRED"
                    | "INITIALIZING"
            )
        );
        let code = match self.status_code.as_deref() {
            Some("ACTIVE") => State::Up,
            Some(_) | None => State::Unknown,
        };
        // Of an edge that waits for its pairing, or is on its way back, nobody expects anything.
        let state = if is_in_service {
            worst([online, code, activity(self.state.as_deref())])
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
const MOST_INTERFACES: usize = 64;

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

    fn item(self, _now: SystemTime) -> Option<LoneGroup> {
        let state = activity(self.state.as_deref());
        let word = words([&self.state]);
        let reference = Named { id: self.id, name: self.name }.reference()?;
        Some(LoneGroup { reference, state, word })
    }
}

/// The edge groups with the readiness that their edges give them.
///
/// The vendor's API has no word for it, so an edge that could not be read leaves open whether its
/// group is ready.
pub(super) fn joined(groups: Vec<LoneGroup>, edges: &Listing<Edge>) -> Vec<EdgeGroup> {
    let join = |group: LoneGroup| {
        let is_of =
            |edge: &&Edge| edge.edge_group.as_ref().is_some_and(|of| of.id == group.reference.id);
        let edges_of = || edges.items.iter().filter(is_of);
        let states: Vec<State> = edges_of().map(|edge| edge.state).collect();
        let serves = edges_of().any(|edge| edge.is_in_service);
        let up = states.iter().filter(|state| **state == State::Up).count();
        let raw = Foreign::new(format!("{}, {up} of {} edges up", group.word, states.len()));
        let edges_state = match (serves, edges.unreadable) {
            (false, 0) => State::Down,
            (true, 0) => worst(states),
            (_, _) => worst(states.into_iter().chain([State::Unknown])),
        };
        EdgeGroup { reference: group.reference, state: worst([group.state, edges_state]), raw }
    };
    groups.into_iter().map(join).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTrunk {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    trunk_type: Option<String>,
    in_service: Option<bool>,
    enabled: Option<bool>,
    connected_status: Option<RawConnected>,
    options_enabled_status: Option<String>,
    registers_enabled_status: Option<String>,
    options_status: Option<Vec<RawProxy>>,
    registers_status: Option<Vec<RawProxy>>,
    ip_status: Option<RawIp>,
    error_info: Option<RawError>,
    trunk_base: Option<Named>,
    edge: Option<Named>,
    edge_group: Option<Named>,
}

#[derive(Deserialize)]
struct RawConnected {
    connected: Option<bool>,
}

/// What one proxy answered to OPTIONS or to REGISTER.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProxy {
    #[serde(alias = "registerState")]
    option_state: Option<bool>,
    error_info: Option<RawError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIp {
    error_info: Option<RawError>,
}

#[derive(Deserialize)]
struct RawError {
    text: Option<String>,
    code: Option<String>,
    details: Option<RawDetails>,
}

#[derive(Deserialize)]
struct RawDetails {
    code: Option<String>,
    message: Option<String>,
}

impl Entity for RawTrunk {
    type Item = Trunk;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn item(self, _now: SystemTime) -> Option<Trunk> {
        let connected = self.connected_status.as_ref().and_then(|status| status.connected);
        let options = self.options_status.as_deref().unwrap_or_default();
        let registers = self.registers_status.as_deref().unwrap_or_default();
        let answers = match self.options_enabled_status.as_deref() {
            Some("ENABLED") => every(options),
            Some("DISABLED" | "NOT_SUPPORTED") | None => State::Up,
            Some(_) => State::Unknown,
        };
        let registration = match self.registers_enabled_status.as_deref() {
            Some("ENABLED") => match every(registers) {
                State::Up => Registration::Registered,
                State::Down => Registration::Unregistered,
                State::Unknown => Registration::Unknown,
            },
            Some("DISABLED" | "NOT_SUPPORTED") => Registration::NotApplicable,
            Some(_) | None => Registration::Unknown,
        };
        let mut raw =
            [(self.in_service, "in service"), (self.enabled, "enabled"), (connected, "connected")]
                .map(|(is, word)| match is {
                    Some(true) => word.to_owned(),
                    Some(false) => format!("not {word}"),
                    None => format!("{word} unknown"),
                })
                .join(", ");
        if answers != State::Up {
            let answering = options.iter().filter(|proxy| proxy.option_state == Some(true)).count();
            raw += &format!(", {answering} of {} proxies answer OPTIONS", options.len());
        }
        let ails = |proxy: &&RawProxy| proxy.option_state != Some(true);
        let problem = [self.error_info.as_ref()]
            .into_iter()
            .chain(registers.iter().filter(ails).map(|proxy| proxy.error_info.as_ref()))
            .chain(options.iter().filter(ails).map(|proxy| proxy.error_info.as_ref()))
            .chain([self.ip_status.as_ref().and_then(|ip| ip.error_info.as_ref())])
            .flatten()
            .find_map(RawError::problem);
        Some(Trunk {
            reference: Named { id: self.id, name: self.name }.reference()?,
            kind: words([&self.trunk_type]),
            state: worst(
                [self.in_service, self.enabled, connected].map(yes).into_iter().chain([answers]),
            ),
            is_switched_off: self.in_service == Some(false),
            registration,
            raw: Foreign::new(raw),
            problem,
            base: self.trunk_base.and_then(Named::reference),
            edge: self.edge.and_then(Named::reference),
            edge_group: self.edge_group.and_then(Named::reference),
        })
    }
}

impl RawError {
    fn problem(&self) -> Option<Foreign> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let details = self.details.as_ref();
        let details: Vec<String> = [
            details.and_then(|details| filled(&details.code)),
            details.and_then(|details| filled(&details.message)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let details = Some(details.join(" ")).filter(|details| !details.is_empty());
        match (filled(&self.text).or_else(|| filled(&self.code)), details) {
            (Some(text), Some(details)) => Some(Foreign::new(format!("{text} ({details})"))),
            (Some(text), None) | (None, Some(text)) => Some(Foreign::new(text)),
            (None, None) => None,
        }
    }
}

#[derive(Deserialize)]
struct RawPhone {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
    status: Option<RawStatus>,
    capabilities: Option<RawCapabilities>,
    site: Option<Named>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawStatus {
    operational_status: Option<String>,
    edges_status: Option<String>,
    provision: Option<RawProvision>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawProvision {
    time: Option<String>,
    error_info: Option<String>,
}

#[derive(Deserialize)]
struct RawCapabilities {
    provisions: Option<bool>,
}

impl Entity for RawPhone {
    type Item = Phone;

    fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn item(self, now: SystemTime) -> Option<Phone> {
        let is_provisioned = self.capabilities.and_then(|phone| phone.provisions) == Some(true);
        let status = self.status.unwrap_or_default();
        let raw = words([&status.operational_status, &status.edges_status]);
        Some(Phone {
            reference: Named { id: self.id, name: self.name }.reference()?,
            state: status.normalised(is_provisioned, now),
            raw,
            site: self.site.and_then(Named::reference),
        })
    }
}

impl RawStatus {
    fn normalised(&self, is_provisioned: bool, now: SystemTime) -> PhoneState {
        let provision = self.provision.as_ref();
        let time = provision.and_then(|provision| provision.time.as_deref());
        let error = provision.and_then(|provision| provision.error_info.as_deref());
        let operational = self.operational_status.as_deref();
        let edges = self.edges_status.as_deref();
        if operational == Some("OPERATIONAL") {
            return PhoneState::Active;
        }
        let is_offline_alone = operational == Some("OFFLINE") && edges == Some("IN_SERVICE");
        if is_offline_alone || error.is_some_and(|error| !error.is_empty()) {
            return PhoneState::Failed;
        }
        if edges == Some("NO_EDGES") {
            return PhoneState::Unassigned;
        }
        match time.filter(|time| !time.is_empty()) {
            None if is_provisioned => PhoneState::Pending,
            Some(time) if operational == Some("DEGRADED") && is_recent(time, now) => {
                PhoneState::Provisioning
            }
            Some(_) | None => PhoneState::Unknown,
        }
    }
}

fn is_recent(time: &str, now: SystemTime) -> bool {
    let Ok(time) = time.parse::<Timestamp>() else { return false };
    let time = SystemTime::from(time);
    let apart = now.duration_since(time).unwrap_or_else(|ahead| ahead.duration());
    apart <= PROVISIONING
}

fn activity(word: Option<&str>) -> State {
    match word {
        Some("active") => State::Up,
        Some("inactive" | "deleted") => State::Down,
        Some(_) | None => State::Unknown,
    }
}

fn yes(is: Option<bool>) -> State {
    match is {
        Some(true) => State::Up,
        Some(false) => State::Down,
        None => State::Unknown,
    }
}

/// One proxy that does not answer is enough; of none, nothing is known.
fn every(proxies: &[RawProxy]) -> State {
    if proxies.is_empty() {
        return State::Unknown;
    }
    worst(proxies.iter().map(|proxy| yes(proxy.option_state)))
}

/// What is known to be down is down; what is not known to be up is unknown.
fn worst(states: impl IntoIterator<Item = State>) -> State {
    states.into_iter().fold(State::Up, |worst, state| match (worst, state) {
        (State::Down, _) | (_, State::Down) => State::Down,
        (State::Unknown, _) | (_, State::Unknown) => State::Unknown,
        (State::Up, State::Up) => State::Up,
    })
}

/// The vendor's words side by side, `-` for one that is missing.
fn words<const N: usize>(words: [&Option<String>; N]) -> Foreign {
    Foreign::new(words.map(|word| word.as_deref().unwrap_or("-")).join(" "))
}
