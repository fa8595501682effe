//! The poller: reads the vendor's state through its published API, whole parts or none.

mod allowance;
mod body;
mod breaker;
mod client;
mod exchange;
mod guide;
mod location;
mod pace;
mod page;
mod path;
mod platform;
mod policy;
mod reading;
pub mod region;
mod strict;
mod token;
mod transport;
mod trust;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use branchline_probes::Secret;
use metrics::{describe_counter, describe_gauge, gauge};
use rand::rngs::SysError;
use reqwest::Url;
use tokio::time::Instant;

use crate::telephony::{self, Hint, PartName, PartState, Snapshot};

use client::Client;
use exchange::Exchanger;
use pace::{Clock, Pace};
use reading::{Asking, Readings};
use token::Tokens;
use transport::{Transport, host};

pub use location::Narrowing;

/// The gauge of the last reading without a problem.
const LAST_SUCCESS: &str = "branchline_telephony_api_last_success_timestamp_seconds";

/// How long one reading may take in all: retries and pauses that are each within their limits
/// must not add up to a state that is older than it looks.
const READING: Duration = Duration::from_secs(120);

/// Whom to ask, as whom, and how often.
///
/// It holds a secret and has no `Debug`.
#[derive(Clone)]
pub struct Settings {
    /// Which API is spoken.
    pub profile: Profile,
    /// The origin of the API: `https://api.mypurecloud.de`.
    pub api_url: String,
    /// The origin that gives tokens: `https://login.mypurecloud.de`.
    pub login_url: String,
    /// The id of the OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// How long to wait from one reading to the next.
    pub interval: Duration,
    /// To which location the reading is narrowed; `None` reads all of the organisation.
    pub narrowing: Option<Narrowing>,
    /// The parts that nobody asks for.
    pub skip: BTreeSet<PartName>,
    /// The scopes that are asked for with a token; none where the client's roles decide.
    pub scopes: Vec<String>,
}

impl Settings {
    /// Whether `other` asks the same API as the same client for the same things.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            profile,
            api_url,
            login_url,
            client_id,
            client_secret,
            interval,
            narrowing,
            skip,
            scopes,
        } = self;
        *profile == other.profile
            && *skip == other.skip
            && *scopes == other.scopes
            && *api_url == other.api_url
            && *login_url == other.login_url
            && *client_id == other.client_id
            && client_secret.expose() == other.client_secret.expose()
            && *interval == other.interval
            && *narrowing == other.narrowing
    }
}

/// By how much every wait and every time limit of a poller is divided, for tests.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Haste {
    /// Pauses, back-off, lifetimes and the request budget.
    pub waits: u32,
    /// The time limits of one request.
    pub limits: u32,
    /// The time limit of one reading.
    pub reading: u32,
}

/// Why a poller cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// It is no URL.
    #[error("the {name} is no URL: {source}")]
    NoUrl {
        /// Which of the two.
        name: &'static str,
        /// What is wrong with it.
        source: <Url as FromStr>::Err,
    },
    /// It would carry a token or a secret in the clear.
    #[error("the {name} must begin with https:// (http:// only with a loopback address)")]
    Plaintext {
        /// Which of the two.
        name: &'static str,
    },
    /// It names more than a scheme, a host and a port.
    #[error("the {name} must be an origin: no user, path, query or fragment")]
    NoOrigin {
        /// Which of the two.
        name: &'static str,
    },
    /// The host has no trust anchors, so that no certificate could be verified.
    #[error("this host has no trust anchors (is ca-certificates installed?)")]
    NoTrustAnchors,
    /// TLS could not be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Chance(#[source] SysError),
}

/// Which API is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The vendor's published API.
    #[default]
    Platform,
    /// The paths, fields and words of the vendor's guide.
    Guide,
}

impl Profile {
    /// How often a part is read where everything else is read at `interval`; `None` where this API
    /// does not have the part.
    fn pace(self, part: PartName, interval: Duration) -> Option<Duration> {
        match self {
            Self::Platform => platform::pace(part, interval),
            Self::Guide => guide::pace(part, interval),
        }
    }

    async fn read(self, asking: &Asking<'_>) -> Readings {
        match self {
            Self::Platform => platform::read(asking).await,
            Self::Guide => guide::read(asking).await,
        }
    }
}

/// Reads the vendor's state. It holds a secret and has no `Debug`.
pub struct Poller {
    client: Client,
    profile: Profile,
    interval: Duration,
    skip: BTreeSet<PartName>,
    /// How long one reading may take in all.
    limit: Duration,
    narrowing: Option<Narrowing>,
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
        let loopback = api.scheme() == "http" || login.scheme() == "http";
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
        Ok(Self {
            client,
            profile: settings.profile,
            interval: settings.interval,
            skip: settings.skip,
            limit: READING / haste.reading.max(1),
            narrowing: settings.narrowing,
        })
    }

    /// How long to wait from one reading to the next.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// One complete reading of every part that is due.
    ///
    /// A part that fails keeps the items and the time of `previous`, and says why it failed; so
    /// does one that is not read within two minutes from the beginning. What depends on another
    /// part, as an edge group's readiness on its edges, fails with it.
    pub async fn read(&self, previous: &Snapshot) -> Snapshot {
        let now = SystemTime::now();
        let is_due = |state: &PartState<'_>| match (state.read, self.every(state.name)) {
            (_, None) => false,
            (Some(read), Some(every)) if state.problem.is_none() && every > self.interval => {
                // A clock that was set back leaves no part unread for long.
                now.duration_since(read).map_or(true, |age| age + self.interval / 2 >= every)
            }
            (_, Some(_)) => true,
        };
        let previous = self.of_here(previous);
        let wanted = previous.parts().iter().filter(|it| is_due(it)).map(|it| it.name).collect();
        self.read_parts(previous, wanted).await
    }

    /// What `previous` knew, with that read again which `hints` point at.
    pub async fn refresh(&self, previous: &Snapshot, hints: &BTreeSet<Hint>) -> Snapshot {
        let mut wanted: BTreeSet<PartName> = hints.iter().map(|hint| hint.part).collect();
        if wanted.contains(&PartName::Edges) {
            // Groups are judged by their edges.
            wanted.insert(PartName::EdgeGroups);
        }
        wanted.retain(|part| self.every(*part).is_some());
        self.read_parts(self.of_here(previous), wanted).await
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
        self.profile.pace(part, self.interval).filter(|_| !self.skip.contains(&part))
    }

    async fn read_parts(
        &self,
        previous: Cow<'_, Snapshot>,
        wanted: BTreeSet<PartName>,
    ) -> Snapshot {
        let (begun, end) = (SystemTime::now(), Instant::now() + self.limit);
        let previous = previous.as_ref();
        let asking = Asking { client: &self.client, previous, begun, wanted, end };
        let mut readings = self.profile.read(&asking).await;
        if let Some(narrowing) = &self.narrowing {
            readings = narrowing.applied(readings, previous);
        }
        let now = SystemTime::now();
        macro_rules! settle {
            ($($field:ident = $name:ident),*) => {
                Snapshot {
                    interval: self.interval,
                    location: self.narrowing.as_ref().map(|it| it.location.clone()),
                    region: self.region(),
                    $($field: reading::settled(
                        PartName::$name,
                        readings.$field,
                        &previous.$field,
                        self.every(PartName::$name),
                        (begun, now),
                    )),*
                }
            };
        }
        let snapshot = telephony::each_part!(settle);
        let is_whole = snapshot
            .parts()
            .iter()
            .all(|part| !part.name.is_vital() || (part.problem.is_none() && part.read.is_some()));
        if is_whole {
            let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
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
        reading::SKIPPED,
        "Listed entities that were not what the vendor's API publishes"
    );
    describe_gauge!(
        LAST_SUCCESS,
        metrics::Unit::Seconds,
        "When edges, edge groups, trunks and phones were last read without a problem"
    );
}

fn origin(name: &'static str, text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|source| SetupError::NoUrl { name, source })?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(host)) {
        return Err(SetupError::Plaintext { name });
    }
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if is_bare { Ok(url) } else { Err(SetupError::NoOrigin { name }) }
}

/// Only an address literal: a name could lead anywhere.
fn is_loopback(host: &str) -> bool {
    let v6 = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
