//! How the poller finds the next page, and where it does not go.

use branchline::telephony::{ApiProblem, Snapshot};
use serde_json::{Value, json};

use crate::fake::{Fake, HASTE, PATIENT, PHONES, Reply, Seen, TRUNKS, healthy_but, page};

fn phone(id: &str) -> Value {
    json!({ "id": id })
}

fn parameter<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let found = seen.query.iter().find(|(it, _)| it == name);
    found.map(|(_, value)| value.as_str())
}

fn host(seen: &Seen) -> &str {
    seen.header("host").expect("a host")
}

async fn phones(fake: &Fake) -> (Vec<String>, Option<ApiProblem>) {
    let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;
    let ids = snapshot.phones.items.iter().map(|phone| phone.reference.id.as_str().to_owned());
    (ids.collect(), snapshot.phones.problem)
}

/// A listing of two pages, the first of which leads to `next`.
async fn leading_to(next: impl Fn(&Seen) -> String + Send + Sync + 'static) -> Fake {
    Fake::start(healthy_but(PHONES, move |seen| match parameter(seen, "place") {
        None => Reply::json(200, &json!({ "entities": [phone("1")], "nextUri": next(seen) })),
        Some(place) => page(&[phone(place)]),
    }))
    .await
}

#[tokio::test]
async fn the_address_of_the_next_page_is_followed_relative_or_not() {
    for fake in [
        leading_to(|seen| format!("http://{}{PHONES}?place=2", host(seen))).await,
        leading_to(|_| format!("{PHONES}?place=2")).await,
        leading_to(|_| "?place=2".to_owned()).await,
    ] {
        let (ids, problem) = phones(&fake).await;

        assert_eq!((ids.as_slice(), problem), (["1".to_owned(), "2".to_owned()].as_slice(), None));
        let seen = fake.seen();
        let last = seen.iter().rfind(|seen| seen.path == PHONES).expect("a request");
        assert_eq!(last.query, [("place".to_owned(), "2".to_owned())], "nothing is added");
        assert_eq!(last.header("authorization"), Some("Bearer token-1"));
    }
}

// D-API-1
#[tokio::test]
async fn no_page_leads_the_token_elsewhere() {
    let other = Fake::start(|_| page(&[])).await;
    let elsewhere = other.url.clone();
    let authority = elsewhere.trim_start_matches("http://").to_owned();
    let cases: Vec<(String, &str)> = vec![
        (format!("{elsewhere}{PHONES}?place=2"), "a nextUri of another host"),
        (format!("//{authority}{PHONES}?place=2"), "a nextUri of another host"),
        (format!("\\\\{authority}{PHONES}?place=2"), "a nextUri of another host"),
        (format!("https://127.0.0.1{PHONES}?place=2"), "a nextUri of another host"),
        ("file:///etc/passwd".to_owned(), "a nextUri of another host"),
        (format!("{TRUNKS}?place=2"), "a nextUri of another path"),
        (format!("{PHONES}/../trunks?place=2"), "a nextUri of another path"),
        (format!("{PHONES}/%2e%2e/trunks?place=2"), "a nextUri of another path"),
        (format!("{PHONES}x?place=2"), "a nextUri of another path"),
        ("/oauth/token".to_owned(), "a nextUri of another path"),
        ("http://[".to_owned(), "a nextUri that is no address"),
    ];
    for (next, what) in cases {
        let text = next.clone();
        let fake = leading_to(move |_| next.clone()).await;

        let (ids, problem) = phones(&fake).await;

        assert_eq!(problem, Some(ApiProblem::Denied { path: PHONES, what }), "{text}");
        assert_eq!(problem.map(|it| it.label()), Some("policy_denied"));
        assert!(ids.is_empty(), "no half of a listing");
        assert_eq!(fake.count(PHONES), 1, "{text}");
        assert!(other.seen().is_empty(), "{text}");
    }
}

// D-API-1
#[tokio::test]
async fn an_address_with_a_user_in_it_is_not_followed() {
    let fake = leading_to(|seen| format!("http://me@{}{PHONES}?place=2", host(seen))).await;

    let (_, problem) = phones(&fake).await;

    assert_eq!(problem.map(|it| it.label()), Some("policy_denied"));
    assert_eq!(fake.count(PHONES), 1);
}

// D-API-1
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Fake::start(|_| page(&[])).await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = format!("{}{TRUNKS}", other.url);
        let fake = Fake::start(healthy_but(TRUNKS, move |_| {
            Reply::new(status, "").with("location", redirect.clone())
        }))
        .await;

        let snapshot = fake.poller(PATIENT).read(&Snapshot::default()).await;

        let what = "a redirect, and none is followed";
        assert_eq!(snapshot.trunks.problem, Some(ApiProblem::Malformed { path: TRUNKS, what }));
        assert_eq!(fake.count(TRUNKS), 1);
        assert!(other.seen().is_empty());
    }
}

#[tokio::test]
async fn a_token_or_a_cursor_is_sent_back_with_the_same_filters() {
    for (member, name) in [("nextPageToken", "pageToken"), ("cursor", "cursor")] {
        let fake = Fake::start(healthy_but(PHONES, move |seen| match parameter(seen, name) {
            None => Reply::json(200, &json!({ "entities": [phone("1")], member: "a&b" })),
            Some(_) => Reply::json(200, &json!({ "entities": [phone("2")] })),
        }))
        .await;

        let (ids, problem) = phones(&fake).await;

        assert_eq!((ids.as_slice(), problem), (["1".to_owned(), "2".to_owned()].as_slice(), None));
        let seen = fake.seen();
        let last = seen.iter().rfind(|seen| seen.path == PHONES).expect("a request");
        assert_eq!(parameter(last, name), Some("a&b"));
        assert_eq!(parameter(last, "expand"), Some("status"));
        assert_eq!(parameter(last, "pageNumber"), None, "the token says where");
    }
}

#[tokio::test]
async fn a_listing_that_says_only_its_total_ends_when_the_pages_reach_it() {
    let fake = Fake::start(healthy_but(PHONES, |seen| {
        let ids = (seen.page() - 1) * 25..(seen.page() * 25).min(60);
        let phones: Vec<_> = ids.map(|id| phone(&id.to_string())).collect();
        let body = json!({ "entities": phones, "page": seen.page(), "pageSize": 25, "total": 60 });
        Reply::json(200, &body)
    }))
    .await;

    let (ids, problem) = phones(&fake).await;

    assert_eq!((ids.len(), problem), (60, None));
    assert_eq!(fake.count(PHONES), 3);
}

// F17
#[tokio::test]
async fn a_short_page_in_the_middle_is_read_again_from_the_beginning_once() {
    let fake = Fake::start(healthy_but(PHONES, |seen| {
        let all: Vec<_> = (0..4).map(|id| phone(&id.to_string())).collect();
        let entities = match (seen.before, seen.page()) {
            (0, 1) => &all[0..1],
            (_, 1) => &all[0..2],
            (_, _) => &all[2..4],
        };
        Reply::json(200, &json!({ "entities": entities, "pageCount": 2, "pageSize": 2 }))
    }))
    .await;

    let (ids, problem) = phones(&fake).await;

    assert_eq!((ids.len(), problem), (4, None));
    let asked = fake.seen().into_iter().filter(|seen| seen.path == PHONES);
    assert_eq!(asked.map(|seen| seen.page()).collect::<Vec<_>>(), [1, 1, 2]);
}

// F18, D-API-2
#[tokio::test]
async fn a_listing_without_end_is_refused_at_500_pages() {
    let fake = Fake::start(healthy_but(PHONES, |seen| {
        let next = format!("{PHONES}?pageNumber={}", seen.page() + 1);
        Reply::json(200, &json!({ "entities": [phone(&seen.page().to_string())], "nextUri": next }))
    }))
    .await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    let what = "more than 500 pages";
    assert_eq!(snapshot.phones.problem, Some(ApiProblem::Malformed { path: PHONES, what }));
    assert_eq!(fake.count(PHONES), 500);
}
