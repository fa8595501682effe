//! Delegations that lead in circles, or on and on (RFC 1034 §5.3.3).

use branchline_probes::dns_delegation::{
    LEFT_OUT, NAMESERVERS, PARENT_ONLY, QUERIES, UNRESOLVED, UNRESOLVED_COUNT,
};

use crate::world::{
    A, Answer, COM, NET, NS, ROOT, SECONDS, World, Zone, address_record, at, labels, message,
    record, servers, texts,
};

/// A text that lives as long as the tests.
fn leaked(text: String) -> &'static str {
    text.leak()
}

// D-DNS-6, I1
#[test]
fn two_zones_that_are_each_in_the_other_end_by_name() {
    let mut world = World::with_com(Zone::new("com").glueless("example.com", "ns.example.net"));
    world.serve(NET, Zone::new("net").glueless("example.net", "ns.example.com"));

    let result = world.walk("www.example.com");

    assert_eq!(result.label(), "unexpected_answer");
    assert!(
        message(&result.outcome).contains("answered no usable server for example.com, expected"),
        "{}",
        message(&result.outcome)
    );
    assert_eq!(texts(&result.outcome, &UNRESOLVED), ["ns.example.net"]);
    // The root and com, the root and net for the one nameserver, com for the other.
    assert_eq!(result.sent.len(), 5);
}

#[test]
fn of_two_zones_in_each_other_a_third_server_finds_both() {
    let com = Zone::new("com").glueless("example.com", "ns.example.net").cut(
        "example.com",
        "z.example.com",
        "192.0.2.52",
    );
    let mut world = World::with_com(com);
    world.serve(NET, Zone::new("net").glueless("example.net", "ns.example.com"));
    let zone = Zone::new("example.com").ns("ns.example.net").ns("z.example.com");
    world.serve("192.0.2.52", zone.clone().host("ns.example.com", "192.0.2.61"));
    world.serve("192.0.2.61", Zone::new("example.net").host("ns.example.net", "192.0.2.51"));
    world.serve("192.0.2.51", zone);

    let result = world.walk("www.example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), ["192.0.2.52", "192.0.2.51"]);
}

#[test]
fn a_nameserver_that_is_only_in_its_own_zone_without_glue_has_no_address() {
    let mut world = World::with_com(Zone::new("com").glueless("example.com", "ns.example.com"));

    let result = world.walk("example.com");

    assert_eq!(result.label(), "unexpected_answer");
    // The root, com, and com once more for the nameserver itself.
    assert_eq!(result.sent.len(), 3);
}

// D-DNS-6, I1
#[test]
fn a_referral_back_up_is_no_way() {
    let com = Zone::new("com").cut("example.com", "ns.example.com", "192.0.2.51");
    let mut world = World::with_com(com);
    world.answers("192.0.2.51", |query, _| {
        let mut answer = Answer::to(query);
        answer.authorities.push(record("com", NS, 60, &labels("a.nic.com")));
        answer.additionals.push(address_record("a.nic.com", 60, COM));
        answer
    });

    let result = world.walk("example.com");

    assert!(message(&result.outcome).contains("no usable server for example.com: refers upward"));
    assert_eq!(world.asked.len(), 3);
}

// I3
#[test]
fn ways_that_wait_for_each_other_are_four_at_most() {
    // Each nameserver is in a zone whose nameserver is in the next zone, and so on.
    let mut net = Zone::new("net");
    for number in 0..30 {
        let zone = leaked(format!("z{number}.net"));
        net = net.glueless(zone, leaked(format!("ns.z{}.net", number + 1)));
    }
    let mut world = World::with_com(Zone::new("com").glueless("example.com", "ns.z0.net"));
    world.serve(NET, net);

    let result = world.walk("example.com");

    assert_eq!(result.label(), "unexpected_answer");
    let asked: Vec<_> = world.asked.iter().filter(|(_, _, kind)| *kind == A).collect();
    assert!(asked.iter().any(|(_, name, _)| name == "ns.z3.net"), "{asked:?}");
    assert!(!asked.iter().any(|(_, name, _)| name == "ns.z4.net"), "{asked:?}");
}

// I3
#[test]
fn a_way_through_more_zones_than_there_may_be_ends_by_name() {
    let name = leaked((0..20).map(|label| format!("l{label}.")).collect::<String>() + "com");
    let mut world = World::default();
    let mut depth = 0;
    world.twist(ROOT, move |query, _, _| {
        // Whoever is asked refers one label further down, to itself.
        depth += 1;
        let all: Vec<&str> = query.name.split('.').collect();
        let zone = all[all.len().saturating_sub(depth)..].join(".");
        let host = format!("ns.{zone}");
        let mut answer = Answer::to(query);
        answer.authorities.push(record(&zone, NS, 60, &labels(&host)));
        answer.additionals.push(address_record(&host, 60, ROOT));
        Some(answer.heard(at(ROOT)))
    });

    let result = world.walk(name);

    assert_eq!(result.label(), "unexpected_answer");
    assert!(message(&result.outcome).contains("within 16 zones"), "{}", message(&result.outcome));
    assert_eq!(world.asked.len(), 17);
}

// I2, I3
#[test]
fn a_way_of_more_questions_than_there_may_be_ends_by_name() {
    // Thirteen nameservers of as many zones, each with thirteen that nobody knows.
    let (mut com, mut net) = (Zone::new("com"), Zone::new("net"));
    for number in 0..13 {
        let zone = leaked(format!("z{number}.net"));
        com = com.glueless("example.com", leaked(format!("ns.z{number}.net")));
        for other in 0..13 {
            net = net.glueless(zone, leaked(format!("gone{other}.z{number}x.net")));
        }
    }
    let mut world = World::with_com(com);
    world.serve(NET, net);

    let result = world.walk("example.com");

    assert_eq!(result.label(), "unexpected_answer");
    assert!(message(&result.outcome).contains("within 37 queries"), "{}", message(&result.outcome));
    assert_eq!(world.asked.len(), 37);
    assert!(result.ended.elapsed() < 2 * SECONDS);
}

// I3
#[test]
fn of_a_huge_set_thirteen_nameservers_and_26_addresses_are_asked() {
    let mut com = Zone::new("com");
    for number in 0..40 {
        let name = leaked(format!("ns{number}.example.com"));
        for address in [1, 2, 3] {
            com = com.cut("example.com", name, leaked(format!("198.51.{number}.{address}")));
        }
    }
    let mut world = World::with_com(com);
    world.serve("198.51.0.1", Zone::new("example.com").ns("ns0.example.com"));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &NAMESERVERS).len(), 26);
    let facts = &result.outcome.facts;
    // 27 nameservers, and 13 of the 39 addresses of the others.
    assert_eq!(facts.read(&LEFT_OUT), Some(40));
    assert_eq!(facts.read(&UNRESOLVED_COUNT), Some(0));
    assert!(facts.read(&QUERIES) <= Some(64));
    // Who does not know the whole set finds no difference.
    assert_eq!(facts.read(&PARENT_ONLY), None);
}

#[test]
fn a_zone_of_thirteen_nameservers_elsewhere_takes_57_questions_each_on_a_leg_of_its_own() {
    let (mut com, mut net) = (Zone::new("com"), Zone::new("net"));
    let mut world = World::default();
    for number in 0..13 {
        let name = leaked(format!("ns.z{number}.net"));
        com = com.glueless("example.com", name);
        for address in [format!("198.51.{number}.1"), format!("2001:db8:{number}::1")] {
            let address = leaked(address);
            net = net.host(name, address);
            world.serve(address, Zone::new("example.com").ns(name));
        }
    }
    world.serve(ROOT, Zone::new(".").cut("com", "a.nic.com", COM).cut("net", "a.nic.net", NET));
    world.serve(COM, com);
    world.serve(NET, net);

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome).len(), 26);
    // The root twice, com, net twice for each name, the zone, its NS records, and all addresses.
    assert_eq!(result.outcome.facts.read(&QUERIES), Some(2 + 1 + 2 * 13 + 1 + 1 + 26));
    let legs: std::collections::BTreeSet<_> = result.opened.iter().map(|leg| leg.id).collect();
    assert_eq!((legs.len(), result.opened.len()), (57, 57));
}
