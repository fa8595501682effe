//! The one place that acts: it resolves, opens sockets, moves bytes and tells the time, for
//! exchanges that can do none of it.

mod claims;
mod clock;
mod event;
mod failover;
mod guide;
mod ledger;
mod leg;
mod locate;
mod refusal;
mod resolve;
mod resolvers;
mod stream;
mod tls;
mod udp;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::locate::{Candidate, Located};
use branchline_probes::{
    Chance, Exchange, Facts, Failure, Input, Moment, Observation, Outcome, Output, Phase, Target,
    Transport, Unresolved,
};
use futures_util::FutureExt;
use nix::sys::resource::{Resource, getrlimit};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::check::{Check, MOST_IN_SEQUENCE, Whom};
use crate::journal::{Journal, Key};
use clock::Clock;
use ledger::Ledger;
use leg::Legs;

/// One step of an exchange, for `probe --trace`.
#[derive(Clone, Debug)]
pub struct Step {
    /// The address of the exchange; `None` while it is being found out.
    pub address: Option<SocketAddr>,
    /// When, since the exchange began.
    pub at: Moment,
    /// What happened, or what is done, in one line without the bytes themselves.
    pub what: String,
}

/// Who is told of each step.
pub type Watcher<'a> = &'a (dyn Fn(Step) + Sync);

pub use udp::KeepsStamping;

/// Runs one check once: every address of its target is a target of its own.
///
/// Each address gives one observation; a name that does not resolve gives one without an address.
/// When `cancel` fires, exchanges clean up what they created and then end. What they are about to
/// create is noted in `journal` first, where there is one.
pub async fn observe(
    check: &Check,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
    journal: Option<&Journal>,
) -> Vec<Observation> {
    let (started, begun) = (SystemTime::now(), Instant::now());
    if let Whom::Guide(guide) = &check.whom {
        return guide::observe(check, guide, cancel, watcher).await.into_iter().collect();
    }
    let found = find(check, cancel, watcher).await;
    let took = begun.elapsed();
    let Whereabouts { peers, by_name, facts } = match found {
        Ok(whereabouts) => whereabouts,
        Err(Lost { failure, facts }) => {
            let failure = Some((Phase::Resolve, failure));
            let phases = vec![(Phase::Resolve, took)];
            let outcome = Outcome { failure, phases, facts, ..Outcome::default() };
            return vec![observation(check, None, started, took, outcome)];
        }
    };
    let ask = |peer| observe_peer(check, peer, cancel, watcher, journal);
    let mut observations = if check.module.fails_over() {
        failover::walk(peers, ask).await.into_iter().collect()
    } else if check.module.is_exclusive() || check.module.claim().is_some() {
        let mut observations = Vec::new();
        for peer in in_sequence(peers) {
            let observation = ask(peer).await;
            // Whose credentials are refused locks the account at the next address, too.
            let is_refused = observation.outcome.back_off;
            observations.push(observation);
            if is_refused {
                break;
            }
        }
        observations
    } else {
        futures_util::future::join_all(peers.into_iter().map(ask)).await
    };
    for observation in observations.iter_mut().filter(|_| by_name) {
        observation.outcome.phases.insert(0, (Phase::Resolve, took));
        observation.elapsed += took;
        observation.outcome.facts.complete(&facts);
    }
    observations
}

/// Those of the peers that are asked one after the other.
fn in_sequence(peers: Vec<Peer>) -> impl Iterator<Item = Peer> {
    (0..MOST_IN_SEQUENCE).zip(peers).map(|(_, peer)| peer)
}

/// One whom a check asks.
#[derive(Clone, Copy, Debug)]
struct Peer {
    address: SocketAddr,
    /// What carries the requests, where whoever led there says so.
    transport: Option<Transport>,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { address, transport: None }
    }
}

/// Whom a check asks.
struct Whereabouts {
    peers: Vec<Peer>,
    /// Whether they had to be found out.
    by_name: bool,
    /// What was seen on the way there.
    facts: Facts,
}

impl Whereabouts {
    /// These addresses, of those families in which this host has a way.
    fn found(addresses: Vec<SocketAddr>) -> Self {
        let peers = udp::with_a_way(addresses).into_iter().map(Peer::from).collect();
        Self { peers, by_name: true, facts: Facts::default() }
    }

    /// Exactly these addresses.
    fn given(addresses: &[SocketAddr]) -> Self {
        let peers = addresses.iter().copied().map(Peer::from).collect();
        Self { peers, by_name: false, facts: Facts::default() }
    }

    /// Those that a locator found, of those families in which this host has a way.
    fn located(located: Located) -> Self {
        let Located { mut candidates, facts } = located;
        let addresses = candidates.iter().map(|candidate| candidate.address).collect();
        let reachable = udp::with_a_way(addresses);
        candidates.retain(|candidate| reachable.contains(&candidate.address));
        let peers = candidates
            .into_iter()
            .map(|Candidate { address, transport, .. }| Peer { address, transport });
        Self { peers: peers.collect(), by_name: true, facts }
    }
}

/// That nobody was found, and what was seen on the way.
struct Lost {
    failure: Failure,
    facts: Facts,
}

impl From<Failure> for Lost {
    fn from(failure: Failure) -> Self {
        Self { failure, facts: Facts::default() }
    }
}

/// Runs one check once at one address.
pub async fn observe_one(
    check: &Check,
    address: SocketAddr,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
    journal: Option<&Journal>,
) -> Observation {
    observe_peer(check, address.into(), cancel, watcher, journal).await
}

async fn observe_peer(
    check: &Check,
    peer: Peer,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
    journal: Option<&Journal>,
) -> Observation {
    // No wait for others is a part of what is measured.
    let _held = tokio::select! {
        held = hold(check, peer.address) => held,
        // Who is called off while it waits begins all the same, and is called off at once.
        () = cancel.cancelled() => None,
    };
    // Nobody closes the semaphore; if somebody did, there would be no limit.
    let _place = PLACES.acquire().await;
    let (started, begun) = (SystemTime::now(), Instant::now());
    let begin = |target: &Target, chance| Some(check.module.begin(target, chance));
    let ledger = journal.map(|journal| Ledger::new(journal, check));
    let outcome = run(check, peer, begin, cancel, watcher, ledger).await.unwrap_or_default();
    observation(check, Some(peer), started, begun.elapsed(), outcome)
}

/// Whom a check asks.
async fn find(
    check: &Check,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Result<Whereabouts, Lost> {
    let nobody = |problem| Failure::Unresolved { host: check.host.to_string(), problem };
    match &check.whom {
        Whom::Host => tokio::select! {
            resolved = resolve::addresses(&check.host, check.port, patience(check)) => {
                let (addresses, by_name) = resolved?;
                Ok(match by_name {
                    true => Whereabouts::found(addresses),
                    false => Whereabouts::given(&addresses),
                })
            }
            () = cancel.cancelled() => Err(Failure::Cancelled.into()),
        },
        Whom::Located => Ok(Whereabouts::located(locate::locate(check, cancel, watcher).await?)),
        Whom::Listed(addresses) => Ok(Whereabouts::given(addresses)),
        Whom::Resolvers => {
            let addresses = resolvers::of_this_host(check.port);
            if addresses.is_empty() {
                return Err(nobody(Unresolved::NoResolver).into());
            }
            Ok(Whereabouts::given(&addresses))
        }
        Whom::Led(guide) => {
            let addresses = guide::follow(check, guide, cancel, watcher).await?;
            if addresses.is_empty() {
                return Err(nobody(Unresolved::NotLed).into());
            }
            Ok(Whereabouts::found(addresses))
        }
        // It finds others, and nobody finds it.
        Whom::Guide(_) => Err(Failure::Internal.into()),
    }
}

fn observation(
    check: &Check,
    peer: Option<Peer>,
    started: SystemTime,
    elapsed: Duration,
    outcome: Outcome,
) -> Observation {
    let told = peer.and_then(|peer| peer.transport);
    Observation {
        probe: check.probe.name(),
        module: check.module_name.to_string(),
        target: check.target.to_string(),
        site: check.site.to_string(),
        address: peer.map(|peer| peer.address),
        transport: told.unwrap_or(check.module.transport()),
        started,
        elapsed,
        outcome,
    }
}

/// Takes back what an exchange of an earlier process may have left, and settles it in the journal
/// where the peer holds nothing any more. How that ended, where there was anything to do.
///
/// A journal may be older than the configuration, and a name may have moved since: what the
/// module is given as its target is where the check's host is now, never what the journal says.
pub async fn take_back(
    check: &Check,
    left: &Key,
    cancel: &CancellationToken,
    journal: &Journal,
) -> Option<Outcome> {
    let intent = left.intent();
    let undo = |target: &Target, chance| check.module.undo(target, &intent, chance);
    let peers = match find(check, cancel, None).await {
        Ok(whereabouts) => whereabouts.peers,
        Err(Lost { failure, .. }) => {
            let failure = Some((Phase::Resolve, failure));
            return Some(Outcome { failure, left_behind: true, ..Outcome::default() });
        }
    };
    // A peer that is none of them may still be one that the module names by itself.
    let is_of_host = peers.iter().find(|peer| peer.address == intent.peer);
    let peer = is_of_host.or(peers.first()).copied()?;
    let _held = tokio::select! {
        held = hold(check, peer.address) => held,
        () = cancel.cancelled() => return None,
    };
    let _place = PLACES.acquire().await;
    let outcome = run(check, peer, undo, cancel, None, None).await;
    if outcome.as_ref().is_none_or(is_clean) {
        journal.settle(left, SystemTime::now());
    }
    outcome
}

/// Waits until no other exchange works on what this one claims, and until the peer may be asked.
async fn hold(check: &Check, address: SocketAddr) -> Option<OwnedMutexGuard<()>> {
    let held = claims::claim(check.module.claim()?).await;
    claims::pace(address.ip()).await;
    Some(held)
}

/// How long a check waits for the resolver.
fn patience(check: &Check) -> Duration {
    check.module.timeout().min(LONGEST_RESOLUTION)
}

/// Whether nothing is left: an exchange that this host could not carry out does not know.
fn is_clean(outcome: &Outcome) -> bool {
    let failure = outcome.failure.as_ref().map(|(_, failure)| failure);
    !outcome.left_behind && !matches!(failure, Some(Failure::Internal | Failure::Local { .. }))
}

/// Runs one exchange with one address; `None` where there is none. A panic inside it is a fault of
/// this program and ends as [`Failure::Internal`], not as the end of the daemon.
async fn run(
    check: &Check,
    Peer { address, transport }: Peer,
    begin: impl FnOnce(&Target, Chance) -> Option<Box<dyn Exchange>>,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
    ledger: Option<Ledger<'_>>,
) -> Option<Outcome> {
    let broken =
        |failure| Outcome { failure: Some((Phase::Request, failure)), ..Outcome::default() };
    let Some(chance) = chance() else {
        let problem = std::io::ErrorKind::Other;
        return Some(broken(Failure::Local { peer: address, problem }));
    };
    let target = Target {
        name: check.target.to_string(),
        site: check.site.to_string(),
        host: check.host.to_string(),
        address,
        transport,
        started: SystemTime::now(),
    };
    let driven = async {
        let mut exchange = begin(&target, chance)?;
        Some(drive_noting(exchange.as_mut(), address, cancel, watcher, ledger).await)
    };
    match AssertUnwindSafe(driven).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            tracing::error!(probe = check.probe.name(), "an exchange panicked");
            Some(broken(Failure::Internal))
        }
    }
}

/// Chance from the operating system, where it has any.
fn chance() -> Option<Chance> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).ok()?;
    Some(Chance::from_seed(seed))
}

/// The loop that moves an exchange; it knows no protocol.
pub async fn drive(
    exchange: &mut dyn Exchange,
    address: SocketAddr,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Outcome {
    drive_noting(exchange, address, cancel, watcher, None).await
}

async fn drive_noting(
    exchange: &mut dyn Exchange,
    address: SocketAddr,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
    mut ledger: Option<Ledger<'_>>,
) -> Outcome {
    let clock = Clock::start();
    let mut legs = Legs::default();
    let mut called_off = false;
    let tell = |at: Moment, what: &dyn Fn() -> String| {
        if let Some(watcher) = watcher {
            watcher(Step { address: Some(address), at, what: what() });
        }
    };
    loop {
        let until = match exchange.poll_output() {
            Output::Done(outcome) => {
                if let Some(ledger) = &mut ledger {
                    ledger.close(&outcome);
                }
                return outcome;
            }
            Output::Open(leg) => {
                tell(clock.now(), &|| format!("open {} to {}", leg.transport.label(), leg.peer));
                legs.open(leg, &clock);
                continue;
            }
            Output::Close(leg) => {
                tell(clock.now(), &|| format!("close leg {}", leg.0));
                legs.close(leg);
                continue;
            }
            Output::Intend(intent) => {
                tell(clock.now(), &|| format!("note what may be left with {}", intent.peer));
                if let Some(ledger) = &mut ledger {
                    ledger.open(intent);
                }
                continue;
            }
            Output::Transmit { leg, to, bytes } => {
                tell(clock.now(), &|| format!("send {} bytes to {to}", bytes.len()));
                legs.transmit(leg, to, &bytes, &clock);
                if let Some(ledger) = &mut ledger {
                    ledger.sent();
                }
                continue;
            }
            Output::Wait { until, reason } => {
                tell(clock.now(), &|| format!("wait for {reason} until {}", seconds(until)));
                until
            }
        };
        let (event, at) = tokio::select! {
            biased;
            () = cancel.cancelled(), if !called_off => {
                called_off = true;
                tell(clock.now(), &|| "called off".to_owned());
                exchange.handle_input(Input::Cancelled, clock.now());
                continue;
            }
            event = legs.event(&clock) => event,
            () = tokio::time::sleep_until(clock.instant(until)) => {
                exchange.handle_input(Input::Timeout, clock.now());
                continue;
            }
        };
        tell(at, &|| event.to_string());
        exchange.handle_input(event.input(), at);
    }
}

fn seconds(moment: Moment) -> String {
    format!("{:.3} s", moment.elapsed().as_secs_f64())
}

/// How many exchanges run at once: half of what this process may open, since each may open two
/// sockets. The table of open files is the process's, so its limit is, too.
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| {
    let open_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    let places = open_files.saturating_sub(KEPT_OPEN) / 2;
    Semaphore::new(usize::try_from(places).unwrap_or(MOST_EXCHANGES).clamp(8, MOST_EXCHANGES))
});

/// Files that are not for exchanges: pages, the API, logs.
const KEPT_OPEN: u64 = 320;
const MOST_EXCHANGES: usize = 16_384;
/// A stub resolver's own patience: 2 attempts of 5 s (`resolv.conf(5)`).
const LONGEST_RESOLUTION: Duration = Duration::from_secs(10);
