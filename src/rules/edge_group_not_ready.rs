//! Rule `edge-group-not-ready`: an edge group is not ready.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::propagation;
use crate::rules::changes;
use crate::telephony::{EdgeGroup, State};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "edge-group-not-ready",
    meaning: "An edge group is not ready: its phones cannot be provisioned, and its name may not exist yet.",
    decided_by: "The group is not active, has no edge in service, or one of its edges is down, by the vendor's API.",
    falsified_by: "The vendor calling the group active, with every edge up.",
    remedy: "Wait until the group is ready; if it stays so for more than ten minutes, ask the vendor.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let groups = evidence.state.iter().flat_map(|state| &state.edge_groups.items);
    groups
        .filter(|group| group.state == State::Down)
        .map(|group| finding(evidence, group))
        .collect()
}

fn finding(evidence: &Evidence, group: &EdgeGroup) -> Finding {
    let name = &group.reference.name;
    let summary = format!("edge group {name} is not ready");
    let severity = Severity::where_required(evidence.concerns_edge_group(&group.reference));
    let mut finding = Finding::new(&RULE, severity, Owner::Vendor, name, summary)
        .about(&group.reference)
        .because([Exhibit::of_state(format!("edge group {name}"), &group.raw)])
        .because(changes::of_edge_group(evidence, group));
    if let Some(word) = becoming(group) {
        finding.summary = format!("edge group {name} is not ready yet: the vendor says {word}");
        finding.next_step = format!(
            "Wait: a group leaves {word} by itself within two minutes; if it is still in it after \
             ten, ask the vendor. Phones can be provisioned once it is ACTIVE."
        );
    }
    // A group that is not ready has no record to spread yet.
    let is_of_group =
        |link: &Option<String>| link.as_ref().is_some_and(|link| group.reference.is(link));
    if !evidence.cases.iter().any(|case| is_of_group(&case.edge_group)) {
        return finding;
    }
    for name in propagation::of(evidence).iter().filter(|name| is_of_group(&name.edge_group)) {
        finding = finding
            .covering_subject("dns-not-created", &name.question)
            .covering_subject("dns-not-propagated", &name.question);
    }
    finding
}

/// The word by which the vendor's guide says that a group is on its way; it polls such a group 20
/// times, every 5 s.
fn becoming(group: &EdgeGroup) -> Option<&'static str> {
    let words = group.raw.as_str().split(|it: char| !it.is_ascii_alphabetic());
    let said: Vec<&str> = words.collect();
    ["PENDING", "CONFIGURING"].into_iter().find(|word| said.contains(word))
}
