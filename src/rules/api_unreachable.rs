//! Rule `api-unreachable`: the vendor API does not answer.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule, Severity};
use crate::rules::api;
use crate::telephony::ApiProblem;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "api-unreachable",
    meaning: "The vendor API cannot be reached from here: the verdict rests on what was seen on site alone.",
    decided_by: "Reading the vendor's state failed for want of a connection, or with a server error.",
    falsified_by: "One complete reading.",
    remedy: "Check that this host may reach the API and login hosts by HTTPS, and the vendor's status page.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_it = |problem: &ApiProblem| {
        matches!(
            problem,
            ApiProblem::Unreachable { .. }
                | ApiProblem::Tls { .. }
                | ApiProblem::Server { .. }
                | ApiProblem::NotFound { .. }
                | ApiProblem::Conflict { .. }
                | ApiProblem::Request { .. }
                | ApiProblem::Denied { .. }
                | ApiProblem::Malformed { .. }
        )
    };
    let exhibits = api::exhibits(evidence, is_it);
    if exhibits.is_empty() {
        return Vec::new();
    }
    // Somebody who answers wrongly is the vendor's; nobody at all may be the way there.
    let is_answer =
        |it: &ApiProblem| !matches!(it, ApiProblem::Unreachable { .. } | ApiProblem::Tls { .. });
    let answered = !api::exhibits(evidence, is_answer).is_empty();
    let owner = if answered { Owner::Vendor } else { Owner::SiteNetwork };
    let summary = "the vendor API cannot be read; the verdict rests on the site alone";
    vec![
        Finding::new(&RULE, Severity::Warning, owner, "vendor API", summary)
            .because(exhibits)
            .covering(&["state-stale"]),
    ]
}
