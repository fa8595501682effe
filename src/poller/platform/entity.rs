//! What every entity of the published API has, and the words that mean the same everywhere.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::poller::page::Decoded;
use crate::telephony::{Reference, State};

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

    /// `None` for one without an id, which nothing could refer to.
    fn item(self, now: SystemTime) -> Option<Self::Item>;
}

pub(super) fn decode<E: Entity>(entity: Value, now: SystemTime) -> Decoded<E::Item> {
    match serde_json::from_value::<E>(entity) {
        Ok(entity) if entity.state() == Some("deleted") => Decoded::Deleted,
        Ok(entity) => entity.item(now).map_or(Decoded::Unreadable, Decoded::Item),
        Err(_) => Decoded::Unreadable,
    }
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
