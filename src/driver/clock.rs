//! From the kernel's time stamps to moments of one exchange.

use std::time::{Duration, Instant, SystemTime};

use branchline_probes::{Moment, Stamp};

/// The beginning of one exchange, by the program's steady clock and by the kernel's wall clock.
pub(super) struct Clock {
    steady: Instant,
    wall: SystemTime,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// Now, by the program's steady clock.
    pub(super) fn now(&self) -> Moment {
        Moment::after(self.steady.elapsed())
    }

    /// When a timer has to fire for `moment`.
    pub(super) fn instant(&self, moment: Moment) -> tokio::time::Instant {
        (self.steady + moment.elapsed()).into()
    }

    /// The moment of a kernel's stamp, given as time since the epoch; where there is none, or the
    /// wall clock was set meanwhile, the program's own view.
    pub(super) fn moment(&self, stamp: Option<Duration>) -> (Moment, Stamp) {
        let elapsed = self.steady.elapsed();
        let by_wall = self.wall.elapsed().unwrap_or_default();
        let kernel = stamp
            .filter(|_| by_wall.abs_diff(elapsed) <= TOLERANCE)
            .and_then(|stamp| (SystemTime::UNIX_EPOCH + stamp).duration_since(self.wall).ok())
            .filter(|since| *since <= elapsed + TOLERANCE);
        match kernel {
            Some(since) => (Moment::after(since), Stamp::Kernel),
            None => (Moment::after(elapsed), Stamp::Program),
        }
    }
}

/// How far the two clocks may drift apart in one exchange: 40 s at 500 ppm, the fastest rate at
/// which a clock is slewed (`adjtimex(2)`), is 20 ms; what steps is off by more or does no harm.
const TOLERANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::Clock;
    use branchline_probes::Stamp;
    use std::time::{Duration, Instant, SystemTime};

    fn since_epoch(time: SystemTime) -> Duration {
        time.duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970")
    }

    #[test]
    fn a_kernel_stamp_is_a_moment_since_the_start() {
        let wall = SystemTime::now() - Duration::from_secs(2);
        let clock = Clock { steady: Instant::now() - Duration::from_secs(2), wall };

        let (moment, stamp) = clock.moment(Some(since_epoch(wall + Duration::from_secs(1))));

        assert_eq!((moment.elapsed(), stamp), (Duration::from_secs(1), Stamp::Kernel));
    }

    // F21
    #[test]
    fn after_a_step_of_the_wall_clock_stamps_are_the_programs() {
        let now = SystemTime::now();
        let stepped = now - Duration::from_secs(7_200);
        let clock = Clock { steady: Instant::now(), wall: stepped };

        assert_eq!(clock.moment(Some(since_epoch(now))).1, Stamp::Program);
    }

    #[test]
    fn a_stamp_from_before_the_start_is_not_believed() {
        let clock = Clock::start();
        let early = since_epoch(clock.wall - Duration::from_secs(1));

        assert_eq!(clock.moment(Some(early)).1, Stamp::Program);
        assert_eq!(clock.moment(None).1, Stamp::Program);
    }
}
