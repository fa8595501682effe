//! Servers that say what is too much, too slow or too long, and what a walk makes of it (I2, I3, F5).

use branchline_probes::dns_delegation::{LEFT_OUT, NAMESERVERS, REFUSED_ADDRESSES, TTL};
use branchline_probes::{Ignored, Transport};

use crate::desk::{News, Reply, millis};
use crate::world::{
    Answer, COM, NS, Query, SECONDS, TC, World, Zone, address_record, at, framed, labels, message,
    record, servers, texts,
};

const GOOD: &str = "192.0.2.51";
/// How long a walk may take in all.
const WHOLE: std::time::Duration = millis(20_000);

fn world() -> World {
    let com = Zone::new("com").cut("example.com", "ns.example.com", GOOD);
    let mut world = World::with_com(com);
    world.serve(GOOD, Zone::new("example.com").ns("ns.example.com"));
    world
}

/// A referral to the good server, with these TTLs.
fn referral(query: &Query, of_name: u32, of_address: u32) -> Answer {
    let mut answer = Answer::to(query);
    answer.authorities.push(record("example.com", NS, of_name, &labels("ns.example.com")));
    answer.additionals.push(address_record("ns.example.com", of_address, GOOD));
    answer
}

// F5; RFC 2181 §8: a TTL with its highest bit is none.
#[test]
fn a_delegation_holds_for_a_second_at_least_and_for_a_day_at_most() {
    const HIGHEST: u32 = 1 << 31;
    for (of_name, of_address, expected) in [
        (0, 3_600, 1),
        (3_600, 0, 1),
        (HIGHEST, 3_600, 1),
        (3_600, HIGHEST, 1),
        (u32::MAX, u32::MAX, 1),
        (HIGHEST - 1, HIGHEST - 1, 86_400),
        (86_401, 86_401, 86_400),
        (300, 60, 60),
    ] {
        let mut world = world();
        world.answers(COM, move |query, _| referral(query, of_name, of_address));

        let outcome = world.walk("example.com").outcome;

        let expected = expected * SECONDS;
        assert_eq!(outcome.facts.read(&TTL), Some(expected), "{of_name}, {of_address}");
        assert_eq!(outcome.leads_to.expect("it leads somewhere").keeps, expected);
    }
}

/// Comes before the true referral, and must be ignored.
fn assert_ignored(forge: impl Fn(&Query, &Answer) -> Vec<u8> + 'static) {
    let mut world = world();
    world.twist(COM, move |query, honest, _| {
        let bytes = forge(query, honest);
        let forged = (millis(5), News::Heard { from: at(COM), bytes });
        Some([vec![forged], honest.heard(at(COM))].concat())
    });

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), [GOOD]);
    assert_eq!(result.ignored(Ignored::Malformed), 1, "{:?}", result.outcome.ignored);
}

// D-DNS-6
#[test]
fn referrals_whose_names_point_in_circles_or_forward_are_ignored() {
    fn with_owner(answer: &Answer, owner: &[u8]) -> Vec<u8> {
        let labelled = record(".", NS, 60, &labels("ns.example.com"));
        let mut answer = Answer { additionals: Vec::new(), ..answer.clone() };
        answer.authorities = vec![[owner, &labelled[1..]].concat()];
        answer.bytes()
    }
    fn end(answer: &Answer) -> u8 {
        u8::try_from(12 + answer.question.len()).expect("it is short")
    }
    assert_ignored(|_, honest| with_owner(honest, &[0xC0, end(honest)]));
    assert_ignored(|_, honest| with_owner(honest, &[0xC0, end(honest) + 2, 0xC0, end(honest)]));
    assert_ignored(|_, honest| with_owner(honest, &[1, b'a', 0xC0, end(honest)]));
    assert_ignored(|_, honest| with_owner(honest, &[0xC0, 0xFF]));
    // In the data: a nameserver that is called as it is called.
    assert_ignored(|query, honest| {
        let owner_and_fixed = labels("example.com").len() + 10;
        let itself = end(honest) + u8::try_from(owner_and_fixed).expect("it is short");
        let mut answer = Answer::to(query);
        answer.authorities.push(record("example.com", NS, 60, &[0xC0, itself]));
        answer.bytes()
    });
    // A label of 64, and a name of 256 bytes.
    assert_ignored(|_, honest| with_owner(honest, &[&[0x40][..], &[b'a'; 64], &[0]].concat()));
    assert_ignored(|_, honest| with_owner(honest, &[[1, b'a'].repeat(128), vec![0]].concat()));
}

/// A referral that is padded to so many records, the question among them.
fn padded(honest: &Answer, count: usize) -> Answer {
    let mut answer = honest.clone();
    let there = 1 + answer.authorities.len() + answer.additionals.len();
    let padding = (there..count).map(|_| address_record("x", 60, "192.0.2.99"));
    answer.additionals.extend(padding);
    answer
}

// D-DNS-6, I3
#[test]
fn a_referral_of_more_than_512_records_is_ignored_and_one_of_512_is_read() {
    let mut most = world();
    most.answers(COM, |_, honest| padded(honest, 512));

    let result = most.walk("example.com");

    assert_eq!((message(&result.outcome).as_str(), result.outcome.ignored.len()), ("", 0));
    assert_eq!(servers(&result.outcome), [GOOD]);
    assert_ignored(|_, honest| padded(honest, 513).bytes());
}

// D-DNS-6, I3: a stream brings what no datagram holds.
#[test]
fn of_250_nameservers_thirteen_are_asked_and_the_rest_is_counted() {
    let many = |query: &Query| {
        let mut answer = Answer::to(query);
        for number in 0..250 {
            let name = format!("ns{number:03}.example.com");
            answer.authorities.push(record("example.com", NS, 60, &labels(&name)));
            let address = format!("198.51.100.{number}");
            answer.additionals.push(address_record(&name, 60, &address));
        }
        answer
    };
    let mut world = world();
    world.twist(COM, move |query, honest, transport| {
        let bytes = framed(&many(query).bytes());
        Some(match transport {
            Transport::Udp => Answer { flags: honest.flags | TC, ..honest.clone() }.heard(at(COM)),
            Transport::Tcp | Transport::Tls => {
                vec![(millis(20), News::Heard { from: at(COM), bytes })]
            }
        })
    });
    world.serve("198.51.100.0", Zone::new("example.com").ns("ns000.example.com"));

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &NAMESERVERS).len(), 13);
    assert_eq!(result.outcome.facts.read(&LEFT_OUT), Some(250 - 13));
    assert!(result.opened.len() <= 64, "{}", result.opened.len());
}

// I3
#[test]
fn of_hundreds_of_addresses_that_are_refused_32_are_told() {
    let mut world = world();
    world.answers(COM, |_, honest| {
        let mut answer = honest.clone();
        for number in 0..250 {
            let address = format!("127.0.0.{number}");
            answer.additionals.push(address_record("ns.example.com", 60, &address));
        }
        answer
    });

    let result = world.walk("example.com");

    assert_eq!(servers(&result.outcome), [GOOD]);
    assert_eq!(texts(&result.outcome, &REFUSED_ADDRESSES).len(), 32);
    assert!(!world.was_asked("127.0.0.1"));
}

/// One byte a second, for as long as anybody listens.
fn drip(bytes: &[u8], from: &str) -> Reply {
    let drops = bytes.iter().take(60).zip(1..);
    drops
        .map(|(byte, second)| {
            (second * SECONDS, News::Heard { from: at(from), bytes: vec![*byte] })
        })
        .collect()
}

// I2, D-DNS-6
#[test]
fn a_stream_that_brings_a_byte_a_second_is_left_and_the_next_server_is_asked() {
    const SLOW: &str = "192.0.2.50";
    let com = Zone::new("com").cut("example.com", "ns.example.com", GOOD).cut(
        "example.com",
        "a.example.com",
        SLOW,
    );
    let mut world = World::with_com(com);
    world.serve(GOOD, Zone::new("example.com").ns("ns.example.com"));
    world.serve(SLOW, Zone::new("example.com").ns("ns.example.com"));
    world.twist(SLOW, |_, honest, transport| {
        Some(match transport {
            Transport::Udp => Answer { flags: honest.flags | TC, ..honest.clone() }.heard(at(SLOW)),
            Transport::Tcp | Transport::Tls => drip(&framed(&honest.bytes()), SLOW),
        })
    });

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert!(servers(&result.outcome).contains(&GOOD.to_owned()));
    assert!(result.ended.elapsed() <= WHOLE, "{:?}", result.ended);
}

// I2, I3
#[test]
fn where_every_server_drips_and_every_message_says_it_is_64_kib_long_a_walk_ends() {
    let mut world = world();
    for address in [COM, GOOD] {
        world.twist(address, move |_, honest, transport| {
            let endless = [&[0xFF, 0xFF][..], &honest.bytes()].concat();
            Some(match transport {
                Transport::Udp => {
                    Answer { flags: honest.flags | TC, ..honest.clone() }.heard(at(address))
                }
                Transport::Tcp | Transport::Tls => drip(&endless, address),
            })
        });
    }

    let result = world.walk("example.com");

    assert_eq!(result.label(), "no_response");
    assert!(result.ended.elapsed() < 4 * SECONDS, "{:?}", result.ended);
}

// I2, I3
#[test]
fn a_server_that_pours_megabytes_into_a_stream_is_left_with_its_first_message() {
    let mut world = world();
    world.twist(COM, |_, honest, transport| {
        let poured = [vec![0xFF; 65_537], vec![0; 1 << 20]].concat();
        let pieces = poured
            .chunks(16_384)
            .map(|piece| (millis(5), News::Heard { from: at(COM), bytes: piece.to_vec() }));
        Some(match transport {
            Transport::Udp => Answer { flags: honest.flags | TC, ..honest.clone() }.heard(at(COM)),
            Transport::Tcp | Transport::Tls => pieces.collect(),
        })
    });

    let result = world.walk("example.com");

    assert_eq!(result.label(), "unusable");
    assert_eq!(result.ignored(Ignored::Malformed), 1);
    assert!(result.ended.elapsed() < SECONDS, "{:?}", result.ended);
}
