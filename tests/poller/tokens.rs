//! How the poller gets its token, keeps it, and does without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use branchline::poller::{Poller, Settings};
use branchline::telephony::Snapshot;
use serde_json::json;
use tokio::task::JoinSet;

use crate::fake::{
    Fake, HASTE, PATIENT, PHONES, Reply, TOKEN, TRUNKS, healthy, healthy_but, token,
};
use crate::{NONE, problems};

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

// F17, D-API-4
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

// F17
#[tokio::test]
async fn a_token_that_lives_5_s_is_replaced_when_the_api_says_that_it_is_over() {
    let fake = Fake::start(healthy_but(TOKEN, |seen| {
        let token = format!("token-{}", seen.before + 1);
        Reply::json(200, &json!({ "access_token": token, "expires_in": 5 }))
    }))
    .await;
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let api = Fake::start(move |seen| {
        if is_over.load(Ordering::SeqCst) && seen.header("authorization") == Some("Bearer token-1")
        {
            return Reply::json(401, &json!({ "code": "authentication.required" }));
        }
        healthy(seen)
    })
    .await;
    let settings = Settings { api_url: api.url.clone(), ..fake.settings() };
    let poller = Poller::new(settings).expect("a poller");

    let first = poller.read(&Snapshot::default()).await;
    let tokens_at_first = fake.count(TOKEN);
    over.store(true, Ordering::SeqCst);
    let second = poller.read(&first).await;

    assert_eq!([problems(&first), problems(&second)], [NONE; 2]);
    assert_eq!((tokens_at_first, fake.count(TOKEN)), (1, 2));
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
