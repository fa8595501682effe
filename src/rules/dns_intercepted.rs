//! Rule `dns-intercepted`: somebody makes answers up.

use std::collections::BTreeMap;

use branchline_probes::dns_delegation::RELAYED;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::propagation::{self, Propagation, Says, Why, is_made_up, is_wildcard};
use crate::rules::dns::{self, AUTHORITATIVE};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-intercepted",
    meaning: "A resolver, or somebody on the way to the nameservers, makes answers up: names lead where nobody published them.",
    decided_by: "A name that nobody can have created has an answer; or an address of an authoritative nameserver answers as a resolver does; or an answer that nobody authoritative has does not count down, or outlives its TTL.",
    falsified_by: "NXDOMAIN for the random name, an answer with AA from the authoritative address, a TTL that counts down.",
    remedy: "Have the resolver answer NXDOMAIN where there is no such name, and queries to port 53 pass unchanged.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let names = propagation::of(evidence);
    let intercepted: Vec<&Propagation> =
        names.iter().filter(|name| name.has(is_an_invention)).collect();
    let mut random: Vec<&Case> = evidence
        .cases
        .iter()
        .filter(|case| is_made_up(case) && !is_wildcard(evidence, case))
        .collect();
    let mut findings = Vec::new();
    for name in intercepted {
        // Where it makes up the name that matters, that it makes up others is evidence, no news.
        let (own, others): (Vec<&Case>, Vec<&Case>) =
            random.into_iter().partition(|case| is_by_one_of(evidence, name, case));
        findings.push(of_name(evidence, name).because(own.into_iter().map(Exhibit::of_case)));
        random = others;
    }
    findings.extend(of_random_labels(random));
    findings.extend(of_delegations(evidence));
    findings
}

/// Walks that met resolvers where nameservers should be.
fn of_delegations(evidence: &Evidence) -> Option<Finding> {
    let relayed: Vec<&Case> = evidence
        .of("dns-delegation")
        .filter(|case| case.observation.outcome.facts.read(&RELAYED).is_some_and(|it| it > 0))
        .collect();
    (!relayed.is_empty()).then(|| {
        let summary = "queries to port 53 do not reach the nameservers that they are for: somebody \
                       on the way answers in their place";
        let exhibits = relayed.into_iter().map(|case| {
            let count = case.observation.outcome.facts.read(&RELAYED).unwrap_or_default();
            let text = format!("asked without recursion, {count} answered as a resolver does");
            Exhibit::measured(case, text)
        });
        Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, "port 53", summary)
            .because(exhibits)
            .next(
                "Look for the rule of the router or the firewall that redirects port 53, and let \
                 this host's queries pass it.",
            )
            // Nobody was asked who could be down.
            .covering_subject("dns-resolver-down", AUTHORITATIVE)
    })
}

/// Whether a nameserver that makes up this name made up the answer of the case.
fn is_by_one_of(evidence: &Evidence, name: &Propagation, case: &Case) -> bool {
    name.who(is_an_invention).map(|it| dns::case(evidence, it)).any(|it| {
        it.id.target == case.id.target && it.observation.address == case.observation.address
    })
}

fn is_an_invention(says: Says) -> bool {
    matches!(says, Says::MadeUp(_))
}

fn of_name(evidence: &Evidence, name: &Propagation) -> Finding {
    let mut by_reason: BTreeMap<Why, Vec<&str>> = BTreeMap::new();
    for sighting in name.who(is_an_invention) {
        if let Says::MadeUp(why) = sighting.says {
            by_reason.entry(why).or_default().push(&sighting.name);
        }
    }
    let reasons: Vec<String> = by_reason
        .into_iter()
        .map(|(why, names)| format!("{}: {}", names.join(", "), why.in_words()))
        .collect();
    let summary =
        format!("{} is answered by somebody else ({})", name.question, reasons.join("; "));
    let is_relayed = |says| says == Says::MadeUp(Why::Relayed);
    // That queries do not reach an authoritative nameserver is the site's doing, and no harm by
    // itself where the resolvers tell the truth.
    let is_relayed_alone = !name.has(|says| is_an_invention(says) && !is_relayed(says));
    let owner = if name.has(is_relayed) { Owner::SiteNetwork } else { Owner::Dns };
    let severity = if is_relayed_alone && name.has(|says| says == Says::Current) {
        Severity::Warning
    } else {
        dns::severity(evidence, name, is_an_invention)
    };
    Finding::new(&RULE, severity, owner, &name.question, summary).because(dns::exhibits(
        evidence,
        name,
        is_an_invention,
    ))
}

/// Resolvers that have an answer to everything, whatever they say of the names that matter.
fn of_random_labels(cases: Vec<&Case>) -> Vec<Finding> {
    let mut by_target: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_target.entry(&case.id.target).or_default().push(case);
    }
    by_target
        .into_iter()
        .map(|(target, cases)| {
            let summary = format!("{target} has an answer to names that nobody created");
            Finding::new(&RULE, Severity::Warning, Owner::Dns, target, summary)
                .because(cases.into_iter().map(Exhibit::of_case))
        })
        .collect()
}
