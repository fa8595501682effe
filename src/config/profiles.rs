//! The tables `[profiles.NAME]`: limits of one's own, over those of a profile that is built in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Foreign, Kind, OptionKey, OptionValue, show_duration};

use super::known::Known;
use super::reader::{Reader, suggestion};
use super::table::{Field, Table};
use crate::profile::{Limit, Measure, Profile, Unit};

/// Every profile by its name, those that are built in among them; `None` for one that is declared
/// wrongly, so that a site which uses it is not blamed.
pub(super) type Profiles = BTreeMap<String, Option<Arc<Profile>>>;

/// Reads every `[profiles.NAME]`.
pub(super) fn read(root: &Table<'_>, reader: &mut Reader<'_>) -> Profiles {
    let mut profiles: Profiles = Profile::NAMES
        .iter()
        .map(|name| ((*name).to_owned(), Profile::named(name).map(Arc::new)))
        .collect();
    if let Some(Some(tables)) = root.subtable("profiles", &[], reader) {
        for (name, field) in tables.fields() {
            if Profile::NAMES.contains(&name) {
                let hint = format!("give it a name of its own, and base = \"{name}\"");
                let message = format!("[profiles.{name}] is built in");
                reader.report(Some(field.at), message, Some(hint));
                continue;
            }
            profiles.insert(name.to_owned(), read_one(name, &field, reader).map(Arc::new));
        }
    }
    profiles
}

/// The profile that `[site]` names.
pub(super) fn choose(
    site: &Table<'_>,
    profiles: &Profiles,
    reader: &mut Reader<'_>,
) -> Option<Arc<Profile>> {
    let name = site.read(&PROFILE, reader)?;
    if let Some(profile) = profiles.get(&name) {
        return profile.clone();
    }
    let problem = format!("is not a profile: \"{}\"", Foreign::new(&name));
    let own = profiles.keys().map(String::as_str).filter(|it| !Profile::NAMES.contains(it));
    let names: Vec<_> = Profile::NAMES.iter().copied().chain(own).collect();
    site.refuse("profile", &problem, Some(suggestion(&name, &names, "profile")), reader);
    None
}

/// The limits of a profile as a configuration writes them.
pub(super) fn lines(profile: &Profile) -> Vec<String> {
    let limits = profile.limits().flat_map(|(measure, limit)| {
        let line = move |which: &str, value| {
            format!("{}_{which} = {}", measure.key(), written(measure, value))
        };
        [line(WARN, limit.warn), line(FAIL, limit.fail)]
    });
    limits.collect()
}

fn read_one(name: &str, field: &Field<'_>, reader: &mut Reader<'_>) -> Option<Profile> {
    let shown = Foreign::new(name);
    let header = format!("[profiles.{shown}]");
    if Kind::Text.read(name).is_none() {
        let message = format!("{header} has a name that is not printable text on one line");
        reader.report(Some(field.at), message, Some("for example: [profiles.office]".to_owned()));
        return None;
    }
    let Some(entries) = field.value.as_table() else {
        let message = format!("{header} is a table, not {}", field.found());
        let hint = "for example: [profiles.office] and below it base = \"sip-phone\"";
        reader.report(Some(field.at), message, Some(hint.to_owned()));
        return None;
    };
    let table = Table::of(field, entries, header, format!("profile `{shown}`"), known());
    let before = reader.problems();
    table.refuse_unknown(reader);
    let base = table.read(&BASE, reader)?;
    let mut profile = Profile::named(base)?.copied_as(name.to_owned());
    for measure in Measure::ALL {
        let mut limit = profile.limit(measure);
        for (which, value) in [(WARN, &mut limit.warn), (FAIL, &mut limit.fail)] {
            let key = format!("{}_{which}", measure.key());
            if let Some(field) = table.field(&key) {
                *value = read_value(measure, &key, &field, &table, reader).unwrap_or(*value);
            }
        }
        if reader.problems() == before && !limit.is_ordered(measure) {
            refuse_order(measure, limit, &table, reader);
        }
        profile = profile.with(measure, limit);
    }
    (reader.problems() == before).then_some(profile)
}

fn read_value(
    measure: Measure,
    key: &str,
    field: &Field<'_>,
    table: &Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<f64> {
    let hint = table.hint(key);
    match measure.unit() {
        Unit::Seconds => {
            let value = field.read(Kind::Duration, hint, reader)?;
            let OptionValue::Duration(duration) = value else { return None };
            Some(duration.as_secs_f64())
        }
        Unit::Ratio => {
            let hint = hint.map(|hint| format!("a ratio, not percent; {hint}"));
            field.read_number(0.0..=1.0, hint, reader)
        }
        Unit::Score => field.read_number(1.0..=5.0, hint, reader),
    }
}

/// Says that a limit fails sooner than it warns, at the key that the file sets.
fn refuse_order(measure: Measure, limit: Limit, table: &Table<'_>, reader: &mut Reader<'_>) {
    let [warn, fail] = [WARN, FAIL].map(|which| format!("{}_{which}", measure.key()));
    let at = if table.field(&fail).is_some() { &fail } else { &warn };
    let problem = format!(
        "fails sooner than it warns: {warn} is {}, {fail} is {}",
        measure.show(limit.warn),
        measure.show(limit.fail)
    );
    let side = if measure.is_floor() { "at most" } else { "at least" };
    table.refuse(at, &problem, Some(format!("{fail} is {side} {warn}")), reader);
}

fn written(measure: Measure, value: f64) -> String {
    match measure.unit() {
        Unit::Seconds => {
            let duration = Duration::from_secs_f64(value);
            let days = duration.as_secs() / DAY;
            if days > 0 && duration == Duration::from_secs(days * DAY) {
                return format!("\"{days}d\"");
            }
            format!("\"{}\"", show_duration(duration))
        }
        Unit::Ratio | Unit::Score => value.to_string(),
    }
}

/// Every key of a profile, with what holds by default as its example.
fn known() -> Vec<Known> {
    let default = Profile::default();
    let limits = lines(&default)
        .into_iter()
        .zip(KEYS)
        .map(|(line, name)| Known { name, example: Cow::Owned(line) });
    [Known::new("base", "base = \"sip-phone\"")].into_iter().chain(limits).collect()
}

const WARN: &str = "warn";
const FAIL: &str = "fail";

/// In seconds.
const DAY: u64 = 86_400;

/// The keys in the order of [`lines`].
const KEYS: [&str; 2 * Measure::ALL.len()] = [
    "one_way_delay_warn",
    "one_way_delay_fail",
    "rtt_warn",
    "rtt_fail",
    "jitter_warn",
    "jitter_fail",
    "loss_warn",
    "loss_fail",
    "late_warn",
    "late_fail",
    "burst_loss_warn",
    "burst_loss_fail",
    "reorder_warn",
    "reorder_fail",
    "mos_warn",
    "mos_fail",
    "nat_lifetime_warn",
    "nat_lifetime_fail",
    "certificate_left_warn",
    "certificate_left_fail",
];

const BASE: OptionKey<&'static str> = OptionKey::new(
    "base",
    Kind::Word(Profile::NAMES),
    "whose limits hold where the table names none",
)
.default(Profile::DEFAULT);

const PROFILE: OptionKey<String> =
    OptionKey::new("profile", Kind::Text, "whose limits hold").default(Profile::DEFAULT);
