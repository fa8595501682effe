//! What the poller does when the vendor refuses a request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use branchline::poller::{Poller, Settings};
use branchline::telephony::{ApiProblem, Snapshot};
use branchline_probes::{Foreign, Secret};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

use crate::fake::{
    BRISK, Fake, HASTE, PATIENT, PHONES, Reply, Seen, TOKEN, TRUNKS, healthy, healthy_but,
};
use crate::{NONE, problems};

// F11
#[tokio::test]
async fn a_request_that_is_not_understood_is_not_made_again_and_is_counted_as_our_defect() {
    for status in [400, 405, 406, 415, 422] {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let fake = Fake::start(healthy_but(TRUNKS, move |_| {
            Reply::json(status, &json!({ "code": "invalid.value" }))
        }))
        .await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        let code = Foreign::new("invalid.value");
        let problem = ApiProblem::Request { path: TRUNKS, status, code };
        assert_eq!(snapshot.trunks.problem, Some(problem));
        assert_eq!(snapshot.edges.problem, None);
        assert_eq!(fake.count(TRUNKS), 1);
        let metrics = recorder.handle().render();
        assert!(metrics.contains("branchline_telephony_api_client_bugs_total 1"), "{metrics}");
    }
}

// F11
#[tokio::test]
async fn a_request_that_will_be_refused_again_is_not_made_again() {
    for status in [408, 501] {
        let fake = Fake::start(healthy_but(TRUNKS, move |_| Reply::new(status, ""))).await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        assert_eq!(snapshot.trunks.problem, Some(ApiProblem::Server { path: TRUNKS, status }));
        assert_eq!(fake.count(TRUNKS), 1);
    }
}

// F9
#[tokio::test]
async fn what_is_not_there_is_told_apart_and_not_asked_for_again() {
    for status in [404, 410] {
        let fake = Fake::start(healthy_but(TRUNKS, move |_| Reply::json(status, &json!({})))).await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        assert_eq!(snapshot.trunks.problem, Some(ApiProblem::NotFound { path: TRUNKS }));
        assert_eq!(fake.count(TRUNKS), 1);
    }
}

// F10
#[tokio::test]
async fn a_conflict_is_tried_once_more_and_then_given_up() {
    for status in [409, 412] {
        for (conflicts, problem) in
            [(1, None), (usize::MAX, Some(ApiProblem::Conflict { path: TRUNKS, status }))]
        {
            let fake = Fake::start(healthy_but(TRUNKS, move |seen| {
                let body = json!({ "code": "general.conflict" });
                if seen.before < conflicts { Reply::json(status, &body) } else { healthy(seen) }
            }))
            .await;

            let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

            assert_eq!(snapshot.trunks.problem, problem);
            assert_eq!(fake.count(TRUNKS), 2);
        }
    }
}

/// Answers 503 to the first `failures` calls of the API.
fn broken(failures: usize) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move |seen| {
        if seen.path != TOKEN && calls.fetch_add(1, Ordering::SeqCst) < failures {
            return Reply::new(503, "");
        }
        healthy(seen)
    }
}

// F13
#[tokio::test]
async fn a_service_that_fails_five_times_in_a_row_is_left_alone() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let fake = Fake::start(broken(usize::MAX)).await;
    let poller = fake.poller(BRISK);

    // Three calls a reading: edge groups are not asked for where the edges failed.
    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;
    let sent = fake.seen().len();
    let third = poller.read(&second).await;

    assert_eq!(fake.seen().len(), sent, "not one request while it is left alone");
    for problem in problems(&third) {
        assert_eq!(problem.map(|it| it.label()), Some("server"), "why it is left alone");
    }
    let metrics = recorder.handle().render();
    assert!(metrics.contains("branchline_telephony_api_breaker_open 1"), "{metrics}");
}

// F13
#[tokio::test]
async fn a_service_that_was_left_alone_is_asked_again_until_it_answers() {
    let fake = Fake::start(broken(19)).await;
    let poller = fake.poller(HASTE);

    let recovers = async {
        let mut snapshot = Snapshot::default();
        loop {
            snapshot = poller.read(&snapshot).await;
            if problems(&snapshot) == NONE {
                break;
            }
            tokio::task::yield_now().await;
        }
    };

    let in_time = tokio::time::timeout(Duration::from_secs(20), recovers).await;
    assert!(in_time.is_ok(), "{} requests", fake.seen().len());
    let calls = fake.seen().iter().filter(|seen| seen.path != TOKEN).count();
    assert!(
        calls <= 19 + 2 + 4,
        "what failed, what the first answer let pass, one reading: {calls}"
    );
}

// RFC 6749 §4.4.2: the scope is optional.
#[tokio::test]
async fn scopes_are_asked_for_only_where_they_are_configured() {
    for (scopes, form) in [
        (vec![], "grant_type=client_credentials"),
        (
            vec!["telephony:edge:read".to_owned(), "auditlog:read".to_owned()],
            "grant_type=client_credentials&scope=telephony%3Aedge%3Aread+auditlog%3Aread",
        ),
    ] {
        let fake = Fake::start(healthy).await;
        let settings = Settings { scopes, ..fake.settings() };
        let poller = Poller::new(settings).expect("a poller");

        poller.read(&Snapshot::default()).await;

        let seen = fake.seen();
        let token = seen.iter().find(|seen| seen.path == TOKEN).expect("a token request");
        assert_eq!(token.body.as_ref(), form.as_bytes());
    }
}

// The vendor's name for the attempt is what its support asks for.
#[tokio::test]
async fn every_kind_of_failure_carries_the_vendors_name_for_it() {
    let replies = [
        Reply::new(400, "{}"),
        Reply::new(403, "{}"),
        Reply::new(404, ""),
        Reply::new(409, ""),
        Reply::new(429, "").with("retry-after", "900"),
        Reply::new(500, ""),
        Reply::new(302, ""),
        Reply::new(200, "<html>"),
        Reply::new(200, "{\"entities\":"),
        Reply::new(200, "{}"),
        Reply::new(200, r#"{"entities":[null]}"#),
        Reply::new(200, vec![b' '; 9 << 20]),
        Reply::new(200, "no gzip").with("content-encoding", "gzip"),
        Reply::new(200, "").with("content-encoding", "br"),
        Reply::json(200, &json!({ "entities": [{ "id": "1" }], "nextUri": "https://a.example/" })),
    ];
    for reply in replies {
        let text = format!(
            "{} {}",
            reply.status,
            String::from_utf8_lossy(&reply.body[..8.min(reply.body.len())])
        );
        let reply = reply.with("ININ-Correlation-Id", "c0ffee");
        let fake = Fake::start(healthy_but(PHONES, move |_| reply.clone())).await;

        let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

        assert!(snapshot.phones.problem.is_some(), "{text}");
        let correlation = snapshot.phones.correlation.as_ref().map(Foreign::as_str);
        assert_eq!(correlation, Some("c0ffee"), "{text}");
    }
}

// The same, where the body alone has it.
#[tokio::test]
async fn the_name_in_an_error_body_serves_where_the_header_is_missing() {
    let fake = Fake::start(healthy_but(PHONES, |_| {
        Reply::json(404, &json!({ "code": "not.found", "contextId": "c0ffee" }))
    }))
    .await;

    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

    assert_eq!(snapshot.phones.correlation.as_ref().map(Foreign::as_str), Some("c0ffee"));
}

// D-LOG-2, I8
#[tokio::test]
async fn a_secret_that_the_answer_repeats_is_in_no_problem_and_no_correlation() {
    const HIDDEN: &str = "0123456789-the-clients-own-secret";
    const BEARER: &str = "a-token-that-nobody-may-see-4711";
    let said = format!("{HIDDEN} {BEARER} {}", &BEARER[5..20]);
    for (status, field) in [
        (400, "code"),
        (401, "code"),
        (403, "code"),
        (403, "permissions"),
        (422, "contextId"),
        (400, "ININ-Correlation-Id"),
    ] {
        let said = said.clone();
        let fake = Fake::start(move |seen| match seen.path.as_str() {
            TOKEN => Reply::json(200, &json!({ "access_token": BEARER, "expires_in": 3600 })),
            TRUNKS if field == "permissions" => {
                Reply::json(status, &json!({ "messageParams": { "permissions": said } }))
            }
            TRUNKS if field == "ININ-Correlation-Id" => {
                Reply::json(status, &json!({})).with("ININ-Correlation-Id", said.clone())
            }
            TRUNKS => Reply::json(status, &json!({ field: said })),
            _ => healthy(seen),
        })
        .await;
        let client_secret = Secret::new(HIDDEN.to_owned());
        let poller = Poller::new(Settings { client_secret, ..fake.settings() }).expect("a poller");

        let trunks = poller.read(&Snapshot::default()).await.trunks;

        let shown = format!("{:?} {:?}", trunks.problem, trunks.correlation);
        assert!(shown.contains('…'), "{status} {field}: {shown}");
        for secret in [HIDDEN, BEARER, &BEARER[5..20]] {
            assert!(!shown.contains(secret), "{status} {field}: {shown}");
        }
    }
}

// F15
#[tokio::test]
async fn of_a_refusal_64_kib_are_read_and_its_status_counts() {
    let large = format!("{{\"code\":\"{}\"}}", "x".repeat(9 << 20));
    let fake = Fake::start(healthy_but(TRUNKS, move |_| Reply::new(422, large.clone()))).await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    let code = Foreign::new("422");
    let problem = ApiProblem::Request { path: TRUNKS, status: 422, code };
    assert_eq!(snapshot.trunks.problem, Some(problem));
}
