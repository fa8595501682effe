//! A registrar that is late, silent or wrong: each has a name of its own, and what may be held is
//! taken back.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use super::{Sipp, Step, answer, answers, expiries, grants, sequence, takes_back};
use crate::agent::probe;
use crate::kamailio::LOOPBACK;

// F45
#[test]
fn a_request_is_sent_again_exactly_as_often_as_the_rfc_says() {
    let late =
        vec![Step::Receive("REGISTER"), Step::Pause(3_000), answer("200 OK", &["[last_Contact:]"])];
    let sipp = Sipp::start("udp", &[late, takes_back()].concat());

    let probed = sipp.register_within("8s").run();

    probed.assert_success();
    // RFC 3261 §17.1.2.2: after 0, 500 and 1,500 ms; the fourth would leave after 3,500 ms.
    assert_eq!(sequence(&sipp.received()), [1, 1, 1, 2, 3]);
    assert_eq!(probed.fact("transmissions"), 3);
    assert_eq!(probed.fact("retransmissions"), 2);
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(probed.fact("rtt_seconds"), &serde_json::Value::Null, "nobody can tell");
}

#[test]
fn over_a_stream_nothing_is_sent_again() {
    let late =
        vec![Step::Receive("REGISTER"), Step::Pause(1_200), answer("200 OK", &["[last_Contact:]"])];
    let sipp = Sipp::start("tcp", &[late, takes_back()].concat());

    let probed = sipp.register().run();

    probed.assert_success();
    assert_eq!(sequence(&sipp.received()), [1, 2, 3]);
    assert_eq!(probed.fact("retransmissions"), 0);
}

// F55
#[test]
fn who_says_trying_and_nothing_more_was_not_silent() {
    let sipp = Sipp::start("udp", &answers("100 Trying", &[]));

    let probed = sipp.register().run();

    probed.assert_failure("unusable");
    // RFC 3261 §17.1.2.2, "Proceeding": once more after 500 ms, then every 4 s. And once the time
    // for it is over, what may be held is taken back.
    let received = sipp.await_received(3);
    assert_eq!(sequence(&received)[..3], [1, 1, 2]);
    assert_eq!(expiries(&received)[..3], [Some("60"), Some("60"), Some("0")]);
    assert_eq!(probed.fact("transmissions"), 2);
}

// F55
#[test]
fn who_says_200_and_lists_no_contact_is_no_registrar() {
    for transport in ["udp", "tcp"] {
        let sipp = Sipp::start(transport, &[answers("200 OK", &[]), takes_back()].concat());

        let probed = sipp.register().run();

        probed.assert_failure("unexpected_answer");
        assert_eq!(probed.fact("bindings"), 0);
        // It may hold our contact all the same.
        assert_eq!(expiries(&sipp.received()), [Some("60"), Some("0"), None]);
    }
}

// D-SIP-1, F55
#[test]
fn an_answer_to_another_request_is_none() {
    let headers = "[last_From:]\n[last_To:];tag=sipp\n[last_Call-ID:]\n[last_Contact:]\n\
                   Content-Length: 0\n\n";
    let cases = [
        ("another number", format!("[last_Via:]\nCSeq: 77 REGISTER\n{headers}")),
        ("another method", format!("[last_Via:]\nCSeq: 1 OPTIONS\n{headers}")),
        (
            "another branch",
            format!(
                "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKsomebody-elses;rport\n\
                 [last_CSeq:]\n{headers}"
            ),
        ),
        (
            "two branches",
            format!("Via: SIP/2.0/UDP 192.0.2.1\n[last_Via:]\n[last_CSeq:]\n{headers}"),
        ),
    ];
    for (what, message) in cases {
        let script = [Step::Receive("REGISTER"), Step::Send(format!("SIP/2.0 200 OK\n{message}"))];
        let sipp = Sipp::start("udp", &script);

        let probed = sipp.register_within("1s").run();

        probed.assert_failure("unusable");
        assert_eq!(probed.fact("bindings"), &serde_json::Value::Null, "{what}");
        let ignored = probed.seen["ignored"]["mismatch"].as_u64();
        assert!(ignored.is_some_and(|count| count > 0), "{what}: {probed:#?}");
    }
}

// F55
#[test]
fn a_connection_that_ends_within_a_message_is_closed_and_not_silent() {
    let begun = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:];tag=sipp\n\
                 [last_Call-ID:]\n[last_CSeq:]\n[last_Contact:]\nContent-Length: 500\n\nhalf";
    let script = [Step::Receive("REGISTER"), Step::Send(begun.to_owned())];
    let sipp = Sipp::for_one_exchange("tcp", &script);

    let probed = sipp.register().run();

    probed.assert_failure("closed");
    assert_eq!(sequence(&sipp.received()), [1]);
}

// F55
#[test]
fn who_only_keeps_the_connection_alive_has_not_answered() {
    let listener = TcpListener::bind((LOOPBACK, 0)).expect("a port is free");
    let at = listener.local_addr().expect("it is bound");
    // SIPp sends nothing that does not begin like a message.
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"\r\n\r\n")?;
        stream.read_to_string(&mut String::new())
    });

    let probed = probe("sip-register", at)
        .option("transport", "tcp")
        .option("address_of_record", "sip:1001@branch.test")
        .option("timeout", "1s")
        .run();

    probed.assert_failure("deadline");
    assert!(server.join().is_ok_and(|heard| heard.is_ok_and(|bytes| bytes > 0)));
}

// I11
#[test]
fn a_removal_that_is_not_answered_is_told() {
    let sipp = Sipp::start("udp", &grants());

    let probed = sipp.register_within("2s").run();

    probed.assert_success();
    assert_eq!(probed.fact("removed"), false);
    let received = sipp.await_received(3);
    assert_eq!(sequence(&received)[..3], [1, 2, 2]);
}
