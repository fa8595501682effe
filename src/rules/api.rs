//! What the rules about the vendor's API share: which parts of its state failed, and why.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::ApiProblem;

/// The parts whose last reading met a problem of this kind; the same words are not repeated.
pub(super) fn exhibits(evidence: &Evidence, is_it: impl Fn(&ApiProblem) -> bool) -> Vec<Exhibit> {
    let mut exhibits: Vec<Exhibit> = Vec::new();
    for part in evidence.state.iter().flat_map(|state| state.parts()) {
        if let Some(problem) = part.problem.filter(|problem| is_it(problem)) {
            let text = problem.to_string();
            match exhibits.iter_mut().find(|exhibit| exhibit.text == text) {
                Some(same) => {
                    same.reference = format!("{}, {}", same.reference, part.name.in_words())
                }
                None => exhibits.push(Exhibit::of_state(part.name.in_words().to_owned(), text)),
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
