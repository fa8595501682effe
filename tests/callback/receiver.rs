//! A program on loopback that is told, answers as its script says, and remembers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).expect("the header")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().expect("an id").to_owned()
    }
}

/// A status, and the headers beside it.
type Reply = (u16, &'static [(&'static str, &'static str)]);

/// The receiver, with what it hears.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
}

#[derive(Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    heard: mpsc::UnboundedSender<Heard>,
}

impl Receiver {
    /// Answers with these, one after the other, and then with 204.
    pub(crate) async fn answering(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("an address");
        let (outbox, heard) = mpsc::unbounded_channel();
        let replies = Arc::new(Mutex::new(replies.iter().copied().collect()));
        let router = Router::new().fallback(hear).with_state(Script { replies, heard: outbox });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}/told?by=lyon"), heard }
    }

    pub(crate) async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.heard.recv());
        next.await.expect("it is told in time").expect("the receiver lives")
    }
}

async fn hear(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.to_string();
    let _ = script.heard.send(Heard { method, path, headers, body });
    let reply = script.replies.lock().expect("unpoisoned").pop_front();
    let (status, headers) = reply.unwrap_or((204, &[]));
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::empty()).expect("a response")
}
