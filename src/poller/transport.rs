//! One HTTP exchange with the vendor, bounded in every direction, and the retries it is worth.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use metrics::counter;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode, Url, redirect, retry};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use super::SetupError;
use super::pace::{PATIENCE, Pace};
use crate::telephony::ApiProblem;

/// The counter of answers, by class of status.
pub(super) const REQUESTS: &str = "branchline_telephony_api_requests_total";

/// The counter of answers that asked for patience.
pub(super) const THROTTLED: &str = "branchline_telephony_api_throttled_total";

/// The largest body that is read, after decompression.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// How often a request that was throttled is made again.
const THROTTLED_RETRIES: u32 = 3;

/// How often a request that the service or the network failed is made again.
const FAILED_RETRIES: usize = 2;

const CONNECT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_secs(15);

/// Why a request came to nothing, and the vendor's own name for the attempt.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) problem: ApiProblem,
    pub(super) correlation: Option<Foreign>,
}

impl From<ApiProblem> for Failed {
    fn from(problem: ApiProblem) -> Self {
        Self { problem, correlation: None }
    }
}

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    pub(super) correlation: Option<Foreign>,
    /// How long the vendor asks to wait, where it says so.
    wait: Option<Duration>,
}

impl Answer {
    /// A failure of which this answer is the evidence.
    pub(super) fn failed(&self, problem: ApiProblem) -> Failed {
        Failed { problem, correlation: self.correlation.clone() }
    }

    /// The body; `null` where there is none, as in 204.
    pub(super) fn json(&self, path: &'static str) -> Result<Value, Failed> {
        let malformed = |what| self.failed(ApiProblem::Malformed { path, what });
        if self.body.is_empty() && self.status != StatusCode::OK {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| malformed("no JSON"))
    }

    /// The token endpoint says "rate limit exceeded" with status 400.
    fn is_throttled(&self) -> bool {
        let says_so = || {
            let text = String::from_utf8_lossy(&self.body).to_ascii_lowercase();
            text.contains("rate limit exceeded") || text.contains("too.many.requests")
        };
        self.status == StatusCode::TOO_MANY_REQUESTS
            || (self.status == StatusCode::BAD_REQUEST && says_so())
    }

    /// 501 will say the same tomorrow; the other 5xx may not.
    fn is_passing_failure(&self) -> bool {
        self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
    }
}

/// The HTTP client and the gate before it.
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    pub(super) pace: Pace,
}

impl Transport {
    /// Sends what `request` builds until there is an answer that another attempt would not better.
    pub(super) async fn answer(
        &self,
        path: &'static str,
        host: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failed> {
        let mut throttled = 0;
        let mut failures = 0;
        loop {
            let turn = self.pace.turn().await;
            turn.map_err(|retry_after| ApiProblem::Throttled { path, retry_after })?;
            let failed = match exchange(request()).await {
                Ok(answer) if answer.is_throttled() => {
                    counter!(THROTTLED).increment(1);
                    let usual = Duration::from_secs(2 << throttled);
                    let retry_after = self.pace.pause(answer.wait.unwrap_or(usual));
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
                Err(Broken::Lost { detail }) => {
                    ApiProblem::Unreachable { host: host.to_owned(), detail }.into()
                }
                Err(Broken::Late { detail }) => {
                    // What took all of its time once would take it again.
                    return Err(ApiProblem::Unreachable { host: host.to_owned(), detail }.into());
                }
                Err(Broken::Nonsense { what }) => {
                    return Err(ApiProblem::Malformed { path, what }.into());
                }
            };
            if failures == FAILED_RETRIES {
                return Err(failed);
            }
            let correlation_id = failed.correlation.as_ref().map(Foreign::as_str);
            tracing::debug!(path, problem = %failed.problem, correlation_id, "to be tried again");
            self.pace.back_off(failures).await;
            failures += 1;
        }
    }
}

/// A client that follows nothing, trusts the host's roots only and waits for nobody for long.
///
/// `haste` divides the time limits. A loopback host is never asked through a proxy.
pub(super) fn http_client(loopback: bool, haste: u32) -> Result<reqwest::Client, SetupError> {
    let haste = haste.max(1);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("branchline/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls(loopback)?)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .gzip(true)
        .connect_timeout(CONNECT / haste)
        .read_timeout(SILENCE / haste)
        .timeout(TOTAL / haste)
        .https_only(!loopback);
    if loopback {
        builder = builder.no_proxy();
    }
    builder.build().map_err(SetupError::Client)
}

/// TLS 1.2 or 1.3 with the host's own trust anchors.
fn tls(loopback: bool) -> Result<rustls::ClientConfig, SetupError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() && !loopback {
        return Err(SetupError::NoTrustAnchors);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(SetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The host of an address that was checked to have one.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// How an exchange broke before there was a complete answer.
enum Broken {
    Lost { detail: String },
    Late { detail: String },
    Nonsense { what: &'static str },
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        let causes = || {
            std::iter::successors(Some(&error as &(dyn Error + 'static)), |&cause| cause.source())
        };
        let is_nonsense = causes().any(|cause| {
            let io = cause.downcast_ref::<io::Error>();
            io.is_some_and(|io| {
                matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
            })
        });
        // The outer errors repeat the address; the innermost one says what happened.
        let innermost = causes().last().map(ToString::to_string).unwrap_or_default();
        let detail = Foreign::new(innermost).to_string();
        if error.is_timeout() && !error.is_connect() {
            Self::Late { detail }
        } else if is_nonsense && !error.is_connect() {
            Self::Nonsense { what: "a body whose compression is broken" }
        } else {
            Self::Lost { detail }
        }
    }
}

async fn exchange(request: RequestBuilder) -> Result<Answer, Broken> {
    let answer = complete(request).await;
    let class = match &answer {
        Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => "429",
        Ok(answer) if answer.status.is_success() => "2xx",
        Ok(answer) if answer.status.is_client_error() => "4xx",
        Ok(answer) if answer.status.is_server_error() => "5xx",
        Ok(_) | Err(_) => "error",
    };
    counter!(REQUESTS, "class" => class).increment(1);
    answer
}

async fn complete(request: RequestBuilder) -> Result<Answer, Broken> {
    let mut response = request.send().await?;
    let status = response.status();
    let wait = wait(response.headers(), SystemTime::now());
    let correlation = response.headers().get("ININ-Correlation-Id");
    let correlation = correlation.map(|id| Foreign::new(id.as_bytes()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(Broken::Nonsense { what: "a body above 8 MiB" });
        }
        body.extend_from_slice(&chunk);
    }
    let correlation = correlation.or_else(|| context_id(status, &body));
    Ok(Answer { status, body, correlation, wait })
}

fn context_id(status: StatusCode, body: &[u8]) -> Option<Foreign> {
    if status.is_success() {
        return None;
    }
    let body = serde_json::from_slice::<Value>(body).ok()?;
    body.get("contextId")?.as_str().map(Foreign::new)
}

/// What the headers ask to wait: seconds, a date, or the rest of the vendor's window.
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let after = text(RETRY_AFTER.as_str());
    after
        .and_then(seconds)
        .or_else(|| after.and_then(|date| until(date, now)))
        .or_else(|| text("inin-ratelimit-reset").and_then(seconds))
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
    // More than a day is cut later anyway, and would not fit a `Duration` at some point.
    Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
}

fn until(date: &str, now: SystemTime) -> Option<Duration> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::wait;

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let headers: HeaderMap = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        // RFC 9110 §5.6.7 has this very date as its example.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        wait(&headers, now)
    }

    // F12
    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(asked(&[("retry-after", "42")]), Some(Duration::from_secs(42)));
        assert_eq!(asked(&[("retry-after", "-5")]), Some(Duration::ZERO));
        assert_eq!(
            asked(&[("retry-after", "1000000000")]),
            Some(Duration::from_secs(86_400)),
            "clamped again by the gate"
        );
        assert_eq!(
            asked(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            asked(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]),
            Some(Duration::ZERO)
        );
    }

    // F12
    #[test]
    fn garbage_is_no_answer_and_the_rest_of_the_window_is() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "soon")]), None);
        assert_eq!(asked(&[("retry-after", "NaN")]), None);
        assert_eq!(
            asked(&[("retry-after", "soon"), ("inin-ratelimit-reset", "17")]),
            Some(Duration::from_secs(17))
        );
    }
}
