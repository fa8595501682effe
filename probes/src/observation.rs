//! `Observation`: what one exchange saw, as plain data.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::fact::Facts;
use crate::failure::{Failure, Standing};
use crate::locate::LOCATED_BY;
use crate::target::Transport;

/// A part of an exchange's duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From a name to addresses.
    Resolve,
    /// The transport's own handshake.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The request and its response.
    Request,
    /// The request that was answered with a demand for credentials.
    Challenge,
    /// The request with credentials.
    Register,
    /// Taking back what was created.
    Unregister,
    /// Reading what the registrar still holds.
    Verify,
    /// Requests larger than what one packet carries.
    Large,
    /// The request that creates a relayed address.
    Allocate,
    /// The request that lets a peer through the relay.
    Permission,
    /// Data of our own through the relay and back.
    Echo,
    /// The request that keeps what was created.
    Refresh,
    /// The request that frees a relayed address.
    Release,
    /// A row of paced requests.
    Burst,
    /// A stream of voice-shaped packets.
    Media,
    /// How a NAT maps.
    Mapping,
    /// What a NAT lets in.
    Filtering,
    /// Whether a NAT sends back to its own inside.
    Hairpin,
    /// How long a NAT remembers.
    Lifetime,
    /// The way down from the root to the servers of a zone.
    Delegation,
    /// What every server of a zone says.
    Authorities,
}

impl Phase {
    /// The word that metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Challenge => "challenge",
            Self::Register => "register",
            Self::Unregister => "unregister",
            Self::Verify => "verify",
            Self::Large => "large",
            Self::Allocate => "allocate",
            Self::Permission => "permission",
            Self::Echo => "echo",
            Self::Refresh => "refresh",
            Self::Release => "release",
            Self::Burst => "burst",
            Self::Media => "media",
            Self::Mapping => "mapping",
            Self::Filtering => "filtering",
            Self::Hairpin => "hairpin",
            Self::Lifetime => "lifetime",
            Self::Delegation => "delegation",
            Self::Authorities => "authorities",
        }
    }
}

/// Why a datagram or message was not taken for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// It came from an address that was not asked.
    Stranger,
    /// It is no message of the protocol.
    Malformed,
    /// It is a request, or belongs to no request of ours.
    Unasked,
    /// It names another transaction, question or dialog.
    Mismatch,
    /// It lacks a proof that it must carry, or the proof is wrong.
    Unproven,
}

impl Ignored {
    /// Every value that [`Ignored::label`] can give, in the order of the variants.
    pub const LABELS: &'static [&'static str] =
        &["stranger", "malformed", "unasked", "mismatch", "unproven"];

    /// The value of the label `reason`: one of a small, fixed set.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Malformed => "malformed",
            Self::Unasked => "unasked",
            Self::Mismatch => "mismatch",
            Self::Unproven => "unproven",
        }
    }
}

/// Whom others are to ask, as an exchange has found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// Their addresses.
    pub addresses: Vec<SocketAddr>,
    /// For how long that holds.
    pub keeps: Duration,
}

/// How one exchange ended: what it measured and, where it failed, how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What was measured, also on the way to a failure.
    pub facts: Facts,
    /// What went wrong first, and in which phase.
    pub failure: Option<(Phase, Failure)>,
    /// How long each phase took, in the order in which they ended.
    pub phases: Vec<(Phase, Duration)>,
    /// What arrived and was not taken for the answer, counted by reason.
    pub ignored: BTreeMap<Ignored, u64>,
    /// Whether the peer refused our credentials, so that asking again soon could lock the account.
    pub back_off: bool,
    /// For how long the peer asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the peer may still hold something that the exchange created there.
    pub left_behind: bool,
    /// Whom others are to ask, where the exchange was to find that out.
    pub leads_to: Option<Lead>,
}

/// What one exchange saw, with the names that make it findable.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The probe's name.
    pub probe: &'static str,
    /// The module's name, from the configuration.
    pub module: String,
    /// The target's name, from the configuration.
    pub target: String,
    /// The site from which it was probed.
    pub site: String,
    /// The address spoken to; `None` where the name did not resolve.
    pub address: Option<SocketAddr>,
    /// What carried the first leg.
    pub transport: Transport,
    /// When the exchange began, by this host's clock.
    pub started: SystemTime,
    /// How long it took in all, resolution included.
    pub elapsed: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// Whether a target works, as far as one observation can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The exchange succeeded.
    Up,
    /// This host's own fault kept us from knowing.
    Unknown,
    /// The exchange failed for a reason that speaks of the target or the way to it.
    Down,
}

impl Observation {
    /// What this observation says of its target.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.failure().map(Failure::standing) {
            None => Verdict::Up,
            Some(Standing::Down) => Verdict::Down,
            Some(Standing::Unknown) => Verdict::Unknown,
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.failure.as_ref().map(|(_, failure)| failure)
    }

    /// How evidence refers to this observation: `module@target` and the address, with the transport
    /// where a locator chose it, since one address may be found for two of them.
    #[must_use]
    pub fn reference(&self) -> String {
        let Self { module, target, transport, .. } = self;
        let is_located = self.outcome.facts.read(&LOCATED_BY).is_some();
        match self.address {
            Some(address) if is_located => {
                format!("{module}@{target} ({} {address})", transport.label())
            }
            Some(address) => format!("{module}@{target} ({address})"),
            None => format!("{module}@{target}"),
        }
    }
}
