//! Rule `stun-turn-udp-blocked`: no relay answers STUN over UDP.

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "stun-turn-udp-blocked",
    meaning: "No relay answers STUN over UDP, while other things work: media will not find its way out.",
    decided_by: "Every stun-binding over UDP met silence, and something else answered.",
    falsified_by: "One STUN answer over UDP.",
    remedy: "Ask the site network to let UDP out to the relays; try the same probe from another network to tell a block from a server that is down.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let cases: Vec<&Case> = evidence.of("stun-binding").collect();
    let all_silent = !cases.is_empty() && cases.iter().all(|case| case.is_silent());
    if !all_silent || !evidence.has_life() {
        return Vec::new();
    }
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    let summary = "no relay answers STUN over UDP, other traffic works";
    vec![
        Finding::new(&RULE, severity, Owner::SiteNetwork, "STUN over UDP", summary)
            .because(cases.into_iter().map(Exhibit::of_case)),
    ]
}
