//! What an earlier process may have left is taken back by its mark, and nothing else (I11, D-SIP-9).

use branchline_probes::sip_register::REMOVED;
use branchline_probes::{Chance, Intent, LegId, Module, OptionValue, Refusal};

use crate::desk::{self, News, Run, Wanted, millis};
use crate::{anonymous, challenge, counts, header, must, ok, phone, readings, response};

const MARK: [u8; 8] = [0xDE, 0xAD, 0xBE, 0xEF, 0x01, 0x23, 0x45, 0x67];
const TEXT: &str = "deadbeef01234567";

fn intent(mark: Option<[u8; 8]>) -> Intent {
    // Another port than the one from which it is taken back.
    let local = "198.51.100.7:33333".parse().expect("an address");
    Intent { leg: LegId(0), local, peer: desk::peer(), mark }
}

/// Takes back what carries the mark, in a world that answers each request with texts.
fn undo(module: &dyn Module, mut answers: impl FnMut(usize, &str) -> Vec<String>) -> Run {
    let chance = Chance::from_seed([7; 32]);
    let mut exchange =
        module.undo(&desk::target(), &intent(Some(MARK)), chance).expect("it can be undone");
    let answers = |count, request: &[u8]| {
        let texts = answers(count, std::str::from_utf8(request).expect("it is text"));
        texts.into_iter().map(String::into_bytes).collect()
    };
    desk::run(exchange.as_mut(), &mut desk::world(answers))
}

/// A registrar that holds these, and removes what it is asked to.
fn holding(held: &[String]) -> impl FnMut(usize, &str) -> Vec<String> {
    let mut held = held.to_vec();
    move |_, request| {
        if let Some(contact) = header(request, "Contact") {
            let uri = contact.trim_start_matches('<').trim_end_matches(">;expires=0");
            held.retain(|it| it != uri);
        }
        let lines = held.iter().map(|uri| format!("Contact: <{uri}>;expires=50\r\n"));
        vec![response(request, "200 OK", &lines.collect::<String>())]
    }
}

// I11, D-SIP-9
#[test]
fn exactly_what_carries_the_mark_is_removed_wherever_it_stands() {
    let others = ["sip:desk@10.0.0.9", "sip:branchline-0123456789abcdef@198.51.100.7:33333"];
    let named = [("contact_user", OptionValue::Text("1001".to_owned()))];
    for (ours, set) in [
        (format!("sip:branchline-{TEXT}@198.51.100.7:33333"), &[][..]),
        (format!("sip:branchline-{TEXT}@203.0.113.5:40999"), &[]),
        (format!("sip:1001@203.0.113.5:40999;branchline={TEXT}"), &named),
    ] {
        let held = [others[0].to_owned(), ours.clone(), others[1].to_owned()];

        let result = undo(&*anonymous(set), holding(&held));

        assert_eq!((result.label(), counts(&result), readings(&result)), ("", (0, 1), 2), "{ours}");
        let texts = result.texts();
        assert_eq!(header(&texts[0], "Contact"), None, "it reads before it writes");
        assert_eq!(must(&texts[1], "Contact"), format!("<{ours}>;expires=0"));
        assert_eq!(header(&texts[2], "Contact"), None, "and afterwards");
        assert!(others.iter().all(|it| texts.iter().all(|text| !text.contains(it))));
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
        assert!(!result.outcome.left_behind && !result.outcome.back_off);
    }
}

// D-SIP-9
#[test]
fn a_contact_of_somebody_else_that_wears_the_mark_is_not_removed() {
    for theirs in [
        format!("sip:phone@10.0.0.5:5060;x=branchline-{TEXT}"),
        format!("sip:phone@10.0.0.5:5060;branchline={TEXT}"),
        format!("sip:branchline-{TEXT}0@10.0.0.5:5060"),
        format!("*,{TEXT}"),
    ] {
        let result = undo(&*anonymous(&[]), holding(std::slice::from_ref(&theirs)));

        assert_eq!(counts(&result), (0, 0), "{theirs}");
        assert!(result.texts().iter().all(|text| !text.contains(&theirs)), "{theirs}");
    }
}

// I11, D-SIP-9
#[test]
fn two_of_the_mark_are_both_removed() {
    let held = [
        format!("sip:branchline-{TEXT}@198.51.100.7:33333"),
        format!("sip:branchline-{TEXT}@203.0.113.5:40999"),
    ];

    let result = undo(&*anonymous(&[]), holding(&held));

    assert_eq!((counts(&result), readings(&result)), ((0, 2), 3));
    assert!(!result.outcome.left_behind);
}

// I11
#[test]
fn where_nothing_of_it_is_held_it_is_done() {
    for held in [&[][..], &["sip:desk@10.0.0.9".to_owned()]] {
        let result = undo(&*anonymous(&[]), holding(held));

        // Read once more, since it may have been under way.
        assert_eq!((result.label(), counts(&result), readings(&result)), ("", (0, 0), 2));
        assert!(!result.outcome.left_behind);
        assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
    }
}

// D-SIP-7
#[test]
fn a_challenge_is_answered_and_refused_credentials_rest() {
    let accepted = undo(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        _ => holding(&[])(count, request),
    });
    let refused = undo(&*phone(&[]), |count, request| {
        vec![challenge(request, "SHA-256", &format!("n{count}"), "")]
    });
    let forbidden = undo(&*phone(&[]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        _ => vec![response(request, "403 Forbidden", "")],
    });
    let elsewhere = undo(&*phone(&[]), |_, request| {
        vec![challenge(request, "SHA-256", "n1", "").replace("realm=\"sip", "realm=\"evil")]
    });

    assert!(header(&accepted.texts()[1], "Authorization").is_some());
    assert!(!accepted.outcome.left_behind && !accepted.outcome.back_off);
    for (result, sent) in [(refused, 3), (forbidden, 2), (elsewhere, 1)] {
        assert_eq!(result.sent.len(), sent);
        assert!(result.outcome.left_behind && result.outcome.back_off);
        assert_eq!(counts(&result), (0, 0), "nothing is removed that was not read");
    }
}

// I11
#[test]
fn silence_or_a_refusal_leaves_it_behind_and_is_told() {
    let silent = undo(&*anonymous(&[]), |_, _| Vec::new());
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => {
            vec![(millis(1), News::Refused { by: None, refusal: Refusal::Port })]
        }
    };
    let chance = Chance::from_seed([7; 32]);
    let module = anonymous(&[]);
    let mut exchange = module.undo(&desk::target(), &intent(Some(MARK)), chance).expect("it can");
    let refused = desk::run(exchange.as_mut(), &mut world);

    assert_eq!((silent.label(), refused.label()), ("no_response", "refused"));
    for result in [silent, refused] {
        assert!(result.outcome.left_behind && !result.outcome.back_off);
        assert_eq!(counts(&result), (0, 0));
    }
}

// I11
#[test]
fn a_removal_that_fails_leaves_it_behind() {
    let ours = format!("sip:branchline-{TEXT}@203.0.113.5:40999");
    let list = format!("Contact: <{ours}>;expires=50\r\n");

    let result = undo(&*anonymous(&[]), |count, request| match count {
        0 => vec![response(request, "200 OK", &list)],
        _ => vec![response(request, "500 Server Internal Error", "")],
    });

    assert!(result.outcome.left_behind);
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(false));
}

// D-SIP-7: a registrar that takes each nonce once asks for the removal's credentials again.
#[test]
fn a_removal_that_is_challenged_again_is_repeated_as_the_contact_stands_there() {
    let ours = format!("sip:branchline-{TEXT}@203.0.113.5:40999");
    let mut registrar = holding(std::slice::from_ref(&ours));

    let result = undo(&*phone(&[]), |count, request| match count {
        0 | 2 => vec![challenge(request, "SHA-256", &format!("n{count}"), ", stale=true")],
        _ => registrar(count, request),
    });

    let texts = result.texts();
    assert_eq!(must(&texts[2], "Contact"), must(&texts[3], "Contact"));
    assert_eq!(must(&texts[3], "Contact"), format!("<{ours}>;expires=0"));
    assert!(!result.outcome.left_behind && !result.outcome.back_off);
}

// I11
#[test]
fn what_has_no_mark_was_nothing_of_this_probe() {
    let chance = Chance::from_seed([7; 32]);

    assert!(anonymous(&[]).undo(&desk::target(), &intent(None), chance).is_none());
}

// I11
#[test]
fn it_takes_back_before_the_intent_is_forgotten_over_tcp_as_well() {
    let module = anonymous(&[("transport", OptionValue::Word("tcp"))]);
    let ours = format!("sip:branchline-{TEXT}@198.51.100.7:33333;transport=tcp");

    let result = undo(&*module, holding(std::slice::from_ref(&ours)));

    assert_eq!((result.label(), counts(&result)), ("", (0, 1)));
    assert!(!result.outcome.left_behind);
    let unread = undo(&*module, |_, request| vec![ok(request).replace("Content-Length", "X")]);
    assert!(unread.outcome.left_behind);
}

// I11: the intent that names the mark comes before the first byte.
#[test]
fn the_mark_of_the_intent_is_in_the_contact_that_follows() {
    for set in [Vec::new(), vec![("contact_user", OptionValue::Text("1001".to_owned()))]] {
        let mut exchange = desk::begin(&*anonymous(&set), 7);
        let result = desk::run(
            exchange.as_mut(),
            &mut desk::world(|_, request: &[u8]| {
                vec![ok(std::str::from_utf8(request).unwrap()).into_bytes()]
            }),
        );

        let (before, _) = result.trace.split_once("Transmit").expect("it speaks");
        let (_, mark) = before.split_once("mark: Some([").expect("it is announced before");
        let mark: String = mark
            .split(']')
            .next()
            .expect("it ends")
            .split(", ")
            .map(|byte| format!("{:02x}", byte.parse::<u8>().expect("a byte")))
            .collect();
        assert!(must(&result.texts()[0], "Contact").contains(&mark));
        assert_eq!(result.trace.matches("Intend(").count(), 1);
    }
}

// D-SIP-7: credentials that were taken once are not refused by a nonce that is old.
#[test]
fn a_last_reading_that_is_challenged_once_more_is_no_refusal() {
    let ours = format!("sip:branchline-{TEXT}@203.0.113.5:40999");
    let mut registrar = holding(std::slice::from_ref(&ours));

    let result = undo(&*phone(&[]), |count, request| match count {
        0 | 3 => vec![challenge(request, "SHA-256", &format!("n{count}"), ", stale=true")],
        _ => registrar(count, request),
    });

    assert_eq!((counts(&result), readings(&result)), ((0, 1), 3));
    assert!(!result.outcome.left_behind && !result.outcome.back_off);
}
