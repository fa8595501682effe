//! What the guide's fields and words come to.

use branchline::telephony::{Edge, EdgeGroup, Endpoint, PhoneState, Registration, State};
use branchline_probes::Foreign;
use serde_json::json;

use super::{
    EDGE, EDGES, GROUPS, LOCATIONS, PHONES, REGISTRATIONS, TENANT, TRUNKS, all_problems, group,
    listing, only, phone, read, reference, tenant, tenant_but, time, trunk,
};
use crate::fake::{Fake, Reply};

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
    let endpoint =
        |it: &Option<Endpoint>| it.as_ref().map(|it| (it.host.as_str().to_owned(), it.port));
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
