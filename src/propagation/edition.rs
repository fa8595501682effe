//! Which version of the zone a nameserver answered from.

use std::time::Duration;

use branchline_probes::Observation;
use branchline_probes::dns_query::{REFRESH, SERIAL};

use super::answer;
use crate::correlation::Case;
use crate::sight::Shows;

/// Which version of the zone an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edition {
    /// The one with this serial.
    Known(u32),
    /// One that came after the serial was last asked for: the answer has changed since.
    Fresh,
    /// Nothing tells.
    Untold,
}

impl Edition {
    /// The serial, where it is known.
    pub(super) const fn serial(self) -> Option<u32> {
        match self {
            Self::Known(serial) => Some(serial),
            Self::Fresh | Self::Untold => None,
        }
    }
}

/// The version of the zone that the nameserver of this case had when it gave this answer.
///
/// Serial and record are asked for one after the other, and the zone may change in between: a serial
/// counts if it was heard while the answer was this one.
pub(super) fn of(related: &[&Case], case: &Case) -> Edition {
    let (from, to) = (case.turns.last().unwrap_or(&case.observation), &case.observation);
    let Some(told) = teller(related, case) else {
        return serial(&case.observation).map_or(Edition::Untold, Edition::Known);
    };
    let latest = &told.observation;
    // Who is seen for the first time has not changed.
    let is_before = |told: &Observation| case.turns.len() > 1 && told.started < from.started;
    let is_after = to.started + AT_ONCE < latest.started;
    let known = |observation| serial(observation).map_or(Edition::Untold, Edition::Known);
    let heard = if is_after { told.previous.as_deref() } else { Some(&**latest) };
    match heard {
        Some(heard) if is_before(heard) => Edition::Fresh,
        Some(heard) => known(heard),
        None => Edition::Untold,
    }
}

/// How often this nameserver asks for a newer version.
pub(super) fn refresh(related: &[&Case], case: &Case) -> Option<Duration> {
    let told = teller(related, case).unwrap_or(case);
    told.observation.outcome.facts.read(&REFRESH)
}

/// The case that asks the nameserver of this one for the version of its zone.
fn teller<'a>(related: &[&'a Case], case: &Case) -> Option<&'a Case> {
    related.iter().copied().find(|other| {
        other.sight.as_ref().is_some_and(|sight| sight.shows == Shows::Serial)
            && other.observation.address == case.observation.address
            && answer::is_authoritative(other)
    })
}

fn serial(observation: &Observation) -> Option<u32> {
    observation.outcome.facts.read(&SERIAL).and_then(|serial| u32::try_from(serial).ok())
}

/// Two queries of one pass leave within this.
const AT_ONCE: Duration = Duration::from_secs(1);
