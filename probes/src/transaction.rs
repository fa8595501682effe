//! Retransmission: when to send a request again over an unreliable transport, and when to stop.

use std::time::Duration;

use crate::moment::Moment;

/// The first interval between two transmissions of a STUN request. RFC 8489 §6.2.1: "it SHOULD be
/// 500 ms or greater".
pub(crate) const STUN_RTO: Duration = Duration::from_millis(500);
/// How long a STUN response is waited for over a stream, where there is one transmission.
/// RFC 8489 §6.2.2: Ti = 39.5 s.
pub(crate) const STUN_TI: Duration = Duration::from_millis(39_500);

/// What a transaction's timer says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send the request now.
    Transmit,
    /// Nothing is due before this moment.
    Wait(Moment),
    /// The schedule is over: nothing more is sent or waited for.
    GiveUp,
}

/// The timer of one transaction.
///
/// The first transmission is due at the moment with which the timer was made.
#[derive(Clone, Debug)]
pub struct Retransmission {
    interval: Duration,
    growth: Growth,
    next: Option<Moment>,
    remaining: u32,
    transmissions: u32,
    end: Moment,
}

/// How the interval changes after each retransmission.
#[derive(Clone, Copy, Debug)]
enum Growth {
    Doubling,
    DoublingUpTo(Duration),
    Constant,
}

impl Retransmission {
    /// STUN over UDP: the requests leave after 0, 1, 3, 7, 15, 31 and 63 times `rto`, and the
    /// transaction is over 16 × `rto` after the last ([RFC 8489 §6.2.1]: Rc = 7, Rm = 16). With
    /// an `rto` of 500 ms that is at 39.5 s.
    ///
    /// [RFC 8489 §6.2.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1
    #[must_use]
    pub fn stun(start: Moment, rto: Duration) -> Self {
        const RC: u32 = 7;
        const RM: u32 = 16;
        let last = rto.saturating_mul((1 << (RC - 1)) - 1);
        let end = last.saturating_add(rto.saturating_mul(RM));
        Self::new(start, rto, Growth::Doubling, RC, end)
    }

    /// STUN over UDP with less patience, for one request of many: Rc = 4 and Rm = 4 in place of
    /// the defaults ([RFC 8489 §6.2.1] leaves both to configuration). The requests leave after 0,
    /// 1, 3 and 7 times `rto`, and the transaction is over after 11 times; with an `rto` of
    /// 500 ms that is at 5.5 s.
    ///
    /// [RFC 8489 §6.2.1]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1
    #[must_use]
    pub fn stun_brief(start: Moment, rto: Duration) -> Self {
        Self::new(start, rto, Growth::Doubling, 4, rto.saturating_mul(11))
    }

    /// A SIP request other than INVITE over UDP: Timer E starts at T1 and doubles up to T2, Timer
    /// F ends the transaction after 64 × T1 ([RFC 3261 §17.1.2.2]). With T1 = 500 ms and T2 = 4 s
    /// there are at most eleven transmissions, and the end is at 32 s.
    ///
    /// [RFC 3261 §17.1.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.2.2
    #[must_use]
    pub fn sip(start: Moment) -> Self {
        Self::new(start, SIP_T1, Growth::DoublingUpTo(SIP_T2), u32::MAX, SIP_TIMER_F)
    }

    /// The same with less patience, where silence is no surprise: the transmissions at 0, 500,
    /// 1,500 and 3,500 ms, and the end where the fifth would be, at 7.5 s.
    #[must_use]
    pub fn sip_brief(start: Moment) -> Self {
        Self::new(start, SIP_T1, Growth::DoublingUpTo(SIP_T2), 4, SIP_T1 * 15)
    }

    /// DNS over UDP: `attempts` queries (at least one), `interval` apart, and `interval` of patience after the
    /// last. A stub resolver's habit is 2 attempts, 5 s apart (`resolv.conf(5)`: `attempts`,
    /// `timeout`).
    #[must_use]
    pub fn dns(start: Moment, interval: Duration, attempts: u32) -> Self {
        let attempts = attempts.max(1);
        Self::new(start, interval, Growth::Constant, attempts, interval.saturating_mul(attempts))
    }

    /// A stream delivers by itself: one transmission, then patience for `patience`.
    #[must_use]
    pub fn reliable(start: Moment, patience: Duration) -> Self {
        Self::new(start, patience, Growth::Constant, 1, patience)
    }

    fn new(start: Moment, interval: Duration, growth: Growth, most: u32, end: Duration) -> Self {
        Self {
            interval,
            growth,
            next: Some(start),
            remaining: most,
            transmissions: 0,
            end: start + end,
        }
    }

    /// What is due at `now`. After [`Due::Transmit`] ask again: a busy host may be late, and then
    /// each missed transmission is skipped rather than sent in a burst.
    pub fn due(&mut self, now: Moment) -> Due {
        if now >= self.end {
            return Due::GiveUp;
        }
        match self.next {
            Some(next) if next <= now => {
                self.transmissions += 1;
                self.remaining -= 1;
                self.schedule(next, now);
                Due::Transmit
            }
            Some(next) => Due::Wait(next.min(self.end)),
            None => Due::Wait(self.end),
        }
    }

    fn schedule(&mut self, mut sent: Moment, now: Moment) {
        loop {
            let next = sent + self.interval;
            self.interval = match self.growth {
                Growth::Doubling => self.interval.saturating_mul(2),
                Growth::DoublingUpTo(most) => self.interval.saturating_mul(2).min(most),
                Growth::Constant => self.interval,
            };
            self.next = (self.remaining > 0 && next < self.end).then_some(next);
            if self.next.is_none_or(|next| next > now) {
                return;
            }
            self.remaining -= 1;
            sent = next;
        }
    }

    /// A provisional response came: from the next retransmission on the interval is T2
    /// ([RFC 3261 §17.1.2.2], state "Proceeding").
    ///
    /// [RFC 3261 §17.1.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.2.2
    pub fn proceed(&mut self) {
        self.interval = SIP_T2;
        self.growth = Growth::Constant;
    }

    /// How many transmissions were due so far.
    #[must_use]
    pub const fn transmissions(&self) -> u32 {
        self.transmissions
    }

    /// When the schedule ends by itself.
    #[must_use]
    pub const fn end(&self) -> Moment {
        self.end
    }
}

/// T1, the round-trip estimate ([RFC 3261 §17.1.1.1](https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1.1)).
const SIP_T1: Duration = Duration::from_millis(500);
/// T2, the longest interval between retransmissions ([RFC 3261 §17.1.2.2](https://www.rfc-editor.org/rfc/rfc3261#section-17.1.2.2)).
const SIP_T2: Duration = Duration::from_secs(4);
/// Timer F, 64 × T1 ([RFC 3261 §17.1.2.2](https://www.rfc-editor.org/rfc/rfc3261#section-17.1.2.2)).
pub(crate) const SIP_TIMER_F: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::{Due, Moment, Retransmission};
    use std::time::Duration;

    fn run(timer: &mut Retransmission) -> (Vec<u128>, u128) {
        let mut now = Moment::START;
        let mut sent = Vec::new();
        loop {
            match timer.due(now) {
                Due::Transmit => sent.push(now.elapsed().as_millis()),
                Due::Wait(until) => now = until,
                Due::GiveUp => return (sent, now.elapsed().as_millis()),
            }
        }
    }

    #[test]
    fn given_silence_stun_sends_seven_requests_and_gives_up_at_39_5_s() {
        let mut timer = Retransmission::stun(Moment::START, Duration::from_millis(500));

        let (sent, end) = run(&mut timer);

        assert_eq!(sent, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(end, 39_500);
        assert_eq!(timer.transmissions(), 7);
    }

    #[test]
    fn given_silence_brief_stun_sends_four_requests_and_gives_up_at_5_5_s() {
        let mut timer = Retransmission::stun_brief(Moment::START, Duration::from_millis(500));

        assert_eq!(run(&mut timer), (vec![0, 500, 1_500, 3_500], 5_500));
    }

    #[test]
    fn given_silence_sip_sends_eleven_requests_and_gives_up_at_32_s() {
        let (sent, end) = run(&mut Retransmission::sip(Moment::START));

        assert_eq!(
            sent,
            [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
        );
        assert_eq!(end, 32_000);
    }

    #[test]
    fn given_silence_brief_sip_sends_four_requests_and_gives_up_at_7_5_s() {
        let mut timer = Retransmission::sip_brief(Moment::START);

        assert_eq!(run(&mut timer), (vec![0, 500, 1_500, 3_500], 7_500));
    }

    #[test]
    fn a_provisional_response_slows_sip_to_one_request_every_4_s() {
        let mut timer = Retransmission::sip(Moment::START);
        assert_eq!(timer.due(Moment::START), Due::Transmit);

        timer.proceed();
        let (sent, end) = run(&mut timer);

        // Timer E, already running, fires at 500 ms; from then on it is T2.
        assert_eq!(sent, [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500]);
        assert_eq!(end, 32_000);
    }

    #[test]
    fn given_silence_dns_asks_twice_and_gives_up_after_10_s() {
        let mut timer = Retransmission::dns(Moment::START, Duration::from_secs(5), 2);

        assert_eq!(run(&mut timer), (vec![0, 5_000], 10_000));
    }

    #[test]
    fn a_stream_is_asked_once() {
        let mut timer = Retransmission::reliable(Moment::START, Duration::from_secs(32));

        assert_eq!(run(&mut timer), (vec![0], 32_000));
    }

    #[test]
    fn a_host_that_slept_sends_one_request_and_not_a_burst() {
        let mut timer = Retransmission::stun(Moment::START, Duration::from_millis(500));
        assert_eq!(timer.due(Moment::START), Due::Transmit);

        let late = Moment::after(Duration::from_secs(10));

        assert_eq!(timer.due(late), Due::Transmit);
        assert_eq!(timer.due(late), Due::Wait(Moment::after(Duration::from_millis(15_500))));
    }
}
