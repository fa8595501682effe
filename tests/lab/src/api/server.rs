//! The server: connections, the token endpoint, faults, and who answers what.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, CORRELATION};
use super::audits::Audits;
use super::channels::Channels;
use super::fault::{Fault, Faults, TOKEN};
use super::request::{Parameters, Request, parameter};
use super::state::State;
use super::tokens::{ALLOWED, LIFETIME, Tokens, Window};
use super::wire::{Wired, bomb, slowly};
use super::{Profile, guide, held, platform};

/// How many requests are remembered.
const REMEMBERED: usize = 20_000;
/// The largest body that is read.
const LARGEST_BODY: usize = 1 << 20;

/// The API with its one client.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) profile: Profile,
    pub(super) state: Mutex<State>,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) audits: Mutex<Audits>,
    pub(super) channels: Arc<Channels>,
    pub(super) faults: Mutex<Faults>,
    pub(super) requests: Mutex<VecDeque<Request>>,
    /// Where webhooks were asked for.
    pub(super) webhooks: Mutex<Vec<Value>>,
    window: Mutex<Window>,
    address: SocketAddr,
    basic: String,
}

impl Server {
    /// The API for one client, whose tokens begin with `seed`.
    pub(super) fn new(
        profile: Profile,
        state: State,
        (client_id, client_secret): (&str, &str),
        seed: String,
        address: SocketAddr,
    ) -> Arc<Self> {
        Arc::new(Self {
            profile,
            state: Mutex::new(state),
            tokens: Mutex::new(Tokens::new(seed)),
            audits: Mutex::default(),
            channels: Arc::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            webhooks: Mutex::default(),
            window: Mutex::new(Window::new()),
            address,
            basic: STANDARD.encode(format!("{client_id}:{client_secret}")),
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the task is dropped, over TLS where there is somebody to vouch.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            // What fails here was one caller's connection.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let resets = Arc::new(AtomicBool::new(false));
            let wired = Wired { stream, resets: resets.clone() };
            let (server, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(wired).await {
                            server.converse(stream, resets).await;
                        }
                    }
                    None => server.converse(wired, resets).await,
                }
            });
        }
    }

    async fn converse<S>(self: Arc<Self>, stream: S, resets: Arc<AtomicBool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| self.clone().meet(request, resets.clone()));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A caller that goes in the middle is the caller's business.
        let _ = connection.with_upgrades().await;
    }

    async fn meet(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        resets: Arc<AtomicBool>,
    ) -> io::Result<Response<Body>> {
        if let Some(id) = request.uri().path().strip_prefix("/channels/").map(str::to_owned) {
            return Ok(self.channels.take_up(&id, request));
        }
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), LARGEST_BODY).await.map_err(io::Error::other)?;
        let request = Request {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: pairs(&parts.uri),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        self.remember(&request);
        let fault = held(&self.faults).next(&request.path, &request.query);
        match &fault {
            Some(Fault::SlowHeaders(wait)) => tokio::time::sleep(*wait).await,
            Some(Fault::Reset) => {
                resets.store(true, Relaxed);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Some(Fault::RevokedAtPage(_)) => held(&self.tokens).revoke(),
            _ => {}
        }
        let answer = fault.as_ref().and_then(Fault::instead);
        let answer =
            answer.unwrap_or_else(|| self.answer(&request, &parts.headers, fault.as_ref()));
        Ok(self.written(answer, fault.as_ref(), &request.query))
    }

    fn remember(&self, request: &Request) {
        let mut requests = held(&self.requests);
        if requests.len() == REMEMBERED {
            requests.pop_front();
        }
        let mut request = request.clone();
        if request.path == TOKEN {
            // The one body that may hold a secret.
            request.body = request.body.replace("client_secret", "-");
        }
        requests.push_back(request);
    }

    fn answer(&self, request: &Request, headers: &HeaderMap, fault: Option<&Fault>) -> Answer {
        if request.path == TOKEN {
            return self.grant(request, headers, fault);
        }
        let token = credential(headers, "Bearer");
        if !token.is_some_and(|token| held(&self.tokens).is_valid(token)) {
            return Answer::unauthorized();
        }
        let query = request.query.clone();
        let query = fault.map_or(query.clone(), |fault| fault.asked(query));
        match self.profile {
            Profile::Platform => platform::answer(self, request, &query),
            Profile::Guide => guide::answer(self, request, &query),
        }
    }

    /// POST /oauth/token, in the words of RFC 6749 §5.
    fn grant(&self, request: &Request, headers: &HeaderMap, fault: Option<&Fault>) -> Answer {
        let refuse = |status, error: &str, description: &str| Answer {
            status,
            ..Answer::of(json!({
                "error": error, "description": description, "error_description": description,
            }))
        };
        let form = format!("/?{}", request.body).parse().map(|uri| pairs(&uri)).unwrap_or_default();
        if fault == Some(&Fault::TokenThrottled) {
            refuse(StatusCode::BAD_REQUEST, "invalid_request", "rate limit exceeded")
        } else if credential(headers, "Basic") != Some(&self.basic) {
            refuse(StatusCode::UNAUTHORIZED, "invalid_client", "authentication failed")
        } else if parameter(&form, "grant_type") != Some("client_credentials") {
            refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "use client_credentials")
        } else {
            let lifetime = match fault {
                Some(Fault::ShortToken(lifetime)) => *lifetime,
                _ => LIFETIME,
            };
            Answer::of(json!({
                "access_token": held(&self.tokens).issue(lifetime),
                "token_type": "bearer",
                "expires_in": lifetime.as_secs(),
            }))
        }
    }

    /// The answer as bytes, spoiled as the fault has it.
    fn written(&self, answer: Answer, fault: Option<&Fault>, query: &Parameters) -> Response<Body> {
        let Answer { status, body, retry_after } = answer;
        let mut kind = "application/json";
        let mut encoding = None;
        let is_right = status.is_success();
        let body = body.map(|mut body| {
            if let Some(fault) = fault.filter(|_| is_right) {
                fault.spoil(&mut body, query);
            }
            body.to_string().into_bytes()
        });
        let bytes = body.unwrap_or_default();
        let body = match fault.filter(|_| is_right) {
            Some(Fault::SlowBody) => slowly(bytes),
            Some(Fault::Truncated) => Body::from(bytes[..bytes.len() / 2].to_vec()),
            Some(Fault::Oversized(count)) => {
                let mut padded = vec![b' '; *count];
                padded.extend(bytes);
                Body::from(padded)
            }
            Some(Fault::Html) => {
                kind = "text/html";
                Body::from("<!doctype html><title>Sign in</title><p>Welcome to the network.</p>")
            }
            Some(Fault::Deep) => Body::from("[".repeat(DEPTH)),
            Some(Fault::GzipBomb) => {
                encoding = Some("gzip");
                Body::from(bomb())
            }
            _ => Body::from(bytes),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("inin-correlation-id", HeaderValue::from_static(CORRELATION));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let (count, left) = held(&self.window).count();
        headers.insert("inin-ratelimit-count", count.into());
        headers.insert("inin-ratelimit-allowed", ALLOWED.into());
        headers.insert("inin-ratelimit-reset", left.into());
        response
    }
}

/// How deep the brackets go.
const DEPTH: usize = 100_000;

fn pairs(uri: &Uri) -> Parameters {
    Query::<Parameters>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

/// The credential of this scheme in the Authorization header.
fn credential<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let (given, credential) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| credential.trim())
}
