//! What the rules about the vendor's API share: which parts of its state failed, and why.

use std::time::SystemTime;

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::{ApiProblem, Part, Snapshot};

/// One part of the vendor's state.
pub(super) struct PartState<'a> {
    pub(super) name: &'static str,
    pub(super) read: Option<SystemTime>,
    pub(super) stale: bool,
    pub(super) problem: Option<&'a ApiProblem>,
}

/// Every part, whatever it holds.
pub(super) fn parts(state: &Snapshot) -> [PartState<'_>; 4] {
    fn part<'a, T>(name: &'static str, part: &'a Part<T>) -> PartState<'a> {
        PartState { name, read: part.read, stale: part.stale, problem: part.problem.as_ref() }
    }
    [
        part("edges", &state.edges),
        part("edge groups", &state.edge_groups),
        part("trunks", &state.trunks),
        part("phones", &state.phones),
    ]
}

/// The parts whose last reading met a problem of this kind; the same words are not repeated.
pub(super) fn exhibits(evidence: &Evidence, is_it: impl Fn(&ApiProblem) -> bool) -> Vec<Exhibit> {
    let mut exhibits: Vec<Exhibit> = Vec::new();
    for part in evidence.state.iter().flat_map(|state| parts(state)) {
        if let Some(problem) = part.problem.filter(|problem| is_it(problem)) {
            let text = problem.to_string();
            match exhibits.iter_mut().find(|exhibit| exhibit.text == text) {
                Some(same) => same.reference = format!("{}, {}", same.reference, part.name),
                None => exhibits.push(Exhibit::of_state(part.name.to_owned(), text)),
            }
        }
    }
    exhibits
}

/// A warning where at least one part met a problem of this kind.
pub(super) fn warning(
    rule: &Rule,
    evidence: &Evidence,
    is_it: impl Fn(&ApiProblem) -> bool,
    owner: Owner,
    summary: &str,
) -> Vec<Finding> {
    let exhibits = exhibits(evidence, is_it);
    if exhibits.is_empty() {
        return Vec::new();
    }
    let finding = Finding::new(rule, Severity::Warning, owner, "vendor API", summary);
    vec![finding.because(exhibits).covering(&["state-stale"])]
}
