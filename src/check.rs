//! `Check`: one module meeting one target, as the plan means it.

use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Module, Probe};

/// One module meeting one target.
#[derive(Clone)]
pub struct Check {
    /// The site from which it is probed.
    pub site: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The target's host: a name or an address literal.
    pub host: Arc<str>,
    /// The target's port.
    pub port: u16,
    /// The module's name.
    pub module_name: Arc<str>,
    /// The probe of which the module is one.
    pub probe: &'static dyn Probe,
    /// The module.
    pub module: Arc<dyn Module>,
    /// The module's options as text, secrets hidden: two checks with the same identity and the
    /// same fingerprint are the same check across a reload.
    pub fingerprint: Arc<str>,
    /// How often it is run by the daemon.
    pub interval: Duration,
    /// Whether it decides between go and no-go.
    pub required: bool,
    /// The vendor's trunk that this target is the other end of, by name or id.
    pub trunk: Option<Arc<str>>,
    /// The vendor's edge group whose name or phones this target serves, by name or id.
    pub edge_group: Option<Arc<str>>,
}

/// What makes a check the same one across cycles and reloads: its module and its target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId {
    /// The module's name.
    pub module: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
}

impl Check {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> CheckId {
        CheckId { module: Arc::clone(&self.module_name), target: Arc::clone(&self.target) }
    }

    /// Whether `other` does the same thing in the same way, so that what is known of one holds for
    /// the other.
    #[must_use]
    pub fn is_unchanged(&self, other: &Self) -> bool {
        self.id() == other.id()
            && self.host == other.host
            && self.port == other.port
            && self.fingerprint == other.fingerprint
            && self.interval == other.interval
    }
}
