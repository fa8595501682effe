//! Where a message begins and ends, and how large it may be (D-SIP-2, D-SIP-3).

use branchline_probes::Ignored;

use crate::{assert_ignored, assert_understood, response};

const EMPTY: &str = "Content-Length: 0";

fn busy(request: &str) -> String {
    response(request, "486 Busy Here", "")
}

/// The response with another Content-Length line.
fn with_length(request: &str, line: &str) -> String {
    busy(request).replace(EMPTY, line)
}

// D-SIP-2
#[test]
fn a_length_that_is_wrong_twofold_or_no_number_is_malformed() {
    let lines = [
        "Content-Length: 1",
        "Content-Length: 65536",
        "Content-Length: 4294967296",
        "Content-Length: 99999999999999999999",
        "Content-Length: -1",
        "Content-Length: +0",
        "Content-Length: 0x0",
        "Content-Length: 0, 0",
        "Content-Length: zero",
        "Content-Length:",
        "Content-Length: 0\r\nContent-Length: 1",
        "Content-Length: 0\r\nl: 1",
        "l: 1\r\nContent-Length: 0",
    ];
    for line in lines {
        assert_ignored(Ignored::Malformed, line, |request| with_length(request, line));
    }
}

// D-SIP-2
#[test]
fn bytes_beyond_the_length_are_dropped_and_an_equal_length_twice_is_one() {
    assert_understood("surplus", |request| busy(request) + "SIP/2.0 200 OK\r\n\r\n");
    assert_understood("twice", |request| with_length(request, "Content-Length: 0\r\nl: 0"));
    assert_understood("none", |request| with_length(request, "X-Nothing: 0"));
    assert_understood("a body", |request| with_length(request, "Content-Length: 4") + "body");
}

// D-SIP-2
#[test]
fn a_folded_length_sequence_or_via_is_smuggling() {
    for name in ["Content-Length", "CSeq", "Via"] {
        assert_ignored(Ignored::Malformed, name, |request| {
            busy(request).replace(&format!("{name}: "), &format!("{name}:\r\n "))
        });
    }
    assert_ignored(Ignored::Malformed, "compact", |request| {
        busy(request).replace("Via: ", "v:\r\n\t")
    });
}

// D-SIP-2
#[test]
fn a_nul_or_a_bare_carriage_return_breaks_a_header() {
    for line in ["X-Odd: a\0b", "X-Odd: a\rb", "X-Odd: a\rContent-Length: 9", "X-\0dd: a"] {
        assert_ignored(Ignored::Malformed, line, |request| {
            busy(request).replace(EMPTY, &format!("{line}\r\n{EMPTY}"))
        });
    }
}

// RFC 3261 §7: an empty line ends the headers, whether or not there is a body.
#[test]
fn a_message_that_ends_within_its_headers_was_cut() {
    assert_ignored(Ignored::Malformed, "no empty line", |request| {
        busy(request).trim_end().to_owned() + "\r\n"
    });
    for name in ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"] {
        assert_ignored(Ignored::Malformed, name, |request| {
            let text = busy(request);
            let start = text.find(&format!("{name}: ")).expect("it is repeated");
            let end = start + text[start..].find('\n').expect("it is a line");
            text[..=end].to_owned()
        });
        assert_ignored(Ignored::Malformed, name, |request| {
            let text = busy(request);
            let start = text.find(&format!("{name}: ")).expect("it is repeated");
            text[..start + name.len() + 3].to_owned()
        });
    }
}

#[test]
fn a_line_that_is_no_header_breaks_the_message() {
    for line in ["no colon here", ": no name", "two words: x", "X(Y): x"] {
        assert_ignored(Ignored::Malformed, line, |request| {
            busy(request).replace(EMPTY, &format!("{line}\r\n{EMPTY}"))
        });
    }
    assert_ignored(Ignored::Malformed, "a fold before any header", |request| {
        busy(request).replacen("\r\n", "\r\n folded\r\n", 1)
    });
}

#[test]
fn a_status_line_that_is_none_makes_no_response() {
    let lines = [
        "SIP/2.0 99 Low",
        "SIP/2.0 700 High",
        "SIP/2.0 4860 Long",
        "SIP/2.0 486x",
        "SIP/3.0 486 Busy",
        "HTTP/1.1 486 Busy",
        "SIP/2.0486 Busy",
        "SIP/2.0",
        "486 Busy Here",
    ];
    for line in lines {
        assert_ignored(Ignored::Malformed, line, |request| {
            busy(request).replace("SIP/2.0 486 Busy Here", line)
        });
    }
}

// D-SIP-3
#[test]
fn the_129th_header_is_one_too_many() {
    // Via, From, To, Call-ID, CSeq and Content-Length are six.
    let many = |request: &str, count: usize| {
        busy(request).replace(EMPTY, &format!("{}{EMPTY}", "X-More: x\r\n".repeat(count - 6)))
    };

    assert_understood("128", |request| many(request, 128));
    assert_ignored(Ignored::Malformed, "129", |request| many(request, 129));
}

// D-SIP-3
#[test]
fn a_header_of_more_than_8_kib_is_too_large_however_it_is_folded() {
    let long = |request: &str, value: &str| {
        busy(request).replace(EMPTY, &format!("X-Long: {value}\r\n{EMPTY}"))
    };

    assert_understood("8 KiB", |request| long(request, &"x".repeat(8 * 1024)));
    assert_ignored(Ignored::Malformed, "more", |request| long(request, &"x".repeat(8 * 1024 + 1)));
    assert_ignored(Ignored::Malformed, "folded", |request| {
        long(request, &format!("x{}", format!("\r\n {}", "x".repeat(1023)).repeat(9)))
    });
}

// D-SIP-3
#[test]
fn a_message_of_more_than_64_kib_is_too_large() {
    assert_ignored(Ignored::Malformed, "64 KiB and one", |request| {
        let text = busy(request);
        let surplus = 64 * 1024 + 1 - text.len();
        text + &"x".repeat(surplus)
    });
}

#[test]
fn octets_that_are_not_utf_8_are_understood() {
    use crate::desk::{begin, run, world};
    let module = crate::anonymous(&[]);
    let odd = |_, request: &[u8]| {
        let text = busy(std::str::from_utf8(request).expect("it is text"));
        let mut bytes = text.replace("Busy Here", "Occup\u{e9}").into_bytes();
        bytes.retain(|&byte| byte != 0xC3);
        vec![bytes]
    };

    let result = run(begin(&*module, 7).as_mut(), &mut world(odd));

    let (_, failure) = result.outcome.failure.unwrap();
    assert_eq!(failure.to_string(), "192.0.2.10:5060 answered 486 Occup\u{fffd}");
}
