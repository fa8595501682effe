//! What every exchange with a SIP server can state, whatever it asks.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::locate::{CANDIDATES, LOCATED_BY, PASSED_OVER};

/// The final status code.
pub const STATUS_CODE: FactKey<u64> =
    FactKey::new("status_code", "the final status code").metric("probe_sip_status_code");
/// The address from which the server received the request.
pub const RECEIVED: FactKey<Foreign> =
    FactKey::new("received", "the address from which the server received the request");
/// The port from which the server received the request.
pub const RPORT: FactKey<u64> =
    FactKey::new("rport", "the port from which the server received the request (RFC 3581)");
/// What the server calls itself.
pub const SERVER: FactKey<Foreign> = FactKey::new("server", "what the server calls itself");
/// How many requests were sent to be answered, those that take back apart.
pub const TRANSMISSIONS: FactKey<u64> =
    FactKey::new("transmissions", "requests sent, repeated ones included")
        .metric("probe_sip_transmissions");
/// How many of [`TRANSMISSIONS`] were repetitions.
pub const RETRANSMISSIONS: FactKey<u64> =
    FactKey::new("retransmissions", "requests sent again because no answer had come")
        .metric("probe_sip_retransmissions");
/// From the first request to its response.
pub const RTT: FactKey<Duration> =
    FactKey::new("rtt_seconds", "round trip of the first request, where it was not repeated")
        .metric("probe_sip_rtt_seconds");
/// Whose clock measured [`RTT`].
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured the round trip: kernel or program");
/// Whether something on the way rewrites what is sent.
pub const REWRITTEN: FactKey<bool> =
    FactKey::new("rewritten", "whether something on the way rewrote what was sent")
        .metric("probe_sip_alg_detected");
/// What differs between what was sent and what came back.
pub const DIFFERENCES: FactKey<Vec<Foreign>> = FactKey::new(
    "differences",
    "what was sent (-) and what came back of it (+), where they differ",
);
/// Under which address a STUN server saw the same socket.
pub const MAPPED_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("mapped_address", "the address under which stun_server saw the same socket");
/// For how long the server asks to be left alone.
pub const RETRY_AFTER: FactKey<Duration> =
    FactKey::new("retry_after_seconds", "for how long the server asks to be left alone")
        .metric("probe_sip_retry_after_seconds");
/// Where a server sends us, which is not followed.
pub const REDIRECTS: FactKey<Vec<Foreign>> =
    FactKey::new("redirects", "the contacts of a 3xx, in its order: recorded and not followed");
/// How large a request was that one packet cannot carry.
pub const LARGE: FactKey<u64> =
    FactKey::new("large_bytes", "size of the request that is larger than what one packet carries");
/// Whether it was answered.
pub const LARGE_ANSWERED: FactKey<bool> =
    FactKey::new("large_answered", "whether the large request was answered, as a smaller one was")
        .metric("probe_sip_large_answered");

/// Every fact of this file, and how the server was found.
pub(crate) const FACTS: [FactSpec; 18] = [
    STATUS_CODE.spec(),
    RECEIVED.spec(),
    RPORT.spec(),
    SERVER.spec(),
    TRANSMISSIONS.spec(),
    RETRANSMISSIONS.spec(),
    RTT.spec(),
    CLOCK.spec(),
    REWRITTEN.spec(),
    DIFFERENCES.spec(),
    MAPPED_ADDRESS.spec(),
    RETRY_AFTER.spec(),
    REDIRECTS.spec(),
    LARGE.spec(),
    LARGE_ANSWERED.spec(),
    LOCATED_BY.spec(),
    CANDIDATES.spec(),
    PASSED_OVER.spec(),
];
