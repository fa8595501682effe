//! `sip-register` against registrars that are strange, hostile or merely busy, and the URIs
//! that name them.

#[path = "../desk/mod.rs"]
mod desk;

mod authentication;
mod bindings;
mod broken;
mod called_off;
mod challenges;
mod chosen_way;
mod echo;
mod failing_over;
mod framing;
mod large;
mod locating;
mod matching;
mod mirror;
mod model;
mod mutations;
mod options;
mod removal;
mod replies;
mod streams;
mod taking_back;
mod timers;
mod torture;
mod undo;
mod uris;

use branchline_probes::{Ignored, Module, OptionValue, Secret};
use desk::{Reply, Run, Wanted, begin, module, run, world};

const ADDRESS_OF_RECORD: &str = "sip:probe-lyon@sip.example.com";
const REALM: &str = "sip.example.com";
const PASSWORD: &str = "marker";

/// A module with credentials, which it may use over UDP.
fn phone(set: &[(&'static str, OptionValue)]) -> Box<dyn Module> {
    let password = OptionValue::Secret(Secret::new(PASSWORD.to_owned()));
    let all = [("password", password), ("allow_cleartext", OptionValue::Flag(true))];
    anonymous(&[&all, set].concat())
}

/// A module without credentials.
fn anonymous(set: &[(&'static str, OptionValue)]) -> Box<dyn Module> {
    let whose = ("address_of_record", OptionValue::Text(ADDRESS_OF_RECORD.to_owned()));
    module("sip-register", &[&[whose], set].concat())
}

/// Runs `sip-options` with these options in a world that answers each request with texts.
fn options(
    set: &[(&'static str, OptionValue)],
    answers: impl FnMut(usize, &str) -> Vec<String>,
) -> Run {
    register(&*module("sip-options", set), answers)
}

/// Runs the module in a world that answers each request with texts; it is told how many came
/// before.
fn register(module: &dyn Module, mut answers: impl FnMut(usize, &str) -> Vec<String>) -> Run {
    let answers = |count, request: &[u8]| {
        let texts = answers(count, std::str::from_utf8(request).expect("it is text"));
        texts.into_iter().map(String::into_bytes).collect()
    };
    run(begin(module, 7).as_mut(), &mut world(answers))
}

/// Runs the module in any world.
fn run_in(module: &dyn Module, world: &mut dyn FnMut(Wanted<'_>) -> Reply) -> Run {
    run(begin(module, 7).as_mut(), world)
}

/// The value of a header of a request of ours.
fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = request.split("\r\n");
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A header that must be there.
fn must<'a>(request: &'a str, name: &str) -> &'a str {
    header(request, name).expect("the request has it")
}

/// A parameter in quotes or not, out of a header's value.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = value.split_once(&format!("{name}="))?;
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    rest.split(['"', ',', ';']).next()
}

/// The lines that every response repeats.
fn repeated(request: &str) -> String {
    format!(
        "Via: {}\r\nFrom: {}\r\nTo: {};tag=r1\r\nCall-ID: {}\r\nCSeq: {}\r\n",
        must(request, "Via"),
        must(request, "From"),
        must(request, "To"),
        must(request, "Call-ID"),
        must(request, "CSeq"),
    )
}

/// A response with these further headers, each with its end of line.
fn response(request: &str, status: &str, further: &str) -> String {
    format!("SIP/2.0 {status}\r\n{}{further}Content-Length: 0\r\n\r\n", repeated(request))
}

/// What a registrar says that holds what it was asked to hold.
fn ok(request: &str) -> String {
    let held = match header(request, "Contact") {
        Some(contact) if !contact.ends_with("expires=0") => format!("Contact: {contact}\r\n"),
        Some(_) | None => String::new(),
    };
    response(request, "200 OK", &held)
}

/// A demand for credentials.
fn challenge(request: &str, algorithm: &str, nonce: &str, further: &str) -> String {
    let line = format!(
        "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{nonce}\", \
         algorithm={algorithm}, qop=\"auth\"{further}\r\n"
    );
    response(request, "401 Unauthorized", &line)
}

/// How many of the requests were to register, and how many to remove.
fn counts(result: &Run) -> (usize, usize) {
    let texts = result.texts();
    let removals = texts.iter().filter(|text| header(text, "Expires") == Some("0")).count();
    (texts.len() - removals - readings(result), removals)
}

/// The message with a number in CSeq that is not the request's.
fn other_sequence(text: &str) -> String {
    let (number, method) = must(text, "CSeq").split_once(' ').expect("a number and a method");
    let other = number.parse::<u32>().expect("a number") + 1;
    text.replace(&format!("CSeq: {number} {method}"), &format!("CSeq: {other} {method}"))
}

/// The message with a method in CSeq that is not the request's.
fn other_method(text: &str, method: &str) -> String {
    let (number, own) = must(text, "CSeq").split_once(' ').expect("a number and a method");
    text.replace(&format!("CSeq: {number} {own}"), &format!("CSeq: {number} {method}"))
}

/// How many of the requests were to read what is held.
fn readings(result: &Run) -> usize {
    result.texts().iter().filter(|text| header(text, "Contact").is_none()).count()
}

/// Sends `forge`'s message before the truth, to the first request; asserts that it was ignored.
fn assert_ignored(reason: Ignored, what: &str, forge: impl Fn(&str) -> String) {
    let result = register(&*anonymous(&[]), |count, request| match count {
        0 => vec![forge(request), ok(request)],
        _ => vec![ok(request)],
    });

    assert_eq!(result.label(), "", "{what}: {:?}", result.outcome);
    assert_eq!(result.fact("status_code").as_deref(), Some("Count(200)"), "{what}");
    assert_eq!(result.ignored(reason), 1, "{what}: {:?}", result.outcome.ignored);
}

/// Sends `odd`'s message, and asserts that it was understood to be a 486.
fn assert_understood(what: &str, odd: impl Fn(&str) -> String) {
    let result = register(&*anonymous(&[]), |_, request| vec![odd(request)]);

    assert_eq!(result.label(), "rejected", "{what}: {:?}", result.outcome);
    assert_eq!(result.fact("status_code").as_deref(), Some("Count(486)"), "{what}");
}
