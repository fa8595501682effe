//! `Replays`: which webhooks were heard already.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Refusal;

/// What was signed: the moment and the body, the id within it included, however the signature was
/// written and whichever secret made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark([u8; 16]);

impl Mark {
    /// That of a body that was sent at this moment.
    #[must_use]
    pub fn of(timestamp: u64, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(timestamp.to_be_bytes());
        hash.update(body);
        let mut mark = [0; 16];
        mark.copy_from_slice(&hash.finalize()[..16]);
        Self(mark)
    }
}

/// Which webhooks were heard in the last 600 s.
#[derive(Debug, Default)]
pub struct Replays {
    heard: BTreeSet<Mark>,
    /// The same in the order in which they came, with when that was and when they say they were sent.
    order: VecDeque<(Duration, u64, Mark)>,
    /// The latest moment of sending of those that are forgotten. What was sent before may be one of
    /// them: it is within the window again only where the clock was set back.
    forgotten: Option<u64>,
}

impl Replays {
    /// Remembers a webhook that comes at `now` and says it was sent at `timestamp`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] where it was heard before, or may have been, or cannot be remembered.
    pub fn hear(&mut self, mark: Mark, timestamp: u64, now: Duration) -> Result<(), Refusal> {
        self.forget(now);
        if self.heard.contains(&mark) {
            return Err(Refusal::Replay);
        }
        if self.forgotten.is_some_and(|latest| timestamp <= latest) {
            return Err(Refusal::Window);
        }
        if self.heard.len() >= MOST {
            return Err(Refusal::Full);
        }
        self.heard.insert(mark);
        self.order.push_back((now, timestamp, mark));
        Ok(())
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heard.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }

    fn forget(&mut self, now: Duration) {
        while let Some((heard, timestamp, mark)) = self.order.front().copied() {
            // Twice the longest window: sent at its end and heard at its beginning.
            if now.saturating_sub(heard) <= KEPT {
                return;
            }
            self.order.pop_front();
            self.heard.remove(&mark);
            self.forgotten = self.forgotten.max(Some(timestamp));
        }
    }
}

/// How long a webhook is remembered (D-HOOK-2).
pub(super) const KEPT: Duration = Duration::from_secs(600);
/// How many are remembered (D-HOOK-2).
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MOST, Mark, Replays};
    use crate::webhook::Refusal;

    const SECOND: Duration = Duration::from_secs(1);

    fn mark(number: u64) -> Mark {
        Mark::of(1_800_000_000, &number.to_be_bytes())
    }

    // D-HOOK-2
    #[test]
    fn what_was_heard_is_refused_for_ten_minutes() {
        let mut replays = Replays::default();
        assert_eq!(replays.hear(mark(1), 1_800_000_000, SECOND), Ok(()));

        for later in [1, 2, 300, 600, 601] {
            let again = replays.hear(mark(1), 1_800_000_000, SECOND * later);
            assert_eq!(again, Err(Refusal::Replay), "{later}");
        }
    }

    // D-HOOK-2, F24
    #[test]
    fn what_is_forgotten_is_not_heard_anew_when_the_clock_is_set_back() {
        let mut replays = Replays::default();
        assert_eq!(replays.hear(mark(1), 1_800_000_000, SECOND), Ok(()));

        let again = replays.hear(mark(1), 1_800_000_000, SECOND * 1000);

        assert_eq!(again, Err(Refusal::Window));
        assert_eq!(replays.hear(mark(2), 1_800_000_001, SECOND * 1000), Ok(()));
    }

    // D-HOOK-2
    #[test]
    fn a_hundred_thousand_take_bounded_room_and_there_is_room_again_later() {
        let mut replays = Replays::default();
        let heard = (0..100_000).map(|number| replays.hear(mark(number), 1_800_000_000, SECOND));
        let refused = heard.filter(|heard| *heard == Err(Refusal::Full)).count();

        assert_eq!((replays.len(), refused), (10_000, 90_000));
        assert_eq!(MOST, 10_000);
        assert_eq!(replays.hear(mark(200_000), 1_800_000_700, SECOND * 700), Ok(()));
        assert_eq!(replays.len(), 1);
    }
}
