//! The API of the vendor's guide: its bodies as they are written there, its words, its calls.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use axum::http::Method;
use branchline::poller::{Narrowing, Poller, Profile, Settings};
use branchline::telephony::{
    ApiProblem, Edge, EdgeGroup, Hint, Part, PartName, Phone, PhoneState, Reference, Registration,
    Snapshot, State, Trunk,
};
use branchline_probes::Foreign;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fake::{Fake, HASTE, Reply, Seen, TOKEN, json_of, token};

const EDGES: &str = "/api/v2/telephony/providers/edges";
const GROUPS: &str = "/api/v2/telephony/providers/edgegroups";
const EDGE: &str = "a1b2c3d4-5678-90ab-cdef-1234567890ab";
const TRUNKS: &str =
    "/api/v2/telephony/providers/edges/a1b2c3d4-5678-90ab-cdef-1234567890ab/siptrunks";
const REGISTRATIONS: &str = "/api/v2/telephony/providers/edges/a1b2c3d4-5678-90ab-cdef-1234567890ab/siptrunks/trunk-xyz-789/registrations";
const PHONES: &str = "/api/v2/telephony/providers/edgegroups/group-1/phones";
const LOCATIONS: &str = "/api/v2/locations";
const TENANT: &str = "/api/v2/tenant";
const ANALYTICS: &str = "/api/v2/analytics/telephony/edges/query";
const AUDIT_LOGS: &str = "/api/v2/platform/auditlogs";
const WEBHOOKS: &str = "/api/v2/webhooks";

/// The listing of edges, as the guide prints it.
const EDGES_BODY: &str = r#"{
  "entities": [
    {
      "id": "a1b2c3d4-5678-90ab-cdef-1234567890ab",
      "name": "us-east-1-edge",
      "type": "sip",
      "status": "available",
      "regionId": "us-east-1",
      "codecs": ["G711", "G729", "OPUS"],
      "links": {}
    }
  ],
  "page": 1,
  "pageSize": 25,
  "total": 1
}"#;

/// What the guide sends to make a location, which the answer has beside its id and status.
const LOCATION_BODY: &str = r#"{
  "name": "Frankfurt Office",
  "region": "eu-central-1",
  "sip": { "ports": [5060, 5061, 5080, 5081] },
  "media": {
    "sip": { "ports": [5060, 5061, 5080, 5081] },
    "proxy": { "host": "media-proxy.example.com", "port": 5060 },
    "stun": { "host": "stun.example.com", "port": 3478 },
    "turn": { "host": "turn.example.com", "port": 3478 }
  },
  "ipAddressAllowlist": ["10.0.0.0/8", "192.168.1.0/24"]
}"#;

/// The answer to that.
const LOCATION_ANSWER: &str = r#"{
  "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
  "name": "Frankfurt Office",
  "region": "eu-central-1",
  "status": "active",
  "selfUri": "/api/v2/locations/a1b2c3d4-e5f6-7890-abcd-ef1234567890"
}"#;

fn listing(entities: &[Value]) -> Reply {
    let total = entities.len();
    Reply::json(
        200,
        &json!({ "entities": entities, "page": 1, "pageNumber": 1, "pageSize": 100, "total": total }),
    )
}

fn group(status: &str) -> Value {
    // The members that the guide sends and reads.
    json!({
        "id": "group-1", "name": "lyon", "type": "edgeGroup", "edgeGroupType": "Standard",
        "primaryEdge": EDGE, "secondaryEdge": null,
        "description": "Programmatically deployed edge group", "phones": [],
        "status": status, "provisioningUrl": "https://lyon.genesyscloud.com/",
    })
}

fn trunk() -> Value {
    json!({
        "id": "trunk-xyz-789", "edgeId": EDGE,
        "config": {
            "name": "Production-Trunk-01",
            "sipUri": "sip:trunk@customer.carrier.net:5060",
            "codecs": ["G711", "OPUS"],
            "natTraversal": { "enabled": true, "stunServer": "stun.mypurecloud.com" },
            "tlsSettings": {
                "enabled": true, "certificateId": "cert-id-12345", "clientAuthEnabled": false,
            },
        },
        "outboundProxyEnabled": false, "registrationEnabled": true, "_version": "7",
    })
}

fn phone(id: &str, state: &str) -> Value {
    json!({ "id": id, "name": id, "mac": "00:04:F2:AB:CD:01", "provisioningState": state })
}

fn location() -> Value {
    let mut location = json_of(LOCATION_BODY);
    let answer = json_of(LOCATION_ANSWER);
    let answer = answer.as_object().expect("an object").clone();
    location.as_object_mut().expect("an object").extend(answer);
    location
}

/// A vendor that has one of everything.
fn tenant(seen: &Seen) -> Reply {
    let is_post = seen.method == Method::POST;
    match (seen.path.as_str(), is_post) {
        (TOKEN, true) => token(seen),
        (EDGES, false) => Reply::new(200, EDGES_BODY),
        (GROUPS, false) => listing(&[group("ACTIVE")]),
        (TRUNKS, false) => listing(&[trunk()]),
        (REGISTRATIONS, false) => listing(&[json!({
            "status": "Registered", "lastRegistrationTime": "2024-05-15T14:31:55.000Z",
        })]),
        (PHONES, false) => listing(&[phone("phone-1", "ACTIVE")]),
        (LOCATIONS, false) => listing(&[location()]),
        (TENANT, false) => Reply::json(200, &json!({ "defaultRegion": "us-east-1" })),
        (ANALYTICS, true) => Reply::json(200, &json!({ "entities": [], "nextUri": null })),
        (AUDIT_LOGS, false) => listing(&[]),
        _ => Reply::new(404, ""),
    }
}

fn tenant_but(
    path: &'static str,
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| if seen.path == path { script(seen) } else { tenant(seen) }
}

fn settings(fake: &Fake) -> Settings {
    Settings { profile: Profile::Guide, skip: BTreeSet::new(), ..fake.settings() }
}

fn poller(fake: &Fake) -> Poller {
    Poller::hasty(settings(fake), HASTE).expect("a poller")
}

async fn read(fake: &Fake) -> Snapshot {
    poller(fake).read(&Snapshot::default()).await
}

fn all_problems(snapshot: &Snapshot) -> Vec<(PartName, ApiProblem)> {
    let parts = snapshot.parts().into_iter();
    parts.filter_map(|part| Some((part.name, part.problem?.clone()))).collect()
}

fn only<T: Clone>(part: &Part<T>) -> T {
    let [item] = part.items.as_slice() else { panic!("{} items", part.items.len()) };
    item.clone()
}

fn time(text: &str) -> SystemTime {
    text.parse::<Timestamp>().expect("a time").into()
}

fn reference(id: &str, name: &str) -> Reference {
    Reference { id: Foreign::new(id), name: Foreign::new(name) }
}

#[tokio::test]
async fn every_part_of_the_guide_is_read_as_it_is_written_there() {
    let fake = Fake::start(tenant).await;

    let snapshot = read(&fake).await;

    assert_eq!(all_problems(&snapshot), []);
    let edge = only(&snapshot.edges);
    let expected = Edge {
        reference: reference(EDGE, "us-east-1-edge"),
        state: State::Up,
        is_in_service: true,
        raw: Foreign::new("available"),
        edge_group: Some(reference("group-1", "lyon")),
        region: Some(Foreign::new("us-east-1")),
        codecs: ["G711", "G729", "OPUS"].map(Foreign::new).to_vec(),
        ..Edge::default()
    };
    assert_eq!(edge, expected);
    let expected = EdgeGroup {
        reference: reference("group-1", "lyon"),
        state: State::Up,
        raw: Foreign::new("ACTIVE"),
        provisioning_url: Some(Foreign::new("https://lyon.genesyscloud.com/")),
        primary_edge: Some(reference(EDGE, "us-east-1-edge")),
        secondary_edge: None,
    };
    assert_eq!(only(&snapshot.edge_groups), expected);
    let phone = only(&snapshot.phones);
    assert_eq!(phone.state, PhoneState::Active);
    assert_eq!(phone.hardware.as_ref().map(Foreign::as_str), Some("0004f2abcd01"));
    assert_eq!(phone.edge_group, Some(reference("group-1", "lyon")));
    let organization = only(&snapshot.organization);
    assert_eq!(organization.home_region.as_ref().map(Foreign::as_str), Some("us-east-1"));
}

#[tokio::test]
async fn a_trunk_has_its_registrations_and_its_settings() {
    let fake = Fake::start(tenant).await;

    let snapshot = read(&fake).await;

    let trunk = only(&snapshot.trunks);
    assert_eq!(trunk.reference, reference("trunk-xyz-789", "Production-Trunk-01"));
    assert_eq!(trunk.registration, Registration::Registered);
    assert_eq!(trunk.state, State::Up);
    assert_eq!(trunk.raw.as_str(), "Registered");
    assert_eq!(trunk.edge, Some(reference(EDGE, "us-east-1-edge")));
    let [proxy] = trunk.proxies.as_slice() else { panic!("{:?}", trunk.proxies) };
    assert_eq!(proxy.address.as_str(), "sip:trunk@customer.carrier.net:5060");
    assert_eq!(proxy.registered_at, Some(time("2024-05-15T14:31:55Z")));
    let settings = only(&snapshot.trunk_settings);
    assert_eq!(Some(&settings.reference), trunk.base.as_ref());
    assert_eq!(settings.transport.as_ref().map(Foreign::as_str), Some("tls"));
    assert_eq!(settings.codecs, ["G711", "OPUS"].map(Foreign::new));
    assert_eq!(settings.proxies, ["sip:trunk@customer.carrier.net:5060"].map(Foreign::new));
    assert_eq!(settings.stun_server.as_ref().map(Foreign::as_str), Some("stun.mypurecloud.com"));
}

#[tokio::test]
async fn a_location_has_its_ports_its_servers_and_who_is_let_in() {
    let fake = Fake::start(tenant).await;

    let location = only(&read(&fake).await.locations);

    assert_eq!(location.state, State::Up);
    assert_eq!(location.region.as_ref().map(Foreign::as_str), Some("eu-central-1"));
    assert_eq!(location.sip_ports, [5060, 5061, 5080, 5081]);
    let endpoint = |it: &Option<branchline::telephony::Endpoint>| {
        it.as_ref().map(|it| (it.host.as_str().to_owned(), it.port))
    };
    let at = |host: &str, port| Some((host.to_owned(), Some(port)));
    assert_eq!(endpoint(&location.proxy), at("media-proxy.example.com", 5060));
    assert_eq!(endpoint(&location.stun), at("stun.example.com", 3478));
    assert_eq!(endpoint(&location.turn), at("turn.example.com", 3478));
    assert_eq!(location.allowed, ["10.0.0.0/8", "192.168.1.0/24"].map(Foreign::new));
}

#[tokio::test]
async fn the_keys_of_a_location_are_read_in_any_case() {
    let fake = Fake::start(tenant_but(LOCATIONS, |_| {
        listing(&[json!({
            "Id": "l-1", "Name": "Berlin", "Status": "Active", "Media": {
                "Sip": { "Ports": [5060, "5061", 0, 70_000] }, "Turn": "turn.example.com",
            },
            "IpAddressAllowlist": ["172.16.0.0/12"],
        })])
    }))
    .await;

    let location = only(&read(&fake).await.locations);

    assert_eq!(location.reference, reference("l-1", "Berlin"));
    assert_eq!(location.state, State::Up);
    assert_eq!(location.sip_ports, [5060, 5061]);
    assert_eq!(
        location.turn.map(|it| (it.host.as_str().to_owned(), it.port)),
        Some(("turn.example.com".to_owned(), None))
    );
    assert_eq!(location.allowed, ["172.16.0.0/12"].map(Foreign::new));
}

#[tokio::test]
async fn the_default_region_is_found_however_the_tenant_writes_it() {
    for tenant_body in [
        json!({ "defaultRegion": "eu-central-1" }),
        json!({ "region": "eu-central-1" }),
        json!({ "id": "t", "region": { "id": "eu-central-1" } }),
        json!({ "defaultRegion": { "name": "eu-central-1" } }),
    ] {
        let body = tenant_body.clone();
        let fake = Fake::start(tenant_but(TENANT, move |_| Reply::json(200, &body))).await;

        let organization = only(&read(&fake).await.organization);

        let region = organization.home_region.as_ref().map(Foreign::as_str);
        assert_eq!(region, Some("eu-central-1"), "{tenant_body}");
    }
}

#[tokio::test]
async fn an_edge_group_is_ready_in_the_guides_word_alone() {
    for (word, state, odd) in [
        ("ACTIVE", State::Up, 0),
        ("PENDING", State::Down, 0),
        ("CONFIGURING", State::Down, 0),
        ("HIBERNATING", State::Unknown, 1),
    ] {
        let fake = Fake::start(tenant_but(GROUPS, move |_| listing(&[group(word)]))).await;

        let groups = read(&fake).await.edge_groups;

        let group = only(&groups);
        assert_eq!((group.state, group.raw.as_str(), groups.unknown), (state, word, odd));
    }
}

#[tokio::test]
async fn an_edge_is_up_while_it_is_available() {
    for (word, state, odd) in [
        ("available", State::Up, 0),
        ("unavailable", State::Down, 0),
        ("levitating", State::Unknown, 1),
    ] {
        let body = json!({ "id": "e", "status": word });
        let fake =
            Fake::start(tenant_but(EDGES, move |_| listing(std::slice::from_ref(&body)))).await;

        let edges = read(&fake).await.edges;

        let edge = only(&edges);
        assert_eq!((edge.state, edge.raw.as_str(), edges.unknown), (state, word, odd));
    }
}

#[tokio::test]
async fn every_provisioning_state_of_the_guide_has_its_own() {
    let words = [
        ("UNASSIGNED", PhoneState::Unassigned),
        ("PENDING", PhoneState::Pending),
        ("PROVISIONING", PhoneState::Provisioning),
        ("BOOTING", PhoneState::Provisioning),
        ("ACTIVE", PhoneState::Active),
        ("FAILED", PhoneState::Failed),
        ("DREAMING", PhoneState::Unknown),
    ];
    let fake = Fake::start(tenant_but(PHONES, move |_| {
        listing(&words.map(|(word, _)| phone(word, word)))
    }))
    .await;

    let phones = read(&fake).await.phones;

    let seen: Vec<_> = phones.items.iter().map(|it| (it.raw.as_str(), it.state)).collect();
    assert_eq!(seen, words);
    assert_eq!(phones.unknown, 1, "the invented one");
    assert_eq!(phones.unreadable, 0);
}

#[tokio::test]
async fn a_trunk_is_registered_if_any_of_its_registrations_is() {
    let of = |words: &'static [&'static str]| {
        words.iter().map(|word| json!({ "status": word })).collect::<Vec<_>>()
    };
    for (words, registration, odd) in [
        (of(&["REGISTERED"]), Registration::Registered, 0),
        (of(&["unregistered", "registered"]), Registration::Registered, 0),
        (of(&["unregistered"]), Registration::Unregistered, 0),
        (of(&[]), Registration::Unregistered, 0),
        (of(&["juggling"]), Registration::Unknown, 1),
    ] {
        let fake = Fake::start(tenant_but(REGISTRATIONS, move |_| listing(&words))).await;

        let trunks = read(&fake).await.trunks;

        assert_eq!((only(&trunks).registration, trunks.unknown), (registration, odd));
    }
}

#[tokio::test]
async fn a_trunk_that_does_not_register_is_not_asked_how_it_is_registered() {
    let fake = Fake::start(tenant_but(TRUNKS, |_| {
        let mut trunk = trunk();
        trunk["registrationEnabled"] = json!(false);
        listing(&[trunk])
    }))
    .await;

    let trunk = only(&read(&fake).await.trunks);

    assert_eq!(trunk.registration, Registration::NotApplicable);
    assert_eq!(trunk.state, State::Unknown);
    assert_eq!(fake.count(REGISTRATIONS), 0);
}

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
    let asked = fake.seen().iter().filter(|it| it.path.ends_with("/diagnostics")).count();
    assert_eq!(asked, 2);
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
    assert_eq!(failed, [PartName::Edges, PartName::Trunks, PartName::TrunkSettings]);
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
fn two_offices(seen: &Seen) -> Reply {
    let edge = |city: &str, region: &str| json!({ "id": format!("edge-{city}"), "status": "available", "regionId": region });
    let group = |city: &str| {
        json!({ "id": format!("group-{city}"), "status": "ACTIVE",
                "primaryEdge": format!("edge-{city}") })
    };
    let location = |city: &str, region: &str| {
        json!({ "id": format!("location-{city}"), "name": city, "region": region,
                "status": "active" })
    };
    let mut placed = edge("placed", "eu-1");
    placed["locationId"] = json!("location-nice");
    match seen.path.as_str() {
        LOCATIONS => listing(&[location("lyon", "eu-1"), location("nice", "eu-2")]),
        EDGES => listing(&[edge("lyon", "eu-1"), edge("nice", "eu-2"), placed]),
        GROUPS => listing(&[group("lyon"), group("nice")]),
        path if path.ends_with("/registrations") => listing(&[json!({ "status": "registered" })]),
        path if path.ends_with("/siptrunks") => {
            let city = if path.contains("lyon") { "lyon" } else { "nice" };
            let is_placed = path.contains("placed");
            let trunk = json!({ "id": format!("trunk-{city}") });
            listing(&[trunk].into_iter().filter(|_| !is_placed).collect::<Vec<_>>())
        }
        path if path.ends_with("/phones") => {
            let city = if path.contains("lyon") { "lyon" } else { "nice" };
            listing(&[phone(&format!("phone-{city}"), "ACTIVE")])
        }
        _ => tenant(seen),
    }
}

fn narrowed(fake: &Fake, location: &str, trunks: &[&str], groups: &[&str]) -> Poller {
    let owned = |links: &[&str]| links.iter().map(|link| (*link).to_owned()).collect();
    let (trunks, edge_groups) = (owned(trunks), owned(groups));
    let narrowing = Narrowing { location: location.to_owned(), trunks, edge_groups };
    let settings = Settings { narrowing: Some(narrowing), ..settings(fake) };
    Poller::hasty(settings, HASTE).expect("a poller")
}

/// The ids of edges, groups, trunks, phones and locations.
fn ids(snapshot: &Snapshot) -> [Vec<&str>; 5] {
    fn of<'a, T>(part: &'a Part<T>, id: fn(&'a T) -> &'a Reference) -> Vec<&'a str> {
        part.items.iter().map(|it| id(it).id.as_str()).collect()
    }
    [
        of(&snapshot.edges, |it: &Edge| &it.reference),
        of(&snapshot.edge_groups, |it: &EdgeGroup| &it.reference),
        of(&snapshot.trunks, |it: &Trunk| &it.reference),
        of(&snapshot.phones, |it: &Phone| &it.reference),
        of(&snapshot.locations, |it| &it.reference),
    ]
}

#[tokio::test]
async fn what_belongs_to_the_location_is_read_and_no_other_office_is_asked_about() {
    let fake = Fake::start(two_offices).await;

    let snapshot = narrowed(&fake, "lyon", &[], &[]).read(&Snapshot::default()).await;

    assert_eq!(all_problems(&snapshot), []);
    let here = [["edge-lyon"], ["group-lyon"], ["trunk-lyon"], ["phone-lyon"], ["location-lyon"]];
    assert_eq!(ids(&snapshot), here.map(|ids| ids.to_vec()));
    let asked = fake.seen().iter().filter(|it| it.path.contains("nice")).count();
    assert_eq!(asked, 0);
}

#[tokio::test]
async fn an_edge_that_says_where_it_stands_is_there_whatever_its_region() {
    let fake = Fake::start(two_offices).await;

    let snapshot = narrowed(&fake, "location-nice", &[], &[]).read(&Snapshot::default()).await;

    assert_eq!(ids(&snapshot)[0], ["edge-nice", "edge-placed"]);
}

#[tokio::test]
async fn what_a_target_links_to_is_kept_wherever_it_is() {
    let fake = Fake::start(two_offices).await;
    let poller = narrowed(&fake, "lyon", &["trunk-nice"], &["group-nice"]);

    let first = poller.read(&Snapshot::default()).await;
    let hint = Hint { part: PartName::Trunks, id: None };
    let second = poller.refresh(&first, &BTreeSet::from([hint])).await;

    for snapshot in [first, second] {
        let [_, groups, mut trunks, phones, _] = ids(&snapshot);
        trunks.sort_unstable();
        assert_eq!(groups, ["group-lyon", "group-nice"]);
        assert_eq!(trunks, ["trunk-lyon", "trunk-nice"]);
        assert_eq!(phones, ["phone-lyon", "phone-nice"]);
    }
}

#[tokio::test]
async fn a_location_that_the_vendor_does_not_have_fails_what_depends_on_it() {
    let fake = Fake::start(two_offices).await;

    let snapshot = narrowed(&fake, "lyonn", &[], &[]).read(&Snapshot::default()).await;

    let failed: Vec<_> = all_problems(&snapshot).into_iter().map(|(name, _)| name).collect();
    let expected = [
        PartName::Edges,
        PartName::EdgeGroups,
        PartName::Trunks,
        PartName::Phones,
        PartName::TrunkSettings,
        PartName::TrunkMetrics,
        PartName::Changes,
    ];
    assert_eq!(failed, expected);
    assert_eq!(snapshot.edges.problem.map(|it| it.label()), Some("location"));
}

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
