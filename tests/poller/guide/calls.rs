//! Which calls leave, when, and what becomes of those that are refused.

use std::collections::BTreeSet;

use axum::http::Method;
use branchline::poller::{Poller, Settings};
use branchline::telephony::{ApiProblem, Hint, PartName, Registration, Snapshot};
use branchline_probes::Foreign;
use serde_json::{Value, json};

use super::{
    ANALYTICS, AUDIT_LOGS, EDGES, GROUPS, LOCATIONS, PHONES, REGISTRATIONS, TENANT, TRUNKS,
    WEBHOOKS, all_problems, group, listing, only, poller, read, settings, tenant, tenant_but,
    trunk,
};
use crate::fake::{Fake, HASTE, Reply, TOKEN};

#[tokio::test]
async fn nothing_but_the_guides_calls_leaves_and_nothing_is_written() {
    let fake = Fake::start(tenant).await;

    read(&fake).await;

    let mut calls: Vec<_> =
        fake.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    calls.sort();
    let mut expected =
        [EDGES, GROUPS, TRUNKS, REGISTRATIONS, PHONES, LOCATIONS, TENANT, AUDIT_LOGS]
            .map(|path| format!("GET {path}"))
            .to_vec();
    expected.extend([ANALYTICS, TOKEN].map(|path| format!("POST {path}")));
    expected.sort();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_scopes_that_are_set() {
    let fake = Fake::start(tenant).await;
    let scopes = ["telephony:edge:read", "analytics:read"].map(str::to_owned).to_vec();
    let poller = Poller::hasty(Settings { scopes, ..settings(&fake) }, HASTE).expect("a poller");

    poller.read(&Snapshot::default()).await;

    let seen = fake.seen();
    let asked = seen.iter().find(|it| it.path == TOKEN).expect("a token request");
    let body = String::from_utf8_lossy(&asked.body);
    let scope = "scope=telephony%3Aedge%3Aread+analytics%3Aread";
    assert_eq!(body, format!("grant_type=client_credentials&{scope}"));
}

#[tokio::test]
async fn what_depends_on_a_part_that_fails_fails_with_it_and_the_rest_is_read() {
    let fake = Fake::start(tenant_but(EDGES, |_| {
        Reply::json(403, &json!({ "code": "missing.permissions" }))
    }))
    .await;

    let snapshot = read(&fake).await;

    let failed: Vec<_> = all_problems(&snapshot).into_iter().map(|(name, _)| name).collect();
    let expected =
        [PartName::Edges, PartName::Trunks, PartName::TrunkSettings, PartName::TrunkMetrics];
    assert_eq!(failed, expected);
    assert_eq!(snapshot.edge_groups.items.len(), 1);
    assert_eq!(snapshot.phones.items.len(), 1);
}

#[tokio::test]
async fn one_trunk_that_goes_while_it_is_read_costs_no_other() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        TRUNKS => {
            let mut gone = trunk();
            gone["id"] = json!("gone");
            listing(&[gone, trunk()])
        }
        path if path.contains("/gone/") => Reply::new(404, ""),
        _ => tenant(seen),
    })
    .await;

    let trunks = read(&fake).await.trunks;

    assert_eq!(trunks.problem, None);
    let seen: Vec<_> =
        trunks.items.iter().map(|it| (it.reference.id.as_str(), it.registration)).collect();
    let expected = [("gone", Registration::Unknown), ("trunk-xyz-789", Registration::Registered)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_call_that_the_vendor_does_not_have_is_not_an_empty_list() {
    let fake = Fake::start(tenant_but(TRUNKS, |_| Reply::new(404, ""))).await;

    let trunks = read(&fake).await.trunks;

    assert!(matches!(trunks.problem, Some(ApiProblem::NotFound { .. })), "{:?}", trunks.problem);
}

#[tokio::test]
async fn conflicts_and_refusals_of_the_guide_have_their_classes() {
    for (status, label) in [(409, "conflict"), (412, "conflict"), (422, "request")] {
        let fake = Fake::start(tenant_but(PHONES, move |_| Reply::new(status, ""))).await;

        let phones = read(&fake).await.phones;

        assert_eq!(phones.problem.as_ref().map(ApiProblem::label), Some(label), "{status}");
    }
}

#[tokio::test]
async fn what_rarely_changes_is_not_read_again_with_the_next_reading() {
    let fake = Fake::start(tenant).await;
    let poller = poller(&fake);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;

    assert_eq!(all_problems(&second), []);
    for path in [LOCATIONS, TENANT, ANALYTICS, AUDIT_LOGS] {
        assert_eq!(fake.count(path), 1, "{path}");
    }
    for path in [EDGES, GROUPS, TRUNKS, REGISTRATIONS, PHONES] {
        assert_eq!(fake.count(path), 2, "{path}");
    }
    assert_eq!(second.locations.items, first.locations.items);
}

#[tokio::test]
async fn a_hint_at_the_trunks_reads_the_trunks_alone() {
    let fake = Fake::start(tenant).await;
    let poller = poller(&fake);
    let first = poller.read(&Snapshot::default()).await;
    let before = fake.seen().len();

    let hint = Hint { part: PartName::Trunks, id: None };
    let second = poller.refresh(&first, &BTreeSet::from([hint])).await;

    assert_eq!(second.trunks.problem, None);
    let asked: Vec<_> = fake.seen().split_off(before).into_iter().map(|it| it.path).collect();
    assert_eq!(asked, [TRUNKS, REGISTRATIONS]);
    assert!(second.trunks.read > first.trunks.read);
}

/// Two offices in two regions; the second has a trunk and a group that a target may link to.
#[tokio::test]
async fn one_edge_group_is_read_without_anything_else() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/api/v2/telephony/providers/edgegroups/group-1" => {
            let status = if seen.before == 0 { "CONFIGURING" } else { "ACTIVE" };
            Reply::json(200, &group(status))
        }
        _ => tenant(seen),
    })
    .await;
    let poller = poller(&fake);

    let first = poller.read_edge_group(&Snapshot::default(), "lyon").await;
    let second = poller.read_edge_group(&first, "lyon").await;

    let state = |snapshot: &Snapshot| only(&snapshot.edge_groups).raw.as_str().to_owned();
    assert_eq!((state(&first), state(&second)), ("CONFIGURING".to_owned(), "ACTIVE".to_owned()));
    let asked: Vec<_> =
        fake.seen().into_iter().map(|it| it.path).filter(|path| path != TOKEN).collect();
    let one = "/api/v2/telephony/providers/edgegroups/group-1";
    assert_eq!(asked, [GROUPS, one, one]);
}

#[tokio::test]
async fn an_edge_group_that_nobody_knows_is_no_failure_of_the_vendor() {
    let fake = Fake::start(tenant).await;

    let snapshot = poller(&fake).read_edge_group(&Snapshot::default(), "nice").await;

    assert_eq!(snapshot.edge_groups.problem, None);
    assert_eq!(snapshot.edge_groups.items.len(), 0);
}

const CALLBACK: &str = "https://monitoring.example.com/webhooks/genesys";

#[tokio::test]
async fn the_vendor_is_asked_to_call_with_the_guides_body() {
    let fake =
        Fake::start(tenant_but(WEBHOOKS, |_| Reply::json(201, &json!({ "id": "wh" })))).await;

    let asked = poller(&fake).subscribe(CALLBACK).await;

    assert_eq!(asked, Ok(()));
    let seen = fake.seen();
    let [_, call] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((&call.method, call.path.as_str()), (&Method::POST, WEBHOOKS));
    let body: Value = serde_json::from_slice(&call.body).expect("JSON");
    let expected = json!({
        "name": "SIP Trunk Status Monitor",
        "callbackUrl": CALLBACK,
        "subscription": {
            "eventName": "telephony:siptrunk:status",
            "subscriptionId": "siptrunk-monitoring-sync",
        },
        "enabled": true,
        "authMethod": "none",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_webhook_that_is_there_already_will_do_and_a_refusal_will_not() {
    let there = Fake::start(tenant_but(WEBHOOKS, |_| Reply::new(409, ""))).await;
    let refused = Fake::start(tenant_but(WEBHOOKS, |_| {
        Reply::json(403, &json!({ "code": "missing.permissions" }))
    }))
    .await;

    let first = poller(&there).subscribe(CALLBACK).await;
    let second = poller(&refused).subscribe(CALLBACK).await;

    assert_eq!(first, Ok(()));
    assert_eq!(second.err().map(|it| it.label()), Some("permission"));
}

#[tokio::test]
async fn the_published_api_has_no_such_webhook() {
    let fake = Fake::start(tenant).await;
    let subscribe = Some(CALLBACK.to_owned());
    let guide = Settings { subscribe: subscribe.clone(), ..settings(&fake) };
    let platform = Settings { subscribe, ..fake.settings() };

    let of = |settings| Poller::hasty(settings, HASTE).expect("a poller");

    assert_eq!(of(guide).subscription(), Some(CALLBACK));
    assert_eq!(of(platform).subscription(), None);
}

#[tokio::test]
async fn a_tenant_that_is_nonsense_is_told_with_the_vendors_name_for_the_answer() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        TENANT => Reply::json(200, &json!({})).with("inin-correlation-id", "c0ffee"),
        _ => tenant(seen),
    })
    .await;

    let snapshot = poller(&fake).read(&Snapshot::default()).await;

    assert_eq!(snapshot.organization.problem.map(|it| it.label()), Some("malformed"));
    assert_eq!(snapshot.organization.correlation.as_ref().map(Foreign::as_str), Some("c0ffee"));
}
