//! `Failure`: what went wrong, as seen from this host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::foreign::Foreign;
use crate::leg::{TlsProblem, TrustedBy};

/// What went wrong, as seen from this host.
///
/// A failure says what was seen, never why: the why is a diagnosis, drawn elsewhere from many
/// observations. [`Failure::label`] is the bounded `reason` of every metric and report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name of the target did not give an address.
    #[error("{host} did not resolve: {problem}")]
    Unresolved {
        /// The name that was asked for.
        host: String,
        /// What the host's resolver said.
        problem: Unresolved,
    },

    /// Every request of the RFC's schedule went out and nothing came back.
    #[error("no response from {peer} to {} in {:.1} s", requests(*transmissions), waited.as_secs_f64())]
    NoResponse {
        /// Who was asked.
        peer: SocketAddr,
        /// How many requests left this host.
        transmissions: u32,
        /// From the first request to the end of the schedule.
        waited: Duration,
    },

    /// The module's timeout ended the exchange while an answer was still awaited.
    #[error(
        "no response from {peer}{} in {:.1} s, when the timeout ended the wait for {awaited}",
        to_requests(*transmissions), waited.as_secs_f64()
    )]
    Deadline {
        /// Who was asked.
        peer: SocketAddr,
        /// What was still missing.
        awaited: &'static str,
        /// How many requests left this host.
        transmissions: u32,
        /// From the first request to the timeout.
        waited: Duration,
    },

    /// The peer spoke, and nothing that it said could be taken for the answer.
    #[error(
        "{peer} spoke, and nothing it said is the answer ({} to {})",
        messages_word(*messages), requests(*transmissions)
    )]
    Unusable {
        /// Who was asked.
        peer: SocketAddr,
        /// How many of its messages were looked at.
        messages: u64,
        /// How many requests left this host.
        transmissions: u32,
    },

    /// A host or router on the way said that nobody takes packets there.
    #[error("{} refused {peer}: {refusal}", said_by(*by, *peer))]
    Refused {
        /// Who was asked.
        peer: SocketAddr,
        /// Who said no, where the packet tells.
        by: Option<IpAddr>,
        /// How it said no.
        refusal: Refusal,
    },

    /// The TLS handshake failed, so nothing was asked.
    #[error("TLS with {peer} failed: {problem}{}", vouched_by(issuer.as_ref(), *trusted_by))]
    TlsFailed {
        /// Who was to prove its name.
        peer: SocketAddr,
        /// Why it could not.
        problem: TlsProblem,
        /// Who vouches for the certificate that it showed.
        issuer: Option<Foreign>,
        /// Who vouches for it, where it is not one of those who were asked for.
        trusted_by: Option<TrustedBy>,
    },

    /// The peer closed the connection before it had answered.
    #[error("{peer} closed the connection before it answered {awaited}")]
    Closed {
        /// Who closed it.
        peer: SocketAddr,
        /// What was still missing.
        awaited: &'static str,
    },

    /// The peer answered with an error of its protocol.
    #[error("{peer} answered {}", answer(*code, reason))]
    Rejected {
        /// Who answered.
        peer: SocketAddr,
        /// The protocol's error code.
        code: u16,
        /// The peer's own words.
        reason: Foreign,
    },

    /// The peer answered, and its answer breaks the protocol.
    #[error("{peer} broke {rule}: {what}")]
    Misbehaved {
        /// Who answered.
        peer: SocketAddr,
        /// The rule, by RFC and section.
        rule: &'static str,
        /// What it did instead.
        what: &'static str,
    },

    /// The peer answered by the protocol, but not what the configuration expects.
    #[error("{peer} answered {found}, expected {expected}")]
    UnexpectedAnswer {
        /// Who answered.
        peer: SocketAddr,
        /// What came.
        found: Foreign,
        /// What the configuration asks for.
        expected: String,
    },

    /// The peer asks for credentials of a realm other than the configured one; none were sent.
    #[error("{peer} asks for realm \"{found}\", the credentials are for \"{expected}\": not sent")]
    AuthRealm {
        /// Who asked.
        peer: SocketAddr,
        /// Its realm.
        found: Foreign,
        /// The realm to which the credentials belong.
        expected: String,
    },

    /// The peer's challenge is too weak to be answered: it got no credentials.
    #[error("{peer} {weakness}: credentials not sent")]
    AuthWeak {
        /// Who asked.
        peer: SocketAddr,
        /// What is weak.
        weakness: Weakness,
    },

    /// The exchange was called off and has cleaned up.
    #[error("called off")]
    Cancelled,

    /// This host could not do its part; it says nothing of the peer.
    #[error("this host could not reach out to {peer}: {problem}")]
    Local {
        /// Whom it was for.
        peer: SocketAddr,
        /// What this host's kernel said.
        problem: std::io::ErrorKind,
    },

    /// A fault of this program; it says nothing of the peer.
    #[error("branchline failed: please report this")]
    Internal,
}

/// Why a challenge is too weak to be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// It offers nothing that the configuration allows.
    #[error("offers only {0}")]
    Offered(Foreign),
    /// It lacks what its own nonce, or an earlier challenge, says that the peer can: somebody on
    /// the way may have taken that out.
    #[error("takes back what its nonce or its first challenge promised")]
    Downgraded,
    /// The answer would travel where others can read it, which the configuration does not allow.
    #[error("asks for credentials over {0}, where others can read the answer")]
    Cleartext(&'static str),
}

/// Why a name did not give an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The resolver says that the name, or any address of it, does not exist.
    #[error("no such name or no address (NXDOMAIN or no data)")]
    NoAddress,
    /// The resolver did not answer.
    #[error("the resolver did not answer")]
    NoAnswer,
    /// The resolver answered with an error.
    #[error("the resolver failed (SERVFAIL or REFUSED)")]
    ResolverFailed,
    /// This host was given no resolver.
    #[error("this host's resolv.conf names no resolver")]
    NoResolver,
    /// The domain says that nobody offers the service.
    #[error("the domain says that it does not offer this (SRV target \".\")")]
    NotOffered,
    /// Whoever should have led to the addresses led nowhere.
    #[error("nobody was found who could be asked")]
    NotLed,
}

/// How somebody on the way said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody listens: a TCP reset.
    #[error("connection reset")]
    Reset,
    /// Nobody listens: an ICMP port unreachable.
    #[error("port unreachable")]
    Port,
    /// A router has no way there.
    #[error("{} unreachable (ICMP type {icmp_type}, code {code})", if *network { "network" } else { "host" })]
    Unreachable {
        /// Whether a whole network is out of reach.
        network: bool,
        /// The ICMP type.
        icmp_type: u8,
        /// The ICMP code.
        code: u8,
    },
    /// A rule forbids it: ICMP "administratively prohibited".
    #[error("administratively prohibited (ICMP type {icmp_type}, code {code})")]
    Prohibited {
        /// The ICMP type.
        icmp_type: u8,
        /// The ICMP code.
        code: u8,
    },
}

/// What a failure says of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The target, or the way to it, does not work.
    Down,
    /// Nothing can be said: the fault is this host's, its resolver's or its own decision.
    Unknown,
}

impl Failure {
    /// Every value that [`Failure::label`] can give.
    pub const LABELS: &'static [&'static str] = &[
        "unresolved",
        "no_response",
        "deadline",
        "unusable",
        "refused",
        "unreachable",
        "prohibited",
        "tls_failed",
        "closed",
        "rejected",
        "misbehaved",
        "unexpected_answer",
        "auth_realm",
        "auth_weak",
        "cancelled",
        "local",
        "internal",
    ];

    /// The value of the label `reason`: one of a small, fixed set.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unresolved { .. } => "unresolved",
            Self::NoResponse { .. } => "no_response",
            Self::Deadline { .. } => "deadline",
            Self::Unusable { .. } => "unusable",
            Self::Refused { refusal, .. } => match refusal {
                Refusal::Reset | Refusal::Port => "refused",
                Refusal::Unreachable { .. } => "unreachable",
                Refusal::Prohibited { .. } => "prohibited",
            },
            Self::TlsFailed { .. } => "tls_failed",
            Self::Closed { .. } => "closed",
            Self::Rejected { .. } => "rejected",
            Self::Misbehaved { .. } => "misbehaved",
            Self::UnexpectedAnswer { .. } => "unexpected_answer",
            Self::AuthRealm { .. } => "auth_realm",
            Self::AuthWeak { .. } => "auth_weak",
            Self::Cancelled => "cancelled",
            Self::Local { .. } => "local",
            Self::Internal => "internal",
        }
    }

    /// Whether this speaks of the target at all.
    ///
    /// A fault of this host or of its resolver never says that the target is down.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Cancelled
            | Self::Local { .. }
            | Self::Internal
            | Self::Unresolved {
                problem:
                    Unresolved::NoAnswer
                    | Unresolved::ResolverFailed
                    | Unresolved::NoResolver
                    | Unresolved::NotLed,
                ..
            } => Standing::Unknown,
            Self::Unresolved {
                problem: Unresolved::NoAddress | Unresolved::NotOffered, ..
            }
            | Self::NoResponse { .. }
            | Self::Deadline { .. }
            | Self::Unusable { .. }
            | Self::Refused { .. }
            | Self::TlsFailed { .. }
            | Self::Closed { .. }
            | Self::Rejected { .. }
            | Self::Misbehaved { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::AuthRealm { .. }
            | Self::AuthWeak { .. } => Standing::Down,
        }
    }

    /// Whether requests went out and nothing at all came back.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::NoResponse { .. } | Self::Deadline { .. })
    }

    /// Who on the way said no, where the packet told.
    #[must_use]
    pub const fn by(&self) -> Option<IpAddr> {
        if let Self::Refused { by, .. } = self { *by } else { None }
    }
}

fn requests(count: u32) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

/// Before the first request there is a handshake.
fn to_requests(count: u32) -> String {
    if count == 0 { String::new() } else { format!(" to {}", requests(count)) }
}

fn messages_word(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

fn said_by(by: Option<IpAddr>, peer: SocketAddr) -> String {
    match by {
        Some(by) if by != peer.ip() => format!("{by}, on the way,"),
        Some(_) => "the host itself".to_owned(),
        None => "somebody".to_owned(),
    }
}

fn vouched_by(issuer: Option<&Foreign>, trusted_by: Option<TrustedBy>) -> String {
    let whom = match trusted_by {
        Some(TrustedBy::Host) => ", whom this host trusts",
        Some(TrustedBy::Public) => ", whom browsers trust",
        Some(TrustedBy::CaFile) | None => "",
    };
    issuer.map(|issuer| format!(" (issued by {issuer}{whom})")).unwrap_or_default()
}

/// `403 Forbidden` as SIP writes it, `NXDOMAIN (rcode 3)` as people say it.
fn answer(code: u16, reason: &Foreign) -> String {
    const MOST_RCODES: u16 = 100;
    match (code, reason.as_str()) {
        (code, "") => code.to_string(),
        (code @ 0..MOST_RCODES, reason) => format!("{reason} (rcode {code})"),
        (code, reason) => format!("{code} {reason}"),
    }
}
