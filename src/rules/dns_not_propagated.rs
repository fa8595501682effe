//! Rule `dns-not-propagated`: some nameservers have the record and others do not yet.

use branchline_probes::dns_query::{QUESTION, SERIAL};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::dns::{self, Answer};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-not-propagated",
    meaning: "The record exists, and some nameservers do not have it yet.",
    decided_by: "At least one nameserver gives the expected answer, another denies the name or still gives an old answer.",
    falsified_by: "The expected answer from every nameserver.",
    remedy: "Wait for the time that the finding tells; if it passes, have the lagging nameserver transfer the zone or flush its cache.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    dns::questions(evidence)
        .into_iter()
        .filter_map(|(question, cases)| {
            let right = cases.iter().find(|it| dns::answer(it) == Answer::Right)?;
            let behind: Vec<&Case> = cases
                .iter()
                .copied()
                .filter(|it| matches!(dns::answer(it), Answer::Absent | Answer::Wrong))
                .collect();
            if behind.is_empty() {
                return None;
            }
            let names: Vec<&str> = behind.iter().map(|case| &*case.id.target).collect();
            let severity = Severity::where_required(behind.iter().any(|case| case.required));
            let summary = format!(
                "{question} is known to {} and not yet to {} of {} nameservers: {}",
                right.id.target,
                behind.len(),
                cases.len(),
                names.join(", ")
            );
            Some(
                Finding::new(&RULE, severity, Owner::Dns, question, summary)
                    .because(behind.iter().map(|case| exhibit(case)))
                    .because([exhibit(right)])
                    .next(step(&behind)),
            )
        })
        .collect()
}

fn exhibit(case: &Case) -> Exhibit {
    let mut exhibit = Exhibit::of_case(case);
    if let Some(question) = case.observation.outcome.facts.read(&QUESTION) {
        exhibit.text = format!("{question}: {}", exhibit.text);
    }
    if let Some(serial) = case.observation.outcome.facts.read(&SERIAL) {
        exhibit.text.push_str(&format!("; the zone's serial there is {serial}"));
    }
    exhibit
}

fn step(behind: &[&Case]) -> String {
    let (authoritative, caching): (Vec<&Case>, Vec<&Case>) =
        behind.iter().partition(|case| dns::is_authoritative(case));
    let mut steps = Vec::new();
    if !caching.is_empty() {
        let wait = dns::longest_ttl(&caching);
        steps.push(format!(
            "Wait: a resolver may keep the old answer for {wait}; or have its cache flushed."
        ));
    }
    if !authoritative.is_empty() {
        let names: Vec<&str> = authoritative.iter().map(|case| &*case.id.target).collect();
        steps.push(format!(
            "Have {} transfer the zone: it serves an older version.",
            names.join(" and ")
        ));
    }
    steps.join(" ")
}
