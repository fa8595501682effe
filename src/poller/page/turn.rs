//! One page after another: what they held, and where the next one is.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value};

use super::{Decoded, Listing};

/// The most pages that a listing may have.
const PAGES: u32 = 500;

/// The most entities that a listing may have.
const ENTITIES: usize = 50_000;

/// How many entities a page has that does not say so: as many as we ask for.
const OUR_SIZE: u64 = 100;

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Number(u32),
    Uri(String),
    /// The parameter, and what the vendor wrote.
    Token(&'static str, String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Page(Place),
    End,
}

/// What the pages so far held.
pub(super) struct SoFar<T> {
    pub(super) listing: Listing<T>,
    /// How many entities there were, readable or not.
    pub(super) entities: usize,
    /// The entities' ids, as hashes since an id may be of any length: what moves to a later page
    /// while we read is one thing, not two.
    ids: BTreeSet<u64>,
    /// With what each page began and where it was, as hashes.
    beginnings: BTreeSet<u64>,
    /// How many pages were read since the beginning, or since the second beginning.
    read: u32,
    total: Option<u64>,
    restarted: bool,
}

impl<T> Default for SoFar<T> {
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

impl<T> SoFar<T> {
    /// Takes the page that follows those so far.
    pub(super) fn turn(
        &mut self,
        key: &str,
        body: Value,
        decode: impl Fn(Value) -> Decoded<T>,
    ) -> Result<Next, &'static str> {
        let Value::Object(mut page) = body else { return Err("no object") };
        let Some(Value::Array(entities)) = page.remove(key) else {
            return Err("no entities");
        };
        let said = Said::of(&page);
        if said.pages.is_some_and(|pages| pages > u64::from(PAGES)) {
            return Err("more than 500 pages");
        }
        if self.read > 0 && !self.restarted && said.total.is_some() && said.total != self.total {
            return Ok(self.restart());
        }
        self.total = said.total;
        let length = entities.len();
        if let Some(first) = entities.first() {
            let beginning = match id(first) {
                Some(id) => hash(id),
                None => hash(&Value::from(entities.as_slice()).to_string()),
            };
            if !self.beginnings.insert(beginning) {
                return Err("the same page twice");
            }
        }
        self.take(entities, decode)?;
        self.read += 1;
        let next = if length == 0 { None } else { said.next(self.read) };
        let is_short = |size| u64::try_from(length).is_ok_and(|length| length < size);
        let shrank = match &next {
            None => self.is_short_of_the_total(),
            Some(_) => said.size.is_some_and(is_short),
        };
        if shrank && !self.restarted {
            return Ok(self.restart());
        }
        let Some(next) = next else { return Ok(Next::End) };
        let is_old = match &next {
            Place::Number(_) => false,
            Place::Uri(place) | Place::Token(_, place) => !self.beginnings.insert(hash(place)),
        };
        if is_old {
            return Err("the same page twice");
        }
        if self.read == PAGES { Err("more than 500 pages") } else { Ok(Next::Page(next)) }
    }

    /// Something came or went between two pages, so that one thing may be missing from both.
    fn restart(&mut self) -> Next {
        *self = Self { restarted: true, ..Self::default() };
        Next::Page(Place::Number(1))
    }

    fn is_short_of_the_total(&self) -> bool {
        let has = u64::try_from(self.entities).unwrap_or(u64::MAX);
        self.total.is_some_and(|total| has < total)
    }

    fn take(
        &mut self,
        entities: Vec<Value>,
        decode: impl Fn(Value) -> Decoded<T>,
    ) -> Result<(), &'static str> {
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
        Ok(())
    }
}

/// What a page says of the others.
struct Said {
    pages: Option<u64>,
    size: Option<u64>,
    total: Option<u64>,
    uri: Option<String>,
    token: Option<(&'static str, String)>,
}

impl Said {
    fn of(page: &Map<String, Value>) -> Self {
        let number = |key| page.get(key).and_then(Value::as_u64);
        let text = |key| {
            let text = page.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let token = |key, parameter| Some((parameter, text(key)?));
        Self {
            pages: number("pageCount"),
            size: number("pageSize"),
            total: number("total").or_else(|| number("totalHits")),
            uri: text("nextUri"),
            token: token("nextPageToken", "pageToken").or_else(|| token("cursor", "cursor")),
        }
    }

    /// Where the page after the first `read` is; `None` after the last one.
    fn next(&self, read: u32) -> Option<Place> {
        let number = Place::Number(read + 1);
        if let Some(pages) = self.pages {
            return (u64::from(read) < pages).then_some(number);
        }
        if let Some(uri) = &self.uri {
            return Some(Place::Uri(uri.clone()));
        }
        if let Some((parameter, token)) = &self.token {
            return Some(Place::Token(parameter, token.clone()));
        }
        let size = self.size.unwrap_or(OUR_SIZE);
        let reached = u64::from(read).saturating_mul(size);
        self.total.filter(|total| reached < *total).map(|_| number)
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

    use super::{Decoded, Next, Place, SoFar};

    const SAME: Result<Next, &str> = Err("the same page twice");

    fn entities(ids: std::ops::Range<u32>) -> Vec<Value> {
        ids.map(|id| json!({ "id": id.to_string() })).collect()
    }

    /// A page of two, and what else it says.
    fn two(extra: Value) -> Value {
        let mut page = json!({ "entities": entities(0..2) });
        let fields = extra.as_object().expect("an object").clone();
        page.as_object_mut().expect("an object").extend(fields);
        page
    }

    fn turn(pages: &mut SoFar<Value>, body: Value) -> Result<Next, &'static str> {
        pages.turn("entities", body, Decoded::Item)
    }

    fn after(body: Value) -> Result<Next, &'static str> {
        turn(&mut SoFar::default(), body)
    }

    fn number(number: u32) -> Result<Next, &'static str> {
        Ok(Next::Page(Place::Number(number)))
    }

    fn uri(uri: &str) -> Result<Next, &'static str> {
        Ok(Next::Page(Place::Uri(uri.to_owned())))
    }

    fn token(parameter: &'static str, token: &str) -> Result<Next, &'static str> {
        Ok(Next::Page(Place::Token(parameter, token.to_owned())))
    }

    #[test]
    fn the_next_page_is_found_by_whatever_the_answer_has() {
        assert_eq!(after(two(json!({ "pageCount": 2 }))), number(2));
        assert_eq!(after(two(json!({ "pageCount": 2, "nextUri": "/more" }))), number(2));
        assert_eq!(after(two(json!({ "nextUri": "/more" }))), uri("/more"));
        assert_eq!(after(two(json!({ "nextPageToken": "abc" }))), token("pageToken", "abc"));
        assert_eq!(after(two(json!({ "cursor": "abc" }))), token("cursor", "abc"));
        assert_eq!(after(two(json!({ "page": 1, "pageSize": 2, "total": 3 }))), number(2));
        assert_eq!(after(two(json!({ "totalHits": 101 }))), number(2), "of our size: 100");
    }

    #[test]
    fn a_listing_ends_where_nothing_leads_on() {
        assert_eq!(after(two(json!({ "pageCount": 1 }))), Ok(Next::End));
        assert_eq!(after(two(json!({ "pageCount": 1, "nextUri": "/more" }))), Ok(Next::End));
        assert_eq!(after(two(json!({}))), Ok(Next::End));
        assert_eq!(after(two(json!({ "nextUri": null, "cursor": "" }))), Ok(Next::End));
        assert_eq!(after(json!({ "entities": [], "pageCount": 9 })), Ok(Next::End));
        assert_eq!(after(json!({ "entities": [], "nextUri": "/more" })), Ok(Next::End));
    }

    #[test]
    fn a_page_number_is_never_compared_with_a_number_of_entities() {
        let page = |page: u32| {
            let ids = (page - 1) * 2..(page * 2).min(5);
            json!({ "entities": entities(ids), "page": page, "pageSize": 2, "total": 5 })
        };
        let mut pages = SoFar::default();

        assert_eq!(turn(&mut pages, page(1)), number(2));
        assert_eq!(turn(&mut pages, page(2)), number(3));
        assert_eq!(turn(&mut pages, page(3)), Ok(Next::End));
        assert_eq!(pages.listing.items.len(), 5);
    }

    // F18
    #[test]
    fn a_listing_whose_page_count_grows_for_ever_is_refused_at_500_pages() {
        let mut pages = SoFar::default();

        let end = (0..1000).find_map(|page| {
            let body = json!({ "entities": entities(page..page + 1), "pageCount": page + 2 });
            turn(&mut pages, body).err().map(|what| (page, what))
        });

        assert_eq!(end, Some((499, "more than 500 pages")));
        assert_eq!(after(two(json!({ "pageCount": 501 }))), Err("more than 500 pages"));
    }

    // D-API-2
    #[test]
    fn more_than_50_000_entities_are_refused() {
        let mut pages = SoFar::default();
        let page = |ids| json!({ "entities": entities(ids), "pageCount": 2 });

        assert_eq!(turn(&mut pages, page(0..50_000)), number(2));
        assert_eq!(turn(&mut pages, page(50_000..50_001)), Err("more than 50 000 entities"));
    }

    // F18
    #[test]
    fn a_page_that_comes_again_is_refused_with_and_without_ids() {
        for first in [
            json!({ "entities": entities(0..3), "nextUri": "/1" }),
            json!({ "entities": [null, "x"], "nextUri": "/1" }),
        ] {
            let mut again = first.clone();
            again["nextUri"] = json!("/2");
            let mut pages = SoFar::default();

            assert_eq!(turn(&mut pages, first), uri("/1"));
            assert_eq!(turn(&mut pages, again), SAME);
        }
    }

    // F18
    #[test]
    fn a_place_that_comes_again_is_refused_whatever_stands_there() {
        for key in ["nextUri", "nextPageToken", "cursor"] {
            let page = |ids, place| json!({ "entities": entities(ids), key: place });
            let mut pages = SoFar::default();

            assert!(turn(&mut pages, page(0..2, "a")).is_ok());
            assert!(turn(&mut pages, page(2..4, "b")).is_ok());
            assert_eq!(turn(&mut pages, page(4..6, "a")), SAME, "{key}");
        }
    }

    // F17
    #[test]
    fn a_listing_that_changes_between_two_pages_is_read_again_once() {
        let mut pages = SoFar::default();
        let page =
            |ids, total| json!({ "entities": entities(ids), "pageCount": 3, "total": total });

        assert_eq!(turn(&mut pages, page(0..2, 6)), number(2));
        assert_eq!(turn(&mut pages, page(1..3, 5)), number(1), "from the beginning");
        assert_eq!(turn(&mut pages, page(0..2, 5)), number(2));
        assert_eq!(turn(&mut pages, page(1..3, 6)), number(3), "a second change is accepted");
        assert_eq!(pages.listing.items, entities(0..3), "what moved is one thing");
    }

    // F17
    #[test]
    fn a_listing_that_holds_less_than_it_says_is_read_again_once() {
        for first in [
            json!({ "entities": entities(0..2), "pageCount": 1, "total": 3 }),
            json!({ "entities": entities(0..2), "pageCount": 2, "pageSize": 3 }),
            json!({ "entities": [], "pageCount": 2, "total": 3 }),
        ] {
            let mut pages = SoFar::default();

            assert_eq!(turn(&mut pages, first.clone()), number(1), "{first}");
            let again = turn(&mut pages, first.clone());
            assert!(again == number(2) || again == Ok(Next::End), "then it is accepted: {first}");
        }
    }

    #[test]
    fn the_entities_may_have_another_name() {
        let mut pages = SoFar::default();
        let body = json!({ "conversations": entities(0..1), "entities": entities(1..3) });

        assert_eq!(pages.turn("conversations", body, Decoded::Item), Ok(Next::End));
        assert_eq!(pages.listing.items, entities(0..1));
    }
}
