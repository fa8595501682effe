//! Responses: in pieces, padded, continued, behind interim ones, with trailers, and what is none.

use branchline_probes::wire::http2::{Client, Error, ErrorCode, Event, Response};

use super::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, REQUEST,
    RST_STREAM, SETTINGS, STATUS_200, WITH_PRIORITY, end, field, frame, headers, last_data, polled,
    response, settings,
};

fn answer() -> Response {
    Response {
        status: 200,
        content_type: Some(b"application/dns-message".to_vec()),
        body: b"an answer".to_vec(),
    }
}

/// A response as a server gives it that is in no hurry.
fn whole() -> Vec<u8> {
    let block = [
        &[STATUS_200][..],
        &field("content-type", "application/dns-message"),
        &field("content-length", "9"),
        &field("cache-control", "max-age=300"),
    ];
    [
        frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
        frame(SETTINGS, ACK, 0, &[]),
        frame(PING, 0, 0, b"12345678"),
        frame(PING, ACK, 0, b"87654321"),
        headers(&block.concat()),
        frame(DATA, 0, 1, b"an "),
        last_data(b"answer"),
    ]
    .concat()
}

// RFC 9113 §6.5.3, §6.7
#[test]
fn a_response_comes_out_however_its_pieces_arrive_and_what_asks_for_a_word_gets_it() {
    let stream = whole();
    let replies = [frame(SETTINGS, ACK, 0, &[]), frame(PING, ACK, 0, b"12345678")].concat();
    for size in 1..=stream.len() {
        let mut said = Vec::new();
        let mut outcomes = Vec::new();
        for event in polled(stream.chunks(size)) {
            match event {
                Ok(Event::Reply(bytes)) => {
                    assert_eq!(outcomes, [], "a reply comes first");
                    said.extend(bytes);
                }
                other => outcomes.push(other),
            }
        }
        assert_eq!(said, replies, "pieces of {size}");
        assert_eq!(outcomes, [Ok(Event::Response(answer()))], "pieces of {size}");
    }
}

#[test]
fn no_response_is_told_before_its_last_byte() {
    let stream = whole();
    for length in 0..stream.len() {
        let events = polled([&stream[..length]]);
        let is_reply = |event: &_| matches!(event, Ok(Event::Reply(_)));
        assert!(events.iter().all(is_reply), "{length} bytes: {events:?}");
    }
}

#[test]
fn behind_the_response_nothing_is_read() {
    let (mut client, _) = Client::open(&REQUEST).unwrap();
    client.push(&[whole(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()].concat());
    assert!(matches!(client.poll(), Some(Ok(Event::Reply(_)))));
    assert_eq!(client.poll(), Some(Ok(Event::Response(answer()))));

    client.push(&frame(PING, 0, 0, b"12345678"));

    assert_eq!(client.poll(), None);
}

#[test]
fn a_peer_has_shown_that_it_speaks_http_2_once_its_settings_came() {
    let (mut client, _) = Client::open(&REQUEST).unwrap();
    let settings = settings();
    client.push(&settings[..8]);
    assert!(!client.is_greeted());

    client.push(&settings[8..]);

    assert!(client.is_greeted());
}

// RFC 9113 §6.1, §6.2
#[test]
fn padding_and_priority_are_no_part_of_what_is_said() {
    let block = [&[3][..], b"\x80\0\0\0\xff", &[STATUS_200], b"\0\0\0"].concat();
    let flags = END_HEADERS | PADDED | WITH_PRIORITY;
    let frames =
        [frame(HEADERS, flags, 1, &block), frame(DATA, PADDED | END_STREAM, 1, b"\x02hello\0\0")];

    assert_eq!(end(&frames), Some(Ok(response(200, b"hello"))));
}

#[test]
fn a_frame_of_padding_alone_is_a_frame() {
    for (kind, empty) in [(DATA, &b"\0"[..]), (DATA, b"\x02\0\0")] {
        let frames = [headers(&[STATUS_200]), frame(kind, PADDED, 1, empty), last_data(b"hello")];
        assert_eq!(end(&frames), Some(Ok(response(200, b"hello"))));
    }
}

// RFC 9113 §6.1, §6.2
#[test]
fn what_is_padded_beyond_its_end_is_broken() {
    let broken = [
        frame(HEADERS, END_HEADERS | PADDED, 1, &[]),
        frame(HEADERS, END_HEADERS | PADDED, 1, &[2, STATUS_200]),
        frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, &[0, 0, 0, 0]),
        frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, &[1, 0, 0, 0, 0, 0]),
    ];
    for frame in broken {
        assert_eq!(end(&[frame]), Some(Err(Error::BrokenFrame)));
    }
    for payload in [&[][..], &[1], &[255, 0, 0]] {
        let data = frame(DATA, PADDED, 1, payload);
        assert_eq!(end(&[headers(&[STATUS_200]), data]), Some(Err(Error::BrokenFrame)));
    }
}

// RFC 9113 §6.10
#[test]
fn a_header_block_may_be_cut_anywhere() {
    let block = [&[STATUS_200][..], &field("content-type", "a/b")].concat();
    for cut in 0..=block.len() {
        let (first, rest) = block.split_at(cut);
        // END_STREAM stands on HEADERS, though more of the block follows.
        let frames = [
            frame(HEADERS, END_STREAM, 1, first),
            frame(CONTINUATION, 0, 1, &[]),
            frame(CONTINUATION, END_HEADERS, 1, rest),
        ];
        let expected = Response { content_type: Some(b"a/b".to_vec()), ..response(200, b"") };
        assert_eq!(end(&frames), Some(Ok(expected)), "cut at {cut}");
    }
}

// RFC 9113 §5.5, §6.10
#[test]
fn a_header_block_is_not_interrupted() {
    let begun = frame(HEADERS, 0, 1, &[STATUS_200]);
    let strangers = [
        frame(DATA, 0, 1, b"hello"),
        headers(&[STATUS_200]),
        frame(PING, 0, 0, b"12345678"),
        frame(0x42, 0, 0, b"unknown"),
        frame(CONTINUATION, END_HEADERS, 3, &[]),
    ];
    for stranger in strangers {
        let found = end(&[begun.clone(), stranger]);
        assert_eq!(found, Some(Err(Error::UnexpectedFrame)));
    }
    let nothing_to_continue = frame(CONTINUATION, END_HEADERS, 1, &[STATUS_200]);
    assert_eq!(end(&[nothing_to_continue]), Some(Err(Error::UnexpectedFrame)));
}

// RFC 9113 §8.1
#[test]
fn interim_responses_are_passed_over_and_their_fields_stay_in_the_table() {
    // The second of them, and the response, point to the field that the first one indexed.
    let first = [&field(":status", "103")[..], b"\x5f\x03a/b"].concat();
    let second = [&field(":status", "100")[..], b"\xbe"].concat();
    let frames =
        [headers(&first), headers(&second), headers(&[STATUS_200, 0xbe]), last_data(b"hello")];

    let found = end(&frames);

    let expected = Response { content_type: Some(b"a/b".to_vec()), ..response(200, b"hello") };
    assert_eq!(found, Some(Ok(expected)));
}

// RFC 9113 §8.1, §8.6
#[test]
fn an_interim_response_that_ends_the_stream_is_none_and_there_is_no_101() {
    let early = frame(HEADERS, END_HEADERS | END_STREAM, 1, &field(":status", "103"));
    assert_eq!(end(&[early]), Some(Err(Error::BadHeaders)));
    assert_eq!(end(&[headers(&field(":status", "101"))]), Some(Err(Error::BadHeaders)));
}

// RFC 9113 §8.1
#[test]
fn trailers_end_a_response_and_say_nothing_about_it() {
    let trailers = |flags| frame(HEADERS, END_HEADERS | flags, 1, &field("content-type", "c/d"));
    let begun = [headers(&[STATUS_200]), frame(DATA, 0, 1, b"hello")].concat();

    let found = end(&[begun.clone(), trailers(END_STREAM)]);

    assert_eq!(found, Some(Ok(response(200, b"hello"))));
    assert_eq!(end(&[begun.clone(), trailers(0)]), Some(Err(Error::BadHeaders)));
    let status = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[STATUS_200]);
    assert_eq!(end(&[begun, status]), Some(Err(Error::BadHeaders)));
}

// RFC 9113 §8.1.1
#[test]
fn a_body_is_as_long_as_content_length_says() {
    let begun = |status: &str, length: &str| {
        headers(&[field(":status", status), field("content-length", length)].concat())
    };
    for (length, expected) in [
        ("5", Ok(response(200, b"hello"))),
        ("05", Ok(response(200, b"hello"))),
        ("4", Err(Error::WrongLength)),
        ("6", Err(Error::WrongLength)),
        ("18446744073709551615", Err(Error::WrongLength)),
        ("18446744073709551616", Err(Error::BadHeaders)),
        ("", Err(Error::BadHeaders)),
        ("+5", Err(Error::BadHeaders)),
        ("5, 5", Err(Error::BadHeaders)),
    ] {
        assert_eq!(end(&[begun("200", length), last_data(b"hello")]), Some(expected), "{length}");
    }
    // RFC 9110 §8.6: it is the length that the body would have.
    assert_eq!(end(&[begun("304", "5"), last_data(b"")]), Some(Ok(response(304, b""))));
    let twice = [&[STATUS_200][..], &field("content-length", "5"), &field("content-length", "6")];
    assert_eq!(end(&[headers(&twice.concat())]), Some(Err(Error::BadHeaders)));
}

// RFC 9113 §8.2, §8.3.2
#[test]
fn what_no_response_has_in_its_headers_makes_it_none() {
    let with = |name: &str, value: &str| [&[STATUS_200][..], &field(name, value)].concat();
    let blocks = [
        ("nothing", Vec::new()),
        ("no status", field("server", "200")),
        ("a late status", [field("server", "x"), vec![STATUS_200]].concat()),
        ("two statuses", vec![STATUS_200, STATUS_200]),
        ("a pseudo-header of requests", vec![STATUS_200, 0x82]),
        ("a status of two digits", field(":status", "20")),
        ("a status of four digits", field(":status", "2000")),
        ("a status that is no number", field(":status", "2x0")),
        ("a status below all", field(":status", "099")),
        ("upper case", with("Server", "x")),
        ("a blank in a name", with("ser ver", "x")),
        ("a colon in a name", with("server:", "x")),
        ("no name", with("", "x")),
        ("a name that is not ASCII", with("sérver", "x")),
        ("a line break", with("server", "x\r\ny: z")),
        ("a NUL", with("server", "x\0")),
        ("a blank before a value", with("server", " x")),
        ("a tab behind a value", with("server", "x\t")),
        ("a field of the connection", with("connection", "close")),
        ("chunks", with("transfer-encoding", "chunked")),
    ];
    for (what, block) in blocks {
        assert_eq!(end(&[headers(&block)]), Some(Err(Error::BadHeaders)), "{what}");
    }
}

#[test]
fn of_two_content_types_none_counts() {
    let block =
        [&[STATUS_200][..], &field("content-type", "a/b"), &field("content-type", "c/d")].concat();

    let found = end(&[headers(&block), last_data(b"")]);

    assert_eq!(found, Some(Ok(response(200, b""))));
}

// RFC 9113 §6.4
#[test]
fn a_request_that_is_reset_names_the_reason() {
    let reset = frame(RST_STREAM, 0, 1, &7_u32.to_be_bytes());
    let begun = headers(&[STATUS_200]);
    for frames in [vec![reset.clone()], vec![begun, reset]] {
        assert_eq!(end(&frames), Some(Err(Error::Reset(ErrorCode(7)))));
    }
    let error = Error::Reset(ErrorCode(7));
    assert_eq!(error.to_string(), "the request was reset: REFUSED_STREAM (0x07)");
    assert_eq!(ErrorCode(0xBEEF).to_string(), "OTHER (0xbeef)");
}

// RFC 9113 §5.4.1, §6.8
#[test]
fn a_goaway_that_leaves_our_request_alone_ends_nothing() {
    let goaway = |last: u32, code: u32| {
        let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), b"a word"].concat();
        frame(GOAWAY, 0, 0, &payload)
    };
    let rest = [headers(&[STATUS_200]), last_data(b"hello")].concat();
    for (last, code, expected) in [
        (1, 0, Ok(response(200, b"hello"))),
        (u32::MAX >> 1, 0, Ok(response(200, b"hello"))),
        (u32::MAX, 0, Ok(response(200, b"hello"))),
        (0, 0, Err(Error::GoAway(ErrorCode::NO_ERROR))),
        (1 << 31, 0, Err(Error::GoAway(ErrorCode::NO_ERROR))),
        (1, 0x0B, Err(Error::GoAway(ErrorCode(0x0B)))),
        (0, 0x0D, Err(Error::GoAway(ErrorCode(0x0D)))),
    ] {
        let found = end(&[goaway(last, code), rest.clone()]);
        assert_eq!(found, Some(expected), "{last} {code}");
    }
}
