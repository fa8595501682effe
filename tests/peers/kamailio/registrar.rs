//! REGISTER with digest over UDP, and what the registrar holds afterwards.

use std::collections::BTreeMap;

use super::{Kamailio, PASSWORD, Seen};

#[test]
fn kamailio_accepts_our_md5_digest_and_holds_nothing_afterwards() {
    let kamailio = Kamailio::asking_for("MD5").start();

    let probed = kamailio.probe().option("allow_md5", "true").password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("status_code"), 200);
    assert_eq!(probed.fact("algorithm"), "MD5");
    assert_eq!(probed.fact("bindings"), 1);
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(probed.fact("received"), "127.0.0.1");
    assert!(probed.fact("rport").is_u64(), "{probed:#?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

#[test]
fn kamailio_accepts_our_sha_256_digest() {
    let kamailio = Kamailio::asking_for("SHA-256").start();

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("status_code"), 200);
    assert_eq!(probed.fact("algorithm"), "SHA-256");
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-9
#[test]
fn our_contact_is_held_for_no_longer_than_a_minute_and_then_taken_back() {
    let kamailio = Kamailio::asking_for("SHA-256").start();

    let probed = kamailio.probe().password(PASSWORD).run();

    let expires = probed.fact("expires_seconds").as_f64().expect("the registrar's own figure");
    assert!(expires > 0.0 && expires <= 60.0, "{probed:#?}");
    let seen = kamailio.registers();
    // The last one only reads what is held: it has no contact, and asks for nothing.
    let (reading, asking) = seen.split_last().expect("it has registered");
    assert_eq!(reading.expires, "<null>", "{seen:?}");
    let asked: Vec<u32> =
        asking.iter().filter_map(|register| register.expires.parse().ok()).collect();
    assert_eq!(asked.len(), asking.len(), "every other REGISTER says for how long: {seen:?}");
    assert!(asked.iter().all(|seconds| *seconds <= 60), "{seen:?}");
    assert_eq!(asked.last(), Some(&0), "{seen:?}");
}

// D-SIP-7
#[test]
fn a_wrong_password_is_rejected_within_three_requests() {
    let kamailio = Kamailio::asking_for("SHA-256").start();

    let probed = kamailio.probe().password("not-the-password").run();

    probed.assert_failure("rejected");
    let message = probed.seen["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("401"), "{probed:#?}");
    assert_eq!(probed.fact("status_code"), 401);
    let seen = kamailio.registers();
    assert!((2..=3).contains(&seen.len()), "{seen:?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-4
#[test]
fn credentials_are_not_sent_for_md5_unless_that_is_allowed() {
    let kamailio = Kamailio::asking_for("MD5").start();

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_failure("auth_weak");
    let seen = kamailio.registers();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(!seen[0].has_credentials(), "{seen:?}");
}

// D-SIP-5
#[test]
fn credentials_are_not_sent_in_the_open_unless_that_is_allowed() {
    let kamailio = Kamailio::asking_for("SHA-256").start();

    let probed =
        kamailio.probe().option("allow_cleartext", "false").password(PASSWORD).run_or_refuse();

    assert!(probed.is_none_or(|probed| probed.seen["success"] == false));
    assert!(!kamailio.registers().iter().any(Seen::has_credentials));
}

// D-SIP-5
#[test]
fn credentials_are_not_sent_to_another_realm() {
    let kamailio = Kamailio::asking_for("SHA-256").start();

    let probed = kamailio.probe().option("realm", "elsewhere.test").password(PASSWORD).run();

    probed.assert_failure("auth_realm");
    let seen = kamailio.registers();
    assert!(!seen.iter().any(Seen::has_credentials), "{seen:?}");
}

// D-SIP-9
#[test]
fn a_phones_own_binding_is_counted_and_never_touched() {
    let kamailio = Kamailio::asking_for("MD5").start();
    let before = kamailio.register_a_phone();

    for _ in 0..5 {
        let probed = kamailio.probe().option("allow_md5", "true").password(PASSWORD).run();

        probed.assert_success();
        assert_eq!(probed.fact("bindings"), 2);
    }
    let refused = kamailio.probe().option("allow_md5", "true").password("wrong").run();

    refused.assert_failure("rejected");
    assert_eq!(kamailio.bindings(), before);
}
