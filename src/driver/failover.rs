//! Asking one after the other, until somebody is of use.

use std::time::Duration;

use branchline_probes::locate::{PASSED_OVER, moves_on, passed_over};
use branchline_probes::{Foreign, Observation};

use super::{Peer, in_sequence};

/// Asks the peers in their order, and gives the observation that ended the walk: the first that is
/// no reason to go on, or the last. It tells who was asked before.
pub(super) async fn walk<F: Future<Output = Observation>>(
    peers: Vec<Peer>,
    ask: impl Fn(Peer) -> F,
) -> Option<Observation> {
    let mut took = Duration::ZERO;
    let mut rest = in_sequence(peers).peekable();
    let mut passed: Vec<Foreign> = Vec::new();
    let mut started = None;
    let mut left_behind = false;
    loop {
        let peer = rest.next()?;
        let mut observation = ask(peer).await;
        took += observation.elapsed;
        let started = *started.get_or_insert(observation.started);
        left_behind |= observation.outcome.left_behind;
        let failure = observation.failure().filter(|failure| moves_on(failure));
        if let Some(failure) = failure.filter(|_| rest.peek().is_some()) {
            passed.push(passed_over(observation.transport, peer.address, failure));
            continue;
        }
        observation.started = started;
        observation.elapsed = took;
        observation.outcome.left_behind = left_behind;
        observation.outcome.facts.state(&PASSED_OVER, passed);
        return Some(observation);
    }
}
