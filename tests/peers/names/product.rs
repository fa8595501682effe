//! The product beside `dig`, asking the same servers from the same branch.

use crate::agent::Probed;
use crate::dig::{Dug, answers, assert_agree};

use super::{Host, World};

#[test]
fn the_product_and_dig_agree_about_each_nameserver_of_a_half_published_name() {
    let world = World::new();
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.transfer(Host::Second);

    for (host, rcode) in
        [(Host::Primary, "NOERROR"), (Host::Second, "NOERROR"), (Host::Third, "NXDOMAIN")]
    {
        for address in [host.address(), host.address_6()] {
            let probe = world.probe(address, "edge1.lyon.test", "A");
            let probed = probe.option("recursion", "false").run();
            let dug = world.dig(address, "edge1.lyon.test", "A", &["+norecurse"]);

            assert_agree(&probed, &dug);
            assert_eq!(probed.fact("rcode"), rcode, "{host:?}: {probed:#?}");
        }
    }
    let refused = world.probe(Host::Lame, "edge1.lyon.test", "A").run();
    assert_eq!(refused.fact("rcode"), "REFUSED", "{refused:#?}");
}

#[test]
fn the_product_and_dig_agree_about_what_a_resolver_remembers_and_for_how_long() {
    let world = World::new();

    for name in ["edge.lyon.test", "nobody.lyon.test"] {
        world.prime(name, "A");
        let before = world.dig(Host::Resolver, name, "A", &[]);
        let probed = world.probe(Host::Resolver, name, "A").run();
        let after = world.dig(Host::Resolver, name, "A", &[]);

        assert_eq!(probed.fact("rcode"), before.rcode.as_str(), "{probed:#?}");
        assert_eq!(probed.fact("authoritative"), false, "{probed:#?}");
        assert_eq!(probed.fact("recursion_available"), true, "{probed:#?}");
        let ttl = probed_ttl(&probed);
        assert!(dug_ttl(&before) >= ttl && ttl >= dug_ttl(&after), "{before:?} {ttl} {after:?}");
    }
}

#[test]
fn the_product_and_dig_agree_about_an_answer_that_is_truncated() {
    let world = World::new();

    let probe = world.probe(Host::Primary, "big.lyon.test", "TXT");
    let probed = probe.option("recursion", "false").run();
    let dug = world.dig(Host::Primary, "big.lyon.test", "TXT", &["+norecurse"]);

    probed.assert_success();
    assert_agree(&probed, &dug);
    assert_eq!(probed.fact("truncated"), true);
    assert_eq!(answers(&probed).len(), 12);
}

#[test]
fn the_product_and_dig_agree_about_a_nameserver_that_has_ipv6_only() {
    let world = World::new();

    let probe = world.probe(Host::Six, "edge.six.test", "A");
    let probed = probe.option("recursion", "false").run();
    let dug = world.dig(Host::Six, "edge.six.test", "A", &["+norecurse"]);

    probed.assert_success();
    assert_agree(&probed, &dug);
    assert_eq!(answers(&probed), ["A 10.77.6.21"]);
    assert_eq!(probed.seen["address"], format!("[{}]:53", Host::Six.address_6()));
}

#[test]
fn the_product_sees_that_a_nameserver_which_is_intercepted_speaks_as_a_resolver() {
    let world = World::new();
    let ask = || {
        let probe = world.probe(Host::Primary, "edge.lyon.test", "A");
        let probed = probe.run();
        ["authoritative", "recursion_available"].map(|fact| probed.fact(fact).as_bool())
    };

    assert_eq!(ask(), [Some(true), Some(false)]);
    world.intercept();
    assert_eq!(ask(), [Some(false), Some(true)]);
}

/// For how many seconds an answer of the product, or the lack of one, may be remembered.
fn probed_ttl(probed: &Probed) -> f64 {
    let ttls = ["ttl_seconds", "negative_ttl_seconds"].map(|fact| probed.fact(fact).as_f64());
    ttls.into_iter().flatten().next().unwrap_or_else(|| panic!("no TTL in {probed:#?}"))
}

/// The same of `dig`.
fn dug_ttl(dug: &Dug) -> f64 {
    let ttl = dug.ttl().or_else(|| dug.negative_ttl());
    u32::try_from(ttl.expect("there is a record")).expect("a TTL has 32 bits").into()
}
