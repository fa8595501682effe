//! `Side`: one of the two ends of the loop.

use std::net::SocketAddr;

use crate::leg::LegId;
use crate::moment::Moment;
use crate::probe::Output;
use crate::relay::Allocation;

/// A leg with an allocation of its own.
pub(super) struct Side {
    pub(super) leg: LegId,
    pub(super) allocation: Allocation,
    /// Where the server says that it relays for this side: said to the server alone, never the
    /// destination of a packet of ours (D-STUN-6).
    pub(super) relayed: Option<SocketAddr>,
    /// How many transmissions were handed out for its leg.
    transmissions: u32,
    /// Whether nobody takes packets there, so that no release is sent.
    pub(super) is_lost: bool,
}

impl Side {
    pub(super) const fn new(leg: LegId, allocation: Allocation) -> Self {
        Self { leg, allocation, relayed: None, transmissions: 0, is_lost: false }
    }

    /// What its requests want now.
    pub(super) fn poll(&mut self, now: Moment, deadline: Moment) -> Option<Output> {
        let output = self.allocation.poll(now, deadline)?;
        self.transmissions += u32::from(matches!(output, Output::Transmit { .. }));
        Some(output)
    }

    /// Counts one transmission more; its number on the leg.
    pub(super) const fn transmit(&mut self) -> u32 {
        let number = self.transmissions;
        self.transmissions += 1;
        number
    }
}
