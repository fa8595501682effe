//! The moment that the product predicts, against the moment at which unbound really answers anew.
//!
//! It counts in whole seconds of the clock and keeps a TTL of 0 to the end of its second, so it
//! answers anew up to a second after what it shows; a prediction can be no better than that.

use std::time::{Duration, SystemTime};

use super::clock::{self, assert_within};
use super::office::{Office, name};
use super::{Host, World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_old_at_the_resolver_is_gone_within_a_second_of_the_predicted_moment() {
    let world = World::new();
    let office = Office::watching(&name("edge.lyon.test", ""));
    for (trial, address) in ["10.77.2.81", "10.77.2.82", "10.77.2.83"].into_iter().enumerate() {
        let over = world.prime("edge.lyon.test", "A").over();
        world.replace("edge.lyon.test", "A", address);
        world.transfer_all();
        // At another place of the second each time.
        clock::await_place_in_second(Duration::from_millis(50 + 400 * trial as u64));

        let report = office.check(&world);
        let renewal = world.watch(Host::Twin, "edge.lyon.test", "A").await_renewal();

        assert_eq!(report.says(Host::Resolver), "stale", "{report:#?}");
        let until = clock::moment(&report.of(Host::Resolver)["until"]);
        assert_eq!(clock::moment(&report.name()["propagated_by"]), until);
        assert_within(SECOND, until, &renewal);
        assert!(renewal.is_at(over), "both forget at once: {over:?} {renewal:?}");
        assert_eq!(renewal.anew.addresses, [address.parse::<std::net::IpAddr>().unwrap()]);
    }
}

#[test]
fn that_there_is_none_is_forgotten_within_a_second_of_the_predicted_moment() {
    let world = World::new();
    for (trial, label) in ["edge1", "edge2", "edge3"].into_iter().enumerate() {
        let edge = format!("{label}.lyon.test");
        let office = Office::watching(&name(&edge, "expect = [\"10.77.2.80\"]"));
        world.prime(&edge, "A");
        world.publish(&format!("{edge} 6 A 10.77.2.80"));
        world.transfer_all();
        clock::await_place_in_second(Duration::from_millis(50 + 400 * trial as u64));

        let report = office.check(&world);
        let renewal = world.watch(Host::Twin, &edge, "A").await_renewal();

        assert_eq!(report.says(Host::Resolver), "stale", "{report:#?}");
        assert_within(SECOND, clock::moment(&report.name()["propagated_by"]), &renewal);
        assert_eq!((renewal.last.rcode, renewal.anew.rcode), (3, 0));
    }
}

// RFC 1035 §3.3.13: a secondary looks for a change once in REFRESH, here an hour.
#[test]
fn a_secondary_that_is_behind_puts_the_prediction_off_by_its_refresh() {
    let world = World::new();
    let office = Office::watching(&name("edge1.lyon.test", "expect = [\"10.77.2.80\"]"));
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.transfer(Host::Second);

    let before = SystemTime::now();
    let report = office.check(&world);

    let until = clock::moment(&report.of(Host::Third)["until"]);
    let refresh = Duration::from_secs(3600);
    assert!((before + refresh..=SystemTime::now() + refresh).contains(&until), "{report:#?}");
    assert!(clock::moment(&report.name()["propagated_by"]) >= until);
}
