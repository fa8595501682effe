//! The rules about signalling: the registrar is unheard, unwilling or not there.

use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline::telephony::{Registration, State};
use branchline_probes::sip::facts::{
    DIFFERENCES, LARGE, LARGE_ANSWERED, RETRANSMISSIONS, RETRY_AFTER, REWRITTEN, STATUS_CODE,
    TRANSMISSIONS,
};
use branchline_probes::{Foreign, Phase, Transport};

use super::Row;
use super::site::{
    Asked, NS, RELAY, RELAY_2, Said, Site, dns, options, read, register, stun, trunk,
};

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
        rule: "sip-alg",
        fires: || Site::new().saw(&rewritten(&register()), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "registrar",
        evidence: &["register@registrar (192.0.2.20:5060)", "register@registrar (192.0.2.20:5060)"],
        silent: || {
            let clean = register().stating(&REWRITTEN, false);
            Site::new().saw(&clean, Said::Rejects(401)).saw(&stun(RELAY), Said::Works)
        },
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
    Row {
        rule: "sip-overload",
        fires: || Site::new().saw(&register(), Said::Rejects(503)),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "registrar",
        evidence: &["register@registrar (192.0.2.20:5060)"],
        silent: || Site::new().saw(&register(), Said::Rejects(500)),
    },
    Row {
        rule: "sip-large-message-dropped",
        fires: || Site::new().saw(&large(false), Said::Works).saw(&large(false), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Warning,
        subject: "registrar",
        evidence: &["alive@registrar (192.0.2.20:5060)"],
        silent: || Site::new().saw(&large(true), Said::Works).saw(&register(), Said::Rejects(401)),
    },
    Row {
        rule: "sip-retransmissions",
        fires: || Site::new().saw(&repeating(1, 1), Said::Works).saw(&repeating(1, 1), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Warning,
        subject: "registrar",
        evidence: &["alive@registrar (192.0.2.20:5060)"],
        silent: || {
            let once = Site::new().saw(&repeating(1, 1), Said::Works);
            once.saw(&repeating(1, 0), Said::Works).saw(&register(), Said::Rejects(401))
        },
    },
];

/// What was sent comes back with another Via.
fn rewritten(asked: &Asked) -> Asked {
    let lines = ["- Via: 10.0.0.5:40112", "+ Via: 203.0.113.5:1024"].map(Foreign::new);
    asked.clone().stating(&REWRITTEN, true).stating(&DIFFERENCES, lines.to_vec())
}

/// OPTIONS with larger requests, the last of which is answered or not.
fn large(is_answered: bool) -> Asked {
    let asked = options().stating(&LARGE, 1800).stating(&LARGE_ANSWERED, is_answered);
    asked.until(&[Phase::Request, Phase::Large, Phase::Large], Phase::Large)
}

/// OPTIONS of so many requests, with so many repetitions.
fn repeating(requests: u64, repetitions: u64) -> Asked {
    let all = requests + repetitions;
    options().stating(&TRANSMISSIONS, all).stating(&RETRANSMISSIONS, repetitions)
}

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn every_way_to_refuse_credentials_is_told_with_its_owner() {
    for (said, owner, words) in [
        (Said::Rejects(401), Owner::Credentials, "refuses the user or password (401)"),
        (
            Said::Rejects(407),
            Owner::Credentials,
            "the proxy before the registrar refuses the user or password (407)",
        ),
        (
            Said::Rejects(403),
            Owner::Credentials,
            "the registrar forbids this account to register (403 No)",
        ),
        (Said::Rejects(404), Owner::Credentials, "the registrar knows no such account (404 No)"),
        (Said::OtherRealm, Owner::Configuration, "the realm \"elsewhere\", not \"lyon\""),
        (Said::Weak, Owner::Configuration, "offers only MD5, which is not allowed"),
        (Said::Downgraded, Owner::SiteNetwork, "takes back what it had offered to log in with"),
    ] {
        let finding = only(&Site::new().saw(&register(), said));

        assert_eq!((finding.rule, finding.owner), ("sip-credentials", owner), "{said:?}");
        assert!(finding.summary.ends_with(words), "{said:?}: {}", finding.summary);
    }
}

#[test]
fn one_refusal_at_several_addresses_is_one_finding_and_two_refusals_are_two() {
    let other = register().also_at("192.0.2.21:5060");
    let both = |said| Site::new().saw_each(&[(&register(), said), (&other, Said::Rejects(403))]);

    let finding = only(&both(Said::Rejects(403)));

    let seen: Vec<_> = finding.evidence.iter().map(|it| it.reference.as_str()).collect();
    assert_eq!(
        seen,
        ["register@registrar (192.0.2.20:5060)", "register@registrar (192.0.2.21:5060)"]
    );
    assert_eq!(both(Said::Rejects(401)).found(), ["sip-credentials"; 2]);
    let optional = register().of_module("spare").optional();
    let modules = Site::new().saw(&optional, Said::Rejects(403));
    let modules = modules.saw(&register(), Said::Rejects(403));
    assert_eq!(only(&modules).severity, Severity::Blocking, "one check that decides is enough");
    let elsewhere = register().of_target("elsewhere");
    let targets = Site::new().saw(&register(), Said::Rejects(403));
    assert_eq!(targets.saw(&elsewhere, Said::Rejects(403)).found(), ["sip-credentials"; 2]);
}

#[test]
fn a_proxy_that_asks_for_what_we_do_not_send_is_called_one() {
    for said in [Said::OtherRealm, Said::Weak, Said::Downgraded] {
        let finding = only(&Site::new().saw(&register().stating(&STATUS_CODE, 407), said));

        assert!(finding.summary.starts_with("the proxy before the registrar "), "{said:?}");
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
fn a_refused_port_is_looked_for_in_the_configuration_first_and_an_error_is_not() {
    let step = |said| only(&Site::new().saw(&register(), said)).next_step;

    let first = "Check the address and port in the configuration first; ";
    assert!(step(Said::Closed(None)).starts_with(first), "{}", step(Said::Closed(None)));
    assert!(!step(Said::Rejects(500)).starts_with(first), "{}", step(Said::Rejects(500)));
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
    for (said, id) in [
        (Said::Rejects(503), "sip-overload"),
        (Said::Rejects(500), "sip-server-down"),
        (Said::Closed(None), "sip-server-down"),
    ] {
        let site = Site::new().saw(&register().of_trunk("Carrier A"), said);

        let finding = only(&site);

        assert_eq!((finding.rule, finding.owner), (id, Owner::Carrier), "{said:?}");
    }
}

#[test]
fn silence_over_tcp_and_tls_is_a_blocked_port_as_well_and_one_target_is_one_finding() {
    let (tcp, tls) = (register().over(Transport::Tcp, 5060), register().over(Transport::Tls, 5061));
    let site = Site::new()
        .saw(&register(), Said::Silence(7))
        .saw(&options(), Said::Silence(7))
        .saw(&tcp, Said::Silence(7))
        .saw(&tls, Said::Silence(7))
        .saw(&stun(RELAY), Said::Works);

    let finding = only(&site);

    assert_eq!(finding.rule, "sip-port-blocked");
    assert_eq!(
        finding.summary,
        "the registrar does not answer SIP on udp 192.0.2.20:5060, tcp 192.0.2.20:5060, \
         tls 192.0.2.20:5061, other servers answer"
    );
    assert_eq!(finding.evidence.len(), 5);
}

#[test]
fn the_way_that_works_is_named_beside_the_one_that_is_silent() {
    let tcp = options().over(Transport::Tcp, 5060);
    let tls = register().over(Transport::Tls, 5061);
    // Two ways are silent, so it is not the one that helpers look at.
    let site = Site::new()
        .saw(&options(), Said::Silence(7))
        .saw(&tcp, Said::Silence(7))
        .saw(&tls, Said::Works)
        .saw(&stun(RELAY), Said::Works);

    let finding = only(&site);

    assert_eq!(finding.rule, "sip-port-blocked");
    assert_eq!(
        finding.summary,
        "udp 192.0.2.20:5060, tcp 192.0.2.20:5060 meets silence, tls 5061 to the same address works"
    );
    assert!(finding.next_step.ends_with("Until then have phones use tls 5061."), "{finding:#?}");
}

#[test]
fn a_connection_that_opens_and_says_nothing_is_no_closed_port() {
    let tls = options().over(Transport::Tls, 5061);
    let hangs = Site::new().saw(&tls, Said::Silence(7)).saw(&stun(RELAY), Said::Works);
    let closed = tls.until(&[], Phase::Connect);
    let shut = Site::new().saw(&closed, Said::Deadline(0)).saw(&stun(RELAY), Said::Works);

    let summary = "the SIP server takes the connection on tls 192.0.2.20:5061 and says nothing";
    assert_eq!(only(&hangs).summary, summary);
    let summary = "the SIP server does not answer SIP on tls 192.0.2.20:5061, other servers answer";
    assert_eq!(only(&shut).summary, summary, "a kernel asks more than once in 8 s");
}

#[test]
fn a_server_that_answers_one_request_and_drops_the_other_has_no_blocked_port() {
    let site = Site::new().saw(&options(), Said::Works).saw(&register(), Said::Silence(7));

    let finding = only(&site);

    assert_eq!((finding.rule, finding.owner), ("sip-server-down", Owner::Vendor));
    let summary = "the registrar answers OPTIONS on udp 192.0.2.20:5060 and not REGISTER";
    assert_eq!(finding.summary, summary);
    assert_eq!(finding.evidence.len(), 2);
}

#[test]
fn a_server_that_two_modules_find_down_is_one_finding() {
    let closed = Said::Closed(None);
    let site = Site::new().saw(&register(), closed).saw(&options(), closed);

    assert_eq!(only(&site).evidence.len(), 2);
}

#[test]
fn who_answers_options_with_an_error_and_lets_phones_register_is_told_so() {
    let site = Site::new().saw(&options(), Said::Rejects(500)).saw(&register(), Said::Works);

    let finding = only(&site);

    assert_eq!(finding.rule, "sip-server-down");
    assert!(finding.next_step.ends_with("that it answers REGISTER and fails at OPTIONS."));
}

#[test]
fn an_overloaded_registrar_says_for_how_long() {
    let resting = |seconds| register().stating(&RETRY_AFTER, Duration::from_secs(seconds));
    for (asked, said, words, again) in [
        (resting(120), Said::Rejects(503), "and asks to be left alone for 2m", "again after 2m."),
        (resting(120), Said::Rejects(500), "and asks to be left alone for 2m", "again after 2m."),
        (
            resting(7200),
            Said::Rejects(503),
            "asks to be left alone for 2h",
            "the most that it waits.",
        ),
        (register(), Said::Rejects(503), "and does not say for how long", "at its usual time."),
    ] {
        let finding = only(&Site::new().saw(&asked, said));

        assert_eq!(finding.rule, "sip-overload");
        assert!(finding.summary.ends_with(words), "{}", finding.summary);
        assert!(finding.next_step.ends_with(again), "{}", finding.next_step);
    }
}

#[test]
fn a_server_that_is_down_hides_what_the_vendor_says_of_the_trunk_behind_it() {
    let says = |registration, said| {
        let site = Site::new().saw(&register().of_trunk("Carrier A"), said);
        let site = site.saw(&stun(RELAY), Said::Works);
        site.vendor(|it| it.trunks = read([trunk("Carrier A", State::Up, registration)]))
    };
    let unregistered = |said| says(Registration::Unregistered, said);
    for (said, id) in [
        (Said::Silence(7), "sip-port-blocked"),
        (Said::Rejects(401), "sip-credentials"),
        (Said::Rejects(500), "sip-server-down"),
        (Said::Rejects(503), "sip-overload"),
    ] {
        let finding = only(&unregistered(said));

        assert_eq!(finding.rule, id);
        assert_eq!(finding.explains, ["trunk-unregistered: Carrier A"], "{id}");
        assert_eq!(only(&says(Registration::Registered, said)).explains, [""; 0], "{id}");
    }
}

#[test]
fn a_check_that_is_not_required_hides_nothing_that_blocks() {
    let site = Site::new().saw(&register().optional().of_trunk("Carrier A"), Said::Rejects(401));
    let trunks = || read([trunk("Carrier A", State::Up, Registration::Unregistered)]);
    let site = site.vendor(|it| it.trunks = trunks());

    assert_eq!(site.found(), ["trunk-unregistered", "sip-credentials"]);
    assert_eq!(site.diagnosis().verdict, Verdict::NoGo);
}

#[test]
fn blocked_udp_explains_silent_sip_over_udp_and_not_over_tls() {
    let tls = register().of_target("over-tls").over(Transport::Tls, 5061);
    let blocked = || {
        let site = Site::new().saw(&stun(RELAY), Said::Silence(7));
        site.saw(&options(), Said::Silence(7)).saw(&dns(NS), Said::Works)
    };

    let both = blocked().saw(&tls, Said::Silence(7));

    assert_eq!(blocked().found(), ["udp-blocked"]);
    assert_eq!(both.found(), ["udp-blocked", "sip-port-blocked"]);
    assert_eq!(both.diagnosis().findings[1].subject, "over-tls");
}

#[test]
fn a_router_that_says_no_once_explains_the_silence_after_that() {
    let site = Site::new()
        .saw(&options(), Said::Forbidden(Some("10.0.0.1")))
        .saw(&register(), Said::Silence(7))
        .saw(&stun(RELAY), Said::Works);

    let finding = only(&site);

    assert_eq!(
        (finding.rule, &*finding.explains),
        ("port-prohibited", &["sip-port-blocked: registrar".to_owned()][..])
    );
}

#[test]
fn a_large_message_is_lost_after_three_requests_or_in_two_runs() {
    let mut site = Site::new().saw(&large(false), Said::Works);
    assert_eq!(site.found(), [""; 0], "one may have been bad luck");

    site = site.saw(&large(false), Said::Works);
    let finding = only(&site);
    assert_eq!(
        finding.summary,
        "a SIP message of 1800 bytes to udp 192.0.2.20:5060 gets lost, smaller ones arrive"
    );
    assert_eq!(site.diagnosis().verdict, Verdict::GoWithWarnings);

    assert_eq!(site.saw(&large(true), Said::Works).found(), [""; 0]);
    let patient = large(false).taking(Phase::Large, Duration::from_millis(7_500));
    let once = Site::new().saw(&patient, Said::Works);
    assert_eq!(once.found(), ["sip-large-message-dropped"]);
}

#[test]
fn repetitions_count_in_two_of_three_runs_and_are_forgotten_after_two_without() {
    let (lossy, clean) = (repeating(2, 1), repeating(2, 0));
    for (runs, found) in [
        (&[&lossy][..], false),
        (&[&lossy, &lossy], true),
        (&[&lossy, &clean, &lossy], true),
        (&[&lossy, &lossy, &clean], true),
        (&[&lossy, &lossy, &clean, &clean], false),
    ] {
        let site = runs.iter().fold(Site::new(), |site, run| site.saw(run, Said::Works));

        assert_eq!(!site.found().is_empty(), found, "{runs:?}", runs = runs.len());
    }
}

#[test]
fn two_repetitions_in_one_run_are_told_and_one_is_not() {
    for (asked, is_told) in [
        (repeating(1, 1), false),
        (repeating(1, 2), true),
        (repeating(2, 1), false),
        (repeating(2, 2), true),
    ] {
        let site = Site::new().saw(&asked, Said::Works);

        assert_eq!(site.judged_by("sip-retransmissions").len(), usize::from(is_told));
        let verdict = if is_told { Verdict::GoWithWarnings } else { Verdict::Go };
        assert_eq!(site.diagnosis().verdict, verdict);
    }
}

#[test]
fn requests_that_were_repeated_in_vain_are_no_retransmissions_of_a_server_that_works() {
    let lost = repeating(1, 10);
    let site = Site::new().saw(&lost, Said::Silence(11)).saw(&lost, Said::Silence(11));
    let back = Site::new()
        .saw(&repeating(1, 1), Said::Works)
        .saw(&lost, Said::Silence(11))
        .saw(&repeating(1, 0), Said::Works);

    assert_eq!(site.judged_by("sip-retransmissions"), []);
    assert_eq!(back.found(), [""; 0]);
}

#[test]
fn loss_elsewhere_is_shown_beside_repetitions_and_decides_nothing() {
    use branchline_probes::stun_binding::LOSS_RATIO;
    let loss = stun(RELAY_2).stating(&LOSS_RATIO, 0.012);
    let lossy = Site::new().saw(&loss, Said::Works);
    assert_eq!(lossy.judged_by("sip-retransmissions"), []);

    let findings = lossy.saw(&repeating(1, 2), Said::Works).judged_by("sip-retransmissions");

    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!(finding.evidence[1].text, "1.2 % of its packets were lost");
}
