//! Pages, diagnoses, numbers and changes: how each is asked for, and what is made of the answers.

use std::time::Duration;

use branchline::telephony::{ApiProblem, Snapshot};
use branchline_probes::Foreign;
use serde_json::{Value, json};

use super::{
    ANALYTICS, AUDIT_LOGS, EDGE, EDGES, PHONES, listing, only, phone, poller, read, reference,
    tenant, tenant_but, time,
};
use crate::fake::{Fake, Reply};

// F17, and the guide's own loop ends after its first page.
#[tokio::test]
async fn phones_are_read_to_the_last_page_by_whatever_the_pages_say() {
    for extra in [json!({ "pageCount": 3 }), json!({ "total": 250 }), json!({})] {
        let said = extra.clone();
        let fake = Fake::start(tenant_but(PHONES, move |seen| {
            let begin = (seen.page() - 1) * 100;
            let phones: Vec<_> = (begin..(begin + 100).min(250))
                .map(|number| phone(&format!("phone-{number}"), "ACTIVE"))
                .collect();
            let mut page =
                json!({ "entities": phones, "pageNumber": seen.page(), "pageSize": 100 });
            page.as_object_mut().expect("an object").extend(said.as_object().expect("one").clone());
            Reply::json(200, &page)
        }))
        .await;

        let phones = read(&fake).await.phones;

        assert_eq!(phones.problem, None);
        assert_eq!(phones.items.len(), 250, "{extra}");
        assert_eq!(fake.count(PHONES), 3, "{extra}");
    }
}

#[tokio::test]
async fn edges_are_read_by_page_and_total() {
    let fake = Fake::start(tenant_but(EDGES, |seen| {
        let page = seen.query.iter().find(|(name, _)| name == "page");
        let page: usize = page.and_then(|(_, page)| page.parse().ok()).expect("a page");
        let edges: Vec<_> = ((page - 1) * 25..(page * 25).min(60))
            .map(|number| json!({ "id": format!("edge-{number}"), "status": "available" }))
            .collect();
        Reply::json(200, &json!({ "entities": edges, "page": page, "pageSize": 25, "total": 60 }))
    }))
    .await;

    let edges = read(&fake).await.edges;

    assert_eq!(edges.problem, None);
    assert_eq!(edges.items.len(), 60);
    assert_eq!(fake.count(EDGES), 3);
}

fn diagnostics(phone: &str) -> String {
    format!("{PHONES}/{phone}/diagnostics")
}

#[tokio::test]
async fn phones_that_failed_or_wait_are_diagnosed_and_no_others() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        PHONES => listing(&["FAILED", "PENDING", "ACTIVE", "UNASSIGNED"].map(|it| phone(it, it))),
        path if path == diagnostics("FAILED") => Reply::json(
            200,
            &json!({ "phoneId": "FAILED", "failures": [
                { "failureCode": "TLS_CERT_INVALID", "message": "certificate expired" },
            ] }),
        ),
        path if path == diagnostics("PENDING") => Reply::new(404, ""),
        _ => tenant(seen),
    })
    .await;

    let phones = read(&fake).await.phones;

    assert_eq!(phones.problem, None);
    let problems: Vec<_> =
        phones.items.iter().map(|it| it.problem.as_ref().map(Foreign::as_str)).collect();
    let said = Some("TLS_CERT_INVALID, certificate expired");
    assert_eq!(problems, [said, None, None, None]);
    let mut asked: Vec<_> = fake.seen().into_iter().map(|it| it.path).collect();
    asked.retain(|path| path.ends_with("/diagnostics"));
    asked.sort();
    assert_eq!(asked, [diagnostics("FAILED"), diagnostics("PENDING")]);
}

#[tokio::test]
async fn no_more_than_twenty_phones_are_diagnosed_in_a_reading_and_the_next_goes_on() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        PHONES => {
            let phones: Vec<_> =
                (10..35).map(|number| phone(&format!("phone-{number}"), "FAILED")).collect();
            listing(&phones)
        }
        path if path.ends_with("/diagnostics") => Reply::json(200, &json!({ "code": "E42" })),
        _ => tenant(seen),
    })
    .await;
    let poller = poller(&fake);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;

    let diagnosed = |snapshot: &Snapshot| {
        snapshot.phones.items.iter().filter(|phone| phone.problem.is_some()).count()
    };
    assert_eq!(diagnosed(&first), 20);
    assert_eq!(diagnosed(&second), 25);
    let asked = fake.seen().iter().filter(|it| it.path.ends_with("/diagnostics")).count();
    assert_eq!(asked, 40);
    let since = |snapshot: &Snapshot| snapshot.phones.items[0].since;
    assert_eq!(since(&second), since(&first), "still the same state");
    assert!(since(&first).is_some());
}

#[tokio::test]
async fn numbers_are_asked_for_as_the_guide_does_and_have_their_units() {
    let fake = Fake::start(tenant_but(ANALYTICS, |_| {
        let numbers = |hour: &str, success: f64| {
            json!({
                "edgeId": EDGE, "sipTrunkId": "trunk-xyz-789", "startDate": hour,
                "metrics": [
                    { "name": "setupSuccess", "unit": "percent", "value": success },
                    { "name": "jitter", "unit": "milliseconds", "value": 12.5 },
                    { "name": "utilization", "unit": "percent", "value": 40 },
                    { "name": "peakCalls", "unit": "calls", "value": 17 },
                ],
            })
        };
        let entities =
            [numbers("2024-05-15T13:00:00Z", 50.0), numbers("2024-05-15T14:00:00Z", 99.5)];
        Reply::json(200, &json!({ "entities": entities, "nextUri": null }))
    }))
    .await;

    let metrics = only(&read(&fake).await.trunk_metrics);

    assert_eq!(metrics.trunk, reference("trunk-xyz-789", "Production-Trunk-01"));
    assert_eq!(metrics.taken, Some(time("2024-05-15T14:00:00Z")), "the latest hour");
    assert_eq!(metrics.setup_success_ratio, Some(0.995));
    assert_eq!(metrics.jitter, Some(Duration::from_micros(12_500)));
    assert_eq!(metrics.utilization_ratio, Some(0.4));
    assert_eq!(metrics.peak_calls, Some(17));
    let seen = fake.seen();
    let asked = seen.iter().find(|it| it.path == ANALYTICS).expect("a query");
    let mut body: Value = serde_json::from_slice(&asked.body).expect("JSON");
    let members = body.as_object_mut().expect("an object");
    let [start, end] = ["startDate", "endDate"].map(|name| members.remove(name).expect(name));
    assert!(start.as_str() < end.as_str(), "{start} {end}");
    let expected = json!({
        "interval": "PT1H",
        "metrics": [
            { "name": "setupSuccess", "unit": "percent" },
            { "name": "jitter", "unit": "milliseconds" },
            { "name": "utilization", "unit": "percent" },
            { "name": "peakCalls", "unit": "calls" },
        ],
        "groupBy": ["edgeId", "sipTrunkId"],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn numbers_are_found_as_members_and_within_groups_too() {
    let fake = Fake::start(tenant_but(ANALYTICS, |_| {
        let results = json!([{
            "group": { "edgeId": EDGE, "sipTrunkId": "trunk-xyz-789" },
            "data": [{
                "interval": "2024-05-15T14:00:00Z/2024-05-15T15:00:00Z",
                "metrics": [
                    { "metric": "jitter", "stats": { "average": 30 } },
                    { "metric": "setupSuccess", "stats": { "average": 250 } },
                ],
                "peakCalls": 3,
            }],
        }]);
        Reply::json(200, &json!({ "results": results }))
    }))
    .await;

    let metrics = only(&read(&fake).await.trunk_metrics);

    assert_eq!(metrics.jitter, Some(Duration::from_millis(30)));
    assert_eq!(metrics.peak_calls, Some(3));
    assert_eq!(metrics.taken, Some(time("2024-05-15T14:00:00Z")));
    assert_eq!(metrics.setup_success_ratio, None, "more than all is none");
}

// D-API-1
#[tokio::test]
async fn the_pages_of_numbers_are_followed_and_never_to_another_host() {
    let page = |trunk: &str, next: Value| {
        let entity = json!({ "sipTrunkId": trunk, "peakCalls": 1 });
        Reply::json(200, &json!({ "entities": [entity], "nextUri": next }))
    };
    let fake = Fake::start(tenant_but(ANALYTICS, move |seen| match seen.before {
        0 => page("one", json!(format!("{ANALYTICS}?cursor=2"))),
        _ => page("two", Value::Null),
    }))
    .await;
    let elsewhere = Fake::start(tenant).await;
    let away = format!("{}{ANALYTICS}", elsewhere.url);
    let leaving = Fake::start(tenant_but(ANALYTICS, move |_| page("one", json!(away)))).await;

    let followed = read(&fake).await.trunk_metrics;
    let left = read(&leaving).await.trunk_metrics;

    let trunks: Vec<_> = followed.items.iter().map(|it| it.trunk.id.as_str()).collect();
    assert_eq!(trunks, ["one", "two"]);
    let queries: Vec<_> =
        fake.seen().into_iter().filter(|it| it.path == ANALYTICS).map(|it| it.query).collect();
    assert_eq!(queries[1], [("cursor".to_owned(), "2".to_owned())]);
    assert!(matches!(left.problem, Some(ApiProblem::Denied { .. })), "{:?}", left.problem);
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn a_page_of_numbers_that_leads_to_itself_is_refused() {
    let fake = Fake::start(tenant_but(ANALYTICS, |_| {
        Reply::json(200, &json!({ "nextUri": format!("{ANALYTICS}?cursor=2") }))
    }))
    .await;

    let metrics = read(&fake).await.trunk_metrics;

    let problem = metrics.problem.map(|it| it.to_string());
    assert_eq!(problem, Some(format!("{ANALYTICS} answered nonsense: the same page twice")));
    assert_eq!(fake.count(ANALYTICS), 2);
}

#[tokio::test]
async fn what_changed_at_a_location_is_read_without_the_values_of_secrets() {
    let fake = Fake::start(tenant_but(AUDIT_LOGS, |_| {
        listing(&[
            json!({
                "id": "1", "timestamp": "2024-05-15T09:00:00Z", "action": "UPDATE",
                "actor": { "id": "u-1", "name": "Ada" },
                "changes": [{ "field": "/media/proxy/host", "oldValue": "a", "newValue": "b" }],
            }),
            json!({
                "id": "2", "timestamp": "2024-05-15T10:00:00Z", "action": "UPDATE", "actor": "bob",
                "changes": [{ "field": "turn.password", "oldValue": "x", "newValue": "hunter2" }],
            }),
        ])
    }))
    .await;

    let changes = read(&fake).await.changes;

    let [latest, earlier] = changes.items.as_slice() else { panic!("{changes:?}") };
    assert_eq!(latest.when, Some(time("2024-05-15T10:00:00Z")));
    assert_eq!(latest.by.as_ref().map(Foreign::as_str), Some("bob"));
    assert_eq!(latest.properties[0].new, None);
    assert!(!format!("{changes:?}").contains("hunter2"));
    assert_eq!(earlier.by.as_ref().map(Foreign::as_str), Some("Ada"));
    assert_eq!(earlier.entity.name.as_str(), "Frankfurt Office");
    assert_eq!(earlier.properties[0].new.as_ref().map(Foreign::as_str), Some("b"));
    let seen = fake.seen();
    let asked = seen.iter().find(|it| it.path == AUDIT_LOGS).expect("a query");
    let value =
        |name: &str| asked.query.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    assert_eq!(value("entityId").as_deref(), Some("a1b2c3d4-e5f6-7890-abcd-ef1234567890"));
    assert_eq!(value("entityType").as_deref(), Some("location"));
    let [start, end] = ["startTime", "endTime"].map(|name| time(&value(name).expect(name)));
    assert_eq!(end.duration_since(start).ok(), Some(Duration::from_secs(86_400)));
}
