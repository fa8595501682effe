//! What a server claims beyond its own zone, and where a claim may lead (D-DNS-7, D-STUN-6).

use branchline_probes::dns_delegation::{NAMESERVERS, REFUSED_ADDRESSES, UNRESOLVED};

use crate::world::{COM, NET, ROOT, World, Zone, address_record, message, servers, texts};

// RFC 2181 §5.4.1
#[test]
fn an_address_of_a_host_outside_the_referring_zone_is_not_believed() {
    // `com` says where a host of `net` is, and lies.
    let com = Zone::new("com").cut("example.com", "ns.example.net", "203.0.113.66");
    let mut world = World::with_com(com);
    world.serve(NET, Zone::new("net").host("ns.example.net", "192.0.2.51"));
    for address in ["192.0.2.51", "203.0.113.66"] {
        world.serve(address, Zone::new("example.com").ns("ns.example.net"));
    }

    let result = world.walk("example.com");

    assert_eq!(texts(&result.outcome, &NAMESERVERS), ["ns.example.net 192.0.2.51"]);
    assert!(!world.was_asked("203.0.113.66"));
}

#[test]
fn an_address_of_a_host_that_no_referral_names_is_not_used() {
    let com = Zone::new("com").cut("example.com", "ns.example.com", "192.0.2.51");
    let mut world = World::with_com(com);
    world.serve("192.0.2.51", Zone::new("example.com").ns("ns.example.com"));
    world.answers(COM, |_, honest| {
        let mut answer = honest.clone();
        answer.additionals.push(address_record("other.example.com", 60, "203.0.113.66"));
        answer
    });

    let result = world.walk("example.com");

    assert_eq!(servers(&result.outcome), ["192.0.2.51"]);
    assert!(!world.was_asked("203.0.113.66"));
}

#[test]
fn a_host_of_a_neighbouring_zone_of_similar_name_is_outside_too() {
    let com = Zone::new("com").cut("example.com", "ns.xcom", "203.0.113.66");
    let mut world = World::with_com(com);
    world.serve("203.0.113.66", Zone::new("example.com"));

    let result = world.walk("example.com");

    assert_eq!(result.label(), "unexpected_answer");
    assert!(!world.was_asked("203.0.113.66"));
}

// D-STUN-6
#[test]
fn a_server_on_the_internet_points_at_nothing_nearer_than_itself() {
    let claims = [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "::ffff:10.0.0.1",
    ];
    for claim in claims {
        let com = Zone::new("com").cut("example.com", "bad.example.com", claim).cut(
            "example.com",
            "ns.example.com",
            "192.0.2.51",
        );
        let mut world = World::with_com(com);
        world.serve("192.0.2.51", Zone::new("example.com").ns("ns.example.com"));

        let result = world.walk("example.com");

        assert_eq!(message(&result.outcome), "", "{claim}");
        assert!(!world.was_asked(claim), "{claim}");
        assert_eq!(
            texts(&result.outcome, &REFUSED_ADDRESSES),
            [format!("bad.example.com {claim}")]
        );
        assert_eq!(texts(&result.outcome, &UNRESOLVED), ["bad.example.com"]);
    }
}

#[test]
fn an_address_to_which_a_walk_led_is_held_to_the_same_rule() {
    let com = Zone::new("com").glueless("example.com", "ns.example.net");
    let mut world = World::with_com(com);
    world.serve(NET, Zone::new("net").host("ns.example.net", "10.0.0.1"));

    let result = world.walk("example.com");

    assert_eq!(texts(&result.outcome, &UNRESOLVED), ["ns.example.net"]);
    assert!(!world.was_asked("10.0.0.1"));
    assert_eq!(result.label(), "unexpected_answer");
}

#[test]
fn a_start_on_this_host_leads_to_this_host_and_one_of_a_site_to_the_site() {
    for (start, near, far) in [
        ("127.0.0.1", "127.0.0.2", "192.0.2.51"),
        ("::1", "127.0.0.2", "10.0.0.1"),
        ("10.1.0.1", "10.2.0.1", "127.0.0.1"),
        ("10.1.0.1", "fd00::1", "192.0.2.51"),
    ] {
        let mut world = World::default();
        let root = Zone::new(".").cut("example.com", "near.example.com", near).cut(
            "example.com",
            "far.example.com",
            far,
        );
        world.serve(start, root);
        for address in [near, far] {
            let zone = Zone::new("example.com").ns("near.example.com");
            world.serve(address, zone.ns("far.example.com"));
        }

        let result = world.walk_with("example.com", start, &[], 7);

        assert_eq!(servers(&result.outcome), [near], "{start}");
        assert!(!world.was_asked(far), "{far} from {start}");
    }
}

#[test]
fn glue_that_is_missing_at_first_is_taken_where_the_parent_has_it_for_the_host_itself() {
    let com = Zone::new("com").cut("example.com", "ns.example.com", "192.0.2.51");
    let mut world = World::with_com(com);
    world.serve("192.0.2.51", Zone::new("example.com").ns("ns.example.com"));
    world.answers(COM, |query, honest| {
        let mut answer = honest.clone();
        if query.name != "ns.example.com" {
            answer.additionals.clear();
        }
        answer
    });

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), ["192.0.2.51"]);
    assert!(world.was_asked(ROOT));
}
