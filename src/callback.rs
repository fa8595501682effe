//! What changed, told to a program elsewhere: as the vendor tells it, signed, in order and until it
//! is heard.

mod event;
mod findings;
mod queue;
mod sender;
mod states;

use std::collections::BTreeSet;

use branchline_probes::Secret;

pub use event::Event;
pub use findings::Findings;
pub use queue::{Attempt, Outcome, Queue, Settled};
pub use sender::{Fate, Sender, count_dropped, describe_metrics};
pub use states::States;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// States of edges, edge groups, trunks and phones, as the vendor has them.
    State,
    /// Findings that appear and go.
    Findings,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 2] = [Self::State, Self::Findings];

    /// Its name in configurations.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Findings => "findings",
        }
    }
}

/// Who is told, and of what.
#[derive(Clone)]
pub struct Settings {
    /// Where events are posted to. Its path may be a secret, so it is never in a log.
    pub url: String,
    /// With what they are signed.
    pub secret: Secret,
    /// What is told.
    pub topics: BTreeSet<Topic>,
}

impl Settings {
    /// Whether `other` tells the same to the same program.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { url, secret, topics } = self;
        *url == other.url && secret.expose() == other.secret.expose() && *topics == other.topics
    }
}
