//! Challenges as Kamailio can make them: two at once, and nonces that are good for little.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Kamailio, PASSWORD, Seen};

// D-SIP-4
#[test]
fn of_two_challenges_at_once_the_stronger_is_answered_though_it_is_the_second() {
    let kamailio = Kamailio::asking_for("SHA-256").offering_md5_first().start();

    let probed = kamailio.probe().option("allow_md5", "true").password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("algorithm"), "SHA-256");
    assert_eq!(*probed.fact("algorithms"), json!(["MD5", "SHA-256"]));
    for register in with_credentials(&kamailio) {
        assert_eq!(register.credential("algorithm"), Some("SHA-256"), "{register:?}");
    }
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-6
#[test]
fn kamailio_counts_how_often_its_nonce_is_used_and_agrees() {
    let kamailio = Kamailio::asking_for("SHA-256").digest("nonce_count", 1).start();

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("removed"), true);
    let seen = with_credentials(&kamailio);
    let counts: Vec<_> = seen.iter().filter_map(|register| register.credential("nc")).collect();
    assert_eq!(counts, ["00000001", "00000002", "00000003"]);
    let cnonces: BTreeSet<_> = seen.iter().map(|register| register.credential("cnonce")).collect();
    assert_eq!(cnonces.len(), 3, "{seen:?}");
    assert_eq!(nonces(&seen).len(), 1, "{seen:?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-10
#[test]
fn a_nonce_that_is_good_for_one_request_is_replaced_until_nothing_is_held() {
    let kamailio = Kamailio::asking_for("SHA-256").digest("one_time_nonce", 1).start();

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(kamailio.bindings(), BTreeMap::new());
    // One for the registration, one for the removal and one to read.
    let seen = with_credentials(&kamailio);
    assert_eq!(nonces(&seen).len(), 3, "{seen:?}");
}

#[test]
fn the_nonce_that_kamailio_names_for_the_next_request_is_used_in_it() {
    let kamailio = Kamailio::asking_for("SHA-256")
        .digest("one_time_nonce", 1)
        .digest("add_authinfo_hdr", 1)
        .start();

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("removed"), true);
    // RFC 7615 §3: no request had to be repeated for want of a nonce.
    let seen = kamailio.registers();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert_eq!(nonces(&with_credentials(&kamailio)).len(), 3, "{seen:?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-7
#[test]
fn a_nonce_that_grew_stale_on_the_way_is_replaced_once() {
    // Over TCP nothing is sent again while Kamailio takes its time.
    let kamailio =
        Kamailio::asking_for("SHA-256").digest("nonce_expire", 1).slow_to_check(2_500).start();

    let probed = kamailio.probe_over("tcp").password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("nonce_renewals"), 1);
    assert_eq!(probed.fact("removed"), true);
    let seen = kamailio.registers();
    let is_with: Vec<bool> = seen.iter().map(Seen::has_credentials).collect();
    assert_eq!(is_with[..3], [false, true, true], "{seen:?}");
    assert_ne!(seen[1].credential("nonce"), seen[2].credential("nonce"), "{seen:?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

fn with_credentials(kamailio: &Kamailio) -> Vec<Seen> {
    kamailio.registers().into_iter().filter(Seen::has_credentials).collect()
}

fn nonces(seen: &[Seen]) -> BTreeSet<&str> {
    seen.iter().filter_map(|register| register.credential("nonce")).collect()
}
