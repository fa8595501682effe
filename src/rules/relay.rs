//! What the rules about relays share: who was asked, whether it was heard, and which other way
//! leads to it.

use std::net::IpAddr;

use branchline_probes::Transport;

use crate::correlation::{Case, Evidence};
use crate::ladder::Rung;

/// What was asked of relays by any probe that speaks to one.
pub(super) fn cases(evidence: &Evidence) -> impl Iterator<Item = &Case> {
    evidence.cases.iter().filter(|case| PROBES.iter().any(|probe| case.is_of(probe)))
}

/// What was asked of relays over UDP.
pub(super) fn udp_cases(evidence: &Evidence) -> impl Iterator<Item = &Case> {
    cases(evidence).filter(|case| case.observation.transport == Transport::Udp)
}

/// What was asked of TURN, beyond what every STUN server answers.
pub(super) fn turn_cases(evidence: &Evidence) -> impl Iterator<Item = &Case> {
    cases(evidence).filter(|case| is_turn(case))
}

/// Whether a case asks TURN, beyond what every STUN server answers.
pub(super) fn is_turn(case: &Case) -> bool {
    TURN_PROBES.iter().any(|probe| case.is_of(probe))
}

/// The address that a case spoke to, without the port.
pub(super) fn ip(case: &Case) -> Option<IpAddr> {
    case.observation.address.map(|address| address.ip())
}

/// Another way to a relay: over TCP or TLS, and it works.
pub(super) struct Way<'a> {
    pub(super) case: &'a Case,
    pub(super) rung: Rung,
}

/// The cheapest way over TCP or TLS to one of these addresses that works: one that TURN took,
/// where there is any.
pub(super) fn other_way<'a>(evidence: &'a Evidence, addresses: &[IpAddr]) -> Option<Way<'a>> {
    let working = cases(evidence).filter(|case| case.is_up()).filter_map(|case| {
        let (address, rung) = Rung::of(&case.observation)?;
        let is_other = rung.transport.is_stream() && addresses.contains(&address);
        is_other.then_some(Way { case, rung })
    });
    working.min_by_key(|way| (!is_turn(way.case), way.rung.price()))
}

/// What was asked of these addresses over TCP or TLS, where no way works.
pub(super) fn failed_ways<'a>(evidence: &'a Evidence, addresses: &[IpAddr]) -> Vec<&'a Case> {
    let is_one = |case: &&Case| {
        let is_stream = case.observation.transport.is_stream();
        is_stream && case.is_down() && ip(case).is_some_and(|ip| addresses.contains(&ip))
    };
    cases(evidence).filter(is_one).collect()
}

impl Way<'_> {
    /// Whether TURN was asked for there: a STUN server alone carries no call.
    pub(super) fn carries_calls(&self) -> bool {
        is_turn(self.case)
    }

    /// `tls 5349 to 192.0.2.10`.
    pub(super) fn name(&self) -> String {
        let to = ip(self.case).map(|ip| format!(" to {ip}")).unwrap_or_default();
        format!("{}{to}", self.rung.name())
    }
}

const TURN_PROBES: &[&str] = &["turn-allocation", "turn-media"];
const PROBES: &[&str] = &["stun-binding", "turn-allocation", "turn-media", "nat-behavior"];
