//! Rule `port-prohibited`: a router said that it may not.

use branchline_probes::{Failure, Refusal};

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

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
    evidence
        .cases
        .iter()
        .filter(|case| case.failure().is_some_and(is_prohibition))
        .map(|case| {
            let transport = case.observation.transport.label();
            let address = case.observation.address.map(|it| it.to_string()).unwrap_or_default();
            let subject = format!("{transport} {address}");
            let router = case.failure().and_then(Failure::by).map(|by| by.to_string());
            let router =
                router.unwrap_or_else(|| "a router that does not give its name".to_owned());
            let severity = Severity::where_required(case.required);
            let summary = format!("{router} forbids {subject}");
            let step = format!("Ask whoever runs {router} to permit {subject}.");
            Finding::new(&RULE, severity, Owner::SiteNetwork, subject, summary)
                .because([Exhibit::of_case(case)])
                .next(step)
        })
        .collect()
}

/// A router that forbids says so, or pretends to be the target's closed port.
fn is_prohibition(failure: &Failure) -> bool {
    let Failure::Refused { peer, by, refusal } = failure else { return false };
    let by_another = by.is_some_and(|by| by != peer.ip());
    matches!(refusal, Refusal::Prohibited { .. }) || (*refusal == Refusal::Port && by_another)
}
