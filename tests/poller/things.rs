//! What hints point at is read again, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use branchline::poller::{Haste, Narrowing, Poller, Settings};
use branchline::telephony::{Hint, PartName, Snapshot, State};
use branchline_probes::Foreign;
use serde_json::{Value, json};

use crate::contract::undocumented;
use crate::fake::{
    EDGE_GROUPS, EDGES, Fake, HASTE, PATIENT, PHONES, Reply, SITES, Seen, TOKEN, TRUNKS,
};
use crate::fake::{page, token};
use crate::{NONE, problems};

fn hint(part: PartName, id: &str) -> BTreeSet<Hint> {
    BTreeSet::from([Hint { part, id: Some(Foreign::new(id)) }])
}

fn edge(id: &str, online: bool) -> Value {
    let word = if online { "ONLINE" } else { "OFFLINE" };
    json!({ "id": id, "state": "active", "onlineStatus": word, "statusCode": "ACTIVE",
            "edgeGroup": { "id": "group" }, "site": { "id": "lyon" } })
}

fn trunk(id: &str, connected: bool) -> Value {
    json!({ "id": id, "state": "active", "inService": true, "enabled": true,
            "connectedStatus": { "connected": connected }, "edge": { "id": "edge-1" } })
}

fn phone(id: &str, word: &str) -> Value {
    json!({ "id": id, "name": id, "state": "active", "site": { "id": "lyon" },
            "status": { "operationalStatus": word, "edgesStatus": "IN_SERVICE" } })
}

/// A vendor whose office is well until the switch is thrown; then edge 1, its trunk and phone are
/// not, in listings and alone.
fn office(seen: &Seen, is_well: bool) -> Reply {
    let word = if is_well { "OPERATIONAL" } else { "OFFLINE" };
    match seen.path.strip_prefix(EDGES).unwrap_or(&seen.path) {
        TOKEN => token(seen),
        "" => page(&[edge("edge-1", is_well), edge("edge-2", true)]),
        "/edge-1" => Reply::json(200, &edge("edge-1", is_well)),
        "/edge-2" => Reply::json(200, &edge("edge-2", true)),
        "/edgegroups" => page(&[json!({ "id": "group", "state": "active" })]),
        "/trunks" => page(&[trunk("trunk-1", is_well), trunk("trunk-2", true)]),
        "/trunks/trunk-1" => Reply::json(200, &trunk("trunk-1", is_well)),
        "/phones" => page(&[phone("phone-1", word), phone("phone-2", "OPERATIONAL")]),
        "/phones/phone-1" => Reply::json(200, &phone("phone-1", word)),
        "/sites" => page(&[json!({ "id": "lyon", "location": { "id": "l", "name": "Lyon" } })]),
        _ => Reply::json(404, &json!({ "code": "not.found" })),
    }
}

struct Office {
    fake: Fake,
    is_well: Arc<AtomicBool>,
}

impl Office {
    async fn start() -> Self {
        let is_well = Arc::new(AtomicBool::new(true));
        let switch = Arc::clone(&is_well);
        let fake = Fake::start(move |seen| office(seen, switch.load(Ordering::SeqCst))).await;
        Self { fake, is_well }
    }

    fn fails(&self) {
        self.is_well.store(false, Ordering::SeqCst);
    }

    /// The paths that were asked for after the first `count` requests, sorted.
    fn asked_after(&self, count: usize) -> Vec<String> {
        let mut asked: Vec<_> =
            self.fake.seen().into_iter().skip(count).map(|seen| seen.path).collect();
        asked.sort();
        asked
    }
}

fn state_of(snapshot: &Snapshot, trunk: &str) -> Option<State> {
    let found = snapshot.trunks.items.iter().find(|it| it.reference.id.as_str() == trunk);
    found.map(|trunk| trunk.state)
}

// D-HOOK-3
#[tokio::test]
async fn a_hint_at_a_known_trunk_reads_that_trunk_and_leaves_the_age_of_its_part() {
    let office = Office::start().await;
    let poller = office.fake.poller(HASTE);
    let before = poller.read(&Snapshot::default()).await;
    let asked = office.fake.seen().len();
    office.fails();

    let after = poller.refresh(&before, &hint(PartName::Trunks, "trunk-1")).await;

    assert_eq!(office.asked_after(asked), [format!("{TRUNKS}/trunk-1")]);
    assert_eq!(undocumented(&office.fake.seen()), [""; 0]);
    assert_eq!(state_of(&before, "trunk-1"), Some(State::Up));
    assert_eq!(state_of(&after, "trunk-1"), Some(State::Down));
    assert_eq!(state_of(&after, "trunk-2"), Some(State::Up));
    assert_eq!(after.trunks.read, before.trunks.read);
    assert_eq!(after.trunks.begun, before.trunks.begun);
    assert_eq!(after.phones.items, before.phones.items);
}

#[tokio::test]
async fn a_hint_at_an_edge_whose_state_changed_judges_its_group_anew() {
    let office = Office::start().await;
    let poller = office.fake.poller(HASTE);
    let before = poller.read(&Snapshot::default()).await;

    let asked = office.fake.seen().len();
    let same = poller.refresh(&before, &hint(PartName::Edges, "edge-1")).await;
    assert_eq!(office.asked_after(asked), [format!("{EDGES}/edge-1")]);
    office.fails();
    let asked = office.fake.seen().len();
    let after = poller.refresh(&same, &hint(PartName::Edges, "edge-1")).await;

    assert_eq!(same.edge_groups.items, before.edge_groups.items);
    assert_eq!(before.edge_groups.items[0].state, State::Up);
    assert_eq!(after.edge_groups.items[0].state, State::Down);
    assert_eq!(after.edge_groups.items[0].raw.as_str(), "active, 1 of 2 edges up");
    assert_eq!(undocumented(&office.fake.seen()), [""; 0]);
    let paths = [
        EDGES.to_owned(),
        format!("{EDGES}/edge-1"),
        EDGE_GROUPS.to_owned(),
        format!("{EDGES}/logicalinterfaces"),
    ];
    assert_eq!(office.asked_after(asked), paths);
}

#[tokio::test]
async fn a_phone_that_is_read_alone_without_its_status_is_read_from_a_listing_of_its_name() {
    let is_well = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&is_well);
    let fake = Fake::start(move |seen| {
        let is_well = switch.load(Ordering::SeqCst);
        if seen.path == format!("{PHONES}/phone-1") {
            return Reply::json(200, &json!({ "id": "phone-1", "name": "Reception 1" }));
        }
        office(seen, is_well)
    })
    .await;
    let poller = fake.poller(HASTE);
    let before = poller.read(&Snapshot::default()).await;
    is_well.store(false, Ordering::SeqCst);

    let after = poller.refresh(&before, &hint(PartName::Phones, "phone-1")).await;

    assert_ne!(after.phones.items[0], before.phones.items[0]);
    assert_eq!(after.phones.items[1], before.phones.items[1]);
    let last = fake.seen().pop().expect("a request");
    assert!(last.query.contains(&("name".to_owned(), "Reception 1".to_owned())), "{last:?}");
    assert!(last.query.contains(&("expand".to_owned(), "status".to_owned())), "{last:?}");
    assert_eq!(undocumented(&fake.seen()), [""; 0]);
}

// F57
#[tokio::test]
async fn hints_at_what_nobody_knows_or_at_many_things_list_the_part_once() {
    let office = Office::start().await;
    let poller = office.fake.poller(HASTE);
    let before = poller.read(&Snapshot::default()).await;
    let asked = office.fake.seen().len();
    let many: BTreeSet<Hint> = (0..10_000)
        .map(|number| format!("phone-{number}"))
        .flat_map(|id| hint(PartName::Phones, &id))
        .collect();

    let after = poller.refresh(&before, &many).await;
    let unknown = poller.refresh(&after, &hint(PartName::Trunks, "trunk-7")).await;

    assert_eq!(office.asked_after(asked), [PHONES, TRUNKS]);
    assert!(after.phones.read > before.phones.read);
    assert!(unknown.trunks.read > before.trunks.read);
}

// F57
#[tokio::test]
async fn a_storm_of_unknown_ids_lists_the_part_once_in_30_s_and_then_with_the_next_reading() {
    let office = Office::start().await;
    let poller = office.fake.poller(PATIENT);
    let mut snapshot = poller.read(&Snapshot::default()).await;
    let asked = office.fake.seen().len();

    for number in 0..200 {
        let unknown = hint(PartName::Trunks, &format!("unknown-{number}"));
        snapshot = poller.refresh(&snapshot, &unknown).await;
    }
    let stormed = office.asked_after(asked);
    let listed = snapshot.trunks.read;
    let after = poller.read(&snapshot).await;

    assert_eq!(stormed, [TRUNKS], "of 200 hints");
    assert!(after.trunks.read > listed);
}

// F9
#[tokio::test]
async fn a_trunk_that_is_not_there_is_dropped_after_the_second_reading_that_finds_none() {
    let fake = Fake::start(|seen| {
        let is_gone = seen.path == format!("{TRUNKS}/trunk-1");
        if is_gone { Reply::json(404, &json!({ "code": "not.found" })) } else { office(seen, true) }
    })
    .await;
    let poller = fake.poller(HASTE);
    let known = poller.read(&Snapshot::default()).await;
    let hint = hint(PartName::Trunks, "trunk-1");

    let first = poller.refresh(&known, &hint).await;
    let second = poller.refresh(&first, &hint).await;

    assert_eq!(state_of(&first, "trunk-1"), Some(State::Up));
    assert_eq!(state_of(&second, "trunk-1"), None);
    assert_eq!(state_of(&second, "trunk-2"), Some(State::Up));
    assert_eq!(problems(&second), NONE, "no outage");
}

// F9
#[tokio::test]
async fn what_a_listing_still_has_in_between_is_not_dropped() {
    let fake = Fake::start(|seen| {
        let is_gone = seen.path == format!("{TRUNKS}/trunk-1");
        if is_gone { Reply::json(404, &json!({ "code": "not.found" })) } else { office(seen, true) }
    })
    .await;
    let poller = fake.poller(HASTE);
    let known = poller.read(&Snapshot::default()).await;
    let hint = hint(PartName::Trunks, "trunk-1");

    let first = poller.refresh(&known, &hint).await;
    let listed = poller.read(&first).await;
    let second = poller.refresh(&listed, &hint).await;

    assert_eq!(state_of(&second, "trunk-1"), Some(State::Up));
}

#[tokio::test]
async fn a_thing_that_cannot_be_read_is_looked_for_in_the_listing_and_a_failure_is_seen() {
    let failures = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&failures);
    let fake = Fake::start(move |seen| match count.load(Ordering::SeqCst) {
        1.. if seen.path == format!("{TRUNKS}/trunk-1") => Reply::json(200, &json!([7])),
        2.. if seen.path == TRUNKS => Reply::json(403, &json!({ "code": "missing.permissions" })),
        _ => office(seen, count.load(Ordering::SeqCst) == 0),
    })
    .await;
    // So fast that a listing may follow the other.
    let poller = fake.poller(Haste { waits: 1_000_000, ..HASTE });
    let known = poller.read(&Snapshot::default()).await;
    let hint = hint(PartName::Trunks, "trunk-1");

    failures.store(1, Ordering::SeqCst);
    let listed = poller.refresh(&known, &hint).await;
    failures.store(2, Ordering::SeqCst);
    let failed = poller.refresh(&listed, &hint).await;

    assert_eq!(state_of(&listed, "trunk-1"), Some(State::Down));
    let problem = failed.trunks.problem.as_ref().expect("a problem");
    assert_eq!(problem.label(), "permission");
    assert_eq!(failed.trunks.items, listed.trunks.items);
}

#[tokio::test]
async fn what_has_moved_to_another_location_is_not_kept() {
    let moved = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&moved);
    let fake = Fake::start(move |seen| {
        if switch.load(Ordering::SeqCst) && seen.path == format!("{PHONES}/phone-1") {
            let mut elsewhere = phone("phone-1", "OPERATIONAL");
            elsewhere["site"] = json!({ "id": "nice" });
            return Reply::json(200, &elsewhere);
        }
        office(seen, true)
    })
    .await;
    let narrowing = Narrowing { location: "Lyon".to_owned(), trunks: vec![], edge_groups: vec![] };
    let mut settings = Settings { narrowing: Some(narrowing), ..fake.settings() };
    settings.skip.remove(&PartName::Sites);
    let poller = Poller::hasty(settings, HASTE).expect("a poller");
    let known = poller.read(&Snapshot::default()).await;
    moved.store(true, Ordering::SeqCst);

    let after = poller.refresh(&known, &hint(PartName::Phones, "phone-1")).await;

    let ids = |snapshot: &Snapshot| -> Vec<String> {
        snapshot.phones.items.iter().map(|phone| phone.reference.id.to_string()).collect()
    };
    assert_eq!(ids(&known), ["phone-1", "phone-2"]);
    assert_eq!(ids(&after), ["phone-2"]);
    assert_eq!(fake.count(SITES), 1);
}
