//! The loop of `wait`: asks each nameserver when it can say something new, and ends when all do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::Observation;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::{Goal, vendor};
use crate::check::{Check, Whom};
use crate::cli::{Exit, run, say};
use crate::config;
use crate::correlation::Memory;
use crate::driver;
use crate::outputs::json;
use crate::outputs::text::{self, Waited};
use crate::poller::Poller;
use crate::profile::Profile;
use crate::propagation::{self, Propagation};
use crate::sight::{Shows, Sight, View};
use crate::telephony::{ApiProblem, Snapshot};

/// Waits until the goal has come true, its time is over or somebody interrupts.
pub(super) async fn wait(goal: &Goal) -> Exit {
    let poller = goal.group.as_ref().map(|(_, settings)| Poller::new(settings.clone()));
    let poller = match poller.transpose() {
        Ok(poller) => poller,
        Err(error) => {
            say::error(format_args!("cannot ask the vendor's API: {error}"), None);
            return Exit::Host;
        }
    };
    let (cancel, done) = (CancellationToken::new(), CancellationToken::new());
    let (exit, interrupted) = tokio::join!(
        async {
            let exit = Waiting::new(goal, &cancel).until_the_end(poller.as_ref()).await;
            done.cancel();
            exit
        },
        run::interruption(&cancel, &done)
    );
    interrupted.unwrap_or(exit)
}

/// One query, or one whole pass of a check, that is over.
type Asked = (usize, Option<SocketAddr>, Vec<Observation>);

struct Waiting<'a> {
    goal: &'a Goal,
    checks: Vec<Check>,
    memory: Memory,
    profile: Arc<Profile>,
    state: Option<Arc<Snapshot>>,
    progress: Progress,
    begun: Instant,
    cancel: &'a CancellationToken,
    /// Queries that are under way: a check by its place, and whom of it.
    asking: Vec<(usize, Option<SocketAddr>)>,
}

impl<'a> Waiting<'a> {
    fn new(goal: &'a Goal, cancel: &'a CancellationToken) -> Self {
        let mut checks = config::checks(&goal.site, &goal.views, &goal.names);
        // Whoever waits asks for the record alone, and once whether a resolver makes answers up.
        checks.retain(|check| {
            check.sight.as_ref().is_some_and(|it| match it.shows {
                Shows::Record => true,
                Shows::RandomLabel => it.view != View::Authoritative,
                Shows::Serial | Shows::Delegation => false,
            })
        });
        Self {
            goal,
            checks,
            memory: Memory::default(),
            profile: Arc::default(),
            state: None,
            progress: Progress::new(goal.timeout),
            begun: Instant::now(),
            cancel,
            asking: Vec::new(),
        }
    }

    async fn until_the_end(mut self, poller: Option<&Poller>) -> Exit {
        let (states, mut news) = watch::channel(None);
        let reading = async {
            match poller {
                Some(poller) => vendor::read_on(poller, &states).await,
                None => std::future::pending().await,
            }
        };
        let mut reading = std::pin::pin!(reading);
        let deadline = tokio::time::Instant::from_std(self.begun + self.goal.timeout);
        let checks = self.checks.clone();
        let mut running: FuturesUnordered<BoxFuture<'_, Asked>> = FuturesUnordered::new();
        for (place, check) in checks.iter().enumerate() {
            running.push(self.ask(place, check, None));
        }
        loop {
            let names = self.names();
            let group = self.group();
            let (took, now) = (self.begun.elapsed(), SystemTime::now());
            let waited = Waited { names: &names, group: group.as_deref(), took, now };
            // What one says first may look otherwise beside what another says a moment later.
            self.progress.show(waited, took < MOMENT && self.is_first_round());
            if self.has_come_true(&names) {
                return self.end(&names, true);
            }
            if let Some(exit) = self.is_hopeless() {
                self.progress.clear();
                return exit;
            }
            let (due, next) = self.due(&names);
            for (place, whom) in due {
                running.push(self.ask(place, &checks[place], whom));
            }
            // On a terminal the countdown goes on meanwhile.
            let tick = next.min(TICK);
            tokio::select! {
                Some((place, whom, observations)) = running.next() => {
                    self.heard(place, whom, observations);
                }
                () = &mut reading => {}
                Ok(()) = news.changed() => self.state = news.borrow_and_update().clone(),
                () = tokio::time::sleep(tick) => {}
                () = tokio::time::sleep_until(deadline) => return self.end(&names, false),
                () = self.cancel.cancelled() => {
                    self.progress.clear();
                    return Exit::Interrupted;
                }
            }
        }
    }

    fn ask<'c>(
        &mut self,
        place: usize,
        check: &'c Check,
        whom: Option<SocketAddr>,
    ) -> BoxFuture<'c, Asked>
    where
        'a: 'c,
    {
        self.asking.push((place, whom));
        let cancel = self.cancel;
        Box::pin(async move {
            let observations = match whom {
                Some(address) => {
                    vec![driver::observe_one(check, address, cancel, None, None).await]
                }
                None => driver::observe(check, cancel, None, None).await,
            };
            (place, whom, observations)
        })
    }

    fn heard(&mut self, place: usize, whom: Option<SocketAddr>, observations: Vec<Observation>) {
        self.asking.retain(|it| *it != (place, whom));
        let id = self.checks[place].id();
        match whom {
            Some(_) => observations.into_iter().for_each(|it| self.memory.note(&id, it)),
            None => self.memory.record(&id, observations),
        }
    }

    fn names(&self) -> Vec<Propagation> {
        let evidence = self.memory.evidence(
            &self.checks,
            &self.profile,
            self.state.as_ref(),
            SystemTime::now(),
        );
        propagation::of(&evidence)
    }

    /// Whom to ask now, and how long nobody else is to be asked.
    fn due(&self, names: &[Propagation]) -> (Vec<(usize, Option<SocketAddr>)>, Duration) {
        let now = SystemTime::now();
        let (mut due, mut next) = (Vec::new(), propagation::LONGEST);
        for name in names {
            for sighting in &name.sightings {
                let Some(at) = name.asked_again_at(sighting) else { continue };
                let is_it = |check: &&Check| {
                    let is_asked = |it: &Sight| {
                        it.shows == Shows::Record && it.name.question() == name.question
                    };
                    check.sight.as_ref().is_some_and(is_asked) && *check.target == *sighting.target
                };
                let Some(place) = self.checks.iter().position(|check| is_it(&check)) else {
                    continue;
                };
                let whom = (place, sighting.address);
                if self.asking.contains(&whom) || self.asking.contains(&(place, None)) {
                    continue;
                }
                // What was heard in the future was so before the clock was set back.
                let ahead = sighting.heard.duration_since(now).unwrap_or_default();
                match at.duration_since(now) {
                    Ok(left) if !left.is_zero() && ahead < propagation::SHORTEST => {
                        next = next.min(left);
                    }
                    Ok(_) | Err(_) => due.push(whom),
                }
            }
        }
        due.dedup();
        (due, next)
    }

    fn group(&self) -> Option<String> {
        let (link, _) = self.goal.group.as_ref()?;
        let state = self.state.as_ref();
        let known = state.and_then(|state| vendor::group(state, link));
        Some(match (known, state) {
            (Some(group), _) => {
                format!("edge group {link}: {} ({})", group.state.label(), group.raw)
            }
            (None, Some(_)) => format!("edge group {link}: unknown to the vendor"),
            (None, None) => format!("edge group {link}: asking the vendor"),
        })
    }

    fn is_group_ready(&self) -> bool {
        let group = self.goal.group.as_ref();
        group.is_none_or(|(link, _)| vendor::is_ready(self.state.as_deref(), link))
    }

    /// Whether the vendor is needed and has said nothing yet.
    fn is_vendor_unheard(&self) -> bool {
        let read = self.state.as_ref().and_then(|state| state.edge_groups.read);
        self.goal.group.is_some() && read.is_none()
    }

    fn has_come_true(&self, names: &[Propagation]) -> bool {
        let wanted = self.goal.names.iter().map(|name| name.types.len()).sum::<usize>();
        let now = SystemTime::now();
        self.is_group_ready()
            && names.len() == wanted
            && names.iter().all(|name| name.has_arrived(now))
            && !self.is_first_round()
    }

    /// Whether somebody whom nobody has heard yet may say otherwise. Whoever is still being looked
    /// for after a while is not waited for: where port 53 is closed, nobody will be found.
    fn is_first_round(&self) -> bool {
        let is_led = |place: usize| matches!(self.checks[place].whom, Whom::Led(_));
        let has_time = self.begun.elapsed() < FINDING;
        self.asking.iter().any(|(place, whom)| whom.is_none() && (has_time || !is_led(*place)))
    }

    /// Where the vendor cannot be asked, no edge group can come true.
    fn is_hopeless(&self) -> Option<Exit> {
        let problem = vendor::problem(self.state.as_deref()?)?;
        say::error(problem, None);
        Some(match problem {
            ApiProblem::Credentials { .. } | ApiProblem::Permission { .. } => Exit::Credentials,
            ApiProblem::Unreachable { .. }
            | ApiProblem::Throttled { .. }
            | ApiProblem::Server { .. }
            | ApiProblem::NoSuchLocation { .. }
            | ApiProblem::Tls { .. }
            | ApiProblem::NotFound { .. }
            | ApiProblem::Conflict { .. }
            | ApiProblem::Request { .. }
            | ApiProblem::Denied { .. }
            | ApiProblem::Malformed { .. } => Exit::Unavailable,
        })
    }

    fn end(&self, names: &[Propagation], is_true: bool) -> Exit {
        self.progress.clear();
        let took = self.begun.elapsed();
        if !is_true && self.is_vendor_unheard() {
            let hint = "give it longer with --timeout: the vendor is asked again after a pause";
            say::error("the vendor's API did not answer in time", Some(hint));
            return Exit::Unavailable;
        }
        let written = if self.goal.is_json {
            say::data(json::waited(names, is_true, took))
        } else {
            let (group, now) = (self.group(), SystemTime::now());
            let waited = Waited { names, group: group.as_deref(), took, now };
            say::data(text::waited(waited, is_true, say::width()))
        };
        let is_unseen = names.is_empty() || names.iter().any(Propagation::is_unseen);
        match (written, is_true) {
            (Exit::Success, true) => Exit::Success,
            (Exit::Success, false) if is_unseen && self.is_group_ready() => Exit::Inconclusive,
            (Exit::Success, false) => Exit::NoGo,
            (failed, _) => failed,
        }
    }
}

/// How often a countdown is drawn anew.
const TICK: Duration = Duration::from_millis(200);
/// How long those who answer at once are given to do so, before what one of them says is told.
const MOMENT: Duration = Duration::from_secs(1);
/// How long it may take to find those who speak for the zone.
const FINDING: Duration = Duration::from_secs(5);
