//! Rule `media-quality-poor`: media through the relay is worse than the profile allows.

use std::time::Duration;

use branchline_probes::FactValue;
use branchline_probes::stun_binding;
use branchline_probes::turn_media::{
    BINDING_JITTER, BINDING_LOSS_RATIO, BINDING_RTT_P50, BINDING_SENT, DIRECTION, JITTER,
    LATE_RATIO, LOSS_RATIO, MOUTH_TO_EAR, REORDERED, RTT_P50, SENT, WORST_WINDOW_LOSS_RATIO,
};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Exhibit, Finding, Owner, Rule, Severity};
use crate::profile::{Grade, Measure, Profile, Unit};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "media-quality-poor",
    meaning: "Voice-shaped packets through the relay, or paced requests to it, are lost, late or uneven beyond the limits of the profile: calls sound bad.",
    decided_by: "The turn-media probe, or the burst of stun-binding, sent 100 packets or more, and a measure is beyond its limit in the profile. The packets go up and come back down, so a share p of lost packets is that of both ways together: it warns by itself, and it fails where the share of each way, estimated as 1−√(1−p), is beyond the limit, too. MOS is estimated of that same share, and may fail by itself: no direction of a call is worse than that. What requests lose never fails by itself, since a server may refuse them.",
    falsified_by: "The same stream within the limits of the profile, at the same hour.",
    remedy: "Compare with the load of the uplink at that time; measure again by cable and at a quiet hour to tell the site's own network from the provider's.",
    judge,
};

fn judge(evidence: &Evidence) -> Vec<Finding> {
    let is_one = |case: &&Case| case.is_of("turn-media") || case.is_of("stun-binding");
    let cases = evidence.cases.iter().filter(is_one);
    cases.filter_map(|case| finding(&evidence.profile, case)).collect()
}

/// Whether media is beyond a limit of the profile in this case.
pub(super) fn is_poor(evidence: &Evidence, case: &Case) -> bool {
    finding(&evidence.profile, case).is_some()
}

/// Whether enough was sent in this case to tell.
pub(super) fn is_measured(case: &Case) -> bool {
    measured(case).is_some()
}

fn finding(profile: &Profile, case: &Case) -> Option<Finding> {
    let values = measured(case)?;
    let is_loop = source(case) == Some(Source::Loop);
    let mut broken: Vec<Broken> = values
        .into_iter()
        .filter_map(|(measure, value)| broken(profile, measure, value, is_loop))
        .collect();
    // What is worst comes first.
    broken.sort_by_key(|it| std::cmp::Reverse(it.grade));
    let worst = broken.first()?.grade;
    let severity = match worst {
        Grade::Fail => Severity::where_required(case.required),
        Grade::Warn | Grade::Good => Severity::Warning,
    };
    let listed: Vec<String> = broken.iter().map(Broken::words).collect();
    let what = if is_loop { "media through" } else { "the way to" };
    let summary = format!("{what} the relay is poor: {}", listed.join(", "));
    let name = profile.name();
    let exhibit = |it: &Broken| {
        let limits = it.measure.show_limit(profile.limit(it.measure));
        let text = format!("{} {}, limits of {name} {limits}", it.measure.title(), it.shown());
        Exhibit::measured(case, text)
    };
    Some(
        Finding::new(&RULE, severity, Owner::SiteNetwork, &case.id.target, summary)
            .because(broken.iter().map(exhibit))
            .because([Exhibit::measured(case, direction(case, &broken))])
            .next(step(&broken)),
    )
}

/// A measure that is beyond a limit.
struct Broken {
    measure: Measure,
    value: f64,
    grade: Grade,
    /// The limit that it broke.
    limit: f64,
}

impl Broken {
    fn shown(&self) -> String {
        self.measure.show(self.value)
    }

    /// `loss 3.47 % (limit 2 %)`.
    fn words(&self) -> String {
        let limit = self.measure.show(self.limit);
        format!("{} {} (limit {limit})", self.measure.title(), self.shown())
    }
}

fn broken(profile: &Profile, measure: Measure, value: f64, is_loop: bool) -> Option<Broken> {
    let limit = profile.limit(measure);
    let is_certain = || {
        // A share is of both ways together, and that of requests may be the server's choice.
        let is_share = measure.unit() == Unit::Ratio;
        let of_one_way = profile.grade(measure, of_one_way(measure, value));
        !is_share || (is_loop && of_one_way == Grade::Fail)
    };
    let grade = match profile.grade(measure, value) {
        Grade::Good => return None,
        Grade::Fail if is_certain() => Grade::Fail,
        Grade::Warn | Grade::Fail => Grade::Warn,
    };
    let limit = if grade == Grade::Fail { limit.fail } else { limit.warn };
    Some(Broken { measure, value, grade, limit })
}

/// What a share of packets is on each of two ways that lose alike.
fn of_one_way(measure: Measure, value: f64) -> f64 {
    if measure.unit() == Unit::Ratio { 1.0 - (1.0 - value).max(0.0).sqrt() } else { value }
}

/// What carried the packets that were counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Voice-shaped packets through the relay and back.
    Loop,
    /// Paced requests beside a relay that refuses the loop.
    Instead,
    /// Paced requests that the module asks for.
    Burst,
}

fn source(case: &Case) -> Option<Source> {
    if case.is_of("stun-binding") {
        return Some(Source::Burst);
    }
    let direction = case.observation.outcome.facts.read(&DIRECTION)?;
    Some(if direction == "binding" { Source::Instead } else { Source::Loop })
}

/// What was measured; nothing where too few packets were sent to tell.
fn measured(case: &Case) -> Option<Vec<(Measure, f64)>> {
    let facts = &case.observation.outcome.facts;
    let (sent, loss, jitter, rtt) = match source(case)? {
        Source::Loop => (SENT, LOSS_RATIO, JITTER, RTT_P50),
        Source::Instead => (BINDING_SENT, BINDING_LOSS_RATIO, BINDING_JITTER, BINDING_RTT_P50),
        Source::Burst => (
            stun_binding::BURST_SENT,
            stun_binding::LOSS_RATIO,
            stun_binding::JITTER,
            stun_binding::RTT_P50,
        ),
    };
    let sent = facts.read(&sent).filter(|sent| *sent >= TRIALS)?;
    let seconds = |key| facts.read(&key).map(|took: Duration| took.as_secs_f64());
    // Counts of one stream are far below 2^52.
    let reordered = facts.read(&REORDERED).map(|count| count as f64 / sent as f64);
    let mos = facts.iter().filter(|(fact, _)| Measure::Mos.judges(fact.name));
    // The best codec: where even that is poor, every other is.
    let mos = mos
        .filter_map(
            |(_, value)| {
                if let FactValue::Number(number) = value { Some(*number) } else { None }
            },
        )
        .max_by(f64::total_cmp);
    let all = [
        (Measure::Loss, facts.read(&loss)),
        (Measure::Late, facts.read(&LATE_RATIO)),
        (Measure::BurstLoss, facts.read(&WORST_WINDOW_LOSS_RATIO)),
        (Measure::Reorder, reordered),
        (Measure::Jitter, seconds(jitter)),
        (Measure::RoundTrip, seconds(rtt)),
        (Measure::OneWayDelay, seconds(MOUTH_TO_EAR)),
        (Measure::Mos, mos),
    ];
    Some(all.into_iter().filter_map(|(measure, value)| Some((measure, value?))).collect())
}

/// What this measurement can tell, and what it cannot.
fn direction(case: &Case, broken: &[Broken]) -> String {
    let how = match source(case) {
        Some(Source::Instead) => {
            "direction binding: paced STUN requests, since the relay refuses a loop, went there \
             and back, and a server may refuse some"
        }
        Some(Source::Burst) => {
            "paced STUN requests went there and back, and a server may refuse some"
        }
        Some(Source::Loop) | None => {
            "direction loop: each packet went up to the relay and came back down"
        }
    };
    let estimate = broken.iter().find(|it| it.measure == Measure::Loss).map(|loss| {
        let one_way = of_one_way(loss.measure, loss.value);
        format!("; if both ways lose alike, {} each", loss.measure.show(one_way))
    });
    let has_mos = broken.iter().any(|it| it.measure == Measure::Mos);
    let pessimistic = if has_mos { "; so MOS is at least that good on each way alone" } else { "" };
    format!(
        "{how}, so loss counts both ways together; on each way alone it is that much at most{}\
         {pessimistic}",
        estimate.unwrap_or_default()
    )
}

fn step(broken: &[Broken]) -> &'static str {
    let is_broken = |measure: Measure| broken.iter().any(|it| it.measure == measure);
    if is_broken(Measure::Loss) || is_broken(Measure::BurstLoss) {
        "Look at the load and the error counters of the uplink at that time, then measure again by \
         cable and at a quiet hour: loss that goes with the load is a full uplink (give voice a \
         queue of its own), loss that stays is the line's, and the provider's."
    } else if is_broken(Measure::Jitter) || is_broken(Measure::Late) || is_broken(Measure::Reorder)
    {
        "Look for queues that fill (uploads, backups, Wi-Fi) and give voice a queue of its own; \
         measure again by cable and at a quiet hour to tell the site's own network from the \
         provider's."
    } else {
        "Compare the way to the relay with that to its nearest region: delay that is always there \
         comes from the distance or from a detour, such as a VPN, and no queue of the site mends \
         it."
    }
}

/// How many packets make one measurement an unambiguous answer.
const TRIALS: u64 = 100;
