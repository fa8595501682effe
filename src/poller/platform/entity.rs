//! What every entity of the published API has, and the words that mean the same everywhere.

use std::time::SystemTime;

use branchline_probes::Foreign;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::poller::page::Decoded;
use crate::telephony::{Reference, State};

/// A thing, as another one refers to it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

impl Named {
    pub(super) fn reference(self) -> Option<Reference> {
        let id = self.id.filter(|id| !id.is_empty())?;
        let name = self.name.unwrap_or_default();
        Some(Reference { id: Foreign::new(id), name: Foreign::new(name) })
    }
}

/// What every entity has.
pub(super) trait Entity: DeserializeOwned {
    type Item;

    fn state(&self) -> Option<&str>;

    /// Whether it holds a word that the API does not publish.
    fn is_odd(&self) -> bool;

    /// `None` for one without an id, which nothing could refer to.
    fn item(self, now: SystemTime) -> Option<Self::Item>;
}

pub(super) fn decode<E: Entity>(entity: Value, now: SystemTime) -> Decoded<E::Item> {
    let entity = match serde_json::from_value::<E>(entity) {
        Ok(entity) if entity.state() == Some("deleted") => return Decoded::Deleted,
        Ok(entity) => entity,
        Err(_) => return Decoded::Unreadable,
    };
    let is_odd = entity.is_odd();
    match entity.item(now) {
        None => Decoded::Unreadable,
        Some(item) if is_odd => Decoded::Odd(item),
        Some(item) => Decoded::Item(item),
    }
}

/// Every `state` that an entity can have.
pub(super) const STATES: &[&str] = &["active", "inactive", "deleted"];

/// Whether one of the words is there and none of those that are published for it.
pub(super) fn has_odd(words: &[(&Option<String>, &[&str])]) -> bool {
    words.iter().any(|(word, known)| word.as_deref().is_some_and(|word| !known.contains(&word)))
}

/// Whether a thing is in use.
pub(super) fn activity(word: Option<&str>) -> State {
    match word {
        Some("active") => State::Up,
        Some("inactive" | "deleted") => State::Down,
        Some(_) | None => State::Unknown,
    }
}

/// Up for yes, down for no.
pub(super) fn yes(is: Option<bool>) -> State {
    match is {
        Some(true) => State::Up,
        Some(false) => State::Down,
        None => State::Unknown,
    }
}

/// What is known to be down is down; what is not known to be up is unknown.
pub(super) fn worst(states: impl IntoIterator<Item = State>) -> State {
    states.into_iter().fold(State::Up, |worst, state| match (worst, state) {
        (State::Down, _) | (_, State::Down) => State::Down,
        (State::Unknown, _) | (_, State::Unknown) => State::Unknown,
        (State::Up, State::Up) => State::Up,
    })
}

/// The vendor's words side by side, `-` for one that is missing.
pub(super) fn words<const N: usize>(words: [&Option<String>; N]) -> Foreign {
    Foreign::new(words.map(|word| word.as_deref().unwrap_or("-")).join(" "))
}

/// A text that says something.
pub(super) fn filled(text: Option<String>) -> Option<Foreign> {
    text.filter(|text| !text.is_empty()).map(Foreign::new)
}

/// The moment that a text names, if it names one.
pub(super) fn time(text: Option<&str>) -> Option<SystemTime> {
    text?.parse::<Timestamp>().ok().map(SystemTime::from)
}

/// A field that costs nothing but itself where it is not what the API publishes.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}
