//! Rule `dns-not-created`: nobody has the record.

use std::collections::BTreeMap;

use branchline_probes::{Failure, Unresolved};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::propagation::{self, Propagation, Says, Standing};
use crate::rules::dns;
use crate::sight::View;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-not-created",
    meaning: "No nameserver that was asked has the record: phones cannot find their provisioning server.",
    decided_by: "At least one nameserver says that there is no such name or no such record, and none has it but one that makes answers up. An authoritative answer makes it certain; from resolvers alone it may be an old negative answer.",
    falsified_by: "One nameserver that has the record.",
    remedy: "Have the record created, then watch it arrive.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    asked(evidence).into_iter().chain(own_names(evidence)).collect()
}

/// Targets whose own name leads nowhere, by this host's resolver.
fn own_names(evidence: &Evidence) -> Vec<Finding> {
    let mut hosts: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in evidence.cases.iter().filter(|case| is_nameless(case)) {
        hosts.entry(&case.host).or_default().push(case);
    }
    hosts
        .into_iter()
        .map(|(host, cases)| {
            let severity = Severity::where_required(cases.iter().any(|case| case.required));
            let summary = format!("the name {host} does not exist, or has no address");
            let step = format!(
                "Check the spelling of {host} in the configuration, and whether this host's \
                 resolver sees the zone."
            );
            Finding::new(&RULE, severity, Owner::Configuration, host, summary)
                .because(cases.into_iter().map(Exhibit::of_case))
                .next(step)
        })
        .collect()
}

fn is_nameless(case: &Case) -> bool {
    matches!(case.failure(), Some(Failure::Unresolved { problem: Unresolved::NoAddress, .. }))
}

fn asked(evidence: &Evidence) -> Vec<Finding> {
    propagation::of(evidence)
        .into_iter()
        .filter(|name| name.standing == Standing::NotCreated || is_made_up_alone(name))
        .map(|name| finding(evidence, &name))
        .collect()
}

/// Whether nobody has the record but who makes it up.
fn is_made_up_alone(name: &Propagation) -> bool {
    let mut honest = name
        .who(|says| says.is_an_answer() && !matches!(says, Says::MadeUp(_)))
        .map(|sighting| sighting.says)
        .peekable();
    name.standing == Standing::Intercepted
        && honest.peek().is_some()
        && honest.all(|says| says == Says::Absent)
}

fn finding(evidence: &Evidence, name: &Propagation) -> Finding {
    let is_absent = |says| says == Says::Absent;
    let by_authority = name.who(is_absent).any(|it| it.view == View::Authoritative);
    let (owner, mut step) = owner(evidence, name);
    let honest = if is_made_up_alone(name) { " that makes nothing up" } else { "" };
    let mut summary = format!("no nameserver{honest} has {}", name.question);
    if !by_authority {
        let wait = dns::wait(evidence, name, is_absent);
        let case = name.who(is_absent).next().map(|it| dns::case(evidence, it));
        let (seen, how) = if case.is_some_and(|case| case.sight.is_some()) {
            ("no authoritative one answered", "")
        } else {
            ("no authoritative one was asked", " (recursion = false)")
        };
        summary.push_str(&format!("; {seen}"));
        step = format!(
            "Ask an authoritative nameserver{how}; a resolver may remember the absence for {wait}."
        );
    }
    // Whoever says so, phones need it.
    let severity = dns::severity(evidence, name, |_| true);
    Finding::new(&RULE, severity, owner, &name.question, summary)
        .because(dns::exhibits(evidence, name, is_absent))
        .next(step)
}

/// A group that is ready should have its record by now: then it is the vendor's.
fn owner(evidence: &Evidence, name: &Propagation) -> (Owner, String) {
    match dns::ready_group(evidence, name.edge_group.as_deref()) {
        Some(group) => (
            Owner::Vendor,
            format!(
                "Open a ticket with the vendor: edge group {} is ready and its name was not \
                 created.",
                group.reference.name
            ),
        ),
        None => (Owner::Dns, RULE.remedy.to_owned()),
    }
}
