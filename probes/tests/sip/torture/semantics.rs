//! RFC 4475 §3.3 and §3.4: messages that are odd to an application, each read behind a status line.

use branchline_probes::Ignored;
use branchline_probes::wire::sip::{Malformed, Response};

use super::{answered, branches, message, read_answered, replaced, tag, texts, uris};
use crate::{assert_ignored, must, response};

// D-SIP-1
#[test]
fn section_3_3_1_missing_required_header_fields() {
    let read = read_answered("insuf").expect("it must not break us");

    assert_eq!((read.first("call-id"), read.from_tag(), read.first("to")), (None, None, None));
    assert_eq!(read.sequence(), Some((193_942, &b"INVITE"[..])));
    for name in ["Call-ID", "From", "CSeq", "Via"] {
        assert_ignored(Ignored::Mismatch, name, |request| {
            let line = format!("{name}: {}\r\n", must(request, name));
            response(request, "200 OK", "").replace(&line, "")
        });
    }
}

#[test]
fn section_3_3_2_request_uri_with_unknown_scheme() {
    let read = read_answered("unkscm").expect("it is well formed");
    assert_eq!(read.sequence(), Some((3_923_423, &b"OPTIONS"[..])));
}

#[test]
fn section_3_3_3_request_uri_with_known_but_atypical_scheme() {
    let read = read_answered("novelsc").expect("it is well formed");
    assert_eq!(branches(&read), [Some("z9hG4bKkdjuw39234".to_owned())]);
}

#[test]
fn section_3_3_4_unknown_uri_schemes_in_header_fields() {
    let read = read_answered("unksm2").expect("it is well formed");

    assert_eq!(read.first("to"), Some(&b"isbn:2983792873"[..]));
    assert_eq!(tag(&read).as_deref(), Some("3234233"));
    assert_eq!(uris(&read), ["name:John_Smith"]);
}

#[test]
fn section_3_3_5_proxy_require_and_require() {
    let read = read_answered("bext01").expect("it is well formed");

    assert_eq!(texts(&read, "require"), ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert_eq!(
        texts(&read, "proxy-require"),
        ["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]
    );
}

#[test]
fn section_3_3_6_unknown_content_type() {
    let read = read_answered("invut").expect("it is well formed");

    assert_eq!(read.first("content-type"), Some(&b"application/unknownformat"[..]));
    assert_eq!(read.body, b"<audio>\r\n <pcmu port=\"443\"/>\r\n</audio>\r\n");
}

#[test]
fn section_3_3_7_unknown_authorization_scheme() {
    let unknown = answered(&message("regaut01"));
    let demand = replaced(&unknown, b"Authorization:", b"WWW-Authenticate:");
    let known = b"WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nContent-Length:0";
    let both = replaced(&demand, b"Content-Length:0", known);

    let read = Response::read(&unknown).expect("it is well formed");
    assert_eq!(read.number("content-length"), Some(0));
    assert_eq!(Response::read(&demand).expect("it is well formed").challenges(), []);
    let challenges = Response::read(&both).expect("it is well formed").challenges();
    assert_eq!(challenges.len(), 1);
    assert_eq!((&challenges[0].realm[..], &challenges[0].nonce[..]), (&b"r"[..], &b"n"[..]));
}

// D-SIP-1
#[test]
fn section_3_3_8_multiple_values_in_single_value_required_fields() {
    assert_eq!(read_answered("multi01"), Err(Malformed::BrokenHeader));
    // Each of the four is enough, in whichever order, and if both are equal.
    for name in ["Call-ID", "From", "To", "CSeq"] {
        for other in ["sip:other@example.net;tag=2", "7 REGISTER", ""] {
            assert_ignored(Ignored::Malformed, name, |request| {
                response(request, "200 OK", &format!("{name}: {other}\r\n"))
            });
            assert_ignored(Ignored::Malformed, name, |request| {
                let status = format!("200 OK\r\n{name}: {other}");
                response(request, &status, "")
            });
        }
    }
    assert_ignored(Ignored::Malformed, "compact", |request| {
        response(request, "200 OK", &format!("i: {}\r\n", must(request, "Call-ID")))
    });
}

// D-SIP-2
#[test]
fn section_3_3_9_multiple_content_length_values() {
    assert_eq!(read_answered("mcl01"), Err(Malformed::WrongLength));
}

#[test]
fn section_3_3_11_max_forwards_of_zero() {
    let read = read_answered("zeromf").expect("it is well formed");
    assert_eq!(read.number("max-forwards"), Some(0));
}

#[test]
fn section_3_3_12_register_with_a_contact_header_parameter() {
    let read = read_answered("cparam01").expect("it is well formed");
    assert_eq!(uris(&read), ["sip:+19725552222@gw1.example.net"]);
}

#[test]
fn section_3_3_13_register_with_a_url_parameter() {
    let read = read_answered("cparam02").expect("it is well formed");
    assert_eq!(uris(&read), ["sip:+19725552222@gw1.example.net;unknownparam"]);
}

#[test]
fn section_3_3_14_register_with_a_url_escaped_header() {
    let read = read_answered("regescrt").expect("it is well formed");
    assert_eq!(uris(&read), ["sip:user@example.com?Route=%3Csip:sip.example.com%3E"]);
}

#[test]
fn section_3_3_15_unacceptable_accept_offering() {
    let read = read_answered("sdp01").expect("it is well formed");

    assert_eq!(texts(&read, "accept"), ["text/nobodyKnowsThis"]);
    assert_eq!(read.body.len(), 150);
}

// "The body is assumed to be all octets in the datagram after the null-line."
#[test]
fn section_3_4_1_invite_with_rfc_2543_syntax() {
    let read = read_answered("inv2543").expect("it is legal by RFC 2543");

    assert_eq!((branches(&read), read.from_tag()), (vec![None], None));
    assert!(read.body.starts_with(b"v=0\r\n") && read.body.ends_with(b"RTP/AVP 0\r\n"));
    assert_eq!(read.body.len(), 105);
}
