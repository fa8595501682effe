//! Rule `dns-resolver-down`: a nameserver does not answer.

use branchline_probes::{Failure, Unresolved};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "dns-resolver-down",
    meaning: "A nameserver does not answer: phones that use it find nobody.",
    decided_by: "A dns-query met silence or a refusal while something else answered, or a name could not be resolved because the resolver of this host did not answer.",
    falsified_by: "An answer from that nameserver.",
    remedy: "Restart or replace the nameserver, or let port 53 through to it by udp and tcp.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let has_life = evidence.has_life();
    let gone = evidence.of("dns-query").filter(|case| has_life && is_gone(case));
    let asked = gone.map(|case| {
        let severity = Severity::where_required(case.required);
        let address = case.observation.address.map(|it| it.to_string()).unwrap_or_default();
        let summary = format!("nameserver {} ({address}) does not answer", case.id.target);
        Finding::new(&RULE, severity, Owner::Dns, &case.id.target, summary)
            .because([Exhibit::of_case(case)])
    });
    let own: Vec<&Case> = evidence.cases.iter().filter(|case| lacks_resolver(case)).collect();
    let own = (!own.is_empty()).then(|| {
        let is_required = own.iter().any(|case| case.required);
        let severity = Severity::where_required(is_required);
        let summary = "the resolver of this host does not answer, so names could not be probed";
        Finding::new(&RULE, severity, Owner::ThisHost, "this host's resolver", summary)
            .because(own.into_iter().map(Exhibit::of_case))
            .next("Look at the nameservers in this host's resolv.conf.")
    });
    asked.chain(own).collect()
}

fn is_gone(case: &Case) -> bool {
    let by_itself = || {
        let address = case.observation.address.map(|address| address.ip());
        case.failure().and_then(Failure::by).is_none_or(|by| Some(by) == address)
    };
    match case.failure().map(Failure::label) {
        Some("refused") => by_itself(),
        Some("unreachable") => true,
        _ => case.is_silent(),
    }
}

fn lacks_resolver(case: &Case) -> bool {
    matches!(
        case.failure(),
        Some(Failure::Unresolved {
            problem: Unresolved::NoAnswer | Unresolved::ResolverFailed,
            ..
        })
    )
}
