//! SIP: rsip.

use branchline_probes::wire::sip::Response;
use branchline_probes::{OptionValue, Secret};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};

use super::desk::{Run, begin, module, run, world};

/// What a phone with credentials says to a registrar that wants them.
fn conversation(peer_algorithm: &str) -> Run {
    let options = [
        ("address_of_record", OptionValue::Text("sip:probe-lyon@sip.example.com".to_owned())),
        ("password", OptionValue::Secret(Secret::new("marker".to_owned()))),
        ("allow_cleartext", OptionValue::Flag(true)),
        ("allow_md5", OptionValue::Flag(true)),
    ];
    let demand = format!(
        "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"sip.example.com\", \
         nonce=\"n1\", algorithm={peer_algorithm}, qop=\"auth\"\r\n"
    );
    let answers = |count: usize, request: &[u8]| {
        let text = String::from_utf8(request.to_vec()).expect("it is text");
        let (_, headers) = text.split_once("\r\n").expect("it has lines");
        let status = if count == 0 { demand.as_str() } else { "SIP/2.0 200 OK\r\n" };
        vec![format!("{status}{headers}").into_bytes()]
    };
    run(begin(&*module("sip-register", &options), 7).as_mut(), &mut world(answers))
}

#[test]
fn rsip_reads_our_registers() {
    let result = conversation("MD5");

    // Without credentials, with them, the removal, and the reading of what is held.
    assert_eq!(result.sent.len(), 4);
    let mut first = None;
    for (index, (_, _, bytes)) in result.sent.iter().enumerate() {
        let read = rsip::Request::try_from(bytes.as_slice()).unwrap();

        assert_eq!(*read.method(), rsip::Method::Register);
        assert_eq!(read.uri().to_string(), "sip:sip.example.com");
        let sequence = read.cseq_header().unwrap().typed().unwrap();
        let first = *first.get_or_insert(sequence.seq);
        assert_eq!((sequence.seq - first) as usize, index);
        assert_eq!(sequence.method, rsip::Method::Register);
        if index == 3 {
            assert!(read.contact_header().is_err() && read.expires_header().is_none());
        } else {
            let contact = read.contact_header().unwrap().typed().unwrap();
            assert_eq!(contact.uri.host_with_port.to_string(), "198.51.100.7:40112");
            let expires = read.expires_header().unwrap().value();
            assert_eq!(expires, if index == 2 { "0" } else { "60" });
        }
        let from = read.from_header().unwrap().typed().unwrap();
        assert_eq!(from.uri.to_string(), "sip:probe-lyon@sip.example.com");
        assert!(from.tag().is_some());
        assert!(!read.call_id_header().unwrap().value().is_empty());
        assert!(read.via_header().unwrap().typed().unwrap().branch().is_some());
        assert!(read.body().is_empty());
        assert_eq!(read.authorization_header().is_some(), index > 0);
    }
}

#[test]
fn rsip_reads_our_answer_to_an_md5_challenge() {
    let result = conversation("MD5");
    let read = rsip::Request::try_from(result.sent[1].2.as_slice()).unwrap();

    let answer = read.authorization_header().unwrap().typed().unwrap();

    assert_eq!(
        (answer.username.as_str(), answer.realm.as_str()),
        ("probe-lyon", "sip.example.com")
    );
    assert_eq!(
        (answer.nonce.as_str(), answer.uri.to_string().as_str()),
        ("n1", "sip:sip.example.com")
    );
    assert_eq!(answer.algorithm, Some(rsip::headers::auth::Algorithm::Md5));
    // 128 bits in hexadecimal.
    assert_eq!(answer.response.len(), 32);
}

#[test]
fn rsip_hashes_our_answer_to_an_md5_challenge_as_we_do() {
    let result = conversation("MD5");
    let read = rsip::Request::try_from(result.sent[1].2.as_slice()).unwrap();
    let answer = read.authorization_header().unwrap().typed().unwrap();
    let uri = answer.uri.clone();
    let generator = rsip::services::DigestGenerator {
        username: "probe-lyon",
        password: "marker",
        algorithm: rsip::headers::auth::Algorithm::Md5,
        nonce: "n1",
        method: &rsip::Method::Register,
        qop: answer.qop.as_ref(),
        uri: &uri,
        realm: "sip.example.com",
    };

    assert_eq!(answer.response, generator.compute());
}

/// Plain responses, as both must read them.
const PLAIN: [(&str, u16, &str); 5] = [
    ("SIP/2.0 100 Trying", 100, ""),
    ("SIP/2.0 200 OK", 200, "Contact: <sip:1@192.0.2.1:5060>;expires=60\r\nExpires: 60\r\n"),
    ("SIP/2.0 401 Unauthorized", 401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n"),
    ("SIP/2.0 423 Interval Too Brief", 423, "Min-Expires: 120\r\n"),
    ("SIP/2.0 503 Service Unavailable", 503, "Retry-After: 30\r\nServer: a server\r\n"),
];

fn plain(status: &str, further: &str) -> String {
    format!(
        "{status}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK7;received=192.0.2.9;rport=9\r\n\
         From: <sip:a@example.com>;tag=f1\r\nTo: <sip:a@example.com>;tag=t1\r\nCall-ID: c1@a\r\n\
         CSeq: 3 REGISTER\r\n{further}Content-Length: 4\r\n\r\nbody"
    )
}

#[test]
fn we_and_rsip_read_the_same_in_plain_responses() {
    for (status, code, further) in PLAIN {
        let text = plain(status, further);

        let ours = Response::read(text.as_bytes()).unwrap();
        let theirs = rsip::Response::try_from(text.as_bytes()).unwrap();

        assert_eq!((ours.code, theirs.status_code().code()), (code, code));
        assert_eq!(ours.body, *theirs.body());
        let sequence = theirs.cseq_header().unwrap().typed().unwrap();
        assert_eq!(ours.sequence(), Some((sequence.seq, &b"REGISTER"[..])));
        let call_id = theirs.call_id_header().unwrap().value();
        assert_eq!(ours.first("call-id"), Some(call_id.as_bytes()));
        let via = theirs.via_header().unwrap().typed().unwrap();
        let branch = via.branch().unwrap().to_string();
        assert_eq!(ours.vias()[0].branch.as_deref(), Some(branch.as_bytes()));
        let tag = theirs.from_header().unwrap().typed().unwrap().tag().unwrap().to_string();
        assert_eq!(ours.from_tag(), Some(tag.into_bytes()));
        for contact in theirs.contact_headers() {
            let uri = contact.typed().unwrap().uri.to_string();
            assert_eq!(ours.contacts()[0].uri, uri.into_bytes());
        }
        for name in ["server", "retry-after", "min-expires", "expires"] {
            let header = theirs.headers().iter().map(ToString::to_string).find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            });
            assert_eq!(ours.first(name), header.as_deref().map(str::as_bytes), "{name}");
        }
    }
}

// RFC 8760 §2.1 spells it SHA-256; rsip 0.4 knows only "SHA256".
#[test]
fn rsip_is_wrong_about_a_sha_256_challenge_and_we_are_right() {
    let line = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256\r\n";
    let text = plain("SIP/2.0 401 Unauthorized", line);

    let theirs = rsip::Response::try_from(text.as_bytes()).unwrap();
    let ours = Response::read(text.as_bytes()).unwrap();

    assert!(theirs.www_authenticate_header().unwrap().typed().is_err());
    assert_eq!(ours.challenges()[0].algorithm.as_deref(), Some(&b"SHA-256"[..]));
}

// RFC 3261 §7.3.1: a line that begins with white space continues the one before it.
#[test]
fn rsip_is_wrong_about_a_folded_header_and_we_are_right() {
    let text = plain("SIP/2.0 200 OK", "Subject: I know you're there,\r\n pick up the phone\r\n");

    let theirs = rsip::Response::try_from(text.as_bytes());
    let ours = Response::read(text.as_bytes()).unwrap();

    assert!(theirs.is_err());
    assert_eq!(ours.first("subject"), Some(&b"I know you're there, pick up the phone"[..]));
}

// RFC 3261 §7.3.3: compact names mean what the long ones mean.
#[test]
fn rsip_is_wrong_about_compact_names_and_we_are_right() {
    let text = plain("SIP/2.0 200 OK", "").replace("Call-ID:", "i:").replace("From:", "f:");

    let theirs = rsip::Response::try_from(text.as_bytes()).unwrap();
    let ours = Response::read(text.as_bytes()).unwrap();

    assert!(theirs.call_id_header().is_err() && theirs.from_header().is_err());
    assert_eq!(ours.first("call-id"), Some(&b"c1@a"[..]));
    assert_eq!(ours.from_tag().as_deref(), Some(&b"f1"[..]));
}

// RFC 3261 §25.1, RFC 5118 §4.1: an IPv6 address stands in brackets, a port behind them.
#[test]
fn rsip_is_wrong_about_an_ipv6_reference_and_we_are_right() {
    let text = plain("SIP/2.0 200 OK", "Contact: <sip:1@[2001:db8::9]:5060>;expires=60\r\n");

    let theirs = rsip::Response::try_from(text.as_bytes()).unwrap();
    let ours = Response::read(text.as_bytes()).unwrap();

    assert!(theirs.contact_header().unwrap().typed().is_err());
    assert_eq!(ours.contacts()[0].uri, b"sip:1@[2001:db8::9]:5060");
}
