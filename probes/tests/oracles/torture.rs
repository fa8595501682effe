//! SIP: rsip reads the messages of RFC 4475 as we do, but for the cases that are listed here.

use std::path::Path;

use branchline_probes::wire::sip::{Malformed, Response};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;

/// What both have to read: status, Call-ID, CSeq and the octets of the body.
type Essence = (u16, Option<String>, Option<(u32, String)>, usize);

/// Messages that we refuse and rsip reads, and by which rule.
const REFUSED: [(&str, Malformed); 6] = [
    // D-SIP-2: no empty line behind the headers; rsip takes the headers for the body.
    ("baddn", Malformed::BrokenHeader),
    // RFC 4475 §3.1.2.2, §3.1.2.3 and §3.3.9: lengths that are not the body's.
    ("clerr", Malformed::WrongLength),
    ("mcl01", Malformed::WrongLength),
    ("ncl", Malformed::WrongLength),
    // D-SIP-2: a NUL in a header.
    ("intmeth", Malformed::BrokenHeader),
    // RFC 4475 §3.3.8: CSeq and Call-ID twice.
    ("multi01", Malformed::BrokenHeader),
];
/// Messages that rsip refuses and that are well formed or have one bad value: three fold a header,
/// and `longreq` has white space before a colon.
const REFUSED_BY_RSIP: [&str; 4] = ["esc01", "longreq", "scalar02", "semiuri"];
/// Messages that both refuse: a code of ten digits, folds of Via and CSeq, a line without a colon.
const REFUSED_BY_BOTH: [&str; 3] = ["bigcode", "test", "wsinv"];
/// Messages that rsip misreads: a compact Call-ID and octets behind Content-Length; `%` in a method.
const MISREAD_BY_RSIP: [&str; 2] = ["dblreq", "esc02"];

/// Every message by its name, the requests with a status line in place of their request line.
fn responses() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip/rfc4475");
    let files =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let responses = files.map(|path| {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("it is text").to_owned();
        let bytes = std::fs::read(path).expect("a message");
        let first = bytes.iter().position(|&byte| byte == b'\n').expect("a line");
        let is_response = bytes.starts_with(b"SIP/2.0 ");
        let status: &[u8] = if is_response { &bytes[..=first] } else { b"SIP/2.0 200 OK\r\n" };
        (name, [status, &bytes[first + 1..]].concat())
    });
    responses.collect()
}

fn ours(bytes: &[u8]) -> Result<Essence, Malformed> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is text");
    Response::read(bytes).map(|read| {
        let sequence = read.sequence().map(|(number, method)| (number, text(method)));
        (read.code, read.first("call-id").map(text), sequence, read.body.len())
    })
}

fn theirs(bytes: &[u8]) -> Option<Essence> {
    let read = rsip::Response::try_from(bytes).ok()?;
    let call_id = read.call_id_header().ok().map(|header| header.value().to_owned());
    let sequence = read.cseq_header().ok().and_then(|header| header.typed().ok());
    let sequence = sequence.map(|cseq| (cseq.seq, cseq.method.to_string()));
    Some((read.status_code().code(), call_id, sequence, read.body().len()))
}

#[test]
fn we_and_rsip_read_the_same_in_the_messages_of_rfc_4475() {
    let mut agreed = 0;
    for (name, bytes) in responses() {
        let name = name.as_str();
        let refusal = REFUSED.iter().find(|(refused, _)| *refused == name);
        let (ours, theirs) = (ours(&bytes), theirs(&bytes));
        if let Some((_, malformed)) = refusal {
            assert_eq!((ours, theirs.is_some()), (Err(*malformed), true), "{name}");
        } else if REFUSED_BY_RSIP.contains(&name) {
            assert_eq!((ours.is_ok(), theirs), (true, None), "{name}");
        } else if REFUSED_BY_BOTH.contains(&name) {
            assert_eq!((ours.is_ok(), theirs), (false, None), "{name}");
        } else if MISREAD_BY_RSIP.contains(&name) {
            assert_ne!(ours.ok(), theirs, "{name}");
        } else {
            assert_eq!(ours.ok(), theirs, "{name}");
            agreed += 1;
        }
    }
    assert_eq!(agreed, 35);
}

// RFC 3261 §18.3: octets behind Content-Length are no part of the message.
#[test]
fn rsip_is_wrong_about_octets_behind_the_length_and_we_are_right() {
    let responses = responses();
    let (_, bytes) = responses.iter().find(|(name, _)| name == "dblreq").unwrap();

    assert_eq!(theirs(bytes).map(|it| it.3), Some(450));
    assert_eq!(ours(bytes).map(|it| it.3), Ok(0));
}

// RFC 3261 §25.1: a method is a token, and `%` stands in a token for itself.
#[test]
fn rsip_is_wrong_about_a_percent_sign_in_a_method_and_we_are_right() {
    let responses = responses();
    let (_, bytes) = responses.iter().find(|(name, _)| name == "esc02").unwrap();

    assert_eq!(theirs(bytes).map(|it| it.2), Some(None));
    assert_eq!(ours(bytes).map(|it| it.2), Ok(Some((29_344, "RE%47IST%45R".to_owned()))));
}
