//! Rule `edge-offline`: the vendor says that an edge is offline.

use crate::correlation::Evidence;
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::changes;
use crate::telephony::{Edge, Reference, Snapshot, State};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "edge-offline",
    meaning: "An edge is offline: its trunks and phones have nobody to speak to.",
    decided_by: "The edge's state as the vendor's API gives it; one that is not in service, being new or retired, is not meant.",
    falsified_by: "The vendor calling the edge online and active.",
    remedy: "Check power and uplink of the edge if it stands at the site; else ask the vendor.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(state) = &evidence.state else { return Vec::new() };
    let offline = state.edges.items.iter().filter(|edge| edge.state == State::Down);
    offline.map(|edge| finding(evidence, state, edge)).collect()
}

fn finding(evidence: &Evidence, state: &Snapshot, edge: &Edge) -> Finding {
    let name = &edge.reference.name;
    let summary = format!("the vendor says that edge {name} is offline");
    let severity = Severity::where_required(evidence.concerns_edge(edge));
    let changed: Vec<&Reference> =
        std::iter::once(&edge.reference).chain(&edge.edge_group).chain(&edge.site).collect();
    let is_appliance = edge.deployment.as_ref().is_some_and(|it| it.as_str() == "HARDWARE");
    // An appliance stands at a site; what runs elsewhere is the vendor's to look after.
    let owner = if is_appliance && evidence.concerns_edge(edge) {
        Owner::SiteNetwork
    } else {
        Owner::Vendor
    };
    let mut finding = Finding::new(&RULE, severity, owner, name, summary)
        .because([Exhibit::of_state(format!("edge {name}"), &edge.raw)])
        .because(changes::before(evidence, &changed, None))
        .about(&edge.reference);
    if let Some(group) = &edge.edge_group {
        finding = finding.covering_thing("edge-group-not-ready", group);
    }
    let is_here = |at: &&Reference| at.id == edge.reference.id;
    for trunk in &state.trunks.items {
        if trunk.edge.as_ref().filter(is_here).is_some() {
            finding = finding
                .covering_thing("trunk-down", &trunk.reference)
                .covering_thing("trunk-unregistered", &trunk.reference);
        }
    }
    finding
}
