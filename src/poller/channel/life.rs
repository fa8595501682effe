//! The life of a channel: when it counts as dead, when it is renewed, when the next one is opened.

use std::time::{Duration, Instant};

/// For so long a channel may say nothing; the vendor's heartbeats come about every 30 s.
const SILENCE: Duration = Duration::from_secs(90);

/// After so much silence we ask for a sign of life, and again.
const PING: Duration = Duration::from_secs(40);

/// For how long the vendor keeps a channel, as far as it does not say.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The least that it is believed to keep one.
const SHORTEST: Duration = Duration::from_secs(60);

/// The longest wait from one attempt to the next.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A channel that ends before has been taken away from us.
const BRIEF: Duration = Duration::from_secs(600);

/// So many brief channels in a row say that others take them.
const TAKEN: u32 = 3;

/// How long we then leave the channels to the others.
const REST: Duration = Duration::from_secs(3600);

/// Two hundred messages a second, for ever, are more than any office has news.
const SPACING: Duration = Duration::from_millis(5);

/// How many messages may come at once: one for each topic, twice.
const BURST: u32 = 2000;

/// What an open channel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing before this moment.
    NothingUntil(Instant),
    /// That we ask whether it is alive.
    Ping,
    /// That we subscribe again, before it expires.
    Renewal,
    /// Nothing any more: it is dead.
    Burial,
}

/// How much an open channel says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// When what was said would be in proportion, if nothing more came.
    settled: Instant,
}

impl Flow {
    /// Nothing was said before `now`.
    pub(super) const fn new(now: Instant) -> Self {
        Self { settled: now }
    }

    /// Notes a message; whether there are by now more than anybody needs.
    pub(super) fn is_flood(&mut self, now: Instant) -> bool {
        self.settled = self.settled.max(now) + SPACING;
        self.settled.saturating_duration_since(now) > SPACING * BURST
    }
}

/// The watch over an open channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    heard: Instant,
    pinged: Instant,
    renewal: Instant,
}

impl Watch {
    /// A channel that was opened at `now` and lives for `lifetime`; `share`, from 0 to 1, spreads
    /// the renewals of many agents.
    pub(super) fn new(now: Instant, lifetime: Option<Duration>, share: f64) -> Self {
        Self { heard: now, pinged: now, renewal: now + until_renewal(lifetime, share) }
    }

    /// It said something.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// We asked whether it is alive.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.pinged = now;
    }

    /// We subscribed again, for a lifetime of which the vendor says nothing.
    pub(super) fn renewed(&mut self, now: Instant, share: f64) {
        self.renewal = now + until_renewal(None, share);
    }

    /// What it needs at `now`.
    pub(super) fn need(&self, now: Instant) -> Need {
        let death = self.heard + SILENCE;
        let ping = self.heard.max(self.pinged) + PING;
        if now >= death {
            Need::Burial
        } else if now >= self.renewal {
            Need::Renewal
        } else if now >= ping {
            Need::Ping
        } else {
            Need::NothingUntil(death.min(self.renewal).min(ping))
        }
    }
}

/// Between 20 and 22 of 24 hours.
fn until_renewal(lifetime: Option<Duration>, share: f64) -> Duration {
    let lifetime = lifetime.unwrap_or(LIFETIME).clamp(SHORTEST, LIFETIME);
    lifetime.mul_f64((20.0 + 2.0 * share) / 24.0)
}

/// What became of the channels so far.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// How many in a row came to nothing or did not last.
    failures: u32,
    /// How many in a row were opened and soon taken away by the vendor.
    brief: u32,
}

/// How long to wait for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) wait: Duration,
    /// Whether others seem to take our channels, so that we leave them alone.
    pub(super) is_rest: bool,
}

impl Attempts {
    /// None could be opened.
    pub(super) fn failed(&mut self, share: f64) -> Pause {
        Pause { wait: self.back_off(share), is_rest: false }
    }

    /// One was open for so long, and is not any more; `is_taken`: since the vendor ended it, and not
    /// because the way to it broke.
    pub(super) fn ended(&mut self, lasted: Duration, is_taken: bool, share: f64) -> Pause {
        if lasted >= BRIEF {
            *self = Self::default();
            return Pause { wait: Duration::ZERO, is_rest: false };
        }
        self.brief += u32::from(is_taken);
        if is_taken && self.brief >= TAKEN {
            *self = Self::default();
            return Pause { wait: REST, is_rest: true };
        }
        Pause { wait: self.back_off(share), is_rest: false }
    }

    /// Full jitter between one second and a ceiling that grows with the failures.
    fn back_off(&mut self, share: f64) -> Duration {
        self.failures += 1;
        let shortest = Duration::from_secs(1);
        let ceiling = (shortest * (1 << self.failures.min(6))).min(LONGEST_WAIT);
        shortest + (ceiling - shortest).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Attempts, Flow, Need, Pause, Watch};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn hours(hours: u64) -> Duration {
        seconds(hours * 3600)
    }

    // F57
    #[test]
    fn two_thousand_messages_at_once_are_news_and_more_are_a_flood() {
        let start = Instant::now();
        let mut flow = Flow::new(start);

        let first = (0..5000).find(|_| flow.is_flood(start));
        let mut steady = Flow::new(start);
        let is_steady_a_flood =
            (0..5000u32).any(|at| steady.is_flood(start + Duration::from_millis(5) * at));

        assert_eq!(first, Some(2000));
        assert!(!is_steady_a_flood, "200 a second");
    }

    #[test]
    fn a_silent_channel_is_asked_twice_and_dead_after_90_s() {
        let start = Instant::now();
        let mut watch = Watch::new(start, None, 0.5);

        assert_eq!(watch.need(start), Need::NothingUntil(start + seconds(40)));
        assert_eq!(watch.need(start + seconds(40)), Need::Ping);
        watch.pinged(start + seconds(40));
        assert_eq!(watch.need(start + seconds(79)), Need::NothingUntil(start + seconds(80)));
        assert_eq!(watch.need(start + seconds(80)), Need::Ping);
        watch.pinged(start + seconds(80));
        assert_eq!(watch.need(start + seconds(89)), Need::NothingUntil(start + seconds(90)));
        assert_eq!(watch.need(start + seconds(90)), Need::Burial);
    }

    #[test]
    fn a_heartbeat_every_30_s_keeps_it_alive_without_a_question() {
        let start = Instant::now();
        let mut watch = Watch::new(start, None, 0.5);

        for beat in 1..1_000 {
            watch.heard(start + seconds(30 * beat));
            let need = watch.need(start + seconds(30 * beat + 29));

            assert!(matches!(need, Need::NothingUntil(_)), "{need:?} after {beat} heartbeats");
        }
    }

    #[test]
    fn it_is_renewed_between_20_and_22_h_and_again_a_day_later() {
        for (share, expected) in [(0.0, hours(20)), (0.5, hours(21)), (1.0, hours(22))] {
            let start = Instant::now();
            let mut watch = Watch::new(start, Some(hours(24)), share);

            watch.heard(start + expected);
            assert_eq!(watch.need(start + expected), Need::Renewal);
            watch.heard(start + expected - seconds(1));
            assert_ne!(watch.need(start + expected - seconds(1)), Need::Renewal);

            watch.renewed(start + expected, share);
            watch.heard(start + expected * 2);
            assert_eq!(watch.need(start + expected * 2), Need::Renewal);
        }
    }

    #[test]
    fn a_shorter_life_is_believed_and_an_absurd_one_is_not() {
        let start = Instant::now();

        let renewal = |lifetime| {
            let mut watch = Watch::new(start, Some(lifetime), 0.0);
            (0..100_u64).find(|minute| {
                let now = start + seconds(60 * minute);
                watch.heard(now);
                watch.need(now) == Need::Renewal
            })
        };

        assert_eq!(renewal(hours(1)), Some(50));
        assert_eq!(renewal(Duration::ZERO), Some(1), "as if it were a minute");
        assert_eq!(renewal(hours(10_000)), None, "as if it were a day");
    }

    #[test]
    fn attempts_that_fail_wait_between_1_and_60_s_with_growing_room() {
        let (mut least, mut most) = (Attempts::default(), Attempts::default());

        let waits: Vec<_> = (0..8).map(|_| most.failed(1.0).wait.as_secs()).collect();

        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert!((0..8).all(|_| least.failed(0.0).wait == seconds(1)));
    }

    #[test]
    fn three_brief_channels_in_a_row_make_us_rest_for_an_hour() {
        let mut attempts = Attempts::default();
        let rests: Vec<_> =
            (0..7).map(|_| attempts.ended(seconds(599), true, 0.5)).map(|it| it.is_rest).collect();

        assert_eq!(rests, [false, false, true, false, false, true, false]);
        let mut attempts = Attempts::default();
        attempts.ended(seconds(5), true, 0.5);
        attempts.failed(0.5);
        attempts.ended(seconds(5), true, 0.5);
        assert_eq!(
            attempts.ended(seconds(5), true, 0.5),
            Pause { wait: hours(1), is_rest: true },
            "an attempt that fails in between does not make them last"
        );
    }

    #[test]
    fn channels_that_break_are_opened_again_and_again_and_nobody_is_said_to_take_them() {
        let mut attempts = Attempts::default();

        let waits: Vec<_> = (0..8).map(|_| attempts.ended(seconds(5), false, 1.0)).collect();

        assert!(waits.iter().all(|it| !it.is_rest));
        assert_eq!(waits.last().map(|it| it.wait), Some(seconds(60)));
    }

    #[test]
    fn a_channel_that_lasted_is_followed_by_the_next_at_once_and_all_is_forgotten() {
        let mut attempts = Attempts::default();
        attempts.ended(seconds(5), true, 1.0);
        attempts.ended(seconds(5), true, 1.0);

        assert_eq!(
            attempts.ended(seconds(600), true, 1.0),
            Pause { wait: seconds(0), is_rest: false }
        );

        assert!(!attempts.ended(seconds(5), true, 1.0).is_rest);
        assert_eq!(attempts.failed(1.0).wait, seconds(4));
    }
}
