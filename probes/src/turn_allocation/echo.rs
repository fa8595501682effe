//! Data of our own through the relay and back.

use std::net::SocketAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::conversation::Request;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::Phase;
use crate::relay::{Allocation, Origin};
use crate::transaction::Retransmission;

/// An echo that is awaited.
pub(super) struct Echo {
    pub(super) by: By,
    pub(super) request: Request,
    /// Nobody else knows it: what brings it back comes from where it went.
    token: [u8; 16],
}

/// How data goes to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// In Send indications.
    Send,
    /// On a channel.
    Channel,
}

impl Echo {
    pub(super) fn new(
        by: By,
        leg: LegId,
        peer: SocketAddr,
        allocation: &mut Allocation,
        chance: &mut Chance,
        now: Moment,
    ) -> Self {
        let token = chance.bytes();
        let bytes = match by {
            By::Send => allocation.send_indication(peer, &token),
            By::Channel => allocation.channel_data(CHANNEL, &token),
        };
        let timer = Retransmission::dns(now, PACE, TIMES);
        let awaited = "the echo through the relay";
        Self { by, request: Request::new(leg, Phase::Echo, timer, bytes, awaited, now), token }
    }

    /// Whether this is what was sent, from the peer to whom it was sent: permissions are for an
    /// address, whatever the port (RFC 8656 §9).
    pub(super) fn is_back(&self, origin: Origin, bytes: &[u8], peer: SocketAddr) -> bool {
        let is_of_peer = match origin {
            Origin::Peer(from) => from.ip() == peer.ip(),
            Origin::Channel(number) => number == CHANNEL,
        };
        is_of_peer && bytes == self.token
    }
}

/// The first number that a channel can have (RFC 8656 §12).
pub(super) const CHANNEL: u16 = 0x4000;
/// Behind the relay everything is UDP, and some of it gets lost.
const TIMES: u32 = 5;
const PACE: Duration = Duration::from_millis(500);
