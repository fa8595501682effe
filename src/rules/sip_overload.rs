//! Rule `sip-overload`: a SIP server asks to be left alone.

use std::time::Duration;

use branchline_probes::sip::facts::RETRY_AFTER;
use branchline_probes::{Failure, show_duration};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-overload",
    meaning: "A SIP server is alive and turns us away for now: it has too much to do, or is being maintained. No phone registers there meanwhile.",
    decided_by: "A sip-register or sip-options was answered 503, or 500 with Retry-After (RFC 3261 §21.5.1, §21.5.4); for how long it asks to be left alone is said.",
    falsified_by: "An answer other than these from that address over that transport.",
    remedy: "Ask whoever runs the server how long that lasts; phones need a second server for such times.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let groups = sip::by_place(evidence).into_iter();
    groups.filter_map(|cases| finding(evidence, &cases)).collect()
}

fn finding(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let full: Vec<&Case> = cases.iter().copied().filter(|case| is_overloaded(case)).collect();
    let first = full.first()?;
    let Failure::Rejected { peer, code, reason } = first.failure()? else { return None };
    let name = sip::name(cases);
    let rest = full.iter().filter_map(|case| rest(case)).max();
    let (asks, again) = match rest {
        Some(rest) => (
            format!("asks to be left alone for {}", show_duration(rest)),
            format!(
                "`branchline run` asks again after {}{}",
                show_duration(rest.min(LONGEST_REST)),
                if rest > LONGEST_REST { ", an hour being the most that it waits" } else { "" }
            ),
        ),
        None => (
            "does not say for how long".to_owned(),
            "`branchline run` asks again at its usual time".to_owned(),
        ),
    };
    let who = if first.trunk.is_some() { "the carrier" } else { "the vendor" };
    let summary = format!("the {name} at {peer} turns us away ({code} {reason}) and {asks}");
    let step = format!(
        "Ask {who} whether the {name} is overloaded or being maintained, and until when; phones \
         are turned away, too, unless they know a second server. {again}."
    );
    let severity = Severity::where_required(full.iter().any(|case| case.required));
    let finding = Finding::new(&RULE, severity, sip::owner(&full), &first.id.target, summary)
        .because(full.iter().map(|case| Exhibit::of_case(case)))
        .next(step);
    Some(sip::covering_trunks(finding, evidence, &full, &["trunk-down", "trunk-unregistered"]))
}

/// Whether the server turns us away for a time.
pub(super) fn is_overloaded(case: &Case) -> bool {
    let Some(Failure::Rejected { code, .. }) = case.failure() else { return false };
    *code == UNAVAILABLE || (*code == FAILED && rest(case).is_some())
}

fn rest(case: &Case) -> Option<Duration> {
    case.observation.outcome.facts.read(&RETRY_AFTER)
}

/// RFC 3261 §21.5.4: Service Unavailable.
const UNAVAILABLE: u16 = 503;
/// RFC 3261 §21.5.1: Server Internal Error.
const FAILED: u16 = 500;
/// For how long the daemon leaves a peer alone at most.
const LONGEST_REST: Duration = Duration::from_secs(3600);
