//! Reading the vendor's state again and again, until an edge group is ready.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::poller::{Poller, Profile, Settings};
use crate::telephony::{ApiProblem, EdgeGroup, Snapshot, State};

/// Reads what the vendor says of the group at the pace of its own guide, and there as often as the
/// guide does.
pub(super) async fn read_on(
    poller: &Poller,
    (link, settings): &(String, Settings),
    states: &watch::Sender<Option<Arc<Snapshot>>>,
) {
    let mut snapshot = Arc::default();
    let mut polls = 0;
    loop {
        snapshot = Arc::new(poller.read_edge_group(&snapshot, link).await);
        polls += 1;
        if states.send(Some(Arc::clone(&snapshot))).is_err() {
            return;
        }
        if is_over(settings.profile, polls, is_ready(Some(&snapshot), link)) {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Whether nobody is to be asked any more.
fn is_over(profile: Profile, polls: u32, is_ready: bool) -> bool {
    match profile {
        Profile::Platform => false,
        Profile::Guide => is_ready || polls >= POLLS,
    }
}

/// The group that is waited for, where the vendor knows it.
pub(super) fn group<'a>(state: &'a Snapshot, link: &str) -> Option<&'a EdgeGroup> {
    state.edge_groups_of(link).next()
}

/// Whether the group is ready.
pub(super) fn is_ready(state: Option<&Snapshot>, link: &str) -> bool {
    state.and_then(|state| group(state, link)).is_some_and(|it| it.state == State::Up)
}

/// Why the vendor cannot be asked at all, where that is so.
pub(super) fn problem(state: &Snapshot) -> Option<&ApiProblem> {
    let is_unread = state.edge_groups.read.is_none();
    state.edge_groups.problem.as_ref().or(state.edges.problem.as_ref()).filter(|_| is_unread)
}

/// The vendor's guide asks every five seconds, twenty times.
const PACE: Duration = Duration::from_secs(5);
const POLLS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::is_over;
    use crate::poller::Profile;

    #[test]
    fn the_guide_asks_twenty_times_or_until_the_group_is_ready() {
        assert!(!is_over(Profile::Guide, 1, false));
        assert!(!is_over(Profile::Guide, 19, false));
        assert!(is_over(Profile::Guide, 20, false));
        assert!(is_over(Profile::Guide, 1, true));
    }

    #[test]
    fn the_published_api_is_asked_as_long_as_there_is_time() {
        assert!(!is_over(Profile::Platform, 1, true));
        assert!(!is_over(Profile::Platform, 1000, false));
    }
}
