//! What can be asked of a TURN server, and how it answers.

use std::net::SocketAddr;
use std::time::Duration;

use crate::failure::Failure;
use crate::observation::Phase;
use crate::wire::stun::{Class, Message, Method, TransactionId, Writer, attribute};

/// The family of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ip4,
    Ip6,
}

impl Family {
    /// The words of the option, in the order of the variants.
    pub(crate) const WORDS: &'static [&'static str] = &["ip4", "ip6"];

    /// The family of a word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        match word {
            "ip4" => Some(Self::Ip4),
            "ip6" => Some(Self::Ip6),
            _ => None,
        }
    }

    /// RFC 8489 §14.1.
    const fn number(self) -> u8 {
        match self {
            Self::Ip4 => 1,
            Self::Ip6 => 2,
        }
    }
}

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A relayed address for UDP (RFC 8656 §7.1).
    Allocate {
        /// Of this family, where it matters.
        family: Option<Family>,
    },
    /// That this peer's packets are let through (RFC 8656 §10.1).
    CreatePermission {
        /// Which peer.
        peer: SocketAddr,
    },
    /// A number for this peer (RFC 8656 §12.1).
    ChannelBind {
        /// Which peer.
        peer: SocketAddr,
        /// From 0x4000 to 0x4FFF.
        number: u16,
    },
    /// A longer life, the server's usual one (RFC 8656 §8.1).
    Refresh,
    /// The end of the allocation: a Refresh with a lifetime of zero.
    Release,
}

impl Ask {
    /// The phase that it is.
    pub(crate) const fn phase(self) -> Phase {
        match self {
            Self::Allocate { .. } => Phase::Allocate,
            Self::CreatePermission { .. } | Self::ChannelBind { .. } => Phase::Permission,
            Self::Refresh => Phase::Refresh,
            Self::Release => Phase::Release,
        }
    }

    /// What is awaited then, for reports.
    pub(super) const fn awaited(self) -> &'static str {
        match self {
            Self::Allocate { .. } => "the answer to the Allocate",
            Self::CreatePermission { .. } => "the answer to the CreatePermission",
            Self::ChannelBind { .. } => "the answer to the ChannelBind",
            Self::Refresh => "the answer to the Refresh",
            Self::Release => "the answer to the release",
        }
    }

    pub(super) const fn method(self) -> Method {
        match self {
            Self::Allocate { .. } => Method::Allocate,
            Self::CreatePermission { .. } => Method::CreatePermission,
            Self::ChannelBind { .. } => Method::ChannelBind,
            Self::Refresh | Self::Release => Method::Refresh,
        }
    }

    /// The request, without credentials.
    pub(super) fn write(self, transaction: &TransactionId) -> Writer {
        let request = Writer::new(Class::Request, self.method(), transaction);
        match self {
            Self::Allocate { family } => {
                let request = request.with(attribute::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]);
                match family {
                    Some(family) => {
                        let value = [family.number(), 0, 0, 0];
                        request.with(attribute::REQUESTED_ADDRESS_FAMILY, &value)
                    }
                    None => request,
                }
            }
            Self::CreatePermission { peer } => {
                request.with_xor_address(attribute::XOR_PEER_ADDRESS, peer)
            }
            Self::ChannelBind { peer, number } => request
                .with_number(attribute::CHANNEL_NUMBER, u32::from(number) << 16)
                .with_xor_address(attribute::XOR_PEER_ADDRESS, peer),
            Self::Refresh => request,
            Self::Release => request.with_number(attribute::LIFETIME, 0),
        }
    }
}

/// What the server granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The relayed address: a claim of the server's, never a leg's destination. An Allocate has
    /// it.
    pub(crate) relayed: Option<SocketAddr>,
    /// From where the server sees us.
    pub(crate) mapped: Option<SocketAddr>,
    /// For how long, at most an hour. An Allocate has it, and more than zero.
    pub(crate) lifetime: Option<Duration>,
}

impl Answer {
    /// Reads a success response.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, and how.
    pub(super) fn read(ask: Ask, response: &Message) -> Result<Self, (&'static str, &'static str)> {
        let seconds = response.lifetime.map(|seconds| seconds.min(LONGEST_LIFETIME));
        let answer = Self {
            relayed: response.xor_relayed,
            mapped: response.xor_mapped,
            lifetime: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        };
        if !matches!(ask, Ask::Allocate { .. }) {
            return Ok(answer);
        }
        match (answer.relayed, seconds) {
            (None, _) => Err((SUCCESS, "an Allocate success without XOR-RELAYED-ADDRESS")),
            (_, None) => Err((SUCCESS, "an Allocate success without LIFETIME")),
            (_, Some(0)) => Err((SUCCESS, "an Allocate success with a LIFETIME of zero")),
            (Some(_), Some(_)) => Ok(answer),
        }
    }
}

/// Why the server did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// How it looks from here.
    pub(crate) failure: Failure,
    /// The server's error code, where it gave one.
    pub(crate) code: Option<u16>,
    /// Where the server sends its clients.
    pub(crate) alternate: Option<SocketAddr>,
    /// Whether it refused our credentials.
    pub(crate) is_of_credentials: bool,
}

impl Denial {
    /// A failure that is no answer of the server's.
    pub(super) const fn seen(failure: Failure) -> Self {
        Self { failure, code: None, alternate: None, is_of_credentials: false }
    }
}

/// RFC 8656 §7.3, what a success response holds.
const SUCCESS: &str = "RFC 8656 §7.3";
/// The protocol number of UDP.
const UDP: u8 = 17;
/// RFC 8656 §7.2 recommends that a server grants no more, in seconds.
const LONGEST_LIFETIME: u32 = 3600;
