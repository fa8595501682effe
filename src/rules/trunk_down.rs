//! Rule `trunk-down`: the vendor says that a trunk is down.

use crate::contradiction;
use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::{changes, proxies};
use crate::telephony::{Edge, State, Trunk};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "trunk-down",
    meaning: "The vendor says that a trunk is switched off, out of service, not connected, or not answered.",
    decided_by: "The trunk's state as the vendor's API gives it; where we have just begun to be able to register at its other end, it is an open question until the vendor has had the time to notice.",
    falsified_by: "The vendor calling the trunk connected.",
    remedy: "Ask the carrier, or whoever runs the other end of the trunk; switch it on if it is switched off.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let trunks = evidence.state.iter().flat_map(|state| &state.trunks.items);
    let down = trunks
        .filter(|trunk| trunk.state == State::Down)
        .filter(|trunk| !contradiction::is_open(evidence, trunk));
    down.map(|trunk| {
        let finding = match edge_of(evidence, trunk) {
            _ if trunk.is_switched_off => switched_off(trunk),
            Some(edge) if !edge.is_in_service => without_edge(trunk, edge),
            Some(_) | None => down_by_itself(evidence, trunk),
        };
        finding
            .about(&trunk.reference)
            .because([exhibit(trunk)])
            .because(proxies::exhibits(trunk))
            .because(changes::of_trunk(evidence, trunk))
            .covering_thing("trunk-unregistered", &trunk.reference)
    })
    .collect()
}

fn switched_off(trunk: &Trunk) -> Finding {
    let name = &trunk.reference.name;
    let summary = format!("trunk {name} is switched off at the vendor");
    let step = format!(
        "If trunk {name} is to carry calls, switch it on in its settings in the vendor's \
         administration."
    );
    Finding::new(&RULE, Severity::Warning, Owner::Configuration, name, summary).next(step)
}

fn edge_of<'a>(evidence: &'a Evidence, trunk: &Trunk) -> Option<&'a Edge> {
    let on = trunk.edge.as_ref()?;
    let mut edges = evidence.state.iter().flat_map(|state| &state.edges.items);
    edges.find(|edge| edge.reference.id == on.id)
}

fn without_edge(trunk: &Trunk, edge: &Edge) -> Finding {
    let name = &trunk.reference.name;
    let edge = &edge.reference.name;
    let summary = format!("trunk {name} is down, since edge {edge} is not in service");
    let step = format!("If edge {edge} is to serve, finish its pairing at the vendor.");
    Finding::new(&RULE, Severity::Warning, Owner::Configuration, name, summary).next(step)
}

fn down_by_itself(evidence: &Evidence, trunk: &Trunk) -> Finding {
    let name = &trunk.reference.name;
    let severity = Severity::where_required(evidence.concerns_trunk(trunk));
    let is_external = trunk.kind.as_str() == "EXTERNAL";
    let owner = if is_external { Owner::Carrier } else { Owner::Vendor };
    let summary = format!("the vendor says that trunk {name} is down");
    let step = if is_external {
        format!("Ask the carrier of trunk {name} why it does not answer the vendor's edge.")
    } else {
        format!("Look at trunk {name} and its edge in the vendor's administration.")
    };
    Finding::new(&RULE, severity, owner, name, summary).next(step)
}

fn exhibit(trunk: &Trunk) -> Exhibit {
    let said = trunk.problem.as_ref().map_or_else(String::new, |it| format!(": {it}"));
    Exhibit::of_state(format!("trunk {}", trunk.reference.name), format!("{}{said}", trunk.raw))
}
