//! Trunks: the ways of calls.

use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::{Reference, State};

/// Whether a trunk is registered with its proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Registration {
    /// The last REGISTER to every proxy had a positive answer.
    Registered,
    /// The last REGISTER to at least one proxy had none.
    Unregistered,
    /// The trunk does not register.
    NotApplicable,
    /// The vendor's words do not say.
    #[default]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// What it hears of each of its proxies.
    pub proxies: Vec<Proxy>,
    /// Since when it is connected or not, as the vendor tells it.
    pub connected_since: Option<SystemTime>,
}

/// What a trunk hears of one of its proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is, as the vendor writes it.
    pub address: Foreign,
    /// Whether it answers OPTIONS; `None` where it is not asked.
    pub answers: Option<State>,
    /// Whether it registers us.
    pub registration: Registration,
    /// When it last registered us or refused to.
    pub registered_at: Option<SystemTime>,
    /// What the vendor says went wrong, where it says so.
    pub problem: Option<Foreign>,
}

impl Trunk {
    /// Whether a target whose `trunk` is this link means this one: by its name or id, or by those
    /// of its settings, which give each edge a trunk of its own.
    #[must_use]
    pub fn is(&self, link: &str) -> bool {
        self.reference.is(link) || self.base.as_ref().is_some_and(|base| base.is(link))
    }
}

/// What a trunk carried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrunkMetrics {
    /// The trunk.
    pub trunk: Reference,
    /// When this was taken, or the hour of it began.
    pub taken: Option<SystemTime>,
    /// Calls that come in at that moment.
    pub inbound_calls: Option<u64>,
    /// Calls that go out at that moment.
    pub outbound_calls: Option<u64>,
    /// Packets whose DSCP was not the configured one, in the last 24 hours.
    pub qos_mismatches: Option<u64>,
    /// The part of calls that were set up, from 0 to 1.
    pub setup_success_ratio: Option<f64>,
    /// Jitter of its calls.
    pub jitter: Option<Duration>,
    /// The part of its capacity that was used, from 0 to 1.
    pub utilization_ratio: Option<f64>,
    /// The most calls at a time.
    pub peak_calls: Option<u64>,
}

/// The settings of trunks: each edge has a trunk of its own with them. What the vendor keeps of
/// passwords is never read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkSettings {
    /// Their id and name.
    pub reference: Reference,
    /// Whether trunks with them are to be used.
    pub is_enabled: Option<bool>,
    /// The vendor's word: `udp`, `tcp` or `tls`.
    pub transport: Option<Foreign>,
    /// The proxies to which they lead.
    pub proxies: Vec<Foreign>,
    /// The codecs, in order of preference.
    pub codecs: Vec<Foreign>,
    /// The DSCP of media.
    pub media_dscp: Option<u8>,
    /// The DSCP of signalling.
    pub sip_dscp: Option<u8>,
    /// Who may send to them, as addresses and prefixes.
    pub allowed: Vec<Foreign>,
    /// The STUN server that they ask for their own address, where they go through a NAT and the
    /// vendor tells it.
    pub stun_server: Option<Foreign>,
}
