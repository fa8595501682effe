//! Rule `sip-alg`: what tells a helper on the way, and what does not.

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline_probes::sip::facts::{DIFFERENCES, REWRITTEN};
use branchline_probes::{Foreign, Phase, Transport};

use super::site::{Asked, NS, RELAY, Said, Site, dns, options, register, stun};

const LOST: Said = Said::Silence(7);

fn differing(asked: Asked, is_rewritten: bool, lines: &[&str]) -> Asked {
    let lines = lines.iter().map(Foreign::new).collect();
    asked.stating(&REWRITTEN, is_rewritten).stating(&DIFFERENCES, lines)
}

fn tls() -> Asked {
    register().over(Transport::Tls, 5061)
}

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// SIP over UDP is silent, TLS to the same server works.
fn contrast() -> Site {
    Site::new().saw(&register(), LOST).saw(&tls(), Said::Works)
}

#[test]
fn bytes_that_come_back_changed_are_a_helper_whatever_else_works() {
    let lines = ["- Contact: sip:b@10.0.0.5:5060", "+ Contact: sip:b@203.0.113.5:1024"];
    let site = Site::new()
        .saw(&differing(register(), true, &lines), Said::Works)
        .saw(&tls().stating(&REWRITTEN, false), Said::Works)
        .saw(&stun(RELAY), Said::Works);

    let finding = only(&site);

    assert_eq!((finding.rule, finding.owner), ("sip-alg", Owner::SiteNetwork));
    assert_eq!(finding.severity, Severity::Blocking);
    assert_eq!(
        finding.summary,
        "detected on the way to udp 192.0.2.20:5060: what we send does not arrive as sent"
    );
    let texts: Vec<&str> = finding.evidence.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts[..2], lines);
    assert!(finding.next_step.contains("have phones use tls 5061"), "{finding:#?}");
    assert_eq!(site.diagnosis().verdict, Verdict::NoGo);
}

#[test]
fn a_helper_explains_silence_on_its_own_port_and_no_blocked_tls() {
    let lines = ["- Via branch: z9hG4bKa", "+ Via branch: z9hG4bKb"];
    let site = |silent: &Asked| {
        let detected = differing(register(), true, &lines);
        let site = Site::new().saw(&detected, Said::Works).saw(silent, LOST);
        site.saw(&stun(RELAY), Said::Works)
    };

    let other = options().also_at("192.0.2.21:5060");
    let own_port = site(&other);
    let both = site(&tls());

    assert_eq!(only(&own_port).explains, ["sip-port-blocked: registrar"]);
    assert!(only(&own_port).next_step.contains("have phones use TLS"));
    assert_eq!(both.found(), ["sip-port-blocked", "sip-alg"]);
    let step = &both.diagnosis().findings[1].next_step;
    assert!(!step.contains("TLS") && step.ends_with("udp 192.0.2.20:5060."), "{step}");
}

#[test]
fn a_helper_is_detected_by_an_exchange_that_fails_as_well() {
    let lines = ["- Via branch: z9hG4bKa", "+ Via branch: z9hG4bKb"];
    let site = Site::new().saw(&differing(options(), true, &lines), Said::Rejects(500));

    let findings = site.judged_by("sip-alg");

    assert_eq!(findings.len(), 1);
    assert_eq!(site.found(), ["sip-alg", "sip-server-down"]);
}

#[test]
fn four_lines_are_quoted_and_the_others_are_counted() {
    let lines = ["- a", "+ b", "- c", "+ d", "- e", "+ f"];
    let site = Site::new().saw(&differing(register(), true, &lines), Said::Works);

    let texts: Vec<_> = only(&site).evidence.into_iter().map(|it| it.text).collect();

    assert_eq!(texts, ["- a", "+ b", "- c", "+ d", "and 2 lines more that differ"]);
}

#[test]
fn a_silent_port_5060_beside_a_way_that_works_is_suspected_and_hides_the_blocked_port() {
    for other in [
        tls(),
        register().over(Transport::Tcp, 5060),
        register().of_module("register-5070").over(Transport::Udp, 5070),
        // Another target of the same server.
        options().of_target("proxy").over(Transport::Tls, 5061),
    ] {
        let site = Site::new().saw(&register(), LOST).saw(&other, Said::Works);

        let finding = only(&site);

        assert_eq!(finding.rule, "sip-alg");
        let start = "suspected on the way: of all ways only udp 192.0.2.20:5060 meets silence, ";
        assert!(finding.summary.starts_with(start), "{}", finding.summary);
        assert!(finding.summary.ends_with(" to the same address works"), "{}", finding.summary);
        assert_eq!(finding.explains, ["sip-port-blocked: registrar"]);
        assert_eq!(finding.severity, Severity::Blocking);
    }
}

#[test]
fn another_address_of_the_same_name_is_the_same_server() {
    let other = register().of_module("over-tls").also_at("192.0.2.21:5061");
    let site = Site::new().saw(&register(), LOST).saw(&other, Said::Works);

    assert!(only(&site).summary.ends_with("udp 192.0.2.21:5061 of the same host works"));
}

#[test]
fn port_5060_of_another_address_that_answers_clears_the_helper() {
    let other = register().also_at("192.0.2.21:5060");
    let site = Site::new().saw_each(&[(&register(), LOST), (&other, Said::Works)]);

    assert_eq!(site.found(), ["sip-port-blocked"]);
    let summary = "udp 192.0.2.20:5060 meets silence, udp 192.0.2.21:5060 of the same host works";
    assert_eq!(only(&site).summary, summary);
}

#[test]
fn more_than_one_silent_way_is_a_blocked_server_and_no_helper() {
    let site = contrast().saw(&register().over(Transport::Tcp, 5060), LOST);

    assert_eq!(site.found(), ["sip-port-blocked"]);
}

#[test]
fn a_tls_handshake_that_meets_silence_is_a_silent_way_too() {
    let handshake = tls().until(&[], Phase::Tls);
    let tcp = register().over(Transport::Tcp, 5060);
    let site = Site::new().saw(&register(), LOST).saw(&tcp, Said::Works);
    assert_eq!(site.found(), ["sip-alg"], "TCP alone");

    let site = site.saw(&handshake, Said::Deadline(1));

    assert_eq!(site.judged_by("sip-alg"), []);
    assert_eq!(site.found(), ["sip-port-blocked"]);
}

#[test]
fn another_silent_port_is_no_helper_s() {
    let silent = register().over(Transport::Udp, 5080);
    let site = Site::new().saw(&silent, LOST).saw(&tls(), Said::Works);

    assert_eq!(site.found(), ["sip-port-blocked"]);
}

#[test]
fn a_helper_is_not_suspected_where_all_other_udp_is_silent_too() {
    let site = contrast().saw(&stun(RELAY), LOST).saw(&dns(NS), Said::Works);

    assert_eq!(site.judged_by("sip-alg"), []);
    assert_eq!(site.found(), ["udp-blocked"]);
    assert_eq!(contrast().saw(&stun(RELAY), Said::Works).found(), ["sip-alg"]);
}

#[test]
fn one_lost_packet_is_no_helper() {
    let site = Site::new().saw(&register(), Said::Silence(1)).saw(&tls(), Said::Works);

    assert_eq!(site.found(), [""; 0]);
}

#[test]
fn a_port_that_a_router_forbids_is_no_helper_s() {
    let site = contrast().saw(&options(), Said::Forbidden(Some("10.0.0.1")));

    assert_eq!(site.found(), ["port-prohibited"]);
}

#[test]
fn a_contact_that_is_stored_where_the_registrar_saw_us_is_a_warning_and_no_more() {
    let lines = ["- Contact: sip:b@10.0.0.5:5060", "+ Contact: sip:b@203.0.113.5:1024"];
    let site = Site::new().saw(&differing(register(), false, &lines), Said::Works);

    let finding = only(&site);

    assert_eq!((finding.rule, finding.severity), ("sip-alg", Severity::Warning));
    assert!(finding.summary.starts_with("suspected, and no more: "), "{}", finding.summary);
    assert_eq!(site.diagnosis().verdict, Verdict::GoWithWarnings);
}

#[test]
fn a_clean_site_has_no_helper() {
    let clean = |asked: Asked| asked.stating(&REWRITTEN, false);
    let site = Site::new()
        .saw(&clean(register()), Said::Works)
        .saw(&clean(options()), Said::Works)
        .saw(&clean(tls()), Said::Works)
        .saw(&stun(RELAY), Said::Works);

    assert_eq!(site.diagnosis().verdict, Verdict::Go);
    assert_eq!(site.found(), [""; 0]);
}
