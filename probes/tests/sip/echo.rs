//! What comes back of a request, held against what was sent: who rewrites is seen, and who does
//! not is never suspected.

use std::net::SocketAddr;
use std::time::Duration;

use branchline_probes::sip::facts::{DIFFERENCES, MAPPED_ADDRESS, REWRITTEN};
use branchline_probes::{Hears, Ignored, OptionValue};

use crate::desk::{self, News, Reply, Run, Wanted, millis};
use crate::{
    PASSWORD, anonymous, challenge, counts, must, ok, parameter, phone, register, response, run_in,
};

const LOCAL: &str = desk::LOCAL;
const SEEN: &str = "203.0.113.5:40999";
const STUN_SERVER: &str = "192.0.2.20:3478";

fn differences(result: &Run) -> Vec<String> {
    let lines = result.outcome.facts.read(&DIFFERENCES).unwrap_or_default();
    lines.iter().map(|line| line.as_str().to_owned()).collect()
}

fn is_rewritten(result: &Run) -> Option<bool> {
    result.outcome.facts.read(&REWRITTEN)
}

/// Registers with a registrar whose every answer goes through `change`.
fn through(change: impl Fn(String) -> String) -> Run {
    register(&*anonymous(&[]), |_, request| vec![change(ok(request))])
}

fn assert_clean(what: &str, result: &Run) {
    assert_eq!((result.label(), is_rewritten(result)), ("", Some(false)), "{what}");
    assert_eq!(differences(result), [""; 0], "{what}");
}

#[test]
fn a_clean_answer_never_differs() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change); 9] = [
        ("as it is", |text| text),
        ("compact", |text| {
            text.replace("Via:", "v:")
                .replace("From:", "f:")
                .replace("To:", "t:")
                .replace("Call-ID:", "i:")
                .replace("Contact:", "m:")
        }),
        ("folded", |text| {
            text.replace("From: ", "From:\r\n ")
                .replace("To: ", "To:\r\n\t")
                .replace("Contact: ", "Contact:\r\n  ")
        }),
        ("received and rport", |text| {
            text.replacen("rport", "rport=40999;received=203.0.113.5", 1)
        }),
        ("further parameters", |text| {
            text.replacen("rport", "rport=40999;x=\"a;b\";received=203.0.113.5;y", 1)
                .replace(";expires=60", ";q=0.5;+sip.instance=\"<urn:x>\";expires=55;reg-id=1")
                .replace(";tag=r1", ";tag=r1;x=y")
        }),
        ("white space", |text| {
            text.replace("SIP/2.0/UDP ", "SIP / 2.0 / UDP  ")
                .replace(";branch=", " ; branch = ")
                .replace(";expires=60", " ; expires = 60")
        }),
        ("names in front", |text| {
            text.replace("From: <", "From: \"A, <B>\" <")
                .replace("To: <", "To: C <")
                .replace("Contact: <", "Contact: \"D\" <")
        }),
        ("without brackets", |text| text.replace("To: <", "To: ").replace(">;tag=r1", ";tag=r1")),
        ("bare LF", |text| text.replace("\r\n", "\n")),
    ];
    for (what, change) in changes {
        assert_clean(what, &through(change));
    }
}

// RFC 3261 §19.1.1: an IPv6 address stands in brackets.
#[test]
fn over_ipv6_a_clean_answer_does_not_differ() {
    let local: SocketAddr = "[2001:db8::7]:40112".parse().unwrap();
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(_) => vec![(millis(1), News::ConnectedFrom(local))],
            Wanted::Bytes(_, _, bytes) => {
                let text = ok(std::str::from_utf8(bytes).unwrap());
                let text = text.replacen("rport", "rport=40112;received=2001:db8::7", 1);
                vec![(millis(1), News::answer(text))]
            }
        }
    };

    let result = run_in(&*anonymous(&[]), &mut world);

    assert_clean("IPv6", &result);
    assert!(must(&result.texts()[0], "Via").contains(" [2001:db8::7]:40112;branch="));
    assert!(must(&result.texts()[0], "Contact").contains("@[2001:db8::7]:40112>"));
}

#[test]
fn what_somebody_rewrote_is_told_as_a_pair_of_lines() {
    let domain = "sip:probe-lyon@sip.example.com";
    type Change = fn(String) -> String;
    let changes: [(&str, &str, &str, Change); 4] = [
        ("Via", LOCAL, SEEN, |text| text.replacen(LOCAL, SEEN, 1)),
        ("From", domain, "sip:probe-lyon@10.0.0.1", |text| {
            text.replace(
                "From: <sip:probe-lyon@sip.example.com>",
                "From: <sip:probe-lyon@10.0.0.1>",
            )
        }),
        ("To", domain, "sip:x@sip.example.com", |text| {
            text.replace("To: <sip:probe-lyon@", "To: <sip:x@")
        }),
        ("Via", LOCAL, "198.51.100.7", |text| text.replacen(":40112;branch", ";branch", 1)),
    ];
    for (name, sent, came, change) in changes {
        let result = through(change);

        assert_eq!((result.label(), is_rewritten(&result)), ("", Some(true)), "{name}");
        let expected = [format!("- {name}: {sent}"), format!("+ {name}: {came}")];
        assert_eq!(differences(&result), expected, "each pair once");
    }
}

#[test]
fn a_contact_that_is_stored_elsewhere_is_told() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![ok(request).replace(&format!("@{LOCAL}>;exp"), "@10.9.9.9:5060>;exp")],
        _ => vec![ok(request)],
    });

    let user = must(&result.texts()[0], "Contact").split('@').next().unwrap().replace('<', "");
    assert_eq!((result.label(), is_rewritten(&result)), ("", Some(true)));
    let expected =
        [format!("- Contact: {user}@{LOCAL}"), format!("+ Contact: {user}@10.9.9.9:5060")];
    assert_eq!(differences(&result), expected);
}

// RFC 5626 and habit: a registrar behind a NAT may store where it saw the phone.
#[test]
fn a_contact_that_is_stored_where_the_registrar_saw_us_is_no_proof() {
    let stored = |seen_port: &'static str, stored_at: &'static str| {
        register(&*anonymous(&[]), move |count, request| match count {
            0 => vec![
                ok(request)
                    .replacen("rport", &format!("rport={seen_port};received=203.0.113.5"), 1)
                    .replace(&format!("@{LOCAL}>;exp"), &format!("@{stored_at}>;exp")),
            ],
            _ => vec![ok(request)],
        })
    };

    for at in [SEEN, "203.0.113.5:40999;transport=udp"] {
        let result = stored("40999", at);
        assert_eq!((is_rewritten(&result), differences(&result).len()), (Some(false), 2), "{at}");
    }
    for (port, at) in [("4099", SEEN), ("40999", "203.0.113.5:4099"), ("40999", "10.9.9.9:40999")] {
        assert_eq!(is_rewritten(&stored(port, at)), Some(true), "{port} {at}");
    }
}

// D-SIP-1
#[test]
fn an_answer_that_was_tampered_with_is_no_answer_and_shows_who_did_it() {
    let call_id = |request: &str| must(request, "Call-ID").to_owned();
    type Change = Box<dyn Fn(&str) -> String>;
    let changes: [(&str, Change); 3] = [
        ("Via branch", Box::new(|request| ok(request).replace("=z9hG4bK", "=z9hG4bKother"))),
        (
            "Call-ID",
            Box::new(move |request| ok(request).replace(&call_id(request), "another@10.0.0.1")),
        ),
        (
            "From tag",
            Box::new(|request| {
                ok(request).replace(must(request, "From"), "<sip:probe-lyon@sip.example.com>;tag=t")
            }),
        ),
    ];
    for (name, change) in changes {
        let result = register(&*anonymous(&[]), |_, request| vec![change(request)]);

        assert_eq!(result.label(), "unusable", "{name}");
        assert!(result.ignored(Ignored::Mismatch) > 0, "{name}");
        assert_eq!(is_rewritten(&result), Some(true), "{name}");
        let lines = differences(&result);
        assert!(lines[0].starts_with(&format!("- {name}: ")), "{lines:?}");
        assert!(lines[1].starts_with(&format!("+ {name}: ")), "{lines:?}");
        assert_eq!(result.fact("status_code"), None, "it is no answer");
    }
}

#[test]
fn a_contact_with_parameters_of_the_registrar_is_no_proof() {
    let result = register(&*anonymous(&[]), |_, request| {
        vec![ok(request).replace(&format!("@{LOCAL}>;exp"), &format!("@{LOCAL};fs_nat=yes>;exp"))]
    });

    assert_eq!((result.label(), is_rewritten(&result)), ("", Some(false)));
    assert_eq!(differences(&result).len(), 2, "{:?}", differences(&result));
}

// D-SIP-1: what nobody who saw our request would send says nothing of the way.
#[test]
fn a_forgery_that_knows_little_is_no_trace_of_a_rewriter() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![
            ok(request).replace("=z9hG4bK", "=z9hG4bK0").replace("Call-ID: ", "Call-ID: 0"),
            ok(request),
        ],
        _ => vec![ok(request)],
    });

    assert_eq!(result.ignored(Ignored::Mismatch), 1);
    assert_clean("after a forgery", &result);
}

#[test]
fn who_was_never_answered_cannot_know() {
    let result = register(&*anonymous(&[]), |_, _| Vec::new());

    assert_eq!((is_rewritten(&result), differences(&result).len()), (None, 0));
}

// RFC 8489 §14.2
fn mapped(request: &[u8], address: &str) -> Vec<u8> {
    let SocketAddr::V4(address) = address.parse().expect("an address") else {
        panic!("it is IPv4")
    };
    let cookie = [0x21, 0x12, 0xA4, 0x42];
    let port = (address.port() ^ 0x2112).to_be_bytes();
    let mut bytes = [&[1, 1, 0, 12], &request[4..20], &[0, 0x20, 0, 8, 0, 1], &port].concat();
    bytes.extend(address.ip().octets().iter().zip(cookie).map(|(octet, key)| octet ^ key));
    bytes
}

/// A STUN server that sees us at `seen`, or says nothing, and a registrar whose Via says `rport`.
fn beside_stun(seen: Option<&str>, rport: &str) -> Run {
    beside_stun_within(millis(40_000), seen, rport)
}

fn beside_stun_within(timeout: Duration, seen: Option<&str>, rport: &str) -> Run {
    let server: SocketAddr = STUN_SERVER.parse().expect("an address");
    let stun_server = ("stun_server", OptionValue::Endpoint(server));
    let module = anonymous(&[stun_server, ("timeout", OptionValue::Duration(timeout))]);
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(leg) => {
                assert_eq!(leg.hears, Hears::Anyone, "both are asked from one socket");
                vec![(millis(1), News::Connected)]
            }
            Wanted::Bytes(_, to, bytes) if to == server => {
                let answer = seen.map(|seen| mapped(bytes, seen));
                let news = |bytes| (millis(5), News::Heard { from: server, bytes });
                answer.map(news).into_iter().collect()
            }
            Wanted::Bytes(_, to, bytes) => {
                assert_eq!(to, desk::peer());
                let text =
                    ok(std::str::from_utf8(bytes).expect("text")).replacen("rport", rport, 1);
                vec![(millis(5), News::answer(text))]
            }
        }
    };
    run_in(&*module, &mut world)
}

#[test]
fn a_server_that_received_us_from_our_own_address_behind_a_nat_was_lied_to() {
    for (seen, rport, expected) in [
        (SEEN, "rport=40999;received=203.0.113.5", false),
        (SEEN, "rport=40112;received=198.51.100.7", true),
        // Who tells nothing has told nothing.
        (SEEN, "rport", false),
        // No NAT: nothing to compare.
        (LOCAL, "rport=40112;received=198.51.100.7", false),
        (LOCAL, "rport", false),
    ] {
        let result = beside_stun(Some(seen), rport);

        assert_eq!((result.label(), counts(&result)), ("", (1, 1)), "{seen} {rport}");
        assert_eq!(is_rewritten(&result), Some(expected), "{seen} {rport}");
        assert_eq!(result.outcome.facts.read(&MAPPED_ADDRESS), Some(seen.parse().unwrap()));
        let lines = ["- Via received: 203.0.113.5", "+ Via received: 198.51.100.7"];
        assert_eq!(differences(&result), if expected { &lines[..] } else { &[] });
    }
}

#[test]
fn a_silent_stun_server_delays_the_registration_and_spoils_nothing() {
    let result = beside_stun(None, "rport");

    assert_eq!((result.label(), is_rewritten(&result)), ("", Some(false)));
    assert_eq!(result.outcome.facts.read(&MAPPED_ADDRESS), None);
    let first = result.sent.iter().find(|(.., bytes)| bytes.starts_with(b"REGISTER"));
    assert_eq!(first.expect("it registers").0.elapsed(), millis(5_501));
}

// I9: what is only compared with must not make a registrar look dead.
#[test]
fn a_silent_stun_server_takes_a_quarter_of_a_short_timeout_at_most() {
    let result = beside_stun_within(millis(4_000), None, "rport");

    assert_eq!((result.label(), counts(&result)), ("", (1, 1)));
    let first = result.sent.iter().find(|(.., bytes)| bytes.starts_with(b"REGISTER"));
    assert!(first.expect("it registers").0.elapsed() <= millis(1_001));
}

#[test]
fn an_address_that_is_no_host_s_is_not_compared_with() {
    for nobody in ["0.0.0.0:40999", "224.0.0.1:40999", "255.255.255.255:40999"] {
        let result = beside_stun(Some(nobody), "rport=40112;received=198.51.100.7");

        assert_eq!((result.label(), is_rewritten(&result)), ("", Some(false)), "{nobody}");
        assert_eq!(result.outcome.facts.read(&MAPPED_ADDRESS), None, "{nobody}");
    }
}

// I8
#[test]
fn a_registrar_that_says_our_own_proof_again_does_not_get_it_told() {
    let mut proofs = Vec::new();
    let result = register(&*phone(&[]), |count, request| {
        let Some(value) = crate::header(request, "Authorization") else {
            return vec![challenge(request, "SHA-256", "n1", "")];
        };
        proofs.extend(["response", "cnonce"].map(|it| parameter(value, it).unwrap().to_owned()));
        let lines = format!("Server: {value}\r\nContact: <sip:x@h;y={}>\r\n", proofs[0]);
        let status = format!("{} {value}", if count == 1 { "302" } else { "403" });
        vec![response(request, &status, &lines.to_ascii_uppercase())]
    });

    assert_eq!(result.label(), "rejected");
    let told = format!("{:?}", result.outcome).to_ascii_lowercase();
    assert!(proofs.len() >= 2 && told.contains("****"), "{told}");
    assert!(proofs.iter().all(|proof| !told.contains(proof)), "{told}");
}

// I8
#[test]
fn no_secret_is_told_whatever_comes_back() {
    let mut authorizations = Vec::new();
    let result = register(&*phone(&[]), |count, request| {
        if let Some(value) = crate::header(request, "Authorization") {
            authorizations.push(value.to_owned());
        }
        match count {
            0 => vec![challenge(request, "SHA-256", "noncenoncenonce", "")],
            // The request itself, with a status line: whoever rewrites may send all of it back.
            1 => {
                let (_, headers) = request.split_once("\r\n").expect("it has lines");
                vec![
                    format!("SIP/2.0 200 OK\r\n{headers}").replace(LOCAL, SEEN),
                    ok(request).replace("=z9hG4bK", "=z9hG4bK0"),
                ]
            }
            _ => vec![ok(request)],
        }
    });

    assert_eq!(is_rewritten(&result), Some(true));
    let told = format!("{:?}\n{}", result.outcome, result.trace);
    assert!(authorizations.len() >= 2);
    let mut secrets = vec![PASSWORD.to_owned(), "noncenoncenonce".to_owned()];
    for value in &authorizations {
        secrets.extend(["response", "cnonce"].map(|it| parameter(value, it).unwrap().to_owned()));
    }
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret}");
    }
}
