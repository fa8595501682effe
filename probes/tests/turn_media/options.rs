//! What a module can be told.

use std::time::Duration;

use branchline_probes::OptionValue;

use crate::relay::{credentials, duration, millis, module, try_module};

fn refusal(set: &[(&'static str, OptionValue)]) -> (&'static str, String) {
    let all: Vec<_> = credentials().into_iter().chain(set.iter().cloned()).collect();
    let bad = try_module(&all).err().expect("it is refused");
    (bad.option, bad.hint.unwrap_or_default())
}

#[test]
fn without_credentials_there_is_no_voice() {
    let bad = try_module(&[]).err().expect("it is refused");

    assert_eq!(bad.option, "username");
    assert!(bad.hint.is_some_and(|hint| hint.contains("shared_secret")));
}

#[test]
fn a_stream_has_its_bounds() {
    assert_eq!(refusal(&[duration(millis(60_001))]).0, "duration");
    assert_eq!(refusal(&[duration(millis(19))]).0, "duration");
    assert_eq!(
        refusal(&[("jitter_buffer", OptionValue::Duration(millis(501)))]).0,
        "jitter_buffer"
    );
    assert_eq!(refusal(&[("dscp", OptionValue::Count(64))]).0, "dscp");
    assert_eq!(refusal(&[("dscp", OptionValue::Count(300))]).0, "dscp");
}

#[test]
fn a_timeout_that_leaves_no_room_for_the_voice_is_refused_with_one_that_does() {
    let timeout = |value| ("timeout", OptionValue::Duration(value));

    let (option, hint) = refusal(&[timeout(millis(15_000))]);

    assert_eq!(option, "timeout");
    assert!(hint.contains("30s"), "{hint}");
    assert_eq!(module(&[timeout(millis(30_000))]).timeout(), millis(30_000));
}

#[test]
fn the_timeout_grows_with_the_stream_and_one_stream_is_all() {
    let usual = module(&[]);
    let long = module(&[duration(millis(60_000))]);

    assert_eq!(usual.timeout(), Duration::from_secs(65));
    // A silent request, the voice, its last packet, and the release.
    assert!(long.timeout() >= millis(39_500 + 60_000 + 1_000 + 8_000));
    assert!(usual.is_exclusive() && long.is_exclusive());
}
