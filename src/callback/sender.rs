//! `Sender`: posts what waits, one request at a time for each subject.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::{Foreign, Secret};
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
    /// How many were given up.
    lost: u64,
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
            lost: 0,
        })
    }

    /// Posts what comes, until `stop`; then everything that waits is tried once.
    /// What became of each is told to `told`.
    pub async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Vec<Event>>,
        stop: CancellationToken,
        told: impl Fn(Fate),
    ) {
        let mut under_way = FuturesUnordered::new();
        let mut is_stopping = false;
        let mut is_open = true;
        loop {
            while let Some(attempt) = self.queue.attempt(self.started.elapsed()) {
                under_way.push(self.deliver(&attempt));
            }
            self.tell_length();
            if is_stopping && self.queue.is_empty() {
                if self.lost > 0 {
                    tracing::warn!(events = self.lost, "the callback never heard some events");
                }
                return;
            }
            let wakes_at = self.queue.wakes_at().map(|at| self.started + at);
            tokio::select! {
                events = inbox.recv(), if is_open => match events {
                    Some(events) => self.take(&events, &told),
                    None => is_open = false,
                },
                Some((attempt, end)) = under_way.next() => self.settle(&attempt, &end, &told),
                () = sleep_until(wakes_at), if wakes_at.is_some() => {}
                () = stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    while let Ok(events) = inbox.try_recv() {
                        self.take(&events, &told);
                    }
                    self.queue.finish();
                    self.lost = 0;
                }
            }
        }
    }

    fn take(&mut self, events: &[Event], told: &impl Fn(Fate)) {
        let now = SystemTime::now();
        for event in events {
            let id = format!("bl-{:032x}", self.chance.random::<u128>());
            let body = event.envelope(&id, now);
            if self.queue.push(event.subject.clone(), body, self.started.elapsed()) {
                count_dropped(1);
                told(Fate { envelope: None, result: "dropped" });
            }
        }
    }

    fn settle(&mut self, attempt: &Attempt, end: &End, told: &impl Fn(Fate)) {
        let chance = self.chance.random_range(0.0..=1.0);
        let now = self.started.elapsed();
        let result = match self.queue.settle(attempt.key, end.outcome, now, chance) {
            Settled::Delivered => "delivered",
            Settled::Refused => "refused",
            Settled::Again => "failed",
            Settled::GivenUp => "given_up",
        };
        count(result);
        let standing = self.queue.standing(attempt.key);
        // What fails again and again is told once, and how it ended.
        if standing.is_none_or(|(_, failures)| failures == 1) {
            told(Fate { envelope: Some(Arc::clone(&attempt.body)), result });
        }
        if result == "given_up" {
            self.lost += 1;
        }
        let fails = end.outcome != Outcome::Delivered;
        if std::mem::replace(&mut self.is_failing, fails) != fails {
            let host = self.host();
            if fails {
                let again = standing.map(|(due, _)| due.saturating_sub(now));
                let again = again.map_or("not".to_owned(), |wait| format!("in {wait:.1?}"));
                let cause = &end.cause;
                tracing::warn!(host, cause, again, "the callback does not take events");
            } else {
                tracing::info!(host, "the callback takes events again");
            }
        }
    }

    /// Host and port: the path may be a secret.
    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.url.port_or_known_default().unwrap_or_default())
    }

    /// One attempt; the signature is of its own moment, so that a late one is no replay.
    fn deliver(&self, attempt: &Attempt) -> impl Future<Output = (Attempt, End)> + use<> {
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
        let attempt = attempt.clone();
        async move {
            let end = match request.send().await {
                Ok(response) => {
                    let cause = format!("HTTP {}", response.status().as_u16());
                    let outcome = outcome(&response);
                    drain(response).await;
                    End { outcome, cause }
                }
                Err(error) => {
                    let cause = cause(error.without_url());
                    End { outcome: Outcome::Failed { wait: None }, cause }
                }
            };
            (attempt, end)
        }
    }

    fn tell_length(&self) {
        let length = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        gauge!(QUEUED).set(f64::from(length));
    }
}

/// How an attempt ended, and what the log says of it.
struct End {
    outcome: Outcome,
    cause: String,
}

/// What became of an event.
#[derive(Clone, Debug)]
pub struct Fate {
    /// The envelope; `None` where it was dropped before anybody looked at it.
    pub envelope: Option<Arc<[u8]>>,
    /// `delivered`, `refused`, `failed`, `given_up` or `dropped`.
    pub result: &'static str,
}

/// The innermost cause says the most.
fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Foreign::new(innermost.to_string()).to_string()
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
