//! The vendor's state as plain data: edges, edge groups, trunks, phones and what surrounds them, each
//! with a normalised state and the vendor's own words beside it.

mod edge;
mod history;
mod part;
mod phone;
mod place;
mod problem;
mod thing;
mod trunk;

use std::time::{Duration, SystemTime};

pub use edge::{Edge, EdgeGroup, EdgeMetrics};
pub use history::{Change, ChangedProperty, PoorConversation, Quality};
pub use part::{Part, PartName, PartState};
pub use phone::{Line, Phone, PhoneState, hardware_address};
pub use place::{Authority, Endpoint, Location, Organization, Site};
pub use problem::ApiProblem;
pub use thing::{Reference, State};
pub use trunk::{Proxy, Registration, Trunk, TrunkMetrics, TrunkSettings};

/// Every part by its name: what holds for all of them is said once.
macro_rules! each_part {
    ($action:ident) => {
        $action! {
            edges = Edges, edge_groups = EdgeGroups, trunks = Trunks, phones = Phones,
            sites = Sites, locations = Locations, organization = Organization,
            trunk_settings = TrunkSettings, authorities = Authorities,
            edge_metrics = EdgeMetrics, trunk_metrics = TrunkMetrics, quality = Quality,
            changes = Changes
        }
    };
}
pub(crate) use each_part;

/// What the vendor's API said, each part with its own age.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How long the reader waits from one reading to the next; zero before the first.
    pub interval: Duration,
    /// The location to which the reading is narrowed; `None` where all of the organisation is read,
    /// other offices included.
    pub location: Option<String>,
    /// The published region whose hosts were asked; `None` where they belong to none.
    pub region: Option<&'static str>,
    /// The edges.
    pub edges: Part<Edge>,
    /// The edge groups.
    pub edge_groups: Part<EdgeGroup>,
    /// The trunks.
    pub trunks: Part<Trunk>,
    /// The phones.
    pub phones: Part<Phone>,
    /// The sites.
    pub sites: Part<Site>,
    /// The locations.
    pub locations: Part<Location>,
    /// The organisation; one at most.
    pub organization: Part<Organization>,
    /// The settings of trunks.
    pub trunk_settings: Part<TrunkSettings>,
    /// The certificate authorities that edges trust.
    pub authorities: Part<Authority>,
    /// The load of edges.
    pub edge_metrics: Part<EdgeMetrics>,
    /// What trunks carried.
    pub trunk_metrics: Part<TrunkMetrics>,
    /// How calls sounded, by edge.
    pub quality: Part<Quality>,
    /// What somebody changed, the latest first.
    pub changes: Part<Change>,
}

impl Snapshot {
    /// What is known here, with those parts that `is_taken` as they are known there.
    #[must_use]
    pub fn with_parts_of(&self, other: &Self, is_taken: impl Fn(PartName) -> bool) -> Self {
        macro_rules! choose {
            ($($field:ident = $name:ident),*) => {
                Self {
                    interval: self.interval,
                    location: self.location.clone(),
                    region: self.region,
                    $($field: if is_taken(PartName::$name) {
                        other.$field.clone()
                    } else {
                        self.$field.clone()
                    }),*
                }
            };
        }
        each_part!(choose)
    }

    /// What of it may still be believed at `now`: of a part that was not read for three intervals
    /// and a minute, nothing but when it was (I6). `None` where all of it may.
    #[must_use]
    pub fn aged(&self, now: SystemTime) -> Option<Self> {
        macro_rules! aged {
            ($($field:ident = $name:ident),*) => {{
                let is_old = [$(self.$field.is_old(self.interval, now)),*].contains(&true);
                is_old.then(|| Self {
                    interval: self.interval,
                    location: self.location.clone(),
                    region: self.region,
                    $($field: self.$field.aged(self.interval, now)),*
                })
            }};
        }
        each_part!(aged)
    }

    /// What is known of every part, whatever it holds, in the order of [`PartName::ALL`].
    #[must_use]
    pub fn parts(&self) -> [PartState<'_>; PartName::ALL.len()] {
        macro_rules! states {
            ($($field:ident = $name:ident),*) => {
                [$(self.$field.state(PartName::$name)),*]
            };
        }
        each_part!(states)
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

/// A sign that something has changed at the vendor: it is read again, and nothing else follows from
/// the sign itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hint {
    /// In which part.
    pub part: PartName,
    /// The vendor's id of the thing; `None`: read the whole part again.
    pub id: Option<branchline_probes::Foreign>,
}
