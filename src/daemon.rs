//! The daemon: wires schedule, driver, poller, rules and pages together, and keeps them running
//! through reloads until it is told to stop.

mod adopting;
mod arrivals;
mod calling;
mod hooks;
mod leftovers;
mod notice;
mod polling;
mod status;
mod subscribing;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use branchline_probes::Observation;
use futures_util::FutureExt as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{Entry, Trail};
use crate::check::{Check, CheckId};
use crate::config::Plan;
use crate::correlation::Memory;
use crate::diagnosis::diagnose;
use crate::driver::{self, KeepsStamping};
use crate::journal::{Journal, Leftovers};
use crate::outputs::metrics;
use crate::poller;
use crate::profile::Profile;
use crate::propagation;
use crate::rules::RULES;
use crate::schedule::Schedule;
use crate::telephony::Snapshot;
use crate::web::{self, Hooks, Pages};
use crate::webhook::Heard;

use arrivals::Arrivals;
use calling::Calling;
use hooks::Tally;
use notice::Notices;
use polling::Polling;
use status::Recorder;

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A page's address is taken or not ours.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address of `[web] listen`.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The vendor's API cannot be asked.
    #[error("cannot ask the vendor's API: {0}")]
    Poller(#[from] poller::SetupError),
    /// The process cannot hear signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
}

/// Runs until SIGTERM or SIGINT, then cleans up.
///
/// # Errors
///
/// [`StartError`] when it could not start; once it runs, nothing ends it but a signal.
pub async fn run(config: PathBuf, plan: Plan) -> Result<(), StartError> {
    let _stamping = KeepsStamping::begin();
    let recorder = Recorder::install();
    let mut signals = Signals::listen().map_err(StartError::Signals)?;
    let listeners = web::bind(&plan.web)
        .await
        .map_err(|(address, error)| StartError::Listen { address, error })?;
    let (mut daemon, mut inbox, pages) = Daemon::new(config, plan, recorder)?;
    daemon.recorder.listens(listeners.iter().filter_map(|it| it.local_addr().ok()));
    for listener in listeners {
        daemon.helpers.spawn(web::serve(listener, pages.clone(), daemon.stop.clone()));
    }
    if let Some((journal, left)) = leftovers::open() {
        daemon.keep(journal, left);
    }
    daemon.render();
    notify(&[NotifyState::Ready]);
    tracing::info!(checks = daemon.checks.len(), "started");
    daemon.live(&mut inbox, &mut signals).await;
    daemon.shut_down(&mut inbox, &mut signals).await;
    Ok(())
}

struct Daemon {
    config: PathBuf,
    site: String,
    web: web::Settings,
    telephony: Option<poller::Settings>,
    checks: Vec<Check>,
    profile: Arc<Profile>,
    phones: BTreeSet<Arc<str>>,
    index: BTreeMap<CheckId, usize>,
    running: BTreeMap<CheckId, CancellationToken>,
    /// Checks that are due as soon as their predecessor has cleaned up.
    waiting: BTreeSet<CheckId>,
    /// How often in a row the peer refused our credentials.
    refusals: BTreeMap<CheckId, u32>,
    schedule: Schedule,
    memory: Memory,
    awaited: BTreeSet<CheckId>,
    awaits_vendor: bool,
    snapshot: Option<Arc<Snapshot>>,
    notices: Notices,
    arrivals: Arrivals,
    recorder: Recorder,
    journal: Option<Arc<Journal>>,
    started: Instant,
    is_dirty: bool,
    outbox: mpsc::Sender<News>,
    metrics: watch::Sender<Bytes>,
    ready: watch::Sender<bool>,
    runs: TaskTracker,
    helpers: TaskTracker,
    stop: CancellationToken,
    polling: Polling,
    calling: Calling,
    hooks: Hooks,
    heard: mpsc::Receiver<Heard>,
    tally: Tally,
    trail: Trail,
}

/// What reaches the daemon from its tasks.
enum News {
    Ran {
        id: CheckId,
        observations: Vec<Observation>,
    },
    TookBack {
        id: CheckId,
    },
    Polled {
        snapshot: Arc<Snapshot>,
        by: CancellationToken,
    },
    /// Something for the audit trail.
    Happened(Entry),
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Daemon {
    fn new(
        config: PathBuf,
        plan: Plan,
        recorder: Recorder,
    ) -> Result<(Self, mpsc::Receiver<News>, Pages), poller::SetupError> {
        let (outbox, inbox) = mpsc::channel(NEWS);
        let (metrics, metrics_page) = watch::channel(Bytes::new());
        let (ready, ready_page) = watch::channel(false);
        let (hearing, heard) = mpsc::channel(HEARD);
        let mut daemon = Self {
            config,
            site: String::new(),
            web: plan.web.clone(),
            telephony: None,
            checks: Vec::new(),
            profile: Arc::default(),
            phones: BTreeSet::new(),
            index: BTreeMap::new(),
            running: BTreeMap::new(),
            waiting: BTreeSet::new(),
            refusals: BTreeMap::new(),
            schedule: Schedule::new(status::host_seed()),
            memory: Memory::default(),
            awaited: BTreeSet::new(),
            awaits_vendor: false,
            snapshot: None,
            notices: Notices::default(),
            arrivals: Arrivals::default(),
            recorder,
            journal: None,
            started: Instant::now(),
            is_dirty: true,
            outbox,
            metrics,
            ready,
            runs: TaskTracker::new(),
            helpers: TaskTracker::new(),
            stop: CancellationToken::new(),
            polling: Polling::default(),
            calling: Calling::default(),
            hooks: Hooks::new(hearing, hooks::is_clock_synchronised),
            heard,
            tally: Tally::default(),
            trail: hooks::open_trail(),
        };
        daemon.adopt(plan)?;
        daemon.recorder.reloaded(true);
        let mut pages = Pages::new(metrics_page, ready_page);
        pages.hooks = Some(daemon.hooks.clone());
        Ok((daemon, inbox, pages))
    }

    /// Takes over a journal, and takes back what an earlier process left, before the checks that
    /// left it run again.
    fn keep(&mut self, journal: Arc<Journal>, left: Leftovers) {
        self.recorder.found(left.was_unclean);
        let find = |id: &CheckId| self.index.get(id).map(|index| &self.checks[*index]);
        let left = leftovers::by_check(left.intents, &journal, find);
        let places = Arc::new(Semaphore::new(leftovers::MOST_AT_ONCE));
        for (id, intents) in left {
            let Some(check) = self.index.get(&id).map(|index| self.checks[*index].clone()) else {
                continue;
            };
            let cancel = CancellationToken::new();
            // While it is being cleaned up after, it counts as running.
            self.running.insert(id.clone(), cancel.clone());
            let (outbox, places) = (self.outbox.clone(), Arc::clone(&places));
            let undone = leftovers::take_back(check, intents, Arc::clone(&journal), places, cancel);
            self.runs.spawn(async move {
                undone.await;
                let _ = outbox.send(News::TookBack { id }).await;
            });
        }
        self.journal = Some(journal);
    }

    async fn live(&mut self, inbox: &mut mpsc::Receiver<News>, signals: &mut Signals) {
        let mut rendering = tokio::time::interval(RENDERING);
        rendering.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let watchdog = sd_notify::watchdog_enabled();
        // At half the time, so that one missed beat does no harm (sd_watchdog_enabled(3)).
        let mut feeding = tokio::time::interval(watchdog.unwrap_or(IDLE) / 2);
        loop {
            let next = self.schedule.next().map(|due| self.started + due);
            let next = next.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => self.start_due(),
                Some(news) = inbox.recv() => self.hear(news),
                Some(heard) = self.heard.recv() => self.take_hint(&heard),
                _ = rendering.tick() => self.render_if_due(),
                _ = feeding.tick(), if watchdog.is_some() => notify(&[NotifyState::Watchdog]),
                _ = signals.hangup.recv() => self.reload(),
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
            }
        }
    }

    fn start_due(&mut self) {
        let due = self.schedule.due(self.started.elapsed());
        for id in due.skipped {
            self.recorder.skipped(&id);
        }
        self.recorder.hastened(due.early.len());
        due.delays.into_iter().for_each(|delay| self.recorder.delayed(delay));
        for id in due.early {
            let entry = Entry::new("early_run", SystemTime::now());
            self.trail.record(&entry.with("module", &*id.module).with("target", &*id.target));
        }
        for id in due.run {
            match self.index.get(&id).map(|index| self.checks[*index].clone()) {
                // A run that was called off by a reload may still be cleaning up.
                Some(_) if self.running.contains_key(&id) => {
                    self.schedule.finished(&id);
                    self.waiting.insert(id);
                }
                Some(check) => self.start(id, check),
                None => {}
            }
        }
    }

    fn start(&mut self, id: CheckId, check: Check) {
        let cancel = CancellationToken::new();
        self.running.insert(id.clone(), cancel.clone());
        let (outbox, journal) = (self.outbox.clone(), self.journal.clone());
        self.runs.spawn(async move {
            let run = driver::observe(&check, &cancel, None, journal.as_deref());
            let run = AssertUnwindSafe(run).catch_unwind();
            // Whatever happens, the daemon hears that the run is over.
            let observations = run.await.unwrap_or_default();
            // The daemon is gone only when the process is about to be.
            let _ = outbox.send(News::Ran { id, observations }).await;
        });
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Ran { id, observations } => {
                self.schedule.finished(&id);
                let was_called_off =
                    self.running.remove(&id).is_some_and(|cancel| cancel.is_cancelled());
                for observation in &observations {
                    self.recorder.ran(observation);
                }
                if !was_called_off && self.index.contains_key(&id) {
                    self.awaited.remove(&id);
                    let is_refused = observations.iter().any(|it| it.outcome.back_off);
                    // As long as one address may be asked, the check is run.
                    let rests = observations.iter().map(|it| it.outcome.retry_after);
                    let asked = rests.min().flatten();
                    self.memory.record(&id, observations);
                    self.leave_alone(&id, is_refused, asked);
                }
                self.start_waiting(&id);
            }
            News::TookBack { id } => {
                self.running.remove(&id);
                self.start_waiting(&id);
            }
            News::Happened(entry) => self.trail.record(&entry),
            // A reading that was called off while it was on its way is not taken.
            News::Polled { by, .. } if by.is_cancelled() => {}
            News::Polled { snapshot, .. } => {
                self.awaits_vendor = false;
                self.calling.polled(&snapshot);
                if let Some(before) = self.snapshot.replace(Arc::clone(&snapshot)) {
                    self.hasten(hooks::changed(&before, &snapshot, &self.checks));
                }
            }
        }
        self.is_dirty = true;
    }

    /// What a webhook says is not believed: it is looked at sooner (D-HOOK-3).
    fn take_hint(&mut self, heard: &Heard) {
        let hints = heard.notice.hints();
        let checks = hooks::spoken_of(heard, &self.checks, self.snapshot.as_deref());
        let entry = hooks::entry(heard, SystemTime::now());
        let entry = entry.with_count("readings", hints.len() as u64);
        self.trail.record(&entry.with_count("checks", checks.len() as u64));
        hints.into_iter().for_each(|hint| self.polling.hint(hint));
        self.hasten(checks);
    }

    fn hasten(&mut self, checks: BTreeSet<CheckId>) {
        let now = self.started.elapsed();
        for id in checks {
            if let Some(index) = self.index.get(&id) {
                let gap = hooks::shortest_interval(&self.checks[*index]);
                self.schedule.hasten(&id, now, gap);
            }
        }
    }

    fn start_waiting(&mut self, id: &CheckId) {
        if self.waiting.remove(id) {
            self.schedule.postpone(id, self.started.elapsed());
        }
    }

    /// After refused credentials the registrar is asked less and less often: who insists gets the
    /// account locked. What is known holds until then.
    ///
    /// A peer that says how long it wants to be left alone is believed, within reason.
    fn leave_alone(&mut self, id: &CheckId, is_refused: bool, asked: Option<Duration>) {
        if !is_refused {
            self.refusals.remove(id);
            if let Some(rest) = asked.map(|rest| rest.min(LONGEST_REST)) {
                self.schedule.delay(id, self.started.elapsed() + rest);
                let interval = self.index.get(id).map(|place| self.checks[*place].interval);
                let slack = interval.unwrap_or_default() * 2;
                self.memory.hold(id, SystemTime::now() + rest + slack);
            }
            return;
        }
        let refusals = self.refusals.entry(id.clone()).or_default();
        let rest = SHORTEST_REST.saturating_mul(1 << (*refusals).min(8)).min(LONGEST_REST);
        *refusals += 1;
        self.schedule.postpone(id, self.started.elapsed() + rest);
        self.memory.hold(id, SystemTime::now() + rest + LONGEST_REST);
    }

    fn render_if_due(&mut self) {
        let results = self.hooks.results();
        self.is_dirty |= !results.is_empty();
        for entry in self.tally.note(results, Instant::now(), SystemTime::now()) {
            self.trail.record(&entry);
        }
        // States grow old by themselves, so the pages are made anew even when nothing happened.
        if self.is_dirty || self.recorder.is_due() {
            self.render();
        }
    }

    fn render(&mut self) {
        self.is_dirty = false;
        let now = SystemTime::now();
        let mut evidence =
            self.memory.evidence(&self.checks, &self.profile, self.snapshot.as_ref(), now);
        evidence.links.phones.clone_from(&self.phones);
        let diagnosis = diagnose(&evidence, RULES);
        let is_ready = *self.ready.borrow() || (self.awaited.is_empty() && !self.awaits_vendor);
        if is_ready && self.notices.tell(&diagnosis) {
            notify(&[NotifyState::Status(diagnosis.verdict.label())]);
        }
        if is_ready {
            self.calling.diagnosed(&self.site, &diagnosis);
        }
        if let Some(journal) = &self.journal {
            self.recorder.intends(journal.open_intents(now));
        }
        for took in self.arrivals.note(&propagation::of(&evidence), now) {
            self.recorder.arrived(took);
        }
        let page = metrics::page(&self.site, &evidence, &diagnosis);
        self.recorder.dropped(page.dropped);
        let mut text = page.text;
        text.push_str(&self.recorder.render());
        self.metrics.send_replace(text.into());
        // After the page: who waits for readiness finds every check on it.
        self.ready.send_if_modified(|ready| std::mem::replace(ready, is_ready) != is_ready);
    }

    /// Calls every exchange off, and waits for them to take back what they created; a second
    /// signal ends the waiting.
    async fn shut_down(&mut self, inbox: &mut mpsc::Receiver<News>, signals: &mut Signals) {
        notify(&[NotifyState::Stopping]);
        tracing::info!(running = self.running.len(), "stopping");
        for cancel in self.running.values() {
            cancel.cancel();
        }
        self.calling.end();
        self.runs.close();
        let deadline = tokio::time::sleep(LONGEST_SHUTDOWN);
        let mut deadline = std::pin::pin!(deadline);
        loop {
            tokio::select! {
                () = self.runs.wait() => break,
                Some(news) = inbox.recv() => self.hear(news),
                () = signals.end() => break,
                () = &mut deadline => break,
            }
        }
        while let Ok(news) = inbox.try_recv() {
            self.hear(news);
        }
        self.stop.cancel();
        if let Some(journal) = &self.journal {
            journal.end(SystemTime::now());
        }
        tracing::info!("stopped");
    }
}

fn notify(state: &[NotifyState<'_>]) {
    // Nobody listens where there is no systemd.
    let _ = sd_notify::notify(state);
}

/// After the first refusal of our credentials, and doubled after each further one.
const SHORTEST_REST: Duration = Duration::from_secs(300);
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// How many pieces of news may wait; more make their tasks wait.
const NEWS: usize = 1024;
/// How many webhooks may wait; more are told to come again.
const HEARD: usize = 64;
/// How often the pages are made anew at most.
const RENDERING: Duration = Duration::from_millis(500);
/// How long nothing is due where there is nothing to do.
const IDLE: Duration = Duration::from_secs(3600);
/// An exchange takes at most 5 s to clean up; a service manager kills after more.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(8);
