//! The rules about signalling: the registrar is unheard, unwilling or not there.

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};

use super::Row;
use super::site::{RELAY, Said, Site, register, stun};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "sip-port-blocked",
        fires: || Site::new().saw(&register(), Said::Silence(7)).saw(&stun(RELAY), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "registrar",
        evidence: &["register@registrar (192.0.2.20:5060)", "stun@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&register(), Said::Silence(7)).saw(&stun(RELAY), Said::NoWay),
    },
    Row {
        rule: "sip-credentials",
        fires: || Site::new().saw(&register(), Said::Rejects(401)),
        owner: Owner::Credentials,
        severity: Severity::Blocking,
        subject: "registrar",
        evidence: &["register@registrar (192.0.2.20:5060)"],
        silent: || Site::new().saw(&register(), Said::Rejects(503)),
    },
    Row {
        rule: "sip-server-down",
        fires: || Site::new().saw(&register(), Said::Closed(Some("192.0.2.20"))),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "registrar",
        evidence: &["register@registrar (192.0.2.20:5060)"],
        silent: || Site::new().saw(&register(), Said::Closed(Some("10.0.0.1"))),
    },
];

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn every_way_to_refuse_credentials_is_told_with_its_owner() {
    for (said, owner, words) in [
        (Said::Rejects(401), Owner::Credentials, "refuses the user or password (401)"),
        (Said::Rejects(407), Owner::Credentials, "refuses the user or password (407)"),
        (Said::Rejects(403), Owner::Credentials, "knows no such account, or forbids it (403 No)"),
        (Said::Rejects(404), Owner::Credentials, "knows no such account, or forbids it (404 No)"),
        (Said::OtherRealm, Owner::Configuration, "the realm \"elsewhere\", not \"lyon\""),
        (Said::Weak, Owner::Configuration, "offers only MD5, which is not allowed"),
    ] {
        let finding = only(&Site::new().saw(&register(), said));

        assert_eq!((finding.rule, finding.owner), ("sip-credentials", owner), "{said:?}");
        assert!(finding.summary.ends_with(words), "{said:?}: {}", finding.summary);
    }
}

#[test]
fn a_registrar_that_fails_by_itself_is_down_and_one_that_objects_is_not() {
    for said in [Said::Rejects(500), Said::Rejects(599), Said::Resets, Said::Closed(None)] {
        let site = Site::new().saw(&register(), said);
        assert_eq!(site.found(), ["sip-server-down"], "{said:?}");
    }
    for said in [Said::Rejects(486), Said::Rejects(600), Said::Nonsense, Said::NoWay] {
        let site = Site::new().saw(&register(), said);
        assert_eq!(site.found(), [""; 0], "{said:?}");
        assert_eq!(site.diagnosis().unexplained.len(), 1, "{said:?}");
    }
}

#[test]
fn a_stun_server_that_refuses_is_no_registrar() {
    let site = Site::new().saw(&stun(RELAY), Said::Rejects(401));

    assert_eq!(site.found(), [""; 0]);
    assert_eq!(site.diagnosis().verdict, Verdict::NoGo);
}

#[test]
fn an_unanswered_registrar_is_blocked_only_where_something_else_answers() {
    let alone = Site::new().saw(&register(), Said::Silence(7));

    assert_eq!(alone.found(), [""; 0]);
    assert_eq!(alone.diagnosis().verdict, Verdict::NoGo, "it is required and unexplained");
}

#[test]
fn the_vendor_s_api_alone_is_life_enough_and_no_exhibit() {
    let site = Site::new().saw(&register(), Said::Silence(7)).vendor(|_| {});

    let finding = only(&site);

    assert_eq!(finding.rule, "sip-port-blocked");
    assert_eq!(finding.evidence.len(), 1, "{finding:#?}");
    let summary = "the registrar does not answer SIP on udp 192.0.2.20:5060, other servers answer";
    assert_eq!(finding.summary, summary);
}

#[test]
fn a_registrar_that_is_not_required_is_a_warning() {
    for said in [Said::Rejects(401), Said::Rejects(503), Said::Silence(7)] {
        let site = Site::new().saw(&register().optional(), said).saw(&stun(RELAY), Said::Works);

        assert_eq!(only(&site).severity, Severity::Warning, "{said:?}");
        assert_eq!(site.diagnosis().verdict, Verdict::GoWithWarnings, "{said:?}");
    }
}

#[test]
fn a_registrar_at_the_other_end_of_a_trunk_is_the_carrier_s() {
    for said in [Said::Rejects(503), Said::Closed(None)] {
        let site = Site::new().saw(&register().of_trunk("Carrier A"), said);

        let finding = only(&site);

        assert_eq!((finding.rule, finding.owner), ("sip-server-down", Owner::Carrier), "{said:?}");
    }
}
