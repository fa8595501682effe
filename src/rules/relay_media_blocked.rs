//! Rule `relay-media-blocked`: the relay allocates, and no media comes through it.

use branchline_probes::turn_allocation::{CHANNEL_ECHO, SEND_ECHO};
use branchline_probes::{Phase, Transport};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::relay;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "relay-media-blocked",
    meaning: "The relay allocates, and what is sent through it does not arrive: calls connect and stay silent.",
    decided_by: "The allocation and the permission succeeded, and the echo or the media stream through the relay met silence. Where media passes the same relay on another way, something on this way drops it; where it passes on none, the relay is the first suspect. Where an indication came back and data on a channel did not, that is said instead.",
    falsified_by: "One packet of ours through the relay and back.",
    remedy: "Tell whoever runs the relay which addresses and ports were used; then run the same probe over TLS and from another network.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    relay::turn_cases(evidence)
        .filter(|case| is_lost(case))
        .map(|case| if is_halved(case) { half(case) } else { finding(evidence, case) })
        .collect()
}

/// Whether the relay was ready, and media met silence.
fn is_lost(case: &Case) -> bool {
    let stage = case.observation.outcome.failure.as_ref().map(|(stage, _)| *stage);
    matches!(stage, Some(Phase::Echo | Phase::Media)) && case.is_silent()
}

/// Whether data came back in an indication, so that only what is on a channel is lost.
fn is_halved(case: &Case) -> bool {
    case.observation.outcome.facts.read(&SEND_ECHO) == Some(true)
}

fn half(case: &Case) -> Finding {
    let transport = case.observation.transport;
    let word = transport.label();
    let summary = format!("data passes the relay over {word} in indications and not on channels");
    // Nobody on the way tells the one from the other within TLS.
    let (owner, step) = match transport {
        Transport::Tls => (
            Owner::Vendor,
            "Tell whoever runs the relay that it answers ChannelBind and does not relay \
             ChannelData (RFC 8656 §12.4), on which media travels."
                .to_owned(),
        ),
        Transport::Udp | Transport::Tcp => (
            Owner::SiteNetwork,
            format!(
                "Ask the site network for a filter that lets STUN over {word} through and drops \
                 ChannelData (RFC 8656 §12.4), on which media travels; where the same is seen over \
                 TLS, it is the relay."
            ),
        ),
    };
    let severity = Severity::where_required(case.required);
    Finding::new(&RULE, severity, owner, &case.id.target, summary)
        .because([Exhibit::of_case(case)])
        .next(step)
}

fn finding(evidence: &Evidence, case: &Case) -> Finding {
    let same_relay =
        || relay::turn_cases(evidence).filter(|other| relay::ip(other) == relay::ip(case));
    let passed = same_relay().find(|other| has_passed(other));
    let lost_otherwise = same_relay().find(|other| {
        let is_other = other.observation.transport != case.observation.transport;
        is_other && is_lost(other) && !is_halved(other)
    });
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
        (None, Some(other)) => (
            Owner::Vendor,
            format!(
                "the relay allocates and no media comes through it, over {transport} or {}",
                other.observation.transport.label()
            ),
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

/// Whether data of ours came back through the relay. Both echoes are one phase: what came back
/// before the failure is a fact.
fn has_passed(case: &Case) -> bool {
    let outcome = &case.observation.outcome;
    let has_echo = |key| outcome.facts.read(key) == Some(true);
    let failed = outcome.failure.as_ref().map(|(stage, _)| *stage);
    let mut phases = outcome.phases.iter().map(|(phase, _)| *phase);
    has_echo(&SEND_ECHO)
        || has_echo(&CHANNEL_ECHO)
        || phases.any(|phase| matches!(phase, Phase::Echo | Phase::Media) && Some(phase) != failed)
}
