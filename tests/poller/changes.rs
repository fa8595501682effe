//! What somebody changed, out of the vendor's audits.

use branchline::telephony::Snapshot;
use branchline_probes::Foreign;
use serde_json::{Value, json};

use crate::contract::words;
use crate::fake::{Fake, Reply, Seen, page};
use crate::published::{AUDITS, AUDITS_NOW, published, published_but, read};

fn service(seen: &Seen) -> String {
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    body["serviceName"].as_str().expect("a service").to_owned()
}

fn change(entity: &str, when: &str) -> Value {
    json!({ "eventDate": when, "action": "Update", "entityType": "Edge",
            "entity": { "id": entity, "name": entity } })
}

fn entities(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.changes.items.iter().map(|it| it.entity.id.as_str()).collect()
}

fn refused() -> Reply {
    Reply::json(400, &json!({ "code": "bad.request" }))
}

#[tokio::test]
async fn changes_of_both_services_are_told_the_latest_first() {
    let fake = Fake::start(published_but(AUDITS_NOW, |seen| match service(seen).as_str() {
        "Telephony" => page(&[
            change("latest", "2026-05-15T12:00:00.000Z"),
            change("oldest", "2026-05-14T12:00:00.000Z"),
        ]),
        _ => page(&[change("between", "2026-05-15T00:00:00.000Z")]),
    }))
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(entities(&snapshot), ["latest", "between", "oldest"]);
    let seen = fake.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| seen.path == AUDITS_NOW).map(service).collect();
    assert_eq!(asked, ["Telephony", "Locations"]);
}

#[tokio::test]
async fn at_most_two_hundred_changes_are_read_and_kept() {
    let fake = Fake::start(published_but(AUDITS_NOW, |seen| {
        let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
        let first = 100 * (body["pageNumber"].as_u64().expect("a number") - 1);
        let page: Vec<Value> = (first..first + 100)
            .map(|number| change(&number.to_string(), "2026-05-15T12:00:00.000Z"))
            .collect();
        Reply::json(200, &json!({ "entities": page, "pageCount": 50, "total": 5_000 }))
    }))
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.changes.items.len(), 200);
    assert_eq!(fake.count(AUDITS_NOW), 4, "two pages of each service");
}

#[tokio::test]
async fn where_no_audits_come_at_once_they_are_waited_for_and_read_by_their_cursor() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        AUDITS_NOW if service(seen) == "Telephony" => refused(),
        AUDITS => Reply::json(200, &json!({ "id": "t-1", "state": "Queued" })),
        "/api/v2/audits/query/t-1" => {
            let states = ["Queued", "Dreaming", "Running", "Succeeded"];
            Reply::json(200, &json!({ "id": "t-1", "state": states[seen.before] }))
        }
        "/api/v2/audits/query/t-1/results" => {
            let when = "2026-05-15T12:00:00.000Z";
            let cursor = seen.query.iter().find(|(name, _)| name == "cursor");
            match cursor.map(|(_, cursor)| cursor.as_str()) {
                None => {
                    Reply::json(200, &json!({ "entities": [change("1", when)], "cursor": "next" }))
                }
                Some("next") => Reply::json(200, &json!({ "entities": [change("2", when)] })),
                Some(_) => Reply::new(404, ""),
            }
        }
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.changes.problem, None);
    assert_eq!(entities(&snapshot), ["1", "2"]);
    assert_eq!(fake.count("/api/v2/audits/query/t-1"), 4);
}

#[tokio::test]
async fn a_query_that_fails_or_never_ends_is_given_up() {
    let known = words("AuditQueryExecutionStatusResponse", "state");
    assert_eq!(known, ["Queued", "Running", "Succeeded", "Failed", "Cancelled"]);
    for (state, looks) in [("Failed", 1), ("Cancelled", 1), ("Running", 9)] {
        let fake = Fake::start(move |seen| match seen.path.as_str() {
            AUDITS_NOW => refused(),
            AUDITS => Reply::json(200, &json!({ "id": "t-1", "state": "Queued" })),
            "/api/v2/audits/query/t-1" => Reply::json(200, &json!({ "state": state })),
            _ => published(seen),
        })
        .await;

        let snapshot = read(&fake).await;

        let problem = snapshot.changes.problem.as_ref().map(|problem| problem.label());
        assert_eq!(problem, Some("malformed"), "{state}");
        assert_eq!(fake.count("/api/v2/audits/query/t-1"), looks, "{state}");
        assert_eq!(snapshot.edges.problem, None);
    }
}

#[tokio::test]
async fn an_organisation_without_audits_of_locations_has_those_of_its_telephony() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        AUDITS_NOW if service(seen) == "Locations" => refused(),
        AUDITS => refused(),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.changes.problem, None);
    assert_eq!(snapshot.changes.items.len(), 1);
}

// I8
#[tokio::test]
async fn values_of_secret_properties_are_never_kept() {
    let property = |name: &str, old: &str, new: &str| json!({ "property": name, "oldValues": [old], "newValues": [new] });
    let properties = json!([
        property("trunk_sip_authentication_credentials_password", "marked-1", "marked-2"),
        property("clientSecret", "marked-3", "marked-4"),
        property("properties", r#"{"phone_adminPassword":"marked-5"}"#, "plain"),
        property("trunk_enabled", "true", "false"),
        property("proxies", "", "192.0.2.1"),
        { "property": "codecs", "newValues": ["audio/opus", 7, "audio/pcmu"] },
    ]);
    let fake = Fake::start(published_but(AUDITS_NOW, move |_| {
        let mut change = change("1", "2026-05-15T12:00:00.000Z");
        change["propertyChanges"] = properties.clone();
        page(&[change])
    }))
    .await;

    let snapshot = read(&fake).await;

    assert!(!format!("{snapshot:?}").contains("marked-"), "{:?}", snapshot.changes);
    let text = |text: &Option<Foreign>| text.as_ref().map(|it| it.as_str().to_owned());
    let properties: Vec<_> = snapshot.changes.items[0]
        .properties
        .iter()
        .map(|it| (it.name.as_str(), text(&it.old), text(&it.new)))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        properties,
        [
            ("trunk_sip_authentication_credentials_password", None, None),
            ("clientSecret", None, None),
            ("properties", None, some("plain")),
            ("trunk_enabled", some("true"), some("false")),
            ("proxies", None, some("192.0.2.1")),
            ("codecs", None, some("audio/opus, audio/pcmu")),
        ]
    );
}

#[tokio::test]
async fn answers_that_are_nonsense_are_told_with_the_vendors_name_for_them() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        AUDITS_NOW | ORGANIZATION | EDGE_METRICS => {
            Reply::json(200, &json!({})).with("inin-correlation-id", "c0ffee")
        }
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let told = [
        (&snapshot.changes.problem, &snapshot.changes.correlation),
        (&snapshot.organization.problem, &snapshot.organization.correlation),
        (&snapshot.edge_metrics.problem, &snapshot.edge_metrics.correlation),
    ]
    .map(|(problem, of)| (problem.as_ref().map(|it| it.label()), of.as_ref().map(Foreign::as_str)));
    assert_eq!(told, [(Some("malformed"), Some("c0ffee")); 3]);
}

const ORGANIZATION: &str = "/api/v2/organizations/me";
const EDGE_METRICS: &str = "/api/v2/telephony/providers/edges/metrics";
