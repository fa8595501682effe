//! The pages: `/metrics`, `/-/healthy`, `/-/ready` and a landing page, rendered before anybody
//! asks, and the door for webhooks, behind limits that a hostile client cannot talk away.

mod hooks;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use hooks::Hooks;

/// Where the pages are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
}

/// What the pages show, kept up to date by somebody else.
#[derive(Clone)]
pub struct Pages {
    /// The exposition, ready to be sent.
    pub metrics: watch::Receiver<Bytes>,
    /// Whether every check has run once.
    pub ready: watch::Receiver<bool>,
    /// Where webhooks go; `None` where nobody takes them.
    pub hooks: Option<Hooks>,
    places: Places,
}

impl Pages {
    /// Pages that show what these give, served within limits that all listeners share.
    #[must_use]
    pub fn new(metrics: watch::Receiver<Bytes>, ready: watch::Receiver<bool>) -> Self {
        Self { metrics, ready, hooks: None, places: Places::default() }
    }
}

/// Opens the listening sockets.
///
/// # Errors
///
/// The first address that cannot be listened on, and why.
pub async fn bind(settings: &Settings) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut listeners = Vec::new();
    for address in &settings.listen {
        listeners.push(TcpListener::bind(address).await.map_err(|error| (*address, error))?);
    }
    Ok(listeners)
}

/// Serves the pages on one listener until `stop` fires.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let places = pages.places.clone();
    let router = router(pages, is_local);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = places.take(peer.ip());
                let (router, stop) = (router.clone(), stop.clone());
                let peer = Peer(peer.ip());
                tokio::spawn(async move { converse(stream, peer, router, &place, stop).await });
            }
            // Out of file descriptors, most likely: let others finish first.
            Err(_) => tokio::time::sleep(AFTER_ACCEPT_ERROR).await,
        }
    }
}

/// The connections that are held: so many in all, and so many of one address (D-WEB-3). Who comes
/// when all places are taken gets that of the oldest, so that nobody can hold the others out by
/// staying.
#[derive(Clone, Debug, Default)]
struct Places(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    connections: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

/// One connection's place, until it is dropped.
struct Place {
    places: Places,
    number: u64,
    /// Fires when somebody else gets the place.
    lost: CancellationToken,
}

impl Places {
    fn take(&self, of: IpAddr) -> Place {
        let mut held = self.held();
        let of_this = held.connections.values().filter(|(address, _)| *address == of).count();
        if of_this >= MOST_CONNECTIONS_OF_ONE {
            held.give_up_oldest(|address| address == of);
        } else if held.connections.len() >= MOST_CONNECTIONS {
            held.give_up_oldest(|_| true);
        }
        let (number, lost) = (held.next, CancellationToken::new());
        held.next += 1;
        held.connections.insert(number, (of, lost.clone()));
        Place { places: self.clone(), number, lost }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // The table is right at every moment, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn give_up_oldest(&mut self, is_of: impl Fn(IpAddr) -> bool) {
        let oldest = self.connections.iter().find(|(_, (address, _))| is_of(*address));
        if let Some(number) = oldest.map(|(number, _)| *number)
            && let Some((_, lost)) = self.connections.remove(&number)
        {
            lost.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.held().connections.remove(&self.number);
    }
}

/// Who is at the other end of a connection. What a header says of somebody behind it is not read.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

async fn converse(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    place: &Place,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        // A client that reads too slowly, or talks for ever, is cut off.
        () = tokio::time::sleep(LONGEST_CONNECTION) => {}
        () = place.lost.cancelled() => {}
        () = stop.cancelled() => {}
    }
}

fn router(pages: Pages, is_local: bool) -> Router {
    Router::new()
        .route("/", get(async || ([HTML], LANDING_PAGE)))
        .route("/-/healthy", get(async || "Healthy\n"))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics))
        .route(hooks::PATH, post(hooks::receive))
        .with_state(pages)
        .layer(middleware::from_fn(move |request, next| guard(is_local, request, next)))
}

async fn ready(State(pages): State<Pages>) -> (StatusCode, &'static str) {
    if *pages.ready.borrow() {
        (StatusCode::OK, "Ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Not every check has run yet\n")
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let body = pages.metrics.borrow().clone();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], body).into_response()
}

/// Refuses a browser that was lured here under another name (DNS rebinding), and tells browsers
/// to run nothing.
async fn guard(is_local: bool, request: Request, next: Next) -> Result<Response, Infallible> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_ours = hosts.all(|host| host.to_str().is_ok_and(is_this_host));
    if is_local && !is_ours {
        return Ok(
            (StatusCode::FORBIDDEN, Body::from("this name is not served here\n")).into_response()
        );
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

fn is_this_host(host: &str) -> bool {
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, "")) => literal,
        Some((literal, rest)) if rest.strip_prefix(':').is_some_and(is_port) => literal,
        Some(_) => return false,
        None => match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let is_loopback = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || name.eq_ignore_ascii_case("localhost")
}

const HTML: (header::HeaderName, &str) = (header::CONTENT_TYPE, "text/html; charset=utf-8");

const LANDING_PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<title>branchline</title>\n\
    <style>body{font-family:sans-serif;margin:2rem;max-width:40rem}</style>\n\
    <h1>branchline</h1>\n\
    <p>Voice-readiness agent of this branch office.</p>\n\
    <ul>\n<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n\
    <li><a href=\"/-/healthy\">/-/healthy</a>: the daemon runs</li>\n\
    <li><a href=\"/-/ready\">/-/ready</a>: every check has run once</li>\n</ul>\n</html>\n";

/// A client that has not said what it wants by then is no scraper.
const HEADER_PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any scrape may take.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);
const MOST_CONNECTIONS: usize = 256;
const MOST_CONNECTIONS_OF_ONE: usize = 64;
const MOST_HEADERS: usize = 64;
/// hyper's own lower bound.
const MOST_HEADER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::is_this_host;

    // D-WEB-4
    #[test]
    fn only_names_of_the_loopback_are_this_host() {
        for host in ["127.0.0.1", "127.0.0.1:9377", "localhost:9377", "[::1]:9377", "LocalHost"] {
            assert!(is_this_host(host), "{host}");
        }
        for host in ["evil.example", "evil.example:9377", "192.0.2.1", "localhost.evil.example", ""]
        {
            assert!(!is_this_host(host), "{host}");
        }
    }
}
