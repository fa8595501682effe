//! Rule `turn-down`: nobody serves STUN or TURN at a relay.

use branchline_probes::{Failure, Refusal};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "turn-down",
    meaning: "Nobody serves STUN or TURN at a relay, or the relay fails by itself.",
    decided_by: "The relay's host itself said that nobody listens, or it answered 5xx.",
    falsified_by: "A STUN answer other than 5xx from that address.",
    remedy: "Tell whoever runs the relay; then check the address and port in the configuration.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    evidence.of("stun-binding").filter_map(finding).collect()
}

fn finding(case: &Case) -> Option<Finding> {
    let failure = case.failure()?;
    let summary =
        if let Failure::Refused { peer, by, refusal: Refusal::Port | Refusal::Reset } = failure {
            // Another host that answers for the relay is a filter, not the relay.
            if by.is_some_and(|by| by != peer.ip()) {
                return None;
            }
            format!("nobody serves STUN at {peer}")
        } else if let Failure::Rejected { peer, code: code @ 500..600, reason } = failure {
            format!("the relay at {peer} fails: {code} {reason}")
        } else {
            return None;
        };
    let severity = Severity::where_required(case.required);
    Some(
        Finding::new(&RULE, severity, Owner::Vendor, &case.id.target, summary)
            .because([Exhibit::of_case(case)]),
    )
}
