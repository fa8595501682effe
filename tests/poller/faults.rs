//! What the poller does when the vendor's service does not do its part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use branchline::poller::{Haste, Poller, Settings};
use branchline::telephony::{ApiProblem, Snapshot};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fake::{
    EDGE_GROUPS, EDGES, Fake, HASTE, PATIENT, PHONES, Reply, TRUNKS, healthy, healthy_but, json_of,
};
use crate::{NONE, problems};

fn throttled(retry_after: Option<&'static str>) -> Reply {
    let reply = Reply::json(429, &json_of(include_str!("error_429.json")));
    match retry_after {
        Some(value) => reply.with("retry-after", value),
        None => reply,
    }
}

// F12
#[tokio::test]
async fn a_short_429_is_waited_out_and_given_up_after_three_retries() {
    for (refusals, asked, is_read) in [(3, 4, true), (usize::MAX, 4, false)] {
        let fake = Fake::start(healthy_but(TRUNKS, move |seen| {
            if seen.before < refusals { throttled(Some("30")) } else { healthy(seen) }
        }))
        .await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        assert_eq!(fake.count(TRUNKS), asked);
        assert_eq!(snapshot.trunks.read.is_some(), is_read);
        let given_up = ApiProblem::Throttled { path: TRUNKS, retry_after: Duration::from_secs(30) };
        assert_eq!(snapshot.trunks.problem, (!is_read).then_some(given_up));
    }
}

// F12
#[tokio::test]
async fn a_429_without_a_readable_wait_is_retried_too() {
    for retry_after in [None, Some("soon"), Some("-1"), Some("")] {
        let fake = Fake::start(healthy_but(TRUNKS, move |seen| {
            if seen.before == 0 { throttled(retry_after) } else { healthy(seen) }
        }))
        .await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        assert_eq!(problems(&snapshot), NONE);
        assert_eq!(fake.count(TRUNKS), 2);
    }
}

// F12
#[tokio::test]
async fn during_a_long_pause_the_whole_client_sends_nothing() {
    let fake = Fake::start(healthy_but(EDGES, |_| throttled(Some("1000000000")))).await;
    let poller = fake.poller(PATIENT);
    let first = poller.read(&Snapshot::default()).await;
    let sent = fake.seen().len();

    let second = poller.read(&first).await;

    let fifteen_minutes = Duration::from_secs(900);
    assert_eq!(
        first.edges.problem,
        Some(ApiProblem::Throttled { path: EDGES, retry_after: fifteen_minutes })
    );
    assert_eq!(fake.seen().len(), sent, "not one request during the pause");
    for problem in problems(&second) {
        assert_eq!(problem.expect("a problem").label(), "throttled");
    }
}

// F13
#[tokio::test]
async fn a_failing_service_is_asked_three_times_at_most() {
    for status in [500, 502, 503, 504] {
        let fake = Fake::start(healthy_but(PHONES, move |_| Reply::new(status, "broken"))).await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        assert_eq!(snapshot.phones.problem, Some(ApiProblem::Server { path: PHONES, status }));
        assert_eq!(fake.count(PHONES), 3);
    }
    let fake = Fake::start(healthy_but(PHONES, |seen| {
        if seen.before < 2 { Reply::new(503, "") } else { healthy(seen) }
    }))
    .await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    assert_eq!(problems(&snapshot), NONE);
    assert_eq!(fake.count(PHONES), 3);
}

// F8
#[tokio::test]
async fn a_missing_permission_is_named_and_the_other_parts_are_read() {
    let body = json!({
        "code": "missing.any.permissions",
        "messageParams": { "permissions": "[telephony:plugin:all]" },
    });
    let fake = Fake::start(healthy_but(TRUNKS, move |_| Reply::json(403, &body))).await;

    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

    let [edges, edge_groups, trunks, phones] = problems(&snapshot);
    assert_eq!([edges, edge_groups, phones], [const { None }; 3]);
    assert_eq!(
        trunks.expect("a problem").to_string(),
        "the OAuth client lacks the permission to read /api/v2/telephony/providers/edges/trunks: \
         telephony:plugin:all"
    );
}

#[tokio::test]
async fn edge_groups_are_not_judged_by_edges_that_could_not_be_read() {
    let fake = Fake::start(healthy_but(EDGES, |seen| {
        if seen.before == 0 { healthy(seen) } else { Reply::json(404, &json!({})) }
    }))
    .await;
    let poller = fake.poller(PATIENT);
    let first = poller.read(&Snapshot::default()).await;

    let second = poller.read(&first).await;

    assert_eq!(second.edge_groups.problem, second.edges.problem);
    assert!(second.edge_groups.problem.is_some());
    assert_eq!(second.edge_groups.items, first.edge_groups.items);
    assert_eq!(second.edge_groups.read, first.edge_groups.read);
    assert_eq!(fake.count(EDGE_GROUPS), 1);
}

// F16
#[tokio::test]
async fn nonsense_leaves_the_earlier_part_whole() {
    let mut truncated = include_bytes!("trunks_page.json").to_vec();
    truncated.truncate(truncated.len() - 20);
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let bodies: Vec<Vec<u8>> = vec![
        b"".into(),
        b"<!doctype html><title>Log in</title>".into(),
        truncated,
        b"null".into(),
        b"[]".into(),
        b"{}".into(),
        br#"{"entities":null}"#.into(),
        br#"{"entities":[],"entities":[{"id":"1"}]}"#.into(),
        br#"{"entities":{"0":{"id":"1"}}}"#.into(),
        br#"{"entities":[null,null],"pageCount":1}"#.into(),
        b"{\"entities\":[{\"id\":\"\xff\"}]}".into(),
        format!("{{\"entities\":[{deep}]}}").into(),
    ];
    for body in bodies {
        let text = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let fake = Fake::start(healthy_but(TRUNKS, move |seen| {
            if seen.before == 0 { healthy(seen) } else { Reply::new(200, body.clone()) }
        }))
        .await;
        let poller = fake.poller(PATIENT);
        let first = poller.read(&Snapshot::default()).await;

        let second = poller.read(&first).await;

        let problem = second.trunks.problem.as_ref().map(ApiProblem::label);
        assert_eq!(problem, Some("malformed"), "{text}");
        assert_eq!(first.trunks.items.len(), 1);
        assert_eq!(second.trunks.items, first.trunks.items, "{text}");
        assert_eq!(second.trunks.read, first.trunks.read, "{text}");
        assert_eq!(second.edges.problem, None, "{text}");
    }
}

// F16
#[tokio::test]
async fn a_later_page_that_is_nonsense_applies_nothing_of_the_earlier_ones() {
    let fake = Fake::start(healthy_but(PHONES, |seen| match seen.before {
        0 => healthy(seen),
        1 => Reply::json(200, &json!({ "entities": [{ "id": "new" }], "pageCount": 2 })),
        _ => Reply::new(200, "{"),
    }))
    .await;
    let poller = fake.poller(PATIENT);
    let first = poller.read(&Snapshot::default()).await;

    let second = poller.read(&first).await;

    assert!(second.phones.problem.is_some());
    assert_eq!(second.phones.items, first.phones.items);
}

#[tokio::test]
async fn after_a_failure_the_next_reading_clears_the_problem() {
    let fake = Fake::start(healthy_but(PHONES, |seen| {
        if seen.before == 0 { Reply::json(404, &json!({})) } else { healthy(seen) }
    }))
    .await;
    let poller = fake.poller(PATIENT);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;

    assert_eq!((first.phones.items.len(), first.phones.read), (0, None));
    assert_eq!((second.phones.items.len(), second.phones.problem), (1, None));
}

// F18
#[tokio::test]
async fn a_page_that_repeats_itself_is_nonsense() {
    let fake = Fake::start(healthy_but(PHONES, |_| {
        let next = format!("{PHONES}?pageNumber=1");
        Reply::json(200, &json!({ "entities": [{ "id": "1" }], "nextUri": next }))
    }))
    .await;

    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

    let what = "the same page twice";
    assert_eq!(snapshot.phones.problem, Some(ApiProblem::Malformed { path: PHONES, what }));
    assert_eq!(fake.count(PHONES), 2);
}

// D-API-2, F15
#[tokio::test]
async fn a_body_beyond_its_bounds_is_not_read_to_its_end_packed_or_not() {
    let plain = [br#"{"entities":["#.as_slice(), &vec![b' '; 9 << 20], b"]}"].concat();
    let packed = include_bytes!("bomb.json.gz");
    let gzip = Reply::new(200, packed.as_slice()).with("content-encoding", "gzip");
    let replies = [
        (Reply::new(200, plain), "a body above 8 MiB"),
        (gzip, "a body that unpacks to more than 100 times its size"),
    ];
    for (reply, what) in replies {
        let fake = Fake::start(healthy_but(TRUNKS, move |_| reply.clone())).await;

        let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

        assert_eq!(snapshot.trunks.problem, Some(ApiProblem::Malformed { path: TRUNKS, what }));
    }
}

#[tokio::test]
async fn a_body_whose_compression_is_broken_is_nonsense() {
    let fake = Fake::start(healthy_but(TRUNKS, |_| {
        Reply::new(200, "this is no gzip at all").with("content-encoding", "gzip")
    }))
    .await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    assert_eq!(snapshot.trunks.problem.as_ref().map(ApiProblem::label), Some("malformed"));
    assert_eq!(fake.count(TRUNKS), 1);
}

// F14
#[tokio::test]
async fn a_service_that_never_answers_is_given_up_once_and_holds_up_nobody_else() {
    let fake = Fake::start(healthy_but(TRUNKS, |_| Reply::never())).await;
    let poller = fake.poller(Haste { waits: 1, limits: 5, reading: 1 });

    let snapshot = poller.read(&Snapshot::default()).await;

    let [edges, edge_groups, trunks, phones] = problems(&snapshot);
    assert_eq!([edges, edge_groups, phones], [const { None }; 3]);
    assert_eq!(trunks.expect("a problem").label(), "unreachable");
    assert_eq!(fake.count(TRUNKS), 1);
}

#[tokio::test]
async fn a_reading_ends_after_two_minutes_and_what_was_read_by_then_is_kept() {
    // Every page comes at once, and there is always one more, behind a pause within our patience.
    let fake = Fake::start(healthy_but(PHONES, |seen| match seen.before {
        before if before % 2 == 0 => throttled(Some("1")),
        _ => {
            let phone = json!({ "id": format!("phone-{}", seen.page()) });
            let next = format!("{PHONES}?pageNumber={}", seen.page() + 1);
            Reply::json(200, &json!({ "entities": [phone], "nextUri": next }))
        }
    }))
    .await;
    let poller = fake.poller(Haste { waits: 5, limits: 1, reading: 100 });

    let snapshot = poller.read(&Snapshot::default()).await;

    let [edges, edge_groups, trunks, phones] = problems(&snapshot);
    assert_eq!([edges, edge_groups, trunks], [const { None }; 3]);
    let detail = "the reading took longer than 2 minutes".to_owned();
    let host = "127.0.0.1".to_owned();
    assert_eq!(phones, Some(ApiProblem::Unreachable { host, detail }));
    assert_eq!((snapshot.phones.items.len(), snapshot.phones.read), (0, None));
    let asked = fake.count(PHONES);
    assert!((3..30).contains(&asked), "{asked} requests");
}

#[tokio::test]
async fn a_connection_that_is_lost_in_the_middle_of_an_answer_is_tried_three_times() {
    let login = Fake::start(healthy).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api_url = format!("http://{}", listener.local_addr().expect("an address"));
    let phones = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&phones);
    let server = tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if connection.read_buf(&mut head).await.expect("a request") == 0 {
                        return;
                    }
                }
                if String::from_utf8_lossy(&head).contains("edges/phones") {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"entities\":";
                connection.write_all(answer).await.expect("half an answer");
            });
        }
    });
    let settings = Settings { api_url, ..login.settings() };
    let poller = Poller::hasty(settings, HASTE).expect("a poller");

    let snapshot = poller.read(&Snapshot::default()).await;

    for problem in problems(&snapshot) {
        assert_eq!(problem.expect("a problem").label(), "unreachable");
    }
    assert_eq!(phones.load(Ordering::SeqCst), 3);
    server.abort();
}

#[tokio::test]
async fn an_address_at_which_nobody_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let login = Fake::start(healthy).await;
    let settings = Settings { api_url: nobody, ..login.settings() };
    let poller = Poller::hasty(settings, HASTE).expect("a poller");

    let snapshot = poller.read(&Snapshot::default()).await;

    let problem = snapshot.phones.problem.expect("a problem");
    assert_eq!(problem.label(), "unreachable");
    assert!(problem.to_string().contains("Connection refused"), "{problem}");
}

// F16
#[tokio::test]
async fn a_head_that_is_no_http_is_malformed_and_not_asked_for_again() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    for head in ["HTTP/1.1 200 OK\r\nX: a\u{1}b\r\n\r\n", "this is no HTTP at all\r\n\r\n", &long] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, head) = (Arc::clone(&asked), head.to_owned());
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.read(&mut [0; 1]).await;
            }
        });
        let fake = Fake::start(healthy).await;
        let settings = Settings { login_url: url, ..fake.settings() };
        let poller = Poller::hasty(settings, HASTE).expect("a poller");

        let snapshot = poller.read(&Snapshot::default()).await;

        let labels = problems(&snapshot).map(|it| it.map(|it| it.label()));
        assert_eq!(labels[0], Some("malformed"), "{:?}", snapshot.edges.problem);
        let asked = asked.load(Ordering::SeqCst);
        assert!(asked <= 4, "once for each part: {asked}");
        server.abort();
    }
}
