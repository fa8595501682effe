//! Rule `trunk-down`: the vendor says that a trunk is down.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::State;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "trunk-down",
    meaning: "The vendor says that a trunk is out of service, not connected, or not answered.",
    decided_by: "The trunk's state as the vendor's API gives it.",
    falsified_by: "The vendor calling the trunk connected.",
    remedy: "Ask the carrier, or whoever runs the other end of the trunk.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let trunks = evidence.state.iter().flat_map(|state| &state.trunks.items);
    trunks
        .filter(|trunk| trunk.state == State::Down)
        .map(|trunk| {
            let name = &trunk.reference.name;
            let severity = Severity::where_required(evidence.concerns_trunk(trunk));
            let is_external = trunk.kind.as_str() == "EXTERNAL";
            let owner = if is_external { Owner::Carrier } else { Owner::Vendor };
            let said = trunk.problem.as_ref().map_or_else(String::new, |it| format!(": {it}"));
            let summary = format!("the vendor says that trunk {name} is down");
            let step = if is_external {
                format!("Ask the carrier of trunk {name} why it does not answer the vendor's edge.")
            } else {
                format!("Look at trunk {name} and its edge in the vendor's administration.")
            };
            Finding::new(&RULE, severity, owner, name, summary)
                .because([Exhibit::of_state(
                    format!("trunk {name}"),
                    format!("{}{said}", trunk.raw),
                )])
                .next(step)
                .covering_subject("trunk-unregistered", name)
        })
        .collect()
}
