//! What was changed just before something broke, and what a trunk hears of its proxies.

use std::time::{Duration, SystemTime};

use branchline::telephony::{
    Change, ChangedProperty, Proxy, Reference, Registration, Snapshot, State, Trunk,
};
use branchline_probes::Foreign;

use super::site::{BEGIN, Site, edge, edge_group, named, read, trunk};

const MINUTE: Duration = Duration::from_secs(60);

/// So long before the evidence is drawn.
fn ago(age: Duration) -> SystemTime {
    BEGIN + Duration::from_secs(1) - age
}

fn change(kind: &str, entity: Reference, when: SystemTime) -> Change {
    Change {
        when: Some(when),
        action: Foreign::new("Update"),
        kind: Foreign::new(kind),
        entity,
        ..Change::default()
    }
}

fn told(id: &str, says: impl FnOnce(&mut Snapshot)) -> Vec<(String, String)> {
    let finding = Site::new().vendor(says).judged_by(id).remove(0);
    finding.evidence.into_iter().skip(1).map(|it| (it.reference, it.text)).collect()
}

fn pair(reference: &str, text: &str) -> (String, String) {
    (reference.to_owned(), text.to_owned())
}

fn down(since: Option<SystemTime>) -> Trunk {
    Trunk {
        base: Some(named("Carrier")),
        edge: Some(named("Edge 1")),
        edge_group: Some(named("Lyon")),
        connected_since: since,
        ..trunk("Carrier on Edge 1", State::Down, Registration::NotApplicable)
    }
}

#[test]
fn the_change_of_a_trunks_settings_is_told_with_how_long_before_and_by_whom() {
    let evidence = told("trunk-down", |it| {
        it.trunks = read([down(Some(ago(5 * MINUTE)))]);
        let mut by = change("TrunkBase", named("Carrier"), ago(17 * MINUTE));
        by.by = Some(Foreign::new("Ada"));
        by.properties = vec![ChangedProperty {
            name: Foreign::new("trunk_enabled"),
            old: Some(Foreign::new("true")),
            new: Some(Foreign::new("false")),
        }];
        it.changes = read([by]);
    });

    assert_eq!(
        evidence,
        [pair(
            "update of trunk settings Carrier",
            "12 minutes before: trunk_enabled true → false, by Ada"
        )]
    );
}

#[test]
fn three_changes_are_told_the_newest_first_and_none_that_is_later_older_failed_or_of_others() {
    let evidence = told("trunk-down", |it| {
        it.trunks = read([down(Some(ago(10 * MINUTE)))]);
        let mut failed = change("Trunk", named("Carrier on Edge 1"), ago(11 * MINUTE));
        failed.status = Some(Foreign::new("FAILURE"));
        it.changes = read([
            change("Edge", named("Edge 1"), ago(40 * MINUTE)),
            change("EdgeGroup", named("Lyon"), ago(30 * MINUTE)),
            change("Edge", named("Edge 1"), ago(20 * MINUTE)),
            change("Edge", named("Edge 1"), ago(50 * MINUTE)),
            change("Edge", named("Edge 1"), ago(9 * MINUTE)),
            change("Edge", named("Edge 2"), ago(15 * MINUTE)),
            failed,
        ]);
    });

    assert_eq!(
        evidence,
        [
            pair("update of edge Edge 1", "10 minutes before"),
            pair("update of edge group Lyon", "20 minutes before"),
            pair("update of edge Edge 1", "30 minutes before"),
        ]
    );
}

#[test]
fn a_day_is_the_longest_that_a_change_is_remembered() {
    let at = |age| {
        told("edge-offline", |it| {
            it.edges = read([edge("Edge 1", State::Down)]);
            it.changes = read([change("Edge", named("Edge 1"), ago(age))]);
        })
    };
    let day = 24 * 60 * MINUTE;

    assert_eq!(at(day), [pair("update of edge Edge 1", "24 hours ago")]);
    assert_eq!(at(day + Duration::from_secs(1)), []);
}

#[test]
fn edges_and_groups_are_told_of_their_own_changes_and_a_group_of_its_edges() {
    let edge_1 = || {
        let mut it = edge("Edge 1", State::Down);
        it.edge_group = Some(named("Lyon"));
        it
    };
    let say = |it: &mut Snapshot| {
        it.edges = read([edge_1()]);
        it.edge_groups = read([edge_group("Lyon", State::Down)]);
        it.changes = read([change("Edge", named("Edge 1"), ago(3 * MINUTE))]);
    };

    let expected = [pair("update of edge Edge 1", "3 minutes ago")];
    assert_eq!(told("edge-offline", say), expected);
    assert_eq!(told("edge-group-not-ready", say), expected);
}

#[test]
fn a_name_counts_only_where_the_vendor_tells_no_id() {
    let with_id = |id: &str| {
        let entity = Reference { id: Foreign::new(id), name: Foreign::new("Edge 1") };
        told("edge-offline", |it| {
            it.edges = read([edge("Edge 1", State::Down)]);
            it.changes = read([change("Edge", entity, ago(MINUTE))]);
        })
    };

    assert_eq!(with_id("another").len(), 0);
    assert_eq!(with_id("").len(), 1);
}

#[test]
fn proxies_that_fail_are_told_one_by_one_in_the_vendors_words() {
    let proxy = |address: &str, answers, registration, problem: Option<&str>| Proxy {
        address: Foreign::new(address),
        answers,
        registration,
        problem: problem.map(Foreign::new),
        ..Proxy::default()
    };
    let registered = Registration::Registered;
    let evidence = told("trunk-unregistered", |it| {
        it.trunks = read([Trunk {
            proxies: vec![
                proxy("203.0.113.10:5060", Some(State::Up), registered, None),
                proxy(
                    "203.0.113.11:5060",
                    Some(State::Down),
                    Registration::Unregistered,
                    Some("Registration failed"),
                ),
            ],
            ..trunk("Carrier", State::Up, Registration::Unregistered)
        }]);
    });

    assert_eq!(
        evidence,
        [pair(
            "proxy 203.0.113.11:5060",
            "does not answer OPTIONS, does not register the trunk: Registration failed"
        )]
    );
}

#[test]
fn a_group_on_its_way_is_waited_for() {
    let of = |raw: &str| {
        let mut group = edge_group("Lyon", State::Down);
        group.raw = Foreign::new(raw);
        let site = Site::new().vendor(|it| it.edge_groups = read([group]));
        site.judged_by("edge-group-not-ready").remove(0)
    };

    let configuring = of("CONFIGURING");
    assert_eq!(
        configuring.summary,
        "edge group Lyon is not ready yet: the vendor says CONFIGURING"
    );
    assert!(configuring.next_step.starts_with("Wait: "), "{}", configuring.next_step);
    assert!(of("PENDING").summary.ends_with("PENDING"));
    assert_eq!(of("active, 1 of 2 edges up").summary, "edge group Lyon is not ready");
}
