//! Peers that say too much: none lets us hold, or do, more than a response needs.

use branchline_probes::wire::http2::hpack::MOST_BYTES;
use branchline_probes::wire::http2::{Error, MOST_BODY, MOST_FRAMES, hpack};

use super::{
    ACK, CONTINUATION, DATA, END_HEADERS, HEADERS, PADDED, PING, PRIORITY, SETTINGS, STATUS_200,
    WINDOW_UPDATE, end, field, frame, headers, last_data, response,
};

/// So many of a frame, behind the one of SETTINGS that every stream begins with.
fn flood(flooding: Vec<u8>, count: usize) -> Vec<Vec<u8>> {
    vec![flooding; count]
}

// CVE-2019-9512, CVE-2019-9515, CVE-2019-9518
#[test]
fn a_peer_that_sends_nothing_but_frames_is_left() {
    let begun = frame(HEADERS, 0, 1, &[STATUS_200]);
    let floods = [
        ("SETTINGS", vec![], frame(SETTINGS, 0, 0, &[])),
        ("their acknowledgements", vec![], frame(SETTINGS, ACK, 0, &[])),
        ("PING", vec![], frame(PING, 0, 0, &[0; 8])),
        ("PRIORITY", vec![], frame(PRIORITY, 0, 1, &[0; 5])),
        ("WINDOW_UPDATE", vec![], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown frames", vec![], frame(0x42, 0, 0, &[7; 100])),
        ("interim responses", vec![], headers(&field(":status", "103"))),
        // CVE-2024-27316
        ("empty CONTINUATION", begun, frame(CONTINUATION, 0, 1, &[])),
        ("empty DATA", headers(&[STATUS_200]), frame(DATA, 0, 1, &[])),
        ("padding alone", headers(&[STATUS_200]), frame(DATA, PADDED, 1, &[3, 0, 0, 0])),
    ];
    for (what, before, flooding) in floods {
        // One was the first SETTINGS.
        let room = MOST_FRAMES - 1 - usize::from(!before.is_empty());

        let borne = end(&[&[before.clone()][..], &flood(flooding.clone(), room)].concat());
        let too_many = end(&[&[before][..], &flood(flooding, room + 1)].concat());

        assert_eq!(borne, None, "{what}");
        assert_eq!(too_many, Some(Err(Error::TooManyFrames)), "{what}");
    }
}

// CVE-2024-27316
#[test]
fn a_header_block_that_never_ends_is_refused_at_its_bound() {
    let begun = frame(HEADERS, 0, 1, &[STATUS_200]);
    let more = frame(CONTINUATION, 0, 1, &[0x90; 1024]);

    let borne = end(&[&[begun.clone()][..], &flood(more.clone(), 15)].concat());
    let too_large = end(&[&[begun][..], &flood(more, 16)].concat());

    assert_eq!(borne, None);
    assert_eq!(too_large, Some(Err(Error::HeadersTooLarge)));
}

// RFC 7541 §7.3, RFC 9113 §10.5.1
#[test]
fn a_block_that_stands_for_far_more_than_it_takes_is_refused() {
    // A value of 3000 bytes enters the table, and each octet behind it stands for it anew: with
    // name and overhead 3033 bytes of the 16 384.
    let field = [&b"\x40\x01a\x7f\xb9\x16"[..], &[b'x'; 3000]].concat();
    let begun = [&[STATUS_200][..], &field].concat();

    let borne = end(&[headers(&[&begun[..], &[0xBE; 4]].concat()), last_data(b"")]);
    let beyond = end(&[headers(&[&begun[..], &[0xBE; 5]].concat()), last_data(b"")]);
    let bomb = end(&[headers(&[&begun[..], &[0xBE; 10_000]].concat())]);

    assert_eq!(borne, Some(Ok(response(200, b""))));
    assert_eq!(beyond, Some(Err(Error::HeadersTooLarge)));
    assert_eq!(bomb, Some(Err(Error::HeadersTooLarge)));
    assert_eq!(MOST_BYTES, 16 * 1024);
}

#[test]
fn many_small_fields_are_refused_by_what_they_would_take() {
    // `accept:` is 6 + 32 bytes in a list; `:status: 200` 7 + 3 + 32.
    let most = (MOST_BYTES - 42) / 38;
    for (count, expected) in
        [(most, Ok(response(200, b""))), (most + 1, Err(Error::HeadersTooLarge))]
    {
        let block = [vec![STATUS_200], vec![0x93; count]].concat();
        assert_eq!(end(&[headers(&block), last_data(b"")]), Some(expected), "{count}");
    }
}

#[test]
fn a_body_is_read_up_to_the_longest_dns_message_and_no_further() {
    let long = |length: usize, flags| {
        let body = vec![b'x'; length];
        let parts = body.chunks(16_000).map(|part| frame(DATA, flags, 1, part));
        [headers(&[STATUS_200]), parts.collect::<Vec<_>>().concat()]
    };
    let mut longest = long(MOST_BODY, 0).to_vec();
    longest.push(last_data(b""));

    assert_eq!(end(&longest), Some(Ok(response(200, &[b'x'; MOST_BODY]))));
    let too_large = Some(Err(Error::BodyTooLarge { status: 200 }));
    assert_eq!(end(&long(MOST_BODY + 1, 0)), too_large);
    assert_eq!(end(&long(1 << 20, 0)), too_large);
}

// RFC 9113 §6.9.1
#[test]
fn padding_uses_up_what_we_granted() {
    // 256 bytes of flow control for each byte of the body: 1024 of them fill the window.
    let padded = frame(DATA, PADDED, 1, &[&[254, b'x'][..], &[0; 254]].concat());
    let begun = headers(&[STATUS_200]);

    let borne = end(&[&[begun.clone()][..], &flood(padded.clone(), 1024)].concat());
    let too_much = end(&[&[begun][..], &flood(padded, 1025)].concat());

    assert_eq!((borne, too_much), (None, Some(Err(Error::FlowControl))));
}

#[test]
fn a_header_block_that_cannot_be_read_ends_the_connection() {
    for (block, malformed) in [
        (&[0xFF_u8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..], hpack::Malformed::TooLong),
        (&[STATUS_200, 0xBE], hpack::Malformed::NoSuchIndex),
        (&[STATUS_200, 0], hpack::Malformed::Truncated),
    ] {
        let found = end(&[frame(HEADERS, END_HEADERS, 1, block)]);
        assert_eq!(found, Some(Err(Error::BrokenHeaders(malformed))));
    }
}
