//! Rule `host-offline`: this host has no way out, so nothing can be said of anybody else.

use branchline_probes::Failure;

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "host-offline",
    meaning: "This host has no network: it says nothing of the phones of the site.",
    decided_by: "Every check failed on this host itself (no route, no address, no resolver), and nothing answered.",
    falsified_by: "One answer from anywhere.",
    remedy: "Look at this host: its link, its address, its default route and its resolver.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_ours =
        |failure: &Failure| matches!(failure, Failure::Local { .. } | Failure::Unresolved { .. });
    let all_ours = evidence.cases.iter().all(|case| case.failure().is_some_and(is_ours));
    let any_local =
        evidence.cases.iter().any(|case| matches!(case.failure(), Some(Failure::Local { .. })));
    if !all_ours || !any_local || evidence.has_life() {
        return Vec::new();
    }
    let summary = "this host has no way to the network";
    vec![
        Finding::new(&RULE, Severity::Blocking, Owner::ThisHost, "this host", summary)
            .because(evidence.cases.iter().map(Exhibit::of_case))
            .covering(&["dns-resolver-down", "api-unreachable", "internet-down"]),
    ]
}
