//! What a registrar is asked to hold, and that it is taken back (D-SIP-9, D-SIP-10, I11).

use std::time::Duration;

use branchline_probes::sip::facts::STATUS_CODE;
use branchline_probes::sip_register::{BINDINGS, CONTACT, EXPIRES, MODE, REMOVED};
use branchline_probes::{OptionValue, Refusal};

use crate::desk::{self, News, Run, Wanted, millis};
use crate::{
    anonymous, challenge, counts, header, must, ok, phone, readings, register, response, run_in,
};

fn sequence(text: &str) -> u32 {
    must(text, "CSeq").trim_end_matches(" REGISTER").parse().expect("a number")
}

/// What holds of every REGISTER, whatever the registrar did.
fn assert_modest(result: &Run, longest: u32) {
    let texts = result.texts();
    for text in &texts {
        assert!(text.starts_with("REGISTER sip:sip.example.com SIP/2.0\r\n"));
        assert_eq!(must(text, "Call-ID"), must(&texts[0], "Call-ID"));
        assert_eq!(must(text, "From"), must(&texts[0], "From"));
        // Who only reads says nothing of any contact.
        assert!(text.matches("Contact:").count() <= 1, "{text}");
        if header(text, "Contact").is_none() {
            assert_eq!(header(text, "Expires"), None);
            continue;
        }
        assert!(!must(text, "Contact").contains('*'));
        assert!(must(text, "Contact").contains("@198.51.100.7:40112>"), "{text}");
        let expires: u32 = must(text, "Expires").parse().expect("a number");
        assert!(expires <= longest, "{expires}");
        assert!(must(text, "Contact").ends_with(&format!(">;expires={expires}")));
    }
    for pair in texts.windows(2).filter(|pair| pair[0] != pair[1]) {
        assert_eq!(sequence(&pair[1]), sequence(&pair[0]) + 1);
    }
    assert!(readings(result) <= 3 && counts(result).1 <= 3);
}

// D-SIP-9, D-SIP-10
#[test]
fn what_was_registered_is_removed_under_the_same_call() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        _ => vec![ok(request)],
    });

    assert_eq!((result.label(), counts(&result)), ("", (2, 1)));
    assert_modest(&result, 60);
    let facts = &result.outcome.facts;
    assert_eq!(facts.read(&REMOVED), Some(true));
    assert_eq!(facts.read(&STATUS_CODE), Some(200));
    assert_eq!(facts.read(&EXPIRES), Some(Duration::from_secs(60)));
    assert!(facts.read(&CONTACT).unwrap().as_str().contains("@198.51.100.7:40112"));
}

// D-SIP-9
#[test]
fn the_bindings_of_others_are_counted_and_left_alone() {
    let others = "Contact: <sip:desk@10.0.0.9>;expires=3000, \"A, B\" <sip:b@10.0.0.8>\r\n\
                  m: sip:c@10.0.0.7;expires=12\r\n";

    let result = register(&*anonymous(&[]), |_, request| {
        vec![ok(request).replace("Content-Length", &format!("{others}Content-Length"))]
    });

    assert_eq!(result.outcome.facts.read(&BINDINGS), Some(4));
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
    assert_eq!(result.outcome.facts.read(&MODE), Some("open"));
    assert_modest(&result, 60);
    assert!(result.texts().iter().all(|text| !text.contains("10.0.0.")));
}

// D-SIP-10
#[test]
fn a_binding_that_stays_is_told() {
    let mut held = String::new();

    let result = register(&*anonymous(&[]), |count, request| {
        if count == 0 {
            held = format!("Contact: {}\r\n", must(request, "Contact"));
        }
        vec![response(request, "200 OK", &held)]
    });

    assert_eq!((result.label(), result.outcome.facts.read(&REMOVED)), ("", Some(false)));
}

// RFC 3261 §10.3, step 8
#[test]
fn a_200_that_does_not_list_our_contact_is_no_registration() {
    let others = "Contact: <sip:desk@198.51.100.7:40112>;expires=3000\r\n";
    for held in ["", others] {
        let result =
            register(&*anonymous(&[]), |_, request| vec![response(request, "200 OK", held)]);

        assert_eq!(result.label(), "unexpected_answer", "{held}");
        assert_eq!(counts(&result), (1, 1), "it may hold us all the same");
        assert_eq!(result.outcome.facts.read(&REMOVED), None);
        assert_eq!(result.outcome.facts.read(&CONTACT), None);
        assert_modest(&result, 60);
    }
}

// D-SIP-10
#[test]
fn a_binding_that_is_listed_with_no_time_left_is_gone() {
    let listed = |expires: &'static str| {
        let mut held = String::new();
        register(&*anonymous(&[]), move |count, request| match count {
            0 => {
                held = must(request, "Contact").replace(";expires=60", expires);
                vec![ok(request)]
            }
            _ => vec![response(request, "200 OK", &format!("Contact: {held}\r\n"))],
        })
    };

    for (expires, is_gone) in [(";expires=0", true), (";expires=1", false), ("", false)] {
        let result = listed(expires);

        let expected = if is_gone { (1, 1) } else { (1, 3) };
        assert_eq!((result.label(), counts(&result)), ("", expected), "{expires}");
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(is_gone), "{expires}");
    }
}

/// A registrar that challenges the first REGISTER and is gone from then on, until it is asked to
/// remove; `refused_at` says to which request somebody says no.
fn refused_at(refused_at: usize) -> Run {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            let request = std::str::from_utf8(bytes).expect("it is text");
            let news = if count == refused_at {
                News::Refused { by: None, refusal: Refusal::Port }
            } else if count == 0 {
                News::answer(challenge(request, "SHA-256", "n1", ""))
            } else {
                News::answer(ok(request))
            };
            count += 1;
            vec![(millis(1), news)]
        }
    };
    run_in(&*phone(&[]), &mut world)
}

// D-SIP-10, I11
#[test]
fn a_refusal_after_the_credentials_left_does_not_keep_it_from_removing() {
    let result = refused_at(1);

    assert_eq!((result.label(), counts(&result)), ("refused", (2, 1)));
    let texts = result.texts();
    assert!(header(&texts[1], "Authorization").is_some());
    assert!(header(&texts[2], "Authorization").is_some(), "the removal is believed");
    assert_modest(&result, 60);
}

#[test]
fn a_refusal_of_the_very_first_request_ends_it_at_once() {
    let result = refused_at(0);

    assert_eq!((result.label(), counts(&result)), ("refused", (1, 0)));
    assert_eq!(result.ended.elapsed(), millis(2));
}

// D-SIP-10
#[test]
fn a_removal_that_is_refused_or_unheard_is_told() {
    let refused = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![ok(request)],
        _ => vec![response(request, "500 Server Error", "")],
    });
    let unheard = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![ok(request)],
        _ => Vec::new(),
    });

    for result in [refused, unheard] {
        assert_eq!((result.label(), result.outcome.facts.read(&REMOVED)), ("", Some(false)));
    }
}

// D-SIP-10
#[test]
fn a_registrar_that_is_gone_when_we_leave_has_registered_us_all_the_same() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            count += 1;
            let refused = News::Refused { by: None, refusal: Refusal::Port };
            let answer = News::answer(ok(std::str::from_utf8(bytes).unwrap()));
            vec![(millis(1), if count == 1 { answer } else { refused })]
        }
    };

    let result = run_in(&*anonymous(&[]), &mut world);

    assert_eq!((result.label(), result.outcome.facts.read(&REMOVED)), ("", Some(false)));
}

// D-SIP-10, I11
#[test]
fn called_off_after_a_request_was_sent_it_removes_what_may_have_been_made() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            count += 1;
            let answer = News::answer(ok(std::str::from_utf8(bytes).unwrap()));
            vec![if count == 1 { (millis(100), News::Cancelled) } else { (millis(1), answer) }]
        }
    };

    let result = run_in(&*phone(&[]), &mut world);

    // Its answer is waited for, so that the removal cannot overtake it.
    assert_eq!((result.label(), counts(&result)), ("cancelled", (2, 1)));
    assert_eq!(result.schedule()[..2], [0, 500]);
    assert_modest(&result, 60);
}

// D-SIP-10
#[test]
fn called_off_it_waits_for_a_silent_registrar_no_longer_than_five_seconds() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(..) => {
            count += 1;
            if count == 1 { vec![(millis(100), News::Cancelled)] } else { Vec::new() }
        }
    };

    let result = run_in(&*phone(&[]), &mut world);

    assert_eq!(result.label(), "cancelled");
    assert_eq!(result.ended.elapsed(), millis(5_100) + desk::OPENING);
}

// D-SIP-10
#[test]
fn called_off_before_anything_was_sent_it_sends_nothing() {
    let mut world = |_: Wanted<'_>| vec![(millis(1), News::Cancelled)];

    let result = run_in(&*phone(&[]), &mut world);

    assert_eq!((result.label(), result.sent.len()), ("cancelled", 0));
}

// D-SIP-10
#[test]
fn a_registrar_that_answered_nothing_is_asked_to_forget() {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0..11 => Vec::new(),
        _ => vec![ok(request)],
    });

    assert_eq!((result.label(), counts(&result)), ("no_response", (11, 1)));
    assert_modest(&result, 60);
}

// D-SIP-10, RFC 3261 §10.2.8
#[test]
fn a_longer_binding_is_accepted_once_and_within_reason() {
    let brief = |request: &str, least: &str| {
        response(request, "423 Interval Too Brief", &format!("Min-Expires: {least}\r\n"))
    };
    let honoured = register(&*anonymous(&[]), |count, request| {
        vec![if count == 0 { brief(request, "300") } else { ok(request) }]
    });

    assert_eq!((honoured.label(), counts(&honoured)), ("", (2, 1)));
    assert_eq!(must(&honoured.texts()[1], "Expires"), "300");
    assert_modest(&honoured, 300);

    for least in ["301", "4294967295", "60", "0", "-5", "soon"] {
        let refused = register(&*anonymous(&[]), |_, request| vec![brief(request, least)]);

        assert_eq!((refused.label(), counts(&refused)), ("rejected", (1, 0)), "{least}");
    }

    let climbing = register(&*anonymous(&[]), |count, request| {
        vec![brief(request, &(61 + count).to_string())]
    });

    assert_eq!((climbing.label(), counts(&climbing)), ("rejected", (2, 0)));
}

// D-SIP-9
#[test]
fn a_module_may_ask_for_sixty_seconds_at_most() {
    let shorter = anonymous(&[("expires", OptionValue::Duration(Duration::from_secs(20)))]);
    let result = register(&*shorter, |_, request| vec![ok(request)]);
    assert_modest(&result, 20);

    let probe = desk::probe("sip-register");
    let mut options = branchline_probes::Options::defaults(probe.options());
    for spec in probe.options() {
        match spec.name {
            "address_of_record" => options.set(spec, OptionValue::Text("sip:a@b".to_owned())),
            "expires" => options.set(spec, OptionValue::Duration(Duration::from_secs(61))),
            _ => {}
        }
    }
    assert_eq!(probe.module(&options).err().unwrap().option, "expires");
}

#[test]
fn a_refusal_by_the_registrar_leaves_nothing_to_remove() {
    for status in ["403 Forbidden", "404 Not Found", "503 Service Unavailable", "600 Busy"] {
        let result = register(&*anonymous(&[]), |_, request| vec![response(request, status, "")]);

        assert_eq!((result.label(), counts(&result)), ("rejected", (1, 0)), "{status}");
        assert_eq!(header(&result.texts()[0], "Authorization"), None);
    }
}
