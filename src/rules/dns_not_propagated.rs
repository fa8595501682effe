//! Rule `dns-not-propagated`: some nameservers have the record and others do not yet.

use crate::correlation::Evidence;
use crate::diagnosis::{Finding, Owner, Rule};
use crate::propagation::{self, Propagation, Says, Standing};
use crate::rules::dns;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-not-propagated",
    meaning: "The record exists, and some nameservers do not have it yet.",
    decided_by: "At least one nameserver gives the expected answer, or what the authoritative ones with the newest zone say; another denies the name or still gives an old answer, for as long as its TTL says.",
    falsified_by: "The same answer from every nameserver.",
    remedy: "Wait for the time that the finding tells; if it passes, have the lagging nameserver transfer the zone or flush its cache.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    propagation::of(evidence)
        .into_iter()
        .filter(|name| name.standing == Standing::Propagating)
        .map(|name| finding(evidence, &name))
        .collect()
}

fn finding(evidence: &Evidence, name: &Propagation) -> Finding {
    let lags = |says| matches!(says, Says::Stale | Says::Behind);
    let is_current = |says| says == Says::Current;
    let lagging = dns::names(name, lags);
    let right = name.who(is_current).next();
    let summary = format!(
        "{} is known to {} and not yet to {} of {} nameservers: {}",
        name.question,
        right.map(|it| it.name.as_str()).unwrap_or_default(),
        lagging.len(),
        name.who(Says::is_an_answer).count(),
        lagging.join(", ")
    );
    let severity = dns::severity(evidence, name, lags);
    // An edge group's zone is the vendor's; what resolvers keep is theirs.
    let is_of_zone = !name.has(|says| says == Says::Stale) && name.edge_group.is_some();
    let owner = if is_of_zone { Owner::Vendor } else { Owner::Dns };
    Finding::new(&RULE, severity, owner, &name.question, summary)
        .because(dns::exhibits(evidence, name, lags))
        .because(right.map(|it| dns::exhibit(evidence, it)))
        .next(step(evidence, name))
}

fn step(evidence: &Evidence, name: &Propagation) -> String {
    let (is_stale, is_behind) = (|says| says == Says::Stale, |says| says == Says::Behind);
    let mut steps = Vec::new();
    let behind = dns::names(name, is_behind).join(", ");
    if name.has(is_behind) {
        let whose = if name.edge_group.is_some() { "the vendor" } else { "whoever runs the zone" };
        let is_overdue =
            name.who(is_behind).any(|it| it.until.is_some_and(|at| at <= evidence.now));
        let overdue = if is_overdue { ", which is overdue" } else { "" };
        steps.push(format!(
            "Have {whose} let {behind} transfer the zone{overdue}: an older version is served there."
        ));
    }
    if name.has(is_stale) {
        let wait = dns::wait(evidence, name, is_stale);
        steps.push(if behind.is_empty() {
            format!(
                "Wait: a resolver may keep the old answer for {wait}; or have whoever runs it \
                 flush its cache."
            )
        } else {
            format!(
                "Then wait: a resolver may keep the old answer for {wait}, and learns it again \
                 from {behind} until then."
            )
        });
    }
    steps.join(" ")
}
