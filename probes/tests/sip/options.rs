//! `sip-options`: whoever answers is there, unless it says that it has failed.

use std::time::Duration;

use branchline_probes::sip::facts::{RECEIVED, REDIRECTS, RPORT, RTT, SERVER, STATUS_CODE};
use branchline_probes::sip_options::ALLOW;
use branchline_probes::way::TLS_VERSION;
use branchline_probes::{Chance, Ignored, OptionValue, Options, Phase, Refusal, Target, Transport};

use crate::desk::{self, News, Wanted, millis};
use crate::streams::over;
use crate::{header, must, options, other_method, response, run_in};

#[test]
fn what_is_asked_is_the_server_and_it_is_asked_once() {
    let result = options(&[], |_, request| {
        let lines = "Allow: INVITE, ACK,BYE\r\nAllow: OPTIONS\r\nServer: a server\r\n";
        vec![response(request, "200 OK", lines).replacen("rport", "rport=9;received=192.0.2.1", 1)]
    });

    assert_eq!((result.label(), result.sent.len()), ("", 1));
    let text = &result.texts()[0];
    assert!(text.starts_with("OPTIONS sip:host.example SIP/2.0\r\n"), "{text}");
    assert_eq!(must(text, "To"), "<sip:host.example>");
    assert!(must(text, "CSeq").ends_with(" OPTIONS"), "{text}");
    assert_eq!(must(text, "Accept"), "application/sdp");
    assert_eq!(must(text, "Max-Forwards"), "70");
    assert_eq!(must(text, "Contact"), "<sip:branchline@198.51.100.7:40112>");
    assert_eq!(header(text, "Expires"), None);
    let facts = &result.outcome.facts;
    let allowed = facts.read(&ALLOW).expect("it is told");
    let allowed: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
    assert_eq!(allowed, ["INVITE", "ACK", "BYE", "OPTIONS"]);
    assert_eq!(facts.read(&SERVER).unwrap().as_str(), "a server");
    assert_eq!(facts.read(&RECEIVED).unwrap().as_str(), "192.0.2.1");
    assert_eq!((facts.read(&RPORT), facts.read(&RTT)), (Some(9), Some(millis(20))));
    assert_eq!(result.outcome.phases, [(Phase::Request, millis(20))]);
    assert!(!result.trace.contains("Intend"), "it leaves nothing");
}

// RFC 3261 §21
#[test]
fn whoever_answers_is_there() {
    for status in [
        "200 OK",
        "202 Accepted",
        "302 Moved Temporarily",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "407 Proxy Authentication Required",
        "480 Temporarily Unavailable",
        "481 Call/Transaction Does Not Exist",
        "486 Busy Here",
        "501 Not Implemented",
        "600 Busy Everywhere",
        "603 Decline",
        "604 Does Not Exist Anywhere",
    ] {
        let result = options(&[], |_, request| vec![response(request, status, "")]);

        assert_eq!((result.label(), result.sent.len()), ("", 1), "{status}");
        let code = status[..3].parse().ok();
        assert_eq!(result.outcome.facts.read(&STATUS_CODE), code, "{status}");
        assert!(!result.outcome.back_off);
    }
}

// RFC 3261 §21.5
#[test]
fn who_says_that_it_has_failed_has() {
    for status in
        ["500 Server Internal Error", "502 Bad Gateway", "503 Service Unavailable", "504 Time-out"]
    {
        let result =
            options(&[], |_, request| vec![response(request, status, "Retry-After: 30\r\n")]);

        assert_eq!((result.label(), result.sent.len()), ("rejected", 1), "{status}");
        // RFC 3261 §20.33 gives it a meaning with 500 and 503 alone of these.
        let rest = matches!(&status[..3], "500" | "503").then_some(Duration::from_secs(30));
        assert_eq!(result.outcome.retry_after, rest, "{status}");
    }
}

// D-SIP-8
#[test]
fn a_redirection_is_recorded_and_not_followed() {
    let result = options(&[], |_, request| {
        vec![response(request, "302 Moved Temporarily", "Contact: <sip:a@192.0.2.99>\r\n")]
    });

    let told = result.outcome.facts.read(&REDIRECTS).expect("it is told");
    assert_eq!(told[0].as_str(), "sip:a@192.0.2.99");
    assert_eq!((result.sent.len(), result.opened.len()), (1, 1));
}

#[test]
fn a_refusal_ends_it_at_once() {
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => {
            vec![(millis(1), News::Refused { by: None, refusal: Refusal::Port })]
        }
    };

    let result = run_in(&*desk::module("sip-options", &[]), &mut world);

    assert_eq!((result.label(), result.sent.len()), ("refused", 1));
    assert_eq!(result.ended.elapsed(), millis(2));
}

#[test]
fn called_off_it_ends_at_once() {
    let mut world = |wanted: Wanted<'_>| match wanted {
        Wanted::Open(_) => vec![(millis(1), News::Connected)],
        Wanted::Bytes(..) => vec![(millis(1), News::Cancelled)],
    };

    let result = run_in(&*desk::module("sip-options", &[]), &mut world);

    assert_eq!((result.label(), result.ended.elapsed()), ("cancelled", millis(2)));
}

// D-SIP-1
#[test]
fn the_answer_to_another_method_is_none() {
    let result = options(&[], |_, request| {
        let good = response(request, "200 OK", "");
        vec![other_method(&good, "REGISTER"), good]
    });

    assert_eq!((result.label(), result.ignored(Ignored::Mismatch)), ("", 1));
}

#[test]
fn over_tls_it_says_so() {
    let module = desk::module("sip-options", &[("transport", OptionValue::Word("tls"))]);

    let result = over(&*module, |_, request| vec![News::answer(response(request, "200 OK", ""))]);

    assert_eq!((result.label(), module.default_port()), ("", 5061));
    assert_eq!(result.opened[0].transport, Transport::Tls);
    assert_eq!(result.outcome.facts.read(&TLS_VERSION), Some("1.3"));
    let text = &result.texts()[0];
    assert!(must(text, "Via").starts_with("SIP/2.0/TLS 198.51.100.7:40112;"));
    assert_eq!(must(text, "Contact"), "<sip:branchline@198.51.100.7:40112;transport=tls>");
}

#[test]
fn a_user_can_be_asked_and_an_ipv6_host_stands_in_brackets() {
    let module = desk::module("sip-options", &[("user", OptionValue::Text("1001".to_owned()))]);
    let target = Target { host: "2001:db8::10".into(), ..desk::target() };
    let mut exchange = module.begin(&target, Chance::from_seed([7; 32]));

    let result = desk::run(
        exchange.as_mut(),
        &mut desk::world(|_, request: &[u8]| {
            vec![response(std::str::from_utf8(request).unwrap(), "200 OK", "").into_bytes()]
        }),
    );

    let text = &result.texts()[0];
    assert!(text.starts_with("OPTIONS sip:1001@[2001:db8::10] SIP/2.0\r\n"), "{text}");
    assert!(must(text, "From").starts_with("<sip:branchline@[2001:db8::10]>;tag="));
}

// D-SIP-11, D-SIP-12
#[test]
fn a_user_that_is_none_or_too_long_is_refused() {
    let probe = desk::probe("sip-options");
    let spec = probe.options().iter().find(|spec| spec.name == "user").expect("it has one");
    let long = "x".repeat(129);
    for user in ["a b", "a\r\nX: y", "a>b", "a@b", "a:b", "a;b=c\"", "\0", &long] {
        let mut set = Options::defaults(probe.options());
        set.set(spec, OptionValue::Text((*user).to_owned()));

        assert_eq!(probe.module(&set).err().expect(user).option, "user");
    }
}
