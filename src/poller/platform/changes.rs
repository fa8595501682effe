//! What somebody changed in the telephony and in the locations: the vendor's audits of a day.

use std::cmp::Reverse;
use std::time::Duration;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{entities, none};
use super::entity::{Named, filled, has_odd, lenient, time};
use super::interval_until;
use crate::poller::failed::Failed;
use crate::poller::page::{Decoded, Listing};
use crate::poller::path::Path;
use crate::poller::private::is_private;
use crate::poller::reading::{Asking, Told};
use crate::poller::readings::MOST_CHANGES;
use crate::telephony::{ApiProblem, Change, ChangedProperty};

const REALTIME: &str = "/api/v2/audits/query/realtime";
const QUERY: &str = "/api/v2/audits/query";
const STATUS: &str = "/api/v2/audits/query/{transactionId}";
const RESULTS: &str = "/api/v2/audits/query/{transactionId}/results";

/// Over which time back from the reading.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// How many come at a time.
const PAGE: usize = 100;

/// How long to wait before each look at a query that runs: half a minute in all.
const LOOKS: [u64; 9] = [1, 1, 2, 2, 4, 5, 5, 5, 5];

/// What was changed, the latest first.
pub(super) async fn changes(asking: &Asking<'_>) -> Result<Listing<Change>, Failed> {
    let mut listing = of_service(asking, "Telephony").await?;
    match of_service(asking, "Locations").await {
        Ok(locations) => {
            listing.items.extend(locations.items);
            listing.unreadable += locations.unreadable;
            listing.unknown += locations.unknown;
        }
        // Which services there are differs by organisation.
        Err(failed) if is_refused(&failed.problem) => {
            tracing::debug!(problem = %failed.problem, "there are no audits of locations");
        }
        Err(failed) => return Err(failed),
    }
    listing.items.sort_by_key(|change| Reverse(change.when));
    // What of them belongs to a location is told later, and no other office crowds it out.
    if asking.narrowing.is_none() {
        listing.items.truncate(MOST_CHANGES);
    }
    Ok(listing)
}

/// By the query that answers at once; where the vendor does not have it for a service, by the one
/// that takes its time.
async fn of_service(asking: &Asking<'_>, service: &str) -> Result<Listing<Change>, Failed> {
    let query = json!({
        "interval": interval_until(asking.begun, WINDOW),
        "serviceName": service,
        "sort": [{ "name": "Timestamp", "sortOrder": "descending" }],
    });
    match at_once(asking, &query).await {
        Err(failed) if is_refused(&failed.problem) => in_time(asking, &query).await,
        read => read,
    }
}

const fn is_refused(problem: &ApiProblem) -> bool {
    matches!(problem, ApiProblem::Request { .. })
}

async fn at_once(asking: &Asking<'_>, query: &Value) -> Result<Listing<Change>, Failed> {
    let mut listing = none();
    for number in 1..=MOST_CHANGES / PAGE {
        let mut body = query.clone();
        body["pageSize"] = PAGE.into();
        body["pageNumber"] = number.into();
        let mut answer = asking.post(Path::fixed(REALTIME), &body).await?;
        let page = entities(REALTIME, &mut answer, "entities")?;
        let pages = answer.get("pageCount").and_then(Value::as_u64);
        let is_last = page.len() < PAGE || pages == u64::try_from(number).ok();
        page.into_iter().map(change).for_each(|it| listing.take_up(it));
        if is_last {
            break;
        }
    }
    Ok(listing)
}

async fn in_time(asking: &Asking<'_>, query: &Value) -> Result<Listing<Change>, Failed> {
    let mut status = asking.post(Path::fixed(QUERY), query).await?;
    let malformed = |told: &Told, what| told.failed(ApiProblem::Malformed { path: QUERY, what });
    let id = status.get("id").and_then(Value::as_str).map(str::to_owned);
    let id = id.ok_or_else(|| malformed(&status, "a query without an id"))?;
    let mut looks = LOOKS.into_iter().map(Duration::from_secs);
    loop {
        match status.get("state").and_then(Value::as_str) {
            Some("Succeeded") => break,
            Some("Failed" | "Cancelled") => {
                return Err(malformed(&status, "a query that did not succeed"));
            }
            // `Queued`, `Running`, or a word that we do not know.
            Some(_) | None => {}
        }
        let pause = looks.next().ok_or_else(|| malformed(&status, "a query that does not end"))?;
        asking.client.transport.pace.clock().sleep(pause).await;
        status = asking.one(Path::of(STATUS, &[id.as_str()]), &[]).await?;
    }
    let (mut listing, mut cursor) = (none(), None::<String>);
    let size = PAGE.to_string();
    for _ in 0..MOST_CHANGES / PAGE {
        let mut parameters = vec![("pageSize", size.as_str())];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut answer = asking.one(Path::of(RESULTS, &[id.as_str()]), &parameters).await?;
        let page = entities(RESULTS, &mut answer, "entities")?;
        page.into_iter().map(change).for_each(|it| listing.take_up(it));
        let next = answer.get("cursor").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    Ok(listing)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawChange {
    event_date: Option<String>,
    action: Option<String>,
    entity_type: Option<String>,
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    entity: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    user: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    client: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    property_changes: Option<Vec<RawProperty>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProperty {
    property: Option<String>,
    #[serde(default)]
    old_values: Value,
    #[serde(default)]
    new_values: Value,
}

const STATUSES: &[&str] = &["SUCCESS", "FAILURE", "WARNING"];

/// One change out of the vendor's audits.
fn change(entity: Value) -> Decoded<Change> {
    let Ok(raw) = serde_json::from_value::<RawChange>(entity) else { return Decoded::Unreadable };
    if raw.action.is_none() && raw.entity_type.is_none() {
        return Decoded::Unreadable;
    }
    let is_odd = has_odd(&[(&raw.status, STATUSES)]);
    let by = raw.user.or(raw.client).and_then(Named::reference);
    let by = by.map(|by| if by.name.as_str().is_empty() { by.id } else { by.name });
    let properties = raw.property_changes.into_iter().flatten().take(MOST_PROPERTIES);
    let change = Change {
        when: time(raw.event_date.as_deref()),
        action: Foreign::new(raw.action.unwrap_or_default()),
        kind: Foreign::new(raw.entity_type.unwrap_or_default()),
        entity: raw.entity.and_then(Named::reference).unwrap_or_default(),
        by,
        status: filled(raw.status),
        properties: properties.map(RawProperty::changed).collect(),
    };
    if is_odd { Decoded::Odd(change) } else { Decoded::Item(change) }
}

/// How many properties of a change are kept.
const MOST_PROPERTIES: usize = 20;

impl RawProperty {
    fn changed(self) -> ChangedProperty {
        let name = self.property.unwrap_or_default();
        // A value can itself be a list of properties with their names.
        let read = |values: &Value| {
            let values = values.as_array().into_iter().flatten();
            let values: Vec<&str> = values.filter_map(Value::as_str).collect();
            filled(Some(values.join(", "))).filter(|_| !values.iter().any(|it| is_private(it)))
        };
        let (old, new) = if is_private(&name) {
            (None, None)
        } else {
            (read(&self.old_values), read(&self.new_values))
        };
        ChangedProperty { name: Foreign::new(name), old, new }
    }
}
