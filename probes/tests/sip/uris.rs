//! SIP URIs: every production of RFC 3261 §25.1, the URIs that RFCs publish, and texts with a few
//! characters broken, by the hundred thousand.

use branchline_probes::wire::sip::{AddressOfRecord, HostPort, Scheme, SipUri, strict};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn uri(text: &str) -> SipUri {
    SipUri::read(text).unwrap_or_else(|bad| panic!("{text}: {bad}"))
}

/// Where a text ceases to be a URI, and why.
#[track_caller]
fn assert_bad(text: &str, position: usize, what: &str) {
    let bad = SipUri::read(text).expect_err(text);
    assert_eq!((bad.position, bad.what), (position, what), "{text:?}");
}

/// RFC 3261 §19.1.3, all of them.
const PUBLISHED: [&str; 8] = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sips:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
];

/// RFC 4475 §3.1.1.2 to §3.1.1.4 and §3.1.1.9, and RFC 5118 §4.
const TORTURE: [&str; 12] = [
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    "sip:sips%3Auser%40example.com@example.net",
    "sip:%75se%72@example.com",
    "sip:I%20have%20spaces@example.net",
    "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
    "sip:null-%00-null@example.com",
    "sip:%00@host5.example.com",
    "sip:%00%00@host5.example.com",
    "sip:user;par=u%40example.net@example.com",
    "sip:[2001:db8::10]",
    "sip:[2001:db8::10]:5070",
    "sip:caller@[2001:db8::1]",
];

#[test]
fn every_published_uri_is_read_and_written_back() {
    for text in PUBLISHED.iter().chain(&TORTURE) {
        assert_eq!(uri(text).to_string(), *text);
    }
}

#[test]
fn the_parts_of_the_published_uris_are_what_the_rfc_says() {
    let alice = uri(PUBLISHED[1]);
    assert_eq!(
        (alice.scheme(), alice.user(), alice.host()),
        (Scheme::Sip, Some("alice"), "atlanta.com")
    );
    assert!(alice.has_password());
    assert_eq!((alice.transport(), alice.port()), (Some("tcp"), None));

    let subject = uri(PUBLISHED[2]);
    assert_eq!(subject.scheme(), Scheme::Sips);
    let headers: Vec<_> =
        subject.headers().iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
    assert_eq!(headers, [("subject", "project%20x"), ("priority", "urgent")]);

    let phone = uri(PUBLISHED[3]);
    assert_eq!((phone.user(), phone.user_kind()), (Some("+1-212-555-1212"), Some("phone")));

    let register = uri(PUBLISHED[6]);
    assert_eq!((register.user(), register.host()), (None, "atlanta.com"));
    assert_eq!(register.method(), Some("REGISTER"));
    assert_eq!(register.headers()[0].value, "alice%40atlanta.com");

    let tuesday = uri(PUBLISHED[7]);
    assert_eq!(tuesday.user(), Some("alice;day=tuesday"));
    assert!(tuesday.parameters().is_empty());
}

#[test]
fn a_password_is_refused_by_its_place_in_what_a_person_writes_and_shown_to_nobody() {
    for (text, position) in [(PUBLISHED[1], 10), (PUBLISHED[3], 20), ("sip:a:@b", 6)] {
        let bad = SipUri::read_without_password(text).expect_err(text);

        assert_eq!(bad.position, position, "{text}");
        assert_eq!(bad.what, "a password does not belong into a URI");
    }
    assert_eq!(format!("{:?}", uri(PUBLISHED[1])), "sip:alice:…@atlanta.com;transport=tcp");
    assert!(SipUri::read_without_password(PUBLISHED[0]).is_ok());
}

// RFC 4475 §3.1.1.3: escapes are resolved once, also in the name of a parameter.
#[test]
fn a_parameter_is_found_whatever_its_case_and_its_escapes() {
    let caller = uri(TORTURE[4]);

    assert!(caller.is_loose_router());
    assert_eq!(
        caller.parameter("NAME").and_then(|it| it.value.as_deref()),
        Some("v%61lue%25%34%31")
    );
    assert_eq!(uri("sip:a;TransPort=TLS").transport(), Some("TLS"));
}

#[test]
fn every_parameter_of_the_rfc_is_told_by_its_name() {
    let all =
        uri("sip:a@b;transport=sctp;user=ip;method=INVITE;ttl=15;maddr=239.255.255.1;lr;x=y/:[]");

    assert_eq!(
        (all.transport(), all.user_kind(), all.method()),
        (Some("sctp"), Some("ip"), Some("INVITE"))
    );
    assert_eq!((all.ttl(), all.maddr()), (Some(15), Some("239.255.255.1")));
    assert!(all.is_loose_router() && !uri("sip:a@b").is_loose_router());
    assert_eq!(all.parameters().len(), 7);
    assert_eq!(uri("sip:b;lr=on").parameter("lr").and_then(|it| it.value.as_deref()), Some("on"));
    assert_eq!(uri("sip:b;maddr=[ff02::1]").maddr(), Some("[ff02::1]"));
}

#[test]
fn each_part_holds_what_its_production_allows_and_nothing_more() {
    let printable: Vec<char> = (0x21..0x7F_u8).map(char::from).collect();
    let unreserved = |it: char| it.is_ascii_alphanumeric() || "-_.!~*'()".contains(it);
    let allowed = |others: &'static str| move |it: char| unreserved(it) || others.contains(it);
    let takes = |text: &dyn Fn(char) -> String, allowed: &dyn Fn(char) -> bool| {
        for &character in &printable {
            let text = text(character);
            assert_eq!(SipUri::read(&text).is_ok(), allowed(character), "{text}");
        }
    };

    // A colon begins the password, a semicolon a parameter, an equals sign its value.
    takes(&|it| format!("sip:a{it}a@b"), &allowed("&=+$,;?/:"));
    takes(&|it| format!("sip:a:a{it}a@b"), &allowed("&=+$,"));
    takes(&|it| format!("sip:a@b{it}b"), &|it| it.is_ascii_alphanumeric() || "-.;".contains(it));
    takes(&|it| format!("sip:a@b:5{it}6"), &|it| it.is_ascii_digit() || it == ';');
    takes(&|it| format!("sip:a@b;p{it}q=1"), &allowed("[]/:&+$;?"));
    takes(&|it| format!("sip:a@b;p=v{it}v"), &allowed("[]/:&+$;"));
    // A token, less what no parameter can hold.
    takes(&|it| format!("sip:a@b;transport=v{it}v"), &|it| {
        it.is_ascii_alphanumeric() || "-_.!~*'+;".contains(it)
    });
    takes(&|it| format!("sip:a@b?h{it}h=v"), &allowed("[]/?:+$"));
    takes(&|it| format!("sip:a@b?h=v{it}v"), &allowed("[]/?:+$"));
}

#[test]
fn a_host_is_a_name_an_ipv4_address_or_an_ipv6_address_in_brackets() {
    for host in [
        "b",
        "b.",
        "1.b",
        "a-b.c-d",
        "xn--caf-dma.example",
        "a.b1",
        "192.0.2.4",
        "[::]",
        "[::ffff:192.0.2.1]",
    ] {
        assert_eq!(uri(&format!("sip:a@{host}:5060")).host(), host);
    }
    assert_bad("sip:a@", 7, "the domain is missing");
    assert_bad("sip::5060", 5, "the domain is missing");
    assert_bad("sip:a@b..c", 9, "a label of the domain is empty");
    assert_bad("sip:a@.b", 7, "a label of the domain is empty");
    assert_bad("sip:a@-b", 7, "no label of a domain begins with a hyphen");
    assert_bad("sip:a@b-.c", 8, "no label of a domain ends with a hyphen");
    assert_bad("sip:a@b.5c", 9, "the last label of a domain begins with a letter");
    assert_bad("sip:a@192.0.2.256", 17, "an IPv4 address is four numbers up to 255");
    assert_bad("sip:a@192.0.2", 14, "an IPv4 address is four numbers up to 255");
    assert_bad("sip:a@b_c", 8, "this character cannot stand in a domain");
    assert_bad("sip:a@[2001:db8::x]", 18, "between brackets stands an IPv6 address");
    assert_bad("sip:a@[2001:db8::1", 19, "\"]\" is missing");
    assert_bad("sip:a@[::1]b", 12, "this character cannot stand here");
    assert_bad("sip:a@[192.0.2.1]", 11, "between brackets stands an IPv6 address");
    assert_bad("sip:a@[fe80::1%25eth0]", 15, "between brackets stands an IPv6 address");
}

// RFC 5118 §4.2 to §4.4
#[test]
fn an_ipv6_address_without_brackets_is_refused_and_a_port_within_them_is_part_of_it() {
    assert_bad("sip:2001:db8::10", 5, "an IPv6 address stands in brackets");
    assert_bad("sip:user@2001:db8::10", 10, "an IPv6 address stands in brackets");

    let ambiguous = uri("sip:[2001:db8::10:5070]");
    let clear = uri("sip:[2001:db8::10]:5070");

    assert_eq!((ambiguous.host(), ambiguous.port()), ("[2001:db8::10:5070]", None));
    assert_eq!((clear.host(), clear.port()), ("[2001:db8::10]", Some(5070)));
}

#[test]
fn a_port_is_a_number_from_1_to_65535() {
    const WHAT: &str = "a port is a number from 1 to 65535";
    assert_eq!(uri("sip:a@b:1").port(), Some(1));
    assert_eq!(uri("sip:a@b:65535").port(), Some(65_535));
    assert_eq!(uri("sip:a@b:05060;lr").port(), Some(5060));
    assert_bad("sip:a@b:", 9, WHAT);
    assert_bad("sip:a@b:0", 9, WHAT);
    assert_bad("sip:a@b:65536", 9, WHAT);
    assert_bad("sip:a@b:99999999999999999999", 9, WHAT);
    assert_bad("sip:a@b:50x", 11, WHAT);
    assert_bad("sip:a@b:+5060", 9, WHAT);
    assert_eq!(HostPort::read("[::1]:3478").expect("it is one").port, Some(3478));
    assert_eq!(HostPort::read("a:1;lr").expect_err("it has a parameter").position, 4);
}

#[test]
fn what_is_missing_is_told_where_it_should_stand() {
    assert_bad("", 1, "a SIP URI begins with \"sip:\" or \"sips:\"");
    assert_bad("sib:a", 3, "a SIP URI begins with \"sip:\" or \"sips:\"");
    assert_bad("sips", 5, "a SIP URI begins with \"sip:\" or \"sips:\"");
    assert_bad("tel:+331", 1, "a SIP URI begins with \"sip:\" or \"sips:\"");
    assert_bad("sip:@b", 5, "the user is missing");
    assert_bad("sip::x@b", 5, "the user is missing");
    assert_bad("sip:a@b;", 9, "the name of a parameter is missing");
    assert_bad("sip:a@b;;lr", 9, "the name of a parameter is missing");
    assert_bad("sip:a@b;p=", 11, "the value of a parameter is missing");
    assert_bad("sip:a@b;transport", 18, "\"=\" and the value of this parameter are missing");
    assert_bad("sip:a@b?", 9, "the name of a header is missing");
    assert_bad("sip:a@b?h", 10, "\"=\" and the value of a header are missing");
    assert_bad("sip:a@b?h=v&", 13, "the name of a header is missing");
    assert_eq!(uri("sip:a@b?h=").headers()[0].value, "");
}

#[test]
fn a_value_that_its_parameter_does_not_take_is_told_by_its_place() {
    assert_bad("sip:a@b;ttl=256", 13, "a ttl is from 0 to 255");
    assert_bad("sip:a@b;ttl=1x", 14, "a ttl is from 0 to 255");
    assert_bad("sip:a@b;maddr=1.2.3", 20, "an IPv4 address is four numbers up to 255");
    assert_bad("sip:a@b;transport=a/b", 20, "this character cannot stand in this value");
    assert_bad("sip:a@b;lr;x=1;%6Cr", 16, "this parameter stands there already");
    assert_bad("sip:a@b;X=1;x=2", 13, "this parameter stands there already");
}

#[test]
fn positions_count_characters_as_a_person_does() {
    const ASCII: &str = "only ASCII can stand in a URI; all else is escaped, as UTF-8";
    assert_bad("sip:café@b", 8, ASCII);
    assert_bad("sip:a@münchen.example", 8, ASCII);
    assert_bad("sip:a@b;p=日本", 11, ASCII);
    assert_bad("sip:a\u{7f}@b", 6, "a control character cannot stand in a URI");
    assert_bad("sip:a%2@b", 6, "two hexadecimal digits follow a \"%\"");
    assert_bad("sip:a%2é@b", 6, "two hexadecimal digits follow a \"%\"");
    assert_bad("sip:a@b@c", 8, "this character cannot stand in a domain");
}

// D-SIP-11
#[test]
fn what_could_leave_its_header_is_refused_in_every_part_by_its_place() {
    let controls = (0..0x20_u8).chain([0x7F]).map(char::from);
    for wrong in controls.chain(['<', '>', '"', ' ']) {
        for (before, after) in [
            ("", "sip:a@b"),
            ("sip", ":a@b"),
            ("sip:a", "@b"),
            ("sip:a:p", "@b"),
            ("sip:a@", "b"),
            ("sip:a@b", ""),
            ("sip:a@192.0.2", ".1"),
            ("sip:a@[::", "1]"),
            ("sip:a@b:5", "060"),
            ("sip:a@b;p", "=v"),
            ("sip:a@b;p=v", ""),
            ("sip:a@b;transport=v", ""),
            ("sip:a@b?h", "=v"),
            ("sip:a@b?h=v", ""),
        ] {
            let text = format!("{before}{wrong}{after}");
            let position = before.len() + 1;

            assert_eq!(
                SipUri::read(&text).expect_err("it is wrong").position,
                position,
                "{text:?}"
            );
            let strict = strict::check(&text).expect_err("it is wrong").position;
            assert!(strict <= position, "{text:?}");
        }
        let text = format!("sip:a@b{wrong}X-Injected: yes");
        assert_eq!(AddressOfRecord::read(&text).expect_err("it is wrong").position, 8, "{text:?}");
    }
}

// RFC 3261 §19.1.4
#[test]
fn the_uris_that_the_rfc_calls_equivalent_are_the_same() {
    for (one, other) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8:0::1]", "SIP:a@[2001:DB8::1]"),
    ] {
        assert!(uri(one).is_same(&uri(other)), "{one} {other}");
        assert!(uri(other).is_same(&uri(one)), "{other} {one}");
    }
}

// RFC 3261 §19.1.4
#[test]
fn the_uris_that_the_rfc_calls_not_equivalent_are_not_the_same() {
    for (one, other) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        // "Equivalence is not transitive."
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        // A SIP and a SIPS URI are never equivalent.
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.4"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=ip"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;ttl=1"),
        ("sip:bob@biloxi.com;method=INVITE", "sip:bob@biloxi.com;method=invite"),
        ("sip:a@b?h=1&h=1", "sip:a@b?h=1"),
        // What is reserved is not its escape, and an escaped percent sign escapes nothing.
        ("sip:a;b@c", "sip:a%3Bb@c"),
        ("sip:a%253B@c", "sip:a%3B@c"),
        ("sip:a%2541@c", "sip:aA@c"),
    ] {
        assert!(!uri(one).is_same(&uri(other)), "{one} {other}");
        assert!(!uri(other).is_same(&uri(one)), "{other} {one}");
    }
}

/// How many texts.
const SOME: u32 = 200_000;

#[test]
fn no_broken_text_panics_and_what_is_accepted_is_written_back_and_read_the_same() {
    const PIECES: [&str; 24] = [
        "@", ":", ";", "?", "&", "=", "%", "%00", "%4", "[", "]", "::", ".", "-", "sip:", "lr",
        "\r\n", "\0", "é", "<", "5060", "65536", ";maddr=", "ttl",
    ];
    let seeds: Vec<&str> = PUBLISHED.iter().chain(&TORTURE).copied().collect();
    let mut chance = StdRng::seed_from_u64(3261);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for _ in 0..SOME {
        let mut text: Vec<char> = seeds[chance.random_range(0..seeds.len())].chars().collect();
        for _ in 0..chance.random_range(1..4) {
            let at = chance.random_range(0..=text.len());
            let until = (at + chance.random_range(0..3)).min(text.len());
            let piece = PIECES[chance.random_range(0..PIECES.len())];
            let piece = if chance.random() { piece } else { "" };
            text.splice(at..until, piece.chars());
        }
        let text: String = text.into_iter().collect();

        let read = SipUri::read(&text);

        let _ = (AddressOfRecord::read(&text), HostPort::read(&text));
        match read {
            Ok(uri) => {
                accepted += 1;
                let again = SipUri::read(&uri.to_string());
                assert_eq!(again.as_ref(), Ok(&uri), "{text:?}");
                assert!(uri.is_same(&uri), "{text:?}");
                assert!(uri.to_string().bytes().all(|it| (0x21..0x7F).contains(&it)), "{text:?}");
            }
            Err(bad) => {
                refused += 1;
                assert!((1..=text.chars().count() + 1).contains(&bad.position), "{text:?}: {bad}");
            }
        }
        if strict::check(&text).is_ok() {
            assert!(text.starts_with("sip:") && text.is_ascii(), "{text:?}");
        }
    }
    assert!(accepted > SOME / 20 && refused > SOME / 20, "{accepted} {refused}");
}
