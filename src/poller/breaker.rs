//! The breaker: a service that fails again and again is left alone for a while.

use std::time::{Duration, Instant};

use super::failed::Failed;

/// So many requests in a row come to nothing before nobody asks any more.
const FAILURES: u32 = 5;

/// How long nobody asks, until one request finds out how things are.
const REST: Duration = Duration::from_secs(60);

/// Whether requests leave, from what became of those before.
#[derive(Default)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<Open>,
}

/// Nobody asks until a moment.
struct Open {
    why: Failed,
    until: Instant,
}

/// What a request that wants to leave may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Try, and try again.
    Freely,
    /// Try once, for all.
    Once,
}

impl Breaker {
    /// Whether a request may leave; what opened the breaker where none may.
    pub(super) fn ask(&mut self, now: Instant) -> Result<Leave, Failed> {
        match &mut self.open {
            None => Ok(Leave::Freely),
            Some(open) if now < open.until => Err(open.why.clone()),
            Some(open) => {
                open.until = now + REST;
                Ok(Leave::Once)
            }
        }
    }

    /// A request was answered, whatever the answer said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// A request came to nothing.
    pub(super) fn failed(&mut self, why: &Failed, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.open = Some(Open { why: why.clone(), until: now + REST });
        }
    }

    /// Whether nobody asks.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Breaker, Leave};
    use crate::poller::failed::Failed;
    use crate::telephony::ApiProblem;

    fn failed() -> Failed {
        Failed::from(ApiProblem::Server { path: "/phones", status: 503 })
    }

    fn broken(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failed(&failed(), now);
        }
        breaker
    }

    // F13
    #[test]
    fn it_opens_after_five_failures_in_a_row_and_an_answer_ends_the_row() {
        let now = Instant::now();
        let mut breaker = Breaker::default();

        for _ in 0..4 {
            breaker.failed(&failed(), now);
        }
        breaker.answered();
        for _ in 0..4 {
            breaker.failed(&failed(), now);
            assert_eq!(breaker.ask(now).ok(), Some(Leave::Freely));
        }
        breaker.failed(&failed(), now);

        assert_eq!(breaker.ask(now).map_err(|why| why.problem), Err(failed().problem));
        assert!(breaker.is_open());
    }

    // F13
    #[test]
    fn one_request_a_minute_finds_out_how_things_are() {
        let start = Instant::now();
        let mut breaker = broken(start);
        let asked: Vec<u64> = (0..200)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                let may_leave = breaker.ask(now).is_ok_and(|leave| leave == Leave::Once);
                if may_leave {
                    breaker.failed(&failed(), now);
                }
                may_leave
            })
            .collect();

        assert_eq!(asked, [60, 120, 180]);
    }

    // F13
    #[test]
    fn one_answer_closes_it() {
        let start = Instant::now();
        let mut breaker = broken(start);
        let later = start + Duration::from_secs(60);

        assert_eq!(breaker.ask(later).ok(), Some(Leave::Once));
        breaker.answered();

        assert_eq!(breaker.ask(later).ok(), Some(Leave::Freely));
        assert!(!breaker.is_open());
    }
}
