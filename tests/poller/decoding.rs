//! What the vendor's words become.

use branchline::telephony::{PhoneState, Registration, Snapshot, State};
use serde_json::{Value, json};

use crate::fake::{EDGE_GROUPS, EDGES, Fake, HASTE, PHONES, TRUNKS, healthy, page};

async fn read(path: &'static str, entities: Vec<Value>) -> Snapshot {
    let fake = Fake::start(crate::fake::healthy_but(path, move |_| page(&entities))).await;
    fake.poller(HASTE).read(&Snapshot::default()).await
}

#[tokio::test]
async fn the_published_examples_become_a_whole_snapshot() {
    let fake = Fake::start(healthy).await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    let [edge] = snapshot.edges.items.as_slice() else { panic!("{:?}", snapshot.edges) };
    assert_eq!(edge.reference.id.as_str(), "00000010-1111-4222-8333-000000000010");
    assert_eq!(edge.reference.name.as_str(), "branch-lyon-edge-1");
    assert_eq!((edge.state, edge.raw.as_str()), (State::Up, "ONLINE ACTIVE active"));
    assert!(edge.edge_group.as_ref().is_some_and(|group| group.is("lyon-edge-group")));
    assert!(edge.site.as_ref().is_some_and(|site| site.is("Lyon")));

    let [group] = snapshot.edge_groups.items.as_slice() else {
        panic!("{:?}", snapshot.edge_groups)
    };
    assert!(group.reference.is("lyon-edge-group"));
    assert_eq!((group.state, group.raw.as_str()), (State::Up, "active, 1 of 1 edges up"));

    let [trunk] = snapshot.trunks.items.as_slice() else { panic!("{:?}", snapshot.trunks) };
    assert!(trunk.reference.is("Carrier A - branch-lyon-edge-1"));
    assert_eq!(trunk.kind.as_str(), "EXTERNAL");
    assert_eq!((trunk.state, trunk.raw.as_str()), (State::Up, "in service, enabled, connected"));
    assert_eq!(trunk.registration, Registration::Unregistered);
    let problem = trunk.problem.as_ref().map(|problem| problem.as_str());
    assert_eq!(problem, Some("Registration failed (403 Forbidden)"));
    assert!(trunk.is("Carrier A") && trunk.is("Carrier A - branch-lyon-edge-1"));
    assert!(trunk.edge.as_ref().is_some_and(|edge| edge.is("branch-lyon-edge-1")));
    assert!(trunk.edge_group.as_ref().is_some_and(|group| group.is("lyon-edge-group")));

    let [phone] = snapshot.phones.items.as_slice() else { panic!("{:?}", snapshot.phones) };
    assert!(phone.reference.is("Reception"));
    assert_eq!((phone.state, phone.raw.as_str()), (PhoneState::Active, "OPERATIONAL IN_SERVICE"));
    assert!(phone.site.as_ref().is_some_and(|site| site.is("Lyon")));
}

#[tokio::test]
async fn every_word_about_an_edge_has_a_state_and_a_new_one_is_unknown() {
    let table = [
        ("ONLINE", "ACTIVE", "active", State::Up),
        ("OFFLINE", "ACTIVE", "active", State::Down),
        ("HUMMING", "ACTIVE", "active", State::Unknown),
        ("OFFLINE", "NEW", "active", State::Unknown),
        ("OFFLINE", "AWAITING_CONNECTION", "active", State::Unknown),
        ("OFFLINE", "AWAITING_FINGERPRINT", "active", State::Unknown),
        ("OFFLINE", "AWAITING_FINGERPRINT_VERIFICATION", "active", State::Unknown),
        ("OFFLINE", "FINGERPRINT_VERIFIED", "active", State::Unknown),
        ("OFFLINE", "AWAITING_BOOTSTRAP", "active", State::Unknown),
        ("OFFLINE", "INACTIVE", "active", State::Unknown),
        ("OFFLINE", "RMA", "active", State::Unknown),
        ("OFFLINE", "UNPAIRING", "active", State::Unknown),
        ("OFFLINE", "UNPAIRED", "active", State::Unknown),
        ("OFFLINE", "INITIALIZING", "active", State::Unknown),
        ("ONLINE", "DANCING", "active", State::Unknown),
        ("ONLINE", "ACTIVE", "inactive", State::Down),
        ("ONLINE", "ACTIVE", "resting", State::Unknown),
        ("OFFLINE", "DANCING", "active", State::Down),
        ("ONLINE", "RMA", "inactive", State::Unknown),
    ];
    let entities = table.iter().enumerate().map(|(id, (online, code, state, _))| {
        json!({ "id": id.to_string(), "onlineStatus": online, "statusCode": code, "state": state })
    });

    let snapshot = read(EDGES, entities.collect()).await;

    let states: Vec<State> = snapshot.edges.items.iter().map(|edge| edge.state).collect();
    assert_eq!(states, table.map(|(.., state)| state));
    let in_service = snapshot.edges.items.iter().filter(|edge| edge.is_in_service);
    assert_eq!(in_service.count(), 7);
}

// F19
#[tokio::test]
async fn an_edge_without_a_word_about_itself_is_unknown() {
    let snapshot = read(EDGES, vec![json!({ "id": "1", "surprise": {}, "name": null })]).await;

    let [edge] = snapshot.edges.items.as_slice() else { panic!("{:?}", snapshot.edges) };
    assert_eq!((edge.state, edge.raw.as_str()), (State::Unknown, "- - -"));
    assert_eq!(edge.reference.name.as_str(), "");
    assert_eq!(edge.site, None);
}

#[tokio::test]
async fn a_trunk_is_up_only_when_everything_that_is_asked_says_so() {
    let proxies = |states: &[Option<bool>]| -> Vec<Value> {
        states.iter().map(|state| json!({ "optionState": state })).collect()
    };
    let up =
        json!({ "inService": true, "enabled": true, "connectedStatus": { "connected": true } });
    let but = |fields: Value| {
        let mut trunk = up.clone();
        let fields = fields.as_object().expect("an object").clone();
        trunk.as_object_mut().expect("an object").extend(fields);
        trunk
    };
    let table = [
        (but(json!({})), State::Up),
        (but(json!({ "inService": false })), State::Down),
        (but(json!({ "enabled": false })), State::Down),
        (but(json!({ "connectedStatus": { "connected": false } })), State::Down),
        (but(json!({ "connectedStatus": {} })), State::Unknown),
        (but(json!({ "connectedStatus": null })), State::Unknown),
        (but(json!({ "enabled": null })), State::Unknown),
        (but(json!({ "enabled": null, "inService": false })), State::Down),
        (
            but(
                json!({ "optionsEnabledStatus": "DISABLED", "optionsStatus": proxies(&[Some(false)]) }),
            ),
            State::Up,
        ),
        (but(json!({ "optionsEnabledStatus": "NOT_SUPPORTED" })), State::Up),
        (but(json!({ "optionsEnabledStatus": "PERHAPS" })), State::Unknown),
        (but(json!({ "optionsEnabledStatus": "ENABLED" })), State::Unknown),
        (
            but(
                json!({ "optionsEnabledStatus": "ENABLED", "optionsStatus": proxies(&[Some(true), Some(true)]) }),
            ),
            State::Up,
        ),
        (
            but(
                json!({ "optionsEnabledStatus": "ENABLED", "optionsStatus": proxies(&[Some(true), Some(false)]) }),
            ),
            State::Down,
        ),
        (
            but(
                json!({ "optionsEnabledStatus": "ENABLED", "optionsStatus": proxies(&[Some(true), None]) }),
            ),
            State::Unknown,
        ),
    ];
    let entities = table.iter().enumerate().map(|(id, (trunk, _))| {
        let mut trunk = trunk.clone();
        trunk["id"] = id.to_string().into();
        trunk
    });

    let snapshot = read(TRUNKS, entities.collect()).await;

    let states: Vec<State> = snapshot.trunks.items.iter().map(|trunk| trunk.state).collect();
    assert_eq!(states, table.map(|(_, state)| state));
    let off: Vec<usize> = (0..)
        .zip(&snapshot.trunks.items)
        .filter(|(_, trunk)| trunk.is_switched_off)
        .map(|(place, _)| place)
        .collect();
    assert_eq!(off, [1, 7], "where the vendor says so itself");
}

#[tokio::test]
async fn a_trunk_is_registered_when_every_proxy_says_so_and_it_registers_at_all() {
    let table = [
        ("ENABLED", json!([true, true]), Registration::Registered),
        ("ENABLED", json!([true, false]), Registration::Unregistered),
        ("ENABLED", json!([null, false]), Registration::Unregistered),
        ("ENABLED", json!([true, null]), Registration::Unknown),
        ("ENABLED", json!([]), Registration::Unknown),
        ("DISABLED", json!([false]), Registration::NotApplicable),
        ("NOT_SUPPORTED", json!([]), Registration::NotApplicable),
        ("PERHAPS", json!([true]), Registration::Unknown),
    ];
    let entities = table.iter().enumerate().map(|(id, (word, proxies, _))| {
        let proxies: Vec<Value> = proxies
            .as_array()
            .expect("an array")
            .iter()
            .map(|state| json!({ "proxyAddress": "192.0.2.1:5060", "registerState": state }))
            .collect();
        json!({
            "id": id.to_string(),
            "trunkType": "EXTERNAL",
            "registersEnabledStatus": word,
            "registersStatus": proxies,
        })
    });

    let snapshot = read(TRUNKS, entities.collect()).await;

    let states: Vec<_> = snapshot.trunks.items.iter().map(|trunk| trunk.registration).collect();
    assert_eq!(states, table.map(|(.., registration)| registration));
}

#[tokio::test]
async fn every_word_about_a_phone_has_a_state_and_a_new_one_is_unknown() {
    let now = jiff::Timestamp::now();
    let long_ago = "2020-01-01T00:00:00.000Z";
    let provisions = json!({ "provisions": true });
    let status = |operational: &str, edges: &str| json!({ "operationalStatus": operational, "edgesStatus": edges });
    let provisioned = |operational: &str, time: &str| {
        json!({ "operationalStatus": operational, "edgesStatus": "IN_SERVICE",
                "provision": { "time": time } })
    };
    let failed = json!({ "operationalStatus": "UNKNOWN", "edgesStatus": "IN_SERVICE",
                         "provision": { "time": long_ago, "errorInfo": "no such model" } });
    let table = [
        (status("OPERATIONAL", "IN_SERVICE"), Value::Null, PhoneState::Active),
        (status("OPERATIONAL", "OUT_OF_SERVICE"), Value::Null, PhoneState::Active),
        (failed, Value::Null, PhoneState::Failed),
        (status("OFFLINE", "IN_SERVICE"), Value::Null, PhoneState::Failed),
        (status("OFFLINE", "IN_SERVICE"), provisions.clone(), PhoneState::Failed),
        (status("OFFLINE", "MIXED_SERVICE"), Value::Null, PhoneState::Unknown),
        (status("OFFLINE", "OUT_OF_SERVICE"), Value::Null, PhoneState::Unknown),
        (status("OFFLINE", "NO_EDGES"), Value::Null, PhoneState::Unassigned),
        (status("OFFLINE", "SOME_EDGES"), Value::Null, PhoneState::Unknown),
        (status("UNKNOWN", "IN_SERVICE"), provisions.clone(), PhoneState::Pending),
        (status("UNKNOWN", "NO_EDGES"), provisions.clone(), PhoneState::Unassigned),
        (status("UNKNOWN", "IN_SERVICE"), json!({ "provisions": false }), PhoneState::Unknown),
        (provisioned("UNKNOWN", long_ago), provisions, PhoneState::Unknown),
        (provisioned("DEGRADED", &now.to_string()), Value::Null, PhoneState::Provisioning),
        (provisioned("DEGRADED", long_ago), Value::Null, PhoneState::Unknown),
        (provisioned("DEGRADED", "yesterday"), Value::Null, PhoneState::Unknown),
        (status("SINGING", "IN_SERVICE"), Value::Null, PhoneState::Unknown),
        (Value::Null, Value::Null, PhoneState::Unknown),
    ];
    let entities = table.iter().enumerate().map(|(id, (status, capabilities, _))| {
        json!({ "id": id.to_string(), "status": status, "capabilities": capabilities })
    });

    let snapshot = read(PHONES, entities.collect()).await;

    let states: Vec<_> = snapshot.phones.items.iter().map(|phone| phone.state).collect();
    assert_eq!(states, table.map(|(.., state)| state));
}

#[tokio::test]
async fn an_edge_group_is_as_ready_as_its_edges() {
    let edge = |id: &str, group: &str, online: &str| {
        json!({ "id": id, "onlineStatus": online, "statusCode": "ACTIVE", "state": "active",
                "edgeGroup": { "id": group } })
    };
    let new = |id: &str, group: &str| {
        let mut edge = edge(id, group, "OFFLINE");
        edge["statusCode"] = "AWAITING_CONNECTION".into();
        edge
    };
    let edges = vec![
        edge("1", "both-up", "ONLINE"),
        edge("2", "both-up", "ONLINE"),
        edge("3", "one-down", "ONLINE"),
        edge("4", "one-down", "OFFLINE"),
        edge("5", "one-odd", "ONLINE"),
        edge("6", "one-odd", "HUMMING"),
        edge("7", "inactive", "ONLINE"),
        edge("8", "odd", "ONLINE"),
        new("9", "one-new"),
        edge("10", "one-new", "ONLINE"),
        new("11", "all-new"),
        new("12", "all-new"),
    ];
    let group = |id: &str, state: &str| json!({ "id": id, "state": state });
    let groups = vec![
        group("both-up", "active"),
        group("one-down", "active"),
        group("one-odd", "active"),
        group("without-edges", "active"),
        group("inactive", "inactive"),
        group("odd", "resting"),
        group("one-new", "active"),
        group("all-new", "active"),
    ];
    let fake = Fake::start(move |seen| match seen.path.as_str() {
        EDGES => page(&edges),
        EDGE_GROUPS => page(&groups),
        _ => healthy(seen),
    })
    .await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    let groups = snapshot.edge_groups.items.iter();
    let groups: Vec<_> = groups.map(|group| (group.state, group.raw.as_str())).collect();
    assert_eq!(
        groups,
        [
            (State::Up, "active, 2 of 2 edges up"),
            (State::Down, "active, 1 of 2 edges up"),
            (State::Unknown, "active, 1 of 2 edges up"),
            (State::Down, "active, 0 of 0 edges up"),
            (State::Down, "inactive, 1 of 1 edges up"),
            (State::Unknown, "resting, 1 of 1 edges up"),
            (State::Unknown, "active, 1 of 2 edges up"),
            (State::Down, "active, 0 of 2 edges up"),
        ]
    );
}

#[tokio::test]
async fn what_is_deleted_is_left_out_and_what_is_unreadable_is_skipped() {
    let entities = vec![
        json!({ "id": "1", "name": "kept", "state": "active" }),
        json!({ "id": "2", "name": "gone", "state": "deleted" }),
        json!({ "id": "3", "name": ["not", "a", "name"] }),
        json!({ "name": "nobody can refer to it" }),
        json!(null),
        json!("a word"),
    ];

    let snapshot = read(PHONES, entities).await;

    let names = snapshot.phones.items.iter().map(|phone| phone.reference.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["kept"]);
    assert_eq!(snapshot.phones.problem, None);
}

// An edge that we could not read may be the one that is down.
#[tokio::test]
async fn an_unreadable_edge_leaves_open_whether_a_group_is_ready() {
    let up = json!({ "id": "1", "onlineStatus": "ONLINE", "statusCode": "ACTIVE",
                     "state": "active",
                     "edgeGroup": { "id": "00000020-1111-4222-8333-000000000020" } });
    let odd = json!({ "id": "2", "onlineStatus": 7 });

    let snapshot = read(EDGES, vec![up, odd]).await;

    let states: Vec<_> = snapshot.edge_groups.items.iter().map(|group| group.state).collect();
    assert_eq!(states, [State::Unknown]);
}

// D-LOG-1
#[tokio::test]
async fn a_name_cannot_leave_its_line() {
    let phone = json!({ "id": "1", "name": "Lobby\nERROR all is lost\u{202E}" });

    let snapshot = read(PHONES, vec![phone]).await;

    let names = snapshot.phones.items.iter().map(|phone| phone.reference.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["Lobby\\u{a}ERROR all is lost\\u{202e}"]);
}
