//! Which readings of the vendor's state are changes.

use std::time::{Duration, SystemTime};

use branchline::callback::{Event, States};
use branchline::telephony::{
    ApiProblem, Edge, EdgeGroup, Part, Phone, PhoneState, Proxy, Reference, Registration, Snapshot,
    State, Trunk,
};
use branchline_probes::Foreign;
use serde_json::{Value, json};

const UNREGISTERED: Registration = Registration::Unregistered;
const REGISTERED: Registration = Registration::Registered;
const NOT_APPLICABLE: Registration = Registration::NotApplicable;

fn named(name: &str) -> Reference {
    Reference { id: Foreign::new(format!("id-of-{name}")), name: Foreign::new(name) }
}

fn read<T>(items: impl Into<Vec<T>>) -> Part<T> {
    let now = Some(SystemTime::UNIX_EPOCH);
    Part { items: items.into(), begun: now, read: now, ..Part::default() }
}

fn trunk(state: State, registration: Registration) -> Trunk {
    Trunk { reference: named("Carrier"), state, registration, ..Trunk::default() }
}

fn trunks(items: impl Into<Vec<Trunk>>) -> Snapshot {
    Snapshot { trunks: read(items), ..Snapshot::default() }
}

fn phones(states: &[PhoneState]) -> Snapshot {
    let phone = |(at, state): (usize, &PhoneState)| Phone {
        reference: named(&at.to_string()),
        state: *state,
        ..Phone::default()
    };
    let items: Vec<Phone> = states.iter().enumerate().map(phone).collect();
    Snapshot { phones: read(items), ..Snapshot::default() }
}

/// What is told of the last of these readings.
fn told(readings: &[Snapshot]) -> Vec<Event> {
    let mut states = States::default();
    let mut last = Vec::new();
    for reading in readings {
        last = states.note(reading);
    }
    last
}

/// The status that is told when a trunk that was this is now that.
fn status(before: (State, Registration), now: (State, Registration)) -> Option<Value> {
    let readings = [trunks([trunk(before.0, before.1)]), trunks([trunk(now.0, now.1)])];
    told(&readings).pop().map(|event| event.data["status"].clone())
}

#[test]
fn a_registration_is_told_in_the_envelope_of_the_vendors_guide() {
    let registered_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_715_783_515);
    let mut now = trunk(State::Up, REGISTERED);
    now.edge = Some(named("Edge 1"));
    let proxy = |at| Proxy { registration: REGISTERED, registered_at: at, ..Proxy::default() };
    now.proxies = vec![
        proxy(None),
        proxy(Some(registered_at)),
        proxy(Some(registered_at - Duration::from_secs(9))),
    ];

    let events = told(&[trunks([trunk(State::Up, UNREGISTERED)]), trunks([now])]);

    let [event] = &events[..] else { panic!("one event, not {events:?}") };
    let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_715_783_520);
    let envelope: Value =
        serde_json::from_slice(&event.envelope("wh-1", sent)).expect("it is JSON");
    assert_eq!(
        envelope,
        json!({
            "id": "wh-1",
            "event": "telephony:siptrunk:status",
            "timestamp": "2024-05-15T14:32:00.000Z",
            "data": {
                "edgeId": "id-of-Edge 1",
                "sipTrunkId": "id-of-Carrier",
                "status": "registered",
                "lastRegistrationTime": "2024-05-15T14:31:55.000Z"
            }
        })
    );
}

#[test]
fn a_trunks_status_is_its_registration_and_else_whether_it_is_up() {
    let up = (State::Up, NOT_APPLICABLE);
    let registered = (State::Up, REGISTERED);

    assert_eq!(status(registered, (State::Up, UNREGISTERED)), Some(json!("unregistered")));
    assert_eq!(status(registered, (State::Down, UNREGISTERED)), Some(json!("unregistered")));
    assert_eq!(status(registered, (State::Down, REGISTERED)), Some(json!("down")));
    assert_eq!(status(up, (State::Down, NOT_APPLICABLE)), Some(json!("down")));
    assert_eq!(status((State::Down, NOT_APPLICABLE), up), Some(json!("up")));
    assert_eq!(status(registered, registered), None);
    assert_eq!(status(up, (State::Unknown, Registration::Unknown)), None);
}

#[test]
fn the_first_reading_and_a_thing_that_is_new_are_no_change() {
    let other = Trunk { reference: named("Other"), ..trunk(State::Down, NOT_APPLICABLE) };

    assert_eq!(told(&[trunks([trunk(State::Down, UNREGISTERED)])]), []);
    let readings =
        [trunks([trunk(State::Up, REGISTERED)]), trunks([trunk(State::Up, REGISTERED), other])];
    assert_eq!(told(&readings), []);
}

#[test]
fn what_could_not_be_read_or_understood_or_grew_old_is_no_change_and_hides_none() {
    let before = || trunks([trunk(State::Up, REGISTERED)]);
    let after = || trunks([trunk(State::Up, UNREGISTERED)]);
    let mut unread = trunks([]);
    unread.trunks.read = None;
    let mut stale = trunks([]);
    stale.trunks.stale = true;
    let mut failed = before();
    failed.trunks.problem = Some(ApiProblem::Server { path: "/trunks", status: 503 });
    let mut partly = trunks([]);
    partly.trunks.unreadable = 1;
    let unknown = trunks([trunk(State::Unknown, Registration::Unknown)]);

    for between in [unread, stale, failed, partly, unknown] {
        assert_eq!(told(&[before(), between.clone()]), [], "{between:?}");
        assert_eq!(told(&[before(), between.clone(), before()]), [], "{between:?}");
        assert_eq!(told(&[before(), between.clone(), after()]).len(), 1, "{between:?}");
    }
}

#[test]
fn what_was_removed_comes_back_as_something_new() {
    let before = || trunks([trunk(State::Up, REGISTERED)]);

    assert_eq!(told(&[before(), trunks([]), trunks([trunk(State::Up, UNREGISTERED)])]), []);
}

#[test]
fn edges_and_groups_are_told_under_names_of_their_own_and_edges_out_of_service_are_not() {
    let reading = |state, is_in_service| {
        let edge = Edge { reference: named("Edge 1"), state, is_in_service, ..Edge::default() };
        let group = EdgeGroup { reference: named("Lyon"), state, ..EdgeGroup::default() };
        Snapshot { edges: read([edge]), edge_groups: read([group]), ..Snapshot::default() }
    };

    let events = told(&[reading(State::Up, true), reading(State::Down, true)]);
    let out = told(&[reading(State::Up, true), reading(State::Down, false)]);

    let told: Vec<_> = events.iter().map(|it| (it.name, it.subject.as_str(), &it.data)).collect();
    assert_eq!(
        told,
        [
            (
                "telephony:edge:status",
                "edge id-of-Edge 1",
                &json!({"edgeId": "id-of-Edge 1", "name": "Edge 1", "status": "down"})
            ),
            (
                "telephony:edgegroup:status",
                "edge group id-of-Lyon",
                &json!({"edgeGroupId": "id-of-Lyon", "name": "Lyon", "status": "down"})
            ),
        ]
    );
    assert_eq!(out.iter().map(|it| it.name).collect::<Vec<_>>(), ["telephony:edgegroup:status"]);
}

#[test]
fn phones_are_counted_by_how_they_changed() {
    use PhoneState::{Active, Failed, Pending, Unknown};

    let events = told(&[
        phones(&[Active, Active, Active, Pending, Active]),
        phones(&[Failed, Failed, Active, Active, Unknown]),
    ]);

    let told: Vec<&Value> = events.iter().map(|event| &event.data).collect();
    assert_eq!(
        told,
        [
            &json!({"from": "active", "to": "failed", "count": 2}),
            &json!({"from": "pending", "to": "active", "count": 1}),
        ]
    );
    assert!(events.iter().all(|it| it.name == "telephony:phones:status"), "{events:?}");
}
