//! The delegation from the root down, as `dig` walks it.

use std::net::IpAddr;

use crate::dig::{Dug, data};

use super::{Host, World};

#[test]
fn the_root_refers_to_the_nameserver_of_test() {
    let world = World::new();

    let referral = world.dig(Host::Root, "edge.lyon.test", "A", &["+norecurse"]);

    assert_refers(&referral, "test.", &["ns.test."]);
    assert_eq!(glue(&referral, "ns.test."), [Host::Top.address(), Host::Top.address_6()]);
}

#[test]
fn test_refers_to_four_nameservers_of_lyon_and_knows_the_addresses_of_three() {
    let world = World::new();

    let referral = world.dig(Host::Top, "edge.lyon.test", "A", &["+norecurse"]);

    let nameservers = ["ns1.lyon.test.", "ns2.lyon.test.", "ns3.other.test.", "ns4.lyon.test."];
    assert_refers(&referral, "lyon.test.", &nameservers);
    let glued = [Host::Primary, Host::Second, Host::Lame];
    for (name, host) in ["ns1.lyon.test.", "ns2.lyon.test.", "ns4.lyon.test."].iter().zip(glued) {
        assert_eq!(glue(&referral, name), [host.address(), host.address_6()], "{referral:?}");
    }
    assert!(glue(&referral, "ns3.other.test.").is_empty(), "{referral:?}");
}

#[test]
fn the_nameserver_without_glue_has_its_address_in_another_zone() {
    let world = World::new();

    let referral = world.dig(Host::Top, "ns3.other.test", "A", &["+norecurse"]);
    let address = world.dig(Host::Other, "ns3.other.test", "A", &["+norecurse"]);

    assert_refers(&referral, "other.test.", &["ns.other.test."]);
    assert!(address.has_flag("aa"), "{address:?}");
    assert_eq!(address.data(), [Host::Third.address().to_string()]);
}

#[test]
fn the_zone_names_the_nameservers_to_which_it_is_delegated() {
    let world = World::new();
    let sorted = |section: &[Vec<String>]| {
        let mut names = data(section);
        names.sort();
        names
    };

    let parent = world.dig(Host::Top, "lyon.test", "NS", &["+norecurse"]);

    for host in [Host::Primary, Host::Second, Host::Third] {
        let child = world.dig(host, "lyon.test", "NS", &["+norecurse"]);
        assert!(child.has_flag("aa"), "{host:?}: {child:?}");
        assert_eq!(sorted(&child.answers), sorted(&parent.authority), "{host:?}");
    }
}

#[test]
fn every_nameserver_of_lyon_but_the_lame_one_answers_with_authority() {
    let world = World::new();

    for host in [Host::Primary, Host::Second, Host::Third] {
        for address in [host.address(), host.address_6()] {
            let dug = world.dig(address, "edge.lyon.test", "A", &["+norecurse"]);
            assert!(dug.has_flag("aa"), "{host:?}: {dug:?}");
            assert_eq!((dug.data(), dug.ttl()), (vec!["10.77.2.21".to_owned()], Some(6)));
        }
    }
    let refused = world.dig(Host::Lame, "edge.lyon.test", "A", &["+norecurse"]);
    assert_eq!(refused.rcode, "REFUSED");
}

#[test]
fn six_test_is_reached_over_ipv6_only() {
    let world = World::new();

    let referral = world.dig(Host::Top, "edge.six.test", "A", &["+norecurse"]);
    let own = world.dig(Host::Six, "edge.six.test", "A", &["+norecurse"]);
    let resolved = world.dig(Host::Resolver, "edge.six.test", "A", &[]);

    assert_refers(&referral, "six.test.", &["ns.six.test."]);
    assert_eq!(glue(&referral, "ns.six.test."), [Host::Six.address_6()]);
    assert!(own.has_flag("aa"), "{own:?}");
    assert_eq!(own.data(), ["10.77.6.21"]);
    assert_eq!(resolved.data(), ["10.77.6.21"]);
    let queries = world.queries(Host::Six, "edge.six.test");
    let askers: Vec<IpAddr> = queries.iter().map(|query| query.from).collect();
    assert!(askers.contains(&Host::Resolver.address_6()), "{queries:?}");
    assert!(askers.iter().all(IpAddr::is_ipv6), "{queries:?}");
}

// RFC 1035 §4.2.1: TC; big.lyon.test is 12 records of some 150 bytes.
#[test]
fn an_answer_too_long_for_a_datagram_is_truncated_there_and_whole_over_tcp() {
    let world = World::new();

    for host in [Host::Primary, Host::Second, Host::Resolver] {
        let cut = world.dig(host, "big.lyon.test", "TXT", &["+ignore", "+bufsize=1232"]);
        let whole = world.dig(host, "big.lyon.test", "TXT", &["+tcp"]);

        assert!(cut.has_flag("tc"), "{host:?}: {cut:?}");
        assert!(!whole.has_flag("tc"), "{host:?}: {whole:?}");
        assert_eq!(whole.answers.len(), 12, "{host:?}");
    }
}

/// Asserts that this is no answer, but where to ask.
#[track_caller]
fn assert_refers(dug: &Dug, zone: &str, nameservers: &[&str]) {
    assert_eq!(dug.rcode, "NOERROR", "{dug:?}");
    assert!(!dug.has_flag("aa"), "{dug:?}");
    assert!(dug.answers.is_empty(), "{dug:?}");
    assert!(dug.authority.iter().all(|record| record[0] == zone && record[3] == "NS"), "{dug:?}");
    let mut named = data(&dug.authority);
    named.sort();
    assert_eq!(named, nameservers, "{dug:?}");
}

/// The addresses of a nameserver that a referral holds, IPv4 first.
fn glue(dug: &Dug, nameserver: &str) -> Vec<IpAddr> {
    let records = dug.additional.iter().filter(|record| record[0] == nameserver);
    let mut addresses: Vec<IpAddr> =
        records.map(|record| record[4].parse().expect("glue is an address")).collect();
    addresses.sort();
    addresses
}
