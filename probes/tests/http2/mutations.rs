//! Streams and header blocks with a few bytes broken, by the hundred thousand: none of them panics
//! a reader, ends twice, or yields more than its bounds.

use branchline_probes::wire::http2::{Client, Event, MOST_BODY, MOST_FRAMES, hpack};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
    REQUEST, RST_STREAM, SETTINGS, STATUS_200, WINDOW_UPDATE, WITH_PRIORITY, field, frame, headers,
    last_data, settings,
};

/// How many in each test that always runs.
const SOME: u32 = 100_000;
/// How many in each test that `just fuzz` runs.
const MANY: u32 = 10_000_000;

/// Header blocks with every representation, Huffman coded and plain.
fn blocks() -> Vec<Vec<u8>> {
    vec![
        // RFC 7541 Appendix C.6.1 and C.5.1, with a status that is final.
        b"\x88\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\
          \x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff"
            .to_vec(),
        b"\x48\x03302\x58\x07private\x61\x1dMon, 21 Oct 2013 20:13:21 GMT".to_vec(),
        [&[STATUS_200][..], &field("content-type", "application/dns-message")].concat(),
        [&b"\x3f\xe1\x01\x88\x5f\x03a/b"[..], &field("content-length", "5"), b"\xbe"].concat(),
        b"\x20\x88\x10\x08password\x06secret\x7f\x9e\x01\x00".to_vec(),
    ]
}

/// The frames of connections that servers may have.
fn streams() -> Vec<Vec<Vec<u8>>> {
    let blocks = blocks();
    let padded = [&[3][..], &[0; 5], &[STATUS_200], &[0; 3]].concat();
    let mut streams: Vec<_> = blocks
        .iter()
        .map(|block| {
            vec![
                frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100, 0, 4, 0, 1, 0, 0]),
                frame(SETTINGS, ACK, 0, &[]),
                headers(block),
                last_data(b"hello"),
            ]
        })
        .collect();
    let (first, rest) = blocks[0].split_at(10);
    streams.extend([
        vec![
            settings(),
            frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]),
            headers(&field(":status", "103")),
            frame(HEADERS, 0, 1, first),
            frame(CONTINUATION, END_HEADERS, 1, rest),
            frame(DATA, PADDED, 1, b"\x02hello\0\0"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &field("trailer", "x")),
        ],
        vec![
            settings(),
            frame(PRIORITY, 0, 3, &[0; 5]),
            frame(PING, 0, 0, b"12345678"),
            frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, &padded),
            last_data(b"hello"),
        ],
        vec![settings(), frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), headers(&blocks[1])],
        vec![settings(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 7])],
    ]);
    streams
}

/// Breaks a few bytes.
fn mutate(chance: &mut StdRng, bytes: &mut Vec<u8>) {
    const ODD: [u8; 12] = [0, 1, 3, 4, 9, 0x20, 0x3F, 0x7F, 0x80, 0xBE, 0xFE, 0xFF];
    for _ in 0..chance.random_range(1..4) {
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

/// Breaks the frames of a stream, most often within one whose length is then set right.
fn break_stream(chance: &mut StdRng, mut frames: Vec<Vec<u8>>) -> Vec<u8> {
    if chance.random_range(0..4) == 0 {
        let mut stream = frames.concat();
        mutate(chance, &mut stream);
        return stream;
    }
    let broken = chance.random_range(0..frames.len());
    let mut payload = frames[broken].split_off(9);
    mutate(chance, &mut payload);
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    frames[broken][..3].copy_from_slice(&length[1..]);
    frames[broken].append(&mut payload);
    if chance.random() {
        // Its type, flags or stream.
        frames[broken][chance.random_range(3..9)] ^= 1 << chance.random_range(0..8);
    }
    let other = chance.random_range(0..frames.len());
    match chance.random_range(0..4) {
        0 => frames.swap(broken, other),
        1 => frames.insert(broken, frames[other].clone()),
        _ => {}
    }
    frames.concat()
}

fn break_streams(rounds: u32) {
    let streams = streams();
    let mut chance = StdRng::seed_from_u64(1);
    let (mut answered, mut failed) = (0, std::collections::BTreeMap::<String, u32>::new());
    for _ in 0..rounds {
        let frames = streams[chance.random_range(0..streams.len())].clone();
        let stream = break_stream(&mut chance, frames);
        let (mut client, _) = Client::open(&REQUEST).expect("it can be written");
        let mut said = 0;
        let mut outcomes = Vec::new();
        let size = chance.random_range(1..64);
        for piece in stream.chunks(size).chain([&settings()[..], &last_data(b"more")]) {
            client.push(piece);
            while let Some(event) = client.poll() {
                match event {
                    Ok(Event::Reply(bytes)) => said += bytes.len(),
                    outcome => outcomes.push(outcome),
                }
            }
        }
        assert!(outcomes.len() <= 1, "it ended twice: {stream:02x?}");
        assert!(said <= MOST_FRAMES * 17, "it says too much: {stream:02x?}");
        match outcomes.pop() {
            Some(Ok(Event::Response(response))) => {
                answered += 1;
                assert!((200..1000).contains(&response.status), "{stream:02x?}");
                assert!(response.body.len() <= stream.len().min(MOST_BODY), "{stream:02x?}");
            }
            Some(Err(error)) => {
                // The name of the variant.
                let kind = format!("{error:?}");
                let kind = kind.split('(').next().expect("a name").to_string();
                *failed.entry(kind).or_default() += 1;
            }
            _ => {}
        }
    }
    // The mutations reach the depth of the reader, and are not all harmless.
    assert!(answered > rounds / 20 && answered < rounds / 2, "{answered} of {rounds}");
    assert!(failed.len() >= 9 && failed.values().sum::<u32>() > rounds / 5, "{failed:?}");
}

fn break_blocks(rounds: u32) {
    let blocks = blocks();
    let mut chance = StdRng::seed_from_u64(2);
    let (mut read, mut failed) = (0, std::collections::BTreeMap::<String, u32>::new());
    for _ in 0..rounds {
        let mut decoder = hpack::Decoder::default();
        for _ in 0..chance.random_range(1..4) {
            let mut block = blocks[chance.random_range(0..blocks.len())].clone();
            mutate(&mut chance, &mut block);
            match decoder.decode(&block) {
                Ok(fields) => {
                    read += 1;
                    let size = |field: &hpack::Field| field.name.len() + field.value.len() + 32;
                    assert!(fields.iter().map(size).sum::<usize>() <= hpack::MOST_BYTES);
                    assert!(fields.len() <= block.len(), "{block:02x?}");
                }
                Err(malformed) => {
                    *failed.entry(format!("{malformed:?}")).or_default() += 1;
                    break;
                }
            }
        }
    }
    assert!(read > rounds / 10 && read < rounds * 2, "{read} of {rounds}");
    assert!(failed.len() >= 5 && failed.values().sum::<u32>() > rounds / 5, "{failed:?}");
}

// I1
#[test]
fn no_broken_stream_panics_the_client_or_ends_twice() {
    break_streams(SOME);
}

// I1
#[test]
fn no_broken_header_block_panics_the_decoder_or_grows_beyond_its_bound() {
    break_blocks(SOME);
}

#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn millions_of_broken_streams() {
    break_streams(MANY);
}

#[test]
#[ignore = "the long form of the test above, for `just fuzz`"]
fn millions_of_broken_header_blocks() {
    break_blocks(MANY);
}
