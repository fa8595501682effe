//! An API and a streaming host on loopback, and a poller that listens to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use branchline::poller::{Haste, Poller, Settings};
use branchline::telephony::{Hint, PartName, Snapshot};
use branchline_probes::Foreign;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::fake::{Fake, Reply, Seen, healthy};

pub(crate) const CHANNELS: &str = "/api/v2/notifications/channels";

/// Back-off of 50 ms, silence of 4.5 s.
pub(crate) const QUICK: Haste = Haste { waits: 20, limits: 1, reading: 1 };

/// Silence of 90 ms.
pub(crate) const HURRIED: Haste = Haste { waits: 1_000, limits: 1, reading: 1 };

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Server = WebSocketStream<TcpStream>;

/// An API, a streaming host, and a poller that listens to it.
pub(crate) struct Stage {
    pub(crate) fake: Fake,
    pub(crate) streaming: TcpListener,
    pub(crate) poller: Arc<Poller>,
    pub(crate) known: watch::Sender<Arc<Snapshot>>,
    pub(crate) hints: mpsc::UnboundedReceiver<Hint>,
    listening: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What a channel is told to be, and what became of its subscription.
pub(crate) fn channel(uri: String) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| match &seen.path {
        path if path == CHANNELS => {
            let id = format!("channel-{}", seen.before + 1);
            let uri = format!("{uri}/channels/{id}");
            Reply::json(200, &json!({ "id": id, "connectUri": uri }))
        }
        path if path.starts_with(CHANNELS) => {
            let topics: Value = serde_json::from_slice(&seen.body).expect("JSON");
            Reply::json(200, &json!({ "entities": topics }))
        }
        _ => healthy(seen),
    }
}

impl Stage {
    pub(crate) async fn start(haste: Haste) -> Self {
        let streaming = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("ws://{}", streaming.local_addr().expect("an address"));
        Self::with(haste, streaming, channel(uri)).await
    }

    pub(crate) async fn with(
        haste: Haste,
        streaming: TcpListener,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let fake = Fake::start(script).await;
        let uri = format!("ws://{}", streaming.local_addr().expect("an address"));
        let settings = Settings { streaming_url: Some(uri), ..fake.settings() };
        let poller = Arc::new(Poller::hasty(settings, haste).expect("a poller"));
        let snapshot = poller.read(&Snapshot::default()).await;
        let (known, knows) = watch::channel(Arc::new(snapshot));
        let (heard, hints) = mpsc::unbounded_channel();
        let listener = Arc::clone(&poller);
        let listening = tokio::spawn(async move {
            listener.listen(knows, |hint| heard.send(hint).expect("a test")).await;
        });
        Self { fake, streaming, poller, known, hints, listening }
    }

    /// The next channel that is opened.
    pub(crate) async fn accept(&self) -> Server {
        let accepting = async {
            let (stream, _) = self.streaming.accept().await.expect("a connection");
            tokio_tungstenite::accept_async(stream).await.expect("a WebSocket")
        };
        tokio::time::timeout(PATIENCE, accepting).await.expect("in time")
    }

    /// The next hint.
    pub(crate) async fn hint(&mut self) -> Hint {
        let hint = tokio::time::timeout(PATIENCE, self.hints.recv()).await;
        hint.expect("in time").expect("it listens")
    }

    /// The hints that follow upon a connection: everything is read once.
    pub(crate) async fn everything(&mut self) {
        let hints = [self.hint().await, self.hint().await, self.hint().await];

        let whole = |part| Hint { part, id: None };
        let parts = [PartName::Edges, PartName::Trunks, PartName::Phones];
        assert_eq!(BTreeSet::from(hints), BTreeSet::from(parts.map(whole)));
    }

    pub(crate) fn edge(&self) -> Foreign {
        self.known.borrow().edges.items[0].reference.id.clone()
    }

    pub(crate) fn subscriptions(&self) -> Vec<Seen> {
        let is_one = |seen: &Seen| seen.path.ends_with("/subscriptions");
        self.fake.seen().into_iter().filter(is_one).collect()
    }
}

pub(crate) fn event(topic: &str, body: &Value) -> Message {
    Message::text(json!({ "topicName": topic, "version": "2", "eventBody": body }).to_string())
}

pub(crate) fn edge_event(id: &Foreign) -> Message {
    let body = json!({ "id": id.as_str(), "onlineStatus": "OFFLINE" });
    event(&format!("v2.telephony.providers.edges.{id}"), &body)
}
