//! `POST /webhooks/trunk-status`: the bytes of a webhook on their way to the door, within limits of
//! size, time and number.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, mpsc};

use super::{Pages, Peer};
use crate::webhook::{self, Clock, Door, Heard, Proof, Refusal, SIGNATURE, Settings, TIMESTAMP};

/// Where webhooks arrive.
pub(super) const PATH: &str = "/webhooks/trunk-status";

/// The door for webhooks, shared by all connections.
#[derive(Clone)]
pub struct Hooks {
    door: Arc<Mutex<Door>>,
    heard: mpsc::Sender<Heard>,
    reading: Arc<Semaphore>,
    started: Instant,
    is_synchronised: fn() -> bool,
}

impl Hooks {
    /// A door that nobody passes before [`Hooks::follow`]; what it hears is sent on. Whether the time
    /// of day is right is asked of `is_synchronised`.
    #[must_use]
    pub fn new(heard: mpsc::Sender<Heard>, is_synchronised: fn() -> bool) -> Self {
        let reading = Arc::new(Semaphore::new(MOST_AT_ONCE));
        Self { door: Arc::default(), heard, reading, started: Instant::now(), is_synchronised }
    }

    /// Follows other settings from now on.
    pub fn follow(&self, settings: Option<Settings>) {
        self.door().follow(settings);
    }

    /// How many webhooks ended how since this was last asked.
    #[must_use]
    pub fn results(&self) -> BTreeMap<&'static str, u64> {
        self.door().results()
    }

    async fn hear(&self, peer: IpAddr, headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
        let length = only(headers, header::CONTENT_LENGTH.as_str());
        let length = length.and_then(|length| length.parse().ok());
        self.door().admit(peer, length, self.started.elapsed())?;
        let proof =
            Proof { timestamp: only(headers, TIMESTAMP), signature: only(headers, SIGNATURE) };
        // Who does not even claim to have signed is not waited for.
        if !proof.is_well_formed() {
            return Err(Refusal::Signature);
        }
        let _place = self.reading.try_acquire().map_err(|_| Refusal::Busy)?;
        // Once it is heard it is remembered, so there has to be room for it before.
        let permit = self.heard.try_reserve().map_err(|_| Refusal::Busy)?;
        let body = tokio::time::timeout(PATIENCE, collect(body)).await;
        let body = body.map_err(|_| Refusal::Incomplete)??;
        let clock = Clock {
            steady: self.started.elapsed(),
            wall: SystemTime::now(),
            is_synchronised: (self.is_synchronised)(),
        };
        let notice = self.door().judge(&body, proof, clock)?;
        permit.send(Heard { peer, notice });
        Ok(())
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        // A half-judged webhook leaves nothing half done.
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one webhook.
pub(super) async fn receive(
    State(pages): State<Pages>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Response {
    let Some(hooks) = &pages.hooks else { return refused(Refusal::NotConfigured) };
    let (head, body) = request.into_parts();
    let heard = hooks.hear(peer.to_canonical(), &head.headers, body).await;
    hooks.door().count(heard.map_or_else(Refusal::label, |()| webhook::ACCEPTED));
    match heard {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted\n").into_response(),
        Err(refusal) => refused(refusal),
    }
}

/// Who may not be heard learns the status alone.
fn refused(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let words = format!("{}\n", status.canonical_reason().unwrap_or_default());
    let mut response = (status, words).into_response();
    if let Some(seconds) = refusal.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A body to its end; no more of it is read than may be kept.
async fn collect(body: Body) -> Result<Vec<u8>, Refusal> {
    let mut whole = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Refusal::Incomplete)?;
        if whole.len() + piece.len() > webhook::LARGEST {
            return Err(Refusal::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// A header that is there once: of two, nobody can say which one was meant.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    value.filter(|_| values.next().is_none())
}

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many bodies are read at once, each up to 256 KiB: 2 MiB in all.
const MOST_AT_ONCE: usize = 8;
