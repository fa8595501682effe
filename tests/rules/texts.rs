//! The rules' ids are a contract, and their texts are sentences.

use std::collections::BTreeSet;

use branchline::rules::RULES;

use super::{
    Row, egress, inventory, media, names, nat, path, quality, reported, signalling, vendor,
};

/// DESIGN §4.7: alerts and tickets quote these ids.
const CONTRACT: &[&str] = &[
    // Path.
    "host-offline",
    "internet-down",
    "udp-blocked",
    "stun-turn-udp-blocked",
    "relay-address-blocked",
    "port-prohibited",
    "symmetric-nat",
    "nat-lifetime-short",
    "egress-mismatch",
    "clock-skew",
    "tls-intercepted",
    "certificate-expiring",
    "certificate-invalid",
    "ipv6-broken",
    // Media.
    "turn-credentials",
    "turn-quota",
    "turn-down",
    "relay-media-blocked",
    "media-quality-poor",
    "dscp-bleached",
    // Names.
    "dns-resolver-down",
    "dns-not-created",
    "dns-not-propagated",
    "dns-wrong-address",
    "dns-intercepted",
    "dns-inconsistent",
    // Signalling.
    "sip-port-blocked",
    "sip-alg",
    "sip-credentials",
    "sip-server-down",
    "sip-overload",
    "sip-large-message-dropped",
    "sip-retransmissions",
    // Provisioning.
    "provisioning-unreachable",
    "tftp-blocked",
    "provisioning-file-missing",
    "provisioning-url-mismatch",
    // Vendor.
    "edge-offline",
    "edge-group-not-ready",
    "trunk-down",
    "trunk-unregistered",
    "trunk-configuration",
    "phones-offline",
    "phone-provisioning-stuck",
    "region-mismatch",
    "location-invalid",
    "api-unreachable",
    "api-credentials",
    "api-permission",
    "api-throttled",
    "state-stale",
    "quality-reported-poor",
];

fn is_sentence(text: &str) -> bool {
    text.starts_with(|first: char| first.is_uppercase())
        && text.ends_with('.')
        && !text.contains("  ")
        && text.trim() == text
}

#[test]
fn ids_are_kebab_case_unique_and_part_of_the_contract() {
    let unique: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();

    assert_eq!(unique.len(), RULES.len());
    for id in unique {
        let is_word = |word: &str| {
            !word.is_empty()
                && word.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        };
        assert!(id.split('-').all(is_word), "{id}");
        assert!(CONTRACT.contains(&id), "{id} is not in DESIGN §4.7");
    }
}

#[test]
fn rules_stand_in_the_order_of_the_documentation() {
    let places: Vec<_> =
        RULES.iter().map(|rule| CONTRACT.iter().position(|id| *id == rule.id)).collect();

    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn every_text_of_a_rule_is_a_sentence() {
    for rule in RULES {
        for text in [rule.meaning, rule.decided_by, rule.falsified_by, rule.remedy] {
            assert!(is_sentence(text), "{}: {text:?}", rule.id);
        }
    }
}

#[test]
fn every_next_step_is_a_sentence_and_no_summary_is() {
    let rows: Vec<&Row> = [
        path::ROWS,
        nat::ROWS,
        media::ROWS,
        quality::ROWS,
        names::ROWS,
        signalling::ROWS,
        vendor::ROWS,
        egress::ROWS,
        inventory::ROWS,
        reported::ROWS,
    ]
    .into_iter()
    .flatten()
    .collect();

    for row in rows {
        for finding in (row.fires)().judged_by(row.rule) {
            assert!(is_sentence(&finding.next_step), "{}: {:?}", row.rule, finding.next_step);
            assert!(!finding.summary.ends_with('.'), "{}: {:?}", row.rule, finding.summary);
        }
    }
}
