//! Whether packets are missing one by one or in bursts (RFC 3611 §4.7.2).

use std::time::Duration;

use super::distribution::from_nanos;

/// So many packets received in a row end a burst: the value that RFC 3611 §4.7.2 recommends.
pub const GMIN: usize = 16;

/// Bursts and gaps of one stream.
///
/// A burst begins and ends with a missing packet, has two of them or more, and nowhere in it
/// [`GMIN`] packets were received in a row; what is no burst is a gap ([RFC 3611 §4.7.2]). Before
/// the first packet and after the last one all is taken as received. The bursts are counted by
/// that definition: the streaming code of its appendix A.2 yields the same densities and burst
/// durations, but leaves out the end of the stream and makes each gap a packet too long.
///
/// [RFC 3611 §4.7.2]: https://www.rfc-editor.org/rfc/rfc3611#section-4.7.2
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// How many bursts there were.
    pub bursts: usize,
    /// The share of packets within bursts that is missing, 0 to 1; `None` without bursts.
    pub burst_density: Option<f64>,
    /// The share of packets within gaps that is missing, 0 to 1; `None` without gaps.
    pub gap_density: Option<f64>,
    /// How long a burst lasted on average; `None` without bursts.
    pub burst_duration: Option<Duration>,
    /// How long a gap lasted on average; `None` without gaps.
    pub gap_duration: Option<Duration>,
    /// The burst ratio of ITU-T G.107: how many packets were missing in a row on average, divided
    /// by what random loss of the same rate p lets expect, 1 ÷ (1 − p). Never below 1, the value
    /// of random loss.
    pub burst_r: f64,
}

impl Bursts {
    /// Reads a stream, one entry per packet in the order of sending, true where it is missing.
    #[must_use]
    pub fn of(missing: &[bool], frame: Duration) -> Self {
        let mut bursts = Periods::default();
        let mut gaps = Periods::default();
        let mut gap_start = 0;
        for burst in clusters(missing).into_iter().filter(|cluster| cluster.missing > 1) {
            gaps.add(&missing[gap_start..burst.start]);
            bursts.add(&missing[burst.start..burst.end]);
            gap_start = burst.end;
        }
        gaps.add(&missing[gap_start..]);
        Self {
            bursts: bursts.count,
            burst_density: bursts.density(),
            gap_density: gaps.density(),
            burst_duration: bursts.mean_duration(frame),
            gap_duration: gaps.mean_duration(frame),
            burst_r: burst_r(missing),
        }
    }
}

/// The greatest share of packets lost among any `window` packets in a row, 0 to 1; of a shorter
/// stream the share of all, and `None` of none.
#[must_use]
pub fn worst_window(lost: &[bool], window: usize) -> Option<f64> {
    let window = window.max(1).min(lost.len());
    let (first, _) = lost.split_at(window);
    let mut within = missing_in(first);
    let mut worst = within;
    for (leaving, entering) in lost.iter().zip(lost.iter().skip(window)) {
        within = within + usize::from(*entering) - usize::from(*leaving);
        worst = worst.max(within);
    }
    ratio(worst, window)
}

/// Missing packets with less than [`GMIN`] received ones between any two neighbours.
struct Cluster {
    start: usize,
    end: usize,
    missing: usize,
}

fn clusters(missing: &[bool]) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for (place, _) in missing.iter().enumerate().filter(|(_, is_missing)| **is_missing) {
        match clusters.last_mut() {
            Some(last) if place - last.end < GMIN => {
                last.end = place + 1;
                last.missing += 1;
            }
            Some(_) | None => clusters.push(Cluster { start: place, end: place + 1, missing: 1 }),
        }
    }
    clusters
}

/// All periods of one kind.
#[derive(Default)]
struct Periods {
    count: usize,
    packets: usize,
    missing: usize,
}

impl Periods {
    fn add(&mut self, period: &[bool]) {
        self.count += usize::from(!period.is_empty());
        self.packets += period.len();
        self.missing += missing_in(period);
    }

    fn density(&self) -> Option<f64> {
        ratio(self.missing, self.packets)
    }

    fn mean_duration(&self, frame: Duration) -> Option<Duration> {
        let packets = u128::try_from(self.packets).ok()?;
        let total = frame.as_nanos().saturating_mul(packets);
        total.checked_div(u128::try_from(self.count).ok()?).map(from_nanos)
    }
}

fn burst_r(missing: &[bool]) -> f64 {
    let starts = missing.iter().zip([false].iter().chain(missing));
    let runs = starts.filter(|(is_missing, before)| **is_missing && !**before).count();
    let lost = missing_in(missing);
    match (ratio(lost, runs), ratio(lost, missing.len())) {
        (Some(observed), Some(rate)) => (observed * (1.0 - rate)).max(1.0),
        (None, _) | (_, None) => 1.0,
    }
}

fn missing_in(packets: &[bool]) -> usize {
    packets.iter().filter(|is_missing| **is_missing).count()
}

/// The share of `part` in `whole`; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 packets")]
pub(super) fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
