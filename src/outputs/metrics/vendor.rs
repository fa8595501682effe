//! What the vendor says, as series. A part that does not speak for the present has none but when it
//! was read, and whether the latest reading went well.

use std::time::SystemTime;

use super::bounded::{self, Tally};
use super::families::{Families, Family, Labels, families};
use super::{epoch_seconds, with};
use crate::correlation::Evidence;
use crate::telephony::{
    Edge, EdgeMetrics, Part, Phone, PhoneState, Quality, Reference, Registration, Snapshot, State,
    Trunk, TrunkMetrics,
};

/// Writes every series of the vendor's; gives how many had no place.
pub(super) fn encode(
    families: &mut Families,
    site: &str,
    evidence: &Evidence,
    state: &Snapshot,
) -> u64 {
    parts(families, site, state);
    edges(families, site, state);
    trunks(families, site, state);
    surroundings(families, site, state);
    for name in &evidence.links.edge_groups {
        edge_group(families, &vec![("edge_group", &**name), ("site", site)], state, name);
    }
    for name in &evidence.links.trunks {
        trunk(families, &vec![("trunk", &**name), ("site", site)], state, name);
    }
    for name in &evidence.links.phones {
        phone(families, &vec![("phone", &**name), ("site", site)], state, name);
    }
    phones(families, site, state)
}

/// How well each part is known, whatever it holds.
fn parts(families: &mut Families, site: &str, state: &Snapshot) {
    for part in state.parts().iter().filter(|part| part.is_asked()) {
        let labels = vec![("part", part.name.label()), ("site", site)];
        families.gauge(PART_OK, &labels, yes_or_no(part.problem.is_none()));
        if let Some(read) = part.read {
            families.gauge(STATE_READ, &labels, epoch_seconds(read));
        }
        if part.is_current() {
            families.gauge(UNKNOWN, &labels, part.unknown as f64);
            families.gauge(UNREADABLE, &labels, part.unreadable as f64);
        }
    }
}

fn edges(families: &mut Families, site: &str, state: &Snapshot) {
    let states = State::ALL.map(|state| (state, state.label()));
    let groups = &state.edge_groups;
    tally(families, EDGES, "state", site, &state.edges, &states, |edge| edge.state);
    tally(families, EDGE_GROUPS, "state", site, groups, &states, |group| group.state);
    let here = vec![("site", site)];
    if state.edges.is_current() {
        let in_service = state.edges.items.iter().filter(|edge| edge.is_in_service).count();
        families.gauge(EDGES_IN_SERVICE, &here, in_service as f64);
    }
    let conversations = state.edges.items.iter().map(|edge| edge.conversations);
    maybe(families, EDGE_CONVERSATIONS, &here, sum(conversations));
}

fn trunks(families: &mut Families, site: &str, state: &Snapshot) {
    let states = State::ALL.map(|state| (state, state.label()));
    let registrations = Registration::ALL.map(|it| (it, it.label()));
    tally(families, TRUNKS, "state", site, &state.trunks, &states, |trunk| trunk.state);
    let of = |trunk: &Trunk| trunk.registration;
    tally(families, TRUNK_REGISTRATIONS, "registration", site, &state.trunks, &registrations, of);
    let all: Vec<&TrunkMetrics> = state.trunk_metrics.items.iter().collect();
    let here = vec![("site", site)];
    carried(families, &here, &all, (CALLS, QOS_MISMATCHES));
}

/// Certificates, conversations and changes of the whole reading.
fn surroundings(families: &mut Families, site: &str, state: &Snapshot) {
    let here = vec![("site", site)];
    let expires = state.authorities.items.iter().filter_map(|authority| authority.expires).min();
    maybe(families, CERTIFICATE_EXPIRY, &here, expires.map(epoch_seconds));
    if state.quality.is_current() {
        let poor: u64 = state.quality.items.iter().map(|quality| quality.poor).sum();
        families.gauge(POOR, &here, poor as f64);
    }
    if state.changes.is_current() {
        families.gauge(CHANGES, &here, state.changes.items.len() as f64);
        let latest: Option<SystemTime> = state.changes.items.iter().filter_map(|it| it.when).max();
        maybe(families, LAST_CHANGE, &here, latest.map(epoch_seconds));
    }
}

/// A part of what an edge has that is used.
type Ratio = fn(&EdgeMetrics) -> Option<f64>;

/// What is known of an edge group that the configuration names, and of its edges.
fn edge_group(families: &mut Families, labels: &Labels<'_>, state: &Snapshot, name: &str) {
    let is_up = state.edge_groups_of(name).map(|group| is_up(group.state));
    maybe(families, EDGE_GROUP_UP, labels, all(is_up).map(yes_or_no));
    let is_of = |group: Option<&Reference>| {
        group.is_some_and(|group| {
            group.is(name) || state.edge_groups_of(name).any(|it| it.reference.id == group.id)
        })
    };
    let edges: Vec<&Edge> =
        state.edges.items.iter().filter(|edge| is_of(edge.edge_group.as_ref())).collect();
    let is_on = |at: &Reference| edges.iter().any(|edge| edge.reference.id == at.id);
    let loads: Vec<&EdgeMetrics> =
        state.edge_metrics.items.iter().filter(|load| is_on(&load.edge)).collect();
    let ratios: [(Family, Ratio); 4] = [
        (EDGE_PROCESSOR, |load| load.processor_ratio),
        (EDGE_MEMORY, |load| load.memory_ratio),
        (EDGE_DISK, |load| load.disk_ratio),
        (EDGE_NETWORK, |load| load.network_ratio),
    ];
    for (family, ratio) in ratios {
        let highest = loads.iter().filter_map(|load| ratio(load)).reduce(f64::max);
        maybe(families, family, labels, highest);
    }
    let heard: Vec<&Quality> =
        state.quality.items.iter().filter(|quality| is_on(&quality.edge)).collect();
    if !heard.is_empty() {
        let poor: u64 = heard.iter().map(|quality| quality.poor).sum();
        families.gauge(EDGE_GROUP_POOR, labels, poor as f64);
    }
}

/// What is known of a trunk that the configuration names; what the vendor does not tell has no
/// series.
///
/// Of several trunks behind one name the worst speaks for all.
fn trunk(families: &mut Families, labels: &Labels<'_>, state: &Snapshot, name: &str) {
    let trunks: Vec<&Trunk> = state.trunks_of(name).collect();
    let are_up = trunks.iter().map(|trunk| is_up(trunk.state));
    maybe(families, TRUNK_UP, labels, all(are_up).map(yes_or_no));
    let are_registered = trunks.iter().filter_map(|trunk| match trunk.registration {
        Registration::Registered => Some(Some(true)),
        Registration::Unregistered => Some(Some(false)),
        Registration::Unknown => Some(None),
        Registration::NotApplicable => None,
    });
    maybe(families, TRUNK_REGISTERED, labels, all(are_registered).map(yes_or_no));
    let proxies = trunks.iter().flat_map(|trunk| &trunk.proxies);
    let answers = proxies.filter_map(|proxy| proxy.answers).map(is_up);
    maybe(families, TRUNK_OPTIONS, labels, all(answers).map(yes_or_no));
    let since = trunks.iter().filter_map(|trunk| trunk.connected_since).max();
    maybe(families, TRUNK_SINCE, labels, since.map(epoch_seconds));

    let is_of =
        |at: &Reference| at.is(name) || trunks.iter().any(|trunk| trunk.reference.id == at.id);
    let metrics: Vec<&TrunkMetrics> =
        state.trunk_metrics.items.iter().filter(|it| is_of(&it.trunk)).collect();
    carried(families, labels, &metrics, (TRUNK_CALLS, TRUNK_QOS_MISMATCHES));
    let success = metrics.iter().filter_map(|it| it.setup_success_ratio).reduce(f64::min);
    maybe(families, TRUNK_SETUP, labels, success);
    let jitter = metrics.iter().filter_map(|it| it.jitter).max();
    maybe(families, TRUNK_JITTER, labels, jitter.map(|it| it.as_secs_f64()));
    let utilization = metrics.iter().filter_map(|it| it.utilization_ratio).reduce(f64::max);
    maybe(families, TRUNK_UTILIZATION, labels, utilization);
    let peak = metrics.iter().filter_map(|it| it.peak_calls).max();
    maybe(families, TRUNK_PEAK, labels, peak.map(|calls| calls as f64));
}

/// Calls and packets of these trunks, added up.
fn carried(
    families: &mut Families,
    labels: &Labels<'_>,
    metrics: &[&TrunkMetrics],
    (calls, mismatches): (Family, Family),
) {
    let inbound = sum(metrics.iter().map(|it| it.inbound_calls));
    maybe(families, calls, &with(labels, &[("direction", "inbound")]), inbound);
    let outbound = sum(metrics.iter().map(|it| it.outbound_calls));
    maybe(families, calls, &with(labels, &[("direction", "outbound")]), outbound);
    maybe(families, mismatches, labels, sum(metrics.iter().map(|it| it.qos_mismatches)));
}

/// A phone that the configuration lists; of several behind one name the worst speaks for all.
fn phone(families: &mut Families, labels: &Labels<'_>, state: &Snapshot, name: &str) {
    let is_active =
        state.phones.items.iter().filter(|phone| phone.is(name)).map(|phone| match phone.state {
            PhoneState::Active => Some(true),
            PhoneState::Unknown => None,
            PhoneState::Failed
            | PhoneState::Pending
            | PhoneState::Provisioning
            | PhoneState::Unassigned => Some(false),
        });
    maybe(families, PHONE_ACTIVE, labels, all(is_active).map(yes_or_no));
}

/// All phones by state, and by site and state; gives how many series had no place.
fn phones(families: &mut Families, site: &str, state: &Snapshot) -> u64 {
    let states = PhoneState::ALL.map(|state| (state, state.label()));
    tally(families, PHONES, "state", site, &state.phones, &states, |phone| phone.state);
    let mut by_site = Tally::<{ PhoneState::ALL.len() }>::default();
    for phone in &state.phones.items {
        let at = PhoneState::ALL.iter().position(|it| *it == phone.state);
        by_site.count(&place(state, phone), at.unwrap_or_default());
    }
    let (by_site, dropped) = by_site.bounded();
    for (place, counts) in &by_site {
        for ((_, word), count) in states.iter().zip(counts) {
            let labels = vec![("vendor_site", place.as_str()), ("state", *word), ("site", site)];
            families.gauge(PHONES_BY_SITE, &labels, *count as f64);
        }
    }
    dropped
}

/// The site of a phone by name, by id where the vendor tells no name.
fn place(state: &Snapshot, phone: &Phone) -> String {
    let Some(at) = &phone.site else { return bounded::NONE.to_owned() };
    let sites = || state.sites.items.iter().map(|site| &site.reference);
    let named = Some(at)
        .into_iter()
        .chain(sites().filter(|site| site.id == at.id))
        .find(|site| !site.name.as_str().is_empty());
    bounded::label(named.map_or(&at.id, |site| &site.name))
}

/// How many things of a part are in each state; nothing of a part that is not known.
fn tally<T, S: PartialEq>(
    families: &mut Families,
    family: Family,
    label: &'static str,
    site: &str,
    part: &Part<T>,
    states: &[(S, &'static str)],
    state_of: impl Fn(&T) -> S,
) {
    for (wanted, word) in states.iter().filter(|_| part.is_current()) {
        let count = part.items.iter().filter(|item| state_of(item) == *wanted).count();
        families.gauge(family, &vec![(label, word), ("site", site)], count as f64);
    }
}

/// A number where there is one.
fn maybe(families: &mut Families, family: Family, labels: &Labels<'_>, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        families.gauge(family, labels, value);
    }
}

/// The sum of what is told; nothing where nothing is.
fn sum(numbers: impl Iterator<Item = Option<u64>>) -> Option<f64> {
    numbers.flatten().reduce(u64::saturating_add).map(|sum| sum as f64)
}

/// No, where one says no; yes, where there are some and all say yes; else nobody knows.
fn all(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let answers: Vec<Option<bool>> = answers.into_iter().collect();
    if answers.contains(&Some(false)) {
        Some(false)
    } else if answers.is_empty() || answers.contains(&None) {
        None
    } else {
        Some(true)
    }
}

const fn is_up(state: State) -> Option<bool> {
    match state {
        State::Up => Some(true),
        State::Down => Some(false),
        State::Unknown => None,
    }
}

fn yes_or_no(answer: bool) -> f64 {
    f64::from(u8::from(answer))
}

families! {
    PART_OK = "branchline_telephony_part_ok",
        "1 if the latest reading of a part of the vendor's state succeeded, 0 if it failed.";
    STATE_READ = "branchline_telephony_read_timestamp_seconds",
        "When a part of the vendor's state was last read whole.";
    UNKNOWN = "branchline_telephony_unknown",
        "Things of a part that hold a word of the vendor's that is not known.";
    UNREADABLE = "branchline_telephony_unreadable",
        "Things of a part that could not be understood.";
    EDGES = "branchline_edges", "Edges by normalised state.";
    EDGES_IN_SERVICE = "branchline_edges_in_service", "Edges that are paired and not retired.";
    EDGE_CONVERSATIONS = "branchline_edge_conversations", "Conversations that the edges carry.";
    EDGE_GROUPS = "branchline_edge_groups", "Edge groups by normalised state.";
    EDGE_GROUP_UP = "branchline_edge_group_up",
        "1 if the vendor calls a configured edge group ready, 0 if not; absent if it does not tell.";
    EDGE_PROCESSOR = "branchline_edge_processor_ratio",
        "The highest use of processors among the edges of a configured edge group.";
    EDGE_MEMORY = "branchline_edge_memory_ratio",
        "The highest use of memory among the edges of a configured edge group.";
    EDGE_DISK = "branchline_edge_disk_ratio",
        "The highest use of a disk among the edges of a configured edge group.";
    EDGE_NETWORK = "branchline_edge_network_ratio",
        "The highest use of a network interface among the edges of a configured edge group.";
    EDGE_GROUP_POOR = "branchline_edge_group_poor_conversations",
        "Conversations over the edges of a configured edge group that sounded badly lately.";
    TRUNKS = "branchline_trunks", "Trunks by normalised state.";
    TRUNK_REGISTRATIONS = "branchline_trunk_registrations", "Trunks by registration.";
    TRUNK_UP = "branchline_trunk_up",
        "1 if the vendor calls a configured trunk up on every edge, 0 if it is down on one.";
    TRUNK_REGISTERED = "branchline_trunk_registered",
        "1 if the vendor calls a configured trunk registered on every edge, 0 if not; absent if it does not register.";
    TRUNK_OPTIONS = "branchline_trunk_options_answered",
        "1 if every proxy of a configured trunk answers OPTIONS, 0 if one does not; absent if none is asked.";
    TRUNK_SINCE = "branchline_trunk_connection_changed_timestamp_seconds",
        "When a configured trunk was last connected or disconnected on an edge.";
    TRUNK_CALLS = "branchline_trunk_calls",
        "Calls at the moment over a configured trunk, on all edges, by direction.";
    TRUNK_QOS_MISMATCHES = "branchline_trunk_qos_mismatches",
        "Packets of a configured trunk in the last 24 hours whose DSCP was not the configured one.";
    TRUNK_SETUP = "branchline_trunk_setup_success_ratio",
        "The part of calls over a configured trunk that were set up, on the worst edge.";
    TRUNK_JITTER = "branchline_trunk_jitter_seconds",
        "Jitter of the calls over a configured trunk, on the worst edge.";
    TRUNK_UTILIZATION = "branchline_trunk_utilization_ratio",
        "The part of the capacity of a configured trunk that was used, on the busiest edge.";
    TRUNK_PEAK = "branchline_trunk_peak_calls",
        "The most calls at a time over a configured trunk, on the busiest edge.";
    CALLS = "branchline_calls", "Calls at the moment over all trunks, by direction.";
    QOS_MISMATCHES = "branchline_qos_mismatches",
        "Packets of all trunks in the last 24 hours whose DSCP was not the configured one.";
    PHONES = "branchline_phones", "Phones by normalised state.";
    PHONES_BY_SITE = "branchline_phones_by_site",
        "Phones by the vendor's site and normalised state; __other__ where there are too many sites.";
    PHONE_ACTIVE = "branchline_phone_active",
        "1 if a phone that the configuration lists is active, 0 if not; absent if the vendor does not tell.";
    CERTIFICATE_EXPIRY = "branchline_vendor_certificate_expiry_timestamp_seconds",
        "When the first certificate ends of the authorities that edges trust.";
    POOR = "branchline_poor_conversations", "Conversations over all edges that sounded badly lately.";
    CHANGES = "branchline_changes", "Changes of the last day in the vendor's audit.";
    LAST_CHANGE = "branchline_last_change_timestamp_seconds",
        "When somebody last changed something at the vendor.";
}
