//! Whom a poller asks and how, and why it cannot.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use branchline_probes::Secret;
use rand::rngs::SysError;
use reqwest::Url;

use super::location::Narrowing;
use super::profile::Profile;
use crate::telephony::PartName;

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
    /// The origin of the vendor's notifications: `wss://streaming.mypurecloud.de`; `None` where
    /// nobody listens to them.
    pub streaming_url: Option<String>,
    /// The scopes that are asked for with a token; none where the client's roles decide.
    pub scopes: Vec<String>,
    /// Whom the vendor is to call when a trunk's registration changes, in the guide's API.
    pub subscribe: Option<String>,
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
            streaming_url,
            scopes,
            subscribe,
        } = self;
        *profile == other.profile
            && *subscribe == other.subscribe
            && *skip == other.skip
            && *streaming_url == other.streaming_url
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
    #[error(
        "the {name} must begin with https:// or wss:// (http:// and ws:// only with a loopback address)"
    )]
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
