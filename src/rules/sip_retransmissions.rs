//! Rule `sip-retransmissions`: SIP works, and not at the first attempt.

use branchline_probes::sip::facts::{RETRANSMISSIONS, TRANSMISSIONS};
use branchline_probes::{stun_binding, turn_media};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-retransmissions",
    meaning: "A SIP server answers, and not at the first attempt: packets get lost on the way, or the server needs longer than half a second (RFC 3261 §17.1.2.2: T1).",
    decided_by: "In two of the last three runs of a sip-register or sip-options that succeeded, requests had to be repeated, or in one run twice or more: one lost packet decides nothing.",
    falsified_by: "Two runs in a row without a repetition.",
    remedy: "Measure loss with burst = 100 of stun-binding against a STUN server that is reached by the same way out of the site, at the same hour: where there is none, ask whoever runs the server why it is slow.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let targets = sip::by_target(evidence).into_iter();
    targets.filter_map(|cases| finding(evidence, &cases)).collect()
}

fn finding(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let is_one = |case: &&Case| case.is_up() && (runs(case) >= 2 || transmissions(case).1 >= 2);
    let all: Vec<&Case> = cases.iter().copied().filter(is_one).collect();
    let first = all.first()?;
    let (name, way) = (sip::name(&all), sip::way(first));
    let when = match runs(first) {
        // One run alone, in which more than one packet went missing.
        0 | 1 => "twice or more in one run".to_owned(),
        runs => format!("in {runs} of the last {} runs", first.repeated.len()),
    };
    let summary = format!("the {name} answers {way} only after repeated requests, {when}");
    let lossy: Vec<Exhibit> = evidence.cases.iter().filter_map(loss).collect();
    let step = if lossy.is_empty() {
        RULE.remedy.to_owned()
    } else {
        "Packets get lost elsewhere, too: look at the uplink of the site and at its load."
            .to_owned()
    };
    Some(
        Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, &first.id.target, summary)
            .because(all.iter().map(|case| Exhibit::measured(case, counted(case))))
            .because(lossy)
            .next(step),
    )
}

/// In how many of the last runs requests were repeated.
fn runs(case: &Case) -> usize {
    case.repeated.iter().filter(|is_repeated| **is_repeated).count()
}

/// How many requests the last run sent in all, and how many of them were repetitions.
fn transmissions(case: &Case) -> (u64, u64) {
    let read = |key| case.observation.outcome.facts.read(key).unwrap_or_default();
    (read(&TRANSMISSIONS), read(&RETRANSMISSIONS))
}

fn counted(case: &Case) -> String {
    let (all, repeated) = transmissions(case);
    format!("{repeated} of {all} requests of the last run were repetitions")
}

/// What else was lost on the way out of this site.
fn loss(case: &Case) -> Option<Exhibit> {
    let facts = &case.observation.outcome.facts;
    let key = if case.is_of("stun-binding") {
        &stun_binding::LOSS_RATIO
    } else if case.is_of("turn-media") {
        &turn_media::LOSS_RATIO
    } else {
        return None;
    };
    let lost = facts.read(key).filter(|lost| *lost > 0.0)?;
    Some(Exhibit::measured(case, format!("{:.1} % of its packets were lost", lost * 100.0)))
}
