//! A part of the vendor's state: one kind of thing, with its age.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::ApiProblem;

/// What the vendor's state is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartName {
    /// Edges.
    Edges,
    /// Edge groups.
    EdgeGroups,
    /// Trunks.
    Trunks,
    /// Phones.
    Phones,
    /// Sites.
    Sites,
    /// Locations.
    Locations,
    /// The organisation.
    Organization,
    /// The settings of trunks.
    TrunkSettings,
    /// Certificate authorities.
    Authorities,
    /// The load of edges.
    EdgeMetrics,
    /// What trunks carried.
    TrunkMetrics,
    /// How calls sounded.
    Quality,
    /// What somebody changed.
    Changes,
}

impl PartName {
    /// Every part.
    pub const ALL: [Self; 13] = [
        Self::Edges,
        Self::EdgeGroups,
        Self::Trunks,
        Self::Phones,
        Self::Sites,
        Self::Locations,
        Self::Organization,
        Self::TrunkSettings,
        Self::Authorities,
        Self::EdgeMetrics,
        Self::TrunkMetrics,
        Self::Quality,
        Self::Changes,
    ];

    /// The value of the label `part`, and the key in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Edges => "edges",
            Self::EdgeGroups => "edge_groups",
            Self::Trunks => "trunks",
            Self::Phones => "phones",
            Self::Sites => "sites",
            Self::Locations => "locations",
            Self::Organization => "organization",
            Self::TrunkSettings => "trunk_settings",
            Self::Authorities => "authorities",
            Self::EdgeMetrics => "edge_metrics",
            Self::TrunkMetrics => "trunk_metrics",
            Self::Quality => "quality",
            Self::Changes => "changes",
        }
    }

    /// The name in a sentence.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::EdgeGroups => "edge groups",
            Self::TrunkSettings => "trunk settings",
            Self::Authorities => "certificate authorities",
            Self::EdgeMetrics => "edge metrics",
            Self::TrunkMetrics => "trunk metrics",
            Self::Quality => "call quality",
            Self::Edges
            | Self::Trunks
            | Self::Phones
            | Self::Sites
            | Self::Locations
            | Self::Organization
            | Self::Changes => self.label(),
        }
    }

    /// Whether a go needs it; what only explains or warns does not stand in the way.
    #[must_use]
    pub const fn is_vital(self) -> bool {
        matches!(self, Self::Edges | Self::EdgeGroups | Self::Trunks | Self::Phones)
    }
}

/// One kind of thing, as last read whole.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// What the last complete reading held.
    pub items: Vec<T>,
    /// When the last complete reading began; `None` before the first.
    pub begun: Option<SystemTime>,
    /// When the last complete reading ended; `None` before the first.
    pub read: Option<SystemTime>,
    /// How often it is read; `None`: with every reading.
    pub every: Option<Duration>,
    /// Why the latest reading failed; `items` are then those of an earlier one.
    pub problem: Option<ApiProblem>,
    /// The vendor's own name for the attempt that failed, to quote to its support.
    pub correlation: Option<Foreign>,
    /// Whether the last complete reading is too old to be believed; `items` are then empty.
    pub stale: bool,
    /// How many things the last complete reading held that could not be understood.
    pub unreadable: usize,
    /// How many of the things hold a word of the vendor's that is not known.
    pub unknown: usize,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            begun: None,
            read: None,
            every: None,
            problem: None,
            correlation: None,
            stale: false,
            unreadable: 0,
            unknown: 0,
        }
    }
}

/// What is known of a part, whatever it holds.
#[derive(Clone, Copy, Debug)]
pub struct PartState<'a> {
    /// Which part.
    pub name: PartName,
    /// How many things it holds.
    pub count: usize,
    /// When the last complete reading ended; `None` before the first.
    pub read: Option<SystemTime>,
    /// Why the latest reading failed.
    pub problem: Option<&'a ApiProblem>,
    /// The vendor's own name for the attempt that failed.
    pub correlation: Option<&'a Foreign>,
    /// Whether the last complete reading is too old to be believed.
    pub stale: bool,
    /// How many things could not be understood.
    pub unreadable: usize,
    /// How many of the things hold a word of the vendor's that is not known.
    pub unknown: usize,
}

impl PartState<'_> {
    /// Whether anybody has asked for it, with or without success.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        self.read.is_some() || self.problem.is_some()
    }

    /// Whether it speaks for the present.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.read.is_some() && !self.stale
    }
}

impl<T> Part<T> {
    /// How old the items are at `now`; `None` before the first complete reading.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        self.read.map(|read| now.duration_since(read).unwrap_or_default())
    }

    /// Whether the items speak for the present: they were read, and not too long ago.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.read.is_some() && !self.stale
    }

    /// What is known of it, whatever it holds.
    #[must_use]
    pub fn state(&self, name: PartName) -> PartState<'_> {
        PartState {
            name,
            count: self.items.len(),
            read: self.read,
            problem: self.problem.as_ref(),
            correlation: self.correlation.as_ref(),
            stale: self.stale,
            unreadable: self.unreadable,
            unknown: self.unknown,
        }
    }

    /// Whether it is too old to be believed at `now`, being read at `interval` if it has no pace of
    /// its own.
    pub(super) fn is_old(&self, interval: Duration, now: SystemTime) -> bool {
        let keeps = self.every.unwrap_or(interval) * KEEPS_INTERVALS + GRACE;
        self.age(now).is_some_and(|age| age > keeps)
    }
}

impl<T: Clone> Part<T> {
    pub(super) fn aged(&self, interval: Duration, now: SystemTime) -> Self {
        if self.is_old(interval, now) {
            Self { items: Vec::new(), stale: true, unreadable: 0, unknown: 0, ..self.clone() }
        } else {
            self.clone()
        }
    }
}

/// For so many intervals a reading speaks for the present, as an observation does.
const KEEPS_INTERVALS: u32 = 3;

/// And for so long beyond them, since the vendor may throttle and a reading takes its time.
const GRACE: Duration = Duration::from_secs(60);
