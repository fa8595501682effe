//! Rule `api-permission`: the OAuth client may not read something.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::rules::api;
use crate::telephony::ApiProblem;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "api-permission",
    meaning: "The OAuth client lacks a permission: a part of the vendor's state cannot be read.",
    decided_by: "The API answered 403.",
    falsified_by: "A complete reading of that part.",
    remedy: "Give the OAuth client a role with the permission telephony:plugin:all; it has no narrower one for reading.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_it = |problem: &ApiProblem| matches!(problem, ApiProblem::Permission { .. });
    let summary = "the OAuth client may not read a part of the vendor's state";
    api::warning(&RULE, evidence, is_it, Owner::Credentials, summary)
}
