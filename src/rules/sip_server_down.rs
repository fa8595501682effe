//! Rule `sip-server-down`: nobody serves SIP there.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::server;

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
    let summary = server::trouble(case, "SIP", "registrar")?;
    let severity = Severity::where_required(case.required);
    // At the other end of a trunk is its carrier.
    let owner = if case.trunk.is_some() { Owner::Carrier } else { Owner::Vendor };
    let finding = Finding::new(&RULE, severity, owner, &case.id.target, summary);
    Some(finding.because([Exhibit::of_case(case)]))
}
