//! Servers that are lame, silent or out of reach (RFC 1912 §2.8).

use branchline_probes::dns_delegation::{
    AUTHORITATIVE_SERVERS, LAME, LAME_SERVERS, OLDEST_SERIAL, SERIAL, SERIALS_AGREE, SILENT,
    SILENT_SERVERS, SKIPPED, UNRESOLVED, ZONE,
};
use branchline_probes::{OptionValue, Phase};

use crate::desk::millis;
use crate::world::{
    AA, Answer, CNAME, COM, NS, Query, ROOT, SECONDS, World, Zone, labels, message, record,
    servers, soa, texts,
};

const FIRST: &str = "192.0.2.51";
const SECOND: &str = "192.0.2.52";

/// `example.com` with two servers, both of them good.
fn two() -> World {
    let com = Zone::new("com").cut("example.com", "ns1.example.com", FIRST).cut(
        "example.com",
        "ns2.example.com",
        SECOND,
    );
    let mut world = World::with_com(com);
    for address in [FIRST, SECOND] {
        let zone = Zone::new("example.com").ns("ns1.example.com").ns("ns2.example.com");
        world.serve(address, zone);
    }
    world
}

fn refers_to(query: &Query, zone: &str) -> Answer {
    let mut answer = Answer::to(query);
    answer.authorities.push(record(zone, NS, 60, &labels("a.nic.com")));
    answer
}

fn with_soa_of(query: &Query, apex: &str) -> Answer {
    let mut answer = Answer { flags: 0x80 | AA, ..Answer::to(query) };
    answer.authorities.push(soa(apex, 1));
    answer
}

#[test]
fn a_lame_server_is_named_with_its_reason_and_the_other_one_is_found() {
    type Lame = fn(&Query, &Answer) -> Answer;
    let ways: [(Lame, &str); 13] = [
        (|query, _| Answer::error(query, 5), "REFUSED"),
        (|query, _| Answer::error(query, 2), "SERVFAIL"),
        (|query, _| Answer::error(query, 9), "rcode 9"),
        // From a cache: RA is set, AA is not.
        (|_, honest| Answer { flags: 0x80, rcode: 0, ..honest.clone() }, "not authoritative"),
        (|query, _| Answer::to(query), "not authoritative"),
        (|query, _| refers_to(query, "."), "refers upward"),
        (|query, _| refers_to(query, "com"), "refers upward"),
        (|query, _| refers_to(query, "example.com"), "refers upward"),
        (|query, _| refers_to(query, "other.example.com"), "refers sideways"),
        (|query, _| Answer { flags: 0x80 | AA, ..Answer::to(query) }, "no SOA"),
        (|query, _| Answer { flags: 0x80 | AA, ..refers_to(query, "example.com") }, "no SOA"),
        (|query, _| with_soa_of(query, "sub.example.com"), "no SOA"),
        (|query, _| with_soa_of(query, "com"), "authoritative for another zone"),
    ];
    for (lame, why) in ways {
        let mut world = two();
        world.answers(FIRST, lame);

        let result = world.walk("www.example.com");

        assert_eq!(message(&result.outcome), "", "{why}");
        assert_eq!(texts(&result.outcome, &LAME), [format!("ns1.example.com {FIRST}: {why}")]);
        assert_eq!(servers(&result.outcome), [SECOND], "{why}");
        let facts = &result.outcome.facts;
        assert_eq!(facts.read(&LAME_SERVERS), Some(1), "{why}");
        assert_eq!(facts.read(&AUTHORITATIVE_SERVERS), Some(1), "{why}");
    }
}

#[test]
fn a_zone_all_of_whose_servers_are_lame_is_named_with_them() {
    let mut world = two();
    for address in [FIRST, SECOND] {
        world.answers(address, |query, _| Answer::error(query, 5));
    }

    let result = world.walk("www.example.com");

    assert_eq!(result.label(), "unexpected_answer");
    assert_eq!(
        message(&result.outcome),
        "192.0.2.10:5060 answered no usable server for example.com: REFUSED, \
         expected a delegation to a server that is authoritative"
    );
    assert_eq!(texts(&result.outcome, &LAME).len(), 2);
    assert_eq!(result.outcome.failure.unwrap().0, Phase::Delegation);
}

#[test]
fn a_start_that_refuses_ends_it_by_name() {
    let mut world = World::default();
    world.answers(ROOT, |query, _| Answer::error(query, 5));

    let result = world.walk("example.com");

    assert_eq!((result.label(), result.sent.len()), ("unexpected_answer", 1));
    assert!(message(&result.outcome).contains("no usable server for .: REFUSED"));
}

#[test]
fn a_silent_server_costs_a_second_and_a_half_and_is_still_worth_asking() {
    let mut world = two();
    world.silence(FIRST);

    let result = world.walk("www.example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &SILENT), [format!("ns1.example.com {FIRST}")]);
    assert_eq!(result.outcome.facts.read(&SILENT_SERVERS), Some(1));
    assert_eq!(servers(&result.outcome), [FIRST, SECOND]);
    // Once on the way down and once with all others, two queries each.
    let copies = world.asked.iter().filter(|(it, ..)| it.to_string() == FIRST).count();
    assert_eq!(copies, 4);
    let took = result.ended.elapsed();
    assert!(took > 3 * SECONDS && took < 3 * SECONDS + millis(200), "{took:?}");
}

#[test]
fn a_server_where_nobody_listens_is_silent_and_says_how() {
    let mut world = two();
    world.refuse(SECOND);

    let result = world.walk("www.example.com");

    assert_eq!(texts(&result.outcome, &SILENT), [format!("ns2.example.com {SECOND}: refused")]);
    assert_eq!(servers(&result.outcome), [FIRST, SECOND]);
    assert!(result.ended.elapsed() < SECONDS);
}

#[test]
fn a_server_to_which_this_host_has_no_way_is_skipped_and_not_lame() {
    let com = Zone::new("com").cut("example.com", "ns1.example.com", "2001:db8::51").cut(
        "example.com",
        "ns2.example.com",
        SECOND,
    );
    let mut world = World::with_com(com);
    world.serve(SECOND, Zone::new("example.com").ns("ns2.example.com"));
    world.cannot_reach(std::net::IpAddr::is_ipv6);

    let result = world.walk("www.example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), [SECOND]);
    assert_eq!(texts(&result.outcome, &SKIPPED), ["ns1.example.com 2001:db8::51"]);
    assert_eq!(texts(&result.outcome, &LAME), [""; 0]);
    assert_eq!(texts(&result.outcome, &SILENT), [""; 0]);
}

// I9
#[test]
fn a_zone_to_none_of_whose_servers_this_host_has_a_way_is_this_hosts_trouble() {
    let com = Zone::new("com").cut("example.com", "ns1.example.com", "2001:db8::51");
    let mut world = World::with_com(com);
    world.cannot_reach(std::net::IpAddr::is_ipv6);

    let result = world.walk("www.example.com");

    assert_eq!(result.label(), "local");
}

#[test]
fn the_silence_of_one_server_counts_more_than_no_way_to_another() {
    let com = Zone::new("com").cut("example.com", "ns1.example.com", "2001:db8::51").cut(
        "example.com",
        "ns2.example.com",
        SECOND,
    );
    let mut world = World::with_com(com);
    world.silence(SECOND);
    world.cannot_reach(std::net::IpAddr::is_ipv6);

    let result = world.walk("www.example.com");

    assert_eq!(result.label(), "no_response");
}

// RFC 1034 §3.6.2
#[test]
fn an_alias_at_the_apex_says_nothing_of_the_zone() {
    let mut world = two();
    world.answers(FIRST, |query, honest| {
        let mut answer = Answer { answers: Vec::new(), ..honest.clone() };
        answer.answers.push(record(&query.name, CNAME, 60, &labels("edge.example.net")));
        answer.authorities.push(soa("example.com", 1));
        answer
    });

    let result = world.walk("example.com");

    assert_eq!(texts(&result.outcome, &LAME), [format!("ns1.example.com {FIRST}: no SOA")]);
    assert_eq!(servers(&result.outcome), [SECOND]);
}

#[test]
fn a_silent_start_is_asked_six_times_in_twelve_seconds() {
    let mut world = World::default();
    world.silence(ROOT);

    let result = world.walk("example.com");

    assert_eq!(result.label(), "no_response");
    assert_eq!(result.schedule(), [0, 2_000, 4_000, 6_000, 8_000, 10_000]);
    assert_eq!(result.ended.elapsed(), crate::desk::OPENING + millis(12_000));
}

#[test]
fn a_zone_whose_servers_are_all_silent_is_silence_of_the_last_one() {
    let mut world = two();
    world.silence(FIRST);
    world.silence(SECOND);

    let result = world.walk("www.example.com");

    assert_eq!(result.label(), "no_response");
    assert!(message(&result.outcome).contains(SECOND), "{}", message(&result.outcome));
    assert_eq!(texts(&result.outcome, &SILENT).len(), 2);
}

#[test]
fn the_timeout_ends_a_way_that_is_still_going_on() {
    let mut world = two();
    world.silence(FIRST);
    let timeout = ("timeout", OptionValue::Duration(SECONDS));

    let result = world.walk_with("www.example.com", ROOT, &[timeout], 7);

    assert_eq!((result.label(), result.ended.elapsed()), ("deadline", SECONDS));
    assert!(!world.was_asked(SECOND));
}

#[test]
fn a_server_of_an_upper_zone_that_fails_is_passed_over() {
    let mut world = World::default();
    let root = Zone::new(".").cut("com", "a.nic.com", "192.0.2.29").cut("com", "b.nic.com", COM);
    world.serve(ROOT, root);
    world.serve(COM, Zone::new("com").cut("example.com", "ns.example.com", FIRST));
    world.serve(FIRST, Zone::new("example.com").ns("ns.example.com"));
    world.answers("192.0.2.29", |query, _| Answer::error(query, 2));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &LAME), [""; 0]);
}

#[test]
fn serials_that_differ_are_told_from_the_oldest_to_the_newest() {
    let com = Zone::new("com").cut("example.com", "ns1.example.com", FIRST).cut(
        "example.com",
        "ns2.example.com",
        SECOND,
    );
    let mut world = World::with_com(com);
    world.serve(FIRST, Zone::new("example.com").serial(8).ns("ns1.example.com"));
    world.serve(SECOND, Zone::new("example.com").serial(7).ns("ns1.example.com"));

    let result = world.walk("example.com");

    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&SERIALS_AGREE), Some(false));
    assert_eq!((facts.read(&OLDEST_SERIAL), facts.read(&SERIAL)), (Some(7), Some(8)));
}

#[test]
fn a_nameserver_that_does_not_exist_is_unresolved_and_the_other_one_is_found() {
    let com = Zone::new("com").glueless("example.com", "gone.nic.com").cut(
        "example.com",
        "ns1.example.com",
        FIRST,
    );
    let mut world = World::with_com(com);
    world.serve(FIRST, Zone::new("example.com").ns("ns1.example.com"));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &UNRESOLVED), ["gone.nic.com"]);
    assert_eq!(result.outcome.facts.read(&ZONE).unwrap().as_str(), "example.com");
    // No such name, so there is no use in asking for its other family.
    let asked = world.asked.iter().filter(|(_, name, _)| name == "gone.nic.com").count();
    assert_eq!(asked, 1);
}
