//! What was: how calls sounded, and what somebody changed.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::Reference;

/// How the calls of one edge sounded lately. Calls whose media is handled by the vendor's cloud have
/// no edge and are in none of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// The edge.
    pub edge: Reference,
    /// Over which time back from the reading.
    pub window: Duration,
    /// How many conversations sounded worse than the limit that was asked for.
    pub poor: u64,
    /// How many there were in all, where that is known.
    pub all: Option<u64>,
    /// The limit, as a mean opinion score.
    pub limit: f64,
    /// Some of the poor ones, the worst first.
    pub worst: Vec<PoorConversation>,
}

/// One conversation that sounded badly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoorConversation {
    /// The vendor's id.
    pub id: Foreign,
    /// When it began.
    pub began: Option<SystemTime>,
    /// The lowest mean opinion score in it.
    pub mos: Option<f64>,
    /// The lowest R factor in it.
    pub r_factor: Option<f64>,
    /// The highest latency.
    pub latency: Option<Duration>,
    /// The part of its packets that were discarded or never came, from 0 to 1.
    pub loss_ratio: Option<f64>,
    /// The jitter.
    pub jitter: Option<Duration>,
    /// Whether a relay carried its media, where that is known.
    pub is_relayed: Option<bool>,
}

/// One change that somebody made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub when: Option<SystemTime>,
    /// The vendor's word: `Create`, `Update`, `Delete`.
    pub action: Foreign,
    /// The vendor's word for what was changed: `Edge`, `TrunkBase`, `Location`.
    pub kind: Foreign,
    /// What was changed.
    pub entity: Reference,
    /// Who changed it: a name or an id.
    pub by: Option<Foreign>,
    /// Whether it went well, in the vendor's word.
    pub status: Option<Foreign>,
    /// What was changed in it. Values of secret settings are never read.
    pub properties: Vec<ChangedProperty>,
}

/// One property that was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedProperty {
    /// Its name.
    pub name: Foreign,
    /// What it was before.
    pub old: Option<Foreign>,
    /// What it is now.
    pub new: Option<Foreign>,
}
