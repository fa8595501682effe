//! What the rules about the vendor's API share: which parts of its state failed, and why.

use branchline_probes::Foreign;

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::{ApiProblem, PartName, PartState};

/// The parts whose last reading met a problem of one kind.
pub(super) struct Failing<'a>(Vec<PartState<'a>>);

impl<'a> Failing<'a> {
    pub(super) fn new(evidence: &'a Evidence, is_it: impl Fn(&ApiProblem) -> bool) -> Self {
        let parts = evidence.state.iter().flat_map(|state| state.parts());
        Self(parts.filter(|part| part.problem.is_some_and(&is_it)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the parts.
    pub(super) fn names(&self) -> impl Iterator<Item = PartName> {
        self.0.iter().map(|part| part.name)
    }

    /// What only explains or warns is missed by nobody who has to decide.
    pub(super) fn severity(&self) -> Severity {
        severity(self.names())
    }

    /// With what follows from it: what could not be read grows old. Parts that only explain say
    /// nothing of one that is vital and old.
    pub(super) fn explain(&self, finding: Finding, evidence: &Evidence) -> Finding {
        let stale = evidence.state.iter().flat_map(|state| state.parts());
        let mut stale = stale.filter(|part| part.stale).map(|part| part.name);
        let explains_all = stale.all(|old| self.names().any(|name| name == old));
        if explains_all || self.severity() == Severity::Warning {
            finding.covering(&["state-stale"])
        } else {
            finding
        }
    }

    /// What the vendor said of each part; the same words are not repeated.
    pub(super) fn exhibits(&self) -> Vec<Exhibit> {
        let mut told: Vec<(String, Vec<&'static str>, Vec<&Foreign>)> = Vec::new();
        for part in &self.0 {
            let text = part.problem.map(ToString::to_string).unwrap_or_default();
            let place = told.iter().position(|(known, ..)| *known == text).unwrap_or_else(|| {
                told.push((text, Vec::new(), Vec::new()));
                told.len() - 1
            });
            let (_, names, correlations) = &mut told[place];
            names.push(part.name.in_words());
            let is_new = |id: &&Foreign| !correlations.contains(id);
            if let Some(id) = part.correlation.filter(is_new) {
                correlations.push(id);
            }
        }
        told.into_iter()
            .map(|(text, names, correlations)| {
                Exhibit::of_state(names.join(", "), text + &quoted(&correlations))
            })
            .collect()
    }
}

/// The vendor's support finds an attempt by this name alone.
fn quoted(correlations: &[&Foreign]) -> String {
    if correlations.is_empty() {
        return String::new();
    }
    let ids: Vec<&str> = correlations.iter().take(QUOTED).map(|id| id.as_str()).collect();
    format!(" (ININ-Correlation-Id {})", ids.join(", "))
}

/// How much it matters that these parts are not known.
pub(super) fn severity(parts: impl IntoIterator<Item = PartName>) -> Severity {
    let has_vital = parts.into_iter().any(PartName::is_vital);
    if has_vital { Severity::Warning } else { Severity::Info }
}

/// A finding where at least one part met a problem of this kind.
pub(super) fn finding(
    rule: &Rule,
    evidence: &Evidence,
    is_it: impl Fn(&ApiProblem) -> bool,
    owner: Owner,
    summary: &str,
) -> Vec<Finding> {
    let failing = Failing::new(evidence, is_it);
    if failing.is_empty() {
        return Vec::new();
    }
    let finding = Finding::new(rule, failing.severity(), owner, "vendor API", summary);
    vec![failing.explain(finding.because(failing.exhibits()), evidence)]
}

/// How many names of attempts one piece of evidence holds.
const QUOTED: usize = 3;
