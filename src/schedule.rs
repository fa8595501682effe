//! When each check is run: at its interval, spread over it, and never two runs of one at once.
//!
//! It reads no clock: time is the time since the daemon started, and an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::check::CheckId;

/// When each check is due.
#[derive(Debug)]
pub struct Schedule {
    seed: u64,
    entries: BTreeMap<CheckId, Entry>,
    queue: BTreeSet<(Duration, CheckId)>,
}

#[derive(Debug)]
struct Entry {
    interval: Duration,
    /// The regular moment of the next run, without its jitter.
    base: Duration,
    /// The moment under which it stands in the queue.
    due: Duration,
    /// When it runs once more than it would, because there is news; not in its rhythm.
    early: Option<Duration>,
    /// When it was last started.
    started: Option<Duration>,
    /// Until when nobody hurries it.
    rests_until: Duration,
    runs: u64,
    is_running: bool,
}

/// What is due at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be run now.
    pub run: Vec<CheckId>,
    /// Due now, and still running from the last time: skipped.
    pub skipped: Vec<CheckId>,
    /// Which of `run` were hastened.
    pub early: Vec<CheckId>,
    /// How much later than its moment each of `run` is.
    pub delays: Vec<Duration>,
}

impl Schedule {
    /// An empty schedule; hosts with different seeds spread their runs differently.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, entries: BTreeMap::new(), queue: BTreeSet::new() }
    }

    /// Takes over a plan: what is kept unchanged keeps its rhythm, what is new is spread over the
    /// next seconds, what is gone is forgotten.
    pub fn replace(
        &mut self,
        checks: impl IntoIterator<Item = (CheckId, Duration)>,
        now: Duration,
    ) {
        let mut old = std::mem::take(&mut self.entries);
        self.queue.clear();
        for (id, interval) in checks {
            let kept = old.remove(&id).filter(|entry| entry.interval == interval);
            let entry = kept.unwrap_or_else(|| {
                let due = now + self.spread(&id, interval);
                Entry {
                    interval,
                    base: due,
                    due,
                    early: None,
                    started: None,
                    rests_until: Duration::ZERO,
                    runs: 0,
                    is_running: false,
                }
            });
            self.queue.insert((entry.due, id.clone()));
            self.queue.extend(entry.early.map(|early| (early, id.clone())));
            self.entries.insert(id, entry);
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// What is due at `now`. After the host slept, nothing is made up for: what was missed by
    /// more than an interval is spread over the next seconds like a new start.
    pub fn due(&mut self, now: Duration) -> Due {
        let mut due = Due::default();
        while let Some((moment, id)) = self.queue.first().cloned().filter(|(it, _)| *it <= now) {
            self.queue.pop_first();
            let (seed, spread) = (self.seed, self.spread(&id, Duration::MAX));
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            if moment != entry.due {
                let again = entry.start_early(&id, moment, now, &mut due);
                self.queue.extend(again.map(|again| (again, id)));
                continue;
            }
            if now - moment > entry.interval {
                entry.base = now + spread.min(entry.interval);
                entry.due = entry.base;
            } else {
                entry.runs += 1;
                entry.base += entry.interval;
                entry.due = entry.base + jitter(seed, &id, entry.runs, entry.interval);
                if entry.is_running {
                    due.skipped.push(id.clone());
                } else {
                    entry.start(&id, moment, now, &mut due);
                    // Whoever starts now sees the news.
                    if let Some(early) = entry.early.take() {
                        self.queue.remove(&(early, id.clone()));
                    }
                }
            }
            self.queue.insert((entry.due, id));
        }
        due
    }

    /// Forgets a check, so that it starts anew at the next [`Schedule::replace`].
    pub fn forget(&mut self, id: &CheckId) {
        if let Some(entry) = self.entries.remove(id) {
            self.queue.remove(&(entry.due, id.clone()));
            if let Some(early) = entry.early {
                self.queue.remove(&(early, id.clone()));
            }
        }
    }

    /// Has a check run once more, as soon as `gap` has gone by since it was last started, because
    /// there is news; its rhythm stays. News that come until then change nothing, nor do those of a
    /// check that is due by then anyway or that is to be left alone. Gives whether it will run early.
    pub fn hasten(&mut self, id: &CheckId, now: Duration, gap: Duration) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return false };
        let after = entry.started.map_or(now, |started| started + gap.max(SHORTEST_GAP));
        let moment = now.max(after);
        if entry.early.is_some() || entry.due <= moment || moment < entry.rests_until {
            return false;
        }
        entry.early = Some(moment);
        self.queue.insert((moment, id.clone()));
        true
    }

    /// Moves the next run of a check to `moment`: earlier, because there is news, or later,
    /// because the peer wants to be left alone.
    pub fn postpone(&mut self, id: &CheckId, moment: Duration) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        self.queue.remove(&(entry.due, id.clone()));
        if let Some(early) = entry.early.take() {
            self.queue.remove(&(early, id.clone()));
        }
        entry.base = moment;
        entry.due = moment;
        entry.rests_until = moment;
        self.queue.insert((moment, id.clone()));
    }

    /// Moves the next run of a check to `moment` where it would be earlier.
    pub fn delay(&mut self, id: &CheckId, moment: Duration) {
        if self.entries.get(id).is_some_and(|entry| entry.due < moment) {
            self.postpone(id, moment);
        }
    }

    /// A run has ended.
    pub fn finished(&mut self, id: &CheckId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.is_running = false;
        }
    }

    /// Where in the first seconds a check starts.
    fn spread(&self, id: &CheckId, interval: Duration) -> Duration {
        fraction(self.seed, id, 0, interval.min(FIRST_ROUND))
    }
}

impl Entry {
    fn start(&mut self, id: &CheckId, moment: Duration, now: Duration, due: &mut Due) {
        self.is_running = true;
        self.started = Some(now);
        due.run.push(id.clone());
        due.delays.push(now - moment);
    }

    /// Starts it out of its rhythm; what runs already began before the news, so it runs once more
    /// later, at the moment that this gives.
    fn start_early(
        &mut self,
        id: &CheckId,
        moment: Duration,
        now: Duration,
        due: &mut Due,
    ) -> Option<Duration> {
        self.early = self.is_running.then_some(now + RUNNING);
        if !self.is_running {
            self.start(id, moment, now, due);
            due.early.push(id.clone());
        }
        self.early
    }
}

/// A tenth of the interval, drawn anew for each run: two checks that met once do not meet again
/// and again. It is added to the regular moment, so that the rhythm does not drift.
fn jitter(seed: u64, id: &CheckId, run: u64, interval: Duration) -> Duration {
    fraction(seed, id, run, interval / 10)
}

fn fraction(seed: u64, id: &CheckId, run: u64, of: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (seed, id, run).hash(&mut hasher);
    let share = hasher.finish() % 10_000;
    of / 10_000 * u32::try_from(share).unwrap_or_default()
}

/// The first round is over after ten seconds, however long the intervals are: who starts a
/// prober wants to see something.
const FIRST_ROUND: Duration = Duration::from_secs(10);

/// However often there is news, a check is hastened no more often than this (D-HOOK-2).
const SHORTEST_GAP: Duration = Duration::from_secs(5);

/// How long a hastened check waits for its own run to end.
const RUNNING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::{CheckId, Due, Schedule};
    use std::collections::BTreeMap;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn id(target: &str) -> CheckId {
        CheckId { module: "m".into(), target: target.into() }
    }

    fn run_until(schedule: &mut Schedule, end: Duration) -> BTreeMap<CheckId, Vec<Duration>> {
        let mut ran: BTreeMap<CheckId, Vec<Duration>> = BTreeMap::new();
        while let Some(now) = schedule.next().filter(|now| *now <= end) {
            for id in schedule.due(now).run {
                schedule.finished(&id);
                ran.entry(id).or_default().push(now);
            }
        }
        ran
    }

    #[test]
    fn every_check_runs_once_an_interval_and_the_rhythm_does_not_drift() {
        let mut schedule = Schedule::new(7);
        schedule.replace((0..50).map(|index| (id(&index.to_string()), MINUTE)), Duration::ZERO);

        let ran = run_until(&mut schedule, MINUTE * 100);

        assert_eq!(ran.len(), 50);
        for moments in ran.values() {
            assert!((99..=101).contains(&moments.len()), "{}", moments.len());
            for (index, moment) in moments.iter().enumerate() {
                let late = *moment - moments[0].min(*moment);
                let regular = MINUTE * u32::try_from(index).expect("few");
                assert!(late.abs_diff(regular) <= MINUTE / 10, "run {index} at {moment:?}");
            }
        }
    }

    #[test]
    fn the_first_round_is_spread_and_over_within_ten_seconds() {
        let mut schedule = Schedule::new(7);
        schedule.replace((0..200).map(|index| (id(&index.to_string()), MINUTE)), Duration::ZERO);

        let ran = run_until(&mut schedule, Duration::from_secs(10));

        assert_eq!(ran.len(), 200);
        let mut thirds = [0; 3];
        for moments in ran.values() {
            thirds[(moments[0].as_millis() / 3_334) as usize] += 1;
        }
        assert!(thirds.iter().all(|count| *count > 30), "{thirds:?}");
    }

    #[test]
    fn hosts_with_different_seeds_do_not_start_together() {
        let first = |seed| {
            let mut schedule = Schedule::new(seed);
            schedule.replace([(id("a"), MINUTE)], Duration::ZERO);
            schedule.next()
        };

        assert_ne!(first(1), first(2));
    }

    // F33
    #[test]
    fn a_check_that_still_runs_is_skipped_and_not_started_twice() {
        let mut schedule = Schedule::new(7);
        schedule.replace([(id("a"), MINUTE)], Duration::ZERO);
        let first = schedule.next().expect("it is due once");
        assert_eq!(schedule.due(first).run, [id("a")]);

        let second = schedule.next().expect("it is due again");
        let due = schedule.due(second);

        assert_eq!(due, Due { skipped: vec![id("a")], ..Due::default() });
        schedule.finished(&id("a"));
        let third = schedule.next().expect("and again");
        assert_eq!(schedule.due(third).run, [id("a")]);
    }

    // F25
    #[test]
    fn after_a_long_sleep_nothing_is_made_up_for_and_the_start_is_spread() {
        let mut schedule = Schedule::new(7);
        schedule.replace((0..50).map(|index| (id(&index.to_string()), MINUTE)), Duration::ZERO);
        let awake = MINUTE * 500;

        assert_eq!(schedule.due(awake), Due::default());

        let ran = run_until(&mut schedule, awake + Duration::from_secs(10));
        assert_eq!(ran.len(), 50);
        assert!(ran.values().all(|moments| moments.len() == 1));
    }

    // D-SIP-7
    #[test]
    fn a_check_that_is_postponed_runs_then_and_not_before() {
        let mut schedule = Schedule::new(7);
        schedule.replace([(id("a"), MINUTE)], Duration::ZERO);
        let first = schedule.next().expect("it is due once");
        assert_eq!(schedule.due(first).run, [id("a")]);
        schedule.finished(&id("a"));

        schedule.postpone(&id("a"), first + MINUTE * 5);

        assert_eq!(schedule.next(), Some(first + MINUTE * 5));
        assert_eq!(schedule.due(first + MINUTE * 5).run, [id("a")]);
    }

    /// A check that ran at 10 s or before, is due next after a minute, and is not running.
    fn ran_once() -> (Schedule, Duration) {
        let mut schedule = Schedule::new(7);
        schedule.replace([(id("a"), MINUTE)], Duration::ZERO);
        let first = schedule.next().expect("it is due once");
        assert_eq!(schedule.due(first).run, [id("a")]);
        schedule.finished(&id("a"));
        (schedule, first)
    }

    // D-HOOK-3
    #[test]
    fn a_check_that_is_hastened_runs_once_more_and_its_rhythm_stays() {
        let (mut schedule, first) = ran_once();
        let regular = schedule.next();
        let now = first + Duration::from_secs(20);

        assert!(schedule.hasten(&id("a"), now, Duration::from_secs(2)));
        assert!(!schedule.hasten(&id("a"), now, Duration::from_secs(2)), "it is under way");

        assert_eq!(schedule.next(), Some(now));
        let due = schedule.due(now);
        assert_eq!((due.run, due.early), (vec![id("a")], vec![id("a")]));
        schedule.finished(&id("a"));
        assert_eq!(schedule.next(), regular);
    }

    // D-HOOK-3, F57
    #[test]
    fn a_storm_of_news_hastens_a_check_once_in_five_seconds_or_in_its_shortest_interval() {
        for (gap, most) in [(1, 5), (15, 15)] {
            let (mut schedule, first) = ran_once();
            let mut starts = vec![first];
            for tenth in 1..=300 {
                let now = first + Duration::from_millis(100) * tenth;
                schedule.hasten(&id("a"), now, Duration::from_secs(gap));
                starts.extend(schedule.due(now).run.iter().map(|_| now));
                schedule.finished(&id("a"));
            }

            let most = Duration::from_secs(most);
            assert!(starts.len() > 2, "{starts:?}");
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= most), "{starts:?}");
        }
    }

    #[test]
    fn news_during_a_run_lead_to_another_run_and_never_to_two_at_once() {
        let (mut schedule, first) = ran_once();
        let now = first + Duration::from_secs(20);
        schedule.hasten(&id("a"), now, Duration::ZERO);
        assert_eq!(schedule.due(now).run, [id("a")]);
        let then = now + Duration::from_secs(5);

        schedule.hasten(&id("a"), then, Duration::ZERO);

        assert_eq!(schedule.due(then), Due::default());
        schedule.finished(&id("a"));
        let next = schedule.next().expect("it is due soon");
        assert!(next <= then + Duration::from_secs(1), "{next:?}");
        assert_eq!(schedule.due(next).early, [id("a")]);
    }

    // D-SIP-7
    #[test]
    fn nobody_hastens_what_is_to_be_left_alone() {
        let (mut schedule, first) = ran_once();
        schedule.postpone(&id("a"), first + MINUTE * 5);

        let is_hastened = schedule.hasten(&id("a"), first + MINUTE, Duration::ZERO);

        assert!(!is_hastened);
        assert_eq!(schedule.next(), Some(first + MINUTE * 5));
    }

    #[test]
    fn a_regular_run_that_comes_first_is_the_early_one() {
        let (mut schedule, _) = ran_once();
        let regular = schedule.next().expect("it is due again");
        schedule.hasten(&id("a"), regular - Duration::from_millis(1), Duration::ZERO);

        let due = schedule.due(regular);

        assert_eq!((due.run, due.early.len()), (vec![id("a")], 1));
        schedule.finished(&id("a"));
        assert!(schedule.next().is_some_and(|next| next > regular + MINUTE / 2));
    }

    // F30
    #[test]
    fn a_reload_keeps_the_rhythm_of_what_is_unchanged() {
        let mut schedule = Schedule::new(7);
        schedule.replace([(id("kept"), MINUTE), (id("gone"), MINUTE)], Duration::ZERO);
        let kept = |schedule: &Schedule| {
            schedule.queue.iter().find(|(_, it)| *it == id("kept")).map(|(due, _)| *due)
        };
        let before = kept(&schedule);

        schedule.replace([(id("kept"), MINUTE), (id("new"), MINUTE)], Duration::from_secs(1));

        assert_eq!(kept(&schedule), before);
        assert!(!schedule.entries.contains_key(&id("gone")));
        assert!(schedule.entries.contains_key(&id("new")));
    }
}
