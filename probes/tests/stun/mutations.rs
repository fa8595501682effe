//! Messages with a few bytes broken, by the hundred thousand: none of them panics a reader, and none
//! passes for what it is not.

use branchline_probes::wire::stun::{
    Class, Frame, Frames, Key, Method, Writer, attribute, read, read_channel_data,
    write_channel_data,
};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::vectors::{RESPONSE_IPV4, published};

/// How many in each test that always runs.
const SOME: u32 = 200_000;
/// How many in each test that `just fuzz` runs.
const MANY: u32 = 12_000_000;

/// A sound message and, where it has an integrity, the key and the end of what that covers.
struct Seed {
    bytes: Vec<u8>,
    covered: Option<(Key, usize)>,
}

/// What a server may say, with every attribute that a client reads.
fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (_, bytes, key, end) in published() {
        // Without FINGERPRINT, which would catch nearly every mutation, a reader comes further.
        let mut bare = bytes[..end].to_vec();
        let length = u16::try_from(end - 20).expect("it is short");
        bare[2..4].copy_from_slice(&length.to_be_bytes());
        for bytes in [bytes.to_vec(), bare] {
            seeds.push(Seed { bytes, covered: Some((key.clone(), end)) });
        }
    }
    let ipv4 = "203.0.113.5:40112".parse().expect("an address");
    let ipv6 = "[2001:db8::5]:40112".parse().expect("an address");
    let new = |class, method| Writer::new(class, method, &[7; 12]);
    let plain = [
        new(Class::Success, Method::Allocate)
            .with_xor_address(attribute::XOR_RELAYED_ADDRESS, ipv4)
            .with_xor_address(attribute::XOR_MAPPED_ADDRESS, ipv6)
            .with_number(attribute::LIFETIME, 600)
            .with(attribute::ADDRESS_ERROR_CODE, &[2, 0, 4, 40]),
        new(Class::Error, Method::Allocate)
            .with(attribute::ERROR_CODE, b"\0\0\x04\x01Unauthorized")
            .with(attribute::REALM, b"example.org")
            .with(attribute::NONCE, b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
            .with(attribute::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0])
            .with_address(attribute::ALTERNATE_SERVER, ipv6),
        new(Class::Error, Method::Binding)
            .with(attribute::ERROR_CODE, b"\0\0\x04\x14Unknown Attribute")
            .with(attribute::UNKNOWN_ATTRIBUTES, &[0, 3, 0, 0x26]),
        new(Class::Success, Method::Binding)
            .with_address(attribute::MAPPED_ADDRESS, ipv4)
            .with_address(attribute::RESPONSE_ORIGIN, ipv4)
            .with_address(attribute::OTHER_ADDRESS, ipv6)
            .with_address(attribute::CHANGED_ADDRESS, ipv4),
        new(Class::Indication, Method::Data)
            .with_xor_address(attribute::XOR_PEER_ADDRESS, ipv4)
            .with(attribute::DATA, b"what a peer sent"),
    ];
    let plain = plain.into_iter().map(Writer::finish);
    seeds.extend(plain.map(|bytes| Seed { bytes, covered: None }));
    seeds
}

/// Breaks a few bytes; every other time the header tells the true length afterwards.
fn mutate(chance: &mut StdRng, bytes: &mut Vec<u8>, header: usize) {
    const ODD: [u16; 12] = [0, 1, 2, 3, 4, 5, 0x08, 0x20, 0x7FFF, 0x8000, 0xFFFC, 0xFFFF];
    for _ in 0..chance.random_range(1..5) {
        let at = chance.random_range(0..=bytes.len());
        match chance.random_range(0..8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, chance.random()),
            2 => {
                let until = (at + chance.random_range(0..64)).min(bytes.len());
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => {
                let until = (at + chance.random_range(0..12)).min(bytes.len());
                bytes.drain(at..until);
            }
            4 => {
                let mut noise = vec![0; chance.random_range(0..40)];
                chance.fill_bytes(&mut noise);
                bytes.extend(noise);
            }
            5 => {
                // A type or a length, most often.
                let place = at & !1;
                if let Some(pair) = bytes.get_mut(place..place + 2) {
                    let odd = ODD[chance.random_range(0..ODD.len())];
                    pair.copy_from_slice(&odd.to_be_bytes());
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
        }
    }
    if let (true, Ok(length)) = (chance.random(), u16::try_from(bytes.len().saturating_sub(header)))
        && let Some(pair) = bytes.get_mut(2..4)
    {
        pair.copy_from_slice(&length.to_be_bytes());
    }
}

/// Whether nothing that the integrity covers was touched, but the length of the whole.
fn is_untouched(seed: &[u8], mutant: &[u8], end: usize) -> bool {
    mutant.len() >= end && mutant[..2] == seed[..2] && mutant[4..end] == seed[4..end]
}

fn break_messages(rounds: u32) {
    let seeds = seeds();
    let mut chance = StdRng::seed_from_u64(1);
    let (mut read_well, mut proven) = (0, 0);
    for _ in 0..rounds {
        let seed = &seeds[chance.random_range(0..seeds.len())];
        let mut mutant = seed.bytes.clone();
        mutate(&mut chance, &mut mutant, 20);

        let message = read(&mutant);

        read_well += u32::from(message.is_ok());
        if let Some((key, end)) = &seed.covered
            && key.proves(&mutant)
        {
            proven += 1;
            assert!(is_untouched(&seed.bytes, &mutant, *end), "forged: {mutant:02x?}");
        }
        if let Ok(message) = message {
            assert_eq!(message.transaction, mutant[8..20], "{mutant:02x?}");
            assert!(message.data.is_none_or(|data| data.len() < mutant.len()));
        }
    }
    // The mutations reach the depth of the reader, and are not all harmless.
    assert!(read_well > rounds / 20 && read_well < rounds / 2, "{read_well} of {rounds}");
    assert!(proven > rounds / 1_000 && proven < rounds / 5, "{proven} of {rounds}");
}

fn break_streams(rounds: u32) {
    let seeds = seeds();
    let mut chance = StdRng::seed_from_u64(2);
    let (mut told, mut ended) = (0, 0);
    for round in 0..rounds {
        let mut stream = Vec::new();
        for _ in 0..chance.random_range(1..4) {
            if chance.random() {
                stream.extend(&seeds[chance.random_range(0..seeds.len())].bytes);
            } else {
                let data = vec![7; chance.random_range(0..40)];
                let number = chance.random_range(0x4000..0x5000);
                stream.extend(write_channel_data(number, &data, true));
            }
        }
        mutate(&mut chance, &mut stream, 20);
        let mut frames = Frames::new();
        let (mut bytes, mut failures) = (0, 0);
        let size = chance.random_range(1..64);
        for piece in stream.chunks(size).chain([RESPONSE_IPV4]) {
            frames.push(piece);
            while let Some(frame) = frames.pop() {
                assert_eq!(failures, 0, "it ended before");
                match frame {
                    Ok(Frame::Stun(message)) => bytes += message.len(),
                    Ok(Frame::Channel { data, .. }) => bytes += 4 + data.len(),
                    Err(_) => failures += 1,
                }
                told += u32::from(failures == 0);
            }
        }
        ended += failures;
        assert!(bytes <= stream.len() + RESPONSE_IPV4.len(), "more came out than went in");
        if round % 1_000 == 0 {
            let mut frames = Frames::new();
            frames.push(RESPONSE_IPV4);
            assert_eq!(frames.pop(), Some(Ok(Frame::Stun(RESPONSE_IPV4.to_vec()))));
        }
    }
    assert!(told > rounds / 2 && ended > rounds / 10, "{told} told, {ended} ended");
}

fn break_channel_data(rounds: u32) {
    let mut chance = StdRng::seed_from_u64(3);
    let mut good = 0;
    for _ in 0..rounds {
        let data = vec![7; chance.random_range(0..40)];
        let number = chance.random_range(0x4000..0x5000);
        let mut datagram = write_channel_data(number, &data, chance.random());
        mutate(&mut chance, &mut datagram, 4);

        if let Some((number, data)) = read_channel_data(&datagram) {
            good += 1;
            assert!((0x4000..=0x4FFF).contains(&number));
            assert!(datagram[4..].starts_with(data) && datagram.len() - 4 - data.len() < 4);
            assert_eq!(datagram[..2], number.to_be_bytes());
        }
    }
    assert!(good > rounds / 20 && good < rounds / 5 * 4, "{good} of {rounds}");
}

// I1
#[test]
fn no_broken_message_panics_the_reader_or_is_proven() {
    break_messages(SOME);
}

// I1
#[test]
fn no_broken_stream_panics_the_framing_or_yields_more_than_it_brought() {
    break_streams(SOME);
}

// I1
#[test]
fn no_broken_channel_data_panics_the_reader_or_passes_for_another() {
    break_channel_data(SOME);
}

#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn millions_of_broken_messages() {
    break_messages(MANY);
}

#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn millions_of_broken_streams() {
    break_streams(MANY);
}

#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn millions_of_broken_channel_data() {
    break_channel_data(MANY);
}
