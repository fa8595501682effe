//! Rule `relay-address-blocked`: some relay addresses answer and others do not.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "relay-address-blocked",
    meaning: "Some addresses of the relays answer and others do not: calls fail now and then, as if by chance.",
    decided_by: "At least one stun-binding succeeded and at least one met silence.",
    falsified_by: "An answer from the silent address.",
    remedy: "Compare the firewall rule with the full list of relay addresses; a range is probably missing.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    if !evidence.of("stun-binding").any(Case::is_up) {
        return Vec::new();
    }
    let silent = evidence.of("stun-binding").filter(|case| case.is_silent());
    silent
        .map(|case| {
            let address = case.observation.address.map(|it| it.to_string()).unwrap_or_default();
            let severity = Severity::where_required(case.required);
            let summary = format!("relay address {address} does not answer, others do");
            let step = format!(
                "Ask the site network whether udp {address} is in the rule that lets the other \
                 relays through."
            );
            Finding::new(&RULE, severity, Owner::SiteNetwork, address, summary)
                .because([Exhibit::of_case(case)])
                .next(step)
        })
        .collect()
}
