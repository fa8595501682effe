//! What the parts of the vendor's state are made of where the published examples do not show it.

use std::net::IpAddr;

use branchline::telephony::{PhoneState, Registration, Snapshot, State};
use branchline_probes::Foreign;
use serde_json::{Value, json};

use crate::fake::{EDGES, Fake, PHONES, Reply, Seen, TOKEN, TRUNKS, page, token};
use crate::published::{example, poller, published, published_but, read};

const INTERFACES: &str = "/api/v2/telephony/providers/edges/logicalinterfaces";
const SETTINGS: &str = "/api/v2/telephony/providers/edges/trunkbasesettings";
const AUTHORITIES: &str = "/api/v2/telephony/providers/edges/certificateauthorities";
const EDGE_METRICS: &str = "/api/v2/telephony/providers/edges/metrics";
const TRUNK_METRICS: &str = "/api/v2/telephony/providers/edges/trunks/metrics";

#[tokio::test]
async fn edges_that_do_not_tell_their_addresses_get_those_of_their_interfaces_in_one_request() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        EDGES => page(&[
            json!({ "id": "1", "interfaces": [{ "ipAddress": "192.0.2.1" }] }),
            json!({ "id": "2" }),
            json!({ "id": "3", "interfaces": [] }),
        ]),
        INTERFACES => page(&[
            json!({ "edgeUri": format!("{EDGES}/3"), "addresses": [
                { "type": "dns", "address": "192.0.2.53" },
                { "type": "ip", "address": "2001:db8::3/64" },
                { "type": "ip", "address": "192.0.2.3" },
            ] }),
            json!({ "edgeUri": format!("{EDGES}/2"), "addresses": [
                { "type": "ip", "address": "192.0.2.2" },
                { "type": "gateway", "address": "192.0.2.254" },
                { "type": "ip", "address": "0.0.0.0" },
            ] }),
            json!({ "edgeUri": format!("{EDGES}/2"), "addresses": 7 }),
            json!("an odd one"),
        ]),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let addresses = snapshot
        .edges
        .items
        .iter()
        .map(|edge| edge.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "));
    assert_eq!(addresses.collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.2", "192.0.2.3 2001:db8::3"]);
    let asked: Vec<Seen> = fake.seen().into_iter().filter(|it| it.path == INTERFACES).collect();
    let [asked] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(asked.query, [("edgeIds".to_owned(), "2,3".to_owned())]);
}

#[tokio::test]
async fn an_edge_whose_interfaces_cannot_be_read_keeps_the_addresses_that_were_known() {
    let fake = Fake::start(published_but(INTERFACES, |seen| match seen.before {
        0 => published(seen),
        _ => Reply::json(403, &json!({ "code": "missing.permissions" })),
    }))
    .await;
    let poller = poller(&fake);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;

    assert_eq!(second.edges.problem, None);
    assert_eq!(second.edges.items[0].addresses.len(), 1);
    assert_eq!(second.edges.items[0].addresses, first.edges.items[0].addresses);
}

#[tokio::test]
async fn a_trunk_tells_what_it_hears_of_each_of_its_proxies() {
    let trunk = json!({
        "id": "1",
        "proxyAddressList": ["192.0.2.1:5060", "192.0.2.2:5060"],
        "optionsEnabledStatus": "ENABLED",
        "optionsStatus": [
            { "proxyAddress": "192.0.2.2:5060", "optionState": true },
            { "proxyAddress": "192.0.2.1:5060", "optionState": false,
              "errorInfo": { "text": "No response", "code": "timeout" } },
        ],
        "registersEnabledStatus": "ENABLED",
        "registersStatus": [
            { "proxyAddress": "192.0.2.1:5060", "registerState": true,
              "registerStateTime": "2026-05-15T14:30:02.000Z" },
            { "proxyAddress": "192.0.2.3:5060", "registerState": false,
              "errorInfo": { "text": "Forbidden" } },
        ],
    });
    let fake =
        Fake::start(published_but(TRUNKS, move |_| page(std::slice::from_ref(&trunk)))).await;

    let snapshot = read(&fake).await;

    let proxies = snapshot.trunks.items[0].proxies.iter().map(|proxy| {
        let problem = proxy.problem.as_ref().map(Foreign::as_str);
        (proxy.address.as_str(), proxy.answers, proxy.registration, problem)
    });
    assert_eq!(
        proxies.collect::<Vec<_>>(),
        [
            ("192.0.2.1:5060", Some(State::Down), Registration::Registered, Some("No response")),
            ("192.0.2.2:5060", Some(State::Up), Registration::Unknown, None),
            ("192.0.2.3:5060", Some(State::Unknown), Registration::Unregistered, Some("Forbidden")),
        ]
    );
}

#[tokio::test]
async fn a_proxy_that_is_asked_nothing_is_said_to_answer_nothing() {
    let trunk = json!({
        "id": "1",
        "proxyAddressList": ["192.0.2.1:5060"],
        "optionsEnabledStatus": "DISABLED",
        "optionsStatus": [{ "proxyAddress": "192.0.2.1:5060", "optionState": false }],
        "registersEnabledStatus": "NOT_SUPPORTED",
    });
    let fake =
        Fake::start(published_but(TRUNKS, move |_| page(std::slice::from_ref(&trunk)))).await;

    let snapshot = read(&fake).await;

    let proxy = &snapshot.trunks.items[0].proxies[0];
    assert_eq!((proxy.answers, proxy.registration), (None, Registration::NotApplicable));
}

// I8
#[tokio::test]
async fn what_the_vendor_keeps_secret_in_settings_and_phones_is_dropped_when_they_are_read() {
    let secret = |value: &str| json!({ "value": { "instance": value, "default": value } });
    let mut base = example("trunk_base").clone();
    for key in ["realm", "username", "password"] {
        let name = format!("trunk_sip_authentication_credentials_{key}");
        base["properties"][name] = secret(&format!("marked-{key}"));
    }
    base["properties"]["trunk_access_acl_allowList"] = json!({
        "value": { "instance": null, "default": ["198.51.100.0/24"] },
    });
    let mut phone = example("phones_page")["entities"][0].clone();
    phone["properties"]["phone_adminPassword"] = secret("marked-admin");
    let fake = Fake::start(move |seen| match seen.path.as_str() {
        SETTINGS => page(std::slice::from_ref(&base)),
        PHONES => page(std::slice::from_ref(&phone)),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let text = format!("{snapshot:?}");
    assert!(text.contains("sip.carrier.example:5061") && text.contains("0004f2aabbcc"), "{text}");
    assert!(!text.contains("marked-"), "{text}");
    assert_eq!(snapshot.trunk_settings.items[0].allowed, [Foreign::new("198.51.100.0/24")]);
}

// F19
#[tokio::test]
async fn a_field_of_another_type_costs_nothing_but_itself() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        EDGES => page(&[json!({
            "id": "1", "onlineStatus": "ONLINE", "statusCode": "ACTIVE", "state": "active",
            "conversationCount": "many", "softwareVersion": [1, 0], "edgeDeploymentType": 7,
            "interfaces": "none",
        })]),
        TRUNKS => page(&[json!({
            "id": "1", "inService": true, "enabled": true, "proxyAddressList": "one",
            "connectedStatus": { "connected": true, "connectedStateTime": 1_770_000_000 },
        })]),
        PHONES => page(&[json!({
            "id": "1", "userAgentInfo": "a phone", "properties": [], "secondaryStatus": 7,
            "primaryEdge": "e", "capabilities": { "hardwareIdType": 7 },
            "status": { "operationalStatus": "OPERATIONAL", "lineStatuses": {}, "edge": 1,
                        "eventCreationTime": "yesterday" },
        })]),
        SETTINGS => page(&[json!({
            "id": "1",
            "properties": {
                "trunk_enabled": "yes", "trunk_media_codec": { "value": 7 },
                "trunk_media_dscpValue": { "value": { "instance": "46" } },
                "trunk_transport_sipDscpValue": { "value": { "instance": 640 } },
            },
        })]),
        AUTHORITIES => page(&[json!({ "id": "1", "services": "SIP", "certificateDetails": 7 })]),
        EDGE_METRICS => Reply::json(200, &json!([{
            "edge": { "id": "1" }, "processors": "busy", "networks": [{ "utilizationPct": 250.0 }],
            "disks": [{ "availableBytes": 1, "totalBytes": 0 }],
        }])),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    assert_eq!(snapshot.edges.items[0].state, State::Up);
    assert_eq!(snapshot.trunks.items[0].state, State::Up);
    assert_eq!(snapshot.phones.items[0].state, PhoneState::Active);
    let settings = &snapshot.trunk_settings.items[0];
    assert_eq!((settings.media_dscp, settings.sip_dscp), (Some(46), None));
    assert_eq!((settings.is_enabled, settings.codecs.len()), (None, 0));
    let authority = &snapshot.authorities.items[0];
    assert_eq!((authority.is_valid, authority.expires), (None, None));
    let metrics = &snapshot.edge_metrics.items[0];
    assert_eq!((metrics.processor_ratio, metrics.disk_ratio), (None, None));
    assert_eq!(metrics.network_ratio, Some(1.0));
    assert!(snapshot.parts().iter().all(|part| part.unreadable == 0 && part.problem.is_none()));
}

#[tokio::test]
async fn an_authority_is_as_valid_as_the_worst_of_its_certificates_and_ends_with_the_first() {
    let certificate = |valid: Value, expired: Value, end: &str| json!({ "valid": valid, "expired": expired, "expirationDate": end });
    let good = || certificate(json!(true), json!(false), "2034-01-01T00:00:00.000Z");
    let details = [
        vec![good(), certificate(json!(true), json!(null), "2030-01-01T00:00:00.000Z")],
        vec![good(), certificate(json!(false), json!(false), "2035-01-01T00:00:00.000Z")],
        vec![good(), certificate(json!(true), json!(true), "2025-01-01T00:00:00.000Z")],
        vec![good(), certificate(json!(null), json!(null), "one day")],
        vec![],
    ];
    let authorities = (1..)
        .zip(details)
        .map(|(id, details)| json!({ "id": id.to_string(), "certificateDetails": details }));
    let authorities: Vec<Value> = authorities.collect();
    let fake = Fake::start(published_but(AUTHORITIES, move |_| page(&authorities))).await;

    let snapshot = read(&fake).await;

    let at = |year: i16| {
        let text = format!("{year}-01-01T00:00:00Z");
        Some(text.parse::<jiff::Timestamp>().expect("a time").into())
    };
    let found: Vec<_> =
        snapshot.authorities.items.iter().map(|it| (it.is_valid, it.expires)).collect();
    assert_eq!(
        found,
        [
            (Some(true), at(2030)),
            (Some(false), at(2034)),
            (Some(false), at(2025)),
            (None, at(2034)),
            (None, None),
        ]
    );
}

#[tokio::test]
async fn a_phone_that_works_with_either_of_its_edges_works() {
    let status = |operational: &str, edge: &str| json!({ "operationalStatus": operational, "edgesStatus": "IN_SERVICE", "edge": { "id": edge } });
    let assigned = |operational: &str| {
        let mut status = status(operational, "one");
        status["phoneAssignmentToEdgeType"] = "SECONDARY".into();
        status
    };
    let table = [
        (status("OPERATIONAL", "one"), status("OFFLINE", "two"), PhoneState::Active, "one"),
        (status("OFFLINE", "one"), status("OPERATIONAL", "two"), PhoneState::Active, "two"),
        (status("OFFLINE", "one"), status("UNKNOWN", "two"), PhoneState::Failed, "one"),
        (assigned("UNKNOWN"), status("OFFLINE", "two"), PhoneState::Failed, "two"),
        (assigned("OPERATIONAL"), status("OFFLINE", "two"), PhoneState::Active, "one"),
        (Value::Null, status("OFFLINE", "two"), PhoneState::Failed, "two"),
        (status("OFFLINE", "one"), Value::Null, PhoneState::Failed, "one"),
    ];
    let phones: Vec<Value> = (1..)
        .zip(&table)
        .map(|(id, (first, second, ..))| {
            json!({ "id": id.to_string(), "status": first, "secondaryStatus": second })
        })
        .collect();
    let fake = Fake::start(published_but(PHONES, move |_| page(&phones))).await;

    let snapshot = read(&fake).await;

    let found: Vec<_> = snapshot
        .phones
        .items
        .iter()
        .map(|phone| (phone.state, phone.edge.as_ref().map_or("", |edge| edge.id.as_str())))
        .collect();
    assert_eq!(found, table.map(|(.., state, edge)| (state, edge)));
    assert_eq!(snapshot.phones.items[1].raw.as_str(), "OPERATIONAL IN_SERVICE SECONDARY");
}

#[tokio::test]
async fn what_stands_for_a_phone_that_nobody_has_plugged_in_is_unassigned() {
    let phone = |id: &str, properties: Value, kind: Value| {
        json!({ "id": id, "properties": properties, "capabilities": { "hardwareIdType": kind },
                "status": { "operationalStatus": "OFFLINE", "edgesStatus": "IN_SERVICE" } })
    };
    let address = |text: &str| json!({ "phone_hardwareId": { "value": { "instance": text } } });
    let phones = vec![
        phone("has one", address("00:04:F2:AA:BB:CC"), json!("mac")),
        phone("has none", json!({}), json!("mac")),
        phone("has an empty one", address(" "), json!("mac")),
        phone("is in a browser", json!({}), Value::Null),
        phone("does not tell", Value::Null, json!("mac")),
        phone("has another", address("a-serial-number"), json!("serial")),
    ];
    let fake = Fake::start(published_but(PHONES, move |_| page(&phones))).await;

    let snapshot = read(&fake).await;

    let phones = snapshot
        .phones
        .items
        .iter()
        .map(|phone| (phone.state, phone.hardware.as_ref().map(Foreign::as_str)));
    assert_eq!(
        phones.collect::<Vec<_>>(),
        [
            (PhoneState::Failed, Some("0004f2aabbcc")),
            (PhoneState::Unassigned, None),
            (PhoneState::Unassigned, None),
            (PhoneState::Failed, None),
            (PhoneState::Failed, None),
            (PhoneState::Failed, Some("a-serial-number")),
        ]
    );
}

#[tokio::test]
async fn since_when_a_phone_is_in_its_state_is_carried_from_one_reading_to_the_next() {
    let fake = Fake::start(published_but(PHONES, |seen| {
        let status = if seen.before < 2 { "OFFLINE" } else { "OPERATIONAL" };
        let status = json!({ "operationalStatus": status, "edgesStatus": "IN_SERVICE" });
        page(&[json!({ "id": "1", "status": status })])
    }))
    .await;
    let poller = poller(&fake);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;
    let third = poller.read(&second).await;

    let since = |snapshot: &Snapshot| snapshot.phones.items[0].since.expect("it is known");
    assert_eq!(Some(since(&first)), first.phones.begun);
    assert_eq!(since(&second), since(&first));
    assert_eq!(Some(since(&third)), third.phones.begun);
    assert!(since(&third) > since(&second));
}

// F9
#[tokio::test]
async fn metrics_of_a_batch_with_a_thing_that_is_gone_leave_the_others_alone() {
    let ids: Vec<Value> = (0..60).map(|id| json!({ "id": format!("trunk-{id}") })).collect();
    let fake = Fake::start(move |seen| match seen.path.as_str() {
        TRUNKS => page(&ids),
        TRUNK_METRICS => {
            let ids = &seen.query[0].1;
            if ids.split(',').any(|id| id == "trunk-3") {
                return Reply::new(404, "{}");
            }
            let metrics = ids.split(',').map(|id| json!({ "trunk": { "id": id } }));
            Reply::json(200, &metrics.collect())
        }
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let part = &snapshot.trunk_metrics;
    assert_eq!((part.items.len(), part.unreadable), (10, 50));
    assert_eq!(part.problem, None);
}

#[tokio::test]
async fn a_large_organisation_is_read_far_below_the_budget() {
    let fake = Fake::start(|seen| {
        let many = |count: usize, thing: fn(usize) -> Value| {
            let (from, to) = (100 * (usize::try_from(seen.page()).expect("small") - 1), count);
            let things: Vec<Value> = (from..to.min(from + 100)).map(thing).collect();
            Reply::json(200, &json!({ "entities": things, "pageCount": count.div_ceil(100) }))
        };
        match seen.path.as_str() {
            TOKEN => token(seen),
            EDGES => many(50, |id| json!({ "id": format!("00000010-1111-4222-8333-{id:012}") })),
            TRUNKS => many(200, |id| json!({ "id": format!("00000030-1111-4222-8333-{id:012}") })),
            PHONES => {
                many(2_000, |id| json!({ "id": format!("00000050-1111-4222-8333-{id:012}") }))
            }
            TRUNK_METRICS => {
                let ids = seen.query[0].1.split(',').map(|id| json!({ "trunk": { "id": id } }));
                Reply::json(200, &ids.collect())
            }
            _ => published(seen),
        }
    })
    .await;
    let poller = poller(&fake);

    let first = poller.read(&Snapshot::default()).await;
    let of_first = fake.seen().len();
    poller.read(&first).await;
    let of_second = fake.seen().len() - of_first;

    assert_eq!((first.edges.items.len(), first.trunks.items.len()), (50, 200));
    assert_eq!((first.phones.items.len(), first.trunk_metrics.items.len()), (2_000, 200));
    assert!(of_first <= 60, "{of_first} requests");
    assert!(of_second <= 35, "{of_second} requests a minute");
}

// D-API-2
#[tokio::test]
async fn a_page_of_more_authorities_than_anybody_trusts_is_refused() {
    let authorities: Vec<Value> =
        (0..10_001).map(|number| json!({ "id": number.to_string() })).collect();
    let fake = Fake::start(published_but(AUTHORITIES, move |_| page(&authorities))).await;

    let snapshot = read(&fake).await;

    let problem = snapshot.authorities.problem.as_ref().map(ToString::to_string);
    let what = format!("{AUTHORITIES} answered nonsense: more than 10 000 entities on a page");
    assert_eq!(problem, Some(what));
    assert_eq!(snapshot.authorities.items.len(), 0);
}

// D-API-2
#[tokio::test]
async fn metrics_of_more_edges_than_were_asked_for_are_refused() {
    let many = Reply::json(200, &json!([{ "edge": { "id": "1" } }, { "edge": { "id": "2" } }]));
    let fake = Fake::start(move |seen| match seen.path.as_str() {
        EDGES => page(&[json!({ "id": "1" })]),
        EDGE_METRICS => many.clone(),
        _ => published(seen),
    })
    .await;

    let snapshot = read(&fake).await;

    let problem = snapshot.edge_metrics.problem.as_ref().map(ToString::to_string);
    let what = format!("{EDGE_METRICS} answered nonsense: more entities than were asked for");
    assert_eq!(problem, Some(what));
}
