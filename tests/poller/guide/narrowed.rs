//! What is left of a reading that is narrowed to one location.

use std::collections::BTreeSet;

use branchline::poller::{Narrowing, Poller, Settings};
use branchline::telephony::{
    Edge, EdgeGroup, Hint, Part, PartName, Phone, Reference, Snapshot, Trunk,
};
use serde_json::json;

use super::{EDGES, GROUPS, LOCATIONS, all_problems, listing, phone, settings, tenant};
use crate::fake::{Fake, HASTE, Reply, Seen};

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
async fn the_locations_are_read_where_they_tell_what_is_here_even_if_they_are_to_be_left_out() {
    let fake = Fake::start(two_offices).await;
    let narrowing =
        Narrowing { location: "lyon".to_owned(), trunks: Vec::new(), edge_groups: Vec::new() };
    let skip = BTreeSet::from([PartName::Locations]);
    let settings = Settings { narrowing: Some(narrowing), skip, ..settings(&fake) };
    let poller = Poller::hasty(settings, HASTE).expect("a poller");

    let snapshot = poller.read(&Snapshot::default()).await;

    assert_eq!(all_problems(&snapshot), []);
    assert_eq!(ids(&snapshot)[0], ["edge-lyon"]);
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
        PartName::Locations,
        PartName::TrunkSettings,
        PartName::TrunkMetrics,
        PartName::Changes,
    ];
    assert_eq!(failed, expected);
    assert_eq!(snapshot.edges.problem.map(|it| it.label()), Some("location"));
    assert!(snapshot.locations.items.is_empty(), "of other offices");
}

// F9
#[tokio::test]
async fn locations_that_could_not_be_read_are_read_again_with_the_next_reading() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        // One reading tries three times.
        LOCATIONS if seen.before < 3 => Reply::new(503, ""),
        _ => two_offices(seen),
    })
    .await;
    let poller = narrowed(&fake, "lyon", &[], &[]);

    let first = poller.read(&Snapshot::default()).await;
    let second = poller.read(&first).await;

    assert_eq!(first.edges.problem.map(|it| it.label()), Some("server"));
    assert_eq!(all_problems(&second), []);
    assert_eq!(ids(&second)[0], ["edge-lyon"]);
}
