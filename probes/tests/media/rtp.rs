//! RTP out and in, and bytes that are none.

use branchline_probes::Chance;
use branchline_probes::media::rtp::{PACKET_BYTES, Packet, PayloadType, Voice};

use crate::Dice;

const TOKEN: [u8; 16] = *b"0123456789abcdef";

const VOICE: Voice = Voice {
    payload_type: PayloadType::Pcma,
    ssrc: 0xDEAD_BEEF,
    sequence: 0xFFFE,
    timestamp: 0xFFFF_FF00,
    token: TOKEN,
};

#[test]
fn the_first_packet_is_the_header_of_rfc_3550_the_token_and_silence() {
    let bytes = VOICE.packet(0);

    let header = [0x80, 8, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0x00, 0xDE, 0xAD, 0xBE, 0xEF];
    assert_eq!(bytes[..12], header);
    assert_eq!(bytes[12..28], TOKEN);
    assert_eq!(bytes[28..], [0xD5; 144]);
    assert_eq!(bytes.len(), 172);
}

#[test]
fn u_law_is_type_0_and_its_silence_all_ones() {
    let bytes = Voice { payload_type: PayloadType::Pcmu, ..VOICE }.packet(0);

    assert_eq!(bytes[1], 0);
    assert_eq!(bytes[28..], [0xFF; 144]);
}

#[test]
fn each_packet_counts_one_and_160_samples_more_and_wraps() {
    let numbers = |index| {
        let bytes = VOICE.packet(index);
        let packet = Packet::read(&bytes).expect("it is ours");
        (packet.sequence, packet.timestamp)
    };
    assert_eq!(numbers(1), (0xFFFF, 0xFFFF_FFA0));
    assert_eq!(numbers(2), (0x0000, 0x0000_0040));
    assert_eq!(numbers(0x1_0002), (0x0000, 0x00A0_0040));
}

#[test]
fn what_was_written_is_read_back() {
    let bytes = VOICE.packet(7);

    let packet = Packet::read(&bytes).expect("it is ours");

    assert_eq!((packet.payload_type, packet.marker), (8, false));
    assert_eq!((packet.sequence, packet.ssrc), (5, 0xDEAD_BEEF));
    assert_eq!(packet.timestamp, 0x0000_0360);
    assert_eq!(packet.payload, &bytes[12..]);
}

#[test]
fn every_packet_of_a_stream_is_known_by_its_index() {
    for index in (0..2_000).chain([65_535, 65_536, 200_000, 26_843_544]) {
        assert_eq!(VOICE.index_of(&VOICE.packet(index)), Some(index));
    }
}

#[test]
fn streams_drawn_by_chance_differ_and_do_not_know_each_other() {
    let mut chance = Chance::from_seed([1; 32]);
    let mut draw = || Voice::draw(PayloadType::Pcmu, &mut chance);
    let (one, other) = (draw(), draw());

    assert_ne!((one.ssrc, one.sequence), (other.ssrc, other.sequence));
    assert_ne!((one.timestamp, one.token), (other.timestamp, other.token));
    assert_eq!(one.index_of(&other.packet(3)), None);
    assert_eq!(other.index_of(&other.packet(3)), Some(3));
}

/// Any bit of header or token that changes makes it someone else's, but for the marker, which a
/// relay may set, and whole wraps of the sound behind the token.
#[test]
fn a_packet_changed_in_any_bit_that_counts_is_not_ours() {
    for bit in 0..28 * 8 {
        let mut bytes = VOICE.packet(40);
        bytes[bit / 8] ^= 0x80 >> (bit % 8);
        let is_marker = bit == 8;
        assert_eq!(VOICE.index_of(&bytes), is_marker.then_some(40), "bit {bit}");
    }
}

#[test]
fn a_packet_of_another_length_is_not_ours() {
    let bytes = VOICE.packet(40);
    assert_eq!(VOICE.index_of(&bytes[..PACKET_BYTES - 1]), None);
    assert_eq!(VOICE.index_of(&[&bytes[..], &[0]].concat()), None);
}

/// Header bytes, then `rest`.
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    [&[first, 0x80, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3], rest].concat()
}

fn payload(first: u8, rest: &[u8]) -> Option<Vec<u8>> {
    Packet::read(&packet(first, rest)).map(|packet| packet.payload.to_vec())
}

#[test]
fn short_bytes_are_no_packet() {
    let bytes = packet(0x80, &[]);
    for length in 0..12 {
        assert_eq!(Packet::read(&bytes[..length]), None, "{length}");
    }
    let packet = Packet::read(&bytes).expect("a packet may carry nothing");
    assert_eq!((packet.payload, packet.marker, packet.payload_type), (&[][..], true, 0));
}

#[test]
fn another_version_is_no_packet() {
    for first in [0x00, 0x40, 0xC0] {
        assert_eq!(payload(first, &[7; 8]), None, "{first:#x}");
    }
}

#[test]
fn contributing_sources_are_skipped_and_end_within_the_packet() {
    assert_eq!(payload(0x82, &[1, 1, 1, 1, 2, 2, 2, 2, 7]), Some(vec![7]));
    assert_eq!(payload(0x82, &[1, 1, 1, 1, 2, 2, 2, 2]), Some(vec![]));
    assert_eq!(payload(0x82, &[1, 1, 1, 1, 2, 2, 2]), None);
    assert_eq!(payload(0x8F, &[0; 59]), None);
}

#[test]
fn a_header_extension_is_skipped_and_ends_within_the_packet() {
    assert_eq!(payload(0x90, &[0xBE, 0xDE, 0, 1, 9, 9, 9, 9, 7]), Some(vec![7]));
    assert_eq!(payload(0x90, &[0xBE, 0xDE, 0, 0, 7]), Some(vec![7]));
    assert_eq!(payload(0x90, &[0xBE, 0xDE, 0, 1, 9, 9, 9]), None);
    assert_eq!(payload(0x90, &[0xBE, 0xDE, 0xFF, 0xFF, 9]), None);
    assert_eq!(payload(0x90, &[0xBE, 0xDE, 0]), None);
}

#[test]
fn padding_is_dropped_and_counts_itself() {
    assert_eq!(payload(0xA0, &[7, 7, 0, 0, 3]), Some(vec![7, 7]));
    assert_eq!(payload(0xA0, &[7, 1]), Some(vec![7]));
    assert_eq!(payload(0xA0, &[2, 2]), Some(vec![]));
    assert_eq!(payload(0xA0, &[7, 3]), None, "longer than the payload");
    assert_eq!(payload(0xA0, &[7, 0]), None, "which does not count itself");
    assert_eq!(payload(0xA0, &[]), None, "of nothing");
    assert_eq!(payload(0xA1, &[0, 0, 0, 1]), None, "which is a source's last byte");
}

/// Reads so many packets with bits flipped, bytes replaced and ends cut or grown. What is read
/// lies within the bytes, and what counts as ours has the numbers of the packet for which it is
/// taken: enough changes make one packet another.
fn mutate(rounds: u32) {
    let mut dice = Dice::new(21);
    let (mut read, mut ours) = (0_u32, 0_u32);
    for round in 0..rounds {
        let mut bytes = VOICE.packet(round % 1_000_000).to_vec();
        for _ in 0..dice.roll(4) {
            // Half of the changes hit the header, where they matter.
            let within = if dice.roll(2) == 0 { 16 } else { bytes.len() };
            let place = dice.place(within);
            let value = dice.roll(256).to_be_bytes()[3];
            bytes[place] = if dice.roll(2) == 0 { value } else { bytes[place] ^ 1 << (value % 8) };
        }
        match dice.roll(4) {
            0 => bytes.truncate(dice.place(PACKET_BYTES)),
            1 => bytes.extend(vec![dice.roll(256).to_be_bytes()[3]; dice.place(64)]),
            _ => {}
        }

        if let Some(packet) = Packet::read(&bytes) {
            read += 1;
            assert!(packet.payload.len() + 12 <= bytes.len());
            assert_eq!(bytes[0] >> 6, 2);
        }
        if let Some(index) = VOICE.index_of(&bytes) {
            ours += 1;
            assert_eq!(bytes[2..12], VOICE.packet(index)[2..12]);
        }
    }
    assert!(read > rounds / 3 && read < rounds, "{read} of {rounds} were packets");
    assert!(ours > rounds / 10 && ours < read, "{ours} of {rounds} were ours");
}

#[test]
fn a_hundred_thousand_mutated_packets_are_read_or_refused() {
    mutate(100_000);
}

#[test]
#[ignore = "the long form of the test above: half a minute unoptimised"]
fn ten_million_mutated_packets_are_read_or_refused() {
    mutate(10_000_000);
}
