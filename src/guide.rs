//! `Guide`: an exchange that finds out whom others are to ask, and what it found last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use branchline_probes::{Module, Outcome, Probe};
use tokio::sync::Mutex;

/// An exchange that finds out whom others are to ask.
///
/// Those that it leads share what it finds, for as long as it says that it holds.
pub struct Guide {
    /// What people call it, and the name that TLS would ask of whom it speaks to.
    pub host: Arc<str>,
    /// The probe of which the module is one.
    pub probe: &'static dyn Probe,
    /// The module whose exchange it is.
    pub module: Arc<dyn Module>,
    /// The module's options as text: two guides with the same are the same guide.
    pub fingerprint: Arc<str>,
    /// Where it may begin: any of them will do.
    pub starts: Arc<[SocketAddr]>,
    /// What was found last. Whoever finds out holds the lock, so nobody does it twice.
    pub found: Mutex<Option<Found>>,
}

/// What a guide has found.
#[derive(Clone)]
pub struct Found {
    /// Where it began.
    pub start: SocketAddr,
    /// When it was over.
    pub ended: Instant,
    /// Until when it holds.
    pub until: Instant,
    /// How it ended.
    pub outcome: Outcome,
}

impl Guide {
    /// Whether `other` does the same thing in the same way.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.starts == other.starts
    }
}
