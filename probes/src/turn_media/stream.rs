//! `Stream`: paced packets of one direction, when each left and when it came.

use std::time::Duration;

use crate::media::reception::{Playout, Reception, Report};
use crate::media::rtp::FRAME;
use crate::moment::Moment;
use crate::probe::Stamp;

/// So many packets a sender may catch up with: 200 ms. What is later still was slept away by this
/// host and is not sent at all, since in one burst it would be no voice.
const MOST_BEHIND: u32 = 10;

/// Packets that leave one by one on a grid of [`FRAME`], counted from 0.
///
/// Each has its moment on the grid, so a late wake-up delays the packets that were due and no
/// other one.
pub(super) struct Stream {
    reception: Reception,
    start: Moment,
    drain: Duration,
    packets: u32,
    next: u32,
    /// Those that left, in that order.
    left: Vec<Left>,
    is_stamped: bool,
    has_arrivals: bool,
    /// How many arrived with each DSCP.
    marks: Vec<u32>,
}

/// A packet that left.
struct Left {
    /// Its transmission, counted on its leg.
    number: u32,
    packet: u32,
    has_stamp: bool,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send this packet.
    Packet(u32),
    /// Nothing before this moment.
    Wait(Moment),
    /// Every packet was sent, and what did not come by now is lost.
    Over,
}

impl Stream {
    /// So many packets from `start` on; after the last one, `drain` is waited for those under way.
    pub(super) fn new(
        packets: u32,
        jitter_buffer: Duration,
        drain: Duration,
        start: Moment,
    ) -> Self {
        let playout = Playout { jitter_buffer, frame: FRAME };
        let capacity = usize::try_from(packets).unwrap_or_default();
        Self {
            reception: Reception::new(playout, capacity),
            start,
            drain,
            packets,
            next: 0,
            left: Vec::with_capacity(capacity),
            is_stamped: true,
            has_arrivals: false,
            marks: vec![0; MARKS],
        }
    }

    /// When it began.
    pub(super) const fn start(&self) -> Moment {
        self.start
    }

    /// What is due.
    pub(super) fn due(&mut self, now: Moment) -> Due {
        let on_grid = now.since(self.start).as_nanos() / FRAME.as_nanos();
        let on_grid = u32::try_from(on_grid).unwrap_or(u32::MAX);
        self.next = self.next.max(on_grid.saturating_sub(MOST_BEHIND)).min(self.packets);
        let planned = self.start + FRAME * self.next;
        if self.next == self.packets {
            let last = self.packets.saturating_sub(1);
            let end = self.start + FRAME * last + self.drain;
            return if now < end { Due::Wait(end) } else { Due::Over };
        }
        if now < planned { Due::Wait(planned) } else { Due::Packet(self.next) }
    }

    /// The packet that was due goes out as this transmission of its leg. Until the word of it
    /// comes, it left now.
    pub(super) fn leaves(&mut self, packet: u32, number: u32, now: Moment) {
        self.next = packet + 1;
        self.left.push(Left { number, packet, has_stamp: false });
        self.reception.sent(packet, now);
    }

    /// A transmission of the leg has left; one that is none of this stream says nothing.
    pub(super) fn left(&mut self, number: u32, at: Moment, stamp: Stamp) {
        let Ok(place) = self.left.binary_search_by_key(&number, |left| left.number) else { return };
        let left = &mut self.left[place];
        left.has_stamp = stamp == Stamp::Kernel;
        self.reception.sent(left.packet, at);
    }

    /// A packet has come.
    pub(super) fn came(&mut self, packet: u32, at: Moment, stamp: Stamp, dscp: Option<u8>) {
        self.reception.received(packet, at);
        self.has_arrivals = true;
        self.is_stamped &= stamp == Stamp::Kernel;
        if let Some(mark) = self.marks.get_mut(usize::from(dscp.unwrap_or(u8::MAX))) {
            *mark = mark.saturating_add(1);
        }
    }

    /// Whether this packet can have left.
    pub(super) const fn has_sent(&self, packet: u32) -> bool {
        packet < self.next
    }

    /// How many packets left.
    pub(super) fn sent(&self) -> u32 {
        u32::try_from(self.left.len()).unwrap_or(u32::MAX)
    }

    /// Whether any came.
    pub(super) const fn has_arrivals(&self) -> bool {
        self.has_arrivals
    }

    /// What became of the packets so far.
    pub(super) fn report(&self) -> Option<Report> {
        self.reception.report()
    }

    /// Whose clock read every moment: the kernel's only where it read all of them.
    pub(super) fn clock(&self) -> Stamp {
        let is_stamped = self.is_stamped && self.left.iter().all(|left| left.has_stamp);
        if is_stamped { Stamp::Kernel } else { Stamp::Program }
    }

    /// The mark with which most packets came, the lower one of two that are even; `None` where the
    /// kernel told of none.
    pub(super) fn mark(&self) -> Option<u8> {
        let most = self.marks.iter().max().filter(|count| **count > 0)?;
        let place = self.marks.iter().position(|count| count == most)?;
        u8::try_from(place).ok()
    }
}

/// RFC 2474 §3: six bits.
const MARKS: usize = 64;
