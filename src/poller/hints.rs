//! When a hint is followed: at once, but no thing is read too often, however often it is hinted at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::telephony::{Hint, PartName};

/// From one reading of a thing to the next that a hint can cause.
const SPACING: Duration = Duration::from_secs(5);

/// From one listing of a part to the next that hints can cause: a large part has many pages, and a
/// power cut at an office hints at each of its phones.
const LISTING: Duration = Duration::from_secs(30);

/// What listings because of hints have cost lately, whichever hints they were: of those at things that
/// nobody knows there is no end, and each makes a listing.
#[derive(Debug, Default)]
pub(super) struct Listings {
    listed: BTreeMap<PartName, Instant>,
    /// The parts that wait for their turn.
    postponed: BTreeSet<PartName>,
}

impl Listings {
    /// The parts of `wanted`, and of those that waited, which may be listed now; the others wait.
    pub(super) fn admit(&mut self, wanted: BTreeSet<PartName>, now: Instant) -> BTreeSet<PartName> {
        self.postponed.extend(wanted);
        let is_due = |part: &PartName| is_over(self.listed.get(part).copied(), LISTING, now);
        let (due, postponed) = self.postponed.iter().copied().partition(is_due);
        self.postponed = postponed;
        let due: BTreeSet<PartName> = due;
        self.listed.extend(due.iter().map(|part| (*part, now)));
        due
    }

    /// Whether a part waits for its turn.
    pub(super) fn is_waiting(&self, part: PartName) -> bool {
        self.postponed.contains(&part)
    }

    /// A part that is read anyway waits no longer.
    pub(super) fn forget(&mut self, read: &BTreeSet<PartName>) {
        self.postponed.retain(|part| !read.contains(part));
    }
}

/// So many things of one part are read one by one within [`SPACING`]; if there are more, the part
/// is listed.
pub(super) const MOST: usize = 20;

/// The hints that were not followed yet, and what was read lately because of one.
///
/// It holds a few hundred entries at most, whatever comes.
#[derive(Debug, Default)]
pub struct Hints {
    parts: BTreeMap<PartName, Waiting>,
}

/// What waits in one part.
#[derive(Debug, Default)]
struct Waiting {
    /// The things that were hinted at or read lately. There are at most [`MOST`].
    things: BTreeMap<Hint, Thing>,
    /// Whether all of the part has to be read.
    is_whole: bool,
    /// When all of it was last read because of a hint.
    listed: Option<Instant>,
    /// When anything of it was last read because of a hint.
    read: Option<Instant>,
}

#[derive(Debug, Default)]
struct Thing {
    is_hinted: bool,
    read: Option<Instant>,
}

impl Hints {
    /// Takes a hint in; one more for what is hinted at already changes nothing.
    pub fn note(&mut self, hint: Hint, now: Instant) {
        let part = self.parts.entry(hint.part).or_default();
        if part.is_whole {
            return;
        }
        part.things.retain(|_, thing| thing.is_hinted || !is_over(thing.read, SPACING, now));
        let is_new = !part.things.contains_key(&hint);
        if hint.id.is_none() || (is_new && part.things.len() >= MOST) {
            part.is_whole = true;
            part.things.clear();
        } else {
            part.things.entry(hint).or_default().is_hinted = true;
        }
    }

    /// Takes out what is to be read at `now`.
    pub fn due(&mut self, now: Instant) -> BTreeSet<Hint> {
        let mut due = BTreeSet::new();
        for (name, part) in &mut self.parts {
            if part.is_whole {
                if part.listing_due().is_none_or(|at| at <= now) {
                    part.is_whole = false;
                    part.listed = Some(now);
                    part.read = Some(now);
                    due.insert(Hint { part: *name, id: None });
                }
                continue;
            }
            let listed = part.listed;
            for (hint, thing) in &mut part.things {
                if thing.is_hinted && is_over(thing.read.max(listed), SPACING, now) {
                    *thing = Thing { is_hinted: false, read: Some(now) };
                    part.read = Some(now);
                    due.insert(hint.clone());
                }
            }
        }
        due
    }

    /// When something is due next; a moment that is over means at once, `None` that nothing waits.
    #[must_use]
    pub fn next(&self) -> Option<WhenDue> {
        let of_part = |part: &Waiting| {
            if part.is_whole {
                return Some(part.listing_due().map_or(WhenDue::AtOnce, WhenDue::At));
            }
            let hinted = part.things.values().filter(|thing| thing.is_hinted);
            let due = hinted.map(|thing| match thing.read.max(part.listed) {
                None => WhenDue::AtOnce,
                Some(read) => WhenDue::At(read + SPACING),
            });
            due.min()
        };
        self.parts.values().filter_map(of_part).min()
    }
}

/// When the next hint is to be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhenDue {
    /// Now.
    AtOnce,
    /// At this moment.
    At(Instant),
}

impl Waiting {
    /// When it may be listed; `None`: at once.
    fn listing_due(&self) -> Option<Instant> {
        let after_listing = self.listed.map(|at| at + LISTING);
        let after_reading = self.read.map(|at| at + SPACING);
        after_listing.max(after_reading)
    }
}

fn is_over(since: Option<Instant>, wait: Duration, now: Instant) -> bool {
    since.is_none_or(|since| now >= since + wait)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use branchline_probes::Foreign;

    use super::{Hints, Listings, WhenDue};
    use crate::telephony::{Hint, PartName};

    fn trunk(id: &str) -> Hint {
        Hint { part: PartName::Trunks, id: Some(Foreign::new(id)) }
    }

    fn whole(part: PartName) -> Hint {
        Hint { part, id: None }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    // D-HOOK-3, F57
    #[test]
    fn a_thing_is_read_at_once_and_then_at_most_every_5_s_and_the_last_hint_is_never_lost() {
        let start = Instant::now();
        let mut hints = Hints::default();
        let mut read_at = Vec::new();

        for tenth in 0..200_u32 {
            let now = start + seconds(1) * tenth / 10;
            if tenth <= 120 {
                hints.note(trunk("a"), now);
            }
            if !hints.due(now).is_empty() {
                read_at.push(tenth);
            }
        }

        assert_eq!(read_at, [0, 50, 100, 150]);
    }

    // D-HOOK-3
    #[test]
    fn one_thing_does_not_make_another_wait() {
        let start = Instant::now();
        let mut hints = Hints::default();
        hints.note(trunk("a"), start);
        assert_eq!(hints.due(start), BTreeSet::from([trunk("a")]));

        hints.note(trunk("a"), start + seconds(1));
        hints.note(trunk("b"), start + seconds(1));

        assert_eq!(hints.next(), Some(WhenDue::AtOnce));
        assert_eq!(hints.due(start + seconds(1)), BTreeSet::from([trunk("b")]));
        assert_eq!(hints.next(), Some(WhenDue::At(start + seconds(5))));
        assert_eq!(hints.due(start + seconds(5)), BTreeSet::from([trunk("a")]));
        assert_eq!(hints.next(), None);
    }

    // F57
    #[test]
    fn a_storm_of_ten_thousand_things_is_one_listing() {
        let start = Instant::now();
        let mut hints = Hints::default();

        for number in 0..10_000 {
            hints.note(trunk(&number.to_string()), start);
        }

        assert_eq!(hints.due(start), BTreeSet::from([whole(PartName::Trunks)]));
        assert_eq!(hints.next(), None);
    }

    // F57
    #[test]
    fn a_storm_that_goes_on_for_a_minute_is_20_things_and_a_listing_every_30_s() {
        let start = Instant::now();
        let mut hints = Hints::default();
        let (mut things, mut listings) = (0, Vec::new());

        for number in 0..6_000_u32 {
            let now = start + seconds(1) * number / 100;
            hints.note(trunk(&number.to_string()), now);
            for hint in hints.due(now) {
                match hint.id {
                    Some(_) => things += 1,
                    None => listings.push(number / 100),
                }
            }
            let held: usize = hints.parts.values().map(|part| part.things.len()).sum();
            assert!(held <= 20, "{held} things are held");
        }

        // 20 at once; a listing when their 5 s are over, and the next one 30 s after it.
        assert_eq!(listings, [5, 35]);
        assert_eq!(things, 20);
    }

    #[test]
    fn a_hint_at_a_whole_part_takes_those_at_its_things_with_it() {
        let start = Instant::now();
        let mut hints = Hints::default();

        hints.note(trunk("a"), start);
        hints.note(whole(PartName::Trunks), start);
        hints.note(trunk("b"), start);
        hints.note(whole(PartName::Phones), start);

        let due = BTreeSet::from([whole(PartName::Trunks), whole(PartName::Phones)]);
        assert_eq!(hints.due(start), due);
    }

    // D-HOOK-3
    #[test]
    fn what_a_listing_has_just_read_is_read_again_5_s_after_it() {
        let start = Instant::now();
        let mut hints = Hints::default();
        hints.note(whole(PartName::Trunks), start);
        hints.due(start);

        hints.note(trunk("a"), start + seconds(1));

        assert!(hints.due(start + seconds(4)).is_empty());
        assert_eq!(hints.due(start + seconds(5)), BTreeSet::from([trunk("a")]));
    }

    // F57
    #[test]
    fn a_part_is_listed_at_most_every_30_s_and_what_waited_is_not_lost() {
        let start = Instant::now();
        let mut listings = Listings::default();
        let mut listed_at = Vec::new();

        for second in 0..=120 {
            let hinted = (second <= 70).then_some(PartName::Phones);
            let due = listings.admit(hinted.into_iter().collect(), start + seconds(second));
            if due.contains(&PartName::Phones) {
                listed_at.push(second);
            }
        }

        assert_eq!(listed_at, [0, 30, 60, 90]);
        assert!(!listings.is_waiting(PartName::Phones));
    }
}
