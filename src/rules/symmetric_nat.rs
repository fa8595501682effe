//! Rule `symmetric-nat`: the NAT gives each peer another mapping, so that no peer can be told where
//! to send.

use branchline_probes::nat_behavior::{MAPPING, METHOD};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "symmetric-nat",
    meaning: "The NAT maps by destination (RFC 4787 §4.1: not endpoint-independent): the address that a STUN server sees is not the one that a peer would see, so direct media fails and every call needs the relay.",
    decided_by: "The nat-behavior probe found the mapping address-dependent, or address- and port-dependent, in repeated requests of which none was lost; with method two_server, two servers saw different mappings. An inconclusive mapping is never taken for one.",
    falsified_by: "A nat-behavior probe that finds the mapping endpoint-independent.",
    remedy: "Have the NAT map independently of the destination (RFC 4787 REQ-1) for the hosts that make calls; until then let media go through the relay.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let dependent: Vec<(&Case, &str)> =
        evidence.of("nat-behavior").filter_map(|case| Some((case, dependent(case)?))).collect();
    let Some((first, words)) = dependent.first() else { return Vec::new() };
    let method = method(first);
    let summary = format!("the NAT {words} ({method}): direct media fails, calls need the relay");
    let relay = relay::turn_cases(evidence).find(|case| case.is_up());
    let step = match relay {
        Some(relay) => format!(
            "Have the NAT map independently of the destination (RFC 4787 REQ-1) for the hosts that \
             make calls. Until then calls work through the relay, as {} did, and sound as good as \
             the way to it.",
            relay.observation.reference()
        ),
        None => "Have the NAT map independently of the destination (RFC 4787 REQ-1) for the hosts \
                 that make calls. Until then every call needs the relay: probe it with \
                 turn-allocation, since nothing has shown yet that it works."
            .to_owned(),
    };
    let exhibit = |(case, words): &(&Case, &str)| {
        Exhibit::measured(case, format!("{words} (mapping by {})", self::method(case)))
    };
    vec![
        Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, "NAT", summary)
            .because(dependent.iter().map(exhibit))
            .because(relay.map(Exhibit::of_case))
            .next(step),
    ]
}

/// How the NAT makes a mapping depend on the destination, where that was seen.
fn dependent(case: &Case) -> Option<&'static str> {
    match case.observation.outcome.facts.read(&MAPPING)? {
        "address_dependent" => Some("gives each destination address another mapping"),
        "address_and_port_dependent" => {
            Some("gives each destination address and port another mapping")
        }
        "not_endpoint_independent" => Some("gives each of two servers another mapping"),
        _ => None,
    }
}

fn method(case: &Case) -> &'static str {
    match case.observation.outcome.facts.read(&METHOD) {
        Some("rfc5780") => "RFC 5780",
        Some(method) => method,
        None => "method unknown",
    }
}
