//! Forged datagrams by the million, from the right address and port: none is accepted, and the true
//! answer still wins.

use branchline_probes::dns_query::RCODE;
use branchline_probes::{Exchange, Ignored, Input, LegId, Moment, Outcome, Output, Stamp};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::desk::{self, begin, millis};
use crate::{Answer, lie, options, truth};

/// How many in the test that always runs.
const SOME: u32 = 200_000;
/// How many in the test that `just fuzz` runs.
const MANY: u32 = 10_000_000;

/// An answer that whoever cannot see the query may send: it may know everything but the id, or
/// everything but the spelling, or be wrong in its shape.
fn forge(chance: &mut StdRng, query: &[u8]) -> (Vec<u8>, Ignored) {
    let forged = lie(query);
    let bytes = match chance.random_range(0..13) {
        // All ids but the right one.
        0..3 => {
            let id = u16::from_be_bytes([query[0], query[1]]);
            let other = id.wrapping_add(chance.random_range(1..=u16::MAX));
            Answer { id: other.to_be_bytes(), ..forged }.bytes()
        }
        // The right id, and another spelling.
        3 => {
            let letters: Vec<usize> = (0..forged.question.len() - 4)
                .filter(|at| forged.question[*at].is_ascii_alphabetic())
                .collect();
            let mut question = forged.question.clone();
            question[letters[chance.random_range(0..letters.len())]] ^= 0x20;
            Answer { question, ..forged }.bytes()
        }
        // Another name.
        4 => {
            let mut question = forged.question.clone();
            question[1] = b'q';
            Answer { question, ..forged }.bytes()
        }
        // Another type.
        5 => {
            let mut question = forged.question.clone();
            let at = question.len() - 3;
            question[at] = 28;
            Answer { question, ..forged }.bytes()
        }
        // No question at all, so that the name of the record points to itself.
        6 => {
            return (Answer { question: Vec::new(), ..forged }.bytes(), Ignored::Malformed);
        }
        // A query.
        7 => return (Answer { flags: 0, ..forged }.bytes(), Ignored::Unasked),
        // An answer to another kind of request.
        8 => {
            let opcode = [1_u8, 2, 4, 5][chance.random_range(0..4)];
            let flags = forged.flags | opcode << 3;
            return (Answer { flags, ..forged }.bytes(), Ignored::Unasked);
        }
        // Another class.
        9 => {
            let mut question = forged.question.clone();
            let at = question.len() - 1;
            question[at] = 3;
            return (Answer { question, ..forged }.bytes(), Ignored::Unasked);
        }
        // The question twice.
        10 => {
            let question = [forged.question.clone(), forged.question.clone()].concat();
            let mut bytes = Answer { question, ..forged }.bytes();
            bytes[5] = 2;
            bytes
        }
        // A bare error, which needs no question, with another id.
        11 => {
            let id = u16::from_be_bytes([query[0], query[1]]).wrapping_add(1).to_be_bytes();
            let rcode = [1, 2, 4, 5][chance.random_range(0..4)];
            Answer { id, question: Vec::new(), ..Answer::to(query).rcode(rcode) }.bytes()
        }
        // Cut short, or noise.
        _ => {
            let mut bytes = forged.bytes();
            if chance.random() {
                bytes.truncate(chance.random_range(0..bytes.len() - 1));
            } else {
                bytes = vec![0; chance.random_range(0..64)];
                chance.fill_bytes(&mut bytes);
            }
            return (bytes, Ignored::Malformed);
        }
    };
    (bytes, Ignored::Mismatch)
}

/// What an exchange does when it has heard something.
#[expect(clippy::large_enum_variant, reason = "it lives for one call, and nobody keeps many")]
pub(crate) enum Next {
    /// It asks on this leg; on a stream the query stands behind its length.
    Asked(LegId, Vec<u8>),
    Waits,
    Over(Outcome),
}

/// Lets the exchange go on; each leg that it wants is there at once.
pub(crate) fn next_question(exchange: &mut dyn Exchange) -> Next {
    let local = desk::LOCAL.parse().expect("an address");
    loop {
        match exchange.poll_output() {
            Output::Open(leg) => {
                exchange.handle_input(Input::Connected { leg: leg.id, local }, Moment::START);
            }
            Output::Transmit { leg, bytes, .. } => return Next::Asked(leg, bytes),
            Output::Wait { .. } => return Next::Waits,
            Output::Done(outcome) => return Next::Over(outcome),
            other @ (Output::Close(_) | Output::Intend(_)) => panic!("it wants {other:?}"),
        }
    }
}

/// The first query of an exchange.
pub(crate) fn query_of(exchange: &mut dyn Exchange) -> Vec<u8> {
    match next_question(exchange) {
        Next::Asked(_, query) => query,
        Next::Waits | Next::Over(_) => panic!("it asks nothing"),
    }
}

/// Bytes of the peer, 20 ms after the exchange began.
pub(crate) fn hear(exchange: &mut dyn Exchange, leg: LegId, bytes: &[u8]) {
    let (from, stamp, dscp, now) = (desk::peer(), Stamp::Kernel, None, Moment::after(millis(20)));
    exchange.handle_input(Input::Received { leg, from, bytes, stamp, dscp }, now);
}

fn flood(rounds: u32) {
    const DATAGRAMS: LegId = LegId(0);
    let module = options(&[]);
    let mut exchange = begin(&*module, 7);
    let query = query_of(exchange.as_mut());
    let mut chance = StdRng::seed_from_u64(5);
    let mut expected = std::collections::BTreeMap::new();

    for number in 0..rounds {
        let (bytes, reason) = forge(&mut chance, &query);
        *expected.entry(reason).or_insert(0_u64) += 1;
        hear(exchange.as_mut(), DATAGRAMS, &bytes);
        // The stream that is tried beside them never opens.
        let output = exchange.poll_output();
        let is_unmoved = matches!(output, Output::Open(_) | Output::Wait { .. });
        assert!(is_unmoved, "forgery {number} was taken: {output:?} for {bytes:02x?}");
    }
    hear(exchange.as_mut(), DATAGRAMS, &truth(&query));

    let Output::Done(outcome) = exchange.poll_output() else { panic!("the truth is not taken") };
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.facts.read(&RCODE), Some("NOERROR"));
    assert_eq!(outcome.ignored, expected);
}

// D-DNS-3, D-DNS-4, D-DNS-5
#[test]
fn of_two_hundred_thousand_forgeries_none_is_accepted_and_the_truth_still_wins() {
    flood(SOME);
}

// D-DNS-3, D-DNS-4, D-DNS-5, M4
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn of_ten_million_forgeries_none_is_accepted_and_the_truth_still_wins() {
    flood(MANY);
}
