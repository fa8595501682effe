//! Rule `trunk-configuration`: our REGISTER works and the vendor says that the trunk does not.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::telephony::{Registration, State};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "trunk-configuration",
    meaning: "A phone can register at the other end of the trunk, and the vendor says that the trunk cannot: its settings are wrong, not the network.",
    decided_by: "A sip-register linked to a trunk succeeded, and the vendor says that this trunk is down or not registered.",
    falsified_by: "The vendor calling the trunk registered, or our REGISTER failing.",
    remedy: "Compare the trunk's proxy, transport, user and password with the module that works.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = &evidence.state else { return Vec::new() };
    let linked = evidence.of("sip-register").filter(|case| case.is_up());
    let pairs = linked.flat_map(|case| {
        let links = case.trunk.iter();
        links.flat_map(|link| state.trunks_of(link)).map(move |trunk| (case, trunk))
    });
    pairs
        // What is switched off on purpose is not expected to work.
        .filter(|(_, trunk)| !trunk.is_switched_off)
        .filter(|(_, trunk)| {
            trunk.state == State::Down || trunk.registration == Registration::Unregistered
        })
        .map(|(case, trunk)| {
            let name = &trunk.reference.name;
            let said = trunk.problem.as_ref().map_or_else(String::new, |it| format!(": {it}"));
            let summary = format!("we can register where trunk {name} says that it cannot");
            let step = format!(
                "Compare the proxy, transport, user and password of trunk {name} with those of \
                 module {}, which works.",
                case.id.module
            );
            Finding::new(&RULE, Severity::Blocking, Owner::Configuration, name, summary)
                .because([
                    Exhibit::of_case(case),
                    Exhibit::of_state(format!("trunk {name}"), format!("{}{said}", trunk.raw)),
                ])
                .next(step)
                .about(&trunk.reference)
                .covering_thing("trunk-down", &trunk.reference)
                .covering_thing("trunk-unregistered", &trunk.reference)
        })
        .collect()
}
