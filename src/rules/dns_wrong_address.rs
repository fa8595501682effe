//! Rule `dns-wrong-address`: every answer gives an address that nobody expects.

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
    let summary = format!("{} leads to an address that is not expected", name.question);
    let by_authority = name.who(is_wrong).any(|it| it.view == View::Authoritative);
    let group = dns::ready_group(evidence, name.edge_group.as_deref()).filter(|_| by_authority);
    // What the zone itself says of a group that is ready, the vendor has published.
    let owner = if group.is_some() { Owner::Vendor } else { Owner::Dns };
    let mut finding = Finding::new(&RULE, severity, owner, &name.question, summary)
        .because(dns::exhibits(evidence, name, is_wrong));
    if !name.expected.is_empty() {
        let expected: Vec<String> = name.expected.iter().map(ToString::to_string).collect();
        finding = finding.next(format!(
            "Compare the record with the address that is expected, {}; one of the two is wrong.",
            expected.join(" or ")
        ));
    }
    finding
}
