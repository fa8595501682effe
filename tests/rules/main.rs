//! The thinking rooms: every rule by itself, what root causes hide, the verdict, and the memory
//! that evidence is drawn from.

mod api;
mod before;
mod certificates;
mod doubts;
mod egress;
mod failover;
mod foreign;
mod invented;
mod inventory;
mod links;
mod media;
mod memory;
mod names;
mod nat;
mod path;
mod quality;
mod reported;
mod settling;
mod shown;
mod signalling;
mod site;
mod telephony;
mod telling;
mod texts;
mod vendor;
mod verdict;
mod views;
mod waiting;
mod walks;
mod ways;

use branchline::diagnosis::{Owner, Severity};
use branchline::rules::RULES;

use site::Site;

/// What one rule must say, and when it must be silent.
struct Row {
    rule: &'static str,
    /// The smallest evidence on which it fires.
    fires: fn() -> Site,
    owner: Owner,
    severity: Severity,
    subject: &'static str,
    /// What its finding refers to, in order.
    evidence: &'static [&'static str],
    /// Something failed, and it is not this.
    silent: fn() -> Site,
}

fn row(id: &str) -> &'static Row {
    let groups = [
        path::ROWS,
        nat::ROWS,
        certificates::ROWS,
        media::ROWS,
        quality::ROWS,
        names::ROWS,
        views::ROWS,
        signalling::ROWS,
        vendor::ROWS,
        egress::ROWS,
        inventory::ROWS,
        reported::ROWS,
    ];
    let found: Vec<&Row> = groups.into_iter().flatten().filter(|row| row.rule == id).collect();
    assert_eq!(found.len(), 1, "each rule has one row, {id} has not");
    found[0]
}

#[track_caller]
fn fires_on_its_evidence_and_is_silent_without(id: &str) {
    let row = row(id);

    let findings = (row.fires)().judged_by(id);
    let other = (row.silent)();

    let [finding] = &findings[..] else { panic!("{id}: one finding, not {findings:#?}") };
    assert_eq!(finding.rule, id);
    assert_eq!((finding.owner, finding.severity), (row.owner, row.severity), "{id}");
    assert_eq!(finding.subject, row.subject, "{id}");
    let references: Vec<&str> = finding.evidence.iter().map(|it| it.reference.as_str()).collect();
    assert_eq!(references, row.evidence, "{id}");
    assert!(!finding.summary.is_empty() && !finding.next_step.is_empty(), "{id}");
    // The same holds when every rule is heard.
    let all = (row.fires)().found();
    assert!(all.contains(&id), "{id} is drowned by {all:?}");

    let unhappy = other.diagnosis();
    assert!(
        !(unhappy.findings.is_empty() && unhappy.unexplained.is_empty() && unhappy.open.is_empty()),
        "{id}: nothing failed, so silence proves nothing"
    );
    assert_eq!(other.judged_by(id), [], "{id}");
    assert_eq!(Site::new().judged_by(id), [], "{id}: a finding about nothing");
}

macro_rules! rules {
    ($($test:ident => $id:literal),* $(,)?) => {
        /// The rules that have a test below.
        const TESTED: &[&str] = &[$($id),*];

        $(
            #[test]
            fn $test() {
                fires_on_its_evidence_and_is_silent_without($id);
            }
        )*
    };
}

rules! {
    host_offline => "host-offline",
    internet_down => "internet-down",
    udp_blocked => "udp-blocked",
    stun_turn_udp_blocked => "stun-turn-udp-blocked",
    relay_address_blocked => "relay-address-blocked",
    port_prohibited => "port-prohibited",
    symmetric_nat => "symmetric-nat",
    nat_lifetime_short => "nat-lifetime-short",
    egress_mismatch => "egress-mismatch",
    tls_intercepted => "tls-intercepted",
    certificate_expiring => "certificate-expiring",
    certificate_invalid => "certificate-invalid",
    turn_credentials => "turn-credentials",
    turn_quota => "turn-quota",
    turn_down => "turn-down",
    relay_media_blocked => "relay-media-blocked",
    media_quality_poor => "media-quality-poor",
    dscp_bleached => "dscp-bleached",
    dns_resolver_down => "dns-resolver-down",
    dns_not_created => "dns-not-created",
    dns_not_propagated => "dns-not-propagated",
    dns_wrong_address => "dns-wrong-address",
    dns_intercepted => "dns-intercepted",
    dns_inconsistent => "dns-inconsistent",
    sip_port_blocked => "sip-port-blocked",
    sip_alg => "sip-alg",
    sip_credentials => "sip-credentials",
    sip_server_down => "sip-server-down",
    sip_overload => "sip-overload",
    sip_large_message_dropped => "sip-large-message-dropped",
    sip_retransmissions => "sip-retransmissions",
    edge_offline => "edge-offline",
    edge_group_not_ready => "edge-group-not-ready",
    trunk_down => "trunk-down",
    trunk_unregistered => "trunk-unregistered",
    trunk_configuration => "trunk-configuration",
    phones_offline => "phones-offline",
    phone_provisioning_stuck => "phone-provisioning-stuck",
    region_mismatch => "region-mismatch",
    location_invalid => "location-invalid",
    api_unreachable => "api-unreachable",
    api_credentials => "api-credentials",
    api_permission => "api-permission",
    api_throttled => "api-throttled",
    state_stale => "state-stale",
    quality_reported_poor => "quality-reported-poor",
}

#[test]
fn every_rule_has_its_test() {
    let listed: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();

    assert_eq!(listed, TESTED);
}
