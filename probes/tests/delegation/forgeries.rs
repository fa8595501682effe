//! Answers that are not the server's, and answers that need a stream (D-DNS-3 to D-DNS-6).

use branchline_probes::dns_delegation::{SILENT, ZONE};
use branchline_probes::{Ignored, Refusal, Transport};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::desk::{News, millis};
use crate::world::{
    Answer, COM, NS, ROOT, TC, World, Zone, address_record, at, framed, labels, message, record,
    servers, texts,
};

const GOOD: &str = "192.0.2.51";
const EVIL: &str = "203.0.113.66";

fn world() -> World {
    let com = Zone::new("com").cut("example.com", "ns.example.com", GOOD);
    let mut world = World::with_com(com);
    for address in [GOOD, EVIL] {
        world.serve(address, Zone::new("example.com").ns("ns.example.com"));
    }
    world
}

/// A referral to a forger's server.
fn lie(honest: &Answer) -> Answer {
    let mut answer = Answer { additionals: Vec::new(), ..honest.clone() };
    answer.authorities = vec![record("example.com", NS, 60, &labels("ns.example.com"))];
    answer.additionals.push(address_record("ns.example.com", 60, EVIL));
    answer
}

// D-DNS-3, D-DNS-4, D-DNS-5
#[test]
fn forgeries_are_counted_and_ignored_and_the_truth_wins() {
    type Forge = fn(&Answer) -> Answer;
    let ways: [(Forge, Ignored); 3] = [
        (|honest| Answer { id: [!honest.id[0], honest.id[1]], ..lie(honest) }, Ignored::Mismatch),
        (
            |honest| {
                let mut forged = lie(honest);
                // Another type.
                let at = forged.question.len() - 3;
                forged.question[at] = 1;
                forged
            },
            Ignored::Mismatch,
        ),
        (|honest| Answer { flags: 0, ..lie(honest) }, Ignored::Unasked),
    ];
    for (forge, reason) in ways {
        let mut world = world();
        world.twist(COM, move |_, honest, transport| {
            let bytes = forge(honest).bytes();
            let forged = (millis(5), News::Heard { from: at(COM), bytes });
            let is_datagram = transport == Transport::Udp;
            is_datagram.then(|| [vec![forged], honest.heard(at(COM))].concat())
        });

        let result = world.walk("example.com");

        assert_eq!(message(&result.outcome), "", "{reason:?}");
        assert_eq!(servers(&result.outcome), [GOOD], "{reason:?}");
        assert!(result.ignored(reason) > 0, "{:?}", result.outcome.ignored);
        assert!(!world.was_asked(EVIL));
    }
}

// D-DNS-1
#[test]
fn an_answer_from_another_address_or_port_is_a_strangers() {
    for from in [at(EVIL), "192.0.2.30:9".parse().unwrap()] {
        let mut world = world();
        world.twist(COM, move |_, honest, _| {
            let bytes = lie(honest).bytes();
            Some([vec![(millis(5), News::Heard { from, bytes })], honest.heard(at(COM))].concat())
        });

        let result = world.walk("example.com");

        assert_eq!(servers(&result.outcome), [GOOD]);
        assert!(result.ignored(Ignored::Stranger) > 0);
    }
}

// D-DNS-4
#[test]
fn while_a_forger_shouts_the_stream_brings_the_truth() {
    let mut world = world();
    world.twist(COM, |_, honest, transport| {
        let forged = Answer { id: [!honest.id[0], honest.id[1]], ..lie(honest) };
        (transport == Transport::Udp).then(|| forged.heard(at(COM)))
    });

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), [GOOD]);
}

// D-DNS-4
#[test]
fn a_server_in_whose_name_only_forgeries_came_is_not_silent() {
    let mut world = world();
    world.twist(GOOD, move |query, honest, _| {
        let forged = Answer { id: [!honest.id[0], honest.id[1]], ..honest.clone() };
        let is_on_the_way = query.name == "www.example.com";
        (!is_on_the_way).then(|| forged.heard(at(GOOD)))
    });

    let result = world.walk("www.example.com");

    // On the stream it is no frame at all.
    assert_eq!(result.label(), "unusable");
    assert_eq!(texts(&result.outcome, &SILENT), [format!("ns.example.com {GOOD}: unusable")]);
}

// D-DNS-6
#[test]
fn a_truncated_referral_is_asked_for_by_tcp() {
    let mut world = world();
    world.twist(COM, |_, honest, transport| {
        let mut cut = Answer { flags: honest.flags | TC, ..lie(honest) };
        cut.authorities.truncate(1);
        (transport == Transport::Udp).then(|| cut.heard(at(COM)))
    });

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(servers(&result.outcome), [GOOD]);
    assert!(!world.was_asked(EVIL), "what was cut is not used");
    let streams: Vec<_> = result.opened.iter().filter(|leg| leg.transport.is_stream()).collect();
    assert_eq!((streams.len(), streams[0].peer), (1, at(COM)));
}

// D-DNS-6
#[test]
fn a_truncated_answer_whose_stream_is_refused_leads_to_the_next_server() {
    let com = Zone::new("com").cut("example.com", "ns.example.com", GOOD).cut(
        "example.com",
        "a.example.com",
        "192.0.2.50",
    );
    let mut world = World::with_com(com);
    world.serve(GOOD, Zone::new("example.com").ns("ns.example.com"));
    world.serve("192.0.2.50", Zone::new("example.com").ns("ns.example.com"));
    world.twist("192.0.2.50", |_, honest, transport| {
        let reset = News::Refused { by: None, refusal: Refusal::Reset };
        Some(match transport {
            Transport::Udp => {
                Answer { flags: honest.flags | TC, ..honest.clone() }.heard(at("192.0.2.50"))
            }
            Transport::Tcp | Transport::Tls => vec![(millis(1), reset)],
        })
    });

    let result = world.walk("example.com");

    assert_eq!(message(&result.outcome), "");
    assert_eq!(texts(&result.outcome, &SILENT), ["a.example.com 192.0.2.50: refused"]);
}

// D-DNS-6
#[test]
fn an_answer_in_single_bytes_is_put_together_and_a_stream_that_closes_is_no_answer() {
    let cut =
        |honest: &Answer| Answer { flags: honest.flags | TC, ..honest.clone() }.heard(at(COM));
    let mut drip = world();
    drip.twist(COM, move |_, honest, transport| {
        let bytes = framed(&honest.bytes());
        let drops = bytes.into_iter().map(|byte| News::Heard { from: at(COM), bytes: vec![byte] });
        let is_stream = transport == Transport::Tcp;
        Some(if is_stream { drops.map(|it| (millis(9), it)).collect() } else { cut(honest) })
    });
    let mut closing = world();
    closing.twist(COM, move |_, honest, transport| {
        let closed = vec![(millis(9), News::Closed)];
        Some(if transport == Transport::Tcp { closed } else { cut(honest) })
    });

    let (dripped, closed) = (drip.walk("example.com"), closing.walk("example.com"));

    assert_eq!(message(&dripped.outcome), "");
    assert_eq!(closed.label(), "closed");
}

// D-DNS-3
#[test]
fn an_error_without_a_question_is_that_servers_answer() {
    let mut world = world();
    world.twist(GOOD, |query, _, _| {
        let mut bytes = [&query.id[..], &[0x80, 5]].concat();
        bytes.extend([0; 8]);
        Some(vec![(millis(9), News::Heard { from: at(GOOD), bytes })])
    });

    let result = world.walk("example.com");

    assert_eq!(result.label(), "unexpected_answer");
    assert!(message(&result.outcome).contains("no usable server for example.com: REFUSED"));
}

// I1, D-DNS-6
#[test]
fn ten_thousand_random_answers_neither_panic_it_nor_keep_it() {
    let mut chance = StdRng::seed_from_u64(4);
    let mut heard = 0;
    let mut found = 0;
    for seed in 0..=u8::MAX {
        let mut world = world();
        for address in [ROOT, COM, GOOD] {
            let mut chance = StdRng::seed_from_u64(chance.random());
            world.twist(address, move |_, honest, transport| {
                let mutated = (0..9).map(|_| mutated(&mut chance, &honest.bytes()));
                let honest = honest.bytes();
                let all = mutated.chain([honest]).map(|bytes| {
                    let bytes = if transport == Transport::Tcp { framed(&bytes) } else { bytes };
                    (millis(9), News::Heard { from: at(address), bytes })
                });
                Some(all.collect())
            });
        }

        let result = world.walk_with("www.example.com", ROOT, &[], seed);

        heard += 10 * result.sent.len();
        found += usize::from(result.outcome.facts.read(&ZONE).is_some());
        assert!(result.ended.elapsed() <= millis(20_000), "seed {seed}");
        assert!(result.sent.len() <= 4 * 64, "seed {seed}");
    }
    assert!(heard > 10_000, "{heard}");
    assert!(found > 50, "{found}");
}

/// An answer with a few bytes broken.
fn mutated(chance: &mut StdRng, honest: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for _ in 0..chance.random_range(1..6) {
        let at = chance.random_range(0..bytes.len());
        match chance.random_range(0..4) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes.insert(at, chance.random()),
            2 => bytes[at] = [0, 0xFF, 0xC0, 1][chance.random_range(0..4)],
            _ => {
                let mut noise = vec![0; chance.random_range(0..20)];
                chance.fill_bytes(&mut noise);
                bytes.splice(at..at, noise);
            }
        }
    }
    bytes
}
