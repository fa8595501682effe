//! Rule `api-permission`: the OAuth client may not read something.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::rules::api::Failing;
use crate::telephony::{ApiProblem, PartName};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "api-permission",
    meaning: "The OAuth client lacks a permission: a part of the vendor's state cannot be read.",
    decided_by: "The API answered 403. A part that only explains, such as what was changed, is good to know and no warning.",
    falsified_by: "A complete reading of that part.",
    remedy: "Give the OAuth client a role with the permission telephony:plugin:all; it has no narrower one for reading.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_it = |problem: &ApiProblem| matches!(problem, ApiProblem::Permission { .. });
    let failing = Failing::new(evidence, is_it);
    if failing.is_empty() {
        return Vec::new();
    }
    let blind: Vec<&str> = failing.names().map(hidden).collect();
    let summary = format!("the OAuth client may not read {}", listed(&blind));
    let mut permissions: Vec<&str> = Vec::new();
    for permission in failing.names().map(permission) {
        if !permissions.contains(&permission) {
            permissions.push(permission);
        }
    }
    let step = format!(
        "Give the OAuth client a role with the permission that the answer names; the published API \
         asks for {}.",
        listed(&permissions)
    );
    let finding =
        Finding::new(&RULE, failing.severity(), Owner::Credentials, "vendor API", summary)
            .because(failing.exhibits())
            .next(step);
    vec![failing.explain(finding, evidence)]
}

/// What nobody sees without a part.
const fn hidden(part: PartName) -> &'static str {
    match part {
        PartName::Edges => "whether edges are online",
        PartName::EdgeGroups => "whether edge groups are ready",
        PartName::Trunks => "whether trunks are up and registered",
        PartName::Phones => "whether phones are in service",
        PartName::Sites => "which site is at which location",
        PartName::Locations => "where sites are",
        PartName::Organization => "in which region the organisation lives",
        PartName::TrunkSettings => "how trunks are set up",
        PartName::Authorities => "when the authorities that edges trust expire",
        PartName::EdgeMetrics => "how loaded edges are",
        PartName::TrunkMetrics => "what trunks carry",
        PartName::Quality => "how calls sounded",
        PartName::Changes => "what somebody changed before it broke",
    }
}

/// What the published API asks of whoever reads a part.
const fn permission(part: PartName) -> &'static str {
    match part {
        PartName::Edges
        | PartName::EdgeGroups
        | PartName::Trunks
        | PartName::Phones
        | PartName::TrunkSettings
        | PartName::Authorities
        | PartName::EdgeMetrics
        | PartName::TrunkMetrics => "telephony:plugin:all (it has no narrower one for reading)",
        PartName::Sites | PartName::Locations | PartName::Organization => {
            "whatever the refusal names, since none is published for it"
        }
        PartName::Quality => "analytics:conversationDetail:view",
        PartName::Changes => "audits:audit:view",
    }
}

fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
