//! How durations are spread: percentiles, and the jitter of RFC 3550.

use std::time::Duration;

use crate::moment::Moment;

/// Durations in seven numbers.
///
/// A percentile is the nearest rank: of `n` durations in ascending order the one at place
/// ⌈percent × n / 100⌉, so each is a duration that was measured, and with less than a hundred of
/// them `p99` is the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// How many there are, at least one.
    pub count: usize,
    /// The shortest.
    pub min: Duration,
    /// The arithmetic mean, rounded down to a nanosecond.
    pub mean: Duration,
    /// The median.
    pub p50: Duration,
    /// 95 of a hundred are not longer.
    pub p95: Duration,
    /// 99 of a hundred are not longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Distribution {
    /// Sums up all durations; `None` where there is none. It keeps them all while it works, so the
    /// caller bounds their number.
    #[must_use]
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        let total: u128 = sorted.iter().map(Duration::as_nanos).sum();
        let count = u128::try_from(sorted.len()).ok()?;
        Some(Self {
            count: sorted.len(),
            min: *sorted.first()?,
            mean: from_nanos(total.checked_div(count)?),
            p50: percentile(&sorted, 50)?,
            p95: percentile(&sorted, 95)?,
            p99: percentile(&sorted, 99)?,
            max: *sorted.last()?,
        })
    }
}

/// The nearest rank of durations in ascending order: the shortest for 0 percent, the longest for
/// 100 and above, `None` of nothing.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: u8) -> Option<Duration> {
    let rank = sorted.len().saturating_mul(usize::from(percent)).div_ceil(100);
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied()
}

/// The interarrival jitter of [RFC 3550 §6.4.1], by the integers of its §A.8 with nanoseconds for
/// timestamp units.
///
/// It compares how long packets were under way, never when they came: a sender that keeps its
/// pace badly has no jitter because of that. Clocks of sender and receiver may differ, as long as
/// they run at the same speed.
///
/// [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1
#[derive(Clone, Debug, Default)]
pub struct Interarrival {
    /// How long the packet before was under way, in nanoseconds.
    transit: Option<i128>,
    /// Sixteen times the estimate, in nanoseconds; `None` before the second packet.
    sixteenfold: Option<u128>,
}

impl Interarrival {
    /// Takes the next packet in the order of arrival.
    pub fn arrived(&mut self, sent: Moment, received: Moment) {
        let transit = nanos(received) - nanos(sent);
        if let Some(before) = self.transit.replace(transit) {
            let estimate = self.sixteenfold.unwrap_or(0);
            let difference = transit.abs_diff(before);
            self.sixteenfold = Some(estimate + difference - ((estimate + 8) >> 4));
        }
    }

    /// The estimate after the packets so far, within a nanosecond; `None` before the second.
    #[must_use]
    pub fn jitter(&self) -> Option<Duration> {
        self.sixteenfold.map(|estimate| from_nanos((estimate + 8) >> 4))
    }
}

/// A moment in nanoseconds: at most 2⁹⁴, so that differences and their sixteenfold sums fit.
fn nanos(moment: Moment) -> i128 {
    i128::try_from(moment.elapsed().as_nanos()).unwrap_or(i128::MAX / 2)
}

/// A duration of so many nanoseconds, or of the 584 years that 64 bits of them hold.
pub(super) fn from_nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
