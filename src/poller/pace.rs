//! When the next request may leave: the vendor's pauses, our budget, and the back-off.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::gauge;
use rand::rngs::{StdRng, SysError, SysRng};
use rand::{RngExt, SeedableRng};

use super::allowance::Scarcity;

/// The longest pause that a request waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The shortest and the longest pause that the vendor can ask for.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15 * 60));

/// The part of a pause that is added to it at most, so that many agents do not return together.
const JITTER: f64 = 0.2;

/// One request every 0.4 s is 150 a minute; with the burst on top, no minute has more than 180,
/// which is 60 % of the 300 that the vendor grants a token.
const SPACING: Duration = Duration::from_millis(400);

/// How many requests may leave at once after a quiet time.
const BURST: u32 = 30;

/// The ceilings of the first and the second back-off.
const CEILINGS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];

/// The gauge of requests that may leave at once.
pub(super) const BUDGET: &str = "branchline_telephony_api_budget_left";

/// The gauge that is 1 while the vendor makes us wait or slow down.
pub(super) const PAUSED: &str = "branchline_telephony_api_paused";

/// A monotonic clock on which every wait can be made shorter.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
    haste: u32,
}

impl Clock {
    /// A clock that runs `haste` times as fast as the real one.
    pub(super) fn new(haste: u32) -> Self {
        Self { start: Instant::now(), haste: haste.max(1) }
    }

    /// The moment it is.
    pub(super) fn now(&self) -> Instant {
        self.start + self.start.elapsed() * self.haste
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait / self.haste).await;
    }
}

/// The gate through which every request of the client passes.
pub(super) struct Pace {
    clock: Clock,
    gate: Mutex<Gate>,
    chance: Mutex<StdRng>,
}

impl Pace {
    /// An open gate.
    pub(super) fn new(clock: Clock) -> Result<Self, SysError> {
        let chance = StdRng::try_from_rng(&mut SysRng)?;
        let gate = Gate::new(clock.now());
        Ok(Self { clock, gate: Mutex::new(gate), chance: Mutex::new(chance) })
    }

    /// The clock by which the gate opens and closes.
    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Waits until a request may leave; the rest of the pause when that is too long to wait.
    pub(super) async fn turn(&self) -> Result<(), Duration> {
        loop {
            let turn = {
                let mut gate = held(&self.gate);
                let now = self.clock.now();
                let turn = gate.turn(now);
                gate.export(now);
                turn
            };
            match turn {
                Turn::Go => return Ok(()),
                Turn::Wait(wait) => self.clock.sleep(wait).await,
                Turn::Paused(rest) => return Err(rest),
            }
        }
    }

    /// Lets no request leave for as long as the vendor asks; how long that is, before jitter.
    pub(super) fn pause(&self, asked: Duration) -> Duration {
        let pause = asked.clamp(PAUSES.0, PAUSES.1);
        let jitter = pause.mul_f64(held(&self.chance).random_range(0.0..=JITTER));
        let mut gate = held(&self.gate);
        let now = self.clock.now();
        gate.pause(now + pause + jitter);
        gate.export(now);
        pause
    }

    /// Makes what is left of the vendor's window last, where it says that little is left.
    pub(super) fn heed(&self, scarcity: Option<Scarcity>) {
        if let Some(Scarcity { rest, spacing }) = scarcity {
            held(&self.gate).slow_down(self.clock.now(), rest, spacing);
        }
    }

    /// Waits before the retry that follows the failure number `failure`, counted from 0.
    pub(super) async fn back_off(&self, failure: usize) {
        let share = held(&self.chance).random_range(0.0..=1.0);
        self.clock.sleep(back_off(failure, share)).await;
    }
}

/// What a request that wants to leave is told.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Go,
    Wait(Duration),
    Paused(Duration),
}

struct Gate {
    paused_until: Instant,
    /// When the budget would be whole again if nothing more left.
    settled: Instant,
    slow: Option<Slow>,
}

/// Until the vendor's window is over, requests leave further apart.
struct Slow {
    until: Instant,
    spacing: Duration,
    /// Before this moment none leaves.
    next: Instant,
}

impl Gate {
    const fn new(now: Instant) -> Self {
        Self { paused_until: now, settled: now, slow: None }
    }

    fn turn(&mut self, now: Instant) -> Turn {
        let rest = self.paused_until.saturating_duration_since(now);
        if rest > PATIENCE.mul_f64(1.0 + JITTER) {
            return Turn::Paused(rest);
        }
        if !rest.is_zero() {
            return Turn::Wait(rest);
        }
        let debt = self.settled.saturating_duration_since(now);
        let allowed = SPACING * (BURST - 1);
        if debt > allowed {
            return Turn::Wait(debt - allowed);
        }
        self.slow = self.slow.take().filter(|slow| now < slow.until);
        if let Some(slow) = &mut self.slow {
            let rest = slow.next.min(slow.until).saturating_duration_since(now);
            if rest > PATIENCE {
                return Turn::Paused(rest);
            }
            if !rest.is_zero() {
                return Turn::Wait(rest);
            }
            slow.next = now + slow.spacing;
        }
        self.settled = self.settled.max(now) + SPACING;
        Turn::Go
    }

    fn slow_down(&mut self, now: Instant, rest: Duration, spacing: Duration) {
        let next = self.slow.as_ref().map_or(now + spacing, |slow| slow.next.min(now + spacing));
        self.slow = Some(Slow { until: now + rest, spacing, next });
    }

    /// How many requests may leave at once.
    fn left(&self, now: Instant) -> f64 {
        let debt = self.settled.saturating_duration_since(now);
        (f64::from(BURST) - debt.div_duration_f64(SPACING)).max(0.0).floor()
    }

    fn export(&self, now: Instant) {
        let is_slow = self.slow.as_ref().is_some_and(|slow| now < slow.until);
        let is_paused = now < self.paused_until;
        gauge!(BUDGET).set(if is_paused { 0.0 } else { self.left(now) });
        gauge!(PAUSED).set(if is_paused || is_slow { 1.0 } else { 0.0 });
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(until);
    }
}

/// Full jitter between one second and a ceiling that grows with the failures.
fn back_off(failure: usize, share: f64) -> Duration {
    let [.., last] = CEILINGS;
    let ceiling = CEILINGS.get(failure).copied().unwrap_or(last);
    PAUSES.0 + (ceiling - PAUSES.0).mul_f64(share)
}

/// A gate that a panicking thread left behind is still whole: no method can panic half-way.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Gate, Turn, back_off};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    // F12
    #[test]
    fn nothing_leaves_during_a_pause_and_a_shorter_pause_does_not_end_it() {
        let start = Instant::now();
        let mut gate = Gate::new(start);

        gate.pause(start + seconds(20));
        gate.pause(start + seconds(5));

        assert_eq!(gate.turn(start), Turn::Wait(seconds(20)));
        assert_eq!(gate.turn(start + seconds(19)), Turn::Wait(seconds(1)));
        assert_eq!(gate.turn(start + seconds(20)), Turn::Go);
    }

    // F12
    #[test]
    fn a_pause_beyond_our_patience_is_not_waited_for() {
        let start = Instant::now();
        let mut gate = Gate::new(start);

        gate.pause(start + seconds(900));

        assert_eq!(gate.turn(start), Turn::Paused(seconds(900)));
    }

    #[test]
    fn at_most_180_requests_leave_in_any_minute() {
        let start = Instant::now();
        let mut gate = Gate::new(start);
        let mut now = start;
        let mut left = Vec::new();

        while now < start + seconds(180) {
            match gate.turn(now) {
                Turn::Go => left.push(now),
                Turn::Wait(wait) => now += wait,
                Turn::Paused(rest) => panic!("paused for {rest:?} although nobody asked"),
            }
        }

        for first in &left {
            let minute = left.iter().filter(|at| *at >= first && **at < *first + seconds(60));
            assert!(minute.count() <= 180);
        }
        assert!(left.len() > 450, "the budget is used: {}", left.len());
    }

    #[test]
    fn what_is_left_of_the_vendors_window_is_spent_evenly_until_it_is_over() {
        let start = Instant::now();
        let mut gate = Gate::new(start);
        let mut left = Vec::new();

        gate.slow_down(start, seconds(20), seconds(5));
        let mut now = start;
        while now < start + seconds(22) {
            match gate.turn(now) {
                Turn::Go => left.push(now.duration_since(start).as_secs()),
                Turn::Wait(wait) => now += wait,
                Turn::Paused(rest) => panic!("paused for {rest:?} although the window is short"),
            }
        }

        assert_eq!(left.iter().filter(|at| **at < 20).copied().collect::<Vec<_>>(), [5, 10, 15]);
        assert!(left.len() > 30, "then the budget is ours again: {}", left.len());
    }

    #[test]
    fn answers_that_repeat_the_warning_do_not_put_the_next_request_off() {
        let start = Instant::now();
        let mut gate = Gate::new(start);

        for second in 0..5 {
            gate.slow_down(start + seconds(second), seconds(20), seconds(5));
        }

        assert_eq!(gate.turn(start + seconds(5)), Turn::Go);
    }

    #[test]
    fn the_budget_left_is_what_may_leave_at_once() {
        let start = Instant::now();
        let mut gate = Gate::new(start);

        let before = gate.left(start);
        for _ in 0..30 {
            assert_eq!(gate.turn(start), Turn::Go);
        }

        assert_eq!((before, gate.left(start)), (30.0, 0.0));
        assert_eq!(gate.left(start + seconds(2)), 5.0, "one every 0.4 s");
    }

    // F13
    #[test]
    fn the_back_off_lies_between_1_and_30_s_and_its_room_grows() {
        assert_eq!(back_off(0, 0.0), seconds(1));
        assert_eq!(back_off(1, 0.0), seconds(1));
        assert!(back_off(0, 1.0) < back_off(1, 1.0));
        assert_eq!(back_off(1, 1.0), seconds(30));
    }
}
