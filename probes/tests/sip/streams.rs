//! SIP over TCP and TLS: nothing is repeated, and a message ends where it says (D-SIP-2, F55).

use std::time::{Duration, SystemTime};

use branchline_probes::sip_register::{MODE, REMOVED};
use branchline_probes::way::TLS_VERSION;
use branchline_probes::wire::sip::{Frames, Malformed};
use branchline_probes::{
    Certificate, Foreign, Handshake, Ignored, LegId, Module, OptionValue, Phase, Refusal, Secret,
    TlsProblem, Transport, TrustedBy,
};

use crate::desk::{self, News, Reply, Run, Wanted, millis};
use crate::{
    anonymous, challenge, counts, header, must, ok, phone, readings, repeated, response, run_in,
};

pub(crate) fn handshake() -> Handshake {
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    Handshake {
        version: "1.3",
        cipher: "TLS13_AES_256_GCM_SHA384",
        certificate: Certificate {
            subject: Foreign::new(b"CN=sip.example.com"),
            issuer: Foreign::new(b"CN=an authority"),
            names: Vec::new(),
            not_before: SystemTime::UNIX_EPOCH,
            not_after: expires,
            chain_not_after: expires,
        },
        trusted_by: TrustedBy::Public,
    }
}

const TCP: (&str, OptionValue) = ("transport", OptionValue::Word("tcp"));
const TLS: (&str, OptionValue) = ("transport", OptionValue::Word("tls"));

/// Runs the module over a stream whose connection takes 10 ms and its handshake 20 ms more; each
/// request, of which it is told how many came before, brings news one after the other.
pub(crate) fn over(module: &dyn Module, mut news: impl FnMut(usize, &str) -> Vec<News>) -> Run {
    let (mut opened, mut count) = (0, 0);
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(leg) => {
                opened += 1;
                let local = format!("198.51.100.7:{}", 40_111 + opened).parse().expect("it is one");
                let mut reply = vec![(millis(10), News::ConnectedFrom(local))];
                if leg.transport == Transport::Tls {
                    reply.push((millis(30), News::Secured(Box::new(handshake()))));
                }
                reply
            }
            Wanted::Bytes(_, _, bytes) => {
                let all = news(count, std::str::from_utf8(bytes).expect("it is text"));
                count += 1;
                all.into_iter().map(|it| (millis(20), it)).collect()
            }
        }
    };
    run_in(module, &mut world)
}

fn whole(text: impl Into<Vec<u8>>) -> Vec<News> {
    vec![News::answer(text)]
}

/// A registrar that wants credentials.
fn guarded(count: usize, request: &str) -> Vec<News> {
    whole(if count == 0 { challenge(request, "SHA-256", "n1", "") } else { ok(request) })
}

fn phases(result: &Run) -> Vec<(Phase, u128)> {
    result.outcome.phases.iter().map(|(phase, took)| (*phase, took.as_millis())).collect()
}

// RFC 3261 §17.1.2.2: Timer E is for unreliable transports.
#[test]
fn given_silence_a_stream_is_asked_once_and_waited_for_32_s() {
    for (transport, took) in [(TCP, 10), (TLS, 30)] {
        let result = over(&*anonymous(&[transport]), |_, _| Vec::new());

        assert_eq!((result.label(), counts(&result)), ("no_response", (1, 1)));
        // The timeout of 40 s keeps 8 s for the removal, whatever the handshake took.
        assert_eq!(result.schedule(), [0, 32_000 - took]);
        assert_eq!(result.opened.len(), 1, "the removal goes the same way");
        assert_eq!(result.fact("retransmissions").as_deref(), Some("Count(0)"));
    }
}

// RFC 3261 §18.1.1, §20.42
#[test]
fn via_and_contact_name_the_transport() {
    for (transport, word, parameter) in [(TCP, "TCP", "tcp"), (TLS, "TLS", "tls")] {
        let result = over(&*phone(&[transport]), guarded);

        assert_eq!((result.label(), counts(&result), readings(&result)), ("", (2, 1), 1));
        for text in result.texts() {
            let via = format!("SIP/2.0/{word} 198.51.100.7:40112;branch=z9hG4bK");
            assert!(must(&text, "Via").starts_with(&via), "{text}");
            if let Some(contact) = header(&text, "Contact") {
                let end = format!("@198.51.100.7:40112;transport={parameter}>;expires=");
                assert!(contact.contains(&end), "{contact}");
            }
        }
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
    }
}

// D-SIP-5
#[test]
fn over_tls_credentials_need_no_leave_and_the_handshake_comes_first() {
    let password = ("password", OptionValue::Secret(Secret::new("marker".to_owned())));

    let result = over(&*anonymous(&[TLS, password]), guarded);

    assert_eq!((result.label(), counts(&result)), ("", (2, 1)));
    assert_eq!(result.outcome.facts.read(&MODE), Some("credentials"));
    assert_eq!(result.outcome.facts.read(&TLS_VERSION), Some("1.3"));
    assert_eq!(result.sent[0].0.elapsed(), millis(30));
    let expected = [
        (Phase::Connect, 10),
        (Phase::Tls, 20),
        (Phase::Challenge, 20),
        (Phase::Register, 20),
        (Phase::Unregister, 20),
        (Phase::Verify, 20),
    ];
    assert_eq!(phases(&result), expected);
    assert_eq!(result.opened[0].tls.as_ref().expect("TLS").server_name, "host.example");
}

// D-SIP-5
#[test]
fn over_tcp_credentials_need_leave() {
    let probe = desk::probe("sip-register");
    let mut options = branchline_probes::Options::defaults(probe.options());
    for spec in probe.options() {
        match spec.name {
            "address_of_record" => options.set(spec, OptionValue::Text("sip:a@b".to_owned())),
            "password" => options.set(spec, OptionValue::Secret(Secret::new("p".to_owned()))),
            "transport" => options.set(spec, OptionValue::Word("tcp")),
            _ => {}
        }
    }

    let error = probe.module(&options).err().expect("it is refused");

    assert_eq!(error.option, "password");
    assert!(error.problem.contains("tcp"), "{}", error.problem);
}

#[test]
fn a_failed_handshake_is_told_and_nothing_was_asked_or_is_left() {
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => {
            vec![
                (millis(10), News::Connected),
                (millis(30), News::Insecure(TlsProblem::WrongName, None)),
            ]
        }
        Wanted::Bytes(..) => Vec::new(),
    };

    let result = run_in(&*phone(&[TLS]), &mut world);

    assert_eq!((result.label(), result.sent.len()), ("tls_failed", 0));
    assert!(!result.outcome.left_behind);
}

// D-SIP-2
#[test]
fn an_answer_in_pieces_of_every_size_is_one_answer() {
    for size in 1..600 {
        let result = over(&*phone(&[TCP]), |count, request| {
            let [News::Heard { bytes, .. }] = &guarded(count, request)[..] else { panic!() };
            bytes.chunks(size).map(News::answer).collect()
        });

        assert_eq!((result.label(), counts(&result)), ("", (2, 1)), "{size}");
        assert!(result.outcome.ignored.is_empty(), "{size}: {:?}", result.outcome.ignored);
    }
}

// D-SIP-2, RFC 5626 §3.5.1
#[test]
fn two_messages_in_one_piece_with_keep_alives_around_them_are_two() {
    let result = over(&*anonymous(&[TCP]), |_, request| {
        let trying = response(request, "100 Trying", "").replace(": 0\r\n\r\n", ": 4\r\n\r\nbody");
        whole(format!("\r\n\r\n{trying}\r\n\r\n{}\r\n", ok(request)))
    });

    assert_eq!((result.label(), counts(&result)), ("", (1, 1)));
    assert!(result.outcome.ignored.is_empty());
}

// F55
#[test]
fn keep_alives_alone_are_silence() {
    let result = over(&*anonymous(&[TCP]), |_, _| vec![News::answer("\r\n\r\n"); 50]);

    assert_eq!((result.label(), counts(&result)), ("no_response", (1, 1)));
}

// D-SIP-13
#[test]
fn a_request_on_the_stream_is_framed_and_ignored() {
    let result = over(&*anonymous(&[TCP]), |_, request| {
        let bye = format!(
            "BYE sip:x@198.51.100.7 SIP/2.0\r\n{}Content-Length: 25\r\n\r\nSIP/2.0 403 Forbidden\r\n\r\n",
            repeated(request)
        );
        whole(bye + &ok(request))
    });

    assert_eq!((result.label(), result.ignored(Ignored::Unasked)), ("", 3));
}

// D-SIP-2
#[test]
fn who_cannot_be_framed_is_not_listened_to_any_longer() {
    let fold = |name: &'static str| {
        move |text: String| text.replace(&format!("{name}: "), &format!("{name}:\r\n "))
    };
    let length = |line: &'static str| move |text: String| text.replace("Content-Length: 0", line);
    type Change = Box<dyn Fn(String) -> String>;
    let changes: Vec<(&str, Change)> = vec![
        ("missing", Box::new(length("X-Nothing: 0"))),
        ("differing", Box::new(length("Content-Length: 0\r\nContent-Length: 9"))),
        ("differing, compact", Box::new(length("l: 9\r\nContent-Length: 0"))),
        ("negative", Box::new(length("Content-Length: -1"))),
        ("signed", Box::new(length("Content-Length: +0"))),
        ("no number", Box::new(length("Content-Length: zero"))),
        ("empty", Box::new(length("Content-Length:"))),
        ("a list", Box::new(length("Content-Length: 0, 0"))),
        ("too large", Box::new(length("Content-Length: 65536"))),
        ("beyond 32 bits", Box::new(length("Content-Length: 4294967296"))),
        ("a folded Via", Box::new(fold("Via"))),
        ("a folded CSeq", Box::new(fold("CSeq"))),
        ("a folded Content-Length", Box::new(fold("Content-Length"))),
        ("a NUL", Box::new(length("X-A: \0\r\nContent-Length: 0"))),
        ("a bare CR", Box::new(length("X-A: a\rb\r\nContent-Length: 0"))),
        ("no header", Box::new(length("nothing\r\nContent-Length: 0"))),
        ("no SIP", Box::new(|_| "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned())),
        ("no end", Box::new(|_| "SIP/2.0 200 OK\r\nX-A: ".to_owned() + &"x".repeat(70_000))),
    ];
    for (what, change) in changes {
        let result = over(&*anonymous(&[TCP]), |count, request| match count {
            // What follows in the stream would be the truth.
            0 => vec![News::answer(change(ok(request)) + &ok(request)), News::answer(ok(request))],
            _ => whole(ok(request)),
        });

        assert_eq!((result.label(), result.ignored(Ignored::Malformed)), ("unusable", 1), "{what}");
        assert_eq!(result.fact("expires_seconds"), None, "{what}");
        // It may be registered; the removal goes another way.
        assert_eq!((counts(&result), result.opened.len()), ((1, 1), 2), "{what}");
        assert_eq!(result.sent[1].1, LegId(1), "{what}");
    }
}

// D-SIP-2: the same length twice is one length.
#[test]
fn an_equal_length_twice_is_understood() {
    let result = over(&*anonymous(&[TCP]), |_, request| {
        whole(ok(request).replace("Content-Length: 0", "l: 0\r\nContent-Length: 0"))
    });

    assert_eq!((result.label(), result.opened.len()), ("", 1));
}

// F55, D-SIP-10, I11
#[test]
fn closed_in_the_middle_of_an_answer_it_is_told_and_the_contact_is_removed_another_way() {
    let result = over(&*anonymous(&[TCP]), |count, request| match count {
        0 => vec![News::answer(&ok(request)[..40]), News::Closed],
        _ => whole(ok(request)),
    });

    assert_eq!((result.label(), counts(&result), readings(&result)), ("closed", (1, 1), 1));
    assert_eq!(result.opened.len(), 2);
    assert!(!result.outcome.left_behind);
}

// D-SIP-10, I11
#[test]
fn closed_or_reset_after_the_credentials_left_the_contact_is_removed_on_a_new_leg() {
    for end in [News::Closed, News::Refused { by: None, refusal: Refusal::Reset }] {
        let result = over(&*phone(&[TCP]), |count, request| match count {
            0 => whole(challenge(request, "SHA-256", "n1", "")),
            1 => vec![end.clone()],
            _ => whole(ok(request)),
        });

        assert_eq!((counts(&result), readings(&result)), ((2, 1), 1), "{end:?}");
        let legs: Vec<u8> = result.sent.iter().map(|(_, leg, _)| leg.0).collect();
        assert_eq!(legs, [0, 0, 1, 1], "{end:?}");
        let texts = result.texts();
        let [contact, removed] = [1, 2].map(|it| must(&texts[it], "Contact").to_owned());
        assert_eq!(removed, contact.replace("expires=60", "expires=0"), "the one that was sent");
        assert!(must(&texts[2], "Via").contains("198.51.100.7:40113"), "the leg's own address");
        assert!(header(&texts[2], "Authorization").is_some());
    }
}

// D-SIP-10, I11
#[test]
fn a_registrar_that_closes_after_every_answer_is_followed_up() {
    let result =
        over(&*anonymous(&[TCP]), |_, request| vec![News::answer(ok(request)), News::Closed]);

    assert_eq!((result.label(), result.outcome.facts.read(&REMOVED)), ("", Some(true)));
    assert!(!result.outcome.left_behind);
    let legs: Vec<u8> = result.sent.iter().map(|(_, leg, _)| leg.0).collect();
    // Each request that met a closing connection goes again on another one.
    assert_eq!(legs, [0, 0, 1, 1, 2]);
    assert_eq!((counts(&result), readings(&result)), ((1, 2), 2));
}

// D-SIP-10, I11
#[test]
fn a_registrar_that_takes_no_second_connection_leaves_it_to_the_next_start() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(leg) if leg.id == LegId(0) => vec![(millis(1), News::Connected)],
        Wanted::Open(_) => vec![(millis(1), News::Refused { by: None, refusal: Refusal::Reset })],
        Wanted::Bytes(_, _, bytes) => {
            count += 1;
            let text = std::str::from_utf8(bytes).expect("it is text");
            if count == 1 {
                vec![(millis(1), News::answer(ok(text))), (millis(1), News::Closed)]
            } else {
                Vec::new()
            }
        }
    };

    let result = run_in(&*anonymous(&[TCP]), &mut world);

    assert_eq!((result.label(), result.outcome.facts.read(&REMOVED)), ("", Some(false)));
    assert!(result.outcome.left_behind);
    assert!(result.opened.len() <= 4, "{}", result.opened.len());
}

// D-SIP-10, I11: a connection that stood has carried the request, other than a datagram that was
// refused at once.
#[test]
fn reset_after_the_first_request_it_may_have_been_heard_all_the_same() {
    let result = over(&*anonymous(&[TCP]), |count, request| match count {
        0 => vec![News::Refused { by: None, refusal: Refusal::Reset }],
        _ => whole(ok(request)),
    });

    assert_eq!((result.label(), counts(&result), readings(&result)), ("refused", (1, 1), 1));
    assert_eq!(result.opened.len(), 2);
    assert!(!result.outcome.left_behind);
}

// D-SIP-2
#[test]
fn a_stream_that_was_broken_once_is_over_whatever_follows() {
    let good = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut frames = Frames::new();
    frames.push(good);
    frames.push(b"SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n");

    assert_eq!(frames.pop(), Some(Ok(good.to_vec())));
    assert_eq!(frames.pop(), Some(Err(Malformed::WrongLength)));
    for _ in 0..3 {
        frames.push(good);
        assert_eq!(frames.pop(), None);
        assert!(!frames.is_partial());
    }
}
