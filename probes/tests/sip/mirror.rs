//! A mirror gives back what it received: exactly what the way changed is told, and nothing stays.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use branchline_probes::sip::facts::{DIFFERENCES, REWRITTEN};
use branchline_probes::sip_register::MODE;
use branchline_probes::{OptionValue, Options, Secret};

use crate::desk::{self, Run, Wanted};
use crate::{
    anonymous, counts, header, ok, options, phone, readings, register, repeated, response, run_in,
};

const MIRROR: (&str, OptionValue) = ("mirror", OptionValue::Flag(true));

/// What a mirror says that received `received` for `request`.
fn mirrored(request: &str, received: &str) -> String {
    let body = BASE64_STANDARD.encode(received);
    format!(
        "SIP/2.0 200 OK\r\n{}Content-Type: application/vnd.branchline.mirror\r\n\
         Content-Length: {}\r\n\r\n{body}",
        repeated(request),
        body.len(),
    )
}

/// Registers with a mirror beyond a way that changes what is sent.
fn beyond(change: impl Fn(&str) -> String) -> Run {
    register(&*anonymous(&[MIRROR]), |_, request| vec![mirrored(request, &change(request))])
}

fn differences(result: &Run) -> Vec<String> {
    let lines = result.outcome.facts.read(&DIFFERENCES).unwrap_or_default();
    lines.iter().map(|line| line.as_str().to_owned()).collect()
}

#[test]
fn what_arrived_as_it_was_sent_differs_in_nothing() {
    let result = beyond(str::to_owned);

    assert_eq!((result.label(), result.sent.len()), ("", 1));
    assert_eq!(result.outcome.facts.read(&MODE), Some("mirror"));
    assert_eq!(result.outcome.facts.read(&REWRITTEN), Some(false));
    assert_eq!(differences(&result), [""; 0]);
}

#[test]
fn exactly_the_lines_that_changed_are_told() {
    let result = beyond(|request| {
        request
            .replace("198.51.100.7:40112", "203.0.113.5:40999")
            .replace("Max-Forwards: 70", "Max-Forwards: 69")
            .replace("Expires: 60", "Expires: 60\r\nX-Helper: 1")
    });

    assert_eq!((result.label(), result.outcome.facts.read(&REWRITTEN)), ("", Some(true)));
    let text = &result.texts()[0];
    let line = |name: &str| format!("{name}: {}", header(text, name).expect("it has it"));
    let new = |name: &str| line(name).replace("198.51.100.7:40112", "203.0.113.5:40999");
    let expected = [
        format!("- {}", line("Via")),
        format!("- {}", line("Max-Forwards")),
        format!("- {}", line("Contact")),
        format!("+ {}", new("Via")),
        "+ Max-Forwards: 69".to_owned(),
        format!("+ {}", new("Contact")),
        "+ X-Helper: 1".to_owned(),
    ];
    assert_eq!(differences(&result), expected);
}

#[test]
fn lines_that_only_changed_places_are_told_as_such() {
    let result = beyond(|request| {
        let (first, rest) = request.split_once("Max-Forwards: 70\r\n").expect("it has it");
        format!("{first}{}", rest.replace("Expires: 60", "Expires: 60\r\nMax-Forwards: 70"))
    });

    assert_eq!(result.outcome.facts.read(&REWRITTEN), Some(true));
    assert_eq!(differences(&result), ["the same lines in another order"]);
}

#[test]
fn nothing_is_noted_for_the_next_start_and_nothing_follows() {
    for refused_or_not in [false, true] {
        let result = register(&*anonymous(&[MIRROR]), |_, request| match refused_or_not {
            true => vec![response(request, "404 Not Found", "")],
            false => vec![mirrored(request, request)],
        });

        assert_eq!((counts(&result), readings(&result)), ((1, 0), 0));
        assert!(!result.trace.contains("Intend"));
        assert!(!result.outcome.left_behind);
    }
    let silent = register(&*anonymous(&[MIRROR]), |_, _| Vec::new());
    assert_eq!((silent.label(), counts(&silent)), ("no_response", (11, 0)));
}

#[test]
fn a_target_that_gives_nothing_back_is_no_mirror() {
    let unreadable = |request: &str| mirrored(request, request).replace("\r\n\r\n", "\r\n\r\n*");
    for (what, answer) in [
        ("an error", response as fn(&str, &str, &str) -> String),
        ("a challenge", |request, _, _| crate::challenge(request, "SHA-256", "n1", "")),
    ] {
        let result = register(&*anonymous(&[MIRROR]), |_, request| {
            vec![answer(request, "405 Method Not Allowed", "")]
        });

        assert_eq!((result.label(), result.sent.len()), ("unexpected_answer", 1), "{what}");
    }
    let result = register(&*anonymous(&[MIRROR]), |_, request| vec![unreadable(request)]);
    assert_eq!(result.label(), "unexpected_answer");
    let result = options(&[MIRROR], |_, request| vec![response(request, "200 OK", "")]);
    assert_eq!((result.label(), result.sent.len()), ("unexpected_answer", 1));
}

// D-SIP-10: a registrar that is taken for a mirror has registered us.
#[test]
fn a_registrar_that_is_taken_for_a_mirror_is_asked_to_forget() {
    let result = register(&*anonymous(&[MIRROR]), |_, request| vec![ok(request)]);

    assert_eq!(
        (result.label(), counts(&result), readings(&result)),
        ("unexpected_answer", (1, 1), 1)
    );
    assert!(!result.outcome.left_behind);
}

#[test]
fn options_has_a_mirror_as_well() {
    let result = options(&[MIRROR], |_, request| {
        vec![mirrored(request, &request.replace("Max-Forwards: 70", "Max-Forwards: 69"))]
    });

    assert_eq!((result.label(), result.sent.len()), ("", 1));
    assert_eq!(differences(&result), ["- Max-Forwards: 70", "+ Max-Forwards: 69"]);
}

// I8
#[test]
fn a_mirror_is_given_no_password() {
    let probe = desk::probe("sip-register");
    let mut set = Options::defaults(probe.options());
    for spec in probe.options() {
        match spec.name {
            "address_of_record" => set.set(spec, OptionValue::Text("sip:a@b".to_owned())),
            "password" => set.set(spec, OptionValue::Secret(Secret::new("p".to_owned()))),
            "mirror" | "allow_cleartext" => set.set(spec, OptionValue::Flag(true)),
            _ => {}
        }
    }

    assert_eq!(probe.module(&set).err().expect("it is refused").option, "password");
}

// A body of that kind from somebody who was not asked to be a mirror is a body.
#[test]
fn who_was_not_asked_to_be_a_mirror_is_none() {
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(desk::OPENING, desk::News::Connected)],
        Wanted::Bytes(_, _, bytes) => {
            let text = std::str::from_utf8(bytes).expect("it is text");
            let held = header(text, "Expires") == Some("60");
            let contact = format!(
                "Contact: {}\r\nContent-Type",
                header(text, "Contact").unwrap_or("<sip:x@y>")
            );
            let answer = mirrored(text, "something else entirely");
            let answer = if held { answer.replace("Content-Type", &contact) } else { answer };
            vec![(desk::millis(1), desk::News::answer(answer))]
        }
    };

    let result = run_in(&*phone(&[]), &mut world);

    assert_eq!((result.label(), result.outcome.facts.read(&REWRITTEN)), ("", Some(false)));
}
