//! A change that reaches one nameserver after the other, and the resolver last.

use std::net::IpAddr;
use std::time::Duration;

use super::{Host, World};

#[test]
fn a_secondary_lags_until_it_transfers() {
    let world = World::new();
    let rcodes = || {
        [Host::Primary, Host::Second, Host::Third]
            .map(|host| world.dig(host, "edge1.lyon.test", "A", &["+norecurse"]).rcode)
    };
    assert_eq!(rcodes(), ["NXDOMAIN"; 3]);

    assert_eq!(world.publish("edge1.lyon.test 6 A 10.77.2.80"), 2);
    assert_eq!(rcodes(), ["NOERROR", "NXDOMAIN", "NXDOMAIN"]);
    assert_eq!(Host::SECONDARIES.map(|host| world.serial(host)), [1, 1]);

    world.transfer(Host::Second);
    assert_eq!(rcodes(), ["NOERROR", "NOERROR", "NXDOMAIN"]);
    assert_eq!(Host::SECONDARIES.map(|host| world.serial(host)), [2, 1]);

    world.transfer(Host::Third);
    assert_eq!(rcodes(), ["NOERROR"; 3]);
    assert_eq!(Host::SECONDARIES.map(|host| world.serial(host)), [2, 2]);
}

#[test]
fn what_is_replaced_or_removed_is_so_at_the_primary_first() {
    let world = World::new();
    let edge = |host| world.dig(host, "edge.lyon.test", "A", &["+norecurse"]).data();
    let alias = |host| world.dig(host, "sbc.lyon.test", "CNAME", &["+norecurse"]).rcode;

    assert_eq!(world.replace("edge.lyon.test", "A", "10.77.2.81"), 2);
    assert_eq!(world.remove("sbc.lyon.test"), 3);

    assert_eq!([Host::Primary, Host::Second].map(edge), [["10.77.2.81"], ["10.77.2.21"]]);
    assert_eq!([alias(Host::Primary), alias(Host::Second)], ["NXDOMAIN", "NOERROR"]);
    world.transfer_all();
    assert_eq!(Host::SECONDARIES.map(edge), [["10.77.2.81"]; 2]);
    assert_eq!(Host::SECONDARIES.map(alias), ["NXDOMAIN"; 2]);
}

#[test]
fn the_resolver_keeps_that_a_name_is_not_there_while_its_time_counts_down() {
    let world = World::new();
    let primed = world.prime("edge1.lyon.test", "A");
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.transfer_all();

    let watch = world.watch(Host::Resolver, "edge1.lyon.test", "A");
    let there = watch.await_heard(PATIENCE, "the new address", |heard| heard.rcode == 0);

    assert_eq!((primed.dug.rcode.as_str(), primed.dug.negative_ttl()), ("NXDOMAIN", Some(4)));
    assert_eq!(there.addresses, [IpAddr::from([10, 77, 2, 80])]);
    assert_eq!(there.ttl, Some(6));
    let heard = watch.heard();
    let before = heard.iter().take_while(|heard| heard.rcode == NXDOMAIN);
    let shown: Vec<_> = before.map(|heard| heard.ttl.expect("a SOA record has a TTL")).collect();
    assert!(shown.is_sorted_by(|earlier, later| earlier >= later), "{shown:?}");
    assert_eq!(shown.last(), Some(&0), "{shown:?}");
    let fetches = world.fetches(Host::Resolver, "edge1.lyon.test");
    assert_eq!(fetches.len(), 2, "one when it was primed, one when its time was over: {fetches:?}");
}

#[test]
fn a_resolver_that_hears_lagging_nameservers_only_begins_its_time_anew() {
    let world = World::new();
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.silence(&[Host::Primary]);
    world.prime("edge1.lyon.test", "A");

    let watch = world.watch(Host::Twin, "edge1.lyon.test", "A");
    let anew = watch.await_renewal().anew;
    world.transfer_all();
    let there = watch.await_heard(PATIENCE, "the new address", |heard| heard.rcode == 0);

    assert_eq!((anew.rcode, anew.ttl), (NXDOMAIN, Some(4)));
    // The TTL that was shown last holds, counted from when it was asked for.
    assert!(there.heard > anew.asked + Duration::from_secs(4), "{anew:?} {there:?}");
}

const NXDOMAIN: u8 = 3;

/// A few times what may be remembered.
const PATIENCE: Duration = Duration::from_secs(30);
