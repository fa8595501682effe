//! JSON: one observation as one object, and one report as one document.

mod state;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use branchline_probes::{FactValue, Foreign, Observation, Verdict as Standing};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::diagnosis::Finding;
use crate::ladder::{self, Ladder, Rung};
use crate::profile::{Limit, Measure, Profile};
use crate::propagation::{Propagation, Says, Sighting};
use crate::report::Report;

pub use state::{STATE_SCHEMA, inventory};

/// The name and version of the report's shape.
pub const SCHEMA: &str = "branchline/report/1";

/// One observation as one object.
#[must_use]
pub fn observation(observation: &Observation) -> Value {
    let Observation { probe, module, target, site, address, transport, outcome, .. } = observation;
    let phases: Vec<Value> = outcome
        .phases
        .iter()
        .map(|(phase, took)| json!({ "phase": phase.label(), "seconds": took.as_secs_f64() }))
        .collect();
    let failure = outcome.failure.as_ref().map(|(stage, failure)| {
        json!({
            "reason": failure.label(),
            "stage": stage.label(),
            "message": failure.to_string(),
            "by": failure.by(),
        })
    });
    let facts: Map<String, Value> =
        outcome.facts.iter().map(|(spec, value)| (spec.name.to_owned(), fact(value))).collect();
    let ignored: BTreeMap<&str, u64> =
        outcome.ignored.iter().map(|(reason, count)| (reason.label(), *count)).collect();
    ordered([
        ("probe", json!(probe)),
        ("module", json!(module)),
        ("target", json!(target)),
        ("site", json!(site)),
        ("address", json!(address)),
        ("transport", json!(transport.label())),
        ("started", json!(time(observation.started))),
        ("elapsed_seconds", json!(observation.elapsed.as_secs_f64())),
        ("success", json!(outcome.failure.is_none())),
        ("failure", json!(failure)),
        ("phases", json!(phases)),
        ("facts", Value::Object(facts)),
        ("ignored", json!(ignored)),
    ])
}

/// One report as one document, indented.
#[must_use]
pub fn report(report: &Report) -> String {
    let diagnosis = &report.diagnosis;
    let document = ordered([
        ("schema", json!(SCHEMA)),
        ("site", json!(report.site)),
        ("profile", profile(&report.profile)),
        ("started", json!(time(report.started))),
        ("elapsed_seconds", json!(report.elapsed.as_secs_f64())),
        ("verdict", json!(diagnosis.verdict.label())),
        ("findings", diagnosis.findings.iter().map(finding).collect()),
        (
            "unexplained",
            diagnosis
                .unexplained
                .iter()
                .map(|it| json!({ "ref": it.reference, "text": it.text }))
                .collect(),
        ),
        ("open", json!(diagnosis.open)),
        ("names", report.names.iter().map(name).collect()),
        ("ladders", ladder::of(&report.observations).iter().map(ladder).collect()),
        ("observations", report.observations.iter().map(|it| observation(it)).collect()),
        ("state", report.state.as_deref().map_or(Value::Null, state::parts)),
    ]);
    format!("{document:#}\n")
}

/// How a wait for names ended.
#[must_use]
pub fn waited(names: &[Propagation], is_true: bool, took: Duration) -> String {
    let document = ordered([
        ("arrived", json!(is_true)),
        ("elapsed_seconds", json!(took.as_secs_f64())),
        ("names", names.iter().map(name).collect()),
    ]);
    format!("{document}\n")
}

fn finding(finding: &Finding) -> Value {
    let evidence: Vec<Value> = finding
        .evidence
        .iter()
        .map(|it| json!({ "kind": it.kind.label(), "ref": it.reference, "text": it.text }))
        .collect();
    ordered([
        ("rule", json!(finding.rule)),
        ("severity", json!(finding.severity.label())),
        ("owner", json!(finding.owner.label())),
        ("subject", json!(finding.subject)),
        ("summary", json!(finding.summary)),
        ("evidence", json!(evidence)),
        ("next_step", json!(finding.next_step)),
        ("explains", json!(finding.explains)),
    ])
}

fn fact(value: &FactValue) -> Value {
    match value {
        FactValue::Count(count) => json!(count),
        FactValue::Number(number) => json!(number),
        FactValue::Seconds(duration) => json!(duration.as_secs_f64()),
        FactValue::Time(at) => json!(time(*at)),
        FactValue::Flag(flag) => json!(flag),
        FactValue::Word(word) => json!(word),
        FactValue::Address(address) => json!(address),
        FactValue::Addresses(addresses) => json!(addresses),
        FactValue::Text(text) => json!(text.as_str()),
        FactValue::Texts(texts) => texts.iter().map(Foreign::as_str).collect(),
    }
}

fn name(name: &Propagation) -> Value {
    ordered([
        ("question", json!(name.question)),
        ("edge_group", json!(name.edge_group)),
        ("standing", json!(name.standing.label())),
        ("propagation_ratio", json!(name.share)),
        ("expected", json!(name.expected)),
        ("created_since", json!(name.since.map(time))),
        ("propagated_by", json!(name.by.map(time))),
        ("nameservers", name.sightings.iter().map(sighting).collect()),
    ])
}

fn sighting(sighting: &Sighting) -> Value {
    let why = if let Says::MadeUp(why) = sighting.says { Some(why.in_words()) } else { None };
    ordered([
        ("view", json!(sighting.view.label())),
        ("name", json!(sighting.name)),
        ("address", json!(sighting.address)),
        ("says", json!(sighting.says.label())),
        ("why", json!(why)),
        ("reason", json!(sighting.reason)),
        ("rcode", json!(sighting.rcode)),
        ("records", sighting.records.iter().map(Foreign::as_str).collect()),
        ("ttl_seconds", json!(sighting.ttl.map(|ttl| ttl.as_secs_f64()))),
        ("serial", json!(sighting.serial)),
        ("heard", json!(time(sighting.heard))),
        ("until", json!(sighting.until.map(time))),
    ])
}

fn ladder(ladder: &Ladder) -> Value {
    ordered([
        ("targets", json!(ladder.targets)),
        ("probe", json!(ladder.probe)),
        ("address", json!(ladder.address)),
        ("rungs", ladder.rungs.iter().map(rung).collect()),
        ("cheapest", json!(ladder.cheapest().map(Rung::name))),
        ("cost", json!(ladder.cost())),
    ])
}

fn rung(rung: &Rung) -> Value {
    let seconds = |took: Option<Duration>| json!(took.map(|took| took.as_secs_f64()));
    let works = match rung.verdict {
        Standing::Up => Some(true),
        Standing::Down => Some(false),
        Standing::Unknown => None,
    };
    ordered([
        ("transport", json!(rung.transport.label())),
        ("port", json!(rung.port)),
        ("works", json!(works)),
        ("reason", json!(rung.reason)),
        ("connect_seconds", seconds(rung.connect)),
        ("tls_seconds", seconds(rung.tls)),
        ("first_answer_seconds", seconds(rung.first_answer)),
        ("total_seconds", seconds(rung.total())),
    ])
}

/// The limits by their names, which end in their unit.
fn profile(profile: &Profile) -> Value {
    let limit = |(measure, Limit { warn, fail }): (Measure, Limit)| {
        let limit = ordered([("warn", json!(warn)), ("fail", json!(fail))]);
        (measure.field().to_owned(), limit)
    };
    ordered([
        ("name", json!(profile.name())),
        ("base", json!(profile.base())),
        ("limits", profile.limits().map(limit).collect()),
    ])
}

/// The keys in the order in which they stand here, which is the order in which one reads.
fn ordered<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// RFC 3339, in UTC, to the microsecond.
fn time(time: SystemTime) -> impl Serialize {
    let micros = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Timestamp::from_microsecond(i64::try_from(since.as_micros()).ok()?).ok()
    };
    micros(time).map(|stamp| format!("{stamp:.6}"))
}
