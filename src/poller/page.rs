//! The pages of a listing, read to their end and never beyond.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use super::client::Client;
use super::transport::Failed;
use crate::telephony::ApiProblem;

const PAGE_SIZE: &str = "100";

/// The most pages that a listing may have.
const PAGES: u32 = 500;

/// The most entities that a listing may have.
const ENTITIES: usize = 50_000;

/// What became of one entity.
pub(super) enum Decoded<T> {
    /// It is one of ours.
    Item(T),
    #[expect(dead_code, reason = "no decoder tells yet")]
    /// It is one of ours, and holds a word of the vendor's that is not known.
    Odd(T),
    /// The vendor still lists it, and it is gone.
    Deleted,
    /// It is not what the API publishes.
    Unreadable,
}

/// A whole listing.
#[derive(Clone)]
pub(super) struct Listing<T> {
    pub(super) items: Vec<T>,
    /// How many entities could not be read.
    pub(super) unreadable: usize,
    /// How many items hold a word of the vendor's that is not known.
    pub(super) unknown: usize,
}

impl<T> Listing<T> {
    /// The same listing of what `make` makes of each item.
    pub(super) fn map<U>(self, make: impl FnMut(T) -> U) -> Listing<U> {
        let Self { items, unreadable, unknown } = self;
        Listing { items: items.into_iter().map(make).collect(), unreadable, unknown }
    }

    /// Leaves out the items that are not wanted.
    pub(super) fn only(mut self, is_wanted: impl Fn(&T) -> bool) -> Self {
        self.items.retain(is_wanted);
        self
    }
}

/// Reads every page of `path`.
///
/// Pages are counted, not followed: whatever the vendor writes into `nextUri`, the token goes to
/// the configured origin only (D-API-1).
pub(super) async fn read<T>(
    client: &Client,
    path: &'static str,
    filters: &[(&str, &str)],
    decode: impl Fn(Value) -> Decoded<T>,
) -> Result<Listing<T>, Failed> {
    let mut pages = Pages::default();
    loop {
        let number = pages.next().to_string();
        let mut query = vec![("pageSize", PAGE_SIZE), ("pageNumber", number.as_str())];
        query.extend_from_slice(filters);
        let answer = client.get(path, &query).await?;
        let malformed = |what| answer.failed(ApiProblem::Malformed { path, what });
        let body = serde_json::from_slice(&answer.body).map_err(|_| malformed("no JSON"))?;
        match pages.turn(body, &decode).map_err(malformed)? {
            Next::Page => {}
            Next::End => break,
        }
    }
    if pages.entities > 0 && pages.listing.unreadable == pages.entities {
        let what = "entities, and none of them is readable";
        return Err(ApiProblem::Malformed { path, what }.into());
    }
    Ok(pages.listing)
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Page,
    End,
}

/// What the pages so far held.
struct Pages<T> {
    listing: Listing<T>,
    /// How many entities there were, readable or not.
    entities: usize,
    /// The entities' ids, as hashes since an id may be of any length: what moves to a later page
    /// while we read is one thing, not two.
    ids: BTreeSet<u64>,
    /// With what each page began, as hashes.
    beginnings: BTreeSet<u64>,
    /// How many pages were read since the beginning, or since the second beginning.
    read: u32,
    total: Option<u64>,
    restarted: bool,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            listing: Listing { items: Vec::new(), unreadable: 0, unknown: 0 },
            entities: 0,
            ids: BTreeSet::new(),
            beginnings: BTreeSet::new(),
            read: 0,
            total: None,
            restarted: false,
        }
    }
}

impl<T> Pages<T> {
    fn next(&self) -> u32 {
        self.read + 1
    }

    fn turn(
        &mut self,
        body: Value,
        decode: impl Fn(Value) -> Decoded<T>,
    ) -> Result<Next, &'static str> {
        let Value::Object(mut page) = body else { return Err("no object") };
        let Some(Value::Array(entities)) = page.remove("entities") else {
            return Err("no entities");
        };
        let number = |key| page.get(key).and_then(Value::as_u64);
        let (pages, total) = (number("pageCount"), number("total"));
        let has_next = page.get("nextUri").is_some_and(|uri| !uri.is_null());
        if pages.is_some_and(|pages| pages > u64::from(PAGES)) {
            return Err("more than 500 pages");
        }
        if self.read > 0 && !self.restarted && total.is_some() && total != self.total {
            // Something came or went between two pages, so that one may be missing from both.
            *self = Self { restarted: true, ..Self::default() };
            return Ok(Next::Page);
        }
        let Some(first) = entities.first() else { return Ok(Next::End) };
        let beginning = match id(first) {
            Some(id) => hash(id),
            None => hash(&Value::from(entities.as_slice()).to_string()),
        };
        if !self.beginnings.insert(beginning) {
            return Err("the same page twice");
        }
        for entity in entities {
            if id(&entity).is_some_and(|id| !self.ids.insert(hash(id))) {
                continue;
            }
            self.entities += 1;
            if self.entities > ENTITIES {
                return Err("more than 50 000 entities");
            }
            match decode(entity) {
                Decoded::Item(item) => self.listing.items.push(item),
                Decoded::Odd(item) => {
                    self.listing.items.push(item);
                    self.listing.unknown += 1;
                }
                Decoded::Deleted => {}
                Decoded::Unreadable => self.listing.unreadable += 1,
            }
        }
        self.read += 1;
        self.total = total;
        match pages {
            Some(pages) if u64::from(self.read) >= pages => Ok(Next::End),
            None if !has_next => Ok(Next::End),
            Some(_) | None if self.read == PAGES => Err("more than 500 pages"),
            Some(_) | None => Ok(Next::Page),
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn id(entity: &Value) -> Option<&str> {
    entity.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Decoded, Next, Pages};

    fn entities(ids: std::ops::Range<u32>) -> Vec<Value> {
        ids.map(|id| json!({ "id": id.to_string() })).collect()
    }

    #[test]
    fn ends_at_page_count_at_an_empty_page_or_without_next_uri() {
        let page = |extra: Value| {
            let mut page = json!({ "entities": entities(0..2) });
            let fields = extra.as_object().expect("an object").clone();
            page.as_object_mut().expect("an object").extend(fields);
            page
        };
        let after = |body: Value| Pages::default().turn(body, Decoded::Item);

        assert_eq!(after(page(json!({ "pageCount": 1 }))), Ok(Next::End));
        assert_eq!(after(page(json!({ "pageCount": 2 }))), Ok(Next::Page));
        assert_eq!(after(page(json!({ "pageCount": 1, "nextUri": "/more" }))), Ok(Next::End));
        assert_eq!(after(page(json!({}))), Ok(Next::End));
        assert_eq!(after(page(json!({ "nextUri": null }))), Ok(Next::End));
        assert_eq!(after(page(json!({ "nextUri": "/more" }))), Ok(Next::Page));
        assert_eq!(after(json!({ "entities": [], "pageCount": 9 })), Ok(Next::End));
    }

    // F18
    #[test]
    fn a_listing_whose_page_count_grows_for_ever_is_refused_at_500_pages() {
        let mut pages = Pages::default();

        let end = (0..1000).find_map(|page| {
            let body = json!({ "entities": entities(page..page + 1), "pageCount": page + 2 });
            pages.turn(body.clone(), Decoded::Item).err().map(|what| (page, what))
        });

        assert_eq!(end, Some((499, "more than 500 pages")));
    }

    // D-API-2
    #[test]
    fn more_than_50_000_entities_are_refused() {
        let mut pages = Pages::default();

        let full =
            pages.turn(json!({ "entities": entities(0..50_000), "pageCount": 2 }), Decoded::Item);
        let over = pages
            .turn(json!({ "entities": entities(50_000..50_001), "pageCount": 2 }), Decoded::Item);

        assert_eq!(full, Ok(Next::Page));
        assert_eq!(over, Err("more than 50 000 entities"));
    }

    // F18
    #[test]
    fn a_page_that_comes_again_is_refused_with_and_without_ids() {
        for body in [
            json!({ "entities": entities(0..3), "nextUri": "/again" }),
            json!({ "entities": [null, "x"], "nextUri": "/again" }),
        ] {
            let mut pages = Pages::default();

            assert_eq!(pages.turn(body.clone(), Decoded::Item), Ok(Next::Page));
            assert_eq!(pages.turn(body, Decoded::Item), Err("the same page twice"));
        }
    }

    // F17
    #[test]
    fn a_listing_that_changes_between_two_pages_is_read_again_once() {
        let mut pages = Pages::default();
        let page =
            |ids, total| json!({ "entities": entities(ids), "pageCount": 3, "total": total });

        assert_eq!(pages.turn(page(0..2, 6), Decoded::Item), Ok(Next::Page));
        assert_eq!(pages.turn(page(1..3, 5), Decoded::Item), Ok(Next::Page));
        assert_eq!(pages.next(), 1, "from the beginning");
        assert_eq!(pages.turn(page(0..2, 5), Decoded::Item), Ok(Next::Page));
        assert_eq!(
            pages.turn(page(1..3, 6), Decoded::Item),
            Ok(Next::Page),
            "a second change is accepted"
        );
        assert_eq!(pages.next(), 3);
        assert_eq!(pages.listing.items, entities(0..3), "what moved is one thing");
    }
}
