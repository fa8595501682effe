//! Following a guide: running it where what it found has expired, and remembering what it finds.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::{Failure, Observation, Phase, Target, Unresolved};
use tokio_util::sync::CancellationToken;

use super::{PLACES, Watcher, observation, run, udp};
use crate::check::Check;
use crate::guide::{Found, Guide};

/// Whom the guide leads to, by what it found if that still holds.
pub(super) async fn follow(
    check: &Check,
    guide: &Guide,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Result<Vec<SocketAddr>, Failure> {
    let mut found = guide.found.lock().await;
    if found.as_ref().is_none_or(|found| found.until <= Instant::now()) {
        *found = ask(check, guide, cancel, watcher).await;
    }
    let led = found.as_ref().and_then(|found| found.outcome.leads_to.clone());
    match led {
        Some(lead) => Ok(lead.addresses),
        None if cancel.is_cancelled() => Err(Failure::Cancelled),
        None => {
            let (host, problem) = (check.host.to_string(), Unresolved::NotLed);
            Err(Failure::Unresolved { host, problem })
        }
    }
}

/// One run of the guide itself, or the one that others waited for meanwhile.
pub(super) async fn observe(
    check: &Check,
    guide: &Guide,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Option<Observation> {
    let (wanted, started) = (Instant::now(), SystemTime::now());
    let mut found = guide.found.lock().await;
    if found.as_ref().is_none_or(|found| found.begun < wanted) {
        *found = ask(check, guide, cancel, watcher).await;
    }
    let Found { start, outcome, .. } = found.clone()?;
    let elapsed = outcome.phases.iter().map(|(_, took)| *took).sum();
    Some(observation(check, Some(start), started, elapsed, outcome))
}

/// Runs the guide from one of its starts; where that one is silent, from the next.
async fn ask(
    check: &Check,
    guide: &Guide,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Option<Found> {
    let mut last = None;
    for start in udp::with_a_way(guide.starts.to_vec()).into_iter().take(MOST_STARTS) {
        let begun = Instant::now();
        let _place = PLACES.acquire().await;
        let begin = |target: &Target, chance| Some(guide.module.begin(target, chance));
        let outcome = run(check, start, begin, cancel, watcher, None).await?;
        let keeps = outcome.leads_to.as_ref().map_or(RETRIED, |lead| lead.keeps);
        let is_lost = outcome.leads_to.is_none()
            && outcome.failure.as_ref().is_some_and(|(stage, failure)| {
                *stage != Phase::Resolve && (failure.is_silence() || failure.by().is_some())
            });
        last = Some(Found { start, begun, until: begun + keeps, outcome });
        if !is_lost || cancel.is_cancelled() {
            break;
        }
    }
    last
}

/// After so many starts that say nothing, the way out is closed.
const MOST_STARTS: usize = 3;
/// How long it is not tried again where it led nowhere.
const RETRIED: Duration = Duration::from_secs(10);
