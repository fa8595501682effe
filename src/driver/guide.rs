//! Following a guide: running it where what it found has expired, and remembering what it finds.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::{Failure, Observation, Outcome, Phase, Target, Unresolved};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
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
        find(&mut found, check, guide, cancel, watcher).await;
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
    let wanted = Instant::now();
    let mut found = guide.found.lock().await;
    let started = SystemTime::now();
    if found.as_ref().is_none_or(|found| found.ended < wanted) {
        find(&mut found, check, guide, cancel, watcher).await;
    }
    let Found { start, outcome, .. } = found.clone()?;
    let elapsed = outcome.phases.iter().map(|(_, took)| *took).sum();
    Some(observation(check, Some(start.into()), started, elapsed, outcome))
}

/// Runs the guide, and remembers what it finds.
async fn find(
    found: &mut Option<Found>,
    check: &Check,
    guide: &Guide,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) {
    let new = ask(check, guide, cancel, watcher).await;
    // A run that was called off has found nothing out.
    if !cancel.is_cancelled() {
        *found = new;
    }
}

/// Runs the guide from one of its starts; where that one is slow or silent, from the next, too.
async fn ask(
    check: &Check,
    guide: &Guide,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Option<Found> {
    let starts = udp::with_a_way(guide.starts.to_vec());
    let mut rest = starts.into_iter().take(MOST_STARTS);
    let mut running = FuturesUnordered::new();
    let mut silent = None;
    let from = |start| begin(check, guide, start, cancel, watcher);
    let is_last = |found: &Found| !is_lost(&found.outcome) || cancel.is_cancelled();
    running.push(from(rest.next()?));
    loop {
        tokio::select! {
            ended = running.next() => match ended {
                Some(Some(found)) if is_last(&found) => return Some(found),
                Some(Some(found)) => {
                    silent = silent.or(Some(found));
                    match rest.next() {
                        Some(start) => running.push(from(start)),
                        None if running.is_empty() => return silent,
                        None => {}
                    }
                }
                Some(None) | None => return silent,
            },
            () = tokio::time::sleep(HEAD_START), if rest.len() > 0 => {
                running.extend(rest.next().map(from));
            }
        }
    }
}

/// One run of the guide from one of its starts.
async fn begin(
    check: &Check,
    guide: &Guide,
    start: SocketAddr,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Option<Found> {
    let _place = PLACES.acquire().await;
    let begin = |target: &Target, chance| Some(guide.module.begin(target, chance));
    let outcome = run(check, start.into(), begin, cancel, watcher, None).await?;
    let ended = Instant::now();
    let keeps = outcome
        .leads_to
        .as_ref()
        .map_or_else(|| if is_lost(&outcome) { CLOSED } else { RETRIED }, |lead| lead.keeps);
    Some(Found { start, ended, until: ended + keeps, outcome })
}

/// Whether the start was silent, so that another may lead further.
fn is_lost(outcome: &Outcome) -> bool {
    outcome.leads_to.is_none()
        && outcome.failure.as_ref().is_some_and(|(stage, failure)| {
            *stage != Phase::Resolve && (failure.is_silence() || failure.by().is_some())
        })
}

/// After so many starts that say nothing, the way out is closed.
const MOST_STARTS: usize = 3;
/// How long one start has before the next is tried beside it.
const HEAD_START: Duration = Duration::from_secs(2);
/// How long it is not tried again where the way out is closed.
const CLOSED: Duration = Duration::from_secs(60);
/// How long it is not tried again where nobody who was found is of use.
const RETRIED: Duration = Duration::from_secs(10);
