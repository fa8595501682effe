//! Rule `sip-server-down`: nobody serves SIP there.

use branchline_probes::{Failure, Refusal};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-server-down",
    meaning: "Nobody serves SIP at the registrar, or the registrar fails by itself.",
    decided_by: "The registrar's host itself said that nobody listens, or it answered 5xx.",
    falsified_by: "A SIP answer other than 5xx from that address.",
    remedy: "Tell whoever runs the registrar; then check the address and port in the configuration.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    evidence.of("sip-register").filter_map(finding).collect()
}

fn finding(case: &Case) -> Option<Finding> {
    let failure = case.failure()?;
    let summary =
        if let Failure::Refused { peer, by, refusal: Refusal::Port | Refusal::Reset } = failure {
            // Another host that answers for the registrar is a filter, not the registrar.
            if by.is_some_and(|by| by != peer.ip()) {
                return None;
            }
            format!("nobody serves SIP at {peer}")
        } else if let Failure::Rejected { peer, code: code @ 500..600, reason } = failure {
            format!("the registrar at {peer} fails: {code} {reason}")
        } else {
            return None;
        };
    let severity = Severity::where_required(case.required);
    // At the other end of a trunk is its carrier.
    let owner = if case.trunk.is_some() { Owner::Carrier } else { Owner::Vendor };
    Some(
        Finding::new(&RULE, severity, owner, &case.id.target, summary)
            .because([Exhibit::of_case(case)]),
    )
}
