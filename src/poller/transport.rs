//! The requests that leave: when, how often again, and when not at all.

use std::sync::Mutex;
use std::time::Duration;

use branchline_probes::Foreign;
use metrics::{counter, gauge};
use reqwest::{RequestBuilder, Url};

use super::breaker::{Breaker, Leave};
use super::exchange::{Answer, Broken, Exchanger, How};
use super::failed::Failed;
use super::pace::{PATIENCE, Pace, held};
use crate::telephony::ApiProblem;

/// The counter of answers that asked for patience.
pub(super) const THROTTLED: &str = "branchline_telephony_api_throttled_total";

/// The gauge of the breaker of the API.
pub(super) const BREAKER: &str = "branchline_telephony_api_breaker_open";

/// How often a request that was throttled is made again.
const THROTTLED_RETRIES: u32 = 3;

/// How often a request that the service or the network failed is made again.
const FAILED_RETRIES: usize = 2;

/// The HTTP client and the gates before it.
pub(super) struct Transport {
    pub(super) exchanger: Exchanger,
    pub(super) pace: Pace,
    breaker: Mutex<Breaker>,
}

impl Transport {
    /// Open gates.
    pub(super) fn new(exchanger: Exchanger, pace: Pace) -> Self {
        Self { exchanger, pace, breaker: Mutex::default() }
    }

    /// Sends what `request` builds, unless the API is left alone.
    pub(super) async fn guarded(
        &self,
        path: &'static str,
        host: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failed> {
        let now = || self.pace.clock().now();
        let leave = held(&self.breaker).ask(now())?;
        let attempts = match leave {
            Leave::Freely => FAILED_RETRIES,
            Leave::Once => 0,
        };
        let answer = self.answer(path, host, attempts, request).await;
        let mut breaker = held(&self.breaker);
        match &answer {
            Ok(_) => breaker.answered(),
            Err(failed) => match failed.problem {
                ApiProblem::Unreachable { .. }
                | ApiProblem::Tls { .. }
                | ApiProblem::Server { .. } => breaker.failed(failed, now()),
                ApiProblem::Throttled { .. }
                | ApiProblem::Credentials { .. }
                | ApiProblem::Permission { .. }
                | ApiProblem::NotFound { .. }
                | ApiProblem::Conflict { .. }
                | ApiProblem::Request { .. }
                | ApiProblem::Denied { .. }
                | ApiProblem::NoSuchLocation { .. }
                | ApiProblem::Malformed { .. } => {}
            },
        }
        gauge!(BREAKER).set(if breaker.is_open() { 1.0 } else { 0.0 });
        answer
    }

    /// Sends what `request` builds, the breaker open or not.
    pub(super) async fn unguarded(
        &self,
        path: &'static str,
        host: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failed> {
        self.answer(path, host, FAILED_RETRIES, request).await
    }

    /// Sends what `request` builds, the breaker open or not, and not again after a failure.
    pub(super) async fn once(
        &self,
        path: &'static str,
        host: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failed> {
        self.answer(path, host, 0, request).await
    }

    /// Sends a request until there is an answer that another attempt would not better.
    async fn answer(
        &self,
        path: &'static str,
        host: &str,
        retries: usize,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failed> {
        let mut throttled = 0;
        let mut failures = 0;
        loop {
            let turn = self.pace.turn().await;
            turn.map_err(|retry_after| ApiProblem::Throttled { path, retry_after })?;
            let answer = self.exchanger.exchange(request()).await;
            if let Ok(answer) = &answer {
                self.pace.heed(answer.allowance.scarcity);
            }
            let failed = match answer {
                Ok(answer) if answer.is_throttled() => {
                    counter!(THROTTLED).increment(1);
                    let usual = Duration::from_secs(2 << throttled);
                    let retry_after = self.pace.pause(answer.allowance.wait.unwrap_or(usual));
                    if retry_after > PATIENCE || throttled == THROTTLED_RETRIES {
                        return Err(answer.failed(ApiProblem::Throttled { path, retry_after }));
                    }
                    throttled += 1;
                    tracing::debug!(path, ?retry_after, "throttled, to be tried again");
                    continue;
                }
                Ok(answer) if answer.is_passing_failure() => {
                    answer.failed(ApiProblem::Server { path, status: answer.status.as_u16() })
                }
                Ok(answer) => return Ok(answer),
                Err(Broken { how, correlation }) => {
                    let host = host.to_owned();
                    let (problem, is_passing) = match how {
                        How::Lost(detail) => (ApiProblem::Unreachable { host, detail }, true),
                        // What took all of its time once would take it again.
                        How::Late(detail) => (ApiProblem::Unreachable { host, detail }, false),
                        How::Tls(detail) => (ApiProblem::Tls { host, detail }, false),
                        How::Nonsense(what) => (ApiProblem::Malformed { path, what }, false),
                    };
                    let failed = Failed { problem, correlation };
                    if !is_passing {
                        return Err(failed);
                    }
                    failed
                }
            };
            if failures == retries {
                return Err(failed);
            }
            let correlation_id = failed.correlation.as_ref().map(Foreign::as_str);
            tracing::debug!(path, problem = %failed.problem, correlation_id, "to be tried again");
            self.pace.back_off(failures).await;
            failures += 1;
        }
    }
}

/// The host of an address that was checked to have one.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}
