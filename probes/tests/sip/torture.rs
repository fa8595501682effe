//! The torture messages of RFC 4475 and RFC 5118, as published: its responses are read or refused as
//! each section says, its requests are refused, and their headers are read behind a status line.

mod invalid;
mod ipv6;
mod semantics;
mod valid;

use std::path::PathBuf;

use branchline_probes::Ignored;
use branchline_probes::wire::sip::{Malformed, Response};

use crate::{assert_ignored, must, response};

/// The responses among the messages of RFC 4475; all the others are requests.
const RESPONSES: [&str; 5] = ["bcast", "bigcode", "noreason", "scalarlg", "unreason"];

fn folder(rfc: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "sip", rfc].iter().collect()
}

/// A message of RFC 4475.
fn message(name: &str) -> Vec<u8> {
    std::fs::read(folder("rfc4475").join(name).with_extension("dat")).expect("a message")
}

/// The names of all messages of an RFC.
fn names(rfc: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder(rfc)).expect("a folder");
    let paths = files.map(|file| file.expect("a file").path());
    let stems = paths.map(|path| path.file_stem().expect("a name").to_str().map(str::to_owned));
    stems.map(|stem| stem.expect("it is text")).collect()
}

/// The request with a status line in place of its request line.
fn answered(request: &[u8]) -> Vec<u8> {
    let end = request.iter().position(|&byte| byte == b'\n').expect("a line");
    [b"SIP/2.0 200 OK\r\n", &request[end + 1..]].concat()
}

/// Reads a request of RFC 4475 as if it were a response with the same headers and body.
fn read_answered(name: &str) -> Result<Response, Malformed> {
    Response::read(&answered(&message(name)))
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn texts(response: &Response, name: &str) -> Vec<String> {
    let texts = response.texts(name).into_iter();
    texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn branches(response: &Response) -> Vec<Option<String>> {
    let branches = response.vias().into_iter().map(|via| via.branch);
    branches.map(|branch| Some(String::from_utf8_lossy(&branch?).into_owned())).collect()
}

fn uris(response: &Response) -> Vec<String> {
    let uris = response.contacts().into_iter().map(|contact| contact.uri);
    uris.map(|uri| String::from_utf8_lossy(&uri).into_owned()).collect()
}

fn tag(response: &Response) -> Option<String> {
    Some(String::from_utf8_lossy(&response.from_tag()?).into_owned())
}

#[test]
fn every_request_is_refused_and_what_it_is_is_said() {
    let mut requests = 0;
    for name in names("rfc4475").iter().filter(|name| !RESPONSES.contains(&name.as_str())) {
        let expected = match name.as_str() {
            // §3.1.2.16: SIP/7.0 may be anything.
            "badvers" => Malformed::NotAResponse,
            // Of no section: its request line has no version at all.
            "test" => Malformed::NotAResponse,
            _ => Malformed::Request,
        };

        assert_eq!(Response::read(&message(name)), Err(expected), "{name}");
        requests += 1;
    }
    assert_eq!(requests, 45);
}

// D-SIP-2, D-SIP-3
#[test]
fn every_message_cut_anywhere_is_read_or_refused() {
    for rfc in ["rfc4475", "rfc5118"] {
        for name in names(rfc) {
            let path = folder(rfc).join(&name).with_extension("dat");
            let message = std::fs::read(path).expect("a message");
            let answered = answered(&message);
            for bytes in [&message, &answered] {
                for end in 0..bytes.len() {
                    let Ok(read) = Response::read(&bytes[..end]) else { continue };
                    // Only one without a length can be cut unseen, or one with more than its length.
                    let is_whole = read
                        .first("content-length")
                        .is_some_and(|length| read.body.len().to_string().as_bytes() == length);
                    assert!(is_whole || name == "inv2543", "{name} cut to {end}");
                }
            }
        }
    }
}

#[test]
fn section_3_1_1_12_unusual_reason_phrase() {
    let read = Response::read(&message("unreason")).expect("it is well formed");

    assert_eq!(read.code, 200);
    let reason = "= 2**3 * 5**2 но сто девяносто девять - простое";
    assert_eq!(read.reason, reason.as_bytes());
    assert_eq!(branches(&read), [Some("z9hG4bK1324923".to_owned())]);
    assert_eq!(read.vias()[0].sent_by, b"192.0.2.198");
    assert_eq!(read.first("call-id"), Some(&b"unreason.1234ksdfak3j2erwedfsASdf"[..]));
    assert_eq!(read.sequence(), Some((35, &b"INVITE"[..])));
    assert_eq!(tag(&read).as_deref(), Some("11141343"));
    assert_eq!(read.first("to"), Some(&b"sip:user@example.edu;tag=2229"[..]));
    assert_eq!(uris(&read), ["sip:user@host198.example.com"]);
    assert_eq!(read.body.len(), 154);
    assert!(read.body.starts_with(b"v=0\r\n") && read.body.ends_with(b"31 LPC\r\n"));
}

#[test]
fn section_3_1_1_13_empty_reason_phrase() {
    let read = Response::read(&message("noreason")).expect("it is well formed");
    let without_a_space = replaced(&message("noreason"), b"100 \r\n", b"100\r\n");

    assert_eq!((read.code, read.reason.as_slice()), (100, &b""[..]));
    assert_eq!(read.first("call-id"), Some(&b"noreason.asndj203insdf99223ndf"[..]));
    assert_eq!(read.sequence(), Some((35, &b"INVITE"[..])));
    assert_eq!(tag(&read).as_deref(), Some("39ansfi3"));
    assert_eq!(uris(&read), ["sip:user@host105.example.com"]);
    assert!(read.body.is_empty());
    // "A liberal receiver would accept it anyway."
    assert_eq!(Response::read(&without_a_space), Ok(read));
}

// D-SIP-1
#[test]
fn section_3_1_2_5_response_scalar_fields_with_overlarge_values() {
    let read = Response::read(&message("scalarlg")).expect("its lines are headers");

    assert_eq!(read.code, 503);
    // What is larger than 32 bits is no number, and never a smaller one.
    assert_eq!(read.sequence(), None);
    assert_eq!(read.retry_after(), None);
    assert_eq!(read.first("warning"), Some(&br#"1812 overture "In Progress""#[..]));
    assert_eq!(read.vias()[0].received.as_deref(), Some(&b"192.0.2.129"[..]));
    // "An element receiving this response will simply discard it."
    assert_ignored(Ignored::Mismatch, "CSeq", |request| {
        let sequence = must(request, "CSeq");
        response(request, "503 Service Unavailable", "")
            .replace(&format!("CSeq: {sequence}"), "CSeq: 9292394834772304023312 REGISTER")
    });
    // 2^32 + 1, in case somebody counts in 32 bits.
    assert_ignored(Ignored::Mismatch, "CSeq", |request| {
        let text = response(request, "503 Service Unavailable", "");
        let sequence = must(&text, "CSeq").to_owned();
        text.replace(&sequence, "4294967297 REGISTER")
    });
}

#[test]
fn section_3_1_2_19_overlarge_response_code() {
    assert_eq!(Response::read(&message("bigcode")), Err(Malformed::NotAResponse));
    for code in ["700", "1000", "0200", "65736", "4294967496"] {
        let other = replaced(&message("bigcode"), b"4294967301", code.as_bytes());

        assert_eq!(Response::read(&other), Err(Malformed::NotAResponse), "{code}");
    }
}

// D-SIP-1
#[test]
fn section_3_3_10_200_ok_response_with_broadcast_via_header_field_value() {
    let read = Response::read(&message("bcast")).expect("it is well formed");

    assert_eq!((read.code, read.body.len()), (200, 154));
    let sent_by: Vec<_> = read.vias().into_iter().map(|via| via.sent_by).collect();
    assert_eq!(sent_by, [&b"192.0.2.198"[..], b"255.255.255.255"]);
    // "An endpoint receiving this message should simply discard it."
    assert_ignored(Ignored::Mismatch, "a second Via", |request| {
        response(request, "200 OK", "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\r\n")
    });
}
