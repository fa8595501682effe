//! The poller: reads the vendor's state through its published API, whole parts or none.

mod allowance;
mod body;
mod breaker;
mod censor;
mod channel;
mod client;
mod exchange;
mod failed;
mod guide;
mod hints;
mod location;
mod origin;
mod pace;
mod page;
mod path;
mod platform;
mod policy;
mod private;
mod profile;
mod reading;
mod readings;
pub mod region;
mod settings;
mod since;
mod strict;
mod thing;
mod token;
mod transport;
mod trust;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use metrics::{describe_counter, describe_gauge, gauge};
use reqwest::Url;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::telephony::{self, ApiProblem, Hint, PartName, PartState, Snapshot};

use client::Client;
use exchange::Exchanger;
use failed::Failed;
use hints::Listings;
use origin::{origin, streaming_origin};
use pace::{Clock, Pace};
use reading::Asking;
use readings::Readings;
use thing::{Missing, Wanted};
use token::Tokens;
use transport::{Transport, host};

pub use hints::{Hints, WhenDue};
pub use location::Narrowing;
pub use profile::Profile;
pub use settings::{Haste, Settings, SetupError};

/// The gauge of the last reading without a problem.
const LAST_SUCCESS: &str = "branchline_telephony_api_last_success_timestamp_seconds";

/// How long one reading may take in all: retries and pauses that are each within their limits
/// must not add up to a state that is older than it looks.
const READING: Duration = Duration::from_secs(120);

/// How long a part that is read rarely rests after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(300);

/// Reads the vendor's state. It holds a secret and has no `Debug`.
pub struct Poller {
    client: Client,
    profile: Profile,
    interval: Duration,
    skip: BTreeSet<PartName>,
    /// How long one reading may take in all.
    limit: Duration,
    narrowing: Option<Narrowing>,
    subscription: Option<String>,
    /// Where notifications come from, as HTTP has it.
    streaming: Option<Url>,
    /// The parts of which every change is heard.
    heard: Mutex<BTreeSet<PartName>>,
    missing: Missing,
    listings: Mutex<Listings>,
    /// When each part was last asked for.
    attempts: Mutex<BTreeMap<PartName, Instant>>,
}

impl Poller {
    /// A poller that has not asked anything yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when an origin is none, is not https, or the host lacks what TLS needs.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        Self::hasty(settings, Haste { waits: 1, limits: 1, reading: 1 })
    }

    /// A poller for tests, which waits less long.
    ///
    /// # Errors
    ///
    /// As [`Poller::new`].
    #[doc(hidden)]
    pub fn hasty(settings: Settings, haste: Haste) -> Result<Self, SetupError> {
        let api = origin("API's address", &settings.api_url)?;
        let login = origin("login address", &settings.login_url)?;
        let streaming = settings.streaming_url.as_deref().map(streaming_origin).transpose()?;
        let loopback = [Some(&api), Some(&login), streaming.as_ref()]
            .into_iter()
            .flatten()
            .any(|url| url.scheme() == "http");
        let exchanger = Exchanger::new(loopback, haste.limits)?;
        let pace = Pace::new(Clock::new(haste.waits)).map_err(SetupError::Chance)?;
        for scope in settings.scopes.iter().filter(|scope| scope.ends_with("write")) {
            let hint = "leave it out: this program only reads";
            tracing::warn!(%scope, hint, "the token may change the vendor's settings");
        }
        let client = Client {
            transport: Transport::new(exchanger, pace),
            api,
            login,
            id: settings.client_id,
            secret: settings.client_secret,
            scopes: settings.scopes.join(" "),
            tokens: Tokens::default(),
        };
        let mut skip = settings.skip;
        if settings.profile == Profile::Guide && settings.narrowing.is_some() {
            // Without the locations nothing could be told apart.
            skip.remove(&PartName::Locations);
        }
        Ok(Self {
            client,
            profile: settings.profile,
            interval: settings.interval,
            skip,
            limit: READING / haste.reading.max(1),
            narrowing: settings.narrowing,
            subscription: settings.subscribe,
            streaming,
            heard: Mutex::default(),
            missing: Missing::default(),
            listings: Mutex::default(),
            attempts: Mutex::default(),
        })
    }

    /// How long to wait from one reading to the next.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// One complete reading of every part that is due: [`Poller::read_first`], then
    /// [`Poller::read_then`].
    ///
    /// A part that fails keeps the items and the time of `previous`, and says why it failed; so
    /// does one that is not read within two minutes from the beginning of its half. What depends on
    /// another part, as an edge group's readiness on its edges, fails with it.
    pub async fn read(&self, previous: &Snapshot) -> Snapshot {
        self.read_then(&self.read_first(previous).await).await
    }

    /// The first half of a reading: what a verdict rests on, and by what it is told whose it is.
    pub async fn read_first(&self, previous: &Snapshot) -> Snapshot {
        self.read_due(previous, |part| self.profile.reads_first(part)).await
    }

    /// The second half: what surrounds and explains it. It asks of what the first half knows, and may
    /// take its time.
    pub async fn read_then(&self, previous: &Snapshot) -> Snapshot {
        self.read_due(previous, |part| !self.profile.reads_first(part)).await
    }

    /// Whether a part is read in the first half.
    #[must_use]
    pub fn reads_first(&self, part: PartName) -> bool {
        self.profile.reads_first(part)
    }

    async fn read_due(
        &self,
        previous: &Snapshot,
        is_wanted: impl Fn(PartName) -> bool,
    ) -> Snapshot {
        let previous = self.of_here(previous);
        let now = SystemTime::now();
        let is_due = |state: &PartState<'_>| {
            is_wanted(state.name)
                && self.every(state.name).is_some_and(|it| self.is_due(state, it, now))
        };
        let wanted: BTreeSet<PartName> =
            previous.parts().iter().filter(|it| is_due(it)).map(|it| it.name).collect();
        self.listings().forget(&wanted);
        self.read_parts(previous, wanted).await
    }

    /// Whether a part that is read so often is due, within half an interval.
    fn is_due(&self, state: &PartState<'_>, every: Duration, now: SystemTime) -> bool {
        if every <= self.interval || self.listings().is_waiting(state.name) {
            return true;
        }
        let slack = self.interval / 2;
        if state.problem.is_some() {
            if state.name.is_vital() || self.tells_all(state.name) {
                return true;
            }
            // What is read rarely is not worth an attempt with every reading.
            let pause = every.min(AFTER_FAILURE);
            let attempt = self.attempts().get(&state.name).copied();
            return attempt.is_none_or(|at| at.elapsed() + slack >= pause);
        }
        // A clock that was set back leaves no part unread for long.
        state
            .read
            .is_none_or(|read| now.duration_since(read).map_or(true, |age| age + slack >= every))
    }

    /// By which part it is told what of this part belongs here, where anything has to be told.
    fn place_of(&self, part: PartName) -> Option<PartName> {
        let is_of_all = matches!(part, PartName::Organization | PartName::Authorities);
        let place = self.profile.places();
        let has_place = self.narrowing.is_some() && !is_of_all && part != place;
        has_place.then_some(place)
    }

    /// Whether nothing at all can be told to belong here without this part.
    fn tells_all(&self, part: PartName) -> bool {
        self.narrowing.is_some() && part == self.profile.places()
    }

    /// What `previous` knew, with that read again which `hints` point at.
    ///
    /// A thing that is known is read alone; its part is then as old as it was, since its other
    /// items are. A thing that the API twice does not have is dropped.
    pub async fn refresh(&self, previous: &Snapshot, hints: &BTreeSet<Hint>) -> Snapshot {
        let previous = self.of_here(previous);
        let mut wanted = Wanted::of(hints, &previous, |part| self.profile.has_things(part));
        wanted.parts.retain(|part| self.every(*part).is_some());
        wanted.things.retain(|part, _| self.every(*part).is_some());
        if wanted.things.is_empty() {
            return self.list(previous, wanted.parts).await;
        }
        let asking = self.asking(&previous, BTreeSet::new());
        let (narrowing, missing) = (self.narrowing.as_ref(), &self.missing);
        let reading = thing::read(&asking, &wanted.things, missing, narrowing);
        let (snapshot, unread) = Box::pin(reading).await;
        wanted.parts.extend(unread);
        self.list(Cow::Owned(snapshot), wanted.parts).await
    }

    /// Reads parts because of hints, each of them as often as it may be; what has to wait is read
    /// with the next hint after that or with the next reading.
    async fn list(&self, previous: Cow<'_, Snapshot>, wanted: BTreeSet<PartName>) -> Snapshot {
        let now = self.client.transport.pace.clock().now();
        let admitted = self.listings().admit(wanted, now);
        if admitted.is_empty() {
            return previous.into_owned();
        }
        self.read_parts(previous, admitted).await
    }

    /// Listens to the vendor's notifications, and hands on at what each of them hints; for ever,
    /// unless nobody tells what is known any more.
    pub async fn listen(&self, known: watch::Receiver<Arc<Snapshot>>, hint: impl Fn(Hint)) {
        let Some(streaming) = &self.streaming else { return std::future::pending().await };
        let covers = |parts| *self.heard() = parts;
        channel::Line { client: &self.client, streaming, hint, covers }.keep(known).await;
    }

    fn listings(&self) -> MutexGuard<'_, Listings> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<PartName, Instant>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, BTreeSet<PartName>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `previous` knew, with that read again which says whether an edge group is ready, wherever
    /// the group is.
    pub async fn read_edge_group(&self, previous: &Snapshot, link: &str) -> Snapshot {
        let wanted = BTreeSet::from([PartName::Edges, PartName::EdgeGroups]);
        let asking = Asking { narrowing: None, ..self.asking(previous, wanted) };
        let readings = match self.profile {
            Profile::Platform => platform::read(&asking).await,
            Profile::Guide => guide::read_edge_group(&asking, link).await,
        };
        self.settled(readings, &BTreeMap::new(), previous, asking.begun)
    }

    /// Whom the vendor is to call when a trunk's registration changes, where anybody is.
    #[must_use]
    pub fn subscription(&self) -> Option<&str> {
        self.subscription.as_deref().filter(|_| self.profile == Profile::Guide)
    }

    /// Asks the vendor to call `url` whenever a trunk's registration changes: the one thing that is
    /// ever written, and known to the guide's API alone. One that is there already will do.
    ///
    /// # Errors
    ///
    /// [`ApiProblem`] when the vendor refuses or cannot be asked.
    pub async fn subscribe(&self, url: &str) -> Result<(), ApiProblem> {
        guide::subscribe(&self.client, url).await.map_err(|failed| failed.problem)
    }

    /// What was read of another location says nothing of this one.
    fn of_here<'a>(&self, previous: &'a Snapshot) -> Cow<'a, Snapshot> {
        let location = self.narrowing.as_ref().map(|narrowing| &narrowing.location);
        if previous.location.as_ref() == location {
            Cow::Borrowed(previous)
        } else {
            Cow::Owned(Snapshot::default())
        }
    }

    /// How often a part is read; `None` where nobody asks for it.
    fn every(&self, part: PartName) -> Option<Duration> {
        let usual = self.profile.pace(part, self.interval).filter(|_| !self.skip.contains(&part));
        usual.map(|usual| channel::every(usual, self.interval, self.heard().contains(&part)))
    }

    fn asking<'a>(&'a self, previous: &'a Snapshot, wanted: BTreeSet<PartName>) -> Asking<'a> {
        let (begun, end) = (SystemTime::now(), Instant::now() + self.limit);
        let narrowing = self.narrowing.as_ref();
        Asking { client: &self.client, previous, narrowing, begun, wanted, end }
    }

    async fn read_parts(
        &self,
        previous: Cow<'_, Snapshot>,
        mut wanted: BTreeSet<PartName>,
    ) -> Snapshot {
        // Groups are judged by their edges; by those that were kept of one location alone, they
        // could be judged wrongly.
        if wanted.contains(&PartName::Edges) {
            wanted.insert(PartName::EdgeGroups);
        } else if self.narrowing.is_some() && wanted.contains(&PartName::EdgeGroups) {
            wanted.insert(PartName::Edges);
        }
        wanted.retain(|part| self.every(*part).is_some());
        self.missing.forget(&wanted);
        let previous = previous.as_ref();
        let unmet = self.unmet(&wanted, previous);
        wanted.retain(|part| !unmet.contains_key(part));
        let asked = Instant::now();
        self.attempts().extend(wanted.iter().map(|part| (*part, asked)));
        let asking = self.asking(previous, wanted);
        let begun = asking.begun;
        // So many parts side by side are too much for a stack to carry through every caller.
        let mut readings = Box::pin(self.profile.read(&asking)).await;
        if let Some(Ok(phones)) = &mut readings.phones {
            since::carry(&mut phones.items, &previous.phones.items, begun);
        }
        self.settled(readings, &unmet, previous, begun)
    }

    /// The wanted parts that cannot be asked for, since of what they tell more nothing was ever read.
    fn unmet(
        &self,
        wanted: &BTreeSet<PartName>,
        previous: &Snapshot,
    ) -> BTreeMap<PartName, Failed> {
        let parts = previous.parts();
        let failed = |part: &PartName| {
            let is_unread = |it: &PartName| !wanted.contains(it);
            let of = [self.profile.foundation(*part), self.place_of(*part)];
            let state = of.into_iter().flatten().filter(is_unread).find_map(|of| {
                let is_it = |it: &&PartState<'_>| it.name == of && it.read.is_none();
                parts.iter().find(is_it).filter(|it| it.problem.is_some())
            })?;
            let (problem, correlation) = (state.problem?.clone(), state.correlation.cloned());
            Some((*part, Failed { problem, correlation }))
        };
        wanted.iter().filter_map(failed).collect()
    }

    /// What is known after a reading that began at `begun`.
    fn settled(
        &self,
        readings: Readings,
        unmet: &BTreeMap<PartName, Failed>,
        previous: &Snapshot,
        begun: SystemTime,
    ) -> Snapshot {
        let now = SystemTime::now();
        macro_rules! settle {
            ($($field:ident = $name:ident),*) => {
                Snapshot {
                    interval: self.interval,
                    location: self.narrowing.as_ref().map(|it| it.location.clone()),
                    region: self.region(),
                    $($field: readings::settled(
                        PartName::$name,
                        readings.$field.or_else(|| unmet.get(&PartName::$name).cloned().map(Err)),
                        &previous.$field,
                        self.every(PartName::$name),
                        (begun, now),
                    )),*
                }
            };
        }
        let snapshot = telephony::each_part!(settle);
        // The oldest part counts: what was not asked for now says nothing of now.
        let vital = snapshot.parts().into_iter().filter(|part| part.name.is_vital());
        let read = vital.map(|part| part.read.filter(|_| part.problem.is_none()));
        if let Some(read) = read.min().flatten() {
            let since = read.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            gauge!(LAST_SUCCESS).set(since.as_secs_f64());
        }
        snapshot
    }

    /// The published region whose hosts are asked.
    fn region(&self) -> Option<&'static str> {
        region::of_host(host(&self.client.api))
    }
}

/// A client that follows nothing, trusts the host's roots only and waits for nobody for long; in the
/// clear it reaches loopback addresses alone, and those by no proxy.
pub(crate) fn http_client(in_the_clear: bool) -> Result<reqwest::Client, SetupError> {
    Ok(Exchanger::new(in_the_clear, 1)?.http().clone())
}

/// Says what the poller's metrics mean; to be called once, after a recorder is installed.
pub fn describe_metrics() {
    channel::describe_metrics();
    describe_counter!(
        exchange::REQUESTS,
        "Requests to the vendor's API, by class of answer; error: there was none"
    );
    describe_counter!(
        transport::THROTTLED,
        "Answers of the vendor's API that asked to send fewer requests"
    );
    describe_counter!(
        client::CLIENT_BUGS,
        "Requests that the vendor's API did not understand, which is a defect of this program"
    );
    describe_counter!(
        token::REFRESHES,
        "Access tokens that were fetched, by cause: start, expiry, or 401"
    );
    describe_gauge!(
        pace::BUDGET,
        "Requests that may leave at once, of a burst of 30 within 180 a minute"
    );
    describe_gauge!(
        pace::PAUSED,
        "Whether the vendor's API makes this program wait or slow down (1) or not (0)"
    );
    describe_gauge!(
        transport::BREAKER,
        "Whether the vendor's API is left alone after five failures in a row (1) or not (0)"
    );
    describe_counter!(
        readings::SKIPPED,
        "Listed entities that were not what the vendor's API publishes"
    );
    describe_counter!(
        readings::UNKNOWN,
        "Things of the vendor's that held a word which its API does not publish, by part"
    );
    describe_gauge!(
        LAST_SUCCESS,
        metrics::Unit::Seconds,
        "When edges, edge groups, trunks and phones were last read without a problem"
    );
}
