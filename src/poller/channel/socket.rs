//! The WebSocket of a channel, opened by the same HTTP client that asks the API: the same trust
//! anchors, the same proxy, and no redirect.

use std::error::Error;
use std::time::Duration;

use branchline_probes::Foreign;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use reqwest::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use reqwest::{Client, Response, StatusCode, Upgraded, Url};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// The largest message that is read.
const MESSAGE_LIMIT: usize = 1024 * 1024;

/// The most that waits to be sent, answers to pings above all: who does not read them gets no more.
const UNSENT_LIMIT: usize = 64 * 1024;

/// How long sending one message may take.
const SENDING: Duration = Duration::from_secs(10);

/// What the vendor answers with a heartbeat.
const PING: &str = r#"{"message":"ping"}"#;

/// The address of a channel as HTTP has it, if it is at the streaming origin.
///
/// It says where the socket goes; whoever wrote it must not choose that (D-API-1).
pub(super) fn address(connect_uri: &str, streaming: &Url) -> Option<Url> {
    let mut url = Url::parse(connect_uri).ok()?;
    let scheme = match url.scheme() {
        "wss" => "https",
        "ws" => "http",
        _ => return None,
    };
    url.set_scheme(scheme).ok()?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    (url.origin() == streaming.origin() && !has_credentials).then_some(url)
}

/// An open WebSocket.
pub(super) struct Socket {
    stream: WebSocketStream<Upgraded>,
}

/// What came out of a socket.
pub(super) enum Frame {
    /// A message.
    Text(String),
    /// A sign of life.
    Alive,
    /// Bytes, which no message is.
    Binary,
    /// The other side closes, for this reason.
    Close(Foreign),
    /// Nothing more will come.
    End(Foreign),
}

impl Socket {
    /// Opens one (RFC 6455 §4.1).
    ///
    /// # Errors
    ///
    /// What the other side did instead.
    pub(super) async fn open(http: &Client, address: Url) -> Result<Self, Foreign> {
        let key = generate_key();
        let request = http
            .get(address)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let response = request.send().await.map_err(|error| innermost(&error))?;
        is_agreed(&response, &key)?;
        let upgraded = response.upgrade().await.map_err(|error| innermost(&error))?;
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(limits())).await;
        Ok(Self { stream })
    }

    /// Asks for a sign of life; whether that could be sent.
    pub(super) async fn ping(&mut self) -> bool {
        let sending = self.stream.send(Message::text(PING));
        matches!(tokio::time::timeout(SENDING, sending).await, Ok(Ok(())))
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Frame {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Frame::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(_))) => Frame::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Frame::Alive,
            Some(Ok(Message::Close(reason))) => Frame::Close(
                reason.map_or_else(|| Foreign::new("closed"), |it| Foreign::new(it.to_string())),
            ),
            Some(Err(error)) => Frame::End(Foreign::new(error.to_string())),
            None => Frame::End(Foreign::new("closed")),
        }
    }
}

/// What is kept of what comes, and of what is to leave.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT))
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT_LIMIT)
}

/// Whether the other side speaks WebSocket, and answers this very question.
fn is_agreed(response: &Response, key: &str) -> Result<(), Foreign> {
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Foreign::new(format!("it answers {}", status.as_u16())));
    }
    let headers = response.headers();
    let is_websocket = has(headers, UPGRADE.as_str(), "websocket");
    let accepts = headers.get(SEC_WEBSOCKET_ACCEPT).map(|it| it.as_bytes());
    if is_websocket && accepts == Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        Ok(())
    } else {
        Err(Foreign::new("it switches to another protocol than WebSocket"))
    }
}

fn has(headers: &HeaderMap, name: &str, word: &str) -> bool {
    headers.get(name).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
}

/// The outer errors repeat the address, which whoever holds it may listen at.
fn innermost(error: &reqwest::Error) -> Foreign {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    Foreign::new(causes.last().map_or_else(|| "no answer".to_owned(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use reqwest::Url;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::{UNSENT_LIMIT, address, limits};

    // D-API-2
    #[tokio::test]
    async fn who_pings_and_reads_no_answer_is_owed_a_bounded_number_of_answers() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut stream = WebSocketStream::from_raw_socket(ours, Role::Client, Some(limits())).await;
        // RFC 6455 §5.5: a control frame carries 125 bytes at most.
        let ping = [[0x89, 125].as_slice(), &[b'x'; 125]].concat();

        for _ in 0..5_000 {
            let (sent, heard) = tokio::join!(theirs.write_all(&ping), stream.next());
            assert!(sent.is_ok() && matches!(heard, Some(Ok(Message::Ping(_)))), "{heard:?}");
        }
        let flushing = tokio::spawn(async move { stream.next().await });
        let mut owed = vec![0; 2 * 1024 * 1024];
        let mut length = 0;
        while let Ok(Ok(read)) =
            tokio::time::timeout(std::time::Duration::from_secs(1), theirs.read(&mut owed)).await
            && read > 0
        {
            length += read;
        }
        flushing.abort();

        assert!(length > 0 && length <= UNSENT_LIMIT + 2 * 1024, "{length}");
    }

    // D-API-1
    #[test]
    fn a_channel_is_at_the_streaming_origin_or_nowhere() {
        let streaming = Url::parse("https://streaming.mypurecloud.de").expect("a URL");
        let at = |uri| address(uri, &streaming).map(String::from);

        assert_eq!(
            at("wss://streaming.mypurecloud.de/channels/streaming-0-abc?x=1").as_deref(),
            Some("https://streaming.mypurecloud.de/channels/streaming-0-abc?x=1")
        );
        assert_eq!(
            at("wss://STREAMING.mypurecloud.de:443/channels/a").as_deref(),
            Some("https://streaming.mypurecloud.de/channels/a")
        );
        for foreign in [
            "ws://streaming.mypurecloud.de/channels/a",
            "https://streaming.mypurecloud.de/channels/a",
            "wss://streaming.mypurecloud.de:8443/channels/a",
            "wss://streaming.mypurecloud.de.example.com/channels/a",
            "wss://streaming.mypurecloud.de@example.com/channels/a",
            "wss://user@streaming.mypurecloud.de/channels/a",
            "wss://127.0.0.1/channels/a",
            "/channels/a",
            "",
        ] {
            assert_eq!(at(foreign), None, "{foreign}");
        }
    }
}
