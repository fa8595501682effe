//! Rule `port-prohibited`: a router said that it may not.

use std::collections::BTreeMap;

use branchline_probes::{Failure, Refusal};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "port-prohibited",
    meaning: "A router or firewall on the way refuses the traffic, and says so.",
    decided_by: "An ICMP error came back from somebody other than the target: administratively prohibited, or port unreachable, which a rejecting firewall sends by default.",
    falsified_by: "The same probe succeeding.",
    remedy: "Show the finding to whoever runs the router that it names.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut order: Vec<(String, String)> = Vec::new();
    let mut refused: BTreeMap<(String, String), Vec<&Case>> = BTreeMap::new();
    for case in &evidence.cases {
        let Some((subject, router)) = case.failure().and_then(|it| prohibition(case, it)) else {
            continue;
        };
        let cases = refused.entry((subject.clone(), router.clone())).or_default();
        if cases.is_empty() {
            order.push((subject, router));
        }
        cases.push(case);
    }
    let finding = |key: (String, String)| {
        let cases = refused.get(&key)?;
        let (subject, router) = key;
        let severity = Severity::where_required(cases.iter().any(|case| case.required));
        let summary = format!("{router} forbids {subject}");
        let step = format!("Ask whoever runs {router} to permit {subject}.");
        let finding = Finding::new(&RULE, severity, Owner::SiteNetwork, subject, summary)
            .because(cases.iter().copied().map(Exhibit::of_case))
            .next(step);
        // Who refuses one packet may say nothing to the next: routers say no at a limited rate.
        let is_same = |case: &Case| cases.iter().any(|it| sip::place(it) == sip::place(case));
        let silent = sip::silent_targets(evidence, is_same).into_iter();
        Some(silent.fold(finding, |it, target| it.covering_subject("sip-port-blocked", target)))
    };
    order.into_iter().filter_map(finding).collect()
}

/// What a router forbids, and who it is: it says so, or pretends to be the target's closed port.
///
/// An exchange may speak to more than one address: what is forbidden is the one that was refused.
fn prohibition(case: &Case, failure: &Failure) -> Option<(String, String)> {
    let Failure::Refused { peer, by, refusal } = failure else { return None };
    let by_another = by.is_some_and(|by| by != peer.ip());
    let is_one =
        matches!(refusal, Refusal::Prohibited { .. }) || (*refusal == Refusal::Port && by_another);
    let router = by.map(|by| by.to_string());
    let router = router.unwrap_or_else(|| "a router that does not give its name".to_owned());
    let subject = format!("{} {peer}", case.observation.transport.label());
    is_one.then_some((subject, router))
}
