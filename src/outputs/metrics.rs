//! Prometheus text of what was seen, what the vendor says and what it means.
//!
//! The series are made anew from the latest data, so that those of a removed target are gone with
//! it. Every label value comes from the configuration or from a fixed set, never from a packet; the
//! one exception, the names of the vendor's sites, is bounded (`metrics/bounded.rs`).

mod bounded;
mod families;
mod vendor;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::{FactValue, Observation, Verdict as Standing};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Diagnosis, Verdict};
use crate::propagation::{self, Standing as NameStanding};
use crate::sight::View;

use families::{Families, Family, Labels, families};

/// The exposition of one moment, in the text format 0.0.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The text.
    pub text: String,
    /// How many series had no place on it, and went into one called `__other__`.
    pub dropped: u64,
}

/// The text of the exposition of one moment.
#[must_use]
pub fn encode(site: &str, evidence: &Evidence, diagnosis: &Diagnosis) -> String {
    page(site, evidence, diagnosis).text
}

/// The exposition of one moment.
#[must_use]
pub fn page(site: &str, evidence: &Evidence, diagnosis: &Diagnosis) -> Page {
    let mut families = Families::default();
    let mut checks: BTreeMap<_, Vec<&Case>> = BTreeMap::new();
    for case in &evidence.cases {
        checks.entry(&case.id).or_default().push(case);
    }
    for cases in checks.values() {
        check(&mut families, cases);
    }
    conclusions(&mut families, site, diagnosis);
    names(&mut families, site, evidence);
    let mut dropped = 0;
    if let Some(state) = &evidence.state {
        dropped = vendor::encode(&mut families, site, evidence, state);
    }
    Page { text: families.write(), dropped }
}

/// One check: of several addresses the worst speaks for all, since phones meet it sooner or later.
fn check(families: &mut Families, cases: &[&Case]) {
    let worst = cases.iter().max_by_key(|case| {
        let observation = &case.observation;
        (observation.verdict(), observation.elapsed)
    });
    let Some(observation) = worst.map(|case| &case.observation) else { return };
    let mut labels: Labels<'_> = vec![
        ("probe", observation.probe),
        ("module", &observation.module),
        ("target", &observation.target),
        ("site", &observation.site),
    ];
    if let Some(sight) = worst.and_then(|case| case.sight.as_ref()) {
        labels.extend([("view", sight.view.label()), ("type", sight.name.kind)]);
    }
    match observation.verdict() {
        Standing::Up => families.gauge(SUCCESS, &labels, 1.0),
        Standing::Down => families.gauge(SUCCESS, &labels, 0.0),
        Standing::Unknown => {}
    }
    families.gauge(DURATION, &labels, observation.elapsed.as_secs_f64());
    families.gauge(TIMESTAMP, &labels, epoch_seconds(observation.started));
    // A phase that was gone through twice, as after a stale nonce, is one series.
    let mut phases: BTreeMap<&str, f64> = BTreeMap::new();
    for (phase, took) in &observation.outcome.phases {
        *phases.entry(phase.label()).or_default() += took.as_secs_f64();
    }
    for (phase, took) in phases {
        families.gauge(PHASE, &with(&labels, &[("phase", phase)]), took);
    }
    if let Some((stage, failure)) = &observation.outcome.failure {
        let why = [("stage", stage.label()), ("reason", failure.label())];
        families.gauge(FAILURE, &with(&labels, &why), 1.0);
    }
    facts(families, &labels, observation);
    addresses(families, &labels, cases);
}

fn facts(families: &mut Families, labels: &Labels<'_>, observation: &Arc<Observation>) {
    for (spec, value) in observation.outcome.facts.iter() {
        let Some(metric) = spec.metric else { continue };
        let mut labels = with(labels, metric.labels);
        let number = match value {
            FactValue::Count(count) => *count as f64,
            FactValue::Seconds(duration) => duration.as_secs_f64(),
            FactValue::Time(time) => epoch_seconds(*time),
            FactValue::Flag(flag) => f64::from(u8::from(*flag)),
            FactValue::Number(number) if number.is_finite() => *number,
            FactValue::Word(word) => {
                let Some(label) = metric.word else { continue };
                labels.push((label, word));
                1.0
            }
            FactValue::Number(_)
            | FactValue::Address(_)
            | FactValue::Addresses(_)
            | FactValue::Text(_)
            | FactValue::Texts(_) => continue,
        };
        families.gauge(Family { name: metric.name, help: spec.help }, &labels, number);
    }
}

fn addresses(families: &mut Families, labels: &Labels<'_>, cases: &[&Case]) {
    for (family, is_it) in [("ip4", false), ("ip6", true)] {
        let of_family = |case: &&&Case| {
            case.observation.address.is_some_and(|address| address.is_ipv6() == is_it)
        };
        let count = cases.iter().filter(of_family).count();
        if count > 0 {
            let reachable = cases.iter().filter(of_family).filter(|case| case.is_up()).count();
            let labels = with(labels, &[("family", family)]);
            families.gauge(ADDRESSES, &labels, count as f64);
            families.gauge(ADDRESSES_REACHABLE, &labels, reachable as f64);
        }
    }
}

fn conclusions(families: &mut Families, site: &str, diagnosis: &Diagnosis) {
    for verdict in Verdict::ALL {
        let is_it = f64::from(u8::from(verdict == diagnosis.verdict));
        families.gauge(VERDICT, &vec![("verdict", verdict.label()), ("site", site)], is_it);
    }
    let mut findings: BTreeMap<_, f64> = BTreeMap::new();
    for finding in &diagnosis.findings {
        let key = (finding.rule, finding.owner.label(), finding.severity.label());
        *findings.entry(key).or_default() += 1.0;
    }
    for ((rule, owner, severity), count) in findings {
        let labels = vec![("rule", rule), ("owner", owner), ("severity", severity), ("site", site)];
        families.gauge(FINDING, &labels, count);
    }
}

/// Watched names: the configuration names them, so their number is bounded.
fn names(families: &mut Families, site: &str, evidence: &Evidence) {
    for name in propagation::of(evidence).iter().filter(|name| name.is_watched) {
        let Some((owner, kind)) = name.question.rsplit_once(' ') else { continue };
        let labels: Labels<'_> = vec![("name", owner), ("type", kind), ("site", site)];
        for view in View::ALL {
            let labels = with(&labels, &[("view", view.label())]);
            if let Some(is_propagated) = name.is_propagated_to(view) {
                families.gauge(PROPAGATED, &labels, f64::from(u8::from(is_propagated)));
            }
            if let Some(left) = name.left(view, evidence.now) {
                families.gauge(STALE, &labels, left.as_secs_f64());
            }
        }
        for standing in NameStanding::ALL {
            let is_it = f64::from(u8::from(standing == name.standing));
            let labels = with(&labels, &[("standing", standing.label())]);
            families.gauge(STANDING, &labels, is_it);
        }
        if let Some(share) = name.share {
            families.gauge(PROPAGATION, &labels, share);
        }
        if let Some(by) = name.by {
            families.gauge(PROPAGATED_BY, &labels, epoch_seconds(by));
        }
        if let Some(since) = name.since {
            families.gauge(CREATED, &labels, epoch_seconds(since));
        }
    }
}

families! {
    SUCCESS = "branchline_probe_success",
        "1 if the last exchange succeeded, 0 if it failed; absent if this host could not tell";
    DURATION = "branchline_probe_duration_seconds", "How long the last exchange took in all.";
    TIMESTAMP = "branchline_probe_timestamp_seconds", "When the last exchange began.";
    PHASE = "branchline_probe_phase_seconds", "How long each phase of the last exchange took.";
    FAILURE = "branchline_probe_failure_info",
        "Why the last exchange failed, and in which stage; absent if it succeeded.";
    ADDRESSES = "branchline_probe_addresses", "Addresses of the target.";
    ADDRESSES_REACHABLE = "branchline_probe_addresses_reachable",
        "Addresses of the target with which the last exchange succeeded.";
    PROPAGATED = "probe_dns_propagated",
        "1 if every nameserver of a view has the record, 0 if one has not; absent if none answers.";
    STALE = "probe_dns_stale_seconds",
        "For how long still a nameserver of a view may keep an older answer; absent if none does.";
    PROPAGATION = "branchline_dns_propagation_ratio",
        "The share of the nameservers that answer which have the record.";
    STANDING = "branchline_dns_standing", "1 for what all views of a name amount to.";
    PROPAGATED_BY = "branchline_dns_propagated_by_timestamp_seconds",
        "When the last nameserver will have the record at the latest; absent if all have it.";
    CREATED = "branchline_dns_created_timestamp_seconds",
        "Since when an authoritative nameserver is known to have the record.";
    VERDICT = "branchline_verdict", "1 for the verdict that holds.";
    FINDING = "branchline_finding", "How many findings of a rule hold.";
}

fn with<'a>(labels: &Labels<'a>, more: &[(&'static str, &'a str)]) -> Labels<'a> {
    labels.iter().chain(more).copied().collect()
}

fn epoch_seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}
