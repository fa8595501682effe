//! What a registrar says besides yes and no: how long, where else, when again (F55, D-SIP-8).

use std::time::Duration;

use branchline_probes::sip::facts::{REDIRECTS, RETRY_AFTER, SERVER, STATUS_CODE};
use branchline_probes::sip_register::{EXPIRES, PATH, SERVICE_ROUTE};
use branchline_probes::{FactKey, Foreign, OptionValue, Options};

use crate::desk::{self, Run, millis};
use crate::{anonymous, counts, must, ok, phone, register, response};

fn texts(result: &Run, key: &FactKey<Vec<Foreign>>) -> Option<Vec<String>> {
    let texts = result.outcome.facts.read(key)?;
    Some(texts.iter().map(|text| text.as_str().to_owned()).collect())
}

fn with(request: &str, lines: &str) -> Vec<String> {
    vec![ok(request).replace("Content-Length", &format!("{lines}Content-Length"))]
}

// D-SIP-8
#[test]
fn a_redirection_is_recorded_in_its_order_and_ends_it() {
    let lines = "Contact: <sip:a@192.0.2.99>;q=0.7, \"B, C\" <sips:b@evil.example:5061>\r\n\
                 m: sip:c@192.0.2.98\r\n";

    let result = register(&*phone(&[]), |_, request| {
        vec![response(request, "302 Moved Temporarily", lines)]
    });

    assert_eq!((result.label(), result.sent.len(), result.opened.len()), ("rejected", 1, 1));
    assert_eq!(result.outcome.facts.read(&STATUS_CODE), Some(302));
    let expected = ["sip:a@192.0.2.99", "sips:b@evil.example:5061", "sip:c@192.0.2.98"];
    assert_eq!(texts(&result, &REDIRECTS).expect("they are told"), expected);
    assert!(!result.outcome.left_behind);
}

// RFC 3261 §20.33, §21.5.4
#[test]
fn who_asks_to_be_left_alone_is() {
    for (value, seconds) in [("120", 120), ("18000;duration=3600", 18_000), ("0", 0)] {
        let result = register(&*anonymous(&[]), |_, request| {
            let line = format!("Retry-After: {value}\r\n");
            vec![response(request, "503 Service Unavailable", &line)]
        });

        let rest = Some(Duration::from_secs(seconds));
        assert_eq!((result.label(), counts(&result)), ("rejected", (1, 0)), "{value}");
        assert_eq!(result.outcome.facts.read(&RETRY_AFTER), rest, "{value}");
        assert_eq!(result.outcome.retry_after, rest, "{value}");
        assert!(!result.outcome.back_off, "the credentials were not refused");
    }
    for value in ["soon", "-1", "", "99999999999"] {
        let result = register(&*anonymous(&[]), |_, request| {
            vec![response(request, "503 Service Unavailable", &format!("Retry-After: {value}\r\n"))]
        });

        assert_eq!((result.label(), result.outcome.retry_after), ("rejected", None), "{value}");
    }
}

#[test]
fn who_says_yes_does_not_ask_to_be_left_alone() {
    let result = register(&*anonymous(&[]), |_, request| with(request, "Retry-After: 3600\r\n"));

    assert_eq!((result.label(), result.outcome.retry_after), ("", None));
    assert_eq!(result.outcome.facts.read(&RETRY_AFTER), None);
}

// D-SIP-8, RFC 3608 §5, RFC 3327 §5
#[test]
fn service_route_and_path_are_recorded_and_never_taken() {
    let lines = "Service-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n\
                 Path: <sip:edge.example.com;lr>\r\nServer: a registrar\r\n";

    let result = register(&*anonymous(&[]), |_, request| with(request, lines));

    let routes = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"];
    assert_eq!(texts(&result, &SERVICE_ROUTE).expect("it is told"), routes);
    assert_eq!(texts(&result, &PATH).expect("it is told"), ["<sip:edge.example.com;lr>"]);
    assert_eq!(result.outcome.facts.read(&SERVER).unwrap().as_str(), "a registrar");
    assert_eq!(result.opened.len(), 1);
    assert!(result.texts().iter().all(|text| !text.contains("Route") && !text.contains("p1.")));
}

#[test]
fn of_a_header_that_never_ends_sixteen_texts_are_kept() {
    let routes = "Service-Route: <sip:p.example.com;lr>\r\n".repeat(60);

    let result = register(&*anonymous(&[]), |_, request| with(request, &routes));

    assert_eq!(texts(&result, &SERVICE_ROUTE).expect("it is told").len(), 16);
}

// RFC 3261 §10.3, steps 6 and 8: the registrar decides for how long, at the contact or for all.
#[test]
fn how_long_the_binding_was_granted_is_told() {
    for (at_contact, for_all, expected) in [
        (";expires=30", "", 30),
        ("", "Expires: 45\r\n", 45),
        (";expires=30", "Expires: 45\r\n", 30),
    ] {
        let result = register(&*anonymous(&[]), |count, request| match count {
            0 => {
                let contact = must(request, "Contact").replace(";expires=60", at_contact);
                vec![response(request, "200 OK", &format!("Contact: {contact}\r\n{for_all}"))]
            }
            _ => vec![ok(request)],
        });

        let granted = result.outcome.facts.read(&EXPIRES);
        assert_eq!((result.label(), granted), ("", Some(Duration::from_secs(expected))));
    }
}

// D-SIP-7: registrars count, so a target cannot ask more often than the module allows.
#[test]
fn a_registrar_is_asked_once_a_minute_unless_the_module_says_otherwise() {
    let every = |of| anonymous(&[("every", OptionValue::Duration(of))]).shortest_interval();

    assert_eq!(anonymous(&[]).shortest_interval(), millis(60_000));
    assert_eq!((every(millis(1_000)), every(millis(300_000))), (millis(1_000), millis(300_000)));
    let probe = desk::probe("sip-register");
    let mut set = Options::defaults(probe.options());
    for spec in probe.options() {
        match spec.name {
            "address_of_record" => set.set(spec, OptionValue::Text("sip:a@b".to_owned())),
            "every" => set.set(spec, OptionValue::Duration(millis(999))),
            _ => {}
        }
    }
    assert_eq!(probe.module(&set).err().expect("it is refused").option, "every");
}

// D-SIP-9: two exchanges of one account would remove each other's contact.
#[test]
fn what_one_exchange_at_a_time_may_work_on_is_the_account() {
    let mirror = anonymous(&[("mirror", OptionValue::Flag(true))]);

    assert_eq!(anonymous(&[]).claim(), Some("probe-lyon@sip.example.com"));
    assert_eq!(phone(&[]).claim(), Some("probe-lyon@sip.example.com"));
    assert_eq!(mirror.claim(), None, "it holds nothing");
}
