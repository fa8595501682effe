//! Rule `state-stale`: what the vendor says is old.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule};
use crate::rules::api;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "state-stale",
    meaning: "A part of the vendor's state has not been read for long: what was said of it is no longer believed.",
    decided_by: "The last complete reading of a part is older than three intervals of reading and a minute.",
    falsified_by: "A fresh reading.",
    remedy: "Look at the requests and problems of the vendor API in this agent's log and metrics.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = &evidence.state else { return Vec::new() };
    let stale = || state.parts().into_iter().filter(|part| part.stale);
    let old: Vec<Exhibit> = stale()
        .filter_map(|part| {
            let age = evidence.now.duration_since(part.read?).unwrap_or_default();
            let text = format!("read {} minutes ago", age.as_secs() / 60);
            Some(Exhibit::of_state(part.name.in_words().to_owned(), text))
        })
        .collect();
    if old.is_empty() {
        return Vec::new();
    }
    let summary = "what the vendor says has grown old";
    let severity = api::severity(stale().map(|part| part.name));
    vec![Finding::new(&RULE, severity, Owner::Configuration, "vendor API", summary).because(old)]
}
