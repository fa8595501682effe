//! RFC 4475 §3.1.1: valid messages, each read behind a status line.

use branchline_probes::wire::sip::{Malformed, Response};

use super::{answered, branches, message, read_answered, replaced, tag, texts, uris};

/// The message with these headers in one line each, however they were folded.
fn unfolded(message: &[u8], names: &[&str]) -> Vec<u8> {
    let (mut lines, mut is_named) = (Vec::<u8>::new(), false);
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        let is_folded = line[0] == b' ' || line[0] == b'\t';
        if is_folded && is_named {
            lines.truncate(lines.trim_ascii_end().len());
        } else if !is_folded {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default().trim_ascii();
            is_named = names.iter().any(|it| name.eq_ignore_ascii_case(it.as_bytes()));
        }
        lines.extend_from_slice(line);
    }
    lines
}

// D-SIP-2: the RFC's message folds Via and CSeq, and whoever does so to one of ours smuggles. This is
// the one valid message of the RFC that is refused for its style.
#[test]
fn section_3_1_1_1_a_short_tortuous_invite() {
    let tortuous = answered(&message("wsinv"));
    let read = Response::read(&unfolded(&tortuous, &["via", "v", "cseq"])).expect("well formed");

    assert_eq!(Response::read(&tortuous), Err(Malformed::BrokenHeader));
    assert_eq!(Response::read(&unfolded(&tortuous, &["via", "v"])), Err(Malformed::BrokenHeader));
    assert_eq!(Response::read(&unfolded(&tortuous, &["cseq"])), Err(Malformed::BrokenHeader));
    let to = b"sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n";
    assert_eq!(read.first("to"), Some(&to[..]));
    assert_eq!(tag(&read).as_deref(), Some("98asjd8"));
    assert_eq!(read.number("max-forwards"), Some(68));
    assert_eq!(read.first("call-id"), Some(&b"wsinv.ndaksdj@192.0.2.1"[..]));
    assert_eq!(read.number("content-length"), Some(150));
    assert_eq!(read.body.len(), 150);
    assert_eq!(read.sequence(), Some((9, &b"INVITE"[..])));
    let vias = read.vias();
    let sent_by: Vec<_> = vias.iter().map(|via| via.sent_by.as_slice()).collect();
    assert_eq!(sent_by, [&b"192.0.2.2"[..], b"spindle.example.com", b"192.168.255.111"]);
    let expected = ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"];
    assert_eq!(branches(&read), expected.map(|it| Some(it.to_owned())));
    assert_eq!(read.first("subject"), Some(&b""[..]));
    let value = read.first("newfangledheader");
    assert_eq!(value, Some(&b"newfangled value continued newfangled value"[..]));
    assert_eq!(read.first("unknownheaderwithunusualvalue"), Some(&b";;,,;;,;"[..]));
    assert_eq!(read.first("content-type"), Some(&b"application/sdp"[..]));
    let route = "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>";
    assert_eq!(texts(&read, "route"), [route]);
    assert_eq!(uris(&read), ["sip:jdrosen@example.com"]);
    assert_eq!(read.contacts()[0].expires, None);
}

// D-SIP-2: its To holds a quoted NUL, which no header of ours can; without it, all is read.
#[test]
fn section_3_1_1_2_wide_range_of_valid_characters() {
    let wide = answered(&message("intmeth"));
    let read = Response::read(&replaced(&wide, b"NUL:\\\0", b"NUL:\\\x01")).expect("well formed");

    assert_eq!(Response::read(&wide), Err(Malformed::BrokenHeader));
    assert_eq!(branches(&read), [Some("z9hG4bK-.!%66*_+`'~".to_owned())]);
    let to = b"\"BEL:\\\x07 NUL:\\\x01 DEL:\\\x7F\" \
               <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>";
    assert_eq!(read.first("to"), Some(&to[..]));
    assert_eq!(tag(&read).as_deref(), Some("_token~1'+`*%!-."));
    let call_id = br#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#;
    assert_eq!(read.first("call-id"), Some(&call_id[..]));
    let method = b"!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(read.sequence(), Some((139_122_385, &method[..])));
    let extension = read.first("extensionheader-!.%*+_`'~");
    assert_eq!(extension, Some("\u{FEFF}大停電".as_bytes()));
}

#[test]
fn section_3_1_1_3_valid_use_of_the_percent_escaping_mechanism() {
    let read = read_answered("esc01").expect("it is well formed");

    assert_eq!(read.first("to"), Some(&b"sip:%75se%72@example.com"[..]));
    assert_eq!(tag(&read).as_deref(), Some("938"));
    assert_eq!(read.first("call-id"), Some(&b"esc01.239409asdfakjkn23onasd0-3234"[..]));
    assert_eq!(read.sequence(), Some((234_234, &b"INVITE"[..])));
    assert_eq!(read.first("content-type"), Some(&b"application/sdp"[..]));
    // An escape is never undone: the URI is as it was sent.
    let uri = "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31";
    assert_eq!(uris(&read), [uri]);
    assert_eq!(read.body.len(), 150);
}

#[test]
fn section_3_1_1_4_escaped_nulls_in_uris() {
    let read = read_answered("escnull").expect("it is well formed");

    assert_eq!(read.first("to"), Some(&b"sip:null-%00-null@example.com"[..]));
    assert_eq!(tag(&read).as_deref(), Some("839923423"));
    assert_eq!(uris(&read), ["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"]);
    assert_eq!(read.number("content-length"), Some(0));
}

#[test]
fn section_3_1_1_5_use_of_percent_when_it_is_not_an_escape() {
    let read = read_answered("esc02").expect("it is well formed");

    assert_eq!(read.sequence(), Some((29_344, &b"RE%47IST%45R"[..])));
    assert_eq!(branches(&read), [Some("z9hG4bK209%fzsnel234".to_owned())]);
    assert_eq!(read.first("to"), Some(&b"\"%Z%45\" <sip:resource@example.com>"[..]));
    // Two, not three: an escaped name is another name.
    assert_eq!(uris(&read), ["sip:alias1@host1.example.com", "sip:alias3@host3.example.com"]);
    assert_eq!(read.first("c%6fntact"), Some(&b"<sip:alias2@host2.example.com>"[..]));
}

#[test]
fn section_3_1_1_6_message_with_no_lws_between_display_name_and_bracket() {
    let read = read_answered("lwsdisp").expect("it is well formed");
    let contact = replaced(&answered(&message("lwsdisp")), b"To: ", b"m: caller<sip:c@d>\r\nTo: ");

    assert_eq!(tag(&read).as_deref(), Some("323"));
    assert_eq!(read.sequence(), Some((60, &b"OPTIONS"[..])));
    assert_eq!(uris(&Response::read(&contact).expect("it is well formed")), ["sip:c@d"]);
}

#[test]
fn section_3_1_1_7_long_values_in_header_fields() {
    let read = read_answered("longreq").expect("it is well formed");

    assert_eq!(tag(&read), Some(format!("12{}424", "982".repeat(50))));
    let call_id = format!("longreq.one{}longcallid", "really".repeat(20));
    assert_eq!(read.first("call-id"), Some(call_id.as_bytes()));
    let vias = read.vias();
    let sent_by: Vec<_> = (1..=33).rev().map(|host| format!("sip{host}.example.com")).collect();
    for (via, host) in vias.iter().zip(&sent_by) {
        assert_eq!((via.sent_by.as_slice(), &via.branch), (host.as_bytes(), &None));
    }
    assert_eq!(vias.len(), 34);
    assert_eq!(vias[33].received.as_deref(), Some(&b"192.0.2.5"[..]));
    let branch = format!("very{}branchvalue", "long".repeat(50));
    assert_eq!(vias[33].branch.as_deref(), Some(branch.as_bytes()));
    let uri = format!("sip:{}@host5.example.net", "amazinglylongcallername".repeat(5));
    assert_eq!(uris(&read), [uri]);
    let name = format!("unknown-{}-name", "long".repeat(20));
    let value = read.first(&name).expect("it is there");
    assert!(value.ends_with(format!("{}-parameter-value", "long".repeat(20)).as_bytes()));
    let to = read.first("to").expect("it is there");
    let end = format!(";very{}ParameterNameWithNoValue>", "long".repeat(25));
    assert!(to.ends_with(end.as_bytes()));
    assert_eq!(read.body.len(), 150);
}

// D-SIP-2
#[test]
fn section_3_1_1_8_extra_trailing_octets_in_a_udp_datagram() {
    let read = read_answered("dblreq").expect("it is well formed");

    assert!(read.body.is_empty());
    assert_eq!(read.first("call-id"), Some(&b"dblreq.0ha0isndaksdj99sdfafnl3lk233412"[..]));
    assert_eq!(read.sequence(), Some((8, &b"REGISTER"[..])));
    assert_eq!(branches(&read), [Some("z9hG4bKkdjuw23492".to_owned())]);
    assert_eq!(read.first("content-type"), None);
    assert_eq!(uris(&read), ["sip:j.user@host.example.com"]);
}

#[test]
fn section_3_1_1_9_semicolon_separated_parameters_in_uri_user_part() {
    let read = read_answered("semiuri").expect("it is well formed");
    let contact = replaced(
        &answered(&message("semiuri")),
        b"Via:",
        b"Contact: <sip:user;par=u%40example.net@example.com>;expires=7\r\nVia:",
    );
    let with_contact = Response::read(&contact).expect("it is well formed");

    let accepted = [
        "application/sdp",
        "application/pkcs7-mime",
        "multipart/mixed",
        "multipart/signed",
        "message/sip",
        "message/sipfrag",
    ];
    assert_eq!(texts(&read, "accept"), accepted);
    assert_eq!(tag(&read).as_deref(), Some("33242"));
    assert_eq!(uris(&with_contact), ["sip:user;par=u%40example.net@example.com"]);
    assert_eq!(with_contact.contacts()[0].expires, Some(7));
}

#[test]
fn section_3_1_1_10_varied_and_unknown_transport_types() {
    let read = read_answered("transports").expect("it is well formed");

    assert_eq!(read.first("call-id"), Some(&b"transports.kijh4akdnaqjkwendsasfdj"[..]));
    let sent_by: Vec<_> = read.vias().into_iter().map(|via| via.sent_by).collect();
    assert_eq!(
        sent_by,
        (1..=5).map(|host| format!("t{host}.example.com").into_bytes()).collect::<Vec<_>>()
    );
    let expected = ["kdjuw", "klasjdhf", "2980unddj", "asd0f3en", "0a9idfnee"];
    assert_eq!(branches(&read), expected.map(|it| Some(format!("z9hG4bK{it}"))));
}

#[test]
fn section_3_1_1_11_multipart_mime_message() {
    let read = read_answered("mpart01").expect("it is well formed");

    assert_eq!(read.body.len(), 553);
    assert!(read.body.starts_with(b"--7a9cbec02ceef655\r\n"));
    assert!(read.body.ends_with(b"\xD0\x05\r\n--7a9cbec02ceef655--\r\n"));
    assert!(read.body.contains(&0));
    assert_eq!(read.vias()[0].rport.as_deref(), Some(&b""[..]));
    assert_eq!(tag(&read).as_deref(), Some("2fb0dcc9"));
    assert_eq!(uris(&read), ["sip:fluffy@127.0.0.1:5070"]);
}
