//! After the removal the bindings are read, and what is still there of ours is removed as it
//! stands there (D-SIP-9, D-SIP-10).

use branchline_probes::sip_register::{BINDINGS, CONTACT, REMOVED};
use branchline_probes::{Ignored, OptionValue, Phase};

use crate::desk::{self, News, Run, Wanted, begin, millis};
use crate::model::{Manner, PHONE, Registrar, Stop, Weather, live};
use crate::{
    anonymous, challenge, counts, header, must, ok, phone, readings, register, response, run_in,
};

const OTHERS: &str = "Contact: <sip:desk@10.0.0.9>;expires=3000\r\n";

/// The URI of our contact in a request.
fn uri(request: &str) -> String {
    let contact = must(request, "Contact");
    contact.trim_start_matches('<').split('>').next().expect("it ends").to_owned()
}

/// A registrar that keeps what is registered as `kept` says, whatever it is asked to remove; it
/// gives in once it is asked for that very URI, where it gives in.
fn stubborn(kept: impl Fn(&str) -> String, gives_in: bool) -> Run {
    let mut held = String::new();
    register(&*anonymous(&[]), move |count, request| {
        if count == 0 {
            held = kept(&uri(request));
        } else if gives_in && header(request, "Contact").is_some() && uri(request) == held {
            held.clear();
        }
        let ours = format!("Contact: <{held}>;expires=55\r\n");
        let ours = if held.is_empty() { "" } else { &ours };
        vec![response(request, "200 OK", &format!("{OTHERS}{ours}"))]
    })
}

// D-SIP-10, RFC 3261 §10.2.3
#[test]
fn what_is_held_is_read_after_the_removal_by_a_request_without_a_contact() {
    let result = register(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        _ => vec![ok(request)],
    });

    let texts = result.texts();
    assert_eq!(texts.len(), 4);
    let reading = &texts[3];
    assert!(reading.starts_with("REGISTER sip:sip.example.com SIP/2.0\r\n"));
    assert_eq!((header(reading, "Contact"), header(reading, "Expires")), (None, None));
    assert!(header(reading, "Authorization").is_some());
    let phases: Vec<_> = result.outcome.phases.iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [Phase::Challenge, Phase::Register, Phase::Unregister, Phase::Verify]);
}

// D-SIP-9, D-SIP-10
#[test]
fn a_contact_that_was_stored_with_another_address_is_removed_as_it_stands_there() {
    let result = stubborn(|uri| uri.replace(desk::LOCAL, "203.0.113.5:40999"), true);

    assert_eq!((result.label(), counts(&result), readings(&result)), ("", (1, 2), 2));
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
    assert!(!result.outcome.left_behind);
    let texts = result.texts();
    assert!(must(&texts[3], "Contact").contains("@203.0.113.5:40999>;expires=0"));
    assert_eq!(must(&texts[3], "Expires"), "0");
    assert!(texts.iter().all(|text| !text.contains("10.0.0.9")), "others are left alone");
    assert_eq!(result.outcome.facts.read(&BINDINGS), Some(2));
    assert!(result.outcome.facts.read(&CONTACT).unwrap().as_str().contains("203.0.113.5"));
}

// D-SIP-10
#[test]
fn a_contact_that_stays_for_ever_is_removed_three_times_and_left_to_the_next_start() {
    let result = stubborn(str::to_owned, false);

    assert_eq!((result.label(), counts(&result), readings(&result)), ("", (1, 3), 3));
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(false));
    assert!(result.outcome.left_behind);
}

// D-SIP-9, D-SIP-11
#[test]
fn a_contact_that_could_make_a_header_is_not_sent_back() {
    for odd in ["sip:MARK@a b", "sip:MARK@a\tb", "sip:MARK@\u{e9}", "sip:MARK@a<b"] {
        let kept = |uri: &str| {
            let mark = uri.trim_start_matches("sip:").split('@').next().expect("a user");
            odd.replace("MARK", mark)
        };

        let result = stubborn(kept, false);

        assert_eq!((counts(&result), readings(&result)), ((1, 1), 1), "{odd}");
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(false), "{odd}");
        assert!(result.outcome.left_behind);
    }
}

// D-SIP-9: 64 random bits tell our contact from one with the same user and address.
#[test]
fn a_contact_user_of_ones_own_is_marked_beside_it() {
    let module = anonymous(&[("contact_user", OptionValue::Text("1001".to_owned()))]);
    let twin = "Contact: <sip:1001@198.51.100.7:40112>;expires=3000\r\n";
    let mut marks = Vec::new();
    for seed in [1, 2] {
        let mut world = desk::world(|_, request: &[u8]| {
            let request = std::str::from_utf8(request).unwrap();
            vec![ok(request).replace("Content-Length", &format!("{twin}Content-Length")).into()]
        });

        let result = desk::run(begin(&*module, seed).as_mut(), &mut world);

        let contact = uri(&result.texts()[0]);
        let (front, mark) = contact.split_once(";branchline=").expect("it is marked");
        assert_eq!(front, "sip:1001@198.51.100.7:40112");
        assert_eq!(mark.len(), 16, "64 bits");
        marks.push(mark.to_owned());
        assert_eq!((result.label(), counts(&result)), ("", (1, 1)), "the twin is not ours");
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
    }
    assert_ne!(marks[0], marks[1]);
}

// D-SIP-10
#[test]
fn a_reading_that_nobody_answers_leaves_what_the_removal_said() {
    let unread = [
        register(&*anonymous(&[]), |count, request| match count {
            0 | 1 => vec![ok(request)],
            _ => Vec::new(),
        }),
        register(&*anonymous(&[]), |count, request| match count {
            0 | 1 => vec![ok(request)],
            _ => vec![response(request, "501 Not Implemented", "")],
        }),
    ];
    for result in unread {
        assert_eq!((result.label(), counts(&result)), ("", (1, 1)));
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
        assert!(!result.outcome.left_behind);
    }
}

// D-SIP-7, D-SIP-10
#[test]
fn a_registrar_that_takes_each_nonce_once_is_given_new_ones() {
    let mut registrar =
        Registrar::new(Manner { is_guarded: true, is_fussy: true, ..Manner::default() });
    let mut exchange = begin(&*phone(&[]), 7);

    let life = live(exchange.as_mut(), &mut registrar, &mut Weather::stream(), Stop::Never);

    let outcome = life.outcome.expect("it ends");
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.facts.read(&REMOVED), Some(true));
    assert_eq!(registrar.held(), [PHONE]);
    assert_eq!(life.sent.len(), 6, "each of three once more");
}

// D-SIP-10, I11
#[test]
fn called_off_with_an_answer_on_its_way_it_is_awaited_before_the_removal() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            count += 1;
            let answer = News::answer(ok(std::str::from_utf8(bytes).unwrap()));
            match count {
                1 => vec![(millis(10), News::Cancelled), (millis(400), answer)],
                _ => vec![(millis(10), answer)],
            }
        }
    };

    let result = run_in(&*anonymous(&[]), &mut world);

    assert_eq!((result.label(), counts(&result), readings(&result)), ("cancelled", (1, 1), 1));
    assert_eq!(result.schedule(), [0, 400, 410]);
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
}

// D-SIP-10, I11
#[test]
fn called_off_an_answer_is_awaited_for_a_second_and_a_half_and_no_longer() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => {
            count += 1;
            if count == 1 { vec![(millis(100), News::Cancelled)] } else { Vec::new() }
        }
    };

    let result = run_in(&*anonymous(&[]), &mut world);

    // Transmissions at 0, 500 and 1,500 ms; the removal from 1,600 ms on, to the end at 5,100 ms.
    assert_eq!(result.schedule(), [0, 500, 1_500, 1_600, 2_100, 3_100]);
    assert_eq!((result.label(), counts(&result)), ("cancelled", (3, 3)));
    assert_eq!(result.ended.elapsed(), millis(5_101));
    assert!(result.outcome.left_behind, "nobody knows, so the next start looks");
}

// D-SIP-7
#[test]
fn called_off_a_challenge_is_answered_no_more() {
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            count += 1;
            let text = std::str::from_utf8(bytes).unwrap();
            let answer = News::answer(challenge(text, "SHA-256", "n1", ""));
            if count == 1 {
                vec![(millis(5), News::Cancelled), (millis(9), answer)]
            } else {
                Vec::new()
            }
        }
    };

    let result = run_in(&*phone(&[]), &mut world);

    assert_eq!((result.label(), result.sent.len()), ("cancelled", 1));
    assert!(!result.outcome.left_behind, "nothing was registered");
    assert_eq!(result.ended.elapsed(), millis(10));
}

// D-SIP-1, D-SIP-10
#[test]
fn the_late_answer_to_the_registration_does_not_confirm_the_removal() {
    let mut first = String::new();

    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => {
            first = ok(request);
            vec![first.clone(), first.clone()]
        }
        1 => vec![first.clone()],
        _ => Vec::new(),
    });

    assert_eq!(result.outcome.facts.read(&REMOVED), Some(false));
    assert!(result.outcome.left_behind);
    assert!(result.ignored(Ignored::Mismatch) >= 1);
}
