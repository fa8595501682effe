//! `Queue`: what is still to be told, in order of each subject, for as long as it is worth it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Events that wait to be heard. Moments are the time since the beginning.
#[derive(Debug, Default)]
pub struct Queue {
    /// The oldest first.
    items: VecDeque<Item>,
    next_key: u64,
    /// Whether each is tried once more and not kept.
    is_last_round: bool,
}

#[derive(Debug)]
struct Item {
    key: u64,
    subject: String,
    body: Arc<[u8]>,
    queued: Duration,
    due: Duration,
    failures: u32,
    is_in_flight: bool,
}

/// One event that is to be sent now.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// By which its outcome is told.
    pub key: u64,
    /// The envelope, the same at every attempt.
    pub body: Arc<[u8]>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was heard.
    Delivered,
    /// It is not wanted, and will not be wanted later.
    Refused,
    /// It may be heard another time, not before the wait that was asked for is over.
    Failed {
        /// How long the other side wants to be left alone.
        wait: Option<Duration>,
    },
}

/// What becomes of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was heard.
    Delivered,
    /// It is not wanted.
    Refused,
    /// It is tried again later.
    Again,
    /// It is given up.
    GivenUp,
}

impl Queue {
    /// How many events wait, those under way included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes an event; gives whether another one was dropped for it.
    pub fn push(&mut self, subject: String, body: Vec<u8>, now: Duration) -> bool {
        let is_full = self.items.len() >= MOST;
        if is_full && let Some(place) = self.most_dispensable(&subject) {
            self.items.remove(place);
        }
        let key = self.next_key;
        self.next_key += 1;
        self.items.push_back(Item {
            key,
            subject,
            body: body.into(),
            queued: now,
            due: now,
            failures: 0,
            is_in_flight: false,
        });
        is_full
    }

    /// The oldest event of a subject of which there is a newer one; else the oldest.
    fn most_dispensable(&self, coming: &str) -> Option<usize> {
        let mut left: BTreeMap<&str, usize> = BTreeMap::from([(coming, 1)]);
        for item in &self.items {
            *left.entry(&item.subject).or_default() += 1;
        }
        let can_go = |(_, item): &(usize, &Item)| !item.is_in_flight;
        let waiting = || self.items.iter().enumerate().filter(can_go);
        let has_newer = |(_, item): &(usize, &Item)| {
            left.get(item.subject.as_str()).is_some_and(|count| *count > 1)
        };
        // Of one subject the first that is met is the oldest, so that a newer one follows.
        waiting().find(has_newer).or_else(|| waiting().next()).map(|(place, _)| place)
    }

    /// The event that is to be sent now: of each subject the oldest, and not many at once.
    pub fn attempt(&mut self, now: Duration) -> Option<Attempt> {
        let is_last_round = self.is_last_round;
        let place = self.heads().find(|(_, item)| is_last_round || item.due <= now)?.0;
        let item = self.items.get_mut(place)?;
        item.is_in_flight = true;
        Some(Attempt { key: item.key, body: Arc::clone(&item.body) })
    }

    /// When there is something to send again, if nothing happens before.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Duration> {
        self.heads().map(|(_, item)| item.due).min()
    }

    /// The oldest of each subject, where none of it is under way; nothing where enough are.
    fn heads(&self) -> impl Iterator<Item = (usize, &Item)> {
        let in_flight = self.items.iter().filter(|item| item.is_in_flight).count();
        let mut met: BTreeSet<&str> = BTreeSet::new();
        let heads = self.items.iter().enumerate();
        heads
            .filter(move |(_, item)| met.insert(&item.subject))
            .filter(move |(_, item)| in_flight < MOST_AT_ONCE && !item.is_in_flight)
    }

    /// Takes note of how an attempt ended; `chance` is drawn from 0 to 1.
    pub fn settle(&mut self, key: u64, outcome: Outcome, now: Duration, chance: f64) -> Settled {
        let Some(place) = self.items.iter().position(|item| item.key == key) else {
            return Settled::GivenUp;
        };
        let settled = match outcome {
            Outcome::Delivered => Settled::Delivered,
            Outcome::Refused => Settled::Refused,
            Outcome::Failed { wait } => {
                let item = &mut self.items[place];
                item.is_in_flight = false;
                item.due = now + pause(item.failures, wait, chance);
                item.failures += 1;
                let is_worth_it = item.due.saturating_sub(item.queued) < WORTH;
                if is_worth_it && !self.is_last_round { Settled::Again } else { Settled::GivenUp }
            }
        };
        if settled != Settled::Again {
            self.items.remove(place);
        }
        settled
    }

    /// When an event is tried again, and how often it failed; `None` where it no longer waits.
    #[must_use]
    pub fn standing(&self, key: u64) -> Option<(Duration, u32)> {
        let item = self.items.iter().find(|item| item.key == key)?;
        Some((item.due, item.failures))
    }

    /// From now on each event is tried once more, at once, and given up if it is not heard.
    pub fn finish(&mut self) {
        self.is_last_round = true;
    }
}

/// Full jitter: anything up to a limit that doubles with each failure, so that those who failed
/// together do not come back together; what was asked for is waited for, within reason.
fn pause(failures: u32, wait: Option<Duration>, chance: f64) -> Duration {
    let limit = SHORTEST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    let drawn = limit.mul_f64(chance.clamp(0.0, 1.0));
    drawn.max(wait.unwrap_or_default().min(LONGEST))
}

/// How many events wait at most.
const MOST: usize = 1_000;

/// How many are under way at most.
const MOST_AT_ONCE: usize = 4;

/// The limit of the first pause.
const SHORTEST: Duration = Duration::from_secs(1);

/// The limit of every pause.
const LONGEST: Duration = Duration::from_secs(300);

/// After a day nobody wants to hear of it.
const WORTH: Duration = Duration::from_secs(24 * 3600);
