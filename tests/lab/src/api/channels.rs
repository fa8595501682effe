//! Notification channels: what is subscribed to, and the WebSockets over which events go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::answer::{Answer, CORRELATION};
use super::held;
use super::state::in_days;

/// How many topics a channel may have.
const MOST_TOPICS: usize = 1000;
/// How many channels a client may have; the oldest goes.
const MOST_CHANNELS: usize = 20;
/// How often the vendor says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// All channels.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: Mutex<BTreeMap<u64, Channel>>,
    loses: AtomicBool,
    is_mute: AtomicBool,
}

#[derive(Debug, Default)]
struct Channel {
    topics: BTreeSet<String>,
    sockets: Vec<UnboundedSender<Told>>,
}

/// What a socket is told to do.
#[derive(Clone, Debug)]
enum Told {
    Say(String),
    Close,
}

impl Channels {
    /// Answers what is asked of channels and their subscriptions.
    pub(super) fn answer(
        &self,
        method: &str,
        rest: &[&str],
        body: &Value,
        address: SocketAddr,
    ) -> Answer {
        let mut open = held(&self.open);
        if rest.is_empty() {
            return match method {
                "POST" => {
                    let number = open.keys().next_back().map_or(1, |last| last + 1);
                    open.insert(number, Channel::default());
                    if open.len() > MOST_CHANNELS {
                        open.pop_first();
                    }
                    Answer::of(channel(number, address))
                }
                "GET" => {
                    let all: Vec<_> = open.keys().map(|number| channel(*number, address)).collect();
                    Answer::of(json!({ "entities": all }))
                }
                _ => Answer::not_found(),
            };
        }
        let Some(channel) = number(rest[0]).and_then(|number| open.get_mut(&number)) else {
            return Answer::not_found();
        };
        match (method, &rest[1..]) {
            ("HEAD", []) => Answer::empty(StatusCode::OK),
            ("GET", ["subscriptions"]) => Answer::of(topics(channel)),
            ("DELETE", ["subscriptions"]) => {
                channel.topics.clear();
                Answer::empty(StatusCode::OK)
            }
            ("POST" | "PUT", ["subscriptions"]) => {
                let Some(wanted) = body.as_array() else {
                    return Answer::bad_request("A list of topics is expected.");
                };
                if method == "PUT" {
                    channel.topics.clear();
                }
                let wanted = wanted.iter().filter_map(|topic| topic["id"].as_str());
                channel.topics.extend(wanted.map(str::to_owned));
                if channel.topics.len() > MOST_TOPICS {
                    channel.topics.clear();
                    return Answer::bad_request("A channel has at most 1000 topics.");
                }
                Answer::of(topics(channel))
            }
            _ => Answer::not_found(),
        }
    }

    /// Tells every socket whose channel has the topic; how many were told.
    pub(super) fn push(&self, topic: &str, body: &Value) -> usize {
        if self.loses.load(Relaxed) {
            return 0;
        }
        let event = json!({
            "topicName": topic,
            "version": "2",
            "eventBody": body,
            "metadata": { "CorrelationId": CORRELATION },
        });
        let is_system = topic.starts_with("v2.system.");
        self.tell(&Told::Say(event.to_string()), |channel| {
            is_system || channel.topics.contains(topic)
        })
    }

    /// Closes every socket; the channels stay.
    pub(super) fn close(&self) -> usize {
        self.tell(&Told::Close, |_| true)
    }

    /// Forgets every channel, so that its id is none any more.
    pub(super) fn forget(&self) {
        self.close();
        held(&self.open).clear();
    }

    /// From now on events are lost, or are not.
    pub(super) fn lose(&self, loses: bool) {
        self.loses.store(loses, Relaxed);
    }

    /// From now on nothing at all is said on a socket, pings included, or is.
    pub(super) fn mute(&self, is_mute: bool) {
        self.is_mute.store(is_mute, Relaxed);
    }

    /// How many sockets are open.
    pub(super) fn sockets(&self) -> usize {
        let open = held(&self.open);
        let sockets = open.values().flat_map(|channel| &channel.sockets);
        sockets.filter(|socket| !socket.is_closed()).count()
    }

    /// What is subscribed to, over all channels.
    pub(super) fn topics(&self) -> BTreeSet<String> {
        held(&self.open).values().flat_map(|channel| channel.topics.clone()).collect()
    }

    fn tell(&self, told: &Told, is_meant: impl Fn(&Channel) -> bool) -> usize {
        let mut count = 0;
        for channel in held(&self.open).values_mut() {
            if is_meant(channel) {
                channel.sockets.retain(|socket| socket.send(told.clone()).is_ok());
                count += channel.sockets.len();
            }
        }
        count
    }

    /// Takes a WebSocket up, where the channel is one; RFC 6455 §4.2.2.
    pub(super) fn take_up(
        self: &std::sync::Arc<Self>,
        id: &str,
        request: hyper::Request<Incoming>,
    ) -> Response<Body> {
        let key = key(request.headers());
        let known = number(id).filter(|number| held(&self.open).contains_key(number));
        let (Some(number), Some(key)) = (known, key) else {
            let status =
                if known.is_none() { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
            return plain(status);
        };
        let (told, orders) = unbounded_channel();
        if let Some(channel) = held(&self.open).get_mut(&number) {
            channel.sockets.push(told);
        }
        let channels = self.clone();
        tokio::spawn(async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
                channels.talk(socket, orders).await;
            }
        });
        let mut response = plain(StatusCode::SWITCHING_PROTOCOLS);
        let headers = [
            ("connection", "Upgrade".to_owned()),
            ("upgrade", "websocket".to_owned()),
            ("sec-websocket-accept", key),
        ];
        for (name, value) in headers {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    async fn talk<S>(&self, mut socket: WebSocketStream<S>, mut orders: UnboundedReceiver<Told>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut beats = tokio::time::interval(HEARTBEAT);
        loop {
            let said = tokio::select! {
                _ = beats.tick() => Some(system("WebSocket Heartbeat")),
                order = orders.recv() => match order {
                    Some(Told::Say(event)) => Some(event),
                    Some(Told::Close) | None => {
                        // Whoever is gone already needs no goodbye.
                        let _ = socket.close(None).await;
                        return;
                    }
                },
                heard = socket.next() => match heard {
                    Some(Ok(Message::Text(text))) => is_ping(&text).then(|| system("pong")),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(
                        Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                    )) => None,
                },
            };
            let said = said.filter(|_| !self.is_mute.load(Relaxed));
            if let Some(said) = said
                && socket.send(Message::text(said)).await.is_err()
            {
                return;
            }
        }
    }
}

fn is_ping(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value["message"] == "ping")
}

fn system(message: &str) -> String {
    json!({ "topicName": "channel.metadata", "eventBody": { "message": message } }).to_string()
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn key(headers: &HeaderMap) -> Option<String> {
    headers.get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()))
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix("streaming-1-")?.parse().ok()
}

fn channel(number: u64, address: SocketAddr) -> Value {
    let id = format!("streaming-1-{number}");
    json!({
        "connectUri": format!("ws://{address}/channels/{id}"),
        "id": id,
        "expires": in_days(1),
    })
}

fn topics(channel: &Channel) -> Value {
    let topic = |id: &String| json!({ "id": id, "state": "Permitted" });
    json!({ "entities": channel.topics.iter().map(topic).collect::<Vec<_>>() })
}
