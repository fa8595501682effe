//! The poller: reads the vendor's state through its published API, whole parts or none.

mod client;
mod location;
mod pace;
mod page;
mod platform;
pub mod region;
mod token;
mod transport;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use branchline_probes::{Foreign, Secret};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use rand::rngs::SysError;
use reqwest::Url;
use serde_json::Value;
use tokio::time::Instant;

use crate::telephony::{ApiProblem, Part, Snapshot};

use client::Client;
use location::{Readings, Site};
use pace::{Clock, Pace};
use page::{Decoded, Listing};
use token::Tokens;
use transport::{Failed, Transport, host};

pub use location::Narrowing;

/// The gauge of the last reading without a problem.
const LAST_SUCCESS: &str = "branchline_telephony_api_last_success_timestamp_seconds";

/// The counter of entities that could not be read.
const SKIPPED: &str = "branchline_telephony_api_entities_skipped_total";

/// How long one reading may take in all: retries and pauses that are each within their limits
/// must not add up to a state that is older than it looks.
const READING: Duration = Duration::from_secs(120);

/// Whom to ask, as whom, and how often.
///
/// It holds a secret and has no `Debug`.
#[derive(Clone)]
pub struct Settings {
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
}

impl Settings {
    /// Whether `other` asks the same API as the same client for the same things.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { api_url, login_url, client_id, client_secret, interval, narrowing } = self;
        *api_url == other.api_url
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

/// Reads the vendor's state. It holds a secret and has no `Debug`.
pub struct Poller {
    client: Client,
    interval: Duration,
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
        let http = transport::http_client(loopback, haste.limits)?;
        let pace = Pace::new(Clock::new(haste.waits)).map_err(SetupError::Chance)?;
        let client = Client {
            transport: Transport { http, pace },
            api,
            login,
            id: settings.client_id,
            secret: settings.client_secret,
            tokens: Tokens::default(),
        };
        let limit = READING / haste.reading.max(1);
        Ok(Self { client, interval: settings.interval, limit, narrowing: settings.narrowing })
    }

    /// How long to wait from one reading to the next.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// One complete reading of edges, edge groups, trunks and phones.
    ///
    /// A part that fails keeps the items and the time of `previous`, and says why it failed; so
    /// does one that is not read within two minutes from the beginning. Edge groups are judged by
    /// their edges, so they fail with them; where the reading is narrowed, so do trunks, and all
    /// parts fail with the sites.
    pub async fn read(&self, previous: &Snapshot) -> Snapshot {
        let (begun, end) = (SystemTime::now(), Instant::now() + self.limit);
        let edges_and_groups = async {
            let edges = self.list(end, platform::EDGES, &[], platform::edge).await;
            let groups = match &edges {
                Ok(edges) => self
                    .list(end, platform::EDGE_GROUPS, &[], platform::edge_group)
                    .await
                    .map(|groups| Listing {
                        items: platform::joined(groups.items, edges),
                        unreadable: groups.unreadable,
                    }),
                Err(failed) => Err(failed.clone()),
            };
            (edges, groups)
        };
        let ((edges, edge_groups), trunks, phones, sites) = tokio::join!(
            edges_and_groups,
            self.list(end, platform::TRUNKS, &[], platform::trunk),
            self.list(end, platform::PHONES, platform::PHONES_QUERY, platform::phone),
            self.sites(end),
        );
        let all = Readings { edges, edge_groups, trunks, phones };
        let Readings { edges, edge_groups, trunks, phones } = match (&self.narrowing, sites) {
            (Some(narrowing), Some(sites)) => narrowing.applied(sites, all),
            (_, _) => all,
        };
        let location = self.narrowing.as_ref().map(|narrowing| narrowing.location.clone());
        // What was read of another location says nothing of this one.
        let nothing = Snapshot::default();
        let previous = if previous.location == location { previous } else { &nothing };
        let now = SystemTime::now();
        let snapshot = Snapshot {
            interval: self.interval,
            location,
            edges: settled("edges", edges, &previous.edges, (begun, now)),
            edge_groups: settled("edge_groups", edge_groups, &previous.edge_groups, (begun, now)),
            trunks: settled("trunks", trunks, &previous.trunks, (begun, now)),
            phones: settled("phones", phones, &previous.phones, (begun, now)),
        };
        let is_whole = snapshot.edges.problem.is_none()
            && snapshot.edge_groups.problem.is_none()
            && snapshot.trunks.problem.is_none()
            && snapshot.phones.problem.is_none();
        if is_whole {
            let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            gauge!(LAST_SUCCESS).set(since.as_secs_f64());
        }
        snapshot
    }

    /// Every site; `None` where nobody asks for one location.
    async fn sites(&self, end: Instant) -> Option<Result<Listing<Site>, Failed>> {
        self.narrowing.as_ref()?;
        let sites = self.list(end, platform::SITES, platform::SITES_QUERY, platform::site).await;
        if let Ok(sites) = &sites {
            count_skipped("sites", sites.unreadable);
        }
        Some(sites)
    }

    async fn list<T>(
        &self,
        end: Instant,
        path: &'static str,
        query: &[(&str, &str)],
        decode: fn(Value, SystemTime) -> Decoded<T>,
    ) -> Result<Listing<T>, Failed> {
        let now = SystemTime::now();
        let listing = page::read(&self.client, path, query, |entity| decode(entity, now));
        tokio::time::timeout_at(end, listing).await.unwrap_or_else(|_| {
            let host = host(&self.client.api).to_owned();
            let detail = "the reading took longer than 2 minutes".to_owned();
            Err(ApiProblem::Unreachable { host, detail }.into())
        })
    }
}

/// Says what the poller's metrics mean; to be called once, after a recorder is installed.
pub fn describe_metrics() {
    describe_counter!(
        transport::REQUESTS,
        "Requests to the vendor's API, by class of answer; error: there was none"
    );
    describe_counter!(
        transport::THROTTLED,
        "Answers of the vendor's API that asked to send fewer requests"
    );
    describe_counter!(SKIPPED, "Listed entities that were not what the vendor's API publishes");
    describe_gauge!(
        LAST_SUCCESS,
        metrics::Unit::Seconds,
        "When every part of the vendor's state was last read without a problem"
    );
}

fn count_skipped(name: &'static str, unreadable: usize) {
    if unreadable > 0 {
        tracing::debug!(part = name, skipped = unreadable, "entities are skipped");
        let skipped = u64::try_from(unreadable).unwrap_or(u64::MAX);
        counter!(SKIPPED, "part" => name).increment(skipped);
    }
}

fn settled<T: Clone>(
    name: &'static str,
    listing: Result<Listing<T>, Failed>,
    previous: &Part<T>,
    (begun, now): (SystemTime, SystemTime),
) -> Part<T> {
    let before = previous.problem.as_ref().map(ApiProblem::label);
    match listing {
        Ok(listing) => {
            count_skipped(name, listing.unreadable);
            if before.is_some() {
                tracing::info!(part = name, "the vendor's state can be read again");
            }
            Part {
                items: listing.items,
                begun: Some(begun),
                read: Some(now),
                problem: None,
                stale: false,
                unreadable: listing.unreadable,
            }
        }
        Err(Failed { problem, correlation }) => {
            let correlation = correlation.as_ref().map(Foreign::as_str);
            if before != Some(problem.label()) {
                let reason = problem.label();
                tracing::warn!(
                    part = name,
                    reason,
                    correlation_id = correlation,
                    "the vendor's state cannot be read"
                );
            }
            tracing::debug!(part = name, %problem, correlation_id = correlation, "failed reading");
            Part {
                items: previous.items.clone(),
                begun: previous.begun,
                read: previous.read,
                problem: Some(problem),
                stale: false,
                unreadable: previous.unreadable,
            }
        }
    }
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
