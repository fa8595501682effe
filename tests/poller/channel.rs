//! The vendor's notifications, from a WebSocket server on loopback that plays what can go wrong.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use branchline::telephony::{Hint, PartName, Snapshot, State};
use branchline_probes::Foreign;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::contract::undocumented;
use crate::fake::{HASTE, PATIENT, Reply, Seen, healthy};
use crate::streaming::{CHANNELS, HURRIED, PATIENCE, QUICK, Stage, channel, edge_event, event};

#[tokio::test]
async fn a_channel_is_made_subscribed_to_and_read_after_and_an_event_is_a_hint() {
    let mut stage = Stage::start(PATIENT).await;

    let mut server = stage.accept().await;
    stage.everything().await;
    let edge = stage.edge();
    server.send(edge_event(&edge)).await.expect("it is open");

    assert_eq!(stage.hint().await, Hint { part: PartName::Edges, id: Some(edge.clone()) });
    let made = stage.fake.seen().into_iter().find(|seen| seen.path == CHANNELS);
    let made = made.expect("a request");
    assert_eq!((made.method, made.body.len()), (Method::POST, 0));
    let subscriptions = stage.subscriptions();
    let [subscribed] = subscriptions.as_slice() else { panic!("{subscriptions:?}") };
    assert_eq!(subscribed.method, Method::PUT);
    assert_eq!(subscribed.path, format!("{CHANNELS}/channel-1/subscriptions"));
    assert_eq!(subscribed.query, [("ignoreErrors".to_owned(), "true".to_owned())]);
    let topics: Vec<Value> = serde_json::from_slice(&subscribed.body).expect("a list");
    let topic = json!({ "id": format!("v2.telephony.providers.edges.{edge}") });
    assert!(topics.contains(&topic), "{topics:?}");
    assert_eq!(undocumented(&stage.fake.seen()), [""; 0]);
}

// D-HOOK-3
#[tokio::test]
async fn an_event_that_claims_an_edge_to_be_down_while_the_api_says_up_leaves_it_up() {
    let mut stage = Stage::start(PATIENT).await;
    let before = Arc::clone(&stage.known.borrow());
    let edge = before.edges.items.iter().find(|edge| edge.state == State::Up).expect("one is up");
    let id = edge.reference.id.clone();
    let mut server = stage.accept().await;
    stage.everything().await;

    server.send(edge_event(&id)).await.expect("it is open");
    let hints = BTreeSet::from([stage.hint().await]);
    let after = stage.poller.refresh(&before, &hints).await;

    let state = |snapshot: &Snapshot| {
        let edge = snapshot.edges.items.iter().find(|edge| edge.reference.id == id);
        edge.map(|edge| edge.state)
    };
    assert_eq!(state(&after), Some(State::Up));
}

// D-API-1
#[tokio::test]
async fn a_channel_elsewhere_than_at_the_streaming_host_is_never_connected_to() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("ws://{}", elsewhere.local_addr().expect("an address"));
    let streaming = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let stage = Stage::with(QUICK, streaming, channel(uri)).await;

    let asked_three_times = async {
        while stage.fake.count(CHANNELS) < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = elsewhere.accept() => panic!("it went where the answer led"),
        _ = stage.streaming.accept() => panic!("it made up an address"),
        done = tokio::time::timeout(PATIENCE, asked_three_times) => done.expect("in time"),
    }

    assert!(stage.subscriptions().is_empty());
}

#[tokio::test]
async fn after_a_lost_connection_there_is_a_new_channel_and_everything_is_read_again() {
    let mut stage = Stage::start(QUICK).await;
    let server = stage.accept().await;
    stage.everything().await;

    drop(server);
    let mut server = stage.accept().await;
    stage.everything().await;

    let edge = stage.edge();
    server.send(edge_event(&edge)).await.expect("it is open");
    assert_eq!(stage.hint().await.id, Some(edge));
    assert_eq!(stage.fake.count(CHANNELS), 2);
}

#[tokio::test]
async fn what_changed_while_the_socket_was_down_is_known_after_the_reconnect() {
    let is_well = Arc::new(Mutex::new(true));
    let streaming = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("ws://{}", streaming.local_addr().expect("an address"));
    let (notifies, switch) = (channel(uri), Arc::clone(&is_well));
    let script = move |seen: &Seen| {
        let mut reply = notifies(seen);
        if !*switch.lock().expect("a lock") && seen.path.ends_with("/edges") {
            let text = String::from_utf8(reply.body).expect("text").replace("ONLINE", "OFFLINE");
            reply.body = text.into_bytes();
        }
        reply
    };
    let mut stage = Stage::with(QUICK, streaming, script).await;
    let before = Arc::clone(&stage.known.borrow());
    assert!(before.edges.items.iter().any(|edge| edge.state == State::Up));
    let server = stage.accept().await;
    stage.everything().await;

    drop(server);
    *is_well.lock().expect("a lock") = false;
    let _server = stage.accept().await;
    let hints = BTreeSet::from([stage.hint().await, stage.hint().await, stage.hint().await]);
    let after = stage.poller.refresh(&before, &hints).await;

    assert!(after.edges.items.iter().all(|edge| edge.state != State::Up));
    assert!(after.edges.read > before.edges.read);
    assert!(after.phones.read > before.phones.read);
}

#[tokio::test]
async fn a_channel_that_says_nothing_is_asked_and_then_given_up() {
    let mut stage = Stage::start(HURRIED).await;
    let mut server = stage.accept().await;
    stage.everything().await;

    let ping = tokio::time::timeout(PATIENCE, server.next()).await.expect("in time");
    let _second = stage.accept().await;
    stage.everything().await;

    assert_eq!(ping.expect("open").expect("a message"), Message::text(r#"{"message":"ping"}"#));
}

#[tokio::test]
async fn upon_an_announced_end_the_next_channel_is_open_before_the_old_one_is_closed() {
    let mut stage = Stage::start(QUICK).await;
    let mut old = stage.accept().await;
    stage.everything().await;

    old.send(event("v2.system.socket_closing", &json!({}))).await.expect("it is open");
    let (stream, _) = stage.streaming.accept().await.expect("a connection");
    let said = old.next().now_or_never();
    assert!(said.is_none(), "the old one is still open: {said:?}");
    let _new = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
    stage.everything().await;

    let end = tokio::time::timeout(PATIENCE, old.next()).await.expect("in time");
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
}

#[tokio::test]
async fn when_the_subscription_or_the_token_is_gone_there_is_a_new_channel() {
    for topic in ["v2.system.no_longer_subscribed.x", "v2.system.token_revoked.x"] {
        let mut stage = Stage::start(QUICK).await;
        let mut server = stage.accept().await;
        stage.everything().await;

        server.send(event(topic, &json!({}))).await.expect("it is open");

        stage.accept().await;
        stage.everything().await;
    }
}

// F57
#[tokio::test]
async fn hostile_messages_hint_at_nothing_and_the_channel_lives_on() {
    let mut stage = Stage::start(PATIENT).await;
    let mut server = stage.accept().await;
    stage.everything().await;
    let deep = format!(r#"{{"topicName":"x","eventBody":{}"#, "[".repeat(500_000));

    for text in ["", "no JSON", "null", "[]", r#"{"topicName":7}"#, "\0", &deep] {
        server.send(Message::text(text)).await.expect("it is open");
    }
    server.send(Message::binary(vec![0xff; 100_000])).await.expect("it is open");
    server.send(Message::Ping("x".into())).await.expect("it is open");
    for topic in ["", "v2.audits.entitytype.x.entityid.y", "v2.telephony.providers.edges.gone"] {
        server.send(event(topic, &json!({ "id": "gone" }))).await.expect("it is open");
    }
    let edge = stage.edge();
    server.send(edge_event(&edge)).await.expect("it is open");

    assert_eq!(stage.hint().await, Hint { part: PartName::Edges, id: Some(edge) });
    assert_eq!(stage.fake.count(CHANNELS), 1);
}

// D-API-2
#[tokio::test]
async fn a_message_above_a_mebibyte_is_not_read_and_ends_the_channel() {
    let mut stage = Stage::start(QUICK).await;
    let mut server = stage.accept().await;
    stage.everything().await;

    // It may hang up before it has everything.
    let _ = server.send(Message::text("x".repeat(2 << 20))).await;

    stage.accept().await;
    stage.everything().await;
}

// F57
#[tokio::test]
async fn a_burst_of_duplicates_is_one_reading() {
    let mut stage = Stage::start(PATIENT).await;
    let mut server = stage.accept().await;
    stage.everything().await;
    let edge = stage.edge();

    for _ in 0..1_900 {
        server.feed(edge_event(&edge)).await.expect("it is open");
    }
    server.flush().await.expect("it is open");
    let now = std::time::Instant::now();
    let mut hints = branchline::poller::Hints::default();
    for _ in 0..1_900 {
        hints.note(stage.hint().await, now);
    }

    assert_eq!(hints.due(now), BTreeSet::from([Hint { part: PartName::Edges, id: Some(edge) }]));
    assert_eq!(hints.next(), None);
}

#[tokio::test]
async fn another_set_of_things_is_subscribed_to_and_what_is_new_in_it_is_read() {
    let mut stage = Stage::start(PATIENT).await;
    let _server = stage.accept().await;
    stage.everything().await;
    let mut more = Snapshot::clone(&stage.known.borrow());
    let mut edge = more.edges.items[0].clone();
    edge.reference.id = Foreign::new("new-edge");
    more.edges.items.push(edge);

    stage.known.send_replace(Arc::new(more));

    let new = Hint { part: PartName::Edges, id: Some(Foreign::new("new-edge")) };
    assert_eq!(stage.hint().await, new);
    let subscriptions = stage.subscriptions();
    let [_, second] = subscriptions.as_slice() else { panic!("{subscriptions:?}") };
    let topics: Vec<Value> = serde_json::from_slice(&second.body).expect("a list");
    let topic = json!({ "id": "v2.telephony.providers.edges.new-edge" });
    assert!(topics.contains(&topic), "{topics:?}");
    assert_eq!(stage.fake.count(CHANNELS), 1);
}

#[tokio::test]
async fn while_everything_is_heard_it_is_read_with_every_fifth_reading_and_else_with_each() {
    let mut stage = Stage::start(QUICK).await;
    let minute = Duration::from_secs(60);
    let before = Arc::clone(&stage.known.borrow());
    assert_eq!(before.trunks.every, Some(minute));

    let server = stage.accept().await;
    stage.everything().await;
    let asked = stage.fake.seen().len();
    let live = stage.poller.read(&before).await;
    let not_asked = stage.fake.seen().len() - asked;
    drop(server);
    let closed = async {
        while stage.poller.read(&before).await.trunks.every != Some(minute) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("in time");

    assert_eq!(live.trunks.every, Some(5 * minute));
    assert_eq!(live.trunks.read, before.trunks.read);
    assert_eq!(not_asked, 0);
}

#[tokio::test]
async fn a_topic_that_is_rejected_leaves_its_part_to_polling() {
    let streaming = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("ws://{}", streaming.local_addr().expect("an address"));
    let notifies = channel(uri);
    let script = move |seen: &Seen| {
        let reply = notifies(seen);
        if !seen.path.ends_with("/subscriptions") {
            return reply;
        }
        let mut answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
        for topic in answer["entities"].as_array_mut().expect("a list") {
            let is_rejected = topic["id"].as_str().is_some_and(|id| id.contains("trunks"));
            topic["state"] = json!(if is_rejected { "Rejected" } else { "Permitted" });
            topic["missingPermissions"] = json!(["telephony:plugin:all"]);
        }
        Reply::json(200, &answer)
    };
    let mut stage = Stage::with(PATIENT, streaming, script).await;
    let before = Arc::clone(&stage.known.borrow());
    let _server = stage.accept().await;
    stage.everything().await;

    let after = stage.poller.read(&before).await;

    assert!(after.trunks.read > before.trunks.read);
    assert_eq!(after.edges.read, before.edges.read);
}

#[tokio::test]
async fn a_vendor_that_refuses_channels_is_asked_again_and_its_state_is_read_all_the_same() {
    let streaming = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let script = |seen: &Seen| match &seen.path {
        path if path == CHANNELS => Reply::json(403, &json!({ "code": "not.authorized" })),
        _ => healthy(seen),
    };
    let stage = Stage::with(HASTE, streaming, script).await;
    let before = Arc::clone(&stage.known.borrow());

    let asked_again = async {
        while stage.fake.count(CHANNELS) < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked_again).await.expect("in time");
    let after = stage.poller.read(&before).await;

    assert!(after.edges.read > before.edges.read);
    assert!(stage.subscriptions().is_empty());
}

#[tokio::test]
async fn metrics_say_whether_the_channel_is_up_what_it_said_and_what_it_may_not_hear() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    branchline::poller::describe_metrics();
    let mut stage = Stage::start(QUICK).await;
    let server = stage.accept().await;
    stage.everything().await;
    drop(server);
    let mut server = stage.accept().await;
    stage.everything().await;
    server.send(Message::text("nonsense")).await.expect("it is open");
    server.send(event("v2.hostile.\"} 7\nx", &Value::Null)).await.expect("it is open");
    let edge = stage.edge();
    server.send(edge_event(&edge)).await.expect("it is open");
    stage.hint().await;

    let said = recorder.handle().render();

    for line in [
        "branchline_telephony_channel_up 1",
        "branchline_telephony_channel_reconnects_total 1",
        "branchline_telephony_channel_events_total{topic=\"edges\"} 1",
        "branchline_telephony_channel_events_total{topic=\"nonsense\"} 1",
        "branchline_telephony_channel_events_total{topic=\"unasked\"} 1",
        "branchline_telephony_channel_topics{state=\"rejected\"} 0",
    ] {
        assert!(said.lines().any(|it| it == line), "{line}\n{said}");
    }
    assert!(!said.contains("hostile") && !said.contains(edge.as_str()), "{said}");
}
