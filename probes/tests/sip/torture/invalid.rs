//! RFC 4475 §3.1.2 and §3.2: invalid messages, each read behind a status line.
//!
//! What was wrong with a request line only is gone with it; such messages are well formed here.

use branchline_probes::Ignored;
use branchline_probes::wire::sip::{Malformed, Response};

use super::{answered, branches, message, read_answered, replaced, tag, uris};
use crate::{assert_ignored, must, other_method, response};

// D-SIP-1
#[test]
fn section_3_1_2_1_extraneous_header_field_separators() {
    let read = read_answered("badinv01").expect("its lines are headers");

    // Every piece between commas counts as a Via, so that this is never the one that we wait for.
    assert_eq!(branches(&read), vec![None; 4]);
    assert_eq!(uris(&read), ["sip:joe@example.org"]);
    for surplus in [";;,;,,", ",", " , "] {
        assert_ignored(Ignored::Mismatch, surplus, |request| {
            let via = must(request, "Via");
            response(request, "200 OK", "").replace(via, &format!("{via}{surplus}"))
        });
    }
}

// D-SIP-2
#[test]
fn section_3_1_2_2_content_length_larger_than_message() {
    assert_eq!(read_answered("clerr"), Err(Malformed::WrongLength));
}

// D-SIP-2
#[test]
fn section_3_1_2_3_negative_content_length() {
    assert_eq!(read_answered("ncl"), Err(Malformed::WrongLength));
    let five = replaced(&answered(&message("ncl")), b"-999", b"five");
    assert_eq!(Response::read(&five), Err(Malformed::WrongLength));
}

#[test]
fn section_3_1_2_4_request_scalar_fields_with_overlarge_values() {
    let read = read_answered("scalar02").expect("its lines are headers");

    assert_eq!(read.sequence(), None);
    assert_eq!(read.number("expires"), None);
    assert_eq!(read.number("max-forwards"), Some(300));
    assert_eq!(uris(&read), ["sip:user@host129.example.com"]);
    assert_eq!(read.contacts()[0].expires, None);
}

#[test]
fn section_3_1_2_6_unterminated_quoted_string_in_display_name() {
    let quoted = answered(&message("quotbal"));
    let read = Response::read(&quoted).expect("To is not ours to judge");
    let from = replaced(&replaced(&quoted, b"From:", b"X-From:"), b"To:", b"From:");
    let contact = replaced(&quoted, b"Contact: <", b"Contact: \"C <");

    assert_eq!(tag(&read).as_deref(), Some("93334"));
    // No end of the quote is inferred where we would act on it.
    assert_eq!(Response::read(&from).expect("its lines are headers").from_tag(), None);
    let contact = Response::read(&contact).expect("its lines are headers");
    assert_ne!(uris(&contact), ["sip:caller@host59.example.net"]);
}

#[test]
fn section_3_1_2_7_brackets_enclosing_request_uri() {
    let read = read_answered("ltgtruri").expect("it is well formed");
    assert_eq!((branches(&read), read.body.len()), (vec![None], 159));
}

#[test]
fn section_3_1_2_8_malformed_sip_request_uri() {
    let read = read_answered("lwsruri").expect("it is well formed");
    assert_eq!(read.sequence(), Some((2_130_706_432, &b"INVITE"[..])));
}

// "An element that is liberal in what it accepts may ignore these extra SP characters."
#[test]
fn section_3_1_2_9_multiple_sp_separating_request_line_elements() {
    let start = answered(&message("lwsstart"));
    let spaced = replaced(&start, b"SIP/2.0 200 OK", b"SIP/2.0  200  OK");

    let read = Response::read(&start).expect("it is well formed");
    assert_eq!(read.reason, b"OK");
    assert_eq!(Response::read(&spaced), Ok(read));
}

#[test]
fn section_3_1_2_10_sp_characters_at_end_of_request_line() {
    let start = answered(&message("trws"));
    let spaced = replaced(&start, b"200 OK\r\n", b"200 OK  \r\n");

    let read = Response::read(&start).expect("it is well formed");
    assert_eq!(read.reason, b"OK");
    assert_eq!(Response::read(&spaced), Ok(read));
}

#[test]
fn section_3_1_2_11_escaped_headers_in_sip_request_uri() {
    let read = read_answered("escruri").expect("it is well formed");
    assert_eq!(read.first("route"), None);
}

// "An element shouldn't [reject it] unless the contents of the Date header field were actually
// important to its processing."
#[test]
fn section_3_1_2_12_invalid_time_zone_in_date_header_field() {
    let read = read_answered("baddate").expect("its lines are headers");
    assert_eq!(read.first("date"), Some(&b"Fri, 01 Jan 2010 16:00:00 EST"[..]));
}

#[test]
fn section_3_1_2_13_failure_to_enclose_name_addr_uri_in_brackets() {
    let read = read_answered("regbadct").expect("its lines are headers");
    assert_eq!(uris(&read), ["sip:user@example.com?Route=%3Csip:sip.example.com%3E"]);
}

// "Elements attempting to be liberal may ignore the spaces."
#[test]
fn section_3_1_2_14_spaces_within_addr_spec() {
    let spaced = answered(&message("badaspec"));
    let contact = replaced(&spaced, b"To:", b"Contact:");

    let read = Response::read(&spaced).expect("its lines are headers");
    assert_eq!(tag(&read).as_deref(), Some("433423"));
    let contact = Response::read(&contact).expect("its lines are headers");
    assert_eq!(uris(&contact), ["sip:t.watson@example.org"]);
}

// D-SIP-2: the archive ends this one behind its last header, so that it might have been cut there.
#[test]
fn section_3_1_2_15_non_token_characters_in_display_name() {
    let cut = answered(&message("baddn"));
    let read = Response::read(&[&cut[..], b"\r\n"].concat()).expect("its lines are headers");

    assert_eq!(Response::read(&cut), Err(Malformed::BrokenHeader));
    assert_eq!(tag(&read).as_deref(), Some("43"));
    assert_eq!(branches(&read), [Some("z9hG4bKkdjuw".to_owned())]);
}

#[test]
fn section_3_1_2_16_unknown_protocol_version() {
    let newer = replaced(&answered(&message("badvers")), b"SIP/2.0", b"SIP/7.0");
    assert_eq!(Response::read(&newer), Err(Malformed::NotAResponse));
}

// D-SIP-1
#[test]
fn section_3_1_2_17_start_line_and_cseq_method_mismatch() {
    let read = read_answered("mismatch01").expect("it is well formed");

    assert_eq!(read.sequence(), Some((8, &b"INVITE"[..])));
    assert_ignored(Ignored::Mismatch, "another method", |request| {
        other_method(&response(request, "200 OK", ""), "INVITE")
    });
}

// D-SIP-1
#[test]
fn section_3_1_2_18_unknown_method_with_cseq_method_mismatch() {
    let read = read_answered("mismatch02").expect("it is well formed");

    assert_eq!((read.sequence(), read.body.len()), (Some((8, &b"INVITE"[..])), 138));
    assert_ignored(Ignored::Mismatch, "an unknown method", |request| {
        other_method(&response(request, "200 OK", ""), "NEWMETHOD")
    });
}

// D-SIP-1
#[test]
fn section_3_2_1_missing_transaction_identifier() {
    let read = read_answered("badbranch").expect("its lines are headers");

    assert_eq!(branches(&read), [Some("z9hG4bK".to_owned())]);
    assert_ignored(Ignored::Mismatch, "no identifier", |request| {
        let via = must(request, "Via");
        let (front, _) = via.split_once("z9hG4bK").expect("a branch");
        response(request, "200 OK", "").replace(via, &format!("{front}z9hG4bK"))
    });
}
