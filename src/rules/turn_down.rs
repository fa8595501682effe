//! Rule `turn-down`: nobody serves STUN or TURN at a relay.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::server;

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
    let summary = server::trouble(case, "STUN", "relay")?;
    let severity = Severity::where_required(case.required);
    let finding = Finding::new(&RULE, severity, Owner::Vendor, &case.id.target, summary);
    Some(finding.because([Exhibit::of_case(case)]))
}
