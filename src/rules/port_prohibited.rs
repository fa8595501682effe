//! Rule `port-prohibited`: a router said that it may not.

use branchline_probes::Failure;

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "port-prohibited",
    meaning: "A router or firewall on the way refuses the traffic, and says so.",
    decided_by: "An ICMP error (administratively prohibited) came back; it names the router that sent it.",
    falsified_by: "The same probe succeeding.",
    remedy: "Show the rule on the router below to whoever runs it.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let prohibited = evidence
        .cases
        .iter()
        .filter(|case| case.failure().map(Failure::label) == Some("prohibited"));
    prohibited
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
