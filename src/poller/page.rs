//! The pages of a listing, read to their end and never beyond.

mod turn;

use serde_json::Value;

use super::client::Client;
use super::exchange::Answer;
use super::failed::Failed;
use super::path::Path;
use crate::telephony::ApiProblem;

use turn::{Next, Place, SoFar};

/// How many entities a page is to have.
const PAGE_SIZE: &str = "100";

/// What became of one entity.
pub(super) enum Decoded<T> {
    /// It is one of ours.
    Item(T),
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
    number: Option<&'static str>,
}

impl<'a> Pages<'a> {
    /// Pages of `entities` that are asked for by `pageNumber`.
    pub(super) const fn of(path: Path) -> Self {
        let number = Some("pageNumber");
        Self { path, query: Vec::new(), number }
    }

    /// With these parameters on every page.
    pub(super) fn with(mut self, query: &[(&'a str, &'a str)]) -> Self {
        self.query.extend_from_slice(query);
        self
    }

    /// Pages that are asked for by this parameter; by none at all where `None`.
    pub(super) const fn numbered(mut self, number: Option<&'static str>) -> Self {
        self.number = number;
        self
    }

    async fn ask(&self, client: &Client, place: &Place) -> Result<Answer, Failed> {
        let number = match place {
            Place::Number(number) => number.to_string(),
            Place::Uri(uri) => return client.follow(&self.path, uri, None).await,
            Place::Token(..) => String::new(),
        };
        let mut query = self.query.clone();
        if let Some(name) = self.number {
            query.push(("pageSize", PAGE_SIZE));
            if !number.is_empty() {
                query.push((name, number.as_str()));
            }
        }
        if let Place::Token(name, token) = place {
            query.push((name, token));
        }
        client.call(&self.path, &query, None).await
    }
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
    let mut correlation = None;
    loop {
        let answer = pages.ask(client, &place).await.map_err(|failed| Failed {
            // What led elsewhere was the answer before.
            correlation: failed.correlation.or(correlation.take()),
            problem: failed.problem,
        })?;
        correlation.clone_from(&answer.correlation);
        let malformed = |what| answer.failed(ApiProblem::Malformed { path, what });
        let body = answer.json(path)?;
        match sofar.turn("entities", body, &decode).map_err(malformed)? {
            Next::Page(next) => place = next,
            Next::End if sofar.entities > 0 && sofar.listing.unreadable == sofar.entities => {
                return Err(malformed("entities, and none of them is readable"));
            }
            Next::End => return Ok(sofar.listing),
        }
    }
}
