//! Prometheus text of what was seen, what the vendor says and what it means.
//!
//! The series are made anew from the latest data, so that those of a removed target are gone with
//! it. Every label value comes from the configuration or from a fixed set, never from a packet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::{FactValue, Observation, Verdict as Standing};

use crate::correlation::{Case, Evidence};
use crate::diagnosis::{Diagnosis, Verdict};
use crate::propagation::{self, Standing as NameStanding};
use crate::sight::View;
use crate::telephony::{Part, PhoneState, Registration, Snapshot, State};

/// The exposition of one moment, in the text format 0.0.4.
#[must_use]
pub fn encode(site: &str, evidence: &Evidence, diagnosis: &Diagnosis) -> String {
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
    if let Some(state) = &evidence.state {
        vendor(&mut families, site, state);
        linked_trunks(&mut families, site, evidence, state);
    }
    families.write()
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

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

fn vendor(families: &mut Families, site: &str, state: &Snapshot) {
    let Snapshot { edges, edge_groups, trunks, phones, .. } = state;
    let states = State::ALL.map(|state| (state, state.label()));
    let registrations = Registration::ALL.map(|it| (it, it.label()));
    let phone_states = PhoneState::ALL.map(|state| (state, state.label()));
    families.tally(EDGES, "state", site, edges, &states, |edge| edge.state);
    families.tally(EDGE_GROUPS, "state", site, edge_groups, &states, |group| group.state);
    families.tally(TRUNKS, "state", site, trunks, &states, |trunk| trunk.state);
    families.tally(TRUNK_REGISTRATIONS, "registration", site, trunks, &registrations, |trunk| {
        trunk.registration
    });
    families.tally(PHONES, "state", site, phones, &phone_states, |phone| phone.state);
    let reads = [
        ("edges", state.edges.read),
        ("edge_groups", state.edge_groups.read),
        ("trunks", state.trunks.read),
        ("phones", state.phones.read),
    ];
    for (part, read) in reads {
        if let Some(read) = read {
            families.gauge(STATE_READ, &vec![("part", part), ("site", site)], epoch_seconds(read));
        }
    }
}

/// Trunks that the configuration names; a state that the vendor does not tell has no series.
///
/// Of several trunks behind one name the worst speaks for all.
fn linked_trunks(families: &mut Families, site: &str, evidence: &Evidence, state: &Snapshot) {
    for name in &evidence.links.trunks {
        let labels = vec![("trunk", &**name), ("site", site)];
        let is_up = state.trunks_of(name).map(|trunk| match trunk.state {
            State::Up => Some(true),
            State::Down => Some(false),
            State::Unknown => None,
        });
        if let Some(is_up) = all(is_up) {
            families.gauge(TRUNK_UP, &labels, f64::from(u8::from(is_up)));
        }
        let is_registered = state.trunks_of(name).filter_map(|trunk| match trunk.registration {
            Registration::Registered => Some(Some(true)),
            Registration::Unregistered => Some(Some(false)),
            Registration::Unknown => Some(None),
            Registration::NotApplicable => None,
        });
        if let Some(is_registered) = all(is_registered) {
            families.gauge(TRUNK_REGISTERED, &labels, f64::from(u8::from(is_registered)));
        }
    }
}

/// No, where one says no; yes, where there are some and all say yes; else nobody knows.
fn all(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let answers: Vec<Option<bool>> = answers.into_iter().collect();
    if answers.contains(&Some(false)) {
        Some(false)
    } else if answers.is_empty() || answers.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// A metric's name and help.
#[derive(Clone, Copy)]
struct Family {
    name: &'static str,
    help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $name:literal, $help:literal;)*) => {
        $(const $constant: Family = Family { name: $name, help: $help };)*
    };
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
    EDGES = "branchline_edges", "Edges by normalised state.";
    EDGE_GROUPS = "branchline_edge_groups", "Edge groups by normalised state.";
    TRUNKS = "branchline_trunks", "Trunks by normalised state.";
    TRUNK_REGISTRATIONS = "branchline_trunk_registrations", "Trunks by registration.";
    TRUNK_UP = "branchline_trunk_up", "1 if the vendor calls a configured trunk up on every edge, 0 if it is down on one.";
    TRUNK_REGISTERED = "branchline_trunk_registered",
        "1 if the vendor calls a configured trunk registered on every edge, 0 if not; absent if it does not register.";
    PHONES = "branchline_phones", "Phones by normalised state.";
    STATE_READ = "branchline_telephony_read_timestamp_seconds",
        "When a part of the vendor's state was last read whole.";
}

/// Samples by family, as the text format wants them: together, behind their help.
#[derive(Default)]
struct Families(BTreeMap<&'static str, (&'static str, String)>);

impl Families {
    fn gauge(&mut self, family: Family, labels: &Labels<'_>, value: f64) {
        let samples = &mut self.0.entry(family.name).or_insert((family.help, String::new())).1;
        samples.push_str(family.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            samples.push_str(if index == 0 { "{" } else { "," });
            samples.push_str(name);
            samples.push_str("=\"");
            escape(samples, value);
            samples.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        // Writing into a String cannot fail.
        let _ = writeln!(samples, "{close} {value}");
    }

    /// How many things of a part are in each state; nothing of a part that is not known.
    fn tally<T, S: PartialEq>(
        &mut self,
        family: Family,
        label: &'static str,
        site: &str,
        part: &Part<T>,
        states: &[(S, &'static str)],
        state_of: impl Fn(&T) -> S,
    ) {
        for (wanted, word) in states.iter().filter(|_| part.is_current()) {
            let count = part.items.iter().filter(|item| state_of(item) == *wanted).count();
            self.gauge(family, &vec![(label, word), ("site", site)], count as f64);
        }
    }

    fn write(self) -> String {
        let mut text = String::new();
        for (name, (help, samples)) in self.0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            text.push_str(&samples);
        }
        text
    }
}

fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
}

fn with<'a>(labels: &Labels<'a>, more: &[(&'static str, &'a str)]) -> Labels<'a> {
    labels.iter().chain(more).copied().collect()
}

fn epoch_seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}
