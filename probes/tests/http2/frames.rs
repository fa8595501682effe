//! Frames that are no HTTP/2, broken, out of place, or of no concern.

use branchline_probes::wire::http2::{Client, Error, Event};

use super::{
    ACK, CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, PUSH_PROMISE, REQUEST, RST_STREAM,
    SETTINGS, STATUS_200, WINDOW_UPDATE, end, frame, headers, last_data, polled, response,
    settings,
};

// RFC 9113 §3.4
#[test]
fn who_does_not_begin_with_settings_speaks_no_http_2() {
    let strangers = [
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("the first byte of it", b"H".to_vec()),
        ("a TLS alert", vec![0x15, 3, 3, 0, 2, 2, 40]),
        ("a DNS message on a stream", b"\0\x1d\x12\x34\x81\x80\0\x01\0".to_vec()),
        ("PING first", frame(PING, 0, 0, b"12345678")),
        ("an acknowledgement first", frame(SETTINGS, ACK, 0, &[])),
        ("GOAWAY first", frame(GOAWAY, 0, 0, &[0; 8])),
        ("the first bytes of another frame", vec![0, 0, 9, DATA]),
    ];
    for (what, bytes) in strangers {
        assert_eq!(polled([&bytes[..]]), [Err(Error::NotHttp2)], "{what}");
    }
}

// RFC 9113 §4.2
#[test]
fn a_frame_is_refused_by_its_length_before_its_payload_comes() {
    for length in [[0, 0x40, 1], [0, 0xFF, 0xFF], [1, 0, 0], [0xFF; 3]] {
        let header = [&length[..], &[DATA, 0, 0, 0, 0, 1]].concat();
        assert_eq!(end(&[header]), Some(Err(Error::FrameTooLarge)), "{length:?}");
    }
    let first = frame(SETTINGS, 0, 0, &[0; 16_386]);
    assert_eq!(polled([&first[..]]), [Err(Error::FrameTooLarge)]);
    // The longest that is allowed.
    let frames = [headers(&[STATUS_200]), last_data(&[b'x'; 16_384])];
    assert_eq!(end(&frames), Some(Ok(response(200, &[b'x'; 16_384]))));
}

// RFC 9113 §6.3 to §6.9
#[test]
fn a_frame_whose_length_its_type_does_not_allow_is_broken() {
    let broken = [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0; 7])),
        ("an acknowledgement with settings", frame(SETTINGS, ACK, 0, &[0; 6])),
        ("PING", frame(PING, 0, 0, &[0; 7])),
        ("PING", frame(PING, ACK, 0, &[0; 9])),
        ("GOAWAY", frame(GOAWAY, 0, 0, &[0; 7])),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0; 3])),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0; 5])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &[1; 3])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0; 4])),
        ("an increment of 0", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("an increment of 0 but for the reserved bit", frame(WINDOW_UPDATE, 0, 1, &[128, 0, 0, 0])),
    ];
    for (what, frame) in broken {
        assert_eq!(end(&[frame]), Some(Err(Error::BrokenFrame)), "{what}");
    }
}

// RFC 9113 §6.5.2
#[test]
fn settings_have_values_that_they_cannot_have() {
    let setting = |name: u16, value: u32| {
        let payload = [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        [frame(SETTINGS, 0, 0, &payload), headers(&[STATUS_200]), last_data(b"")]
    };
    for (name, value) in [(2, 1), (2, 2), (4, 1 << 31), (5, 16_383), (5, 1 << 24)] {
        let found = end(&setting(name, value));
        assert_eq!(found, Some(Err(Error::BrokenFrame)), "{name}: {value}");
    }
    for (name, value) in [
        (1, 0),
        (1, u32::MAX),
        (2, 0),
        (3, 0),
        (4, 0),
        (4, u32::MAX >> 1),
        (5, 16_384),
        (5, (1 << 24) - 1),
        (6, 0),
        (0x7777, u32::MAX),
    ] {
        let found = end(&setting(name, value));
        assert_eq!(found, Some(Ok(response(200, b""))), "{name}: {value}");
    }
}

// RFC 9113 §5.1, §6, §8.4
#[test]
fn a_frame_out_of_place_is_refused() {
    let misplaced = [
        ("HEADERS of the connection", frame(HEADERS, 4, 0, &[STATUS_200])),
        ("HEADERS of a stream that nobody opened", frame(HEADERS, 4, 3, &[STATUS_200])),
        ("HEADERS of a stream of the server", frame(HEADERS, 4, 2, &[STATUS_200])),
        ("DATA of the connection", frame(DATA, 0, 0, b"x")),
        ("DATA of another stream", frame(DATA, 0, 3, b"x")),
        ("DATA before HEADERS", frame(DATA, 0, 1, b"x")),
        ("CONTINUATION of nothing", frame(CONTINUATION, 4, 1, &[STATUS_200])),
        ("RST_STREAM of the connection", frame(RST_STREAM, 0, 0, &[0; 4])),
        ("RST_STREAM of another stream", frame(RST_STREAM, 0, 3, &[0; 4])),
        ("SETTINGS of a stream", frame(SETTINGS, 0, 1, &[])),
        ("PING of a stream", frame(PING, 0, 1, &[0; 8])),
        ("GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8])),
        ("WINDOW_UPDATE of another stream", frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1])),
        ("PRIORITY of the connection", frame(PRIORITY, 0, 0, &[0; 5])),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2, 0x82])),
    ];
    for (what, frame) in misplaced {
        assert_eq!(end(&[frame]), Some(Err(Error::UnexpectedFrame)), "{what}");
    }
}

// RFC 9113 §4.1, §5.5
#[test]
fn what_is_unknown_or_of_no_concern_is_passed_over() {
    let frames = [
        frame(0x0A, 0xFF, 0, b"ALTSVC"),
        frame(0xFF, 0xFF, 77, b""),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(PRIORITY, 0, 99, &[0; 5]),
        frame(WINDOW_UPDATE, 0, 0, &[0x7F, 0xFF, 0xFF, 0xFF]),
        frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frame(PING, ACK, 0, b"12345678"),
        // Flags that HEADERS does not have, and the reserved bit of the stream.
        frame(HEADERS, 0x04 | 0x40 | 0x02, 1 << 31 | 1, &[STATUS_200]),
        last_data(b"hello"),
    ];

    assert_eq!(end(&frames), Some(Ok(response(200, b"hello"))));
}

#[test]
fn an_error_is_told_once_and_ends_everything() {
    let (mut client, _) = Client::open(&REQUEST).unwrap();
    client.push(&[settings(), frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2, 0x82])].concat());
    assert!(matches!(client.poll(), Some(Ok(Event::Reply(_)))));
    assert_eq!(client.poll(), Some(Err(Error::UnexpectedFrame)));

    client.push(&[headers(&[STATUS_200]), last_data(b"hello")].concat());

    assert_eq!(client.poll(), None);
}
