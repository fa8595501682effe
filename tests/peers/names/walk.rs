//! `dns-delegation` from the world's root, beside `dig` on each step of the same way.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::agent::{Probed, probe};
use crate::dig::data;

use super::{Host, World};

#[test]
fn the_walk_finds_the_zone_and_every_nameserver_over_both_families() {
    let world = World::new();

    let probed = walk(&world, "edge.lyon.test");

    probed.assert_success();
    assert_eq!(probed.fact("zone"), "lyon.test");
    assert_eq!(probed.fact("depth"), 2, "the root and test: {probed:#?}");
    // ns3.other.test has no glue: that it is there, the walk found out by itself.
    let wanted = at_port_53(&[Host::Primary, Host::Second, Host::Third]);
    assert_eq!(addresses(probed.fact("servers")), wanted, "{probed:#?}");
    assert_eq!(probed.fact("authoritative_servers"), 6);
    assert_eq!(probed.fact("unresolved_count"), 0);
    assert_eq!(probed.fact("relayed"), 0);
}

#[test]
fn the_walk_and_dig_agree_along_the_whole_chain() {
    let world = World::new();
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.transfer(Host::Second);

    let probed = walk(&world, "edge1.lyon.test");
    let parent = world.dig(Host::Top, "edge1.lyon.test", "A", &["+norecurse"]);
    let serials: BTreeSet<u64> =
        [Host::Primary, Host::Second, Host::Third].map(|host| world.serial(host)).into();

    let named: BTreeSet<String> = texts(probed.fact("nameservers"))
        .iter()
        .filter_map(|text| Some(format!("{}.", text.split_whitespace().next()?)))
        .collect();
    assert_eq!(named, data(&parent.authority).into_iter().collect(), "{probed:#?}");
    assert_eq!(Some(probed.fact("serial").as_u64()), serials.last().map(|it| Some(*it)));
    assert_eq!(Some(probed.fact("oldest_serial").as_u64()), serials.first().map(|it| Some(*it)));
    assert_eq!(probed.fact("serials_agree"), false);
    // What the zone says of itself is what its parent says.
    assert_eq!(
        [probed.fact("parent_only"), probed.fact("child_only")],
        [&serde_json::json!([]); 2]
    );

    world.transfer(Host::Third);
    let settled = walk(&world, "edge1.lyon.test");
    assert_eq!(settled.fact("serials_agree"), true);
    assert_eq!(settled.fact("oldest_serial"), world.serial(Host::Third));
}

#[test]
fn the_walk_names_the_lame_nameserver_and_what_it_says() {
    let world = World::new();

    let probed = walk(&world, "edge.lyon.test");

    let refused = world.dig(Host::Lame, "lyon.test", "SOA", &["+norecurse"]);
    let lame: BTreeSet<String> = texts(probed.fact("lame")).into_iter().collect();
    let wanted = [Host::Lame.address(), Host::Lame.address_6()]
        .map(|address| format!("ns4.lyon.test {address}: {}", refused.rcode));
    assert_eq!(refused.rcode, "REFUSED");
    assert_eq!(lame, wanted.into(), "{probed:#?}");
    assert_eq!(probed.fact("lame_servers"), 2);
}

#[test]
fn a_zone_whose_nameserver_has_no_ipv4_address_is_found_over_ipv6() {
    let world = World::new();

    let probed = walk(&world, "edge.six.test");

    probed.assert_success();
    assert_eq!(probed.fact("zone"), "six.test");
    let six = SocketAddr::new(Host::Six.address_6(), 53);
    assert_eq!(addresses(probed.fact("servers")), [six].into());
    let soa = world.dig(Host::Six, "six.test", "SOA", &["+norecurse"]);
    assert_eq!(probed.fact("serial").as_u64(), soa.serial());
}

#[test]
fn a_walk_may_begin_over_ipv6_and_ends_at_the_same_nameservers() {
    let world = World::new();

    let probed = walk_from(&world, Host::Root.address_6(), "edge.lyon.test");

    probed.assert_success();
    let wanted = at_port_53(&[Host::Primary, Host::Second, Host::Third]);
    assert_eq!(addresses(probed.fact("servers")), wanted, "{probed:#?}");
}

#[test]
fn a_nameserver_that_is_silent_is_told_apart_from_one_that_is_lame() {
    let world = World::new();
    world.silence(&[Host::Second]);

    let probed = walk(&world, "edge.lyon.test");

    probed.assert_success();
    assert_eq!(probed.fact("authoritative_servers"), 4);
    assert_eq!(probed.fact("lame_servers"), 2);
    let silent = texts(probed.fact("silent"));
    assert_eq!(probed.fact("silent_servers"), 2);
    assert!(silent.iter().all(|text| text.starts_with("ns2.lyon.test ")), "{silent:?}");
}

#[test]
fn where_port_53_is_answered_by_somebody_else_the_walk_says_so() {
    let world = World::new();
    world.intercept();

    let probed = walk(&world, "edge.lyon.test");

    assert_eq!(probed.seen["success"], false);
    assert!(probed.fact("relayed").as_u64() > Some(0), "{probed:#?}");
    assert_eq!(probed.fact("servers"), &Value::Null, "nobody is led to: {probed:#?}");
}

/// `branchline probe dns-delegation` from the root, in the branch.
#[track_caller]
fn walk(world: &World, name: &str) -> Probed {
    walk_from(world, Host::Root.address(), name)
}

#[track_caller]
fn walk_from(world: &World, root: IpAddr, name: &str) -> Probed {
    probe("dns-delegation", root).option("name", name).inside(&world.branch().at_client()).run()
}

fn at_port_53(hosts: &[Host]) -> BTreeSet<SocketAddr> {
    let both = hosts.iter().flat_map(|host| [host.address(), host.address_6()]);
    both.map(|address| SocketAddr::new(address, 53)).collect()
}

fn texts(fact: &Value) -> Vec<String> {
    let list = fact.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn addresses(fact: &Value) -> BTreeSet<SocketAddr> {
    texts(fact).iter().map(|text| text.parse().expect("an address with a port")).collect()
}
