//! Which messages are the answer (D-SIP-1, D-SIP-13), and what they tell of the way.

use branchline_probes::sip::facts::{RECEIVED, RPORT, RTT, SERVER};
use branchline_probes::{Ignored, OptionValue};

use crate::desk::{self, News, Wanted, millis};
use crate::{
    anonymous, assert_ignored, assert_understood, counts, must, ok, other_method, other_sequence,
    readings, register, repeated, response, run_in,
};

/// A refusal that would end the exchange if it were believed.
fn lie(request: &str) -> String {
    response(request, "403 Forbidden", "")
}

// D-SIP-1
#[test]
fn a_response_that_names_something_else_is_ignored() {
    type Forge = fn(&str) -> String;
    let changes: [(&str, Forge); 8] = [
        ("branch", |request| lie(request).replace("branch=z9hG4bK", "branch=z9hG4bK0")),
        ("no branch", |request| lie(request).replace("branch=", "bench=")),
        ("sequence number", |request| other_sequence(&lie(request))),
        ("method", |request| other_method(&lie(request), "INVITE")),
        ("Call-ID", |request| lie(request).replace("Call-ID: ", "Call-ID: 0")),
        ("From tag", |request| {
            let from = must(request, "From");
            lie(request).replace(from, &format!("{from}0"))
        }),
        ("two Vias", |request| {
            lie(request).replace("From:", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom:")
        }),
        ("two Vias in one line", |request| {
            let via = must(request, "Via");
            lie(request).replace(via, &format!("{via}, SIP/2.0/UDP 192.0.2.1"))
        }),
    ];
    for (what, forge) in changes {
        assert_ignored(Ignored::Mismatch, what, forge);
    }
}

// D-SIP-1
#[test]
fn a_response_that_lacks_what_tells_it_apart_is_ignored() {
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        assert_ignored(Ignored::Mismatch, name, |request| {
            lie(request).replace(&format!("{name}: "), &format!("X-{name}: "))
        });
    }
}

// D-SIP-1
#[test]
fn the_answer_to_an_earlier_request_is_ignored() {
    let mut first = String::new();

    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => {
            first = ok(request);
            vec![first.clone()]
        }
        _ => vec![first.clone(), ok(request)],
    });

    assert_eq!(result.ignored(Ignored::Mismatch), 2, "before the removal's, before the reading's");
    assert_eq!(result.fact("removed").as_deref(), Some("Flag(true)"));
}

// D-SIP-1
#[test]
fn branches_tags_and_call_ids_hold_enough_chance() {
    let result = register(&*anonymous(&[]), |_, request| vec![ok(request)]);

    let texts = result.texts();
    let branch = |text: &str| must(text, "Via").split("branch=z9hG4bK").nth(1).map(str::to_owned);
    let first = branch(&texts[0]).unwrap();
    // At least 64 bits in hexadecimal.
    assert!(first.split(';').next().unwrap().len() >= 16, "{first}");
    assert!(must(&texts[0], "Call-ID").len() >= 16);
    assert!(must(&texts[0], "From").split("tag=").nth(1).unwrap().len() >= 16);
    assert_ne!(branch(&texts[1]).unwrap(), first);
}

// D-SIP-1
#[test]
fn a_response_from_a_stranger_is_ignored() {
    let from = "192.0.2.11:5060".parse().unwrap();
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            let request = std::str::from_utf8(bytes).unwrap();
            vec![
                (millis(1), News::Heard { from, bytes: lie(request).into_bytes() }),
                (millis(2), News::answer(ok(request))),
            ]
        }
    };

    let result = run_in(&*anonymous(&[]), &mut world);

    assert_eq!((result.label(), result.ignored(Ignored::Stranger)), ("", 3), "one each");
}

// D-SIP-13, D-STUN-8
#[test]
fn requests_from_the_peer_get_not_one_byte() {
    let inbound = |request: &str, method: &str| {
        format!("{method} sip:probe@198.51.100.7 SIP/2.0\r\n{}\r\n", repeated(request))
    };
    let methods = ["INVITE", "OPTIONS", "NOTIFY", "REGISTER", "BYE", "ACK"];

    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => methods.map(|it| inbound(request, it)).into_iter().chain([ok(request)]).collect(),
        _ => vec![ok(request)],
    });

    assert_eq!((counts(&result), readings(&result)), ((1, 1), 1));
    assert_eq!(result.ignored(Ignored::Unasked), 6);
}

#[test]
fn compact_and_oddly_cased_names_are_understood() {
    assert_understood("compact", |request| {
        lie_486(request)
            .replace("Via:", "v:")
            .replace("From:", "f :")
            .replace("To:", "t:")
            .replace("Call-ID:", "I:")
            .replace("CSeq:", "cSeQ\t:")
            .replace("Content-Length:", "l:")
    });
}

fn lie_486(request: &str) -> String {
    response(request, "486 Busy Here", "")
}

#[test]
fn folded_headers_a_bare_status_and_leading_empty_lines_are_understood() {
    assert_understood("folded", |request| {
        lie_486(request).replace("From: ", "From:\r\n  ").replace("To: ", "To:\r\n\t")
    });
    assert_understood("bare status", |request| lie_486(request).replace("486 Busy Here", "486"));
    assert_understood("empty lines", |request| format!("\r\n\r\n{}", lie_486(request)));
    assert_understood("bare LF", |request| lie_486(request).replace("\r\n", "\n"));
}

#[test]
fn the_answer_tells_from_where_we_were_received() {
    for (address, expected) in [("2001:db8::9", "2001:db8::9"), ("203.0.113.5", "203.0.113.5")] {
        let result = register(&*anonymous(&[]), |_, request| {
            let seen = format!("rport=40999;received={address}");
            vec![ok(request).replacen("rport", &seen, 1)]
        });

        assert_eq!(result.outcome.facts.read(&RECEIVED).unwrap().as_str(), expected);
        assert_eq!(result.outcome.facts.read(&RPORT), Some(40_999));
    }
}

#[test]
fn what_the_registrar_calls_itself_is_made_safe() {
    let result = register(&*anonymous(&[]), |_, request| {
        vec![ok(request).replace("Content-Length", "Server: a\u{1b}[2J\u{202e}b\r\nContent-Length")]
    });

    let server = result.outcome.facts.read(&SERVER).unwrap();
    assert_eq!(server.as_str(), "a\\u{1b}[2J\\u{202e}b");
}

// RFC 3261 §17.1.2.2
#[test]
fn given_silence_eleven_requests_leave_as_the_rfc_says() {
    let result = register(&*anonymous(&[]), |_, _| Vec::new());

    let (registrations, removals) = counts(&result);
    assert_eq!(registrations, 11);
    assert_eq!(
        result.schedule()[..11],
        [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    assert!(removals > 0, "it may have been heard");
    assert_eq!(result.label(), "no_response");
    assert_eq!(result.fact("transmissions").as_deref(), Some("Count(11)"));
    assert_eq!(result.fact("retransmissions").as_deref(), Some("Count(10)"));
}

// RFC 3261 §17.1.2.2
#[test]
fn a_provisional_answer_slows_the_retransmissions() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![response(request, "100 Trying", "")],
        _ => Vec::new(),
    });

    let (registrations, _) = counts(&result);
    let expected = [0, 500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500];
    assert_eq!(result.schedule()[..registrations], expected);
}

#[test]
fn a_registrar_that_only_tries_is_not_silent() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![response(request, "100 Trying", "")],
        _ => Vec::new(),
    });

    assert_eq!(result.label(), "unusable");
    let (_, failure) = result.outcome.failure.as_ref().unwrap();
    assert!(!failure.is_silence(), "{failure}");
    assert!(counts(&result).1 > 0, "what it tried may have worked");
}

// D-SIP-3
#[test]
fn more_than_32_provisional_answers_are_noise() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => {
            vec![response(request, "100 Trying", ""); 40].into_iter().chain([ok(request)]).collect()
        }
        _ => vec![ok(request)],
    });

    assert_eq!((result.label(), result.ignored(Ignored::Unasked)), ("", 8));
}

#[test]
fn a_lost_request_is_counted_and_gives_no_round_trip() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => Vec::new(),
        _ => vec![ok(request)],
    });

    assert_eq!(result.fact("transmissions").as_deref(), Some("Count(2)"));
    assert_eq!(result.fact("retransmissions").as_deref(), Some("Count(1)"));
    assert_eq!(result.outcome.facts.read(&RTT), None);
}

#[test]
fn a_timeout_that_falls_on_a_retransmission_counts_what_was_sent() {
    // A fifth of the timeout is kept back for the removal.
    let timeout = OptionValue::Duration((millis(500) + desk::OPENING) * 5 / 4);
    let module = anonymous(&[("timeout", timeout)]);

    let result = register(&*module, |_, _| Vec::new());

    assert_eq!((result.label(), counts(&result)), ("deadline", (1, 1)));
    assert_eq!(result.fact("transmissions").as_deref(), Some("Count(1)"));
}
