//! The poller against a vendor on loopback that throttles, refuses, stalls and lies.

#[path = "poller/changes.rs"]
mod changes;
#[path = "poller/channel.rs"]
mod channel;
#[path = "poller/contract.rs"]
mod contract;
#[path = "poller/decoding.rs"]
mod decoding;
#[path = "poller/fake.rs"]
mod fake;
#[path = "poller/faults.rs"]
mod faults;
#[path = "poller/guide.rs"]
mod guide;
#[path = "poller/location.rs"]
mod location;
#[path = "poller/paging.rs"]
mod paging;
#[path = "poller/parts.rs"]
mod parts;
#[path = "poller/published.rs"]
mod published;
#[path = "poller/quality.rs"]
mod quality;
#[path = "poller/refusals.rs"]
mod refusals;
#[path = "poller/simulated.rs"]
mod simulated;
#[path = "poller/slowness.rs"]
mod slowness;
#[path = "poller/streaming.rs"]
mod streaming;
#[path = "poller/things.rs"]
mod things;
#[path = "poller/tls.rs"]
mod tls;
#[path = "poller/tokens.rs"]
mod tokens;
#[path = "poller/vocabulary.rs"]
mod vocabulary;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use axum::http::Method;
use branchline::poller::{Haste, Poller, Settings, SetupError, describe_metrics, region};
use branchline::telephony::{ApiProblem, Snapshot};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

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
        (
            PHONES,
            [
                paging.as_slice(),
                &[("expand", "status"), ("expand", "properties"), ("sortBy", "id")],
            ]
            .concat(),
        ),
    ];
    for (path, query) in expected {
        let seen = fake.seen().into_iter().find(|seen| seen.path == path).expect("a request");
        let sent: BTreeSet<_> = seen.query.into_iter().collect();
        let query = query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(sent, query.collect(), "{path}");
    }
}

#[tokio::test]
async fn origins_are_https_unless_their_host_is_a_loopback_address() {
    let fake = Fake::start(healthy).await;
    let setup = |api_url: &str| {
        let settings = Settings { api_url: api_url.to_owned(), ..fake.settings() };
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

// F6, F12
#[tokio::test]
async fn the_budget_the_pauses_and_the_tokens_are_exported() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    let fake = Fake::start(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        (TOKEN, _) => token(seen),
        (_, Some("Bearer token-1")) => Reply::json(401, &json!({ "code": "bad.credentials" })),
        (PHONES, _) => Reply::new(429, "").with("retry-after", "900"),
        _ => healthy(seen),
    })
    .await;

    fake.poller(PATIENT).read(&Snapshot::default()).await;

    let metrics = recorder.handle().render();
    for line in [
        r#"branchline_telephony_api_token_refreshes_total{cause="start"} 1"#,
        r#"branchline_telephony_api_token_refreshes_total{cause="401"} 1"#,
        "branchline_telephony_api_paused 1",
        "branchline_telephony_api_budget_left 0",
        "branchline_telephony_api_breaker_open 0",
        "# HELP branchline_telephony_api_paused ",
        "# HELP branchline_telephony_api_budget_left ",
        "# HELP branchline_telephony_api_breaker_open ",
        "# HELP branchline_telephony_api_token_refreshes_total ",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn the_vendors_own_count_of_our_requests_slows_us_down() {
    // Nine tenths of the window are used up, and it goes on for half a minute: one request every
    // 30 s ÷ 31, where otherwise 30 leave at once.
    let fake = Fake::start(|seen| {
        healthy(seen)
            .with("inin-ratelimit-count", "270")
            .with("inin-ratelimit-allowed", "300")
            .with("inin-ratelimit-reset", "30")
    })
    .await;
    let unhurried = Fake::start(healthy).await;
    let took = async |fake: &Fake| {
        let poller = fake.poller(Haste { waits: 10, limits: 1, reading: 1 });
        let begun = Instant::now();
        let first = poller.read(&Snapshot::default()).await;
        poller.read(&first).await;
        begun.elapsed()
    };

    let (slow, quick) = (took(&fake).await, took(&unhurried).await);

    // Nine requests; the first tells, and then there are eight spaces of a tenth of 0.97 s.
    assert!(slow >= Duration::from_millis(700), "{slow:?}");
    assert!(quick < slow, "{quick:?}, and {slow:?} where the vendor counts");
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

/// Begins to write what is logged into the journal of each thread.
fn keep_journal() {
    // Of the process, since callsites forget the subscriber of a single thread.
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| Journal)
        .with_ansi(false)
        .try_init();
    JOURNAL.take();
}

// D-API-6
#[tokio::test]
async fn a_token_that_may_write_is_warned_of_once_at_the_start() {
    keep_journal();
    let fake = Fake::start(healthy).await;
    for (scopes, warnings) in [
        (vec!["location:read", "auditlog:read"], 0),
        (vec!["location:read", "webhooks:write"], 1),
        (vec![], 0),
    ] {
        let scopes = scopes.into_iter().map(str::to_owned).collect();
        let poller = Poller::new(Settings { scopes, ..fake.settings() }).expect("a poller");
        poller.read(&Snapshot::default()).await;

        let text = String::from_utf8_lossy(&JOURNAL.take()).into_owned();
        let said: Vec<_> = text.lines().filter(|line| line.contains(" WARN ")).collect();
        assert_eq!(said.len(), warnings, "{text}");
        assert!(said.iter().all(|line| line.contains("webhooks:write")), "{text}");
    }
}

// I8, F8
#[tokio::test]
async fn a_failure_is_logged_once_with_the_vendors_id_for_it_and_never_with_a_secret() {
    keep_journal();
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
