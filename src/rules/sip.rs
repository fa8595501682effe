//! What the rules about signalling share: who was asked over SIP, whether it spoke, and which other
//! way leads to it.

use std::net::SocketAddr;

use branchline_probes::sip::facts::STATUS_CODE;
use branchline_probes::{Failure, Transport};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Finding, Owner, Severity};

/// What was asked over SIP.
pub(super) fn cases(evidence: &Evidence) -> impl Iterator<Item = &Case> {
    evidence.cases.iter().filter(|case| is_sip(case))
}

/// Whether a case speaks SIP.
pub(super) fn is_sip(case: &Case) -> bool {
    PROBES.iter().any(|(probe, _)| case.is_of(probe))
}

/// What was asked over SIP, target by target, in the order of the plan.
pub(super) fn by_target(evidence: &Evidence) -> Vec<Vec<&Case>> {
    grouped(evidence, |case| &case.id.target)
}

/// What was asked over SIP of one address over one transport, target by target.
pub(super) fn by_place(evidence: &Evidence) -> Vec<Vec<&Case>> {
    grouped(evidence, |case| (&case.id.target, place(case)))
}

fn grouped<'a, K: PartialEq>(
    evidence: &'a Evidence,
    key: impl Fn(&'a Case) -> K,
) -> Vec<Vec<&'a Case>> {
    let mut groups: Vec<(K, Vec<&Case>)> = Vec::new();
    for case in cases(evidence) {
        let its = key(case);
        match groups.iter_mut().find(|(key, _)| *key == its) {
            Some((_, group)) => group.push(case),
            None => groups.push((its, vec![case])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// To whom a case spoke, and over what.
pub(super) fn place(case: &Case) -> Option<(SocketAddr, Transport)> {
    Some((case.observation.address?, case.observation.transport))
}

/// `udp 192.0.2.20:5060`.
pub(super) fn way(case: &Case) -> String {
    let address = case.observation.address.map(|it| it.to_string()).unwrap_or_default();
    format!("{} {address}", case.observation.transport.label())
}

/// Whether a SIP server answered by SIP, be it no.
pub(super) fn speaks(case: &Case) -> bool {
    let is_answer = matches!(
        case.failure(),
        Some(
            Failure::Rejected { .. }
                | Failure::Misbehaved { .. }
                | Failure::UnexpectedAnswer { .. }
                | Failure::AuthRealm { .. }
                | Failure::AuthWeak { .. }
        )
    );
    case.is_up() || is_answer || case.observation.outcome.facts.read(&STATUS_CODE).is_some()
}

/// Whether two cases mean one server: the same address, or the same name.
pub(super) fn is_same_server(one: &Case, other: &Case) -> bool {
    is_same_address(one, other) || one.host == other.host
}

fn is_same_address(one: &Case, other: &Case) -> bool {
    let ip = |case: &Case| case.observation.address.map(|address| address.ip());
    ip(one).is_some() && ip(one) == ip(other)
}

/// Whether a case met silence where nobody else who asked the same way was answered.
pub(super) fn is_silent(evidence: &Evidence, case: &Case) -> bool {
    case.is_unheard() && speaker_at(evidence, case).is_none()
}

/// Who was answered at the same address over the same transport.
pub(super) fn speaker_at<'a>(evidence: &'a Evidence, case: &Case) -> Option<&'a Case> {
    cases(evidence).find(|other| place(other) == place(case) && speaks(other))
}

/// Another way to a server, which answers there.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) case: &'a Case,
    is_same_address: bool,
}

/// Another way to the server of these cases: the nearest one that is answered.
pub(super) fn other_way<'a>(evidence: &'a Evidence, of: &[&Case]) -> Option<Way<'a>> {
    let is_other = |case: &&Case| {
        let is_new = !of.iter().any(|it| place(it) == place(case));
        is_new && speaks(case) && of.iter().any(|it| is_same_server(it, case))
    };
    let ways = cases(evidence)
        .filter(is_other)
        .map(|case| Way { case, is_same_address: of.iter().any(|it| is_same_address(it, case)) });
    ways.min_by_key(|way| (!way.is_same_address, !way.case.is_up(), way.case.observation.transport))
}

impl Way<'_> {
    /// `tls 5061 to the same address works`.
    pub(super) fn words(&self) -> String {
        let verb = if self.case.is_up() { "works" } else { "answers" };
        let place = if self.is_same_address { "to the same address" } else { "of the same host" };
        format!("{} {place} {verb}", self.name())
    }

    /// `tls 5061`, with the address where it is another one.
    pub(super) fn name(&self) -> String {
        if self.is_same_address { short(self.case) } else { way(self.case) }
    }
}

/// `udp 5060`.
pub(super) fn short(case: &Case) -> String {
    let port = case.observation.address.map(|address| address.port().to_string());
    format!("{} {}", case.observation.transport.label(), port.unwrap_or_default())
}

/// The targets of which every way that met silence is one of these.
pub(super) fn silent_targets(evidence: &Evidence, is_one: impl Fn(&Case) -> bool) -> Vec<&str> {
    let silent = by_target(evidence).into_iter().filter_map(|cases| {
        let mut silent = cases.into_iter().filter(|case| is_silent(evidence, case)).peekable();
        let target = &*silent.peek()?.id.target;
        silent.all(&is_one).then_some(target)
    });
    silent.collect()
}

/// What people call whoever is asked.
pub(super) fn name(cases: &[&Case]) -> &'static str {
    let is_registrar = cases.iter().any(|case| case.is_of("sip-register"));
    if is_registrar { "registrar" } else { "SIP server" }
}

/// What is asked.
pub(super) fn method(case: &Case) -> &'static str {
    let asks = PROBES.iter().find(|(probe, _)| case.is_of(probe));
    asks.map_or("", |(_, method)| *method)
}

/// Whose the server is: at the other end of a trunk is its carrier.
pub(super) fn owner(cases: &[&Case]) -> Owner {
    if cases.iter().any(|case| case.trunk.is_some()) { Owner::Carrier } else { Owner::Vendor }
}

/// Declares that a finding explains what the vendor says of the trunks behind these cases, by
/// these rules; what is only a warning explains nothing that keeps phones from working.
pub(super) fn covering_trunks(
    finding: Finding,
    evidence: &Evidence,
    cases: &[&Case],
    rules: &[&'static str],
) -> Finding {
    if finding.severity != Severity::Blocking {
        return finding;
    }
    let links = cases.iter().filter_map(|case| case.trunk.as_deref());
    let state = evidence.state.iter();
    let trunks = state.flat_map(|state| links.clone().flat_map(|link| state.trunks_of(link)));
    trunks.fold(finding, |finding, trunk| {
        rules.iter().fold(finding, |it, rule| it.covering_thing(rule, &trunk.reference))
    })
}

/// The probes that speak SIP, and what they ask.
const PROBES: &[(&str, &str)] = &[("sip-register", "REGISTER"), ("sip-options", "OPTIONS")];
