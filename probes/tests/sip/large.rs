//! Requests larger than one packet carries, over UDP: sent after the success, and never with
//! anything that could be kept.

use branchline_probes::sip::facts::{LARGE, LARGE_ANSWERED, STATUS_CODE};
use branchline_probes::sip_register::{MODE, REMOVED};
use branchline_probes::{OptionValue, Options};

use crate::desk::{self, News, Reply, Run, Wanted, millis};
use crate::{anonymous, challenge, header, ok, options, phone, register, response, run_in};

const SET: (&str, OptionValue) = ("large", OptionValue::Flag(true));

fn is_padded(request: &str) -> bool {
    header(request, "X-Padding").is_some()
}

/// The sizes of the padded requests, repeated ones included.
fn sizes(result: &Run) -> Vec<usize> {
    let texts = result.texts();
    texts.iter().filter(|text| is_padded(text)).map(String::len).collect()
}

fn told(result: &Run) -> (Option<u64>, Option<bool>) {
    (result.outcome.facts.read(&LARGE), result.outcome.facts.read(&LARGE_ANSWERED))
}

/// A way that carries whole only what is no larger than this.
fn narrow(most: usize) -> impl FnMut(usize, &str) -> Vec<String> {
    move |_, request| if request.len() <= most { vec![ok(request)] } else { Vec::new() }
}

#[test]
fn after_the_success_one_that_fits_is_sent_and_one_that_does_not() {
    for result in [register(&*anonymous(&[SET]), narrow(9_000)), options(&[SET], narrow(9_000))] {
        assert_eq!((result.label(), sizes(&result)), ("", vec![1_200, 1_800]));
        assert_eq!(told(&result), (Some(1_800), Some(true)));
        assert!(is_padded(result.texts().last().unwrap()), "they come last");
        assert_eq!(result.fact("transmissions").as_deref(), Some("Count(1)"));
    }
}

#[test]
fn silence_to_the_large_one_alone_is_told() {
    for result in [register(&*anonymous(&[SET]), narrow(1_500)), options(&[SET], narrow(1_500))] {
        assert_eq!(result.label(), "", "the success stands");
        assert_eq!(sizes(&result), [1_200, 1_800, 1_800, 1_800, 1_800]);
        assert_eq!(told(&result), (Some(1_800), Some(false)));
    }
}

#[test]
fn where_the_small_one_meets_silence_the_large_one_would_tell_nothing() {
    let result = register(&*anonymous(&[SET]), narrow(1_000));

    assert_eq!((result.label(), sizes(&result)), ("", vec![1_200; 4]));
    assert_eq!(told(&result), (None, None));
}

// D-SIP-9: nothing that is padded could leave anything.
#[test]
fn a_padded_register_has_neither_contact_nor_credentials_and_any_answer_will_do() {
    let result = register(&*phone(&[SET]), |count, request| match count {
        0 => vec![challenge(request, "SHA-256", "n1", "")],
        _ if is_padded(request) => vec![challenge(request, "SHA-256", "n9", "")],
        _ => vec![ok(request)],
    });

    assert_eq!(told(&result), (Some(1_800), Some(true)));
    assert_eq!(result.outcome.facts.read(&STATUS_CODE), Some(200), "of the registration");
    assert_eq!(result.outcome.facts.read(&REMOVED), Some(true));
    for text in result.texts().iter().filter(|text| is_padded(text)) {
        assert_eq!((header(text, "Contact"), header(text, "Expires")), (None, None));
        assert_eq!(header(text, "Authorization"), None);
        assert!(text.ends_with("\r\nContent-Length: 0\r\n\r\n"));
    }
}

#[test]
fn a_challenge_that_is_the_success_is_followed_by_them() {
    let result =
        register(&*anonymous(&[SET]), |_, request| vec![challenge(request, "MD5", "n1", "")]);

    assert_eq!((result.label(), sizes(&result)), ("", vec![1_200, 1_800]));
    assert_eq!(result.outcome.facts.read(&MODE), Some("challenge"));
    assert_eq!(told(&result), (Some(1_800), Some(true)));
}

#[test]
fn without_the_success_nothing_large_is_sent() {
    let refused =
        register(&*anonymous(&[SET]), |_, request| vec![response(request, "403 Forbidden", "")]);
    let silent = options(&[SET], |_, _| Vec::new());
    let unset = register(&*anonymous(&[]), narrow(9_000));

    for result in [refused, silent, unset] {
        assert_eq!((sizes(&result).len(), told(&result)), (0, (None, None)));
    }
}

/// A world in which everything is answered but what is padded and large, which brings this news.
fn upon_large(news: News) -> impl FnMut(Wanted<'_>) -> Reply {
    move |wanted| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            let text = std::str::from_utf8(bytes).expect("it is text");
            let answer = News::answer(ok(text));
            vec![(millis(10), if bytes.len() >= 1_800 { news.clone() } else { answer })]
        }
    }
}

#[test]
fn called_off_meanwhile_it_ends_at_once_and_the_success_stands() {
    for module in [anonymous(&[SET]), desk::module("sip-options", &[SET])] {
        let result = run_in(&*module, &mut upon_large(News::Cancelled));

        assert_eq!((result.label(), sizes(&result)), ("", vec![1_200, 1_800]));
        assert_eq!(told(&result), (None, None));
        assert_eq!(result.ended.since(result.sent.last().unwrap().0), millis(10));
        assert!(!result.outcome.left_behind);
    }
}

#[test]
fn a_host_that_cannot_send_it_says_nothing_of_the_way() {
    for module in [anonymous(&[SET]), desk::module("sip-options", &[SET])] {
        let result = run_in(&*module, &mut upon_large(News::Failed));

        assert_eq!((result.label(), told(&result)), ("", (None, None)));
    }
}

#[test]
fn a_wait_that_the_timeout_cuts_short_says_nothing_of_the_way() {
    let timeout = ("timeout", OptionValue::Duration(millis(2_000)));

    let result = options(&[SET, timeout], narrow(1_500));

    assert_eq!((result.label(), told(&result)), ("", (None, None)));
    assert_eq!(result.ended.elapsed(), millis(2_000));
}

#[test]
fn it_belongs_to_udp() {
    for name in ["sip-register", "sip-options"] {
        let probe = desk::probe(name);
        let mut set = Options::defaults(probe.options());
        for spec in probe.options() {
            match spec.name {
                "address_of_record" => set.set(spec, OptionValue::Text("sip:a@b".to_owned())),
                "transport" => set.set(spec, OptionValue::Word("tcp")),
                "large" => set.set(spec, OptionValue::Flag(true)),
                _ => {}
            }
        }

        assert_eq!(probe.module(&set).err().expect("it is refused").option, "large");
    }
}
