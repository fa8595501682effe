//! Rule `stun-turn-udp-blocked`: no relay answers over UDP.

use std::collections::BTreeSet;
use std::net::IpAddr;

use branchline_probes::{Failure, Refusal};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "stun-turn-udp-blocked",
    meaning: "No relay answers over UDP, while other things work: media finds its way out over TCP or TLS at best, where one lost packet holds up all that follow.",
    decided_by: "Every request to a relay over UDP (STUN, TURN, NAT behavior) met silence, and something else answered; where TCP or TLS to the same relay works, that is said.",
    falsified_by: "One STUN or TURN answer over UDP.",
    remedy: "Ask the site network to let UDP out to the relays; try the same probe from another network to tell a block from a server that is down.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let cases: Vec<&Case> = relay::udp_cases(evidence).collect();
    let all_unheard = !cases.is_empty() && cases.iter().all(|case| case.is_unheard());
    if !all_unheard || !evidence.has_life() {
        return Vec::new();
    }
    let addresses: Vec<IpAddr> = cases.iter().filter_map(|case| relay::ip(case)).collect();
    let places: BTreeSet<_> = cases.iter().filter_map(|case| case.observation.address).collect();
    let places: Vec<String> = places.iter().map(|place| format!("udp {place}")).collect();
    let way = relay::other_way(evidence, &addresses);
    let failed = relay::failed_ways(evidence, &addresses);
    let listed = places.join(", ");
    let (summary, step, more) = match &way {
        Some(way) if !way.carries_calls() => (
            format!("no relay answers over UDP, STUN over {} does", way.name()),
            format!(
                "Ask the site network to let UDP out, and its answers back in, for: {listed}. \
                 Whether calls can go over {} is not known: probe it with turn-allocation.",
                way.name()
            ),
            vec![way.case],
        ),
        Some(way) => (
            format!("no relay answers over UDP, {} works", way.name()),
            format!(
                "Ask the site network to let UDP out, and its answers back in, for: {listed}. \
                 Until then calls depend on {}, which costs {}.",
                way.name(),
                way.rung.cost()
            ),
            vec![way.case],
        ),
        None if failed.is_empty() => (
            "no relay answers STUN over UDP, other traffic works".to_owned(),
            format!(
                "Ask the site network to let UDP out, and its answers back in, for: {listed}. Try \
                 the same probe from another network to tell a block from a server that is down."
            ),
            Vec::new(),
        ),
        None => (
            "no relay answers over UDP, nor over TCP or TLS; other traffic works".to_owned(),
            format!(
                "Ask the site network whether the relays are let out at all, by name or by \
                 address: {listed}, and the same over TCP or TLS. Try the same probe from another \
                 network to tell a block from a relay that is down."
            ),
            failed,
        ),
    };
    let severity = Severity::where_required(cases.iter().any(|case| case.required));
    let finding = Finding::new(&RULE, severity, Owner::SiteNetwork, "STUN over UDP", summary)
        .because(cases.into_iter().chain(more.iter().copied()).map(Exhibit::of_case))
        .next(step);
    // Who drops UDP to a relay may well be who resets TCP to it.
    let resets = more.iter().filter(|case| is_reset(case));
    vec![resets.fold(finding, |it, case| it.covering_subject("turn-down", &case.id.target))]
}

fn is_reset(case: &Case) -> bool {
    matches!(case.failure(), Some(Failure::Refused { refusal: Refusal::Reset, .. }))
}
