//! Rule `sip-large-message-dropped`: a SIP message that one packet cannot carry gets lost.

use std::time::Duration;

use branchline_probes::Phase;
use branchline_probes::sip::facts::{LARGE, LARGE_ANSWERED};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::rules::sip;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "sip-large-message-dropped",
    meaning: "A SIP message over UDP that is larger than a packet gets lost: a firewall drops fragments. Phones register, and calls with a long INVITE fail.",
    decided_by: "A sip-register or sip-options with large = true was answered, a padded request that fits into a packet was, too, and one that does not was met by silence three times over, or in two runs.",
    falsified_by: "An answer to the large request.",
    remedy: "Let fragments of UDP through, or have phones speak SIP over TCP or TLS, as RFC 3261 §18.1.1 asks for what is larger than 1300 bytes.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let targets = sip::by_target(evidence).into_iter();
    targets.filter_map(|cases| finding(evidence, &cases)).collect()
}

fn finding(evidence: &Evidence, cases: &[&Case]) -> Option<Finding> {
    let lost: Vec<&Case> = cases.iter().copied().filter(|case| is_lost(case)).collect();
    let first = lost.first()?;
    let (way, size) = (sip::way(first), size(first));
    let summary = format!("a SIP message of {size} bytes to {way} gets lost, smaller ones arrive");
    let stream = sip::other_way(evidence, &lost)
        .filter(|other| other.case.observation.transport.is_stream());
    let until = stream.map_or_else(
        || "have phones speak SIP over TCP or TLS".to_owned(),
        |other| format!("have phones speak SIP over {}, which answers", other.name()),
    );
    let step = format!(
        "Ask the site network to let fragments of UDP through to and from {way}; or {until}, as \
         RFC 3261 §18.1.1 asks for messages larger than 1300 bytes."
    );
    let exhibit = |case: &&Case| {
        let text = format!("{} bytes were not answered, 1200 bytes were", self::size(case));
        Exhibit::measured(case, text)
    };
    // Phones do register, and most of what they send is small.
    Some(
        Finding::new(&RULE, Severity::Warning, Owner::SiteNetwork, &first.id.target, summary)
            .because(lost.iter().map(exhibit))
            .because(stream.map(|other| Exhibit::of_case(other.case)))
            .next(step),
    )
}

fn size(case: &Case) -> u64 {
    case.observation.outcome.facts.read(&LARGE).unwrap_or_default()
}

/// Whether the large request, and it alone, was lost, and that is more than bad luck.
fn is_lost(case: &Case) -> bool {
    let is_unanswered =
        |outcome: &branchline_probes::Outcome| outcome.facts.read(&LARGE_ANSWERED) == Some(false);
    let outcome = &case.observation.outcome;
    let mut large =
        outcome.phases.iter().filter(|(phase, _)| *phase == Phase::Large).map(|it| it.1);
    let was_repeated = large.next_back().is_some_and(|took| took >= THREE_REQUESTS);
    let before = || case.previous.as_ref().is_some_and(|it| is_unanswered(&it.outcome));
    is_unanswered(outcome) && (was_repeated || before())
}

/// SIP over UDP asks at 0, 0.5 and 1.5 s (RFC 3261 §17.1.2.2), and waits for the last answer as
/// long as it takes to ask again.
const THREE_REQUESTS: Duration = Duration::from_millis(3_500);
