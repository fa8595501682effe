//! What the rules about names share: how a sighting is shown, and how long is still to be waited.

use std::time::{Duration, SystemTime};

use branchline_probes::dns_query::{ANSWERS, NSID, QUESTION, SERIAL, TTL};
use branchline_probes::{Foreign, show_duration};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Severity};
use crate::propagation::{Propagation, Says, Sighting};
use crate::telephony::{EdgeGroup, State};

/// The case of a sighting.
pub(super) fn case<'a>(evidence: &'a Evidence, sighting: &Sighting) -> &'a Case {
    &evidence.cases[sighting.case]
}

/// What a nameserver said, as evidence.
pub(super) fn exhibit(evidence: &Evidence, sighting: &Sighting) -> Exhibit {
    let case = case(evidence, sighting);
    let facts = &case.observation.outcome.facts;
    let mut exhibit = Exhibit::of_case(case);
    let answers = facts.read(&ANSWERS).unwrap_or_default();
    if case.failure().is_none() && !answers.is_empty() {
        let answers: Vec<&str> = answers.iter().take(SHOWN).map(Foreign::as_str).collect();
        exhibit.text = answers.join(", ");
        if let Some(ttl) = facts.read(&TTL) {
            exhibit.text.push_str(&format!(", TTL {}", show_duration(ttl)));
        }
    }
    // Of a watched name the reference tells the question already.
    if let Some(question) = facts.read(&QUESTION).filter(|_| case.sight.is_none()) {
        exhibit.text = format!("{question}: {}", exhibit.text);
    }
    let serial = sighting.serial.map(u64::from).or(facts.read(&SERIAL));
    if let Some(serial) = serial {
        exhibit.text.push_str(&format!("; the zone's serial there is {serial}"));
    }
    if let Some(nsid) = facts.read(&NSID) {
        exhibit.text.push_str(&format!("; it calls itself {nsid}"));
    }
    exhibit
}

/// What those said who say this, as evidence.
pub(super) fn exhibits(
    evidence: &Evidence,
    name: &Propagation,
    is_it: impl Fn(Says) -> bool,
) -> Vec<Exhibit> {
    name.who(is_it).map(|sighting| exhibit(evidence, sighting)).collect()
}

/// Blocking where phones depend on one who says this.
pub(super) fn severity(
    evidence: &Evidence,
    name: &Propagation,
    is_it: impl Fn(Says) -> bool,
) -> Severity {
    let mut cases = name.who(is_it).map(|sighting| case(evidence, sighting));
    Severity::where_required(cases.any(|case| case.required))
}

/// The names of those who say this.
pub(super) fn names(name: &Propagation, is_it: impl Fn(Says) -> bool) -> Vec<&str> {
    name.who(is_it).map(|sighting| sighting.name.as_str()).collect()
}

/// For how long still those who say this may keep it, in words; it counts down between runs.
pub(super) fn wait(
    evidence: &Evidence,
    name: &Propagation,
    is_it: impl Fn(Says) -> bool,
) -> String {
    let kept = name
        .who(is_it)
        .map(|sighting| sighting.until.or_else(|| Some(sighting.heard + sighting.ttl?)));
    let last: Option<Option<SystemTime>> =
        kept.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)));
    match last.flatten() {
        Some(until) if until <= evidence.now => "less than a second".to_owned(),
        Some(until) => format!("at most {}", show_duration(remaining(evidence, until))),
        None => "a time that it does not tell".to_owned(),
    }
}

/// From now until then, in whole seconds.
pub(super) fn remaining(evidence: &Evidence, until: SystemTime) -> Duration {
    let exact = until.duration_since(evidence.now).unwrap_or_default();
    Duration::from_secs(exact.as_secs() + u64::from(exact.subsec_nanos() > 0))
}

/// The edge group of a name, where the vendor calls it ready: it should have its record by now.
pub(super) fn ready_group<'a>(evidence: &'a Evidence, link: Option<&str>) -> Option<&'a EdgeGroup> {
    let (link, state) = link.zip(evidence.state.as_ref())?;
    let mut groups = state.edge_groups.items.iter();
    groups.find(|group| group.reference.is(link) && group.state == State::Up)
}

/// The subject of findings about those who are authoritative, all together.
pub(super) const AUTHORITATIVE: &str = "authoritative nameservers";
/// How many records of one answer a finding shows.
const SHOWN: usize = 4;
