//! What a registrar may say, and seldom does: what becomes of it, and what SIPp got to see.

use std::io::ErrorKind;
use std::net::UdpSocket;

use serde_json::json;

use super::{Sipp, Step, answer, answers, expiries, grants, sequence, takes_back};
use crate::kamailio::LOOPBACK;

const BOTH: [&str; 2] = ["udp", "tcp"];

// D-SIP-10, F55
#[test]
fn upon_423_it_registers_for_as_long_as_the_registrar_wants() {
    for transport in BOTH {
        let brief = answers("423 Interval Too Brief", &["Min-Expires: 120"]);
        let sipp = Sipp::start(transport, &[brief, grants(), takes_back()].concat());

        let probed = sipp.register().run();

        probed.assert_success();
        assert_eq!(probed.fact("expires_seconds"), 120.0);
        assert_eq!(probed.fact("removed"), true);
        let received = sipp.received();
        assert_eq!(expiries(&received), [Some("60"), Some("120"), Some("0"), None]);
    }
}

// D-SIP-10
#[test]
fn a_registrar_that_wants_bindings_beyond_five_minutes_gets_none() {
    let brief = answers("423 Interval Too Brief", &["Min-Expires: 301"]);
    let sipp = Sipp::start("udp", &brief);

    let probed = sipp.register().run();

    probed.assert_failure("rejected");
    assert_eq!(probed.fact("status_code"), 423);
    assert_eq!(expiries(&sipp.received()), [Some("60")]);
}

// D-SIP-8
#[test]
fn a_redirection_is_told_and_nobody_goes_there() {
    for transport in BOTH {
        let elsewhere = UdpSocket::bind((LOOPBACK, 0)).expect("a port is free");
        let place = elsewhere.local_addr().expect("it is bound");
        let contact = format!("Contact: <sip:1001@{place}>");
        let moved = answers("302 Moved Temporarily", &[&contact]);
        let sipp = Sipp::start(transport, &moved);

        let probed = sipp.register().run();

        probed.assert_failure("rejected");
        assert_eq!(probed.fact("status_code"), 302);
        assert_eq!(*probed.fact("redirects"), json!([format!("sip:1001@{place}")]));
        assert_eq!(sequence(&sipp.received()), [1]);
        elsewhere.set_nonblocking(true).expect("it is ours");
        let heard = elsewhere.recv(&mut [0; 2048]).map_err(|problem| problem.kind());
        assert_eq!(heard, Err(ErrorKind::WouldBlock));
    }
}

// F55
#[test]
fn who_is_overloaded_is_rejected_with_the_time_to_be_left_alone() {
    for transport in BOTH {
        let busy = answers("503 Service Unavailable", &["Retry-After: 120 (maintenance)"]);
        let sipp = Sipp::start(transport, &busy);

        let probed = sipp.register().run();

        probed.assert_failure("rejected");
        assert_eq!(probed.fact("status_code"), 503);
        assert_eq!(probed.fact("retry_after_seconds"), 120.0);
        assert_eq!(sequence(&sipp.received()), [1]);
    }
}

// D-SIP-7
#[test]
fn a_nonce_that_is_called_stale_is_replaced_once() {
    let first = answers("401 Unauthorized", &[&challenge("first", "SHA-256", "")]);
    let stale = answers("401 Unauthorized", &[&challenge("second", "SHA-256", ", stale=TRUE")]);
    let sipp = Sipp::start("udp", &[first, stale, grants(), takes_back()].concat());

    let probed = sipp.register().run();

    probed.assert_success();
    assert_eq!(probed.fact("nonce_renewals"), 1);
    assert_eq!(probed.fact("removed"), true);
    let received = sipp.received();
    assert_eq!(sequence(&received), [1, 2, 3, 4, 5]);
    let sent = |at: usize| received[at].header("Authorization").unwrap_or_default();
    assert!(sent(1).contains(r#"nonce="first""#), "{received:#?}");
    assert!(sent(2).contains(r#"nonce="second""#), "{received:#?}");
}

// D-SIP-7
#[test]
fn a_registrar_that_calls_every_nonce_stale_sees_three_requests() {
    let script: Vec<Step> = (1..=6)
        .flat_map(|number| {
            let stale = challenge(&format!("nonce-{number}"), "SHA-256", ", stale=true");
            answers("401 Unauthorized", &[&stale])
        })
        .collect();
    let sipp = Sipp::start("udp", &script);

    let probed = sipp.register().run();

    probed.assert_failure("rejected");
    assert_eq!(sequence(&sipp.received()), [1, 2, 3]);
}

// D-SIP-4
#[test]
fn of_two_challenges_the_stronger_is_answered_though_it_is_the_second() {
    for transport in BOTH {
        let weak = challenge("weak", "MD5", "");
        let strong = challenge("strong", "SHA-256", "");
        let both = answers("401 Unauthorized", &[&weak, &strong]);
        let sipp = Sipp::start(transport, &[both, grants(), takes_back()].concat());

        let probed = sipp.register().option("allow_md5", "true").run();

        probed.assert_success();
        assert_eq!(*probed.fact("algorithms"), json!(["MD5", "SHA-256"]));
        assert_eq!(probed.fact("algorithm"), "SHA-256");
        let received = sipp.received();
        for request in &received[1..] {
            let credentials = request.header("Authorization").unwrap_or_default();
            assert!(credentials.contains("algorithm=SHA-256"), "{credentials}");
            assert!(credentials.contains(r#"nonce="strong""#), "{credentials}");
        }
    }
}

#[test]
fn compact_and_folded_headers_are_the_same_headers() {
    for transport in BOTH {
        let script =
            [vec![Step::Remember("REGISTER"), Step::Send(COMPACT.to_owned())], takes_back()]
                .concat();
        let sipp = Sipp::start(transport, &script);

        let probed = sipp.register().run();

        probed.assert_success();
        assert_eq!(probed.fact("bindings"), 2);
        assert_eq!(probed.fact("expires_seconds"), 45.0);
        assert_eq!(probed.fact("rewritten"), false);
        assert_eq!(probed.fact("removed"), true);
    }
}

// D-SIP-1
#[test]
fn an_answer_that_comes_twice_counts_once() {
    for transport in BOTH {
        let again = "SIP/2.0 200 OK\nVia:[$via]\n[last_From:]\n[last_To:];tag=sipp\n\
                     [last_Call-ID:]\nCSeq:[$sequence]\nContact: <[$contact]>;expires=60\n\
                     Content-Length: 0\n\n";
        let script = [
            vec![Step::Remember("REGISTER"), answer("200 OK", &["[last_Contact:]"])],
            // It is repeated while the answer to the removal is waited for.
            vec![Step::Receive("REGISTER"), Step::Send(again.to_owned()), answer("200 OK", &[])],
            answers("200 OK", &[]),
        ]
        .concat();
        let sipp = Sipp::start(transport, &script);

        let probed = sipp.register().run();

        probed.assert_success();
        assert_eq!(probed.fact("removed"), true);
        assert_eq!(probed.fact("bindings"), 1);
        assert_eq!(probed.seen["ignored"], json!({ "mismatch": 1 }), "{probed:#?}");
        assert_eq!(sequence(&sipp.received()), [1, 2, 3]);
    }
}

fn challenge(nonce: &str, algorithm: &str, further: &str) -> String {
    format!(
        "WWW-Authenticate: Digest realm=\"branch.test\", nonce=\"{nonce}\", \
         algorithm={algorithm}, qop=\"auth\"{further}"
    )
}

/// RFC 3261 §7.3.1, §7.3.3: two contacts in one header of three lines, and every name that has a
/// compact form in that form.
const COMPACT: &str = "SIP/2.0 200 OK
v:[$via]
f:[$from]
t:[$to];tag=sipp
i: [call_id]
CSeq:[$sequence]
m: <sip:phone@192.0.2.7:5060>
[$space];expires=3600,
[$space]<[$contact]>;expires=45
l: 0

";
