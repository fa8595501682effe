//! What the DNS may choose, and what it may not: `transport = "auto"`.

use branchline_probes::{
    Chance, Failure, Module, OptionValue, Secret, Target, Transport, Weakness,
};

use crate::desk::{self, Run, run, world};
use crate::{ADDRESS_OF_RECORD, PASSWORD, challenge, header, ok, response};

/// A module with credentials that the DNS leads to this transport, and no consent to clear text.
fn led_to(
    transport: Transport,
    mut answers: impl FnMut(usize, &str) -> Vec<String>,
) -> (Run, Box<dyn Module>) {
    let password = OptionValue::Secret(Secret::new(PASSWORD.to_owned()));
    let module = desk::module(
        "sip-register",
        &[
            ("address_of_record", OptionValue::Text(ADDRESS_OF_RECORD.to_owned())),
            ("password", password),
            ("transport", OptionValue::Word("auto")),
        ],
    );
    let target = Target { transport: Some(transport), ..desk::target() };
    let answers = |count, request: &[u8]| {
        let texts = answers(count, std::str::from_utf8(request).expect("it is text"));
        texts.into_iter().map(String::into_bytes).collect()
    };
    let mut exchange = module.begin(&target, Chance::from_seed([7; 32]));
    (run(exchange.as_mut(), &mut world(answers)), module)
}

fn has_credentials(result: &Run) -> bool {
    result.texts().iter().any(|text| header(text, "Authorization").is_some())
}

// D-SIP-5
#[test]
fn a_registrar_in_the_clear_gets_no_credentials_though_the_dns_chose_it() {
    let (result, _) =
        led_to(Transport::Udp, |_, request| vec![challenge(request, "SHA-256", "n1", "")]);

    let failure = result.outcome.failure.as_ref().map(|(_, failure)| failure);
    assert!(
        matches!(failure, Some(Failure::AuthWeak { weakness: Weakness::Cleartext("udp"), .. })),
        "{failure:?}"
    );
    assert!(!has_credentials(&result));
}

// D-SIP-5
#[test]
fn neither_does_one_that_asks_only_when_the_contact_is_taken_back() {
    let (open, _) = led_to(Transport::Udp, |count, request| match count {
        0 => vec![ok(request)],
        _ => vec![challenge(request, "SHA-256", "n1", "")],
    });
    let (lost, _) = led_to(Transport::Udp, |_, request| {
        let is_removal = header(request, "Expires") == Some("0");
        if is_removal { vec![challenge(request, "SHA-256", "n1", "")] } else { Vec::new() }
    });

    assert!(!has_credentials(&open));
    assert!(open.outcome.left_behind);
    assert!(!has_credentials(&lost));
}

// D-SIP-9: however its address-of-record is written, it is one account.
#[test]
fn one_account_is_one_claim() {
    let of = |text: &str, transport| {
        let whose = ("address_of_record", OptionValue::Text(text.to_owned()));
        let way = ("transport", OptionValue::Word(transport));
        desk::module("sip-register", &[whose, way])
    };

    let claims = [
        of("sip:lyon@example.com", "udp"),
        of("sip:lyon@EXAMPLE.com", "tcp"),
        of("sips:lyon@example.com", "tls"),
    ];

    let claims: Vec<_> = claims.iter().map(|module| module.claim()).collect();
    assert_eq!(claims, [Some("lyon@example.com"); 3]);
}

// I11: a proxy that gave up may have handed the request on before.
#[test]
fn a_proxy_that_gave_up_waiting_does_not_keep_us_from_removing() {
    for status in ["408 Request Timeout", "504 Server Time-out"] {
        let (result, _) = led_to(Transport::Udp, |count, request| match count {
            0 => vec![response(request, status, "")],
            _ => vec![ok(request)],
        });

        let texts = result.texts();
        let removals = texts.iter().filter(|text| header(text, "Expires") == Some("0")).count();
        assert_eq!((result.label(), removals), ("rejected", 1), "{status}");
    }
}

// I11, F55
#[test]
fn who_said_that_it_is_trying_may_hold_us_though_it_never_said_more() {
    let (result, _) = led_to(Transport::Udp, |count, request| match count {
        0 => vec![response(request, "100 Trying", "")],
        _ => Vec::new(),
    });

    assert!(result.outcome.left_behind, "{:?}", result.outcome);
}

// I6: who serves us is not left alone, whatever it says beside that.
#[test]
fn a_registrar_that_grants_is_asked_again_at_its_time() {
    let soon = "Retry-After: 4294967295\r\n";
    let (granted, _) = led_to(Transport::Udp, |_, request| {
        vec![ok(request).replace("Content-Length", &format!("{soon}Content-Length"))]
    });
    let (refused, _) = led_to(Transport::Udp, |_, request| {
        vec![response(request, "503 Busy", "Retry-After: 30\r\n")]
    });
    let (forbidden, _) = led_to(Transport::Udp, |_, request| {
        vec![response(request, "403 No", "Retry-After: 30\r\n")]
    });

    assert_eq!(granted.outcome.retry_after, None);
    assert_eq!(refused.outcome.retry_after, Some(std::time::Duration::from_secs(30)));
    assert_eq!(forbidden.outcome.retry_after, None);
}
