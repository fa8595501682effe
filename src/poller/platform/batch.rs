//! Answers about many things at once, asked for by their ids, and answers that have no pages.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde_json::Value;

use crate::poller::failed::Failed;
use crate::poller::page::{Decoded, Listing};
use crate::poller::path::Path;
use crate::poller::reading::{Asking, Told};
use crate::telephony::ApiProblem;

/// About how many things one request asks: the API takes at most 100 edges, and so many ids of 36
/// characters make a URL that every proxy lets pass.
pub(super) const BATCH: usize = 50;

/// Nothing yet.
pub(super) const fn none<T>() -> Listing<T> {
    Listing { items: Vec::new(), unreadable: 0, unknown: 0 }
}

impl<T> Listing<T> {
    /// Takes up what became of one entity.
    pub(super) fn take_up(&mut self, decoded: Decoded<T>) {
        match decoded {
            Decoded::Item(item) => self.items.push(item),
            Decoded::Odd(item) => {
                self.items.push(item);
                self.unknown += 1;
            }
            Decoded::Deleted => {}
            Decoded::Unreadable => self.unreadable += 1,
        }
    }
}

/// The most things that the only page of a listing may hold.
const MOST: usize = 10_000;

/// What the API says of `ids`, in as many requests as they need. An answer is a bare array.
///
/// A thing that is gone makes the API say of its whole batch that it is not there; this is no
/// outage, and the next listing will be without it.
pub(super) async fn of_ids<T>(
    asking: &Asking<'_>,
    path: &'static str,
    name: &str,
    ids: &[String],
    decode: impl Fn(Value, SystemTime) -> Decoded<T>,
) -> Result<Listing<T>, Failed> {
    let mut listing = none();
    let (mut missing, mut correlation) = (None, None);
    for batch in ids.chunks(BATCH) {
        let list = batch.join(",");
        match asking.one(Path::fixed(path), &[(name, list.as_str())]).await {
            Ok(mut told) => {
                let Value::Array(entities) = told.take() else {
                    return Err(told.failed(ApiProblem::Malformed { path, what: "no array" }));
                };
                if entities.len() > batch.len() {
                    let what = "more entities than were asked for";
                    return Err(told.failed(ApiProblem::Malformed { path, what }));
                }
                correlation = told.correlation;
                for entity in entities {
                    listing.take_up(decode(entity, asking.begun));
                }
            }
            Err(failed) if matches!(failed.problem, ApiProblem::NotFound { .. }) => {
                listing.unreadable += batch.len();
                missing = Some(failed);
            }
            Err(failed) => return Err(failed),
        }
    }
    match missing {
        Some(failed) if listing.items.is_empty() => Err(failed),
        Some(_) | None => readable(path, listing, correlation),
    }
}

/// What the only page of a listing holds.
pub(super) async fn only_page<T>(
    asking: &Asking<'_>,
    path: &'static str,
    decode: impl Fn(Value, SystemTime) -> Decoded<T>,
) -> Result<Listing<T>, Failed> {
    let mut body = asking.one(Path::fixed(path), &[]).await?;
    let mut listing = none();
    for entity in entities(path, &mut body, "entities")? {
        listing.take_up(decode(entity, asking.begun));
    }
    readable(path, listing, body.correlation)
}

/// The list that an answer has under `key`, taken out of it.
pub(super) fn entities(
    path: &'static str,
    body: &mut Told,
    key: &str,
) -> Result<Vec<Value>, Failed> {
    match body.get_mut(key).map(Value::take) {
        Some(Value::Array(entities)) if entities.len() > MOST => {
            let what = "more than 10 000 entities on a page";
            Err(body.failed(ApiProblem::Malformed { path, what }))
        }
        Some(Value::Array(entities)) => Ok(entities),
        Some(_) | None => Err(body.failed(ApiProblem::Malformed { path, what: "no entities" })),
    }
}

/// A listing of which something can be read, if there is anything.
pub(super) fn readable<T>(
    path: &'static str,
    listing: Listing<T>,
    correlation: Option<Foreign>,
) -> Result<Listing<T>, Failed> {
    if listing.items.is_empty() && listing.unreadable > 0 {
        let what = "entities, and none of them is readable";
        let problem = ApiProblem::Malformed { path, what };
        return Err(Failed { problem, correlation });
    }
    Ok(listing)
}
