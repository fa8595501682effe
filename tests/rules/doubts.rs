//! What a watched name must not be blamed for: claims that mean nothing, answers from the middle of
//! a change, and aliases that lead out of the zone.

use std::net::IpAddr;
use std::time::Duration;

use branchline::propagation::{self, Propagation, Says, Standing, Why};
use branchline::sight::{Compare, Shows, View};
use branchline::telephony::State;
use branchline_probes::Foreign;
use branchline_probes::dns_query::{
    ALIAS_TTL, ANSWER_COUNT, ANSWER_RRS, CHAIN, EXTENDED_ERRORS, LAST_TTL, RANDOM_LABEL,
};

use super::site::{Asked, Said, Site, edge, edge_group, named, read, watched};

const NXDOMAIN: Said = Said::Rejects(3);
const NEW: &str = "A 198.51.100.80";
const OLD: &str = "A 198.51.100.7";
const MADE_UP: &str = "A 203.0.113.66";
const ALIAS: &str = "CNAME edge.example.com.";

fn resolver() -> Asked {
    watched(View::Site, "192.0.2.53:53")
}

fn public() -> Asked {
    watched(View::Public, "192.0.2.99:53")
}

fn authority(last: u8) -> Asked {
    watched(View::Authoritative, &format!("192.0.2.{last}:53"))
}

fn serial(last: u8, serial: u64) -> Asked {
    authority(last).showing(Shows::Serial, "serial").with_serial(serial)
}

fn random_label(asked: &Asked) -> Asked {
    asked
        .clone()
        .showing(Shows::RandomLabel, "random")
        .with_records(&[MADE_UP], 60)
        .stating(&RANDOM_LABEL, true)
}

fn through_alias(asked: Asked) -> Asked {
    asked.stating(&CHAIN, ["lyon.example.net", "edge.example.com"].map(Foreign::new).to_vec())
}

fn alias_alone() -> Asked {
    through_alias(authority(1).with_records(&[ALIAS], 60)).stating(&ANSWER_COUNT, 0)
}

fn expecting(asked: Asked, address: &str) -> Asked {
    let address: IpAddr = address.parse().expect("an address");
    asked.declared(|it| it.expect = vec![address])
}

fn judged(site: &Site) -> Propagation {
    let mut names = propagation::of(&site.evidence());
    assert_eq!(names.len(), 1, "{names:#?}");
    names.remove(0)
}

fn says(name: &Propagation) -> Vec<Says> {
    name.sightings.iter().map(|it| it.says).collect()
}

#[test]
fn behind_an_alias_out_of_the_zone_the_expected_address_has_arrived() {
    let site = |of_resolver: &str| {
        let whole = through_alias(resolver().with_records(&[ALIAS, of_resolver], 60));
        Site::new()
            .saw(&expecting(alias_alone(), "198.51.100.80"), Said::Works)
            .saw(&expecting(whole, "198.51.100.80"), Said::Works)
    };

    assert_eq!(judged(&site(NEW)).standing, Standing::Propagated);
    assert_eq!(judged(&site(OLD)).standing, Standing::WrongAddress);
    assert_eq!(says(&judged(&site(OLD))), [Says::Wrong, Says::Unknown]);
}

#[test]
fn a_resolver_that_claims_authority_speaks_for_no_zone() {
    let liar = || resolver().authoritative().with_records(&[MADE_UP], 60);
    let site = Site::new()
        .saw(&authority(1).absent_for(60), NXDOMAIN)
        .saw(&liar(), Said::Works)
        .saw(&random_label(&liar()), Said::Unexpected);

    let name = judged(&site);

    assert_eq!(says(&name), [Says::MadeUp(Why::AnswersEverything), Says::Absent]);
    assert_eq!(name.standing, Standing::Intercepted);
}

#[test]
fn where_no_authority_can_be_asked_a_made_up_answer_has_not_arrived() {
    let made_up = resolver().with_records(&[MADE_UP], 60);
    let alone =
        Site::new().saw(&made_up, Said::Works).saw(&random_label(&made_up), Said::Unexpected);
    let beside_an_absence = Site::new()
        .saw(&made_up, Said::Works)
        .saw(&random_label(&made_up), Said::Unexpected)
        .saw(&public().absent_for(60), NXDOMAIN);
    let beside_the_record = Site::new()
        .saw(&made_up, Said::Works)
        .saw(&random_label(&made_up), Said::Unexpected)
        .saw(&public().with_records(&[NEW], 60), Said::Works);

    for site in [alone, beside_an_absence, beside_the_record] {
        let name = judged(&site);
        assert_eq!(name.standing, Standing::Intercepted, "{name:#?}");
        assert_eq!(name.sightings[0].says, Says::MadeUp(Why::AnswersEverything));
    }
}

#[test]
fn a_change_between_the_serial_and_the_record_is_a_change_and_no_contradiction() {
    let before = Site::new()
        .saw_each(&[
            (&authority(1).with_records(&[OLD], 60), Said::Works),
            (&authority(2).with_records(&[OLD], 60), Said::Works),
        ])
        .saw_each(&[(&serial(1, 7), Said::Works), (&serial(2, 7), Said::Works)]);

    let at_the_primary = before.saw_each(&[
        (&authority(1).with_records(&[NEW], 60), Said::Works),
        (&authority(2).with_records(&[OLD], 60), Said::Works),
    ]);
    let name = judged(&at_the_primary);
    assert_eq!(
        (says(&name), name.standing),
        (vec![Says::Current, Says::Behind], Standing::Propagating)
    );

    // The secondary transfers the zone after its serial was told to be the older one.
    let at_both = at_the_primary
        .saw_each(&[(&serial(1, 8), Said::Works), (&serial(2, 7), Said::Works)])
        .saw_each(&[
            (&authority(1).with_records(&[NEW], 60), Said::Works),
            (&authority(2).with_records(&[NEW], 60), Said::Works),
        ]);
    assert_eq!(judged(&at_both).standing, Standing::Propagated);
}

#[test]
fn one_serial_that_nobody_told_does_not_undo_the_others() {
    let site = Site::new()
        .saw_each(&[
            (&authority(1).with_records(&[NEW], 60), Said::Works),
            (&authority(2).with_records(&[OLD], 60), Said::Works),
            (&authority(3).with_records(&[NEW], 60), Said::Works),
        ])
        .saw_each(&[(&serial(1, 8), Said::Works), (&serial(2, 7), Said::Works)]);

    let name = judged(&site);

    assert_eq!(says(&name), [Says::Current, Says::Behind, Says::Current]);
}

#[test]
fn an_old_address_behind_an_alias_stays_as_long_as_the_part_that_is_old() {
    let ttls = |asked: Asked| {
        asked
            .stating(&ALIAS_TTL, Duration::from_secs(3000))
            .stating(&LAST_TTL, Duration::from_secs(5))
    };
    let right = through_alias(authority(1).with_records(&[ALIAS, NEW], 60));
    let same_alias = ttls(through_alias(resolver().with_records(&[ALIAS, OLD], 5)));
    let other_alias = ttls(resolver().with_records(&["CNAME old.example.com.", OLD], 5))
        .stating(&CHAIN, ["lyon.example.net", "old.example.com"].map(Foreign::new).to_vec());

    for (stale, seconds) in [(same_alias, 5), (other_alias, 3000)] {
        let name = judged(&Site::new().saw(&right, Said::Works).saw(&stale, Said::Works));
        assert_eq!(name.by, Some(name.sightings[0].heard + Duration::from_secs(seconds)));
    }
}

// F5
#[test]
fn no_prediction_reaches_further_than_a_day() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
        .saw(&resolver().with_records(&[OLD], 2_147_483_647), Said::Works);

    let name = judged(&site);

    assert_eq!(name.by, Some(name.sightings[0].heard + Duration::from_secs(86_400)));
}

// RFC 8767 §4
#[test]
fn what_a_resolver_serves_stale_is_old_without_a_time_and_not_made_up() {
    let stale = resolver()
        .with_records(&[OLD], 30)
        .stating(&EXTENDED_ERRORS, vec![Foreign::new("3 (Stale Answer)")]);
    let mut site = Site::new();
    for _ in 0..3 {
        site =
            site.saw(&authority(1).with_records(&[NEW], 600), Said::Works).saw(&stale, Said::Works);
    }

    let name = judged(&site);

    assert_eq!((name.sightings[0].says, name.by), (Says::Stale, None));
}

#[test]
fn addresses_of_edges_say_nothing_of_a_name_that_is_routed_by_place_or_of_edges_without_any() {
    let site = |compare: Compare, edges: Vec<branchline::telephony::Edge>| {
        let asked = resolver().with_records(&[NEW], 60).of_edge_group("Lyon");
        let asked = asked.declared(|it| it.compare = compare);
        Site::new().saw(&asked, Said::Works).vendor(|it| {
            it.edge_groups = read([edge_group("Lyon", State::Up)]);
            it.edges = read(edges);
        })
    };
    let with = |address: Option<&str>| {
        let mut edge = edge("lyon-1", State::Up);
        edge.edge_group = Some(named("Lyon"));
        edge.addresses = address.iter().map(|it| it.parse().expect("an address")).collect();
        edge
    };
    let elsewhere = || with(Some("10.0.0.7"));

    let held_to_them = judged(&site(Compare::Records, vec![elsewhere()]));
    let by_place = judged(&site(Compare::Chain, vec![elsewhere()]));
    let half_told = judged(&site(Compare::Records, vec![elsewhere(), with(None)]));

    assert_eq!(held_to_them.standing, Standing::WrongAddress);
    assert_eq!(by_place.standing, Standing::Propagated);
    assert_eq!(half_told.standing, Standing::Propagated);
}

#[test]
fn an_address_without_the_alias_of_the_zone_has_not_arrived() {
    let whole = |address: &str| resolver().with_records(&[address], 60);
    let without_alias = whole(OLD).stating(&CHAIN, vec![Foreign::new("lyon.example.net")]);
    let site = |compare: Compare| {
        Site::new()
            .saw(&alias_alone().declared(|it| it.compare = compare), Said::Works)
            .saw(&without_alias.clone().declared(|it| it.compare = compare), Said::Works)
    };

    for compare in [Compare::Records, Compare::Chain] {
        let name = judged(&site(compare));
        assert_eq!(says(&name), [Says::Stale, Says::Current], "{compare:?}");
    }
}

#[test]
fn more_records_than_are_kept_are_not_taken_for_the_expected_ones() {
    let many = resolver().with_records(&[NEW], 60).stating(&ANSWER_RRS, 70);
    let site = Site::new().saw(&expecting(many, "198.51.100.80"), Said::Works);

    assert_eq!(judged(&site).standing, Standing::WrongAddress);
}

#[test]
fn an_address_that_no_host_can_have_is_made_up_unless_it_is_expected() {
    for address in ["0.0.0.0", "255.255.255.255", "224.0.0.1"] {
        let sinkhole = resolver().with_records(&[&format!("A {address}")], 60);
        let alone = judged(&Site::new().saw(&sinkhole, Said::Works));
        let expected = judged(&Site::new().saw(&expecting(sinkhole, address), Said::Works));

        assert_eq!(says(&alone), [Says::MadeUp(Why::LeadsNowhere)], "{address}");
        assert_eq!(says(&expected), [Says::Current], "{address}");
    }
}
