//! The rules about names: who has the record, who has not, and for how long.

use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline::telephony::State;
use branchline_probes::Unresolved;

use super::Row;
use super::site::{
    NAME, NS, NS_2, RELAY, Said, Site, dns, edge, edge_group, named, read, register, stun,
};

const NXDOMAIN: Said = Said::Rejects(3);
const SERVFAIL: Said = Said::Rejects(2);

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "dns-resolver-down",
        fires: || Site::new().saw(&dns(NS), Said::Silence(7)).saw(&stun(RELAY), Said::Works),
        owner: Owner::Dns,
        severity: Severity::Blocking,
        subject: "ns",
        evidence: &["record@ns (192.0.2.30:53)"],
        silent: || Site::new().saw(&dns(NS), SERVFAIL).saw(&stun(RELAY), Said::Works),
    },
    Row {
        rule: "dns-not-created",
        fires: || Site::new().saw(&dns(NS).authoritative(), NXDOMAIN),
        owner: Owner::Dns,
        severity: Severity::Blocking,
        subject: NAME,
        evidence: &["record@ns (192.0.2.30:53)"],
        silent: || Site::new().saw(&dns(NS), NXDOMAIN).saw(&dns(NS_2), Said::Works),
    },
    Row {
        rule: "dns-not-propagated",
        fires: || Site::new().saw(&dns(NS), Said::Works).saw(&dns(NS_2), NXDOMAIN),
        owner: Owner::Dns,
        severity: Severity::Blocking,
        subject: NAME,
        evidence: &["record@ns-2 (192.0.2.31:53)", "record@ns (192.0.2.30:53)"],
        silent: || Site::new().saw(&dns(NS), Said::Works).saw(&dns(NS_2), SERVFAIL),
    },
    Row {
        rule: "dns-wrong-address",
        fires: || Site::new().saw(&dns(NS).with_ttl(HOUR), Said::Unexpected),
        owner: Owner::Dns,
        severity: Severity::Blocking,
        subject: NAME,
        evidence: &["record@ns (192.0.2.30:53)"],
        silent: || {
            Site::new().saw(&dns(NS).with_ttl(HOUR), Said::Unexpected).saw(&dns(NS_2), Said::Works)
        },
    },
];

const HOUR: Duration = Duration::from_secs(3600);

fn only(site: &Site, id: &str) -> Finding {
    assert_eq!(site.found(), [id]);
    site.diagnosis().findings.remove(0)
}

#[test]
fn an_answer_without_records_is_an_absence() {
    let minute = Duration::from_secs(60);
    let site =
        Site::new().saw(&dns(NS).authoritative().with_negative_ttl(minute), Said::Unexpected);

    assert_eq!(site.found(), ["dns-not-created"]);
}

#[test]
fn an_alias_alone_or_a_referral_is_neither_an_absence_nor_a_wrong_address() {
    let site =
        Site::new().saw(&dns(NS), Said::Works).saw(&dns(NS_2).authoritative(), Said::Unexpected);

    assert_eq!(site.found(), [""; 0]);
    assert_eq!(site.diagnosis().unexplained.len(), 1);
}

#[test]
fn a_nameserver_that_fails_neither_has_the_record_nor_denies_it() {
    let alone = Site::new().saw(&dns(NS), SERVFAIL);
    let beside = Site::new().saw(&dns(NS), SERVFAIL).saw(&dns(NS_2).authoritative(), NXDOMAIN);

    assert_eq!(alone.found(), [""; 0]);
    assert_eq!(alone.diagnosis().verdict, Verdict::NoGo, "it is required and unexplained");
    assert_eq!(beside.found(), ["dns-not-created"]);
}

#[test]
fn a_resolver_that_denies_the_name_is_told_to_ask_an_authority() {
    let day = Duration::from_secs(900);
    let finding =
        only(&Site::new().saw(&dns(NS).with_negative_ttl(day), NXDOMAIN), "dns-not-created");

    let summary = "no nameserver has lyon.example.net A; no authoritative one was asked";
    assert_eq!(finding.summary, summary);
    assert!(finding.next_step.contains("recursion = false"), "{}", finding.next_step);
    assert!(finding.next_step.contains("15m"), "{}", finding.next_step);
}

#[test]
fn a_missing_record_of_a_group_that_is_ready_is_the_vendor_s() {
    let asked = dns(NS).authoritative().of_edge_group("Lyon");
    let group = |state| {
        let site = Site::new().saw(&asked, NXDOMAIN);
        site.vendor(|it| it.edge_groups = read([edge_group("Lyon", state)]))
    };

    let ready = only(&group(State::Up), "dns-not-created");
    let unknown = only(&group(State::Unknown), "dns-not-created");

    assert_eq!(ready.owner, Owner::Vendor);
    assert!(ready.next_step.contains("edge group Lyon"), "{}", ready.next_step);
    assert_eq!(unknown.owner, Owner::Dns);
}

#[test]
fn a_group_that_is_not_ready_hides_that_its_record_is_missing_and_no_other_s() {
    let vendor = |site: Site| {
        site.vendor(|it| it.edge_groups = read([edge_group("Lyon", State::Down)])).diagnosis()
    };
    let asked = dns(NS).authoritative();

    let linked = vendor(Site::new().saw(&asked.clone().of_edge_group("Lyon"), NXDOMAIN));
    let other = vendor(Site::new().saw(&asked.of_edge_group("Paris"), NXDOMAIN));

    let rules = |findings: &[Finding]| findings.iter().map(|it| it.rule).collect::<Vec<_>>();
    assert_eq!(rules(&linked.findings), ["edge-group-not-ready"]);
    assert_eq!(linked.findings[0].explains, ["dns-not-created: lyon.example.net A"]);
    assert_eq!(linked.unexplained, []);
    assert_eq!(rules(&other.findings), ["dns-not-created", "edge-group-not-ready"]);
}

#[test]
fn a_root_cause_names_also_what_its_own_symptoms_hide() {
    let site =
        Site::new().saw(&dns(NS).authoritative().of_edge_group("Lyon"), NXDOMAIN).vendor(|it| {
            let mut offline = edge("Edge 1", State::Down);
            offline.edge_group = Some(named("Lyon"));
            it.edges = read([offline]);
            it.edge_groups = read([edge_group("Lyon", State::Down)]);
        });

    let finding = only(&site, "edge-offline");

    assert_eq!(
        finding.explains,
        ["dns-not-created: lyon.example.net A", "edge-group-not-ready: Lyon"]
    );
}

#[test]
fn a_lagging_resolver_is_waited_for_and_a_lagging_authority_is_mended() {
    let minute = Duration::from_secs(300);
    let site = |behind| Site::new().saw(&dns(NS), Said::Works).saw(&behind, NXDOMAIN);

    let cached = only(&site(dns(NS_2).with_negative_ttl(minute)), "dns-not-propagated");
    let served = only(&site(dns(NS_2).authoritative().with_serial(41)), "dns-not-propagated");

    let known = "lyon.example.net A is known to ns and not yet to 1 of 2 nameservers: ns-2";
    assert_eq!(cached.summary, known);
    assert!(cached.next_step.contains("at most 5m"), "{}", cached.next_step);
    assert!(served.next_step.contains("ns-2 transfer the zone"), "{}", served.next_step);
    assert!(served.evidence[0].text.ends_with("the zone's serial there is 41"), "{served:#?}");
}

// A zone tells its serial where it denies a name, and not beside a record.
#[test]
fn an_authority_that_denies_what_another_has_is_behind_though_it_alone_tells_its_serial() {
    let site = Site::new()
        .saw(&dns(NS).authoritative(), Said::Works)
        .saw(&dns(NS_2).authoritative().with_serial(41), NXDOMAIN);

    let finding = only(&site, "dns-not-propagated");

    assert!(finding.next_step.contains("ns-2 transfer the zone"), "{}", finding.next_step);
}

#[test]
fn an_old_address_beside_a_new_one_is_propagation_and_not_a_wrong_address() {
    let old = dns(NS_2).with_ttl(HOUR);
    let site = Site::new().saw(&dns(NS), Said::Works).saw(&old, Said::Unexpected);

    assert_eq!(site.found(), ["dns-not-propagated"]);
}

#[test]
fn one_silent_nameserver_hides_nothing_of_the_others() {
    let site = Site::new().saw(&dns(NS), Said::Silence(7)).saw(&dns(NS_2), Said::Works);

    let finding = only(&site, "dns-resolver-down");

    assert_eq!(finding.summary, "nameserver ns (192.0.2.30:53) does not answer");
}

#[test]
fn a_nameserver_is_down_when_its_host_says_so_or_no_way_leads_there() {
    for said in [Said::Closed(Some("192.0.2.30")), Said::Resets, Said::NoWay] {
        let site = Site::new().saw(&dns(NS), said).saw(&stun(RELAY), Said::Works);

        assert_eq!(site.found(), ["dns-resolver-down"], "{said:?}");
    }
}

#[test]
fn nothing_is_said_of_nameservers_where_nothing_answers() {
    let site = Site::new().saw(&dns(NS), Said::Silence(7)).saw(&stun(RELAY), Said::Silence(7));

    assert_eq!(site.judged_by("dns-resolver-down"), []);
}

// I9
#[test]
fn the_resolver_of_this_host_is_this_host_s_own_and_no_no_go() {
    for problem in [Unresolved::NoAnswer, Unresolved::ResolverFailed] {
        let site =
            Site::new().saw(&register(), Said::Unresolved(problem)).saw(&stun(RELAY), Said::Works);

        let finding = only(&site, "dns-resolver-down");

        assert_eq!(finding.owner, Owner::ThisHost);
        assert_eq!(finding.evidence[0].reference, "register@registrar");
        assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive);
    }
}

#[test]
fn a_name_that_does_not_exist_is_no_fault_of_the_resolver() {
    let no_name = Said::Unresolved(Unresolved::NoAddress);
    let site = Site::new().saw(&register(), no_name).saw(&stun(RELAY), Said::Works);

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["dns-not-created"]);
    assert_eq!(diagnosis.findings[0].owner, Owner::Configuration);
    assert_eq!(diagnosis.findings[0].evidence[0].reference, "register@registrar");
    assert_eq!(diagnosis.verdict, Verdict::NoGo);
}
