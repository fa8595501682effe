//! One HTTP exchange with the vendor, bounded in every direction.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use metrics::counter;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use reqwest::{RequestBuilder, Response, StatusCode, redirect, retry};
use serde_json::Value;
use tokio::time::Instant;

use super::SetupError;
use super::allowance::Allowance;
use super::body::{self, Body, REFUSAL_LIMIT};
use super::censor::Censor;
use super::failed::Failed;
use super::trust;
use crate::telephony::ApiProblem;

/// The counter of answers, by class of status.
pub(super) const REQUESTS: &str = "branchline_telephony_api_requests_total";

const CONNECT: Duration = Duration::from_secs(5);
const HEADER: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_secs(15);

/// A body may take this long before its rate counts.
const SLOW_START: Duration = Duration::from_secs(5);

/// The slowest rate of a body, in bytes a second.
const RATE: f64 = 1024.0;

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    pub(super) correlation: Option<Foreign>,
    /// What the vendor still allows, where it says so.
    pub(super) allowance: Allowance,
}

impl Answer {
    /// A failure of which this answer is the evidence.
    pub(super) fn failed(&self, problem: ApiProblem) -> Failed {
        Failed { problem, correlation: self.correlation.clone() }
    }

    /// The body; `null` where there is none, as in 204.
    pub(super) fn json(&self, path: &'static str) -> Result<Value, Failed> {
        if self.body.is_empty() && self.status != StatusCode::OK {
            return Ok(Value::Null);
        }
        body::json(&self.body).map_err(|what| self.failed(ApiProblem::Malformed { path, what }))
    }

    /// The token endpoint says "rate limit exceeded" with status 400.
    pub(super) fn is_throttled(&self) -> bool {
        let says_so = || {
            let text = String::from_utf8_lossy(&self.body).to_ascii_lowercase();
            text.contains("rate limit exceeded") || text.contains("too.many.requests")
        };
        self.status == StatusCode::TOO_MANY_REQUESTS
            || (self.status == StatusCode::BAD_REQUEST && says_so())
    }

    /// 501 will say the same tomorrow; the other 5xx may not.
    pub(super) fn is_passing_failure(&self) -> bool {
        self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
    }
}

/// How an exchange broke before there was a complete answer.
pub(super) struct Broken {
    pub(super) how: How,
    pub(super) correlation: Option<Foreign>,
}

/// In which way an exchange broke.
pub(super) enum How {
    /// The connection was not there, or did not last.
    Lost(String),
    /// A time limit ran out.
    Late(String),
    /// There is no TLS.
    Tls(String),
    /// What came cannot be read.
    Nonsense(&'static str),
}

impl From<How> for Broken {
    fn from(how: How) -> Self {
        Self { how, correlation: None }
    }
}

impl From<reqwest::Error> for How {
    fn from(error: reqwest::Error) -> Self {
        let causes = || {
            std::iter::successors(Some(&error as &(dyn Error + 'static)), |&cause| cause.source())
        };
        // The outer errors repeat the address; the innermost one says what happened.
        let innermost = causes().last().map(ToString::to_string).unwrap_or_default();
        let is_no_http = |cause: &(dyn Error + 'static)| {
            cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
        };
        if causes().any(is_no_http) {
            How::Nonsense("an answer that is no HTTP, or whose head is too large")
        } else if let Some(tls) = causes().find_map(tls_error) {
            How::Tls(Foreign::new(trust::in_words(tls)).to_string())
        } else if error.is_timeout() && !error.is_connect() {
            How::Late(Foreign::new(innermost).to_string())
        } else {
            How::Lost(Foreign::new(innermost).to_string())
        }
    }
}

/// What TLS says, which input and output errors wrap without having it as their source.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = cause;
    while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = inner;
    }
    cause.downcast_ref::<rustls::Error>()
}

/// The HTTP client, and how long it waits.
pub(super) struct Exchanger {
    http: reqwest::Client,
    /// By how much every time limit is divided.
    haste: u32,
    /// Strikes out what an answer repeats of our secrets.
    pub(super) censor: Censor,
}

impl Exchanger {
    /// A client that follows nothing, trusts the host's roots only and waits for nobody for long.
    ///
    /// A loopback host in the clear is never asked through a proxy.
    pub(super) fn new(in_the_clear: bool, haste: u32) -> Result<Self, SetupError> {
        let haste = haste.max(1);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("branchline/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(trust::of_this_host(in_the_clear)?)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .connect_timeout(CONNECT / haste)
            .https_only(!in_the_clear);
        if in_the_clear {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(SetupError::Client)?;
        Ok(Self { http, haste, censor: Censor::default() })
    }

    /// Whom to ask for requests.
    pub(super) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a request and reads the answer to its end.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Answer, Broken> {
        let answer = tokio::time::timeout(TOTAL / self.haste, self.complete(request)).await;
        let late = |_| Err(How::Late("timeout: no complete answer within 15 s".to_owned()).into());
        let answer = answer.unwrap_or_else(late);
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

    async fn complete(&self, request: RequestBuilder) -> Result<Answer, Broken> {
        let request = request.header(ACCEPT_ENCODING, "gzip");
        let response = tokio::time::timeout(HEADER / self.haste, request.send()).await;
        let response = response
            .map_err(|_| How::Late("timeout: no header within 10 s".to_owned()))?
            .map_err(How::from)?;
        let status = response.status();
        let allowance = Allowance::of(response.headers(), SystemTime::now());
        let correlation = response.headers().get("ININ-Correlation-Id");
        let correlation = correlation.map(|id| self.censor.foreign(id.as_bytes()));
        match self.body(response).await {
            Ok(body) => {
                let correlation = correlation.or_else(|| self.context_id(status, &body));
                Ok(Answer { status, body, correlation, allowance })
            }
            Err(how) => Err(Broken { how, correlation }),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, How> {
        let is_refusal = !response.status().is_success();
        let encoding = response.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes());
        let mut body = Body::encoded(encoding).map_err(How::Nonsense)?;
        let begun = Instant::now();
        loop {
            let earned = Duration::from_secs_f64(body.arrived() as f64 / RATE);
            let end = begun + SLOW_START.max(earned) / self.haste;
            let chunk = tokio::time::timeout_at(end, response.chunk()).await;
            let late = |_| How::Late("timeout: a body slower than 1 KiB/s".to_owned());
            match chunk.map_err(late)?? {
                Some(chunk) => body.take(&chunk).map_err(How::Nonsense)?,
                None => return body.whole().map_err(How::Nonsense),
            }
            // The status says enough; whatever else it says is not worth so much room.
            if is_refusal && body.length() > REFUSAL_LIMIT {
                return Ok(Vec::new());
            }
        }
    }

    fn context_id(&self, status: StatusCode, body: &[u8]) -> Option<Foreign> {
        if status.is_success() {
            return None;
        }
        let body = body::json(body).ok()?;
        body.get("contextId")?.as_str().map(|id| self.censor.foreign(id))
    }
}
