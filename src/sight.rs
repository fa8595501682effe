//! `Sight`: what a check shows of a name that is watched from several sides.

use std::net::IpAddr;
use std::sync::Arc;

/// What a check shows of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// From which side.
    pub view: View,
    /// What of it.
    pub shows: Shows,
    /// Of which name.
    pub name: Arc<Watched>,
}

/// From which side a name is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// By the resolvers that phones of the site use.
    Site,
    /// By resolvers that anybody may use.
    Public,
    /// By the nameservers that are authoritative for the name.
    Authoritative,
}

impl View {
    /// Every view, that of the phones first.
    pub const ALL: [Self; 3] = [Self::Site, Self::Public, Self::Authoritative];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Public => "public",
            Self::Authoritative => "authoritative",
        }
    }
}

/// What of a name a check shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shows {
    /// Its record.
    Record,
    /// The version of its zone.
    Serial,
    /// Whether answers are made up: a name below it that nobody can have created.
    RandomLabel,
    /// Who is authoritative for it.
    Delegation,
}

/// A name whose record is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The name, in lower case and without its last dot.
    pub name: String,
    /// The type of record.
    pub kind: &'static str,
    /// The addresses that the answer may hold, by the configuration.
    pub expect: Vec<IpAddr>,
    /// What two answers have to have in common to be the same.
    pub compare: Compare,
    /// Whether it decides between go and no-go.
    pub required: bool,
}

impl Watched {
    /// The question, as `NAME TYPE`.
    #[must_use]
    pub fn question(&self) -> String {
        format!("{} {}", self.name, self.kind)
    }
}

/// What two answers have to have in common to be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Every record.
    #[default]
    Records,
    /// The names to which aliases lead: the addresses may differ by where one asks, as those of a
    /// name that is routed by geography or latency do.
    Chain,
}

impl Compare {
    /// Every word that a configuration may use.
    pub const WORDS: &'static [&'static str] = &["records", "chain"];

    /// What a word means.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "records" => Some(Self::Records),
            "chain" => Some(Self::Chain),
            _ => None,
        }
    }

    /// The word that a configuration uses.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Chain => "chain",
        }
    }
}
