//! The pages of a listing, read to their end and never beyond.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value};

use super::client::Client;
use super::path::Path;
use super::transport::{Answer, Failed};
use crate::telephony::ApiProblem;

/// How many entities a page is to have.
const PAGE_SIZE: &str = "100";
const OUR_SIZE: u64 = 100;

/// The most pages that a listing may have.
const PAGES: u32 = 500;

/// The most entities that a listing may have.
const ENTITIES: usize = 50_000;

/// What became of one entity.
pub(super) enum Decoded<T> {
    /// It is one of ours.
    Item(T),
    #[allow(dead_code, reason = "which profile tells is its own affair")]
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

/// A listing to be read: where it is, and how its pages are asked for.
///
/// Whatever an answer has says how the next page is found: `pageCount` by its number, `nextUri`,
/// `nextPageToken`, `cursor`, or a `total` that the pages so far do not reach.
pub(super) struct Pages<'a> {
    path: Path,
    query: Vec<(&'a str, &'a str)>,
    body: Option<&'a Value>,
    entities: &'static str,
    number: Option<&'static str>,
}

impl<'a> Pages<'a> {
    /// Pages of `entities` that are asked for by `pageNumber`.
    pub(super) const fn of(path: Path) -> Self {
        let number = Some("pageNumber");
        Self { path, query: Vec::new(), body: None, entities: "entities", number }
    }

    /// With these parameters on every page.
    pub(super) fn with(mut self, query: &[(&'a str, &'a str)]) -> Self {
        self.query.extend_from_slice(query);
        self
    }

    /// Pages of this member in place of `entities`.
    #[allow(dead_code, reason = "which profile reads what is its own affair")]
    pub(super) const fn keyed(mut self, entities: &'static str) -> Self {
        self.entities = entities;
        self
    }

    /// Pages that are asked for by this parameter; by none at all where `None`.
    #[allow(dead_code, reason = "which profile reads what is its own affair")]
    pub(super) const fn numbered(mut self, number: Option<&'static str>) -> Self {
        self.number = number;
        self
    }

    /// Pages of what a query in a body asks for; the page's number goes to where `body` has one,
    /// at its top or in its `paging`.
    #[allow(dead_code, reason = "which profile reads what is its own affair")]
    pub(super) const fn asked(mut self, body: &'a Value) -> Self {
        self.body = Some(body);
        self
    }

    async fn ask(&self, client: &Client, place: &Place) -> Result<Answer, Failed> {
        let number = match place {
            Place::Number(number) => number.to_string(),
            Place::Uri(uri) => return client.follow(&self.path, uri, self.body).await,
            Place::Token(..) => String::new(),
        };
        let mut query = self.query.clone();
        if let (None, Some(name)) = (self.body, self.number) {
            query.push(("pageSize", PAGE_SIZE));
            if !number.is_empty() {
                query.push((name, number.as_str()));
            }
        }
        if let (None, Place::Token(name, token)) = (self.body, place) {
            query.push((name, token));
        }
        let body = self.body.map(|body| at_page(body, place));
        client.call(&self.path, &query, body.as_ref()).await
    }
}

/// The query with the page that is wanted: its number where the query has one, or its token.
fn at_page(body: &Value, place: &Place) -> Value {
    let mut body = body.clone();
    match place {
        Place::Number(number) => {
            for pointer in ["/paging/pageNumber", "/pageNumber"] {
                if let Some(place) = body.pointer_mut(pointer) {
                    *place = Value::from(*number);
                }
            }
        }
        Place::Token(name, token) => {
            if let Some(members) = body.as_object_mut() {
                members.insert((*name).to_owned(), Value::from(token.as_str()));
            }
        }
        Place::Uri(_) => {}
    }
    body
}

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Number(u32),
    Uri(String),
    /// The parameter, and what the vendor wrote.
    Token(&'static str, String),
}

/// Reads every page of a listing.
pub(super) async fn read<T>(
    client: &Client,
    pages: Pages<'_>,
    decode: impl Fn(Value) -> Decoded<T>,
) -> Result<Listing<T>, Failed> {
    let path = pages.path.template();
    let mut sofar = SoFar::default();
    let mut place = Place::Number(1);
    loop {
        let answer = pages.ask(client, &place).await?;
        let malformed = |what| answer.failed(ApiProblem::Malformed { path, what });
        let body = answer.json(path)?;
        match sofar.turn(pages.entities, body, &decode).map_err(malformed)? {
            Next::Page(next) => place = next,
            Next::End if sofar.entities > 0 && sofar.listing.unreadable == sofar.entities => {
                return Err(malformed("entities, and none of them is readable"));
            }
            Next::End => return Ok(sofar.listing),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Page(Place),
    End,
}

/// What the pages so far held.
struct SoFar<T> {
    listing: Listing<T>,
    /// How many entities there were, readable or not.
    entities: usize,
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
    fn turn(
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
        let after = |body: Value| SoFar::default().turn("entities", body, Decoded::Item);

        assert_eq!(after(page(json!({ "pageCount": 1 }))), Ok(Next::End));
        assert_eq!(after(page(json!({ "pageCount": 2 }))), Ok(page_number(2)));
        assert_eq!(after(page(json!({ "pageCount": 1, "nextUri": "/more" }))), Ok(Next::End));
        assert_eq!(after(page(json!({}))), Ok(Next::End));
        assert_eq!(after(page(json!({ "nextUri": null }))), Ok(Next::End));
        assert_eq!(after(page(json!({ "nextUri": "/more" }))), Ok(page_number(2)));
        assert_eq!(after(json!({ "entities": [], "pageCount": 9 })), Ok(Next::End));
    }

    // F18
    #[test]
    fn a_listing_whose_page_count_grows_for_ever_is_refused_at_500_pages() {
        let mut pages = SoFar::default();

        let end = (0..1000).find_map(|page| {
            let body = json!({ "entities": entities(page..page + 1), "pageCount": page + 2 });
            pages.turn("entities", body.clone(), Decoded::Item).err().map(|what| (page, what))
        });

        assert_eq!(end, Some((499, "more than 500 pages")));
    }

    // D-API-2
    #[test]
    fn more_than_50_000_entities_are_refused() {
        let mut pages = SoFar::default();

        let full = pages.turn(
            "entities",
            json!({ "entities": entities(0..50_000), "pageCount": 2 }),
            Decoded::Item,
        );
        let over = pages.turn(
            "entities",
            json!({ "entities": entities(50_000..50_001), "pageCount": 2 }),
            Decoded::Item,
        );

        assert_eq!(full, Ok(page_number(2)));
        assert_eq!(over, Err("more than 50 000 entities"));
    }

    // F18
    #[test]
    fn a_page_that_comes_again_is_refused_with_and_without_ids() {
        for body in [
            json!({ "entities": entities(0..3), "nextUri": "/again" }),
            json!({ "entities": [null, "x"], "nextUri": "/again" }),
        ] {
            let mut pages = SoFar::default();

            assert_eq!(pages.turn("entities", body.clone(), Decoded::Item), Ok(page_number(2)));
            assert_eq!(pages.turn("entities", body, Decoded::Item), Err("the same page twice"));
        }
    }

    // F17
    #[test]
    fn a_listing_that_changes_between_two_pages_is_read_again_once() {
        let mut pages = SoFar::default();
        let page =
            |ids, total| json!({ "entities": entities(ids), "pageCount": 3, "total": total });

        assert_eq!(pages.turn("entities", page(0..2, 6), Decoded::Item), Ok(page_number(2)));
        assert_eq!(pages.turn("entities", page(1..3, 5), Decoded::Item), Ok(page_number(2)));
        assert_eq!(pages.next(), 1, "from the beginning");
        assert_eq!(pages.turn("entities", page(0..2, 5), Decoded::Item), Ok(page_number(2)));
        assert_eq!(
            pages.turn("entities", page(1..3, 6), Decoded::Item),
            Ok(page_number(2)),
            "a second change is accepted"
        );
        assert_eq!(pages.next(), 3);
        assert_eq!(pages.listing.items, entities(0..3), "what moved is one thing");
    }
}
