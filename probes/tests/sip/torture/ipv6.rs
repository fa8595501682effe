//! RFC 5118: IPv6 addresses in SIP, each message read behind a status line.

use branchline_probes::wire::sip::{Malformed, Response};

use super::{answered, branches, folder, names, tag, uris};

/// A request of RFC 5118 with CRLF behind its lines (RFC 3261 §7), which the archive lacks.
fn request(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(folder("rfc5118").join(name).with_extension("dat"));
    let text = String::from_utf8(bytes.expect("a message")).expect("it is text");
    text.replace('\n', "\r\n").into_bytes()
}

fn read_answered(name: &str) -> Result<Response, Malformed> {
    Response::read(&answered(&request(name)))
}

#[test]
fn every_request_is_refused() {
    for name in names("rfc5118") {
        assert_eq!(Response::read(&request(&name)), Err(Malformed::Request), "{name}");
    }
    assert_eq!(names("rfc5118").len(), 12);
}

// §4.2 to §4.4 differ from it in their request lines only.
#[test]
fn section_4_1_valid_sip_message_with_an_ipv6_reference() {
    for name in ["ipv6-good", "ipv6-bad", "port-ambiguous", "port-unambiguous"] {
        let read = read_answered(name).expect("it is well formed");

        assert_eq!(read.vias()[0].sent_by, b"[2001:db8::9:1]", "{name}");
        assert_eq!(branches(&read), [Some("z9hG4bKas3-111".to_owned())], "{name}");
        assert_eq!(uris(&read), ["sip:caller@[2001:db8::1]"], "{name}");
        assert_eq!(tag(&read).as_deref(), Some("81x2"), "{name}");
        assert_eq!(read.sequence(), Some((98_176, &b"REGISTER"[..])), "{name}");
    }
}

// "Implementations must … be liberal in accepting a "received" parameter with or without the
// delimiting "[" and "]" tokens": both are one address.
#[test]
fn section_4_5_ipv6_reference_delimiters_in_via_header() {
    for (name, branch) in [
        ("via-received-param-with-delim", "z9hG4bKas3-111"),
        ("via-received-param-no-delim", "z9hG4bKas3"),
    ] {
        let read = read_answered(name).expect("it must be read");

        assert_eq!(read.vias()[0].received.as_deref(), Some(&b"2001:db8::9:255"[..]), "{name}");
        assert_eq!(read.vias()[0].sent_by, b"[2001:db8::9:1]", "{name}");
        assert_eq!(branches(&read), [Some(branch.to_owned())], "{name}");
    }
}

// Its Content-Length of 268 promises more than its 251 octets, so that it counts as cut (RFC 3261
// §18.3); with the true length it is read.
#[test]
fn section_4_6_sip_request_with_ipv6_addresses_in_sdp_body() {
    let short = answered(&request("ipv6-in-sdp"));
    let whole = super::replaced(&short, b"268", b"251");

    assert_eq!(Response::read(&short), Err(Malformed::WrongLength));
    let read = Response::read(&whole).expect("it is well formed");
    assert_eq!(uris(&read), ["sip:caller@[2001:db8::20]"]);
    assert_eq!(read.first("to"), Some(&b"sip:user@[2001:db8::10]"[..]));
    assert!(read.body.ends_with(b"H263-1998/90000\r\n"));
}

#[test]
fn section_4_7_multiple_ip_addresses_in_sip_headers() {
    let read = read_answered("mult-ip-in-header").expect("it is well formed");

    let vias = read.vias();
    let sent_by: Vec<_> = vias.iter().map(|via| via.sent_by.as_slice()).collect();
    assert_eq!(sent_by, [&b"[2001:db8::9:1]:6050"[..], b"192.0.2.1", b"[2001:db8::9:255]"]);
    assert_eq!(vias[2].received.as_deref(), Some(&b"192.0.2.200"[..]));
    let expected = ["as3-111", "jhja8781hjuaij65144", "451jj"];
    assert_eq!(branches(&read), expected.map(|it| Some(format!("z9hG4bK{it}"))));
}

#[test]
fn section_4_8_multiple_ip_addresses_in_sdp() {
    let read = read_answered("mult-ip-in-sdp").expect("it is well formed");

    assert_eq!(uris(&read), ["sip:caller@[2001:db8::9:1]"]);
    assert_eq!(read.body.len(), 181);
}

#[test]
fn section_4_9_ipv4_mapped_ipv6_addresses() {
    let read = read_answered("ipv4-mapped-ipv6").expect("it is well formed");

    let sent_by: Vec<_> = read.vias().into_iter().map(|via| via.sent_by).collect();
    assert_eq!(sent_by, [&b"[::ffff:192.0.2.10]:19823"[..], b"[::ffff:192.0.2.2]"]);
    assert_eq!(uris(&read), ["sip:ted@[::ffff:192.0.2.2]"]);
    assert_eq!(read.body.len(), 236);
}

// D-SIP-2: the archive ends both behind their last header, so that they might have been cut there.
#[test]
fn section_4_10_ipv6_reference_bug_in_rfc_3261_abnf() {
    for (name, to) in [
        ("ipv6-bug-abnf-3-colons", "sip:user@[2001:db8:::192.0.2.1]"),
        ("ipv6-correct-abnf-2-colons", "sip:user@[2001:db8::192.0.2.1]"),
    ] {
        let cut = answered(&request(name));
        let read = Response::read(&[&cut[..], b"\r\n"].concat()).expect("it is well formed");

        assert_eq!(Response::read(&cut), Err(Malformed::BrokenHeader), "{name}");
        assert_eq!(read.first("to"), Some(to.as_bytes()), "{name}");
        assert_eq!(tag(&read).as_deref(), Some("810x2"), "{name}");
    }
}
