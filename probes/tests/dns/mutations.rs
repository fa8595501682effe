//! Responses with a few bytes broken, by the million: none panics a reader or an exchange, and none
//! is read as more than it says.

use branchline_probes::wire::dns::delegation::Reply;
use branchline_probes::wire::dns::{Question, read_response};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::desk::{News, Wanted, begin, millis, run};
use crate::{A, Answer, CNAME, NAME, OWNER, TRUNCATED_BIT, a, labels, options, record, soa};

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

/// The query that the exchange of this seed sends.
fn query(seed: u8) -> Vec<u8> {
    let module = options(&[]);
    let mut first = None;
    run(begin(&*module, seed).as_mut(), &mut |wanted| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            first.get_or_insert(bytes.to_vec());
            vec![(millis(1), News::Cancelled)]
        }
    });
    first.expect("it asks")
}

fn break_responses(rounds: u32) {
    let (query, asked) = (query(7), Question::new(NAME, "A").expect("a question"));
    let seeds = seeds(&query);
    let mut chance = StdRng::seed_from_u64(6);
    let (mut good, mut delegations) = (0, 0);
    for _ in 0..rounds {
        let mut mutant = seeds[chance.random_range(0..seeds.len())].clone();
        mutate(&mut chance, &mut mutant);

        let response = read_response(&mutant, &asked);
        let reply = Reply::read(&mutant, &asked);

        delegations += u32::from(reply.is_ok());
        if let Ok(response) = response {
            good += 1;
            // Nothing comes out that did not come in, and aliases end.
            assert!(response.answers.len() * 11 <= mutant.len(), "{mutant:02x?}");
            assert!(response.chain.len() <= 11, "{mutant:02x?}");
            assert_eq!(response.id.to_be_bytes(), mutant[..2], "{mutant:02x?}");
            assert_eq!(Ok(response), read_response(&mutant, &asked));
        }
    }
    // The mutations reach the depth of the readers, and are not all harmless.
    assert!(good > rounds / 20 && good < rounds / 10 * 9, "{good} of {rounds}");
    assert!(delegations > rounds / 20, "{delegations} of {rounds}");
}

fn break_exchanges(rounds: u32) {
    let module = options(&[]);
    let mut chance = StdRng::seed_from_u64(8);
    let mut taken = 0;
    for round in 0..rounds {
        let seed = u8::try_from(round % 8).expect("it is small");
        let result = run(begin(&*module, seed).as_mut(), &mut |wanted| match wanted {
            Wanted::Open(leg) if leg.transport.is_stream() => Vec::new(),
            Wanted::Open(_) => vec![(millis(1), News::Connected)],
            Wanted::Bytes(_, _, bytes) => {
                let seeds = seeds(bytes);
                let mut mutant = seeds[chance.random_range(0..seeds.len())].clone();
                mutate(&mut chance, &mut mutant);
                vec![(millis(1), News::answer(mutant)), (millis(2), News::Cancelled)]
            }
        });
        taken += u32::from(result.label() != "cancelled");
    }
    assert!(taken > rounds / 20 && taken < rounds, "{taken} of {rounds}");
}

// I1
#[test]
fn no_broken_response_panics_a_reader_or_is_read_as_more_than_it_says() {
    break_responses(SOME);
}

// I1
#[test]
fn no_broken_response_panics_an_exchange() {
    break_exchanges(SOME / 10);
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
fn a_million_exchanges_with_broken_responses() {
    break_exchanges(MANY / 10);
}
