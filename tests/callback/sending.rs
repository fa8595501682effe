//! The sender against a program on loopback.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use branchline::callback::{Event, Sender, Settings, Topic};
use branchline_probes::Secret;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::receiver::Receiver;

const SECRET: &str = "callback-secret";

struct Running {
    outbox: mpsc::Sender<Vec<Event>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn started(url: &str) -> Running {
    let settings = Settings {
        url: url.to_owned(),
        secret: Secret::new(SECRET.to_owned()),
        topics: Topic::ALL.into(),
    };
    let (outbox, inbox) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let sender = Sender::new(&settings).expect("a sender");
    Running { outbox, task: tokio::spawn(sender.run(inbox, stop.clone(), |_| {})), stop }
}

impl Running {
    async fn tell(&self, events: &[(&str, u64)]) {
        let event = |(subject, number): &(&str, u64)| Event {
            name: "branchline:test",
            subject: (*subject).to_owned(),
            data: json!({ "subject": subject, "number": number }),
        };
        self.outbox.send(events.iter().map(event).collect()).await.expect("the sender lives");
    }

    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(15), self.task);
        ended.await.expect("it ends in time").expect("it does not panic");
    }
}

/// What `openssl dgst` signs of these bytes.
fn by_openssl(bytes: &[u8]) -> String {
    let words = ["dgst", "-sha256", "-hmac", SECRET, "-r"];
    let openssl =
        Command::new("openssl").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut openssl = openssl.expect("openssl is there");
    openssl.stdin.take().expect("a pipe").write_all(bytes).expect("it reads");
    let made = openssl.wait_with_output().expect("it ends");
    let text = String::from_utf8(made.stdout).expect("text");
    format!("sha256={}", text.split(' ').next().expect("a digest"))
}

#[tokio::test]
async fn an_event_is_posted_with_a_signature_that_openssl_makes_too() {
    let mut receiver = Receiver::answering(&[]).await;
    let sender = started(&receiver.url);

    sender.tell(&[("a", 1)]).await;
    let heard = receiver.next().await;

    assert_eq!((heard.method.as_str(), heard.path.as_str()), ("POST", "/told?by=lyon"));
    assert_eq!(heard.header("content-type"), "application/json");
    let signed = [heard.header("x-branchline-timestamp").as_bytes(), b".", &heard.body].concat();
    assert_eq!(heard.header("x-branchline-signature"), by_openssl(&signed));
    let envelope = heard.json();
    assert_eq!(envelope["event"], "branchline:test");
    assert_eq!(envelope["data"], json!({"subject": "a", "number": 1}));
    sender.end().await;
}

#[tokio::test]
async fn what_failed_is_sent_again_as_the_same_event_before_the_next_of_its_subject() {
    let mut receiver = Receiver::answering(&[(503, &[]), (429, &[("retry-after", "0")])]).await;
    let sender = started(&receiver.url);

    sender.tell(&[("a", 1), ("a", 2)]).await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(receiver.next().await);
    }

    let numbers: Vec<_> = heard.iter().map(|it| it.json()["data"]["number"].clone()).collect();
    assert_eq!(numbers, [1, 1, 1, 2]);
    assert_eq!((heard[0].id(), heard[1].id()), (heard[1].id(), heard[2].id()));
    assert_eq!(heard[0].body, heard[2].body);
    assert_ne!(heard[2].id(), heard[3].id());
    sender.end().await;
}

#[tokio::test]
async fn what_is_refused_or_redirected_is_not_sent_again() {
    for refusal in [400, 401, 404, 410, 302] {
        let reply: (u16, &[_]) = (refusal, &[("location", "/elsewhere")]);
        let mut receiver = Receiver::answering(&[reply]).await;
        let sender = started(&receiver.url);

        sender.tell(&[("a", 1), ("a", 2)]).await;

        for number in [1, 2] {
            let heard = receiver.next().await;
            assert_eq!(heard.json()["data"]["number"], number, "{refusal}");
            assert_eq!(heard.path, "/told?by=lyon", "{refusal}");
        }
        sender.end().await;
        assert!(receiver.heard.try_recv().is_err(), "{refusal}");
    }
}

#[tokio::test]
async fn at_the_end_what_waits_is_tried_once_in_order_and_no_longer() {
    let busy: (u16, &[_]) = (503, &[("retry-after", "300")]);
    let mut receiver = Receiver::answering(&[busy; 9]).await;
    let sender = started(&receiver.url);
    sender.tell(&[("a", 1), ("a", 2), ("a", 3)]).await;
    let first = receiver.next().await;

    sender.end().await;

    assert_eq!(first.json()["data"]["number"], 1);
    let mut last = Vec::new();
    while let Ok(heard) = receiver.heard.try_recv() {
        last.push(heard.json()["data"]["number"].as_u64().expect("a number"));
    }
    // The first one is tried again, unless its answer was still under way when the end came.
    assert!(last == [1, 2, 3] || last == [2, 3], "{last:?}");
}

#[tokio::test]
async fn an_address_where_nobody_listens_ends_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let sender = started(&format!("http://{address}/"));

    sender.tell(&[("a", 1), ("b", 1)]).await;

    sender.end().await;
}
