//! What leaves first: the preface, what we grant, the request.

use branchline_probes::wire::http2::{BadRequest, Client, Request};

use super::{DATA, END_HEADERS, END_STREAM, HEADERS, REQUEST, SETTINGS, WINDOW_UPDATE, frame};

fn opened(request: &Request<'_>) -> Vec<u8> {
    Client::open(request).expect("it can be written").1
}

// RFC 9113 §3.4, RFC 7541 §6.2.2, RFC 8484 §4.1
#[test]
fn a_connection_opens_with_the_preface_our_settings_and_the_whole_request() {
    let settings = [
        [0, 2, 0, 0, 0, 0],    // ENABLE_PUSH: 0
        [0, 4, 0, 4, 0, 0],    // INITIAL_WINDOW_SIZE: 256 KiB
        [0, 6, 0, 0, 0x40, 0], // MAX_HEADER_LIST_SIZE: 16 KiB
    ];
    let block = [
        &b"\x83\x87"[..],
        b"\x01\x0fdns.example.net",
        b"\x04\x0a/dns-query",
        b"\x0f\x04\x17application/dns-message",
        b"\x0f\x10\x17application/dns-message",
        b"\x0f\x0d\x0210",
    ];
    let expected = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &settings.concat()),
        frame(WINDOW_UPDATE, 0, 0, &(256 * 1024 - 65_535_u32).to_be_bytes()),
        frame(HEADERS, END_HEADERS, 1, &block.concat()),
        frame(DATA, END_STREAM, 1, b"a question"),
    ];

    assert_eq!(opened(&REQUEST), expected.concat());
}

// RFC 9113 §4.2, §6.9.2
#[test]
fn a_long_body_leaves_in_frames_that_any_peer_must_take() {
    for (length, parts) in [
        (0, vec![0]),
        (16_384, vec![16_384]),
        (16_385, vec![16_384, 1]),
        (65_535, vec![16_384, 16_384, 16_384, 16_383]),
    ] {
        let body = vec![b'x'; length];
        let bytes = opened(&Request { body: &body, ..REQUEST });

        let last = parts.len() - 1;
        let frames = parts.iter().enumerate().map(|(number, &length)| {
            frame(DATA, if number == last { END_STREAM } else { 0 }, 1, &body[..length])
        });
        let expected = frames.collect::<Vec<_>>().concat();
        assert!(bytes.ends_with(&expected), "{length} bytes");
        let text = length.to_string();
        let tail =
            [&b"\x0f\x0d"[..], &[u8::try_from(text.len()).unwrap()], text.as_bytes(), &expected];
        assert!(bytes.ends_with(&tail.concat()), "{length} bytes");
    }
}

// RFC 7541 §5.1
#[test]
fn a_long_path_has_its_length_in_more_than_one_octet() {
    let path = format!("/{}", "x".repeat(1336));

    let bytes = opened(&Request { path: &path, ..REQUEST });

    // 1337 behind a prefix of seven bits: 127, then 1210 in groups of seven.
    let expected = [b"\x04\x7f\xba\x09", path.as_bytes(), b"\x0f\x04"].concat();
    assert!(bytes.windows(expected.len()).any(|window| window == expected));
}

#[test]
fn what_is_no_request_is_not_written() {
    let (long, body) = ("/".repeat(4097), vec![0; 65_536]);
    let requests = [
        ("no authority", Request { authority: "", ..REQUEST }),
        ("a line break", Request { authority: "a\r\nb", ..REQUEST }),
        ("a blank", Request { path: "/a b", ..REQUEST }),
        ("no slash", Request { path: "dns-query", ..REQUEST }),
        ("no path", Request { path: "", ..REQUEST }),
        ("a long path", Request { path: &long, ..REQUEST }),
        ("no ASCII", Request { media_type: "käse", ..REQUEST }),
        ("a long body", Request { body: &body, ..REQUEST }),
    ];
    for (what, request) in requests {
        assert_eq!(Client::open(&request).err(), Some(BadRequest), "{what}");
    }
    let longest = Request { path: &long[..4096], body: &body[..65_535], ..REQUEST };
    assert!(Client::open(&longest).is_ok());
}

// RFC 9113 §6.8
#[test]
fn our_goodbye_is_a_goaway_without_an_error() {
    assert_eq!(Client::GOAWAY, *frame(super::GOAWAY, 0, 0, &[0; 8]));
}
