//! The rules about the path: this host, the uplink, the firewall.

use branchline::diagnosis::{Owner, Severity, Verdict};
use branchline_probes::{Transport, Unresolved};

use super::Row;
use super::site::{
    NS, NS_2, RELAY, RELAY_2, Said, Site, delegation, dns, refused_client, register, stun, turn,
    unreachable,
};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "host-offline",
        fires: || Site::new().saw(&stun(RELAY), Said::Local),
        owner: Owner::ThisHost,
        severity: Severity::Blocking,
        subject: "this host",
        evidence: &["stun@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&stun(RELAY), Said::Local).saw(&dns(NS), Said::Works),
    },
    Row {
        rule: "internet-down",
        fires: || {
            Site::new()
                .saw(&stun(RELAY), Said::Silence(7))
                .saw(&register(), Said::Silence(7))
                .saw(&dns(NS), Said::NoWay)
        },
        owner: Owner::InternetProvider,
        severity: Severity::Blocking,
        subject: "uplink",
        evidence: &[
            "stun@relay (192.0.2.10:3478)",
            "register@registrar (192.0.2.20:5060)",
            "record@ns (192.0.2.30:53)",
        ],
        silent: || Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&register(), Said::NoWay),
    },
    Row {
        rule: "udp-blocked",
        fires: || udp_blocked().saw(&dns(NS), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "UDP",
        evidence: &["stun@relay (192.0.2.10:3478)", "register@registrar (192.0.2.20:5060)"],
        silent: || {
            Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&register(), Said::Rejects(401))
        },
    },
    Row {
        rule: "stun-turn-udp-blocked",
        fires: || Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&dns(NS), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "STUN over UDP",
        evidence: &["stun@relay (192.0.2.10:3478)"],
        silent: || {
            Site::new()
                .saw(&stun(RELAY), Said::Works)
                .saw(&stun(RELAY_2), Said::Silence(7))
                .saw(&dns(NS), Said::Works)
        },
    },
    Row {
        rule: "relay-address-blocked",
        fires: || Site::new().saw(&stun(RELAY), Said::Works).saw(&stun(RELAY_2), Said::Silence(7)),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "192.0.2.11:3478",
        evidence: &["stun@relay-2 (192.0.2.11:3478)"],
        silent: || {
            Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&stun(RELAY_2), Said::Closed(None))
        },
    },
    Row {
        rule: "port-prohibited",
        fires: || Site::new().saw(&stun(RELAY), Said::Forbidden(Some("10.0.0.1"))),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "udp 192.0.2.10:3478",
        evidence: &["stun@relay (192.0.2.10:3478)"],
        silent: || Site::new().saw(&stun(RELAY), Said::NoWay),
    },
];

/// Two different servers are silent; whether anything answers is left open.
fn udp_blocked() -> Site {
    Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&register(), Said::Silence(7))
}

#[test]
fn udp_blocked_hides_what_follows_from_it() {
    let diagnosis = udp_blocked().saw(&dns(NS), Said::Works).diagnosis();

    let [finding] = &diagnosis.findings[..] else { panic!("{:#?}", diagnosis.findings) };
    assert_eq!(finding.rule, "udp-blocked");
    assert_eq!(
        finding.explains,
        ["stun-turn-udp-blocked: STUN over UDP", "sip-port-blocked: registrar"]
    );
    assert_eq!(diagnosis.unexplained, []);
    assert_eq!(
        finding.next_step,
        "Ask the site network to let UDP out, and its answers back in, for: \
         udp 192.0.2.10:3478, udp 192.0.2.20:5060."
    );
}

#[test]
fn a_relay_that_only_tls_reaches_is_told_with_what_that_costs() {
    let tls = turn(RELAY).over(Transport::Tls, 5349);
    let tcp = turn(RELAY).over(Transport::Tcp, 3478);
    let blocked =
        || Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&turn(RELAY), Said::Silence(7));

    let finding = |site: &Site| {
        let mut findings = site.diagnosis().findings;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    };
    let over_tls = finding(&blocked().saw(&tls, Said::Works));
    assert_eq!(over_tls.rule, "stun-turn-udp-blocked");
    assert_eq!(over_tls.summary, "no relay answers over UDP, tls 5349 to 192.0.2.10 works");
    assert_eq!(
        over_tls.next_step,
        "Ask the site network to let UDP out, and its answers back in, for: udp 192.0.2.10:3478. \
         Until then calls depend on tls 5349 to 192.0.2.10, which costs 2 round trips more \
         than UDP before the first packet (TCP and TLS: 20.0 ms here), and voice that waits behind \
         every lost packet."
    );
    let references: Vec<_> = over_tls.evidence.iter().map(|it| it.reference.as_str()).collect();
    assert_eq!(
        references,
        [
            "stun@relay (192.0.2.10:3478)",
            "turn@relay (192.0.2.10:3478)",
            "turn-tls@relay (192.0.2.10:5349)",
        ]
    );
    // TCP needs one handshake less.
    let both = finding(&blocked().saw(&tls, Said::Works).saw(&tcp, Said::Works));
    assert!(both.summary.ends_with("tcp 3478 to 192.0.2.10 works"), "{}", both.summary);
    let neither = blocked().saw(&tls, Said::Silence(3)).saw(&dns(NS), Said::Works);
    let summary = "no relay answers over UDP, nor over TCP or TLS; other traffic works";
    assert_eq!(finding(&neither).summary, summary);
    assert_eq!(neither.diagnosis().unexplained, []);
}

#[test]
fn who_drops_udp_may_be_who_resets_tcp() {
    let tcp = turn(RELAY).over(Transport::Tcp, 3478);
    let site = Site::new()
        .saw(&turn(RELAY), Said::Silence(7))
        .saw(&tcp, Said::Resets)
        .saw(&dns(NS), Said::Works);

    let findings = site.diagnosis().findings;

    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!(finding.rule, "stun-turn-udp-blocked");
    assert_eq!(finding.explains, ["turn-down: relay"]);
}

#[test]
fn silence_over_tcp_alone_blocks_no_udp() {
    let tcp = stun(RELAY).over(Transport::Tcp, 3478);
    let site = Site::new().saw(&tcp, Said::Silence(3)).saw(&dns(NS), Said::Works);

    assert_eq!(site.found(), [""; 0]);
}

#[test]
fn a_silent_relay_address_is_one_finding_and_names_the_way_that_works() {
    let tcp = turn(RELAY_2).over(Transport::Tcp, 3478);
    let site = Site::new()
        .saw(&turn(RELAY), Said::Rejects(500))
        .saw(&stun(RELAY_2), Said::Silence(7))
        .saw(&turn(RELAY_2), Said::Silence(7))
        .saw(&tcp, Said::Works);

    let findings = site.judged_by("relay-address-blocked");

    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!(
        finding.summary,
        "relay address 192.0.2.11:3478 does not answer over UDP, others do; tcp 3478 there works"
    );
    assert_eq!(finding.evidence.len(), 3);
    assert!(
        finding
            .next_step
            .contains("1 round trip more than UDP before the first packet (TCP: 10.0 ms here)"),
        "{finding:#?}"
    );
}

#[test]
fn an_answer_of_stun_over_tcp_is_no_way_for_calls() {
    let (lost, works) = (Said::Silence(7), Said::Works);
    let tcp = |relay| stun(relay).over(Transport::Tcp, 3478);
    let silent =
        || Site::new().saw(&turn(RELAY), lost).saw(&dns(NS), works).saw(&tcp(RELAY), works);
    let some =
        Site::new().saw(&turn(RELAY), works).saw(&stun(RELAY_2), lost).saw(&tcp(RELAY_2), works);

    let all = silent().judged_by("stun-turn-udp-blocked").remove(0);
    let one = some.judged_by("relay-address-blocked").remove(0);

    assert_eq!(all.summary, "no relay answers over UDP, STUN over tcp 3478 to 192.0.2.10 does");
    assert!(one.summary.ends_with("others do; STUN over tcp 3478 answers there"), "{one:#?}");
    for finding in [all, one] {
        assert!(!finding.next_step.contains("depend on"), "{finding:#?}");
    }
    // What TURN took is a way, be it dearer.
    let tls = turn(RELAY).over(Transport::Tls, 5349);
    let dearer = silent().saw(&tls, works).judged_by("stun-turn-udp-blocked").remove(0);
    assert!(dearer.next_step.contains("calls depend on tls 5349"), "{dearer:#?}");
}

#[test]
fn a_router_that_forbids_is_one_finding_however_many_asked() {
    let forbidden = Said::Forbidden(Some("10.0.0.1"));
    let site = Site::new().saw(&stun(RELAY), forbidden).saw(&turn(RELAY).optional(), forbidden);

    let findings = site.diagnosis().findings;

    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!((finding.severity, finding.evidence.len()), (Severity::Blocking, 2));
}

#[test]
fn nameservers_answer_where_udp_is_blocked() {
    for answered in [dns(NS), delegation(NS)] {
        let site = udp_blocked().saw(&answered, Said::Works);

        assert_eq!(site.judged_by("udp-blocked").len(), 1);
    }
}

#[test]
fn udp_is_not_blocked_where_nothing_is_known_to_work() {
    assert_eq!(udp_blocked().judged_by("udp-blocked"), []);
}

#[test]
fn an_answer_of_the_vendor_s_api_is_life_even_when_it_is_no() {
    let site = udp_blocked().vendor_fails(&refused_client());

    assert!(site.evidence().has_life());
    assert_eq!(site.found(), ["udp-blocked", "api-credentials"]);
    assert!(!udp_blocked().vendor_fails(&unreachable()).evidence().has_life());
    assert!(!udp_blocked().vendor_unread().evidence().has_life());
}

#[test]
fn a_server_that_says_nothing_useful_is_life_and_no_silence() {
    let relay = Site::new().saw(&stun(RELAY), Said::Unusable(7));
    let registrar = Site::new().saw(&register(), Said::Unusable(1));

    for site in [
        relay.saw(&register(), Said::Silence(7)),
        udp_blocked().saw(&stun(RELAY_2), Said::Unusable(1)),
    ] {
        assert!(site.evidence().has_life());
        assert_eq!(site.judged_by("udp-blocked"), [], "one answer over UDP disproves it");
        assert_eq!(site.judged_by("internet-down"), []);
        assert_eq!(site.judged_by("sip-port-blocked").len(), 1, "there is life, so silence counts");
    }
    let beside_life = registrar.saw(&stun(RELAY), Said::Works);
    assert_eq!(beside_life.judged_by("sip-port-blocked"), [], "the registrar speaks");
}

#[test]
fn a_required_server_that_says_nothing_useful_is_an_unexplained_no_go() {
    for asked in [stun(RELAY), register(), dns(NS)] {
        let site = Site::new().saw(&asked, Said::Unusable(7)).saw(&stun(RELAY_2), Said::Works);
        let optional =
            Site::new().saw(&asked.optional(), Said::Unusable(7)).saw(&stun(RELAY_2), Said::Works);

        let diagnosis = site.diagnosis();

        assert_eq!(site.found(), [""; 0]);
        let [unexplained] = &diagnosis.unexplained[..] else { panic!("{diagnosis:#?}") };
        assert!(unexplained.text.contains("spoke, and nothing it said is the answer"));
        assert_eq!(diagnosis.verdict, Verdict::NoGo);
        assert_eq!(optional.diagnosis().verdict, Verdict::GoWithWarnings);
    }
}

#[test]
fn two_addresses_of_one_relay_are_one_server() {
    let site = Site::new()
        .saw_each(&[
            (&stun(RELAY), Said::Silence(7)),
            (&stun(RELAY).also_at(RELAY_2), Said::Silence(7)),
        ])
        .saw(&dns(NS), Said::Works);

    assert_eq!(site.found(), ["stun-turn-udp-blocked"]);
}

#[test]
fn a_firewall_that_pretends_to_be_a_closed_port_is_named() {
    let site = Site::new().saw(&register(), Said::Closed(Some("198.51.100.1")));

    assert_eq!(site.found(), ["port-prohibited"]);
    assert!(site.diagnosis().findings[0].summary.starts_with("198.51.100.1 forbids"));
}

#[test]
fn one_silent_server_is_no_blocked_udp() {
    let site = Site::new().saw(&register(), Said::Silence(7)).saw(&dns(NS), Said::Works);

    assert_eq!(site.found(), ["sip-port-blocked"]);
}

#[test]
fn a_firewall_that_answers_no_udp_at_all_is_no_dead_uplink_while_the_api_answers() {
    let site = udp_blocked().saw(&dns(NS), Said::Silence(7)).vendor(|_| {});

    assert_eq!(site.judged_by("internet-down"), []);
    assert_eq!(site.found(), ["udp-blocked", "dns-resolver-down"]);
}

#[test]
fn internet_down_hides_every_symptom_and_the_unreachable_api() {
    let site = udp_blocked().saw(&dns(NS), Said::Silence(7)).vendor_fails(&unreachable());

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["internet-down"]);
    assert_eq!(diagnosis.findings[0].explains, ["api-unreachable: vendor API"]);
    assert_eq!(diagnosis.verdict, Verdict::NoGo);
}

#[test]
fn a_refused_client_proves_that_the_uplink_is_up() {
    let site = udp_blocked().saw(&dns(NS), Said::Silence(7)).vendor_fails(&refused_client());

    assert_eq!(site.judged_by("internet-down"), []);
}

#[test]
fn three_checks_of_one_host_say_nothing_of_the_uplink() {
    let relay = stun(RELAY);
    let site = Site::new().saw_each(&[
        (&relay, Said::Silence(7)),
        (&relay.clone().also_at("192.0.2.12:3478"), Said::Silence(7)),
        (&relay.clone().also_at("192.0.2.13:3478"), Said::Silence(7)),
    ]);

    assert_eq!(site.evidence().cases.len(), 3);
    assert_eq!(site.judged_by("internet-down"), []);
}

// I9
#[test]
fn names_that_this_host_cannot_resolve_say_nothing_of_the_uplink() {
    let dead = Said::Unresolved(Unresolved::NoAnswer);
    let site = Site::new().saw(&stun(RELAY), dead).saw(&register(), dead).saw(&dns(NS), dead);

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["dns-resolver-down"]);
    assert_eq!(diagnosis.findings[0].owner, Owner::ThisHost);
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
}

#[test]
fn silence_at_two_hosts_and_a_resolver_that_is_gone_too_is_a_dead_uplink() {
    let site = udp_blocked().saw(&dns(NS), Said::Unresolved(Unresolved::NoAnswer));

    assert_eq!(site.found(), ["internet-down"]);
    assert_eq!(site.diagnosis().findings[0].explains, ["dns-resolver-down: this host's resolver"]);
}

#[test]
fn an_offline_host_hides_the_unreachable_api_and_its_own_resolver() {
    let site = Site::new()
        .saw(&stun(RELAY), Said::Local)
        .saw(&dns(NS), Said::Unresolved(Unresolved::NoAnswer))
        .vendor_fails(&unreachable());

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["host-offline"]);
    assert_eq!(
        diagnosis.findings[0].explains,
        ["dns-resolver-down: this host's resolver", "api-unreachable: vendor API"]
    );
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
}

#[test]
fn a_host_that_hears_the_api_is_not_offline() {
    let site = Site::new().saw(&stun(RELAY), Said::Local).vendor(|_| {});

    assert_eq!(site.judged_by("host-offline"), []);
    assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive);
}

#[test]
fn a_router_that_forbids_is_named_and_one_that_hides_is_not_invented() {
    let named = Site::new().saw(&register(), Said::Forbidden(Some("10.0.0.1")));
    let hidden = Site::new().saw(&register(), Said::Forbidden(None));

    let summary = |site: Site| site.diagnosis().findings[0].summary.clone();
    assert_eq!(summary(named), "10.0.0.1 forbids udp 192.0.2.20:5060");
    let of_nobody = "a router that does not give its name forbids udp 192.0.2.20:5060";
    assert_eq!(summary(hidden), of_nobody);
}

#[test]
fn one_lost_packet_blocks_nothing() {
    let lost = Said::Silence(1);
    let site = Site::new()
        .saw(&stun(RELAY), lost)
        .saw(&stun(RELAY_2), Said::Works)
        .saw(&register(), lost)
        .saw(&dns(NS), lost)
        .saw(&dns(NS_2), Said::Works);

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), [""; 0]);
    assert_eq!(diagnosis.unexplained, []);
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
    assert_eq!(
        diagnosis.open,
        [
            "stun@relay (192.0.2.10:3478) is undecided",
            "register@registrar (192.0.2.20:5060) is undecided",
            "record@ns (192.0.2.30:53) is undecided",
        ]
    );
}

#[test]
fn the_same_silence_in_two_of_three_cycles_is_found() {
    let lost = Said::Deadline(1);
    let once = Site::new().saw(&register(), lost).saw(&register(), Said::Works);
    let twice = once.saw(&register(), lost);

    let found = twice.saw(&dns(NS), Said::Works).found();

    assert_eq!(found, ["sip-port-blocked"]);
}

#[test]
fn what_is_not_required_is_a_warning() {
    for (id, said) in
        [("stun-turn-udp-blocked", Said::Silence(7)), ("port-prohibited", Said::Forbidden(None))]
    {
        let site = Site::new().saw(&stun(RELAY).optional(), said).saw(&dns(NS), Said::Works);

        let diagnosis = site.diagnosis();

        assert_eq!(site.found(), [id]);
        assert_eq!(diagnosis.findings[0].severity, Severity::Warning, "{id}");
        assert_eq!(diagnosis.verdict, Verdict::GoWithWarnings, "{id}");
    }
}

#[test]
fn blocked_udp_and_a_dead_uplink_are_no_no_go_where_nothing_is_required() {
    let silent = Site::new()
        .saw(&stun(RELAY).optional(), Said::Silence(7))
        .saw(&register().optional(), Said::Silence(7));
    let blocked = silent.saw(&dns(NS).optional(), Said::Works);
    let down = Site::new()
        .saw(&stun(RELAY).optional(), Said::Silence(7))
        .saw(&register().optional(), Said::Silence(7))
        .saw(&dns(NS).optional(), Said::Silence(7));

    for (site, id) in [(blocked, "udp-blocked"), (down, "internet-down")] {
        assert_eq!(site.found(), [id]);
        assert_eq!(site.diagnosis().verdict, Verdict::GoWithWarnings, "{id}");
    }
}
