//! `Sender`: posts what waits, one request at a time for each subject.

use std::time::{Duration, SystemTime};

use branchline_probes::Secret;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Attempt, Event, Outcome, Queue, Settings, Settled};
use crate::poller::{self, SetupError};
use crate::signature::{self, SIGNATURE, TIMESTAMP};

/// Who posts events to one address.
pub struct Sender {
    http: reqwest::Client,
    url: Url,
    secret: Secret,
    chance: StdRng,
    queue: Queue,
    started: Instant,
    /// Whether the last attempt came to nothing.
    is_failing: bool,
}

impl Sender {
    /// A sender with an empty queue.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where the host lacks what TLS or chance needs.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let url = Url::parse(&settings.url)
            .map_err(|source| SetupError::NoUrl { name: "callback", source })?;
        let http = poller::http_client(url.scheme() == "http")?;
        let chance = StdRng::try_from_rng(&mut SysRng).map_err(SetupError::Chance)?;
        Ok(Self {
            http,
            url,
            secret: settings.secret.clone(),
            chance,
            queue: Queue::default(),
            started: Instant::now(),
            is_failing: false,
        })
    }

    /// Posts what comes, until `stop`; then everything that waits is tried once.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Vec<Event>>, stop: CancellationToken) {
        let mut under_way = FuturesUnordered::new();
        let mut is_stopping = false;
        let mut is_open = true;
        loop {
            while let Some(attempt) = self.queue.attempt(self.started.elapsed()) {
                under_way.push(self.deliver(&attempt));
            }
            self.tell_length();
            if is_stopping && self.queue.is_empty() {
                return;
            }
            let wakes_at = self.queue.wakes_at().map(|at| self.started + at);
            tokio::select! {
                events = inbox.recv(), if is_open => match events {
                    Some(events) => self.take(&events),
                    None => is_open = false,
                },
                Some((key, outcome)) = under_way.next() => self.settle(key, outcome),
                () = sleep_until(wakes_at), if wakes_at.is_some() => {}
                () = stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    while let Ok(events) = inbox.try_recv() {
                        self.take(&events);
                    }
                    self.queue.finish();
                }
            }
        }
    }

    fn take(&mut self, events: &[Event]) {
        let now = SystemTime::now();
        for event in events {
            let id = format!("bl-{:032x}", self.chance.random::<u128>());
            let body = event.envelope(&id, now);
            if self.queue.push(event.subject.clone(), body, self.started.elapsed()) {
                count_dropped(1);
            }
        }
    }

    fn settle(&mut self, key: u64, outcome: Outcome) {
        let chance = self.chance.random_range(0.0..=1.0);
        let now = self.started.elapsed();
        count(match self.queue.settle(key, outcome, now, chance) {
            Settled::Delivered => "delivered",
            Settled::Refused => "refused",
            Settled::Again => "failed",
            Settled::GivenUp => "given_up",
        });
        let fails = outcome != Outcome::Delivered;
        if std::mem::replace(&mut self.is_failing, fails) != fails {
            if fails {
                tracing::warn!(?outcome, "the callback does not take events");
            } else {
                tracing::info!("the callback takes events again");
            }
        }
    }

    /// One attempt; the signature is of its own moment, so that a late one is no replay.
    fn deliver(&self, attempt: &Attempt) -> impl Future<Output = (u64, Outcome)> + use<> {
        let timestamp = signature::epoch_seconds(SystemTime::now());
        let body = attempt.body.to_vec();
        let request = self
            .http
            .post(self.url.clone())
            .timeout(TIMEOUT)
            .header(CONTENT_TYPE, "application/json")
            .header(TIMESTAMP, timestamp.to_string())
            .header(SIGNATURE, signature::sign(&self.secret, timestamp, &body))
            .body(body);
        let key = attempt.key;
        async move {
            let outcome = match request.send().await {
                Ok(response) => {
                    let outcome = outcome(&response);
                    drain(response).await;
                    outcome
                }
                Err(error) => {
                    tracing::debug!(error = %error.without_url(), "the callback was not reached");
                    Outcome::Failed { wait: None }
                }
            };
            (key, outcome)
        }
    }

    fn tell_length(&self) {
        let length = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        gauge!(QUEUED).set(f64::from(length));
    }
}

/// What a status means for the event that met it. 410 is as every other refusal: that an address is
/// gone is for a person to correct, and the next event asks again.
fn outcome(response: &Response) -> Outcome {
    let status = response.status();
    let is_passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_success() {
        Outcome::Delivered
    } else if is_passing {
        let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok());
        let seconds = wait.and_then(|wait| wait.trim().parse().ok());
        Outcome::Failed { wait: seconds.map(Duration::from_secs) }
    } else {
        tracing::debug!(status = status.as_u16(), "the callback refuses an event");
        Outcome::Refused
    }
}

/// A connection whose answer was read can be used again; what is long is not worth it.
async fn drain(mut response: Response) {
    let mut length = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        length += chunk.len();
        if length > BODY_LIMIT {
            return;
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Counts events that nobody had room for.
pub fn count_dropped(events: usize) {
    counter!(RESULTS, "result" => "dropped").increment(u64::try_from(events).unwrap_or(u64::MAX));
}

fn count(result: &'static str) {
    counter!(RESULTS, "result" => result).increment(1);
}

/// Says what the metrics mean.
pub fn describe_metrics() {
    describe_counter!(RESULTS, "Attempts to tell the callback, and events that were dropped.");
    describe_gauge!(QUEUED, "Events that the callback has not heard yet.");
}

const RESULTS: &str = "branchline_callbacks_total";
const QUEUED: &str = "branchline_callbacks_queued";

/// For how long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer is read.
const BODY_LIMIT: usize = 64 * 1024;
