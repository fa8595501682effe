//! The way down to the zone that holds a name.

use branchline_probes::dns_delegation::{
    CHILD_ONLY, DEPTH, NAMESERVERS, PARENT_ONLY, QUERIES, SERIALS_AGREE, TTL, UNRESOLVED, ZONE,
};
use branchline_probes::{OptionValue, Phase};

use crate::desk::millis;
use crate::world::{
    A, AAAA, NET, NS, ROOT, SOA, World, Zone, at, labels, message, record, servers, texts,
};

/// `example.com` with two servers that are in it.
fn plain() -> World {
    let com = Zone::new("com").cut("example.com", "ns1.example.com", "192.0.2.51").cut(
        "example.com",
        "ns2.example.com",
        "2001:db8::52",
    );
    let mut world = World::with_com(com);
    for address in ["192.0.2.51", "2001:db8::52"] {
        let zone = Zone::new("example.com").ns("ns1.example.com").ns("ns2.example.com");
        world.serve(address, zone.host("www.example.com", "203.0.113.80"));
    }
    world
}

/// The names asked of `address`, with their types.
fn asked(world: &World, address: &str) -> Vec<(String, u16)> {
    let ip = at(address).ip();
    let asked = world.asked.iter().filter(|(it, ..)| *it == ip);
    asked.map(|(_, name, kind)| (name.clone(), *kind)).collect()
}

#[test]
fn from_the_root_two_referrals_lead_to_both_servers_of_the_zone() {
    let mut world = plain();

    let result = world.walk("www.example.com");

    assert_eq!(message(&result.outcome), "");
    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&ZONE).unwrap().as_str(), "example.com");
    assert_eq!(
        texts(&result.outcome, &NAMESERVERS),
        ["ns1.example.com 192.0.2.51", "ns2.example.com 2001:db8::52"]
    );
    assert_eq!(servers(&result.outcome), ["192.0.2.51", "2001:db8::52"]);
    assert_eq!((facts.read(&DEPTH), facts.read(&SERIALS_AGREE)), (Some(2), Some(true)));
    // Glue lives for an hour, the NS records for two days.
    assert_eq!(facts.read(&TTL), Some(millis(3_600_000)));
    // The root, com, the zone; its NS records; the SOA at both.
    assert_eq!(facts.read(&QUERIES), Some(6));
    let phases: Vec<Phase> = result.outcome.phases.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Request, Phase::Delegation, Phase::Authorities]);
}

#[test]
fn the_question_is_the_soa_of_the_name_without_recursion_each_from_a_port_of_its_own() {
    let mut world = plain();

    let result = world.walk("www.example.com");

    assert_eq!(asked(&world, ROOT), [("www.example.com".to_owned(), SOA)]);
    assert_eq!(
        asked(&world, "192.0.2.51"),
        [
            ("www.example.com".to_owned(), SOA),
            ("example.com".to_owned(), NS),
            ("example.com".to_owned(), SOA)
        ]
    );
    for (_, _, query) in &result.sent {
        // No RD; one question, and the OPT record of RFC 6891 with 1232 bytes.
        assert_eq!(query[2..12], [0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(query[query.len() - 11..][..5], [0, 0, 41, 0x04, 0xD0]);
    }
    // D-DNS-1, D-DNS-2
    let ids: std::collections::BTreeSet<_> = result.sent.iter().map(|it| &it.2[..2]).collect();
    assert_eq!((ids.len(), result.opened.len()), (6, 6));
    assert!(result.opened.iter().all(|leg| leg.local_port == 0));
}

#[test]
fn the_apex_itself_and_names_that_are_not_there_lead_to_the_same_zone() {
    for name in ["example.com", "WWW.Example.com.", "a.b.c.example.com"] {
        let result = plain().walk(name);

        assert_eq!(message(&result.outcome), "", "{name}");
        assert_eq!(result.outcome.facts.read(&ZONE).unwrap().as_str(), "example.com", "{name}");
    }
}

#[test]
fn an_alias_is_not_followed_its_own_zone_counts() {
    let mut world =
        World::with_com(Zone::new("com").cut("example.com", "ns.example.com", "192.0.2.51"));
    let zone = Zone::new("example.com").ns("ns.example.com");
    world.serve("192.0.2.51", zone.alias("a.b.example.com", "edge.example.net"));

    let result = world.walk("a.b.example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(result.outcome.facts.read(&ZONE).unwrap().as_str(), "example.com");
    assert!(!world.was_asked(NET));
}

// RFC 2308 §2.1: the SOA beside an alias is that of its target's zone.
#[test]
fn the_soa_of_an_aliass_target_is_not_taken_for_the_zone_of_the_name() {
    let mut world =
        World::with_com(Zone::new("com").cut("example.com", "ns.example.com", "192.0.2.51"));
    let zone = Zone::new("example.com").ns("ns.example.com");
    world.serve("192.0.2.51", zone.alias("a.example.com", "b.a.example.com"));
    world.answers("192.0.2.51", |query, honest| {
        let mut answer = honest.clone();
        if query.name == "a.example.com" {
            answer.authorities.push(crate::world::soa("a.example.com", 9));
        }
        answer
    });

    let result = world.walk("a.example.com");

    assert_eq!(result.outcome.facts.read(&ZONE).unwrap().as_str(), "example.com");
}

#[test]
fn a_nameserver_outside_the_zone_is_walked_to_by_both_families() {
    let mut world = World::with_com(Zone::new("com").glueless("example.com", "ns.example.net"));
    world.serve(NET, Zone::new("net").cut("example.net", "a.example.net", "192.0.2.61"));
    let hosts = Zone::new("example.net").host("ns.example.net", "192.0.2.51");
    world.serve("192.0.2.61", hosts.host("ns.example.net", "2001:db8::51"));
    for address in ["192.0.2.51", "2001:db8::51"] {
        world.serve(address, Zone::new("example.com").ns("ns.example.net"));
    }

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), ["192.0.2.51", "2001:db8::51"]);
    let at_its_zone = asked(&world, "192.0.2.61");
    assert_eq!(
        at_its_zone,
        [("ns.example.net".to_owned(), A), ("ns.example.net".to_owned(), AAAA)]
    );
    // The address lives for five minutes, less than the NS record.
    assert_eq!(result.outcome.facts.read(&TTL), Some(millis(300_000)));
    assert_eq!(result.outcome.facts.read(&DEPTH), Some(2));
}

// RFC 2181 §10.3
#[test]
fn a_nameserver_that_is_an_alias_has_no_address() {
    let com = Zone::new("com").glueless("example.com", "ns.example.net").cut(
        "example.com",
        "ns.example.com",
        "192.0.2.51",
    );
    let mut world = World::with_com(com);
    world.serve(NET, Zone::new("net").alias("ns.example.net", "real.example.net"));
    world.serve("192.0.2.51", Zone::new("example.com").ns("ns.example.com"));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &UNRESOLVED), ["ns.example.net"]);
    assert_eq!(asked(&world, NET), [("ns.example.net".to_owned(), A)]);
}

#[test]
fn a_server_that_shows_its_ns_records_where_there_is_no_address_has_answered() {
    let mut world = World::with_com(Zone::new("com").glueless("example.com", "ns.example.net"));
    world.serve(NET, Zone::new("net").host("ns.example.net", "2001:db8::51"));
    world.answers(NET, |query, honest| {
        let mut answer = honest.clone();
        if query.kind == A {
            answer.authorities = vec![record("net", NS, 60, &labels("a.nic.net"))];
        }
        answer
    });
    world.serve("2001:db8::51", Zone::new("example.com").ns("ns.example.net"));

    let result = world.walk("example.com");

    assert_eq!(servers(&result.outcome), ["2001:db8::51"]);
}

#[test]
fn a_zone_with_ipv6_alone_is_found() {
    let mut world = World::with_com(Zone::new("com").glueless("example.com", "ns.example.net"));
    world.serve(NET, Zone::new("net").host("ns.example.net", "2001:db8::51"));
    world.serve("2001:db8::51", Zone::new("example.com").ns("ns.example.net"));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), ["2001:db8::51"]);
}

#[test]
fn where_one_server_has_the_parent_too_the_zones_own_set_counts() {
    let com = Zone::new("com").cut("example.com", "ns9.example.com", "192.0.2.59");
    let mut world = World::with_com(com);
    let zone = Zone::new("example.com").ns("ns1.example.com").ns("ns2.example.net");
    let zone = zone.host("ns1.example.com", "192.0.2.51");
    world.serve(crate::world::COM, zone.clone());
    world.serve("192.0.2.51", zone.clone());
    world.serve("192.0.2.52", zone);
    world.serve(NET, Zone::new("net").host("ns2.example.net", "192.0.2.52"));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(result.outcome.facts.read(&ZONE).unwrap().as_str(), "example.com");
    assert_eq!(
        texts(&result.outcome, &NAMESERVERS),
        ["ns1.example.com 192.0.2.51", "ns2.example.net 192.0.2.52"]
    );
    assert_eq!(result.outcome.facts.read(&PARENT_ONLY), None);
}

#[test]
fn a_start_that_is_authoritative_itself_leads_to_the_servers_that_its_zone_names() {
    let mut world = World::default();
    let zone = Zone::new("example.com").ns("ns1.example.com").ns("ns2.example.com");
    let zone = zone.host("ns1.example.com", ROOT).host("ns2.example.com", "192.0.2.52");
    world.serve(ROOT, zone.clone());
    world.serve("192.0.2.52", zone);

    let result = world.walk("www.example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), [ROOT, "192.0.2.52"]);
    assert_eq!(result.outcome.facts.read(&DEPTH), Some(0));
}

// RFC 1034 §4.2.2
#[test]
fn where_parent_and_zone_name_different_servers_both_differences_are_told() {
    let com = Zone::new("com").cut("example.com", "both.example.com", "192.0.2.51").cut(
        "example.com",
        "old.example.com",
        "192.0.2.52",
    );
    let mut world = World::with_com(com);
    for address in ["192.0.2.51", "192.0.2.52"] {
        let zone = Zone::new("example.com").ns("both.example.com");
        world.serve(address, zone.ns("new.example.com"));
    }

    let result = world.walk("example.com");

    assert_eq!(texts(&result.outcome, &PARENT_ONLY), ["old.example.com"]);
    assert_eq!(texts(&result.outcome, &CHILD_ONLY), ["new.example.com"]);
    assert_eq!(servers(&result.outcome), ["192.0.2.51", "192.0.2.52"]);
}

#[test]
fn where_both_sides_agree_no_difference_is_told() {
    let result = plain().walk("example.com");

    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&PARENT_ONLY), Some(Vec::new()));
    assert_eq!(facts.read(&CHILD_ONLY), Some(Vec::new()));
}

#[test]
fn the_same_seed_says_the_same_bytes_and_another_says_others() {
    let trace = |seed| plain().walk_with("www.example.com", ROOT, &[], seed).trace;

    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn a_name_that_is_none_is_refused_with_the_way_out() {
    let probe = crate::desk::probe("dns-delegation");
    let mut options = branchline_probes::Options::defaults(probe.options());
    let missing = probe.module(&options).err().map(|bad| bad.to_string());
    options.set(&probe.options()[0], OptionValue::Text("a..b".to_owned()));
    let bad = probe.module(&options).err().map(|bad| bad.to_string());

    assert_eq!(missing.as_deref(), Some("`name` is missing"));
    assert!(bad.is_some_and(|it| it.starts_with("`name` is no domain name")));
}
