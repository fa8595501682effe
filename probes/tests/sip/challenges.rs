//! Which challenge is answered, how, and how often (D-SIP-4 to D-SIP-8).

use branchline_probes::OptionValue;
use branchline_probes::sip_register::{ALGORITHM, MODE, NONCE_RENEWALS};
use sha2::{Digest, Sha256};

use crate::desk::Run;
use crate::{
    PASSWORD, REALM, anonymous, challenge, counts, header, must, ok, parameter, phone, register,
    response,
};

/// What a registrar does that lets in whoever answers its first challenge.
fn behind(lines: &str) -> impl FnMut(usize, &str) -> Vec<String> {
    move |count, request| match count {
        0 => vec![response(request, "401 Unauthorized", lines)],
        _ => vec![ok(request)],
    }
}

fn line(realm: &str, algorithm: &str, qop: &str) -> String {
    format!(
        "WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n1\"{algorithm}, qop=\"{qop}\"\r\n"
    )
}

fn authorization(result: &Run, index: usize) -> String {
    must(&result.texts()[index], "Authorization").to_owned()
}

fn assert_nothing_was_answered(result: &Run) {
    assert_eq!(result.sent.len(), 1);
    assert_eq!(header(&result.texts()[0], "Authorization"), None);
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5(text: &str) -> String {
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

// D-SIP-4, RFC 8760 §2.4
#[test]
fn the_strongest_challenge_is_answered_and_not_the_topmost() {
    let [md5, sha256, sha512] =
        [", algorithm=MD5", ", algorithm=SHA-256", ", algorithm=SHA-512-256"]
            .map(|algorithm| line(REALM, algorithm, "auth"));
    let joined = md5.replace("\r\n", ", ") + sha256.trim_start_matches("WWW-Authenticate: ");
    let cases = [
        (md5.clone() + &sha256, "SHA-256"),
        (md5.clone() + &sha512 + &sha256, "SHA-512-256"),
        (joined, "SHA-256"),
    ];
    for (lines, expected) in cases {
        let result = register(&*phone(&[]), behind(&lines));

        assert_eq!(result.label(), "", "{lines}");
        assert_eq!(parameter(&authorization(&result, 1), "algorithm"), Some(expected));
        assert_eq!(result.outcome.facts.read(&ALGORITHM), Some(expected));
        assert_eq!(result.outcome.facts.read(&MODE), Some("credentials"));
    }
}

// D-SIP-4
#[test]
fn md5_alone_is_refused_unless_it_is_allowed() {
    for algorithm in [", algorithm=MD5", ", algorithm=md5-sess", ""] {
        let lines = line(REALM, algorithm, "auth");

        let refused = register(&*phone(&[]), behind(&lines));
        let allowed = register(&*phone(&[("allow_md5", OptionValue::Flag(true))]), behind(&lines));

        assert_eq!(refused.label(), "auth_weak", "{algorithm}");
        assert_nothing_was_answered(&refused);
        assert_eq!(allowed.label(), "", "{algorithm}");
    }
}

// D-SIP-5
#[test]
fn another_realm_gets_nothing() {
    let lines = line("evil.example", ", algorithm=SHA-256", "auth");

    let result = register(&*phone(&[]), behind(&lines));

    assert_eq!(result.label(), "auth_realm");
    assert_nothing_was_answered(&result);
}

// D-SIP-5
#[test]
fn a_realm_that_only_looks_alike_gets_nothing() {
    for realm in ["SIP.example.com", "sip.example.com ", "sip.example.com\\\"", "sip.example.co"] {
        let result = register(&*phone(&[]), behind(&line(realm, ", algorithm=SHA-256", "auth")));

        assert_ne!(result.label(), "", "{realm}");
        assert_nothing_was_answered(&result);
    }
}

// D-SIP-6, RFC 7616 §3.4.1
#[test]
fn an_answer_is_hashed_as_the_rfc_says() {
    for (offer, chosen, request) in [
        ("auth", "auth", "REGISTER:sip:sip.example.com".to_owned()),
        ("auth-int", "auth-int", format!("REGISTER:sip:sip.example.com:{}", sha256(""))),
        ("auth-int,auth", "auth", "REGISTER:sip:sip.example.com".to_owned()),
    ] {
        let result = register(&*phone(&[]), behind(&line(REALM, ", algorithm=SHA-256", offer)));

        let value = authorization(&result, 1);
        let cnonce = parameter(&value, "cnonce").unwrap();
        let secret = sha256(&format!("probe-lyon:{REALM}:{PASSWORD}"));
        let expected =
            sha256(&format!("{secret}:n1:00000001:{cnonce}:{chosen}:{}", sha256(&request)));
        assert_eq!(parameter(&value, "response"), Some(expected.as_str()), "{offer}");
        assert_eq!(parameter(&value, "qop"), Some(chosen));
    }
}

// D-SIP-6
#[test]
fn the_count_grows_and_the_client_nonce_is_fresh() {
    let result = register(&*phone(&[]), behind(&line(REALM, ", algorithm=SHA-256", "auth")));

    let (first, second) = (authorization(&result, 1), authorization(&result, 2));
    assert_eq!(parameter(&first, "nc"), Some("00000001"));
    assert_eq!(parameter(&second, "nc"), Some("00000002"));
    let cnonces = [&first, &second].map(|value| parameter(value, "cnonce").unwrap());
    assert_ne!(cnonces[0], cnonces[1]);
    assert!(cnonces.iter().all(|it| it.len() >= 16), "64 bits: {cnonces:?}");
}

// D-SIP-6, RFC 7616 §3.4.2
#[test]
fn the_key_of_a_session_keeps_the_client_nonce_that_opened_it() {
    type Hex = fn(&str) -> String;
    let hashes: [(&str, Hex); 2] = [("MD5-sess", md5), ("SHA-256-sess", sha256)];
    for (algorithm, hex) in hashes {
        let module = phone(&[("allow_md5", OptionValue::Flag(true))]);
        let lines = line(REALM, &format!(", algorithm={algorithm}"), "auth");

        let result = register(&*module, behind(&lines));

        assert_eq!((result.label(), counts(&result)), ("", (2, 1)), "{algorithm}");
        let opening = authorization(&result, 1);
        let first = parameter(&opening, "cnonce").unwrap();
        let secret = hex(&format!("probe-lyon:{REALM}:{PASSWORD}"));
        let key = hex(&format!("{secret}:n1:{first}"));
        let request = hex("REGISTER:sip:sip.example.com");
        for (index, count) in [(1, "00000001"), (2, "00000002")] {
            let value = authorization(&result, index);
            let own = parameter(&value, "cnonce").unwrap();
            assert_eq!(own == first, index == 1, "each request has its own");
            assert_eq!(parameter(&value, "nc"), Some(count));
            let expected = hex(&format!("{key}:n1:{count}:{own}:auth:{request}"));
            assert_eq!(parameter(&value, "response"), Some(expected.as_str()), "{algorithm}");
        }
    }
}

// D-SIP-6
#[test]
fn an_offer_that_nobody_knows_is_not_answered_without_protection() {
    let result = register(&*phone(&[]), behind(&line(REALM, ", algorithm=SHA-256", "token")));

    assert_eq!(result.label(), "misbehaved");
    assert_nothing_was_answered(&result);
}

// D-SIP-7
#[test]
fn a_registrar_that_challenges_for_ever_gets_at_most_three_requests() {
    for (further, expected) in [("", 2), (", stale=true", 3)] {
        let result = register(&*phone(&[]), |count, request| {
            vec![challenge(request, "SHA-256", &format!("n{count}"), further)]
        });

        assert_eq!(result.label(), "rejected", "{further}");
        assert_eq!(counts(&result), (expected, 0), "{further}");
    }
}

// D-SIP-7
#[test]
fn the_same_nonce_again_is_a_refusal_though_it_is_called_stale() {
    let result = register(&*phone(&[]), |_, request| {
        vec![challenge(request, "SHA-256", "n1", ", stale=true")]
    });

    assert_eq!((result.label(), counts(&result)), ("rejected", (2, 0)));
}

// D-SIP-7
#[test]
fn a_stale_nonce_is_renewed_once() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        1 => vec![challenge(request, "SHA-256", "n2", ", stale=TRUE")],
        _ => vec![ok(request)],
    });

    assert_eq!((result.label(), counts(&result)), ("", (3, 1)));
    assert_eq!(result.outcome.facts.read(&NONCE_RENEWALS), Some(1));
    assert_eq!(parameter(&authorization(&result, 2), "nonce"), Some("n2"));
}

/// What a registrar makes of a second REGISTER, after it challenged the first one.
fn backs_off_after(second: impl Fn(&str) -> Vec<String>) -> bool {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        1 => second(request),
        _ if header(request, "Expires") != Some("60") => vec![ok(request)],
        _ => Vec::new(),
    });
    result.outcome.back_off
}

// D-SIP-7
#[test]
fn refused_credentials_are_to_rest_and_nothing_else_is() {
    for status in ["401 Unauthorized", "403 Forbidden", "407 Proxy Authentication Required"] {
        let refused = |request: &str| {
            let text = challenge(request, "SHA-256", "n2", "");
            vec![text.replace("401 Unauthorized", status)]
        };
        assert!(backs_off_after(refused), "{status}");
    }
    assert!(!backs_off_after(|request| vec![ok(request)]), "they are right");
    assert!(!backs_off_after(|_| Vec::new()), "nobody judged them");
    let busy = |request: &str| vec![response(request, "503 Service Unavailable", "")];
    assert!(!backs_off_after(busy), "nobody judged them");
    // RFC 7616 §3.3: stale says that the digest was right and its nonce was old.
    let stale = |request: &str| vec![challenge(request, "SHA-256", "n2", ", stale=true")];
    assert!(!backs_off_after(stale), "an old nonce, and then silence");

    let anonymous =
        register(&*anonymous(&[]), |_, request| vec![challenge(request, "SHA-256", "n1", "")]);
    assert!(!anonymous.outcome.back_off, "it has no credentials");
}

// D-SIP-7
#[test]
fn a_removal_that_is_challenged_for_ever_is_tried_twice() {
    let challenged = register(&*phone(&[]), |count, request| match count {
        1 => vec![ok(request)],
        _ => vec![challenge(request, "SHA-256", &format!("n{count}"), ", stale=true")],
    });
    let unheard = register(&*phone(&[]), |count, request| match count {
        0..11 => Vec::new(),
        _ => vec![challenge(request, "SHA-256", &format!("n{count}"), "")],
    });

    assert_eq!(counts(&challenged), (2, 2));
    assert_eq!(challenged.fact("removed").as_deref(), Some("Flag(false)"));
    assert_eq!((unheard.label(), counts(&unheard)), ("no_response", (11, 2)));
}

#[test]
fn a_proxys_challenge_is_answered_to_the_proxy() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => {
            let text = challenge(request, "SHA-256", "n1", "").replace("401 ", "407 ");
            vec![text.replace("WWW-Authenticate", "Proxy-Authenticate")]
        }
        _ => vec![ok(request)],
    });

    let texts = result.texts();
    assert_eq!(header(&texts[1], "Authorization"), None);
    assert!(must(&texts[1], "Proxy-Authorization").starts_with("Digest username=\"probe-lyon\""));
}

#[test]
fn without_credentials_a_challenge_is_the_success() {
    let result = register(&*anonymous(&[]), |_, request| vec![challenge(request, "MD5", "n1", "")]);

    assert_eq!((result.label(), counts(&result)), ("", (1, 0)));
    assert_eq!(result.outcome.facts.read(&MODE), Some("challenge"));
}

#[test]
fn a_demand_without_a_challenge_breaks_the_protocol() {
    for module in [anonymous(&[]), phone(&[])] {
        let result = register(&*module, |_, request| {
            vec![response(request, "401 Unauthorized", "WWW-Authenticate: Bearer realm=\"x\"\r\n")]
        });

        assert_eq!(result.label(), "misbehaved");
        assert_nothing_was_answered(&result);
    }
}

// D-SIP-8
#[test]
fn a_redirection_is_told_and_never_followed() {
    for code in
        ["300 Multiple Choices", "301 Moved Permanently", "302 Moved Temporarily", "305 Use Proxy"]
    {
        let result = register(&*phone(&[]), |_, request| {
            vec![response(
                request,
                code,
                "Contact: <sip:evil.example>\r\nRoute: <sip:evil.example>\r\n",
            )]
        });

        assert_eq!((result.label(), result.opened.len()), ("rejected", 1), "{code}");
        assert_nothing_was_answered(&result);
    }
}

// D-SIP-8
#[test]
fn routes_that_the_registrar_names_are_never_taken() {
    let routes = "Service-Route: <sip:evil.example;lr>\r\nPath: <sip:evil.example;lr>\r\n\
                  Record-Route: <sip:evil.example;lr>\r\n";

    let result = register(&*phone(&[]), |_, request| {
        vec![ok(request).replace("Content-Length", &format!("{routes}Content-Length"))]
    });

    assert!(result.texts().iter().all(|text| !text.contains("evil.example")));
    assert_eq!(result.opened.len(), 1);
}

// D-SIP-12, RFC 3261 §18.1.1
#[test]
fn an_answer_that_would_exceed_1300_bytes_is_not_sent() {
    let result = register(&*phone(&[]), |_, request| {
        vec![challenge(request, "SHA-256", &"n".repeat(1_000), "")]
    });

    assert_eq!(result.label(), "misbehaved");
    assert_nothing_was_answered(&result);
}

// I8
#[test]
fn the_password_is_on_no_wire_and_in_no_trace() {
    let result = register(&*phone(&[]), behind(&line(REALM, ", algorithm=SHA-256", "auth")));

    assert!(result.texts().iter().all(|text| !text.contains(PASSWORD)));
    assert!(!result.trace.contains(PASSWORD));
}
