//! The vendor's state as plain data: edges, edge groups, trunks and phones, each with a normalised
//! state and the vendor's own words beside it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

/// What the vendor's API said, each part with its own age.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How long the reader waits from one reading to the next; zero before the first.
    pub interval: Duration,
    /// The location to which the reading is narrowed; `None` where all of the organisation is read,
    /// other offices included.
    pub location: Option<String>,
    /// The edges.
    pub edges: Part<Edge>,
    /// The edge groups.
    pub edge_groups: Part<EdgeGroup>,
    /// The trunks.
    pub trunks: Part<Trunk>,
    /// The phones.
    pub phones: Part<Phone>,
}

impl Snapshot {
    /// What of it may still be believed at `now`: of a part that was not read for three intervals
    /// and a minute, nothing but when it was (I6). `None` where all of it may.
    #[must_use]
    pub fn aged(&self, now: SystemTime) -> Option<Self> {
        let keeps = self.interval * KEEPS_INTERVALS + GRACE;
        let is_old = self.edges.is_older(keeps, now)
            || self.edge_groups.is_older(keeps, now)
            || self.trunks.is_older(keeps, now)
            || self.phones.is_older(keeps, now);
        is_old.then(|| Self {
            interval: self.interval,
            location: self.location.clone(),
            edges: self.edges.aged(keeps, now),
            edge_groups: self.edge_groups.aged(keeps, now),
            trunks: self.trunks.aged(keeps, now),
            phones: self.phones.aged(keeps, now),
        })
    }

    /// Every trunk that a target's `trunk` means.
    pub fn trunks_of(&self, link: &str) -> impl Iterator<Item = &Trunk> {
        self.trunks.items.iter().filter(move |trunk| trunk.is(link))
    }

    /// Every edge group that a target's `edge_group` means.
    pub fn edge_groups_of(&self, link: &str) -> impl Iterator<Item = &EdgeGroup> {
        self.edge_groups.items.iter().filter(move |group| group.reference.is(link))
    }
}

/// For so many intervals a reading speaks for the present, as an observation does.
const KEEPS_INTERVALS: u32 = 3;

/// And for so long beyond them, since the vendor may throttle and a reading takes its time.
const GRACE: Duration = Duration::from_secs(60);

/// One kind of thing, as last read whole.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// What the last complete reading held.
    pub items: Vec<T>,
    /// When the last complete reading began; `None` before the first.
    pub begun: Option<SystemTime>,
    /// When the last complete reading ended; `None` before the first.
    pub read: Option<SystemTime>,
    /// Why the latest reading failed; `items` are then those of an earlier one.
    pub problem: Option<ApiProblem>,
    /// Whether the last complete reading is too old to be believed; `items` are then empty.
    pub stale: bool,
    /// How many things the last complete reading held that could not be understood.
    pub unreadable: usize,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            begun: None,
            read: None,
            problem: None,
            stale: false,
            unreadable: 0,
        }
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

    fn is_older(&self, keeps: Duration, now: SystemTime) -> bool {
        self.age(now).is_some_and(|age| age > keeps)
    }
}

impl<T: Clone> Part<T> {
    fn aged(&self, keeps: Duration, now: SystemTime) -> Self {
        if self.is_older(keeps, now) {
            let (begun, read, problem) = (self.begun, self.read, self.problem.clone());
            Self { items: Vec::new(), begun, read, problem, stale: true, unreadable: 0 }
        } else {
            self.clone()
        }
    }
}

/// Why the vendor's API could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiProblem {
    /// No connection, no TLS, no answer in time.
    #[error("{host} is unreachable: {detail}")]
    Unreachable {
        /// The host that was called.
        host: String,
        /// What the connection failed with.
        detail: String,
    },
    /// The client id or secret was refused.
    #[error("{host} refuses the client credentials: {detail}")]
    Credentials {
        /// The host that was called.
        host: String,
        /// The vendor's error code.
        detail: Foreign,
    },
    /// The client may not read this.
    #[error("the OAuth client lacks the permission to read {path}: {detail}")]
    Permission {
        /// What was to be read.
        path: &'static str,
        /// The vendor's error code or the missing permission.
        detail: Foreign,
    },
    /// The vendor asks for patience, and the patience that we have is over.
    #[error("{path} is throttled for {retry_after:?}")]
    Throttled {
        /// What was to be read.
        path: &'static str,
        /// How long the vendor asked to wait.
        retry_after: Duration,
    },
    /// The vendor's service failed.
    #[error("{path} answered {status}")]
    Server {
        /// What was to be read.
        path: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// No site stands at the location to which the reading is narrowed.
    #[error("no site of the vendor belongs to location `{location}`")]
    NoSuchLocation {
        /// The location, as it is configured.
        location: String,
    },
    /// The answer was not what the API publishes.
    #[error("{path} answered nonsense: {what}")]
    Malformed {
        /// What was to be read.
        path: &'static str,
        /// What was wrong with it.
        what: &'static str,
    },
}

impl ApiProblem {
    /// The value of the label `reason`: one of a small, fixed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Credentials { .. } => "credentials",
            Self::Permission { .. } => "permission",
            Self::Throttled { .. } => "throttled",
            Self::Server { .. } => "server",
            Self::NoSuchLocation { .. } => "location",
            Self::Malformed { .. } => "malformed",
        }
    }
}

/// A thing's name and id, as another thing refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The vendor's id.
    pub id: Foreign,
    /// The name, where the vendor gives it.
    pub name: Foreign,
}

impl Reference {
    /// Whether a person who wrote `name_or_id` means this.
    #[must_use]
    pub fn is(&self, name_or_id: &str) -> bool {
        self.name.as_str() == name_or_id || self.id.as_str() == name_or_id
    }
}

/// Whether a thing works, as the vendor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// The vendor's words do not say.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Unknown];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// An appliance, virtual or real, that carries the calls of sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Its id and name.
    pub reference: Reference,
    /// Up: online, active and not deleted. Unknown where it is not in service.
    pub state: State,
    /// Whether its life goes so far: not before it is paired, and not after it is retired.
    pub is_in_service: bool,
    /// The vendor's words: `ONLINE ACTIVE active`.
    pub raw: Foreign,
    /// The group to which it belongs.
    pub edge_group: Option<Reference>,
    /// The site at which it stands.
    pub site: Option<Reference>,
    /// The addresses of its interfaces, where the vendor tells them.
    pub addresses: Vec<IpAddr>,
}

/// Edges that serve together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeGroup {
    /// Its id and name.
    pub reference: Reference,
    /// Up: active, with at least one edge, and every edge up. Down, too, where none is in service.
    pub state: State,
    /// The vendor's words, and how many of its edges are up: `active, 1 of 2 edges up`.
    pub raw: Foreign,
}

/// Whether a trunk is registered with its proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Registration {
    /// The last REGISTER to every proxy had a positive answer.
    Registered,
    /// The last REGISTER to at least one proxy had none.
    Unregistered,
    /// The trunk does not register.
    NotApplicable,
    /// The vendor's words do not say.
    Unknown,
}

impl Registration {
    /// Every registration.
    pub const ALL: [Self; 4] =
        [Self::Registered, Self::Unregistered, Self::NotApplicable, Self::Unknown];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unregistered => "unregistered",
            Self::NotApplicable => "not_applicable",
            Self::Unknown => "unknown",
        }
    }
}

/// A way for calls between an edge and a carrier, a phone or another edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its id and name.
    pub reference: Reference,
    /// The vendor's word: `EXTERNAL`, `PHONE` or `EDGE`.
    pub kind: Foreign,
    /// Up: in service, enabled, connected, and every proxy answers OPTIONS where that is asked.
    pub state: State,
    /// Whether its settings say that it is not to be used; it is then down, and nobody's fault.
    pub is_switched_off: bool,
    /// Whether it is registered with its proxies.
    pub registration: Registration,
    /// The vendor's words: `in service, enabled, connected`.
    pub raw: Foreign,
    /// What the vendor says went wrong, where it says so.
    pub problem: Option<Foreign>,
    /// The settings of which it is the copy on one edge; these, not the trunk, have the name that
    /// an administrator gave.
    pub base: Option<Reference>,
    /// The edge on which it runs.
    pub edge: Option<Reference>,
    /// The group of that edge.
    pub edge_group: Option<Reference>,
}

impl Trunk {
    /// Whether a target whose `trunk` is this link means this one: by its name or id, or by those
    /// of its settings, which give each edge a trunk of its own.
    #[must_use]
    pub fn is(&self, link: &str) -> bool {
        self.reference.is(link) || self.base.as_ref().is_some_and(|base| base.is(link))
    }
}

/// What a phone does, as the vendor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneState {
    /// It is in service.
    Active,
    /// It is not, although its edges are, or its provisioning failed.
    Failed,
    /// It waits for its first provisioning.
    Pending,
    /// It is being provisioned.
    Provisioning,
    /// No edge or no hardware is assigned to it.
    Unassigned,
    /// The vendor's words do not say.
    Unknown,
}

impl PhoneState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Failed,
        Self::Pending,
        Self::Provisioning,
        Self::Unassigned,
        Self::Unknown,
    ];

    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Unassigned => "unassigned",
            Self::Unknown => "unknown",
        }
    }
}

/// A desk phone or a phone in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// Its id and name.
    pub reference: Reference,
    /// What it does.
    pub state: PhoneState,
    /// The vendor's words: `OFFLINE IN_SERVICE`.
    pub raw: Foreign,
    /// The site at which it stands.
    pub site: Option<Reference>,
}
