//! When an answer can have changed, so that asking again is worth a query.

use std::time::{Duration, SystemTime};

use super::{Propagation, Says, Sighting};
use crate::sight::View;

impl Propagation {
    /// When this nameserver can say something else than it did; `None` where what it says is right.
    ///
    /// A resolver repeats what it has until its TTL is over: it is not asked before, but after
    /// [`LONGEST`] all the same, since a cache may be flushed. TTLs are in whole seconds, and most
    /// resolvers let a record live to the end of its last one.
    #[must_use]
    pub fn asked_again_at(&self, sighting: &Sighting) -> Option<SystemTime> {
        let gap = match sighting.says {
            Says::Current => return None,
            Says::Failing | Says::Silent | Says::Unknown => SHORTEST,
            // The zone itself may change at any time, and surely has where others have news of it.
            _ if sighting.view == View::Authoritative => {
                let has_news = self
                    .who(|says| says == Says::Current)
                    .any(|other| other.view != View::Authoritative && other.heard > sighting.heard);
                if has_news { Duration::ZERO } else { SHORTEST }
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
    /// else who says anything.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        let mut of_phones = self.sightings.iter().filter(|it| it.view == View::Site).peekable();
        let answer = |says: Says| says.is_an_answer();
        of_phones.peek().is_some()
            && of_phones.all(|sighting| sighting.says == Says::Current)
            && self.who(answer).all(|sighting| sighting.says == Says::Current)
    }

    /// Whether none of the phones' resolvers says anything, so that nothing can be concluded.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        let mut of_phones = self.sightings.iter().filter(|it| it.view == View::Site);
        !of_phones.any(|sighting| sighting.says.is_an_answer())
    }
}

/// How soon somebody is asked again who gives no reason to wait longer.
pub const SHORTEST: Duration = Duration::from_secs(5);
/// How late at most, whatever the TTL.
pub const LONGEST: Duration = Duration::from_secs(60);
/// A TTL of `n` may mean anything from `n` to just under `n + 1` seconds.
const LAST_SECOND: Duration = Duration::from_secs(1);
