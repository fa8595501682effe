//! An entity of the guide as fields: the guide writes the same thing in more than one way, and says
//! of most things by example alone what they hold.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::poller::page::Decoded;
use crate::telephony::Reference;

/// An object whose keys are found in any case: Go, in which a part of the guide is written, reads
/// them so.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    /// What the first of `names` that is there and not null holds.
    pub(super) fn value(self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| {
            let exact = self.0.get(*name);
            let like = || self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            let value = exact.or_else(|| like().map(|(_, value)| value))?;
            Some(value).filter(|value| !value.is_null())
        })
    }

    /// Text that is not empty.
    pub(super) fn text(self, names: &[&str]) -> Option<&'a str> {
        self.value(names)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn foreign(self, names: &[&str]) -> Option<Foreign> {
        self.text(names).map(Foreign::new)
    }

    pub(super) fn flag(self, names: &[&str]) -> Option<bool> {
        self.value(names)?.as_bool()
    }

    /// What stands below one of `names`.
    pub(super) fn below(self, names: &[&str]) -> Option<Self> {
        self.value(names).and_then(Fields::of)
    }

    /// The items of a list; none where there is no list.
    pub(super) fn list(self, names: &[&str]) -> impl Iterator<Item = &'a Value> {
        self.value(names).and_then(Value::as_array).into_iter().flatten()
    }

    /// The texts of a list, at most [`MOST_ITEMS`] of them.
    pub(super) fn texts(self, names: &[&str]) -> Vec<Foreign> {
        let texts = self.list(names).filter_map(Value::as_str).filter(|text| !text.is_empty());
        texts.take(MOST_ITEMS).map(Foreign::new).collect()
    }

    pub(super) fn time(self, names: &[&str]) -> Option<SystemTime> {
        time(self.text(names)?)
    }

    /// Another thing, which the guide names by its id alone or by an object with it.
    pub(super) fn reference(self, names: &[&str]) -> Option<Reference> {
        match self.value(names)? {
            Value::String(id) if !id.is_empty() => {
                Some(Reference { id: Foreign::new(id), name: Foreign::default() })
            }
            value @ Value::Object(_) => Fields::of(value)?.itself(),
            Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_) => None,
        }
    }

    /// Its own id and name; `None` for one without an id, which nothing could refer to.
    pub(super) fn itself(self) -> Option<Reference> {
        let id = self.foreign(&["id"])?;
        Some(Reference { id, name: self.foreign(&["name"]).unwrap_or_default() })
    }

    /// Whether the vendor still lists it, and it is gone.
    pub(super) fn is_deleted(self) -> bool {
        ["state", "status"].iter().any(|name| is_word(self.text(&[name]), &["deleted"]))
    }
}

/// No list of the guide's has more that matter.
pub(super) const MOST_ITEMS: usize = 64;

/// Whether a word of the vendor's is one of `words`, in any case: the guide compares some of its words
/// so, and says of none that its case matters.
pub(super) fn is_word(word: Option<&str>, words: &[&str]) -> bool {
    word.is_some_and(|word| words.iter().any(|it| it.eq_ignore_ascii_case(word)))
}

/// What became of an entity, by what it is and whether all of its words are known.
pub(super) fn decoded<T>(item: Option<(T, bool)>) -> Decoded<T> {
    match item {
        None => Decoded::Unreadable,
        Some((item, true)) => Decoded::Item(item),
        Some((item, false)) => Decoded::Odd(item),
    }
}

/// The vendor's word as it was, `-` where there is none.
pub(super) fn raw(word: Option<&str>) -> Foreign {
    Foreign::new(word.unwrap_or("-"))
}

pub(super) fn time(text: &str) -> Option<SystemTime> {
    let time = SystemTime::from(text.parse::<Timestamp>().ok()?);
    // Before 1970 nobody had a phone that could be provisioned.
    time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(time)
}

/// A moment as the vendor reads it, to the second.
pub(super) fn moment(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
    Timestamp::try_from(whole).unwrap_or_default().to_string()
}
