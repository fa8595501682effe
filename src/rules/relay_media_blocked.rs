//! Rule `relay-media-blocked`: the relay allocates, and no media comes through it.

use branchline_probes::Phase;

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "relay-media-blocked",
    meaning: "The relay allocates, and what is sent through it does not arrive: calls connect and stay silent.",
    decided_by: "The allocation and the permission succeeded, and the echo or the media stream through the relay met silence. Where media passes the same relay on another way, something on this way drops it; where it passes on none, the relay is the first suspect.",
    falsified_by: "One packet of ours through the relay and back.",
    remedy: "Tell whoever runs the relay which addresses and ports were used; then run the same probe over TLS and from another network.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    relay::turn_cases(evidence)
        .filter(|case| is_lost(case))
        .map(|case| finding(evidence, case))
        .collect()
}

/// Whether the relay was ready, and media met silence.
fn is_lost(case: &Case) -> bool {
    let stage = case.observation.outcome.failure.as_ref().map(|(stage, _)| *stage);
    matches!(stage, Some(Phase::Echo | Phase::Media)) && case.is_silent()
}

fn finding(evidence: &Evidence, case: &Case) -> Finding {
    let same_relay =
        || relay::turn_cases(evidence).filter(|other| relay::ip(other) == relay::ip(case));
    let passed = same_relay().find(|other| has_passed(other));
    let lost_otherwise = same_relay()
        .find(|other| other.observation.transport != case.observation.transport && is_lost(other));
    let transport = case.observation.transport.label();
    let (owner, summary, step) = match (passed, lost_otherwise) {
        (Some(passed), _) => {
            let other = passed.observation.transport.label();
            let step = format!(
                "Ask the site network for a filter that lets STUN and TURN requests over \
                 {transport} through and drops what is larger, more frequent or no STUN; over \
                 {other} media comes through the same relay."
            );
            let summary = format!(
                "the relay allocates over {transport} and no media comes through, over {other} it \
                 does"
            );
            (Owner::SiteNetwork, summary, step)
        }
        (None, Some(_)) => (
            Owner::Vendor,
            "the relay allocates and no media comes through it, on whatever way".to_owned(),
            "Tell whoever runs the relay that it allocates and does not relay: its firewall may \
             block its range of relayed ports (49152 to 65535 by default)."
                .to_owned(),
        ),
        (None, None) => (
            Owner::Vendor,
            format!("the relay allocates over {transport} and no media comes through it"),
            "Tell whoever runs the relay; to tell its fault from a filter on the way, run the same \
             probe over TLS: if media passes there, the site network drops it here."
                .to_owned(),
        ),
    };
    let severity = Severity::where_required(case.required);
    Finding::new(&RULE, severity, owner, &case.id.target, summary)
        .because([case].into_iter().chain(passed).map(Exhibit::of_case))
        .because(lost_otherwise.filter(|_| passed.is_none()).map(Exhibit::of_case))
        .next(step)
        .covering_subject("media-quality-poor", &case.id.target)
        .covering_subject("dscp-bleached", &case.id.target)
}

/// Whether media of ours came back through the relay.
fn has_passed(case: &Case) -> bool {
    let failed = case.observation.outcome.failure.as_ref().map(|(stage, _)| *stage);
    let mut phases = case.observation.outcome.phases.iter().map(|(phase, _)| *phase);
    phases.any(|phase| matches!(phase, Phase::Echo | Phase::Media) && Some(phase) != failed)
}
