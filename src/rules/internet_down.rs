//! Rule `internet-down`: nothing beyond the site answers.

use std::collections::BTreeSet;

use branchline_probes::Failure;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "internet-down",
    meaning: "Nothing beyond the site answers: the uplink is down, or everything is filtered.",
    decided_by: "At least three checks at two hosts or more failed in silence or without a way, nothing at all answered, and the vendor API, where it is asked, is unreachable.",
    falsified_by: "One answer from beyond the site.",
    remedy: "Check the uplink with the provider; then whether the firewall lets this host out at all.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_lost = |case: &Case| {
        case.is_silent()
            || matches!(case.failure().map(Failure::label), Some("unreachable" | "unresolved"))
    };
    let hosts: BTreeSet<&str> = evidence.cases.iter().map(|case| case.host.as_str()).collect();
    let api_answers_or_is_not_asked = evidence.state.is_some() && evidence.api_answers();
    if evidence.cases.len() < 3
        || hosts.len() < 2
        || !evidence.cases.iter().all(is_lost)
        || api_answers_or_is_not_asked
    {
        return Vec::new();
    }
    let summary = "nothing beyond the site answers";
    vec![
        Finding::new(&RULE, Severity::Blocking, Owner::InternetProvider, "uplink", summary)
            .because(evidence.cases.iter().map(Exhibit::of_case))
            .covering(&[
                "udp-blocked",
                "stun-turn-udp-blocked",
                "relay-address-blocked",
                "sip-port-blocked",
                "dns-resolver-down",
                "api-unreachable",
            ]),
    ]
}
