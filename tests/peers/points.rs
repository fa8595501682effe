//! Random points in the life of a daemon: working at several offices at once, and what was met.

use std::ops::AddAssign;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What a server held for daemons at the moment of their end.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// Of those that ended in their first round.
    pub(crate) early: usize,
    /// Of those that ended when it was over.
    pub(crate) late: usize,
    /// How long it took to free it: from the signal to the end, or from the first instruction of
    /// the next daemon.
    pub(crate) freed_after: Vec<Duration>,
}

impl AddAssign for Met {
    fn add_assign(&mut self, other: Self) {
        self.early += other.early;
        self.late += other.late;
        self.freed_after.extend(other.freed_after);
    }
}

impl Met {
    /// Counts what was held at a point: in the first round of a daemon, or later.
    pub(crate) fn count(&mut self, is_early: bool, held: usize) {
        *if is_early { &mut self.early } else { &mut self.late } += held;
    }

    /// Asserts that points met something: so much in the first rounds, and so much later.
    #[track_caller]
    pub(crate) fn assert_proof(&self, early: usize, late: usize) {
        let is_proof = self.early >= early && self.late >= late;
        assert!(is_proof, "too little was met: the points prove little: {self:?}");
    }

    /// Asserts how soon what was left was freed: half of it, and all.
    #[track_caller]
    pub(crate) fn assert_freed(&self, soon: Duration, at_worst: Duration) {
        let mut took = self.freed_after.clone();
        took.sort();
        let (median, worst) = (took.get(took.len() / 2), took.last());
        let is_soon =
            median.is_some_and(|it| *it <= soon) && worst.is_some_and(|it| *it <= at_worst);
        assert!(is_soon, "what was left was freed after {median:?}, and {worst:?} at worst");
    }
}

/// Works at so many offices at once, each with a number and chances of its own, and gives what was
/// met in all.
pub(crate) fn at_each_office(
    offices: usize,
    seed: u64,
    work: impl Fn(usize, &mut StdRng) -> Met + Sync,
) -> Met {
    thread::scope(|scope| {
        let work = &work;
        let begin = |office: usize| {
            let mut chance = StdRng::seed_from_u64(seed + 1000 * office as u64);
            scope.spawn(move || work(office, &mut chance))
        };
        let begun: Vec<_> = (0..offices).map(begin).collect();
        let mut all = Met::default();
        for office in begun {
            all += office.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        all
    })
}

/// Lets a daemon get anywhere within `most`; how far that was.
#[expect(clippy::disallowed_methods, reason = "it waits for nothing: any moment will do")]
pub(crate) fn at_random(chance: &mut StdRng, most: Duration) -> Duration {
    let after = chance.random_range(Duration::ZERO..most);
    thread::sleep(after);
    after
}
