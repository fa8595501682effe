//! Rule `dns-wrong-address`: every answer gives an address that nobody expects.

use std::collections::BTreeSet;

use branchline_probes::Foreign;

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::propagation::{self, Propagation, Says, Standing};
use crate::rules::dns;
use crate::sight::View;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-wrong-address",
    meaning: "The name leads to an address that is not the expected one.",
    decided_by: "Nameservers answer, and none gives an address that the configuration, or an edge of the name's group by the vendor's API, expects.",
    falsified_by: "The expected address from one of them.",
    remedy: "Compare the record with the address of the provisioning server; one of the two is wrong.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    propagation::of(evidence)
        .into_iter()
        .filter(|name| name.standing == Standing::WrongAddress)
        .map(|name| finding(evidence, &name))
        .collect()
}

fn finding(evidence: &Evidence, name: &Propagation) -> Finding {
    let is_wrong = |says| says == Says::Wrong;
    let severity = dns::severity(evidence, name, is_wrong);
    let found: BTreeSet<&str> =
        name.who(is_wrong).flat_map(|it| &it.records).map(Foreign::as_str).collect();
    let found: Vec<&str> = found.into_iter().take(SHOWN).collect();
    let expected: Vec<String> = name.expected.iter().map(ToString::to_string).collect();
    let expected = expected.join(" or ");
    let summary = if found.is_empty() || expected.is_empty() {
        format!("{} leads to an address that is not expected", name.question)
    } else {
        let who =
            if name.is_expected_by_vendor { "the vendor's edges" } else { "the configuration" };
        format!("{} is {}; expected is {expected}, by {who}", name.question, found.join(", "))
    };
    let by_authority = name.who(is_wrong).any(|it| it.view == View::Authoritative);
    let group = dns::ready_group(evidence, name.edge_group.as_deref()).filter(|_| by_authority);
    // What the zone itself says of a group that is ready, the vendor has published.
    let owner = if group.is_some() { Owner::Vendor } else { Owner::Dns };
    let mut finding = Finding::new(&RULE, severity, owner, &name.question, summary)
        .because(dns::exhibits(evidence, name, is_wrong));
    if !expected.is_empty() {
        finding = finding.next(format!(
            "Find out which of the two is right, the record or {expected}; have the other mended."
        ));
    }
    finding
}

/// How many records a summary shows.
const SHOWN: usize = 4;
