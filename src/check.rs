//! `Check`: one module meeting one target, as the plan means it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_probes::{Module, Probe};

use crate::guide::Guide;
use crate::sight::Sight;

/// One module meeting one target.
#[derive(Clone)]
pub struct Check {
    /// The site from which it is probed.
    pub site: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The target's host: a name or an address literal, or what people call those who are asked.
    pub host: Arc<str>,
    /// The target's port.
    pub port: u16,
    /// Which addresses are asked.
    pub whom: Whom,
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
    /// What it shows of a name that is watched.
    pub sight: Option<Sight>,
}

/// How many addresses are asked one after the other, at most: each may take the whole timeout.
pub const MOST_IN_SEQUENCE: u32 = 4;

/// Which addresses a check asks.
#[derive(Clone)]
pub enum Whom {
    /// Those of its host.
    Host,
    /// These.
    Listed(Arc<[SocketAddr]>),
    /// Those of the resolvers that this host was given.
    Resolvers,
    /// Those that the module's locator finds for its host.
    Located,
    /// Those to which a guide leads.
    Led(Arc<Guide>),
    /// The guide is asked itself.
    Guide(Arc<Guide>),
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
            && self.whom.is_same(&other.whom)
            && self.sight == other.sight
            && self.interval == other.interval
    }
}

impl Whom {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Host, Self::Host)
            | (Self::Resolvers, Self::Resolvers)
            | (Self::Located, Self::Located) => true,
            (Self::Listed(one), Self::Listed(other)) => one == other,
            (Self::Led(one), Self::Led(other)) | (Self::Guide(one), Self::Guide(other)) => {
                one.is_same(other)
            }
            (
                Self::Host
                | Self::Listed(_)
                | Self::Resolvers
                | Self::Located
                | Self::Led(_)
                | Self::Guide(_),
                _,
            ) => false,
        }
    }
}
