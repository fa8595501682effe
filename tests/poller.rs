//! The poller against a vendor on loopback that throttles, refuses, stalls and lies.

#[path = "poller/channel.rs"]
mod channel;
#[path = "poller/decoding.rs"]
mod decoding;
#[path = "poller/fake.rs"]
mod fake;
#[path = "poller/faults.rs"]
mod faults;
#[path = "poller/location.rs"]
mod location;
#[path = "poller/paging.rs"]
mod paging;
#[path = "poller/refusals.rs"]
mod refusals;
#[path = "poller/things.rs"]
mod things;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use axum::http::Method;
use branchline::poller::{Poller, SetupError, describe_metrics, region};
use branchline::telephony::{ApiProblem, Snapshot};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tokio::task::JoinSet;

use fake::{
    EDGE_GROUPS, EDGES, Fake, HASTE, PATIENT, PHONES, Reply, TOKEN, TRUNKS, healthy, healthy_but,
    page, token,
};

/// Every problem of a snapshot: edges, edge groups, trunks, phones.
fn problems(snapshot: &Snapshot) -> [Option<ApiProblem>; 4] {
    [
        snapshot.edges.problem.clone(),
        snapshot.edge_groups.problem.clone(),
        snapshot.trunks.problem.clone(),
        snapshot.phones.problem.clone(),
    ]
}

const NONE: [Option<ApiProblem>; 4] = [const { None }; 4];

#[tokio::test]
async fn one_reading_asks_for_a_token_once_and_then_only_reads() {
    let fake = Fake::start(healthy).await;

    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

    assert_eq!(problems(&snapshot), NONE);
    let seen = fake.seen();
    let (tokens, calls): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.path == TOKEN);
    let [token] = tokens.as_slice() else { panic!("{tokens:?}") };
    assert_eq!(token.method, Method::POST);
    // RFC 7617: base64 of `a-client:hunter2`.
    assert_eq!(token.header("authorization"), Some("Basic YS1jbGllbnQ6aHVudGVyMg=="));
    assert_eq!(token.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(token.body.as_ref(), b"grant_type=client_credentials");
    assert_eq!(calls.len(), 4);
    for call in calls {
        assert_eq!(call.method, Method::GET);
        assert_eq!(call.header("authorization"), Some("Bearer token-1"));
        assert_eq!(call.header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn every_listing_is_asked_for_with_the_parameters_that_the_vendor_publishes() {
    let fake = Fake::start(healthy).await;

    fake.poller(PATIENT).read(&Snapshot::default()).await;

    let paging = [("pageSize", "100"), ("pageNumber", "1")];
    let expected = [
        (EDGES, paging.to_vec()),
        (EDGE_GROUPS, paging.to_vec()),
        (TRUNKS, paging.to_vec()),
        (PHONES, [paging.as_slice(), &[("expand", "status"), ("sortBy", "id")]].concat()),
    ];
    for (path, query) in expected {
        let seen = fake.seen().into_iter().find(|seen| seen.path == path).expect("a request");
        let sent: BTreeSet<_> = seen.query.into_iter().collect();
        let query = query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(sent, query.collect(), "{path}");
    }
}

// D-API-4
#[tokio::test]
async fn two_hundred_parallel_readings_share_one_token_request() {
    let fake = Fake::start(healthy).await;
    let poller = Arc::new(fake.poller(HASTE));

    let mut readings = JoinSet::new();
    for _ in 0..200 {
        let poller = Arc::clone(&poller);
        readings.spawn(async move { problems(&poller.read(&Snapshot::default()).await) });
    }
    let readings = readings.join_all().await;

    assert!(readings.iter().all(|problems| *problems == NONE), "{readings:?}");
    assert_eq!(fake.count(TOKEN), 1);
    assert_eq!(fake.count(PHONES), 200);
}

// F6
#[tokio::test]
async fn upon_one_401_the_token_is_renewed_and_the_request_made_again() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        Some("Bearer token-1") => Reply::json(401, &json!({ "code": "bad.credentials" })),
        Some(_) | None => healthy(seen),
    })
    .await;

    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

    assert_eq!(problems(&snapshot), NONE);
    assert_eq!(fake.count(TOKEN), 2, "three parts hold the old token and share the new one");
}

// F17
#[tokio::test]
async fn a_token_that_ends_between_two_pages_is_renewed_and_the_reading_goes_on_there() {
    let fake = Fake::start(healthy_but(PHONES, |seen| {
        if seen.page() >= 3 && seen.header("authorization") == Some("Bearer token-1") {
            return Reply::json(401, &json!({ "code": "authentication.required" }));
        }
        let phone = json!({ "id": format!("phone-{}", seen.page()) });
        Reply::json(200, &json!({ "entities": [phone], "pageCount": 4, "total": 4 }))
    }))
    .await;

    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

    assert_eq!(problems(&snapshot), NONE);
    let ids = snapshot.phones.items.iter().map(|phone| phone.reference.id.as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["phone-1", "phone-2", "phone-3", "phone-4"]);
    let asked = fake.seen().into_iter().filter(|seen| seen.path == PHONES);
    assert_eq!(asked.map(|seen| seen.page()).collect::<Vec<_>>(), [1, 2, 3, 3, 4]);
}

// D-API-4
#[tokio::test]
async fn an_api_that_always_says_401_forces_one_renewal_a_minute() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        TOKEN => token(seen),
        _ => Reply::json(401, &json!({ "code": "bad.credentials" })),
    })
    .await;
    let poller = fake.poller(PATIENT);

    let first = poller.read(&Snapshot::default()).await;
    poller.read(&first).await;

    let problem = first.edges.problem.expect("a problem");
    assert_eq!(problem.to_string(), "127.0.0.1 refuses the client credentials: bad.credentials");
    assert_eq!(fake.count(TOKEN), 2, "the first token and one forced renewal");
    assert!(fake.count(TRUNKS) <= 4, "at most one retry for each of the two requests");
}

// F7
#[tokio::test]
async fn refused_credentials_are_named_and_not_tried_again_at_once() {
    for (status, body) in [
        (400, json!({ "error": "invalid_client", "description": "client not found" })),
        (401, json!({ "error": "invalid_client" })),
    ] {
        let fake = Fake::start(healthy_but(TOKEN, move |_| Reply::json(status, &body))).await;
        let poller = fake.poller(PATIENT);

        let first = poller.read(&Snapshot::default()).await;
        let second = poller.read(&first).await;

        for problem in problems(&first).into_iter().chain(problems(&second)) {
            let problem = problem.expect("a problem");
            assert_eq!(problem.label(), "credentials");
            assert!(problem.to_string().ends_with(": invalid_client"), "{problem}");
        }
        assert_eq!(fake.seen().len(), 1, "no other request, and none without a token");
    }
}

#[tokio::test]
async fn the_token_endpoints_own_rate_limit_is_waited_out() {
    let fake = Fake::start(healthy_but(TOKEN, |seen| {
        if seen.before < 2 { Reply::new(400, "Rate limit exceeded") } else { token(seen) }
    }))
    .await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    assert_eq!(problems(&snapshot), NONE);
    assert_eq!(fake.count(TOKEN), 3);
}

#[tokio::test]
async fn the_token_endpoints_rate_limit_is_never_called_bad_credentials() {
    let body = json!({ "error": "invalid_request", "error_description": "rate limit exceeded" });
    let fake = Fake::start(healthy_but(TOKEN, move |_| Reply::json(400, &body))).await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    for problem in problems(&snapshot) {
        assert_eq!(problem.expect("a problem").label(), "throttled");
    }
}

#[tokio::test]
async fn a_token_answer_without_a_token_is_nonsense() {
    for body in ["", "<html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#] {
        let fake = Fake::start(healthy_but(TOKEN, move |_| Reply::new(200, body))).await;

        let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

        let problem = snapshot.trunks.problem.expect("a problem");
        assert_eq!(problem.label(), "malformed", "{body}");
    }
}

#[tokio::test]
async fn origins_are_https_unless_their_host_is_a_loopback_address() {
    let fake = Fake::start(healthy).await;
    let setup = |api_url: &str| {
        let settings =
            branchline::poller::Settings { api_url: api_url.to_owned(), ..fake.settings() };
        Poller::new(settings).map(|_| ())
    };

    for fine in ["https://api.mypurecloud.de", "http://127.0.0.1:80", "http://[::1]:8080/"] {
        assert!(setup(fine).is_ok(), "{fine}");
    }
    for clear in ["http://api.mypurecloud.de", "http://localhost:80", "http://192.0.2.1", "ftp://a"]
    {
        assert!(matches!(setup(clear), Err(SetupError::Plaintext { .. })), "{clear}");
    }
    for more in ["https://a.example/api", "https://me@a.example", "https://a.example/?q"] {
        assert!(matches!(setup(more), Err(SetupError::NoOrigin { .. })), "{more}");
    }
    assert!(matches!(setup("api.example"), Err(SetupError::NoUrl { .. })));
}

#[test]
fn every_published_region_has_its_domain() {
    assert_eq!(region::REGIONS.len(), 18);
    assert_eq!(region::domain("us-east-1"), Some("mypurecloud.com"));
    assert_eq!(region::domain("eu-central-1"), Some("mypurecloud.de"));
    assert_eq!(region::domain("ap-southeast-2"), Some("mypurecloud.com.au"));
    assert_eq!(region::domain("us-east-2"), Some("use2.us-gov-pure.cloud"));
    assert_eq!(region::domain("eusc-de-east-1"), Some("edee1.eusc-pure.cloud"));
    assert_eq!(region::domain("moon-north-1"), None);
    let names: BTreeSet<_> = region::REGIONS.iter().map(|(name, _)| name).collect();
    let domains: BTreeSet<_> = region::REGIONS.iter().map(|(_, domain)| domain).collect();
    assert_eq!((names.len(), domains.len()), (18, 18));
}

#[tokio::test]
async fn requests_are_counted_by_class_and_success_has_its_time() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    let fake = Fake::start(healthy_but(PHONES, |seen| match seen.before {
        0 => Reply::new(503, ""),
        1 => Reply::new(429, "").with("retry-after", "1"),
        2 => Reply::new(404, ""),
        _ => healthy(seen),
    }))
    .await;
    let poller = fake.poller(HASTE);

    let first = poller.read(&Snapshot::default()).await;
    let before = recorder.handle().render();
    poller.read(&first).await;
    let after = recorder.handle().render();

    for line in [
        r#"branchline_telephony_api_requests_total{class="2xx"} 4"#,
        r#"branchline_telephony_api_requests_total{class="4xx"} 1"#,
        r#"branchline_telephony_api_requests_total{class="5xx"} 1"#,
        r#"branchline_telephony_api_requests_total{class="429"} 1"#,
        "branchline_telephony_api_throttled_total 1",
    ] {
        assert!(before.contains(line), "{line} is not in {before}");
    }
    let success = "\nbranchline_telephony_api_last_success_timestamp_seconds ";
    assert!(!before.contains(success), "a part was missing: {before}");
    assert!(after.contains(success), "{after}");
}

thread_local! {
    /// What was logged on this thread: a test and all of its tasks run on one.
    static JOURNAL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Journal;

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        JOURNAL.with_borrow_mut(|journal| journal.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// I8, F8
#[tokio::test]
async fn a_failure_is_logged_once_with_the_vendors_id_for_it_and_never_with_a_secret() {
    // Of the process, since callsites forget the subscriber of a single thread.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| Journal)
        .with_ansi(false)
        .init();
    JOURNAL.take();
    let fake = Fake::start(healthy_but(PHONES, |seen| match seen.before {
        0 | 1 => Reply::json(403, &json!({ "code": "missing.permissions" }))
            .with("ININ-Correlation-Id", "c0ffee"),
        _ => page(&[]),
    }))
    .await;
    let poller = fake.poller(PATIENT);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;
    poller.read(&second).await;

    let text = String::from_utf8_lossy(&JOURNAL.take()).into_owned();
    let warnings: Vec<_> = text.lines().filter(|line| line.contains(" WARN ")).collect();
    let [warning] = warnings.as_slice() else { panic!("{text}") };
    assert!(warning.contains("phones") && warning.contains("permission"), "{warning}");
    assert!(warning.contains("c0ffee"), "{warning}");
    assert_eq!(text.lines().filter(|line| line.contains(" INFO ")).count(), 1, "{text}");
    for secret in ["hunter2", "YS1jbGllbnQ6aHVudGVyMg", "token-1"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
