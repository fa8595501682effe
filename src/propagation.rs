//! What all views of one name amount to: who has its record, who has an old one, for how long
//! still, and who makes answers up. Pure: the same evidence gives the same verdict.

mod answer;
mod edition;
mod expectation;
mod interception;
mod judge;
mod serial;
mod waiting;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use crate::correlation::{Case, Evidence};
use crate::sight::{Shows, View};

pub use interception::{Why, is_made_up, is_wildcard};
pub use serial::is_newer;
pub use waiting::{LONGEST, SHORTEST};

/// What all views of one question amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct Propagation {
    /// The question, as `NAME TYPE`.
    pub question: String,
    /// Whether the configuration watches the name; else modules and targets of its own ask for it.
    pub is_watched: bool,
    /// The vendor's edge group whose name it is.
    pub edge_group: Option<String>,
    /// What it amounts to.
    pub standing: Standing,
    /// What each nameserver says, that of the phones first.
    pub sightings: Vec<Sighting>,
    /// The addresses that an answer may hold, by the configuration or by the vendor's edges.
    pub expected: Vec<IpAddr>,
    /// Whether it is the vendor who says so.
    pub is_expected_by_vendor: bool,
    /// The share of those who say something that have the record; nothing where nobody does.
    pub share: Option<f64>,
    /// Since when an authoritative nameserver is known to have it.
    pub since: Option<SystemTime>,
    /// Whether it was seen to arrive there, so that [`Propagation::since`] is its beginning.
    pub has_begun_in_view: bool,
    /// When the last of them will have it at the latest, as far as they tell.
    pub by: Option<SystemTime>,
}

/// What a question amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everyone who says something has the record.
    Propagated,
    /// Some have it, and others have an older answer.
    Propagating,
    /// Nobody has it.
    NotCreated,
    /// Nobody gives an address that is expected.
    WrongAddress,
    /// Somebody makes answers up.
    Intercepted,
    /// Answers differ, and nothing that was seen explains it.
    Inconsistent,
    /// Nobody says anything.
    Unknown,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 7] = [
        Self::Propagated,
        Self::Propagating,
        Self::NotCreated,
        Self::WrongAddress,
        Self::Intercepted,
        Self::Inconsistent,
        Self::Unknown,
    ];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Propagated => "propagated",
            Self::Propagating => "propagating",
            Self::NotCreated => "not_created",
            Self::WrongAddress => "wrong_address",
            Self::Intercepted => "intercepted",
            Self::Inconsistent => "inconsistent",
            Self::Unknown => "unknown",
        }
    }
}

/// What one nameserver says.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Where its case stands in the evidence.
    pub case: usize,
    /// From which side it looks at the name.
    pub view: View,
    /// What the configuration calls the target behind which it is.
    pub target: String,
    /// What findings call it.
    pub name: String,
    /// Its address.
    pub address: Option<SocketAddr>,
    /// What it says, against what is right.
    pub says: Says,
    /// Until when an older answer may stay, as far as it tells.
    pub until: Option<SystemTime>,
    /// How long what it says may be kept.
    pub ttl: Option<Duration>,
    /// The version of its zone.
    pub serial: Option<u32>,
    /// When it said so.
    pub heard: SystemTime,
    /// Its records as it gave them.
    pub records: Vec<Foreign>,
    /// Why it has none to give: one of a fixed set of words.
    pub reason: Option<&'static str>,
    /// The response code of what it answered.
    pub rcode: Option<&'static str>,
}

/// What a nameserver says, against what is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// It has the record.
    Current,
    /// It keeps an older answer, or that there was none, until that expires.
    Stale,
    /// It is authoritative and serves an older version of the zone.
    Behind,
    /// There is no such record, and nobody has one.
    Absent,
    /// An address that is not expected, and nobody has another.
    Wrong,
    /// Something that nothing explains.
    Different,
    /// What somebody makes up.
    MadeUp(Why),
    /// That it cannot answer: an error, or that it is not responsible.
    Failing,
    /// Nothing.
    Silent,
    /// Nobody knows: this host could not ask.
    Unknown,
}

impl Says {
    /// The word that reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Behind => "behind",
            Self::Absent => "absent",
            Self::Wrong => "wrong",
            Self::Different => "different",
            Self::MadeUp(_) => "made_up",
            Self::Failing => "failing",
            Self::Silent => "silent",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it says anything about the name at all.
    #[must_use]
    pub const fn is_an_answer(self) -> bool {
        !matches!(self, Self::Failing | Self::Silent | Self::Unknown)
    }
}

impl Propagation {
    /// Those who say this.
    pub fn who(&self, is_it: impl Fn(Says) -> bool) -> impl Iterator<Item = &Sighting> {
        self.sightings.iter().filter(move |sighting| is_it(sighting.says))
    }

    /// Whether somebody says this.
    pub fn has(&self, is_it: impl Fn(Says) -> bool) -> bool {
        self.who(is_it).next().is_some()
    }

    /// The longest that is still to be waited for those of a view who say this.
    #[must_use]
    pub fn left(&self, view: View, now: SystemTime) -> Option<Duration> {
        let of_view = || self.sightings.iter().filter(|it| it.view == view);
        let untils = of_view().filter_map(|it| it.until);
        // Who forgets an old answer may learn it again from a nameserver that is behind.
        let again = self.by.filter(|_| {
            of_view().any(|it| it.says == Says::Stale) && self.has(|says| says == Says::Behind)
        });
        let last = untils.chain(again).max()?;
        Some(last.duration_since(now).unwrap_or_default())
    }

    /// Whether everyone of a view who says something has the record; `None` where nobody does.
    #[must_use]
    pub fn is_propagated_to(&self, view: View) -> Option<bool> {
        let mut answers =
            self.who(Says::is_an_answer).filter(|sighting| sighting.view == view).peekable();
        answers.peek()?;
        Some(answers.all(|sighting| sighting.says == Says::Current))
    }
}

/// Every question that was asked of somebody, with what the answers amount to.
#[must_use]
pub fn of(evidence: &Evidence) -> Vec<Propagation> {
    let mut questions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, case) in evidence.cases.iter().enumerate() {
        if let Some(question) = question(case) {
            questions.entry(question).or_default().push(place);
        }
    }
    // What else is known of a name is looked for once, and not for each of its nameservers.
    let mut related: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in &evidence.cases {
        if let Some(sight) = &case.sight {
            related.entry(&sight.name.name).or_default().push(case);
        }
    }
    let judged = |(question, places): (String, Vec<usize>)| {
        let first = places.first().and_then(|place| evidence.cases[*place].sight.as_ref());
        let related = first.and_then(|sight| related.get(sight.name.name.as_str()));
        let related = related.map(Vec::as_slice).unwrap_or_default();
        judge::of(evidence, related, question, &places)
    };
    questions.into_iter().map(judged).collect()
}

/// What the case shows the record of.
fn question(case: &Case) -> Option<String> {
    match &case.sight {
        Some(sight) => (sight.shows == Shows::Record).then(|| sight.name.question()),
        None => answer::question(case),
    }
}
