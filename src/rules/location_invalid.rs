//! Rule `location-invalid`: the vendor has no site at the configured location.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::rules::api;
use crate::telephony::ApiProblem;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "location-invalid",
    meaning: "No site of the vendor belongs to the location that [telephony] names: nothing of the vendor's state can be told to be of this office.",
    decided_by: "None of the sites that the vendor's API lists has a location of that name or id.",
    falsified_by: "A site with that location.",
    remedy: "Compare `location` of [telephony] with the locations of the sites in the vendor's administration.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_it = |problem: &ApiProblem| matches!(problem, ApiProblem::NoSuchLocation { .. });
    let summary = "the vendor has no site at the configured location";
    api::finding(&RULE, evidence, is_it, Owner::Configuration, summary)
}
