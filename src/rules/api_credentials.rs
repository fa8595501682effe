//! Rule `api-credentials`: the vendor API refuses the OAuth client.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::rules::api;
use crate::telephony::ApiProblem;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "api-credentials",
    meaning: "The vendor API refuses the OAuth client: its state cannot be read.",
    decided_by: "The token endpoint refused the client id or secret, or the API refused a fresh token.",
    falsified_by: "A token.",
    remedy: "Check client_id and client_secret against the OAuth client in the vendor's administration; it needs the grant type client credentials.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_it = |problem: &ApiProblem| matches!(problem, ApiProblem::Credentials { .. });
    let summary = "the vendor API refuses the OAuth client";
    api::finding(&RULE, evidence, is_it, Owner::Credentials, summary)
}
