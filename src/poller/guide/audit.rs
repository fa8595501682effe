//! The audit log: who changed what.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use serde_json::Value;

use super::fields::{Fields, MOST_ITEMS, decoded, moment};
use crate::poller::page::Decoded;
use crate::poller::private::is_private;
use crate::telephony::{Change, ChangedProperty, Reference};

/// What is asked of one location: its last day.
pub(super) fn query(location: &Reference, now: SystemTime) -> [(&'static str, String); 4] {
    [
        ("entityId", location.id.as_str().to_owned()),
        ("entityType", "location".to_owned()),
        ("startTime", moment(now - DAY)),
        ("endTime", moment(now)),
    ]
}

/// The guide asks for the last day.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// One entry of the log, about `entity` where it does not say about what.
///
/// The guide says that an entry has a time, an actor and a difference by field, and not under which
/// names; the published API's names are tried beside the plain ones.
pub(super) fn change(entity: Value, about: &Reference) -> Decoded<Change> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    let when = fields.time(&["timestamp", "eventDate", "eventTime", "time", "date"]);
    let action = fields.foreign(&["action", "operation", "eventType"]);
    let actor = ["actor", "user", "client"].iter().find_map(|name| actor(fields, name));
    let changes = fields.list(&["changes", "propertyChanges", "diff"]);
    let properties: Vec<ChangedProperty> = changes.filter_map(property).take(MOST_ITEMS).collect();
    let entity = fields.reference(&["entity"]).or_else(|| fields.reference(&["entityId"]));
    let entity = match entity {
        Some(entity) if entity.id != about.id => entity,
        Some(_) | None => about.clone(),
    };
    decoded((when.is_some() || action.is_some()).then(|| {
        let change = Change {
            when,
            action: action.unwrap_or_default(),
            kind: fields.foreign(&["entityType"]).unwrap_or_else(|| Foreign::new("location")),
            entity,
            by: actor,
            status: fields.foreign(&["status", "result"]),
            properties,
        };
        (change, true)
    }))
}

fn actor(fields: Fields<'_>, name: &str) -> Option<Foreign> {
    let below = || fields.below(&[name])?.foreign(&["name", "displayName", "id"]);
    fields.foreign(&[name]).or_else(below)
}

fn property(value: &Value) -> Option<ChangedProperty> {
    let fields = Fields::of(value)?;
    let name = fields.text(&["property", "field", "path", "name"])?;
    // A value can itself be a list of settings with their names.
    let is_told = |value: &&Value| !is_private(name) && !is_private(&value.to_string());
    let told = |names: &[&str]| fields.value(names).filter(is_told).map(shown);
    Some(ChangedProperty {
        name: Foreign::new(name),
        old: told(&["oldValues", "oldValue", "old", "before", "from"]),
        new: told(&["newValues", "newValue", "new", "after", "to"]),
    })
}

/// A value as text; a list of one as that one.
fn shown(value: &Value) -> Foreign {
    match value {
        Value::String(text) => Foreign::new(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().take(MOST_ITEMS).map(one).collect();
            Foreign::new(items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Foreign::new(value.to_string())
        }
    }
}

fn one(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
