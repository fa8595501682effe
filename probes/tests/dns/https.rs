//! Queries over HTTPS (RFC 8484), by HTTP/2.

use std::time::SystemTime;

use branchline_probes::dns_query::{QUERY_SUCCEEDED, RTT, TRANSMISSIONS};
use branchline_probes::{Certificate, Foreign, Handshake, OptionValue, Transport, TrustedBy};

use crate::desk::{News, Reply, Run, Wanted, begin, millis, module, run};
use crate::{Answer, NAME, a, addresses};

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status` from the static table, and a content type as a literal (RFC 7541 §6.2.2).
fn headers(status: u8, content_type: &str) -> Vec<u8> {
    let length = u8::try_from(content_type.len()).expect("short");
    [&[status, 0x0F, 0x10, length], content_type.as_bytes()].concat()
}

/// 200 and 404 of the static table (RFC 7541, Appendix A).
const OK: u8 = 0x88;
const NOT_FOUND: u8 = 0x8D;
const DNS: &str = "application/dns-message";

/// The DNS message in the DATA frame of a request.
fn query(request: &[u8]) -> Vec<u8> {
    let mut rest = request.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("a preface");
    loop {
        let length = usize::from(rest[1]) << 8 | usize::from(rest[2]);
        let (head, body) = rest.split_at(9);
        if head[3] == DATA {
            return body[..length].to_vec();
        }
        rest = &body[length..];
    }
}

pub(crate) fn handshake() -> Handshake {
    let certificate = Certificate {
        subject: Foreign::new("CN=dns.example"),
        issuer: Foreign::new("CN=Authority"),
        names: Vec::new(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH,
        chain_not_after: SystemTime::UNIX_EPOCH,
    };
    Handshake {
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        certificate,
        trusted_by: TrustedBy::Public,
    }
}

/// Asks a server that says this to the request, after its SETTINGS.
fn ask(answer: impl Fn(&[u8]) -> Vec<u8>) -> Run {
    let set = [
        ("name", OptionValue::Text(NAME.to_owned())),
        ("transport", OptionValue::Word("https")),
        ("server_name", OptionValue::Text("dns.example".to_owned())),
    ];
    let module = module("dns-query", &set);
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(_) => vec![
                (millis(1), News::Connected),
                (millis(2), News::Secured(Box::new(handshake()))),
            ],
            Wanted::Bytes(_, _, bytes) if bytes.starts_with(b"PRI") => {
                let settings = frame(SETTINGS, 0, 0, &[]);
                vec![(millis(20), News::answer([settings, answer(bytes)].concat()))]
            }
            Wanted::Bytes(..) => Vec::new(),
        }
    };
    run(begin(&*module, 7).as_mut(), &mut world)
}

fn answered(status: u8, content_type: &str, body: &[u8]) -> Vec<u8> {
    let headers = frame(HEADERS, END_HEADERS, 1, &headers(status, content_type));
    [headers, frame(DATA, END_STREAM, 1, body)].concat()
}

#[test]
fn the_query_is_posted_and_its_answer_is_in_the_body() {
    let result = ask(|request| {
        let truth = Answer::to(&query(request)).with(&[a(60, [1, 2, 3, 4])]).bytes();
        answered(OK, DNS, &truth)
    });

    assert_eq!((result.label(), addresses(&result)), ("", vec!["A 1.2.3.4".to_owned()]));
    let facts = &result.outcome.facts;
    assert_eq!((facts.read(&TRANSMISSIONS), facts.read(&RTT)), (Some(1), Some(millis(20))));
    let leg = &result.opened[0];
    assert_eq!((leg.transport, result.opened.len()), (Transport::Tls, 1));
    let tls = leg.tls.as_ref().expect("it is over TLS");
    assert_eq!((&*tls.server_name, tls.protocol), ("dns.example", Some("h2")));
    // RFC 8484 §4.1: caches know it by its query, so that the id is 0.
    assert_eq!(query(&result.sent[0].2)[..2], [0, 0]);
    // What the desk calls PEER has no port of HTTPS.
    let request = String::from_utf8_lossy(&result.sent[0].2).into_owned();
    assert!(request.contains("dns.example:5060") && request.contains("/dns-query"), "{request}");
}

#[test]
fn what_http_says_instead_of_a_dns_message_is_told_by_its_status() {
    let missing = ask(|_| answered(NOT_FOUND, "text/html", b"<h1>Not here</h1>"));

    let (_, failure) = missing.outcome.failure.clone().expect("it failed");
    assert_eq!(failure.to_string(), "192.0.2.10:5060 answered 404 by HTTP");
    assert_eq!(missing.outcome.facts.read(&QUERY_SUCCEEDED), Some(false));
}

#[test]
fn a_page_is_no_dns_message_and_http_1_is_no_http_2() {
    let page = ask(|_| answered(OK, "text/html", b"<h1>Log in</h1>"));
    let old = ask(|_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let reset = ask(|_| frame(3, 0, 1, &[0, 0, 0, 2]));

    for (result, rule) in
        [(page, "RFC 8484 §4.2"), (old, "RFC 9113 §5.4.1"), (reset, "RFC 9113 §5.4")]
    {
        assert_eq!(result.label(), "misbehaved", "{rule}");
        let (_, failure) = result.outcome.failure.expect("it failed");
        assert!(failure.to_string().contains(&format!("broke {rule}:")), "{failure}");
    }
}

// D-DNS-3
#[test]
fn an_answer_to_another_question_is_none_over_https_either() {
    let result = ask(|request| {
        let mut other = Answer::to(&query(request)).with(&[a(60, [6, 6, 6, 6])]);
        other.question[1] = b'q';
        answered(OK, DNS, &other.bytes())
    });

    assert_eq!((result.label(), addresses(&result)), ("unusable", Vec::new()));
}
