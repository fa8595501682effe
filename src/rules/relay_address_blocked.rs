//! Rule `relay-address-blocked`: some relay addresses answer and others do not.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "relay-address-blocked",
    meaning: "Some addresses of the relays answer over UDP and others do not: calls fail now and then, as if by chance.",
    decided_by: "At least one relay address answered over UDP (STUN, TURN or NAT behavior), and at another every request met silence.",
    falsified_by: "An answer over UDP from the silent address.",
    remedy: "Compare the firewall rule with the full list of relay addresses; a range is probably missing.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut places: BTreeMap<SocketAddr, Vec<&Case>> = BTreeMap::new();
    for case in relay::udp_cases(evidence) {
        if let Some(address) = case.observation.address {
            places.entry(address).or_default().push(case);
        }
    }
    if !places.values().flatten().any(|case| case.is_heard()) {
        return Vec::new();
    }
    let silent = places.into_iter().filter(|(_, cases)| cases.iter().all(|it| it.is_unheard()));
    silent.map(|(address, cases)| finding(evidence, address, &cases)).collect()
}

fn finding(evidence: &Evidence, address: SocketAddr, cases: &[&Case]) -> Finding {
    let way = relay::other_way(evidence, &[address.ip()]);
    let others = match &way {
        Some(way) if way.carries_calls() => format!("; {} there works", way.rung.name()),
        Some(way) => format!("; STUN over {} answers there", way.rung.name()),
        None => String::new(),
    };
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    let summary = format!("relay address {address} does not answer over UDP, others do{others}");
    let mut step = format!(
        "Ask the site network whether udp {address} is in the rule that lets the other relays \
         through; where it is, ask whoever runs the relay whether that address is out of service."
    );
    if let Some(way) = way.as_ref().filter(|way| way.carries_calls()) {
        step.push_str(&format!(
            " Until then calls through it depend on {}, which costs {}.",
            way.rung.name(),
            way.rung.cost()
        ));
    }
    Finding::new(&RULE, severity, Owner::SiteNetwork, address, summary)
        .because(cases.iter().copied().chain(way.map(|way| way.case)).map(Exhibit::of_case))
        .next(step)
}
