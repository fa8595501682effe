//! Phones that get no configuration, and what is set up for another region.

use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity};
use branchline::telephony::{
    EdgeGroup, Location, Organization, Phone, PhoneState, Site as Branch, Snapshot, State,
};
use branchline_probes::Foreign;

use super::Row;
use super::site::{BEGIN, Site, edge, edge_group, named, phone, read};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "phone-provisioning-stuck",
        fires: || says(|it| it.phones = read([waiting(PhoneState::Pending, 901)])),
        owner: Owner::Phones,
        severity: Severity::Warning,
        subject: "phones",
        evidence: &["phone Desk"],
        silent: || {
            says(|it| {
                it.phones = read([
                    waiting(PhoneState::Pending, 900),
                    waiting(PhoneState::Active, 7200),
                    waiting(PhoneState::Unassigned, 7200),
                    waiting(PhoneState::Unknown, 7200),
                    phone("Offline", PhoneState::Failed),
                    phone("Since when?", PhoneState::Pending),
                ]);
            })
        },
    },
    Row {
        rule: "region-mismatch",
        fires: || of_region("eu-central-1", "us-east-1"),
        owner: Owner::Configuration,
        severity: Severity::Warning,
        subject: "Lyon SA",
        evidence: &["organisation Lyon SA"],
        silent: || {
            let same = of_region("eu-central-1", "EU-CENTRAL-1");
            same.vendor(|it| it.phones = read([phone("Offline", PhoneState::Failed)]))
        },
    },
];

/// The vendor says this, a second before the evidence is drawn.
fn says(change: impl FnOnce(&mut Snapshot)) -> Site {
    Site::new().vendor(change)
}

/// A phone that has been in a state for so many seconds.
fn waiting(state: PhoneState, seconds: u64) -> Phone {
    let since = BEGIN + Duration::from_secs(1) - Duration::from_secs(seconds);
    Phone { since: Some(since), ..phone("Desk", state) }
}

/// A phone whose provisioning failed, in the vendor's words.
fn refused(problem: &str) -> Phone {
    Phone { problem: Some(Foreign::new(problem)), ..phone("Desk", PhoneState::Failed) }
}

fn stuck(site: &Site) -> Vec<Finding> {
    site.judged_by("phone-provisioning-stuck")
}

#[test]
fn a_failed_provisioning_is_told_with_the_vendors_words_and_not_as_a_phone_that_is_offline() {
    let mut offline = phone("Lobby", PhoneState::Failed);
    offline.raw = Foreign::new("OFFLINE IN_SERVICE");
    let site = says(|it| it.phones = read([refused("403 from server"), offline]));

    let diagnosis = site.diagnosis();

    let told: Vec<_> = diagnosis.findings.iter().map(|it| (it.rule, &*it.summary)).collect();
    assert_eq!(
        told,
        [
            ("phones-offline", "1 of 2 phones are out of service"),
            ("phone-provisioning-stuck", "1 of 2 phones do not get their configuration"),
        ]
    );
    assert_eq!(diagnosis.findings[1].evidence[0].text, "the phone's words: 403 from server");
}

#[test]
fn how_long_a_phone_has_waited_is_told() {
    let site = says(|it| it.phones = read([waiting(PhoneState::Provisioning, 3_600)]));

    assert_eq!(stuck(&site)[0].evidence[0].text, "the phone's words, for 60 minutes");
}

#[test]
fn the_next_step_follows_the_vendors_words() {
    for (problem, word) in [
        ("TLS handshake failed: certificate has expired", "trust"),
        ("connection timed out", "TCP 443, and by UDP 69"),
        ("no DHCP option 160", "voice VLAN"),
        ("internal error", "voice VLAN and DHCP first"),
    ] {
        let site = says(|it| it.phones = read([refused(problem)]));
        let step = stuck(&site).remove(0).next_step;
        assert!(step.contains(word), "{problem}: {step}");
    }
}

#[test]
fn the_provisioning_host_is_named_where_the_group_tells_it() {
    let site = says(|it| {
        let url = Some(Foreign::new("https://lyon.example.net/config/"));
        let group = EdgeGroup { provisioning_url: url, ..edge_group("Lyon", State::Up) };
        it.edge_groups = read([group]);
        it.phones =
            read([Phone { edge_group: Some(named("Lyon")), ..refused("connection timed out") }]);
    });

    let step = stuck(&site).remove(0).next_step;

    assert!(step.contains("out to lyon.example.net by TCP 443"), "{step}");
}

#[test]
fn a_phone_whose_edge_or_group_is_down_waits_for_that() {
    for (group, edge_state) in [(State::Down, State::Up), (State::Up, State::Down)] {
        let site = says(|it| {
            it.edge_groups = read([edge_group("Lyon", group)]);
            it.edges = read([edge("Edge 1", edge_state)]);
            let of = (Some(named("Lyon")), Some(named("Edge 1")));
            it.phones = read([Phone {
                edge_group: of.0,
                edge: of.1,
                ..waiting(PhoneState::Pending, 7_200)
            }]);
        });

        assert_eq!(stuck(&site), [], "{group:?} {edge_state:?}");
    }
}

#[test]
fn many_stuck_phones_are_counted_and_five_are_named() {
    let many: Vec<Phone> = (0..30).map(|_| waiting(PhoneState::Pending, 7_200)).collect();
    let finding = stuck(&says(|it| it.phones = read(many))).remove(0);

    assert_eq!(finding.summary, "30 of 30 phones do not get their configuration");
    assert_eq!(finding.evidence.len(), 5);
}

/// This region is asked, and the organisation lives in that one.
fn of_region(asked: &'static str, home: &str) -> Site {
    says(|it| {
        it.region = Some(asked);
        it.organization = read([lyon(home, &[])]);
    })
}

fn lyon(home: &str, media: &[&str]) -> Organization {
    Organization {
        reference: named("Lyon SA"),
        home_region: (!home.is_empty()).then(|| Foreign::new(home)),
        media_regions: media.iter().map(Foreign::new).collect(),
        ..Organization::default()
    }
}

fn regions(site: &Site) -> Vec<(String, String)> {
    let findings = site.judged_by("region-mismatch").into_iter();
    findings.map(|it| (it.subject, it.summary)).collect()
}

#[test]
fn edges_and_this_location_are_held_to_the_home_region_and_other_locations_are_not() {
    let place = |name: &str, region: &str| Location {
        reference: named(name),
        region: Some(Foreign::new(region)),
        ..Location::default()
    };
    let site = says(|it| {
        it.organization = read([lyon("us-east-1", &[])]);
        let mut far = edge("Edge 1", State::Up);
        far.region = Some(Foreign::new("eu-west-1"));
        let mut near = edge("Edge 2", State::Up);
        near.region = Some(Foreign::new("us-east-1"));
        it.edges = read([far, near, edge("Edge 3", State::Up)]);
        it.locations = read([place("Lyon office", "eu-west-2"), place("Nice", "eu-west-2")]);
    });

    assert_eq!(
        regions(&site),
        [
            (
                "Edge 1".to_owned(),
                "edge Edge 1 is of region eu-west-1, the organisation of us-east-1".to_owned()
            ),
            (
                "Lyon office".to_owned(),
                "location Lyon office is of region eu-west-2, the organisation of us-east-1"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn media_regions_of_a_site_are_compared_where_the_organisation_lists_its_own() {
    let site = |home: &str, known: &[&str], chosen: &[&str]| {
        says(|it| {
            it.organization = read([lyon(home, known)]);
            it.sites = read([Branch {
                reference: named("Lyon"),
                media_regions: chosen.iter().map(Foreign::new).collect(),
                ..Branch::default()
            }]);
        })
    };
    let fires =
        |home, known: &[&str], chosen: &[&str]| !regions(&site(home, known, chosen)).is_empty();

    assert!(fires("us-east-1", &["eu-west-1"], &["ap-south-1", "sa-east-1"]));
    assert!(!fires("us-east-1", &["eu-west-1"], &["ap-south-1", "eu-west-1"]));
    assert!(!fires("us-east-1", &["eu-west-1"], &["us-east-1"]), "the home region counts");
    assert!(!fires("us-east-1", &[], &["ap-south-1"]), "nothing is listed");
    assert!(!fires("us-east-1", &["eu-west-1"], &[]));
}

#[test]
fn without_a_region_of_the_vendors_nothing_is_compared() {
    let nothing = says(|it| {
        it.region = Some("eu-central-1");
        it.organization = read([lyon("", &[])]);
    });
    let not_ours = says(|it| it.organization = read([lyon("us-east-1", &[])]));

    assert_eq!((regions(&nothing), regions(&not_ours)), (Vec::new(), Vec::new()));
}
