//! Rule `api-throttled`: the vendor API asks for patience.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::rules::api;
use crate::telephony::ApiProblem;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "api-throttled",
    meaning: "The vendor API throttles us: its state grows older than it should.",
    decided_by: "The API answered 429, and asked for more patience than a reading has.",
    falsified_by: "A complete reading.",
    remedy: "Lengthen the interval of [telephony], or find out who else uses the same OAuth client.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_it = |problem: &ApiProblem| matches!(problem, ApiProblem::Throttled { .. });
    let summary = "the vendor API throttles this client";
    api::finding(&RULE, evidence, is_it, Owner::Configuration, summary)
}
