//! When an answer can have changed, so that asking again is worth a query.

use std::time::{Duration, SystemTime};

use super::{Propagation, Says, Sighting};
use crate::sight::View;

impl Propagation {
    /// When this nameserver can say something else than it did; `None` where it is authoritative
    /// and what it says is right.
    ///
    /// A resolver repeats what it has until its TTL is over: it is not asked before. What is not
    /// right is asked for after [`LONGEST`] all the same, since a cache may be flushed. TTLs are in
    /// whole seconds, and most resolvers let a record live to the end of its last one.
    #[must_use]
    pub fn asked_again_at(&self, sighting: &Sighting) -> Option<SystemTime> {
        let gap = match sighting.says {
            Says::Current if sighting.view == View::Authoritative => return None,
            // It may learn an old answer again, from a nameserver that is behind.
            Says::Current => return sighting.forgets_at(),
            Says::Failing | Says::Silent | Says::Unknown => SHORTEST,
            // The zone itself may change at any time, and surely has where others have news of it.
            _ if sighting.view == View::Authoritative => {
                let has_news = self
                    .who(|says| says == Says::Current)
                    .any(|other| other.view != View::Authoritative && other.heard > sighting.heard);
                if has_news { LAST_SECOND } else { SHORTEST }
            }
            Says::Stale
            | Says::Behind
            | Says::Absent
            | Says::Wrong
            | Says::Different
            | Says::MadeUp(_) => sighting.ttl.map_or(SHORTEST, |ttl| ttl + LAST_SECOND),
        };
        Some(sighting.heard + gap.min(LONGEST))
    }

    /// Whether phones find the record whichever resolver of theirs they ask, and so does everyone
    /// else who says anything. What a resolver had until its TTL was over, it has to show again.
    #[must_use]
    pub fn has_arrived(&self, now: SystemTime) -> bool {
        let mut of_phones = self.sightings.iter().filter(|it| it.view == View::Site).peekable();
        let answer = |says: Says| says.is_an_answer();
        let is_kept = |it: &Sighting| {
            it.view == View::Authoritative || it.forgets_at().is_none_or(|forgets| now < forgets)
        };
        of_phones.peek().is_some()
            && of_phones.all(|sighting| sighting.says == Says::Current)
            && self.who(answer).all(|it| it.says == Says::Current && is_kept(it))
    }

    /// Whether none of the phones' resolvers says anything, so that nothing can be concluded.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        let mut of_phones = self.sightings.iter().filter(|it| it.view == View::Site);
        !of_phones.any(|sighting| sighting.says.is_an_answer())
    }
}

impl Sighting {
    /// When a resolver has surely forgotten what it said.
    fn forgets_at(&self) -> Option<SystemTime> {
        self.ttl.map(|ttl| self.heard + ttl + LAST_SECOND)
    }
}

/// How soon somebody is asked again who gives no reason to wait longer.
pub const SHORTEST: Duration = Duration::from_secs(5);
/// How late at most, whatever the TTL.
pub const LONGEST: Duration = Duration::from_secs(60);
/// A TTL of `n` may mean anything from `n` to just under `n + 1` seconds.
const LAST_SECOND: Duration = Duration::from_secs(1);
