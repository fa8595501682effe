//! Forged datagrams by the million, from the right address and port, at every question of a walk:
//! none is accepted, and the truth still wins.

use std::collections::BTreeMap;

use branchline_probes::{Chance, Ignored, Outcome};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::direct::Direct;
use crate::world::{
    AA, Answer, NS, World, Zone, address_record, labels, module, record, servers, soa,
};

/// How many in the test that always runs.
const SOME: u32 = 200_000;
/// How many in the test that `just fuzz` runs.
const MANY: u32 = 10_000_000;

const GOOD: &str = "192.0.2.51";
const EVIL: &str = "203.0.113.66";
/// The root, com and the zone; its NS records; the SOA of its one server.
const QUESTIONS: u32 = 5;

fn world() -> World {
    let com = Zone::new("com").cut("example.com", "ns.example.com", GOOD);
    let mut world = World::with_com(com);
    world.serve(GOOD, Zone::new("example.com").ns("ns.example.com"));
    world
}

/// What a forger would have us believe: that the zone is the forger's, that there is nothing, or
/// that this server is of no use.
fn lie(chance: &mut StdRng, honest: &Answer) -> Answer {
    let nothing = Answer {
        answers: Vec::new(),
        authorities: Vec::new(),
        additionals: Vec::new(),
        ..honest.clone()
    };
    match chance.random_range(0..4) {
        0 => Answer {
            authorities: vec![record("example.com", NS, 60, &labels("ns.example.com"))],
            additionals: vec![address_record("ns.example.com", 60, EVIL)],
            flags: 0x80,
            ..nothing
        },
        1 => Answer { authorities: vec![soa("com", 1)], flags: 0x80 | AA, rcode: 3, ..nothing },
        2 => Answer { answers: vec![soa("example.com", 666)], flags: 0x80 | AA, ..nothing },
        _ => Answer { rcode: 5, ..nothing },
    }
}

/// A lie as whoever cannot see the query may send it: everything about it may be right but the id,
/// or but the spelling, or it is wrong in its shape.
fn forge(chance: &mut StdRng, honest: &Answer) -> (Vec<u8>, Ignored) {
    let lie = lie(chance, honest);
    let mut question = honest.question.clone();
    let end = question.len();
    let with_question = |question| Answer { question, ..lie.clone() }.bytes();
    let other_id = u16::from_be_bytes(honest.id).wrapping_add(chance.random_range(1..=u16::MAX));
    let other_id = other_id.to_be_bytes();
    match chance.random_range(0..14) {
        0..4 => (Answer { id: other_id, ..lie }.bytes(), Ignored::Mismatch),
        4 => {
            let letters: Vec<usize> =
                (0..end - 4).filter(|at| question[*at].is_ascii_alphabetic()).collect();
            question[letters[chance.random_range(0..letters.len())]] ^= 0x20;
            (with_question(question), Ignored::Mismatch)
        }
        5 => {
            question[1] = b'q';
            (with_question(question), Ignored::Mismatch)
        }
        6 => {
            question[end - 3] ^= 0x40;
            (with_question(question), Ignored::Mismatch)
        }
        7 => {
            question[end - 1] = 3;
            (with_question(question), Ignored::Unasked)
        }
        8 => {
            let mut bytes = with_question([question.clone(), question].concat());
            bytes[5] = 2;
            (bytes, Ignored::Mismatch)
        }
        9 => {
            // No question at all: an error may come so, but only with the right id.
            let mut bytes = Answer { id: other_id, question: Vec::new(), ..lie }.bytes();
            bytes[5] = 0;
            (bytes, Ignored::Mismatch)
        }
        10 => (Answer { flags: 0, ..lie }.bytes(), Ignored::Unasked),
        11 => {
            let opcode = [1_u8, 2, 4, 5][chance.random_range(0..4)];
            (Answer { flags: 0x80 | opcode << 3, ..lie }.bytes(), Ignored::Unasked)
        }
        12 => {
            let mut bytes = lie.bytes();
            bytes.truncate(chance.random_range(0..bytes.len() - 1));
            (bytes, Ignored::Malformed)
        }
        _ => {
            let mut noise = vec![0; chance.random_range(0..64)];
            chance.fill_bytes(&mut noise);
            (noise, Ignored::Malformed)
        }
    }
}

/// A walk at each of whose questions so many forgeries come before the truth, and how many of each
/// kind that were.
fn walk(forgeries: u32) -> (Outcome, BTreeMap<Ignored, u64>) {
    let (world, mut chance) = (world(), StdRng::seed_from_u64(11));
    let mut direct = Direct::begin(&*module("www.example.com", &[]), Chance::from_seed([7; 32]));
    let mut sent = BTreeMap::new();
    let mut questions = 0;
    while let Some(asked) = direct.next() {
        questions += 1;
        assert_ne!(asked.to.ip().to_string(), EVIL, "a forgery was believed");
        let truth = world.truth(&asked);
        for _ in 0..forgeries {
            let (bytes, reason) = forge(&mut chance, &truth);
            *sent.entry(reason).or_default() += 1;
            direct.hear(&asked, &bytes);
            assert!(direct.outcome.is_none(), "{bytes:02x?} ended it");
        }
        direct.hear(&asked, &truth.bytes());
    }
    assert_eq!(questions, QUESTIONS);
    (direct.outcome.expect("it is over"), sent)
}

fn flood(rounds: u32) {
    let (calm, _) = walk(0);
    assert_eq!(servers(&calm), [GOOD]);

    let (outcome, sent) = walk(rounds / QUESTIONS);

    assert_eq!(outcome.ignored, sent);
    assert_eq!(Outcome { ignored: calm.ignored.clone(), ..outcome }, calm);
}

// D-DNS-3, D-DNS-4, D-DNS-5
#[test]
fn of_two_hundred_thousand_forgeries_none_is_accepted_and_the_walk_ends_where_it_would() {
    flood(SOME);
}

// D-DNS-3, D-DNS-4, D-DNS-5, M4
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn of_ten_million_forgeries_none_is_accepted_and_the_walk_ends_where_it_would() {
    flood(MANY);
}
