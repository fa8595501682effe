//! Rule `symmetric-nat`: the NAT gives each peer another mapping, so that no peer can be told where
//! to send.

use branchline_probes::nat_behavior::{MAPPING, METHOD};
use branchline_probes::turn_allocation::{CHANNEL_ECHO, SEND_ECHO};
use branchline_probes::turn_media::RECEIVED;

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
    // A challenge, and a refusal to relay to itself, are successes, too.
    let up = || relay::turn_cases(evidence).filter(|case| case.is_up());
    let relay = up().find(|case| has_relayed(case)).or_else(|| up().next());
    let step = match relay {
        Some(relay) if has_relayed(relay) => format!(
            "Have the NAT map independently of the destination (RFC 4787 REQ-1) for the hosts that \
             make calls. Until then calls work through the relay, as {} did, and sound as good as \
             the way to it.",
            relay.observation.reference()
        ),
        Some(relay) => format!(
            "Have the NAT map independently of the destination (RFC 4787 REQ-1) for the hosts that \
             make calls. Until then every call needs the relay: {} shows that TURN answers, and \
             nothing was relayed yet; give that probe an account, and a peer where the relay \
             refuses to relay to itself.",
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

/// Whether data of ours came back through the relay.
fn has_relayed(case: &Case) -> bool {
    let facts = &case.observation.outcome.facts;
    let has_echo = [&SEND_ECHO, &CHANNEL_ECHO].iter().any(|key| facts.read(key) == Some(true));
    has_echo || facts.read(&RECEIVED).is_some_and(|packets| packets > 0)
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
