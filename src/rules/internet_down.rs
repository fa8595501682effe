//! Rule `internet-down`: nothing beyond the site answers.

use std::collections::BTreeSet;

use branchline_probes::Failure;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "internet-down",
    meaning: "Nothing beyond the site answers: the uplink is down, or everything is filtered.",
    decided_by: "At least three checks failed, those of two hosts or more in silence or without a way, nothing at all answered, and the vendor API, where it is asked, is unreachable.",
    falsified_by: "One answer from beyond the site.",
    remedy: "Check the uplink with the provider; then whether the firewall lets this host out at all.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_lost = |case: &Case| {
        case.is_unheard() || case.failure().map(Failure::label) == Some("unreachable")
    };
    // Names that this host could not resolve fit in, and prove nothing by themselves.
    let fits =
        |case: &Case| is_lost(case) || case.failure().map(Failure::label) == Some("unresolved");
    let lost = evidence.cases.iter().filter(|case| is_lost(case));
    let hosts: BTreeSet<&str> = lost.map(|case| case.host.as_str()).collect();
    if evidence.cases.len() < 3
        || hosts.len() < 2
        || !evidence.cases.iter().all(fits)
        || evidence.api_answers()
    {
        return Vec::new();
    }
    let is_required = evidence.cases.iter().any(|case| case.required);
    let severity = Severity::where_required(is_required);
    let summary = "nothing beyond the site answers";
    vec![
        Finding::new(&RULE, severity, Owner::InternetProvider, "uplink", summary)
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
