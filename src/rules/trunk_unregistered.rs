//! Rule `trunk-unregistered`: the vendor says that a trunk is not registered.

use crate::contradiction;
use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::{changes, proxies};
use crate::telephony::Registration;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "trunk-unregistered",
    meaning: "A trunk that registers with its carrier is not registered: incoming calls do not arrive.",
    decided_by: "The trunk's registrations as the vendor's API gives them; where we have just begun to be able to register at its other end, it is an open question until the vendor has had the time to notice.",
    falsified_by: "The vendor calling every registration of the trunk positive.",
    remedy: "Ask the carrier why it refuses the registration; compare the account of the trunk.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let trunks = evidence.state.iter().flat_map(|state| &state.trunks.items);
    trunks
        .filter(|trunk| trunk.registration == Registration::Unregistered)
        .filter(|trunk| !contradiction::is_open(evidence, trunk))
        .map(|trunk| {
            let name = &trunk.reference.name;
            let severity = Severity::where_required(evidence.concerns_trunk(trunk));
            let said = trunk.problem.as_ref().map_or_else(String::new, |it| format!(": {it}"));
            let summary = format!("the vendor says that trunk {name} is not registered");
            Finding::new(&RULE, severity, Owner::Carrier, name, summary)
                .about(&trunk.reference)
                .because([Exhibit::of_state(
                    format!("trunk {name}"),
                    format!("{}{said}", trunk.raw),
                )])
                .because(proxies::exhibits(trunk))
                .because(changes::of_trunk(evidence, trunk))
        })
        .collect()
}
