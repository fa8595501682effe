//! A vendor on loopback that answers as its script says and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, Response};
use branchline::poller::{Haste, Poller, Profile, Settings};
use branchline::telephony::PartName;
use branchline_probes::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const EDGES: &str = "/api/v2/telephony/providers/edges";
pub(crate) const EDGE_GROUPS: &str = "/api/v2/telephony/providers/edges/edgegroups";
pub(crate) const TRUNKS: &str = "/api/v2/telephony/providers/edges/trunks";
pub(crate) const PHONES: &str = "/api/v2/telephony/providers/edges/phones";
pub(crate) const SITES: &str = "/api/v2/telephony/providers/edges/sites";
pub(crate) const TOKEN: &str = "/oauth/token";

/// Fast enough that no test waits, slow enough that one reading is far from the budget's minute.
pub(crate) const HASTE: Haste = Haste { waits: 1_000, limits: 1, reading: 1 };

/// Fast, and still a good part of a second where the product waits for a minute.
pub(crate) const BRISK: Haste = Haste { waits: 200, limits: 1, reading: 1 };

/// The waits of the product.
pub(crate) const PATIENT: Haste = Haste { waits: 1, limits: 1, reading: 1 };

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many requests to this path came before.
    pub(crate) before: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn page(&self) -> u64 {
        let number = self.query.iter().find(|(name, _)| name == "pageNumber");
        number.and_then(|(_, number)| number.parse().ok()).expect("a page number")
    }
}

/// What to answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Never answer at all.
    pub(crate) hangs: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), hangs: false }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string())
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn never() -> Self {
        Self { hangs: true, ..Self::new(200, "") }
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// What the server shares with the test.
#[derive(Clone)]
struct Stage {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fake {
    /// Answers every request with what `script` says.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stage = Stage { script: Arc::new(script), seen: Arc::clone(&seen) };
        let app = Router::new().fallback(answer).with_state(stage);
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("a server");
        });
        Self { url, seen, server }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a lock").clone()
    }

    /// How many requests came for `path`.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }

    /// A poller that asks this fake for everything.
    pub(crate) fn poller(&self, haste: Haste) -> Poller {
        Poller::hasty(self.settings(), haste).expect("a poller")
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            profile: Profile::Platform,
            skip: PartName::ALL.into_iter().filter(|part| !part.is_vital()).collect(),
            api_url: self.url.clone(),
            login_url: self.url.clone(),
            client_id: "a-client".to_owned(),
            client_secret: Secret::new("hunter2".to_owned()),
            interval: Duration::from_secs(60),
            narrowing: None,
            scopes: Vec::new(),
        }
    }
}

async fn answer(
    State(stage): State<Stage>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    let seen = {
        let mut log = stage.seen.lock().expect("a lock");
        let path = parts.uri.path().to_owned();
        let before = log.iter().filter(|seen| seen.path == path).count();
        let (method, headers) = (parts.method, parts.headers);
        let seen = Seen { method, path, query, headers, body, before };
        log.push(seen.clone());
        seen
    };
    let reply = (stage.script)(&seen);
    if reply.hangs {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).expect("a response")
}

/// The token `token-N` of the N-th request, for a day.
pub(crate) fn token(seen: &Seen) -> Reply {
    let token = format!("token-{}", seen.before + 1);
    let body = json!({ "access_token": token, "token_type": "bearer", "expires_in": 86_400 });
    Reply::json(200, &body)
}

/// The only page of a listing.
pub(crate) fn page(entities: &[Value]) -> Reply {
    Reply::json(200, &json!({ "entities": entities, "pageNumber": 1, "pageCount": 1 }))
}

/// The published examples.
pub(crate) fn healthy(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        TOKEN => token(seen),
        EDGES => Reply::new(200, include_str!("edges_page.json")),
        EDGE_GROUPS => page(&[json_of(include_str!("edge_group.json"))]),
        TRUNKS => Reply::new(200, include_str!("trunks_page.json")),
        PHONES => Reply::new(200, include_str!("phones_page.json")),
        _ => Reply::new(404, ""),
    }
}

/// As `healthy`, but for one path.
pub(crate) fn healthy_but(
    path: &'static str,
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| if seen.path == path { script(seen) } else { healthy(seen) }
}

pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
