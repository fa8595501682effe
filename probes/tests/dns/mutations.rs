//! Responses with a few bytes broken, by the million: none panics a reader or an exchange, and none
//! is read as more than it says.

use branchline_probes::LegId;
use branchline_probes::dns_query::QUERY_SUCCEEDED;
use branchline_probes::wire::dns::delegation::Reply;
use branchline_probes::wire::dns::{Question, read_response};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::desk::begin;
use crate::floods::{Next, hear, next_question, query_of};
use crate::{
    A, Answer, CNAME, NAME, OWNER, TRUNCATED_BIT, a, framed, labels, options, record, soa,
};

const NS: u16 = 2;
const NAPTR: u16 = 35;
const SRV: u16 = 33;
const TXT: u16 = 16;

/// How many in each test that always runs.
const SOME: u32 = 200_000;
/// How many in each test that `just fuzz` runs.
const MANY: u32 = 10_000_000;

/// What nameservers say: records of every kind, aliases, absences, referrals with glue, options.
fn seeds(query: &[u8]) -> Vec<Vec<u8>> {
    let to = || Answer::to(query);
    let target = labels("edge.example.net");
    let mut absent = to().rcode(3);
    absent.authorities.push(soa(3_600, 300));
    let mut referral = to();
    referral.authorities.push(record(&labels("com"), NS, 60, &labels("ns.com")));
    let glue = record(&labels("ns.com"), A, 60, &[192, 0, 2, 1]);
    let mut referral = [referral.bytes(), glue].concat();
    referral[11] = 1;
    let mut cut = to().with(&[a(60, [1, 2, 3, 4])]);
    cut.flags |= TRUNCATED_BIT;
    let naptr =
        [&[0, 10, 0, 20][..], b"\x01S\x08SIP+D2U\0\x05_sip_\x04_udp", &labels("example.com")]
            .concat();
    let srv = [&[0, 1, 0, 2, 0x13, 0xC4][..], &labels("sbc.example.com")].concat();
    let options = b"\0\0\x29\x04\xd0\0\0\0\0\0\x10\0\x03\0\x04fra1\0\x0f\0\x04\0\x0fno";
    let mut with_options = [to().with(&[a(60, [1, 2, 3, 4])]).bytes(), options.to_vec()].concat();
    with_options[11] = 1;
    vec![
        to().with(&[a(60, [1, 2, 3, 4]), a(60, [5, 6, 7, 8])]).bytes(),
        to().with(&[record(&OWNER, CNAME, 30, &target), record(&target, A, 9, &[1, 2, 3, 4])])
            .bytes(),
        to().with(&[record(&OWNER, NAPTR, 30, &naptr), record(&OWNER, SRV, 30, &srv)]).bytes(),
        to().with(&[record(&OWNER, TXT, 30, b"\x05hello\x05world")]).bytes(),
        to().rcode(5).bytes(),
        absent.bytes(),
        cut.bytes(),
        referral,
        with_options,
    ]
}

/// Breaks a few bytes, most often where lengths, counts and pointers are.
fn mutate(chance: &mut StdRng, bytes: &mut Vec<u8>) {
    const ODD: [u8; 8] = [0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF];
    for _ in 0..chance.random_range(1..5) {
        let at = chance.random_range(0..=bytes.len());
        match chance.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, ODD[chance.random_range(0..ODD.len())]),
            2 => {
                let until = (at + chance.random_range(0..48)).min(bytes.len());
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => {
                let mut noise = vec![0; chance.random_range(0..24)];
                chance.fill_bytes(&mut noise);
                bytes.extend(noise);
            }
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = ODD[chance.random_range(0..ODD.len())];
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
        }
    }
}

/// A name and where the message goes on behind it, as RFC 1035 §4.1.4 has it: this reader knows
/// nothing of the one that is tested.
fn read_name(message: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut behind) = (Vec::new(), None);
    for _ in 0..message.len() {
        let length = usize::from(*message.get(at)?);
        if length >= 0xC0 {
            behind.get_or_insert(at + 2);
            at = (length & 0x3F) << 8 | usize::from(*message.get(at + 1)?);
            continue;
        }
        name.extend_from_slice(message.get(at..=at + length)?);
        at += 1 + length;
        if length == 0 {
            return Some((name.to_ascii_lowercase(), behind.unwrap_or(at)));
        }
    }
    None
}

/// How many records of the answer section belong to the name that was asked for, or to one to which
/// an alias of that section leads.
fn answers_of_the_chain(message: &[u8]) -> Option<usize> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let mut at = 12;
    for _ in 0..number(4)? {
        at = read_name(message, at)?.1 + 4;
    }
    let (mut owners, mut names) = (Vec::new(), vec![labels(NAME)]);
    for _ in 0..number(6)? {
        let (owner, fixed) = read_name(message, at)?;
        let is_in = number(fixed + 2)? == 1;
        if is_in && number(fixed)? == CNAME {
            names.push(read_name(message, fixed + 10)?.0);
        }
        owners.extend(is_in.then_some(owner));
        at = fixed + 10 + usize::from(number(fixed + 8)?);
    }
    Some(owners.iter().filter(|owner| names.contains(owner)).count())
}

fn break_responses(rounds: u32) {
    let asked = Question::new(NAME, "A").expect("a question");
    let seeds = seeds(&query_of(begin(&*options(&[]), 7).as_mut()));
    let mut chance = StdRng::seed_from_u64(6);
    let (mut good, mut delegations) = (0, 0);
    for _ in 0..rounds {
        let mut mutant = seeds[chance.random_range(0..seeds.len())].clone();
        mutate(&mut chance, &mut mutant);

        let response = read_response(&mutant, &asked);
        let reply = Reply::read(&mutant, &asked);

        assert_eq!(reply.as_ref().map(|reply| &reply.response), response.as_ref());
        if let Ok(reply) = reply {
            delegations += 1;
            assert!(
                reply.addresses.len() + reply.nameservers.len() <= reply.response.answers.len()
            );
            assert_eq!(Ok(reply), Reply::read(&mutant, &asked));
        }
        if let Ok(response) = response {
            good += 1;
            // Nothing comes out that did not come in, and aliases end.
            let most = answers_of_the_chain(&mutant).expect("what was read can be read");
            assert!(response.answers.len() <= most, "{mutant:02x?}");
            assert!(response.chain.len() <= 11, "{mutant:02x?}");
            assert!(response.counts.iter().sum::<u64>() <= 512, "{mutant:02x?}");
            assert_eq!(response.id.to_be_bytes(), mutant[..2], "{mutant:02x?}");
            assert_eq!(Ok(response), read_response(&mutant, &asked));
        }
    }
    // The mutations reach the depth of the readers, and are not all harmless.
    assert!(good > rounds / 20 && good < rounds / 10 * 9, "{good} of {rounds}");
    assert!(delegations > rounds / 20, "{delegations} of {rounds}");
}

/// Hears broken answers, by datagram and then, where it asks again so, by a stream in pieces.
fn break_exchanges(rounds: u32) {
    const EACH: u32 = 16;
    const DATAGRAMS: LegId = LegId(0);
    let module = options(&[]);
    let mut chance = StdRng::seed_from_u64(8);
    let (mut broken, mut exchanges, mut taken, mut streams) = (0, 0, 0, 0);
    while broken < rounds {
        let mut exchange = begin(&*module, chance.random());
        exchanges += 1;
        let (mut to_datagram, mut to_stream) = (Vec::new(), None);
        for _ in 0..EACH {
            match next_question(exchange.as_mut()) {
                Next::Asked(DATAGRAMS, query) => to_datagram = seeds(&query),
                Next::Asked(leg, query) => to_stream = Some((leg, seeds(&query[2..]))),
                Next::Waits => {}
                Next::Over(outcome) => {
                    taken += u32::from(outcome.facts.read(&QUERY_SUCCEEDED) == Some(true));
                    break;
                }
            }
            // A stream ends with the first message that is not the answer.
            let stream = to_stream.take();
            let answers = stream.as_ref().map_or(&to_datagram, |(_, answers)| answers);
            let mut mutant = answers[chance.random_range(0..answers.len())].clone();
            mutate(&mut chance, &mut mutant);
            broken += 1;
            let Some((leg, _)) = stream else {
                hear(exchange.as_mut(), DATAGRAMS, &mutant);
                continue;
            };
            streams += 1;
            let bytes = framed(&mutant);
            let (head, rest) = bytes.split_at(chance.random_range(0..bytes.len()));
            hear(exchange.as_mut(), leg, head);
            hear(exchange.as_mut(), leg, rest);
        }
    }
    assert!(taken > exchanges / 10, "{taken} of {exchanges}");
    assert!(streams > exchanges / 10, "{streams} of {exchanges}");
}

// I1
#[test]
fn no_broken_response_panics_a_reader_or_is_read_as_more_than_it_says() {
    break_responses(SOME);
}

// I1
#[test]
fn no_broken_response_panics_an_exchange() {
    break_exchanges(SOME);
}

// I1, M1
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn ten_million_broken_responses() {
    break_responses(MANY);
}

// I1, M1
#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn exchanges_with_ten_million_broken_responses() {
    break_exchanges(MANY);
}
