//! What trunks carried, by the hour.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use serde_json::{Value, json};

use super::fields::{Fields, moment, time};
use crate::telephony::{Reference, Trunk, TrunkMetrics};

/// What is asked: the hour that goes on and those before it, as the guide writes it.
pub(super) fn query(now: SystemTime) -> Value {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let hour = SystemTime::UNIX_EPOCH + Duration::from_secs(since - since % HOUR);
    let metrics = METRICS.map(|(name, unit)| json!({ "name": name, "unit": unit }));
    json!({
        "startDate": moment(hour - HOURS_BEFORE),
        "endDate": moment(now),
        "interval": "PT1H",
        "metrics": metrics,
        "groupBy": ["edgeId", "sipTrunkId"],
    })
}

const HOUR: u64 = 3600;

/// An hour that has just begun may have nothing to say.
const HOURS_BEFORE: Duration = Duration::from_secs(HOUR);

/// The metrics of the guide and the units in which they are asked for.
const METRICS: [(&str, &str); 4] = [
    ("setupSuccess", "percent"),
    ("jitter", "milliseconds"),
    ("utilization", "percent"),
    ("peakCalls", "calls"),
];

/// What the pages of the answer tell, by trunk: of each the latest hour.
///
/// The guide shows the question alone. So an answer is searched for the four names, wherever they
/// stand, and belongs to the `sipTrunkId` and the hour around it.
#[derive(Default)]
pub(super) struct Hours {
    trunks: BTreeMap<String, Vec<TrunkMetrics>>,
}

impl Hours {
    /// Takes in one page.
    pub(super) fn read(&mut self, page: &Value) {
        self.walk(page, &Around::default(), DEPTH);
    }

    /// The latest hour of each trunk, by the names of `trunks`.
    pub(super) fn latest(self, trunks: &[Trunk]) -> Vec<TrunkMetrics> {
        let name = |id: &str| trunks.iter().find(|it| it.reference.id.as_str() == id);
        self.trunks
            .into_iter()
            .filter_map(|(id, hours)| {
                let mut latest = hours.into_iter().max_by_key(|hour| hour.taken)?;
                let known = name(&id).map(|trunk| trunk.reference.clone());
                let id = Foreign::new(id);
                latest.trunk = known.unwrap_or(Reference { id, name: Foreign::default() });
                Some(latest)
            })
            .collect()
    }

    fn walk(&mut self, value: &Value, around: &Around, depth: usize) {
        if depth == 0 {
            return;
        }
        if let Value::Array(items) = value {
            items.iter().for_each(|item| self.walk(item, around, depth - 1));
            return;
        }
        let (Some(fields), Value::Object(entries)) = (Fields::of(value), value) else { return };
        let around = around.within(fields);
        for (key, value) in entries {
            match METRICS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
                Some((name, unit)) => self.note(&around, name, unit, value),
                None => self.walk(value, &around, depth - 1),
            }
        }
        let named = fields.text(&["name", "metric"]);
        let metric = METRICS
            .iter()
            .find(|(name, _)| named.is_some_and(|named| named.eq_ignore_ascii_case(name)));
        if let Some((name, unit)) = metric {
            self.note(&around, name, unit, value);
        }
    }

    /// Notes one number of the trunk and the hour around it.
    fn note(&mut self, around: &Around, name: &str, asked: &str, value: &Value) {
        let Some(trunk) = around.trunk.as_ref() else { return };
        let Some((number, unit)) = number(value) else { return };
        let unit = unit.unwrap_or(asked);
        if self.trunks.len() >= MOST_TRUNKS && !self.trunks.contains_key(trunk) {
            return;
        }
        let hours = self.trunks.entry(trunk.clone()).or_default();
        let place = hours.iter().position(|hour| hour.taken == around.taken).unwrap_or_else(|| {
            hours.push(TrunkMetrics { taken: around.taken, ..TrunkMetrics::default() });
            hours.len() - 1
        });
        let Some(hour) = hours.get_mut(place) else { return };
        match name {
            "setupSuccess" => {
                hour.setup_success_ratio = ratio(number, unit).filter(|ratio| *ratio <= 1.0);
            }
            "jitter" => hour.jitter = duration(number, unit),
            "utilization" => hour.utilization_ratio = ratio(number, unit),
            _ => hour.peak_calls = calls(number),
        }
    }
}

/// Whose a number is and of when, by what stands around it.
#[derive(Clone, Default)]
struct Around {
    trunk: Option<String>,
    taken: Option<SystemTime>,
}

impl Around {
    fn within(&self, fields: Fields<'_>) -> Self {
        let group = fields.below(&["group", "groupBy", "key", "dimensions"]).unwrap_or(fields);
        let trunk = fields.text(TRUNK).or_else(|| group.text(TRUNK)).map(str::to_owned);
        let taken = fields
            .text(&["startDate", "startTime", "timestamp", "interval"])
            .and_then(|text| time(text.split('/').next()?));
        Self { trunk: trunk.or_else(|| self.trunk.clone()), taken: taken.or(self.taken) }
    }
}

const TRUNK: &[&str] = &["sipTrunkId", "trunkId"];

/// A number alone, or with its unit beside it, or among statistics.
fn number(value: &Value) -> Option<(f64, Option<&str>)> {
    if let Some(number) = value.as_f64() {
        return Some((number, None));
    }
    let fields = Fields::of(value)?;
    let within = fields.below(&["stats"]).unwrap_or(fields);
    let names = &["value", "average", "avg", "mean", "max", "current"];
    let number = fields.value(names).or_else(|| within.value(names))?.as_f64()?;
    Some((number, fields.text(&["unit"])))
}

fn ratio(number: f64, unit: &str) -> Option<f64> {
    let ratio = match unit {
        "percent" | "%" => number / 100.0,
        "ratio" => number,
        _ => return None,
    };
    (0.0..=MOST_RATIO).contains(&ratio).then_some(ratio)
}

fn duration(number: f64, unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "milliseconds" | "ms" => number / 1000.0,
        "seconds" | "s" => number,
        _ => return None,
    };
    // Jitter of an hour is none.
    (0.0..=3600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn calls(number: f64) -> Option<u64> {
    // Exact for every count of calls that there can be.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let calls = number.round() as u64;
    (0.0..=1e9).contains(&number).then_some(calls)
}

/// A trunk can be used beyond what it is meant for, and not without end.
const MOST_RATIO: f64 = 10.0;

/// The most trunks of which numbers are kept.
const MOST_TRUNKS: usize = 50_000;

/// How deep an answer is searched.
const DEPTH: usize = 10;
