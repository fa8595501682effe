//! Challenges one after the other, by two challengers, and what a nonce is good for (D-SIP-4 to
//! D-SIP-7; RFC 7616, RFC 8760, RFC 7615).

use branchline_probes::sip_register::{ALGORITHM, ALGORITHMS, MODE, REMOVED};
use branchline_probes::{Failure, OptionValue, Weakness};
use sha2::{Digest, Sha256, Sha512_256};

use crate::desk::Run;
use crate::{
    PASSWORD, REALM, challenge, counts, header, must, ok, parameter, phone, readings, register,
    response,
};

const URI: &str = "sip:sip.example.com";

/// A hash as hexadecimal text.
type Hex = fn(&str) -> String;

fn lower(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5(text: &str) -> String {
    lower(&md5::Md5::digest(text))
}

fn sha256(text: &str) -> String {
    lower(&Sha256::digest(text))
}

fn sha512_256(text: &str) -> String {
    lower(&Sha512_256::digest(text))
}

/// A demand of the registrar, or of a proxy before it.
fn demand(request: &str, code: u16, parameters: &[&str]) -> String {
    let (status, name) = match code {
        401 => ("401 Unauthorized", "WWW-Authenticate"),
        _ => ("407 Proxy Authentication Required", "Proxy-Authenticate"),
    };
    let lines = parameters.iter().map(|it| format!("{name}: Digest realm=\"{REALM}\", {it}\r\n"));
    response(request, status, &lines.collect::<String>())
}

/// The digest of a request by RFC 7616 §3.4.1, with qop=auth.
fn digest(hex: Hex, value: &str, nonce: &str, count: &str) -> String {
    let cnonce = parameter(value, "cnonce").expect("it has one");
    let secret = hex(&format!("probe-lyon:{REALM}:{PASSWORD}"));
    let request = hex(&format!("REGISTER:{URI}"));
    hex(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
}

fn assert_answers(value: &str, hex: Hex, nonce: &str, count: &str) {
    assert_eq!(parameter(value, "nonce"), Some(nonce), "{value}");
    assert_eq!(parameter(value, "nc"), Some(count), "{value}");
    let expected = digest(hex, value, nonce, count);
    assert_eq!(parameter(value, "response"), Some(expected.as_str()), "{value}");
}

fn weakness(result: &Run) -> Option<&Weakness> {
    match &result.outcome.failure {
        Some((_, Failure::AuthWeak { weakness, .. })) => Some(weakness),
        _ => None,
    }
}

// D-SIP-4
#[test]
fn whatever_the_order_the_strongest_is_answered_and_all_are_told() {
    let offers = [
        ("algorithm=MD5, nonce=\"a\", qop=\"auth\"", "MD5"),
        ("algorithm=SHA-256, nonce=\"b\", qop=\"auth\"", "SHA-256"),
        ("algorithm=SHA-512-256, nonce=\"c\", qop=\"auth\"", "SHA-512-256"),
        ("algorithm=SHA-1024, nonce=\"d\", qop=\"auth\"", "SHA-1024"),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let parameters = order.map(|index| offers[index].0);

        let result = register(&*phone(&[]), |count, request| match count {
            0 => vec![demand(request, 401, &parameters)],
            _ => vec![ok(request)],
        });

        let value = must(&result.texts()[1], "Authorization").to_owned();
        assert_answers(&value, sha512_256, "c", "00000001");
        assert_eq!(result.outcome.facts.read(&ALGORITHM), Some("SHA-512-256"));
        let told = result.outcome.facts.read(&ALGORITHMS).expect("they are told");
        let told: Vec<_> = told.iter().map(|text| text.as_str().to_owned()).collect();
        assert_eq!(told, order.map(|index| offers[index].1));
    }
}

// D-SIP-6
#[test]
fn of_two_as_strong_the_one_with_a_quality_of_protection_is_answered() {
    let with = "algorithm=SHA-256, nonce=\"a\", qop=\"auth\"";
    let without = "algorithm=SHA-256, nonce=\"b\"";
    for parameters in [[with, without], [without, with]] {
        let result = register(&*phone(&[]), |count, request| match count {
            0 => vec![demand(request, 401, &parameters)],
            _ => vec![ok(request)],
        });

        let value = must(&result.texts()[1], "Authorization").to_owned();
        assert_answers(&value, sha256, "a", "00000001");
    }
}

// D-SIP-4
#[test]
fn md5_is_answered_where_it_is_allowed_and_nothing_else_is_offered() {
    let module = phone(&[("allow_md5", OptionValue::Flag(true))]);

    let result = register(&*module, |count, request| match count {
        0 => vec![demand(request, 401, &["nonce=\"a\", qop=\"auth\""])],
        _ => vec![ok(request)],
    });

    let value = must(&result.texts()[1], "Authorization").to_owned();
    assert_answers(&value, md5, "a", "00000001");
    assert_eq!(parameter(&value, "algorithm"), None, "as it was asked");
}

// RFC 7616 §3.4.1: without qop there is neither nc nor cnonce in the digest.
#[test]
fn a_challenge_without_a_quality_of_protection_is_answered_without_one() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![demand(request, 401, &["algorithm=SHA-256, nonce=\"a\", opaque=\"o\""])],
        _ => vec![ok(request)],
    });

    let value = must(&result.texts()[1], "Authorization").to_owned();
    let secret = sha256(&format!("probe-lyon:{REALM}:{PASSWORD}"));
    let expected = sha256(&format!("{secret}:a:{}", sha256(&format!("REGISTER:{URI}"))));
    assert_eq!(parameter(&value, "response"), Some(expected.as_str()));
    assert_eq!(parameter(&value, "opaque"), Some("o"));
    assert_eq!((parameter(&value, "nc"), parameter(&value, "qop")), (None, None));
}

// RFC 3261 §22.3
#[test]
fn a_proxy_and_the_registrar_are_both_answered_in_one_request() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![demand(request, 401, &["algorithm=SHA-256, nonce=\"r\", qop=\"auth\""])],
        1 => vec![demand(request, 407, &["algorithm=SHA-256, nonce=\"p\", qop=\"auth\""])],
        _ => vec![ok(request)],
    });

    assert_eq!((result.label(), counts(&result), readings(&result)), ("", (3, 1), 1));
    let texts = result.texts();
    assert_eq!(header(&texts[1], "Proxy-Authorization"), None);
    for (index, (registrar, proxy)) in
        [("00000002", "00000001"), ("00000003", "00000002"), ("00000004", "00000003")]
            .into_iter()
            .enumerate()
    {
        let text = &texts[index + 2];
        assert_answers(must(text, "Authorization"), sha256, "r", registrar);
        assert_answers(must(text, "Proxy-Authorization"), sha256, "p", proxy);
    }
    assert_eq!(result.outcome.facts.read(&MODE), Some("credentials"));
}

// D-SIP-5
#[test]
fn the_realm_is_pinned_for_a_proxy_as_well() {
    let elsewhere = |request: &str| {
        demand(request, 407, &["algorithm=SHA-256, nonce=\"p\", qop=\"auth\""])
            .replace(&format!("realm=\"{REALM}\""), "realm=\"proxy.example\"")
    };
    let first = register(&*phone(&[]), |_, request| vec![elsewhere(request)]);
    let second = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        _ => vec![elsewhere(request)],
    });

    assert_eq!((first.label(), first.sent.len()), ("auth_realm", 1));
    assert_eq!((second.label(), second.sent.len()), ("auth_realm", 2));
    assert!(second.texts().iter().all(|text| header(text, "Proxy-Authorization").is_none()));
}

// D-SIP-7
#[test]
fn who_challenges_by_turns_for_ever_gets_three_requests() {
    for further in ["", ", stale=true"] {
        for first in [401, 407] {
            let result = register(&*phone(&[]), |count, request| {
                let code = if count % 2 == 0 { first } else { 808 - first };
                let nonce = format!("algorithm=SHA-256, nonce=\"n{count}\", qop=\"auth\"{further}");
                vec![demand(request, code, &[&nonce])]
            });

            assert_eq!((result.label(), counts(&result)), ("rejected", (3, 0)), "{further}");
            assert!(result.outcome.back_off, "they were refused");
        }
    }
}

// D-SIP-4, D-SIP-6
#[test]
fn less_than_what_was_first_asked_for_is_not_answered() {
    let weaker = [
        "algorithm=MD5, nonce=\"n2\", qop=\"auth\", stale=true",
        "nonce=\"n2\", qop=\"auth\", stale=true",
        "algorithm=SHA-256, nonce=\"n2\", stale=true",
    ];
    for again in weaker {
        let module = phone(&[("allow_md5", OptionValue::Flag(true))]);

        let result = register(&*module, |count, request| match count {
            0 => vec![challenge(request, "SHA-256", "n1", "")],
            _ => vec![demand(request, 401, &[again])],
        });

        assert_eq!((result.label(), result.sent.len()), ("auth_weak", 2), "{again}");
        assert_eq!(weakness(&result), Some(&Weakness::Downgraded));
    }
}

// D-SIP-4, D-SIP-6, D-SIP-10
#[test]
fn less_than_what_was_first_asked_for_is_not_answered_to_a_removal() {
    let result =
        register(
            &*phone(&[("allow_md5", OptionValue::Flag(true))]),
            |count, request| match count {
                0 => vec![challenge(request, "SHA-256", "n1", "")],
                1 => vec![ok(request)],
                _ => vec![demand(request, 401, &["algorithm=MD5, nonce=\"n2\", stale=true"])],
            },
        );

    assert_eq!((counts(&result), readings(&result)), ((2, 1), 0));
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(false));
    assert!(result.outcome.left_behind);
}

// RFC 7615 §3, RFC 7616 §3.5
#[test]
fn the_nonce_that_is_wanted_next_is_used_next_and_counted_from_one() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        1 => vec![ok(request).replace(
            "Content-Length",
            "Authentication-Info: qop=auth, nextnonce=\"n2\"\r\nContent-Length",
        )],
        _ => vec![ok(request)],
    });

    let texts = result.texts();
    assert_eq!((result.label(), counts(&result), readings(&result)), ("", (2, 1), 1));
    assert_answers(must(&texts[1], "Authorization"), sha256, "n1", "00000001");
    assert_answers(must(&texts[2], "Authorization"), sha256, "n2", "00000001");
    assert_answers(must(&texts[3], "Authorization"), sha256, "n2", "00000002");
}

// RFC 7616 §3.4.2: the key of a session holds the nonce of its challenge and the first cnonce.
#[test]
fn a_session_outlives_the_nonce_that_opened_it() {
    let result =
        register(&*phone(&[]), |count, request| match count {
            0 => vec![challenge(request, "SHA-256-sess", "n1", "")],
            1 => vec![ok(request).replace(
                "Content-Length",
                "Authentication-Info: nextnonce=\"n2\"\r\nContent-Length",
            )],
            _ => vec![ok(request)],
        });

    let texts = result.texts();
    let (opening, next) = (must(&texts[1], "Authorization"), must(&texts[2], "Authorization"));
    let first = parameter(opening, "cnonce").expect("it has one");
    let secret = sha256(&format!("probe-lyon:{REALM}:{PASSWORD}"));
    let key = sha256(&format!("{secret}:n1:{first}"));
    let own = parameter(next, "cnonce").expect("it has one");
    let request = sha256(&format!("REGISTER:{URI}"));
    let expected = sha256(&format!("{key}:n2:00000001:{own}:auth:{request}"));
    assert_eq!(parameter(next, "response"), Some(expected.as_str()));
}

// D-SIP-6
#[test]
fn a_repeated_request_is_the_same_and_a_new_one_has_a_fresh_client_nonce() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        1 | 2 => Vec::new(),
        _ => vec![ok(request)],
    });

    let texts = result.texts();
    assert_eq!(texts[1], texts[2]);
    assert_eq!(texts[2], texts[3]);
    let mut cnonces: Vec<_> = [&texts[3], &texts[4], &texts[5]]
        .iter()
        .map(|text| parameter(must(text, "Authorization"), "cnonce").expect("it has one"))
        .collect();
    cnonces.sort_unstable();
    cnonces.dedup();
    assert_eq!(cnonces.len(), 3);
    assert!(must(&texts[5], "Authorization").contains("nc=00000003"));
}

// D-SIP-7
#[test]
fn after_a_longer_binding_was_asked_for_a_nonce_may_grow_stale_once() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        1 => vec![response(request, "423 Interval Too Brief", "Min-Expires: 120\r\n")],
        2 => vec![challenge(request, "SHA-256", "n2", ", stale=true")],
        _ => vec![ok(request)],
    });

    assert_eq!((result.label(), counts(&result)), ("", (4, 1)));
    assert_eq!(must(&result.texts()[3], "Expires"), "120");
    assert_answers(must(&result.texts()[3], "Authorization"), sha256, "n2", "00000001");
}

// D-SIP-11
#[test]
fn a_nonce_that_leaves_its_quotes_is_not_sent_back() {
    for nonce in ["a\"b", "a\", uri=\"sip:evil.example", "a\\", "a\tb", "a\u{7f}b"] {
        let offer = format!("algorithm=SHA-256, qop=\"auth\", nonce=\"{nonce}\"");

        let result = register(&*phone(&[]), |_, request| vec![demand(request, 401, &[&offer])]);

        let texts = result.texts();
        let answers = texts.iter().filter_map(|text| header(text, "Authorization"));
        for value in answers {
            assert_eq!(value.matches("uri=").count(), 1, "{nonce}: {value}");
            assert_eq!(value.matches('"').count() % 2, 0, "{nonce}: {value}");
            assert_eq!(parameter(value, "nonce"), Some("a"), "{nonce}: {value}");
        }
    }
    let escaped = register(&*phone(&[]), |count, request| match count {
        0 => vec![demand(request, 401, &["algorithm=SHA-256, qop=\"auth\", nonce=\"a\\\"b\""])],
        _ => vec![ok(request)],
    });
    let texts = escaped.texts();
    assert!(must(&texts[1], "Authorization").contains("nonce=\"a\\\"b\""));
}
