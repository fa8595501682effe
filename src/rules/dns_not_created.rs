//! Rule `dns-not-created`: nobody has the record.

use std::collections::BTreeMap;

use branchline_probes::{Failure, Unresolved};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::dns::{self, Answer};
use crate::telephony::State;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-not-created",
    meaning: "No nameserver that was asked has the record: phones cannot find their provisioning server.",
    decided_by: "At least one nameserver says that there is no such name or no such record, and none has it. An authoritative answer makes it certain; from resolvers alone it may be an old negative answer.",
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
    dns::questions(evidence)
        .into_iter()
        .filter_map(|(question, cases)| {
            let absent: Vec<&Case> =
                cases.iter().copied().filter(|it| dns::answer(it) == Answer::Absent).collect();
            let is_anywhere =
                cases.iter().any(|it| matches!(dns::answer(it), Answer::Right | Answer::Wrong));
            if absent.is_empty() || is_anywhere {
                return None;
            }
            let by_authority = absent.iter().any(|case| dns::is_authoritative(case));
            let (owner, mut step) = owner(evidence, &absent);
            let mut summary = format!("no nameserver has {question}");
            if !by_authority {
                let wait = dns::longest_negative_ttl(&absent);
                summary.push_str("; no authoritative one was asked");
                step = format!(
                    "Ask an authoritative nameserver (recursion = false); a resolver may remember \
                     the absence for {wait}."
                );
            }
            let severity = Severity::where_required(absent.iter().any(|case| case.required));
            Some(
                Finding::new(&RULE, severity, owner, question, summary)
                    .because(absent.into_iter().map(Exhibit::of_case))
                    .next(step),
            )
        })
        .collect()
}

/// A group that is ready should have its record by now: then it is the vendor's.
fn owner(evidence: &Evidence, absent: &[&Case]) -> (Owner, String) {
    let group = absent.iter().find_map(|case| case.edge_group.as_deref());
    let state = evidence.state.as_ref().zip(group).and_then(|(state, name)| {
        state.edge_groups.items.iter().find(|group| group.reference.is(name))
    });
    match state {
        Some(group) if group.state == State::Up => (
            Owner::Vendor,
            format!(
                "Open a ticket with the vendor: edge group {} is ready and its name was not \
                 created.",
                group.reference.name
            ),
        ),
        _ => (Owner::Dns, RULE.remedy.to_owned()),
    }
}
