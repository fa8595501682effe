//! Rule `dns-inconsistent`: answers differ and nothing explains it, or the delegation is broken.

use branchline_probes::Foreign;
use branchline_probes::dns_delegation::{CHILD_ONLY, LAME, PARENT_ONLY, RELAYED, ZONE};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::propagation::{self, Propagation, Says, Standing};
use crate::rules::dns;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-inconsistent",
    meaning: "Nameservers disagree about a name and nothing that was seen explains it, or a zone is delegated to nameservers that do not serve it: phones find their server or not, by chance.",
    decided_by: "Authoritative nameservers with the same serial give different answers, or a resolver has an answer that no authoritative nameserver has; or a nameserver of the delegation refuses the zone, does not answer with authority, or is named by the parent zone alone.",
    falsified_by: "One answer from all, and authority from every nameserver of the delegation.",
    remedy: "Have all nameservers of the zone serve one version of it, and the delegation name those and no others.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let names = propagation::of(evidence);
    let differing = names.iter().filter(|name| name.standing == Standing::Inconsistent);
    let about_names: Vec<Finding> = differing.map(|name| of_name(evidence, name)).collect();
    let delegations = evidence.of("dns-delegation").filter_map(of_delegation);
    about_names.into_iter().chain(delegations).collect()
}

fn of_name(evidence: &Evidence, name: &Propagation) -> Finding {
    let answers: Vec<&str> = dns::names(name, Says::is_an_answer);
    let odd = |says| says == Says::Different;
    let summary = if name.has(odd) {
        let odd = dns::names(name, odd).join(", ");
        format!("{} has answers that nothing explains, from {odd}", name.question)
    } else {
        format!("{} has another answer from each of {}", name.question, answers.join(", "))
    };
    let severity =
        dns::severity(evidence, name, |says| says.is_an_answer() && says != Says::Current);
    let wait = dns::wait(evidence, name, |says| says == Says::Different);
    Finding::new(&RULE, severity, Owner::Dns, &name.question, summary)
        .because(dns::exhibits(evidence, name, |says| says.is_an_answer() && says != Says::Current))
        .because(dns::exhibits(evidence, name, |says| says == Says::Current))
        .next(format!(
            "If a record was removed or moved, its old answer may be kept for {wait}: ask again then. \
             Else have all nameservers of the zone serve one version of it."
        ))
}

fn of_delegation(case: &Case) -> Option<Finding> {
    let facts = &case.observation.outcome.facts;
    if facts.read(&RELAYED).is_some_and(|count| count > 0) {
        // Whoever answered, it was not the nameservers.
        return None;
    }
    let lame = facts.read(&LAME).unwrap_or_default();
    let parent_only = facts.read(&PARENT_ONLY).unwrap_or_default();
    let child_only = facts.read(&CHILD_ONLY).unwrap_or_default();
    let listed =
        |names: &[Foreign]| names.iter().map(Foreign::as_str).collect::<Vec<_>>().join(", ");
    let mut problems = Vec::new();
    if !lame.is_empty() {
        problems.push(format!("lame: {}", listed(&lame)));
    }
    if !parent_only.is_empty() {
        problems.push(format!("named by the parent zone alone: {}", listed(&parent_only)));
    }
    if !child_only.is_empty() {
        problems.push(format!("named by the zone itself alone: {}", listed(&child_only)));
    }
    if problems.is_empty() {
        return None;
    }
    let zone = facts.read(&ZONE)?;
    // It works as long as one nameserver does, and costs a wait where another is asked first.
    let severity = if lame.is_empty() { Severity::Info } else { Severity::Warning };
    let problems = problems.join("; ");
    let summary = format!("the delegation of {zone} is not in order ({problems})");
    Some(
        Finding::new(&RULE, severity, Owner::Dns, &zone, summary)
            .because([Exhibit::measured(case, problems)]),
    )
}
