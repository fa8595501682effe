//! What is left of a reading that is narrowed to one location.

use std::collections::BTreeSet;

use branchline::poller::{Narrowing, Poller, Settings};
use branchline::telephony::{ApiProblem, Hint, PartName, Snapshot};
use serde_json::{Value, json};

use crate::fake::{
    EDGE_GROUPS, EDGES, Fake, HASTE, PHONES, Reply, SITES, Seen, TRUNKS, healthy, page,
};
use crate::{NONE, problems};

/// Two offices: each has a site, an edge in a group, a trunk and a phone; a third group is empty,
/// and a fourth has an edge of each.
fn two_offices(seen: &Seen) -> Reply {
    let site = |city: &str| json!({ "id": format!("site-{city}"), "name": city });
    let edge = |city: &str, group: &str, online: &str| {
        json!({ "id": format!("edge-{city}-{group}"), "site": site(city), "state": "active",
                "onlineStatus": online, "statusCode": "ACTIVE", "edgeGroup": { "id": group } })
    };
    let trunk = |city: &str| {
        json!({ "id": format!("trunk-{city}"), "name": format!("Carrier - {city}"),
                "trunkBase": { "id": "base", "name": format!("Carrier {city}") },
                "edge": { "id": format!("edge-{city}-{city}") } })
    };
    let phone = |city: &str| json!({ "id": format!("phone-{city}"), "site": site(city) });
    let group = |id: &str| json!({ "id": id, "state": "active" });
    let nowhere = |id: &str| json!({ "id": id });
    let located = |city: &str, office: &str| {
        let mut site = site(city);
        site["location"] = json!({ "id": format!("location-{city}"), "name": office });
        site
    };
    match seen.path.as_str() {
        SITES => page(&[
            located("lyon", "Lyon office"),
            located("nice", "Nice office"),
            nowhere("without-location"),
        ]),
        EDGES => page(&[
            edge("lyon", "lyon", "ONLINE"),
            edge("nice", "nice", "ONLINE"),
            edge("lyon", "both", "ONLINE"),
            edge("nice", "both", "OFFLINE"),
            nowhere("edge-without-site"),
        ]),
        EDGE_GROUPS => page(&["lyon", "nice", "both", "empty"].map(group)),
        TRUNKS => page(&[trunk("lyon"), trunk("nice"), nowhere("trunk-without-edge")]),
        PHONES => page(&[phone("lyon"), phone("nice"), nowhere("phone-without-site")]),
        _ => healthy(seen),
    }
}

fn narrowed_with(fake: &Fake, parts: &[PartName]) -> Poller {
    let narrowing =
        Narrowing { location: "Lyon office".to_owned(), trunks: vec![], edge_groups: vec![] };
    let mut settings = Settings { narrowing: Some(narrowing), ..fake.settings() };
    settings.skip.retain(|part| !parts.contains(part));
    Poller::hasty(settings, HASTE).expect("a poller")
}

fn narrowed(fake: &Fake, location: &str, links: [&[&str]; 2]) -> Poller {
    let [trunks, edge_groups] =
        links.map(|links| links.iter().map(|link| (*link).to_owned()).collect());
    let narrowing = Narrowing { location: location.to_owned(), trunks, edge_groups };
    let mut settings = Settings { narrowing: Some(narrowing), ..fake.settings() };
    settings.skip.remove(&PartName::Sites);
    Poller::hasty(settings, HASTE).expect("a poller")
}

/// The ids of each part.
fn ids(snapshot: &Snapshot) -> [Vec<&str>; 4] {
    [
        snapshot.edges.items.iter().map(|it| it.reference.id.as_str()).collect(),
        snapshot.edge_groups.items.iter().map(|it| it.reference.id.as_str()).collect(),
        snapshot.trunks.items.iter().map(|it| it.reference.id.as_str()).collect(),
        snapshot.phones.items.iter().map(|it| it.reference.id.as_str()).collect(),
    ]
}

#[tokio::test]
async fn what_belongs_to_the_location_is_kept_and_nothing_else() {
    let fake = Fake::start(two_offices).await;

    for location in ["Lyon office", "location-lyon"] {
        let snapshot = narrowed(&fake, location, [&[], &[]]).read(&Snapshot::default()).await;

        assert_eq!(problems(&snapshot), NONE);
        assert_eq!(snapshot.location.as_deref(), Some(location));
        assert_eq!(
            ids(&snapshot),
            [
                vec!["edge-lyon-lyon", "edge-lyon-both"],
                vec!["lyon", "both"],
                vec!["trunk-lyon"],
                vec!["phone-lyon"],
            ]
        );
        let both = snapshot.edge_groups.items[1].raw.as_str();
        assert_eq!(both, "active, 1 of 2 edges up", "by all of its edges");
    }
    let expand = ("expand".to_owned(), "location".to_owned());
    assert!(fake.seen().iter().any(|seen| seen.path == SITES && seen.query.contains(&expand)));
}

#[tokio::test]
async fn what_a_target_links_to_is_kept_wherever_it_is() {
    let fake = Fake::start(two_offices).await;
    let poller = narrowed(&fake, "Lyon office", [&["Carrier nice"], &["empty"]]);

    let snapshot = poller.read(&Snapshot::default()).await;

    let [_, groups, trunks, _] = ids(&snapshot);
    assert_eq!(groups, ["lyon", "both", "empty"]);
    assert_eq!(trunks, ["trunk-lyon", "trunk-nice"]);
}

#[tokio::test]
async fn without_a_location_no_site_is_asked_for_and_everything_is_kept() {
    let fake = Fake::start(two_offices).await;

    let snapshot = fake.poller(HASTE).read(&Snapshot::default()).await;

    assert_eq!(snapshot.location, None);
    assert_eq!(ids(&snapshot).map(|ids| ids.len()), [5, 4, 3, 3]);
    assert_eq!(fake.count(SITES), 0);
}

#[tokio::test]
async fn a_location_that_no_site_belongs_to_leaves_every_part_unread_and_says_so() {
    let fake = Fake::start(two_offices).await;
    let poller = narrowed(&fake, "Lyon ofice", [&["Carrier nice"], &["empty"]]);

    let snapshot = poller.read(&Snapshot::default()).await;

    for problem in problems(&snapshot) {
        let problem = problem.expect("a problem");
        assert_eq!(problem.label(), "location");
        let said = "the vendor has nothing at location `Lyon ofice`";
        assert_eq!(problem.to_string(), said);
    }
    assert_eq!(ids(&snapshot).map(|ids| ids.len()), [0; 4]);
}

#[tokio::test]
async fn without_the_sites_no_part_and_without_the_edges_no_trunk_can_be_told_to_be_ours() {
    let broken = |path: &'static str| {
        Fake::start(move |seen| {
            if seen.path == path { Reply::json(404, &Value::Null) } else { two_offices(seen) }
        })
    };
    let problem_of = |path| Some(ApiProblem::NotFound { path });

    let fake = broken(SITES).await;
    let poller = narrowed(&fake, "Lyon office", [&[], &[]]);
    let sites = problems(&poller.read(&Snapshot::default()).await);
    let fake = broken(EDGES).await;
    let poller = narrowed(&fake, "Lyon office", [&[], &[]]);
    let edges = problems(&poller.read(&Snapshot::default()).await);

    assert_eq!(sites, [(); 4].map(|()| problem_of(SITES)));
    let [_, _, _, phones] = &edges;
    assert_eq!(edges[..3], [(); 3].map(|()| problem_of(EDGES)));
    assert_eq!(*phones, None);
}

#[tokio::test]
async fn what_was_read_of_another_location_is_not_kept() {
    let fake = Fake::start(two_offices).await;
    let all = fake.poller(HASTE).read(&Snapshot::default()).await;
    let lyon = narrowed(&fake, "Lyon office", [&[], &[]]).read(&all).await;

    let nowhere = narrowed(&fake, "Nowhere", [&[], &[]]).read(&lyon).await;

    assert_eq!(ids(&nowhere).map(|ids| ids.len()), [0; 4]);
    assert_eq!(nowhere.edges.read, None);
}

// F9
#[tokio::test]
async fn sites_that_could_not_be_read_are_read_again_with_the_next_reading_and_are_no_wrong_location()
 {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        // One reading tries three times.
        SITES if seen.before < 3 => Reply::json(503, &Value::Null),
        _ => two_offices(seen),
    })
    .await;
    let poller = narrowed(&fake, "Lyon office", [&[], &[]]);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;

    let problem = Some(ApiProblem::Server { path: SITES, status: 503 });
    assert_eq!(problems(&first), [(); 4].map(|()| problem.clone()));
    assert_eq!(problems(&second), NONE);
    assert_eq!(ids(&second).map(|ids| ids.len()), [2, 2, 1, 1]);
}

#[tokio::test]
async fn a_refresh_without_sites_says_why_they_could_not_be_read() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        SITES => Reply::json(503, &Value::Null),
        _ => two_offices(seen),
    })
    .await;
    let poller = narrowed(&fake, "Lyon office", [&[], &[]]);
    let first = poller.read(&Snapshot::default()).await;

    let hint = Hint { part: PartName::Phones, id: None };
    let second = poller.refresh(&first, &BTreeSet::from([hint])).await;

    assert_eq!(second.phones.problem, Some(ApiProblem::Server { path: SITES, status: 503 }));
}

const AUDITS: &str = "/api/v2/audits/query/realtime";

/// Two offices with locations, and a change at each of their things.
fn two_audited_offices(seen: &Seen) -> Reply {
    let office = |city: &str| {
        json!({ "id": format!("location-{city}"), "name": if city == "lyon" { "Lyon office" } else { "Nice office" },
                "state": "active" })
    };
    let change = |id: &str| {
        json!({ "action": "Update", "entityType": "Phone", "entity": { "id": id },
                "eventDate": "2026-11-28T10:00:00.000Z" })
    };
    match seen.path.as_str() {
        "/api/v2/locations" => page(&[office("lyon"), office("nice")]),
        AUDITS => page(
            &[
                "edge-nice-nice",
                "edge-lyon-lyon",
                "base",
                "phone-nice",
                "phone-lyon",
                "lyon",
                "nice",
                "site-lyon",
                "site-nice",
                "location-lyon",
                "location-nice",
                "trunk-lyon",
                "trunk-nice",
            ]
            .map(change),
        ),
        _ => two_offices(seen),
    }
}

#[tokio::test]
async fn changes_and_locations_of_other_offices_are_not_kept() {
    let parts = [PartName::Sites, PartName::Locations, PartName::Changes];
    let fake = Fake::start(two_audited_offices).await;
    let all = Settings { skip: BTreeSet::new(), ..fake.settings() };
    let all = Poller::hasty(all, HASTE).expect("a poller").read(&Snapshot::default()).await;

    let here = narrowed_with(&fake, &parts).read(&Snapshot::default()).await;

    let changed: BTreeSet<_> = here.changes.items.iter().map(|it| it.entity.id.as_str()).collect();
    let ours = [
        "edge-lyon-lyon",
        "base",
        "phone-lyon",
        "lyon",
        "site-lyon",
        "location-lyon",
        "trunk-lyon",
    ];
    assert_eq!(changed, BTreeSet::from(ours));
    assert_eq!(all.changes.items.len(), 26, "of both services");
    assert_eq!(here.locations.items.len(), 1);
}

#[tokio::test]
async fn without_the_sites_neither_locations_nor_changes_of_other_offices_are_kept() {
    let parts = [PartName::Sites, PartName::Locations, PartName::Changes];
    let fake = Fake::start(|seen| match seen.path.as_str() {
        SITES => Reply::json(404, &Value::Null),
        _ => two_audited_offices(seen),
    })
    .await;

    let here = narrowed_with(&fake, &parts).read(&Snapshot::default()).await;

    let kept: Vec<_> = here.locations.items.iter().map(|it| it.reference.id.as_str()).collect();
    assert!(kept.iter().all(|id| *id == "location-lyon"), "{kept:?}");
    assert!(here.changes.items.is_empty());
    assert_eq!(here.changes.problem, Some(ApiProblem::NotFound { path: SITES }));
}
