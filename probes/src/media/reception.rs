//! `Reception`: what became of the packets of one stream.

use std::time::Duration;

use super::bursts::{Bursts, ratio, worst_window};
use super::distribution::{Distribution, Interarrival, percentile};
use super::e_model::LossPercent;
use crate::moment::Moment;

/// Loss within a window of this length is the burst loss of Microsoft Teams' network criteria.
const BURST_WINDOW: Duration = Duration::from_millis(200);

/// How a receiver would play the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playout {
    /// How much longer than the fastest packet a packet may take.
    pub jitter_buffer: Duration,
    /// The sound that one packet carries.
    pub frame: Duration,
}

/// What a received packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first one of its number.
    First,
    /// One more of a number that came before.
    Duplicate,
    /// Of a number beyond the capacity.
    Beyond,
}

/// One stream, as a single clock saw it at both ends.
///
/// Packets are numbered from 0 in the order of sending.
#[derive(Clone, Debug)]
pub struct Reception {
    playout: Playout,
    packets: Vec<Packet>,
    /// The numbers of the packets received, the first of each, in the order of arrival.
    order: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Packet {
    sent: Option<Moment>,
    received: Option<Moment>,
    duplicates: u64,
}

impl Packet {
    /// How long it was under way, where it left and came.
    fn transit(&self) -> Option<Duration> {
        Some(self.received?.since(self.sent?))
    }
}

/// What became of a stream.
///
/// Loss is what never came; late is what came, and too late to be played. Nothing here says in
/// which direction of a loop a packet was lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Packets that left, at least one.
    pub sent: usize,
    /// Those of them that came, each counted once.
    pub received: usize,
    /// Those of them that never came.
    pub lost: usize,
    /// Received more than the jitter buffer after the fastest packet would have been.
    pub late: usize,
    /// Copies beyond the first.
    pub duplicates: u64,
    /// Received after a packet of a higher number (RFC 4737 §3.3: Type-P-Reordered).
    pub reordered: usize,
    /// Lost of sent, 0 to 1.
    pub loss_ratio: f64,
    /// Late of sent, 0 to 1.
    pub late_ratio: f64,
    /// Lost or late of sent: what the E-model takes for loss.
    pub unplayed: LossPercent,
    /// The greatest loss within any 200 ms of sound, 0 to 1; of a shorter stream that of all.
    pub worst_window_loss_ratio: f64,
    /// How long the packets were under way; in a loop, the round trip. `None` where none came.
    pub transit: Option<Distribution>,
    /// RFC 3550 §6.4.1; `None` where less than two came.
    pub jitter: Option<Duration>,
    /// By how much a packet took longer than the fastest, at the 95th percentile.
    pub delay_variation_p95: Option<Duration>,
    /// How lost and late packets bunch together.
    pub bursts: Bursts,
}

impl Reception {
    /// Room for the packets numbered below `capacity`: 44 bytes each, taken at once.
    #[must_use]
    pub fn new(playout: Playout, capacity: usize) -> Self {
        Self {
            playout,
            packets: vec![Packet::default(); capacity],
            order: Vec::with_capacity(capacity),
        }
    }

    /// A packet left. Said once more of the same packet, as with the kernel's stamp, the later
    /// word counts.
    pub fn sent(&mut self, sequence: u32, at: Moment) {
        if let Some(packet) = self.packet(sequence) {
            packet.sent = Some(at);
        }
    }

    /// A packet came. It may be said before the word of its sending; between packets the order of
    /// the calls is the order of arrival.
    pub fn received(&mut self, sequence: u32, at: Moment) -> Arrival {
        let Some(packet) = self.packet(sequence) else { return Arrival::Beyond };
        if packet.received.is_some() {
            packet.duplicates = packet.duplicates.saturating_add(1);
            return Arrival::Duplicate;
        }
        packet.received = Some(at);
        self.order.push(sequence);
        Arrival::First
    }

    /// What became of the packets so far; `None` where none was sent. A packet still under way
    /// is counted as lost, so ask after the longest time that one may take.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        let sent: Vec<&Packet> =
            self.packets.iter().filter(|packet| packet.sent.is_some()).collect();
        let mut transits: Vec<Duration> = sent.iter().filter_map(|it| it.transit()).collect();
        transits.sort_unstable();
        let fastest = transits.first().copied().unwrap_or_default();
        let is_late = |transit: Duration| transit - fastest > self.playout.jitter_buffer;

        let lost: Vec<bool> = sent.iter().map(|packet| packet.received.is_none()).collect();
        let unplayed: Vec<bool> =
            sent.iter().map(|packet| packet.transit().is_none_or(is_late)).collect();
        let late = transits.iter().filter(|transit| is_late(**transit)).count();
        let missing = sent.len() - transits.len();
        let arrivals = self.arrivals();
        Some(Report {
            sent: sent.len(),
            received: transits.len(),
            lost: missing,
            late,
            duplicates: sent.iter().map(|packet| packet.duplicates).sum(),
            reordered: reordered(&arrivals),
            loss_ratio: ratio(missing, sent.len())?,
            late_ratio: ratio(late, sent.len())?,
            unplayed: LossPercent::of_packets(missing + late, sent.len()),
            worst_window_loss_ratio: worst_window(&lost, self.packets_in(BURST_WINDOW))?,
            transit: Distribution::of(transits.iter().copied()),
            jitter: jitter(&arrivals),
            delay_variation_p95: percentile(&transits, 95).map(|transit| transit - fastest),
            bursts: Bursts::of(&unplayed, self.playout.frame),
        })
    }

    fn packet(&mut self, sequence: u32) -> Option<&mut Packet> {
        self.packets.get_mut(usize::try_from(sequence).ok()?)
    }

    /// The packets that left and came, in the order of arrival.
    fn arrivals(&self) -> Vec<(u32, Moment, Moment)> {
        let arrival = |&sequence: &u32| {
            let packet = self.packets.get(usize::try_from(sequence).ok()?)?;
            Some((sequence, packet.sent?, packet.received?))
        };
        self.order.iter().filter_map(arrival).collect()
    }

    /// How many packets make up so much sound, at least one.
    fn packets_in(&self, window: Duration) -> usize {
        let packets = window.as_nanos().checked_div(self.playout.frame.as_nanos());
        packets.and_then(|packets| usize::try_from(packets).ok()).unwrap_or(1)
    }
}

fn reordered(arrivals: &[(u32, Moment, Moment)]) -> usize {
    let mut highest = 0;
    let behind = arrivals.iter().filter(|(sequence, ..)| {
        highest = highest.max(*sequence);
        *sequence < highest
    });
    behind.count()
}

fn jitter(arrivals: &[(u32, Moment, Moment)]) -> Option<Duration> {
    let mut interarrival = Interarrival::default();
    for (_, sent, received) in arrivals {
        interarrival.arrived(*sent, *received);
    }
    interarrival.jitter()
}
