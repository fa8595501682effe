//! The client of a TURN server (RFC 8656), for the probes that need a relayed address.
//!
//! [`Allocation`] is one allocation on one leg: it queues what is asked of the server, answers its
//! challenges and tells what came of it as an [`Event`]. It opens no leg and ends no exchange.

mod allocation;
mod authentication;
mod credentials;
mod request;
mod undo;

pub(crate) use allocation::{Allocation, Event, Notes, Origin};
pub(crate) use credentials::{Credentials, Login};
pub(crate) use request::{Answer, Ask, Denial, Family};
pub(crate) use undo::Undo;

use std::net::{IpAddr, SocketAddr};

use crate::fact::FactKey;
use crate::options::{Kind, OptionKey, OptionSpec};
use crate::secret::Secret;

/// The user of the credentials.
pub(crate) const USERNAME: OptionKey<String> = OptionKey::new(
    "username",
    Kind::Text,
    "the user of the credentials; with shared_secret, the name behind the expiry",
);
/// The password of [`USERNAME`].
pub(crate) const PASSWORD: OptionKey<Secret> =
    OptionKey::new("password", Kind::Secret, "the password of username");
/// The secret from which time-limited credentials are made.
pub(crate) const SHARED_SECRET: OptionKey<Secret> = OptionKey::new(
    "shared_secret",
    Kind::Secret,
    "the secret shared with the server, of which time-limited credentials are made: the user's name \
     is another one every hour",
);
/// The only realm that gets the credentials.
pub(crate) const REALM: OptionKey<String> = OptionKey::new(
    "realm",
    Kind::Text,
    "the only realm that gets the credentials; else the one that the server names",
);
/// The family of the relayed address.
pub(crate) const FAMILY: OptionKey<&'static str> = OptionKey::new(
    "family",
    Kind::Word(Family::WORDS),
    "the family of the relayed address; else the server's choice",
);
/// An echo server behind the relay.
pub(crate) const PEER: OptionKey<SocketAddr> = OptionKey::new(
    "peer",
    Kind::Endpoint,
    "an echo server of yours behind the relay; else the relay is asked to reach itself",
);
/// The servers to which another may send us.
pub(crate) const ALTERNATE_SERVERS: OptionKey<Vec<IpAddr>> = OptionKey::new(
    "alternate_servers",
    Kind::Addresses,
    "the servers to which this one may send us on; else none is followed",
);

/// Whether the allocation is gone again.
pub const FREED: FactKey<bool> =
    FactKey::new("freed", "whether the allocation is gone from the server again")
        .metric("probe_turn_freed");

/// The server's error code.
pub const ERROR_CODE: FactKey<u64> =
    FactKey::new("error_code", "the error code with which the server said no")
        .metric("probe_turn_error_code");
/// What [`ERROR_CODE`] means.
pub const ERROR_CAUSE: FactKey<&'static str> =
    FactKey::new("error_cause", "what the error code means, in a word")
        .info("probe_turn_error_info", "cause");

/// Every option of this file.
pub(crate) const OPTIONS: [OptionSpec; 7] = [
    USERNAME.spec(),
    PASSWORD.spec(),
    SHARED_SECRET.spec(),
    REALM.spec(),
    FAMILY.spec(),
    PEER.spec(),
    ALTERNATE_SERVERS.spec(),
];

/// RFC 8489 §18.6, for TURN as well.
pub(crate) const PORT: u16 = 3478;
/// The same, over TLS.
pub(crate) const TLS_PORT: u16 = 5349;

/// The word for an error code (RFC 8489 §14.8, RFC 8656 §19).
pub(crate) const fn cause(code: u16) -> &'static str {
    match code {
        TRY_ALTERNATE => "try_alternate",
        400 => "bad_request",
        UNAUTHENTICATED => "unauthenticated",
        FORBIDDEN => "forbidden",
        420 => "unknown_attribute",
        ALLOCATION_MISMATCH => "allocation_mismatch",
        STALE_NONCE => "stale_nonce",
        440 => "address_family_not_supported",
        WRONG_CREDENTIALS => "wrong_credentials",
        442 => "unsupported_transport",
        443 => "peer_address_family_mismatch",
        486 => "allocation_quota_reached",
        508 => "insufficient_capacity",
        _ => "other",
    }
}

pub(crate) const TRY_ALTERNATE: u16 = 300;
pub(crate) const UNAUTHENTICATED: u16 = 401;
pub(crate) const FORBIDDEN: u16 = 403;
pub(crate) const ALLOCATION_MISMATCH: u16 = 437;
pub(crate) const STALE_NONCE: u16 = 438;
pub(crate) const WRONG_CREDENTIALS: u16 = 441;
