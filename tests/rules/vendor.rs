//! The rules about the vendor: what it says, and what keeps it from saying it.

use std::time::{Duration, SystemTime};

use branchline::diagnosis::{Finding, Kind, Owner, Severity, Verdict};
use branchline::outputs::metrics;
use branchline::telephony::{ApiProblem, PhoneState, Registration, Snapshot, State};
use branchline_probes::Foreign;

use super::Row;
use super::site::{
    BEGIN, RELAY, Said, Site, edge, edge_group, failed, late, named, phone, read, refused_client,
    register, rule, stun, trunk, unreachable,
};

const CARRIER: &str = "Carrier A";
const MINUTE: Duration = Duration::from_secs(60);

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "edge-offline",
        fires: || says(|it| it.edges = read([edge("Edge 1", State::Down)])),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "Edge 1",
        evidence: &["edge Edge 1"],
        silent: || {
            says(|it| {
                it.edges = read([edge("Edge 1", State::Up), edge("Edge 2", State::Unknown)]);
                it.phones = read([phone("Desk", PhoneState::Failed)]);
            })
        },
    },
    Row {
        rule: "edge-group-not-ready",
        fires: || says(|it| it.edge_groups = read([edge_group("Lyon", State::Down)])),
        owner: Owner::Vendor,
        severity: Severity::Blocking,
        subject: "Lyon",
        evidence: &["edge group Lyon"],
        silent: || {
            says(|it| {
                it.edge_groups = read([edge_group("Lyon", State::Unknown)]);
                it.edges = read([edge("Edge 1", State::Down)]);
            })
        },
    },
    Row {
        rule: "trunk-down",
        fires: || says(|it| it.trunks = read([trunk(CARRIER, State::Down, NOT_APPLICABLE)])),
        owner: Owner::Carrier,
        severity: Severity::Blocking,
        subject: CARRIER,
        evidence: &["trunk Carrier A"],
        silent: || says(|it| it.trunks = read([trunk(CARRIER, State::Unknown, UNREGISTERED)])),
    },
    Row {
        rule: "trunk-unregistered",
        fires: || says(|it| it.trunks = read([trunk(CARRIER, State::Up, UNREGISTERED)])),
        owner: Owner::Carrier,
        severity: Severity::Blocking,
        subject: CARRIER,
        evidence: &["trunk Carrier A"],
        silent: || says(|it| it.trunks = read([trunk(CARRIER, State::Down, NOT_APPLICABLE)])),
    },
    Row {
        rule: "trunk-configuration",
        fires: || we_register(Said::Works, trunk(CARRIER, State::Up, UNREGISTERED)),
        owner: Owner::Configuration,
        severity: Severity::Blocking,
        subject: CARRIER,
        evidence: &["register@registrar (192.0.2.20:5060)", "trunk Carrier A"],
        silent: || we_register(Said::Rejects(401), trunk(CARRIER, State::Up, UNREGISTERED)),
    },
    Row {
        rule: "phones-offline",
        fires: || says(|it| it.phones = read([phone("Desk", PhoneState::Failed)])),
        owner: Owner::Phones,
        severity: Severity::Warning,
        subject: "phones",
        evidence: &["phone Desk"],
        silent: || {
            says(|it| {
                it.edge_groups = read([edge_group("Lyon", State::Down)]);
                it.phones = read([
                    phone("Pending", PhoneState::Pending),
                    phone("Unassigned", PhoneState::Unassigned),
                    phone("Unknown", PhoneState::Unknown),
                ]);
            })
        },
    },
    Row {
        rule: "location-invalid",
        fires: || Site::new().vendor_fails(&elsewhere()),
        owner: Owner::Configuration,
        severity: Severity::Warning,
        subject: "vendor API",
        evidence: &["edges, edge groups, trunks, phones"],
        silent: || Site::new().vendor_fails(&refused_client()),
    },
    Row {
        rule: "api-unreachable",
        fires: || Site::new().vendor_fails(&unreachable()),
        owner: Owner::SiteNetwork,
        severity: Severity::Warning,
        subject: "vendor API",
        evidence: &["edges, edge groups, trunks, phones"],
        silent: || Site::new().vendor_fails(&refused_client()),
    },
    Row {
        rule: "api-credentials",
        fires: || Site::new().vendor_fails(&refused_client()),
        owner: Owner::Credentials,
        severity: Severity::Warning,
        subject: "vendor API",
        evidence: &["edges, edge groups, trunks, phones"],
        silent: || Site::new().vendor_fails(&unreachable()),
    },
    Row {
        rule: "api-permission",
        fires: || says(|it| it.phones = failed(&forbidden())),
        owner: Owner::Credentials,
        severity: Severity::Warning,
        subject: "vendor API",
        evidence: &["phones"],
        silent: || says(|it| it.phones = failed(&throttled())),
    },
    Row {
        rule: "api-throttled",
        fires: || says(|it| it.phones = failed(&throttled())),
        owner: Owner::Configuration,
        severity: Severity::Warning,
        subject: "vendor API",
        evidence: &["phones"],
        silent: || says(|it| it.phones = failed(&forbidden())),
    },
    Row {
        rule: "state-stale",
        fires: || says(|it| it.trunks.read = Some(ago(11 * MINUTE))),
        owner: Owner::Configuration,
        severity: Severity::Warning,
        subject: "vendor API",
        evidence: &["trunks"],
        silent: || says(|it| it.trunks = failed(&throttled())),
    },
];

const UNREGISTERED: Registration = Registration::Unregistered;
const NOT_APPLICABLE: Registration = Registration::NotApplicable;

/// Nothing was probed, and the vendor says this.
fn says(change: impl FnOnce(&mut Snapshot)) -> Site {
    Site::new().vendor(change)
}

/// We try to register where the vendor's trunk leads.
fn we_register(said: Said, trunk: branchline::telephony::Trunk) -> Site {
    let site = Site::new().saw(&register().of_trunk(CARRIER), said);
    site.vendor(|it| it.trunks = late(read([trunk])))
}

/// So long before the evidence is drawn, which is a second after the first cycle began.
fn ago(age: Duration) -> SystemTime {
    BEGIN + Duration::from_secs(1) - age
}

fn forbidden() -> ApiProblem {
    ApiProblem::Permission { path: "/phones", detail: Foreign::new("missing.permissions") }
}

fn elsewhere() -> ApiProblem {
    ApiProblem::NoSuchLocation { location: "Lyon ofice".to_owned() }
}

fn throttled() -> ApiProblem {
    ApiProblem::Throttled { path: "/phones", retry_after: MINUTE }
}

fn only(site: &Site, id: &str) -> Finding {
    assert_eq!(site.found(), [id]);
    site.diagnosis().findings.remove(0)
}

#[test]
fn an_offline_edge_hides_its_group_and_its_trunks_and_no_others_and_no_phones() {
    let site = says(|it| {
        let mut offline = edge("Edge 1", State::Down);
        offline.edge_group = Some(named("Lyon"));
        it.edges = read([offline]);
        it.edge_groups = read([edge_group("Lyon", State::Down), edge_group("Nice", State::Down)]);
        let mut of_edge = trunk(CARRIER, State::Down, UNREGISTERED);
        of_edge.edge = Some(named("Edge 1"));
        let mut of_other = trunk("Carrier B", State::Down, NOT_APPLICABLE);
        of_other.edge = Some(named("Edge 2"));
        it.trunks = read([of_edge, of_other]);
        it.phones = read([phone("Desk", PhoneState::Failed)]);
    });

    let findings = site.diagnosis().findings;

    let seen: Vec<_> = findings.iter().map(|it| (it.rule, it.subject.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("edge-offline", "Edge 1"),
            ("edge-group-not-ready", "Nice"),
            ("trunk-down", "Carrier B"),
            ("phones-offline", "phones"),
        ]
    );
    assert_eq!(
        findings[0].explains,
        ["edge-group-not-ready: Lyon", "trunk-down: Carrier A", "trunk-unregistered: Carrier A",]
    );
}

#[test]
fn a_location_without_a_site_leaves_all_open() {
    let site = Site::new().saw(&stun(RELAY), Said::Works).vendor_fails(&elsewhere());

    assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive);
    let finding = only(&site, "location-invalid");
    let said = "the vendor has nothing at location `Lyon ofice`";
    assert_eq!(finding.evidence[0].text, said);
}

#[test]
fn a_trunk_that_is_down_hides_that_it_is_unregistered() {
    let site = says(|it| it.trunks = read([trunk(CARRIER, State::Down, UNREGISTERED)]));

    let finding = only(&site, "trunk-down");

    assert_eq!(finding.explains, ["trunk-unregistered: Carrier A"]);
}

#[test]
fn a_trunk_within_the_vendor_s_cloud_is_the_vendor_s() {
    let mut inner = trunk("Edge to edge", State::Down, NOT_APPLICABLE);
    inner.kind = Foreign::new("EDGE");
    inner.problem = Some(Foreign::new("no keepalive"));

    let finding = only(&says(|it| it.trunks = read([inner])), "trunk-down");

    assert_eq!(finding.owner, Owner::Vendor);
    assert_eq!(finding.evidence[0].kind, Kind::State);
    assert_eq!(finding.evidence[0].text, "the trunk's words: no keepalive");
}

#[test]
fn a_trunk_that_is_switched_off_is_nobody_s_fault_and_no_puzzle_either() {
    let off = || {
        let mut off = trunk(CARRIER, State::Down, UNREGISTERED);
        off.is_switched_off = true;
        off
    };
    let alone = says(|it| it.trunks = read([off()]));
    let registering = we_register(Said::Works, off());

    for site in [alone, registering] {
        let finding = only(&site, "trunk-down");
        let whose = (finding.owner, finding.severity);
        assert_eq!(whose, (Owner::Configuration, Severity::Warning));
        assert_eq!(finding.summary, "trunk Carrier A is switched off at the vendor");
        assert_eq!(finding.explains, ["trunk-unregistered: Carrier A"]);
        assert_eq!(site.diagnosis().verdict, Verdict::GoWithWarnings);
    }
}

#[test]
fn two_trunks_of_one_name_do_not_hide_each_other() {
    let of = |number: u8, state| {
        let mut trunk = trunk(CARRIER, state, UNREGISTERED);
        trunk.reference.id = Foreign::new(format!("trunk-{number}"));
        trunk.edge = Some(named(&format!("Edge {number}")));
        trunk
    };
    let site = says(|it| {
        it.edges = read([edge("Edge 1", State::Down), edge("Edge 2", State::Up)]);
        it.trunks = read([of(1, State::Down), of(2, State::Down), of(3, State::Up)]);
    });

    let findings = site.diagnosis().findings;

    let seen: Vec<_> = findings.iter().map(|it| (it.rule, it.explains.len())).collect();
    assert_eq!(seen, [("edge-offline", 2), ("trunk-down", 1), ("trunk-unregistered", 0)]);
}

#[test]
fn a_trunk_on_an_edge_that_is_not_in_service_is_not_the_carrier_s() {
    let mut new = edge("Edge 1", State::Unknown);
    new.is_in_service = false;
    let mut of_edge = trunk(CARRIER, State::Down, UNREGISTERED);
    of_edge.edge = Some(named("Edge 1"));

    let finding = only(
        &says(|it| {
            it.edges = read([new]);
            it.trunks = read([of_edge]);
        }),
        "trunk-down",
    );

    assert_eq!((finding.owner, finding.severity), (Owner::Configuration, Severity::Warning));
    assert_eq!(finding.summary, "trunk Carrier A is down, since edge Edge 1 is not in service");
}

#[test]
fn our_own_registration_makes_the_trunk_s_trouble_one_of_its_settings() {
    let site = we_register(Said::Works, trunk(CARRIER, State::Down, UNREGISTERED));

    let finding = only(&site, "trunk-configuration");

    assert_eq!(finding.explains, ["trunk-down: Carrier A", "trunk-unregistered: Carrier A"]);
    assert_eq!(finding.evidence[0].kind, Kind::Observation);
    assert_eq!(finding.evidence[1].kind, Kind::State);
}

#[test]
fn a_registered_trunk_is_never_misconfigured_and_an_unknown_one_neither() {
    for registration in [Registration::Registered, Registration::Unknown, NOT_APPLICABLE] {
        for state in [State::Up, State::Unknown] {
            let site = we_register(Said::Works, trunk(CARRIER, state, registration));

            assert_eq!(site.found(), [""; 0], "{state:?} {registration:?}");
        }
    }
}

#[test]
fn five_phones_are_named_and_all_are_counted() {
    let phones: Vec<_> =
        (1..=7).map(|number| phone(&format!("Desk {number}"), PhoneState::Failed)).collect();
    let mut all = phones;
    all.push(phone("Active", PhoneState::Active));

    let finding = only(&says(|it| it.phones = read(all)), "phones-offline");

    assert_eq!(finding.summary, "7 of 8 phones are out of service");
    assert_eq!(finding.evidence.len(), 5);
}

#[test]
fn phones_alone_are_a_go_with_warnings() {
    let site = says(|it| it.phones = read([phone("Desk", PhoneState::Failed)]));

    assert_eq!(site.diagnosis().verdict, Verdict::GoWithWarnings);
}

#[test]
fn an_api_that_answers_wrongly_is_the_vendor_s() {
    for problem in [
        ApiProblem::Server { path: "/edges", status: 502 },
        ApiProblem::Malformed { path: "/edges", what: "no JSON" },
    ] {
        let site = says(|it| it.edges = failed(&problem));

        assert_eq!(only(&site, "api-unreachable").owner, Owner::Vendor, "{problem}");
    }
}

#[test]
fn parts_with_the_same_problem_share_an_exhibit_and_others_do_not() {
    let site = says(|it| {
        it.edges = failed(&unreachable());
        it.trunks = failed(&unreachable());
        it.phones = failed(&ApiProblem::Server { path: "/phones", status: 500 });
    });

    let finding = only(&site, "api-unreachable");

    let seen: Vec<_> =
        finding.evidence.iter().map(|it| (it.reference.as_str(), it.text.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("edges, trunks", "api.example.net is unreachable: timeout"),
            ("phones", "/phones answered 500"),
        ]
    );
}

#[test]
fn every_problem_of_the_api_hides_that_its_state_grows_old() {
    for (problem, id) in [
        (unreachable(), "api-unreachable"),
        (refused_client(), "api-credentials"),
        (forbidden(), "api-permission"),
        (throttled(), "api-throttled"),
        (elsewhere(), "location-invalid"),
    ] {
        let site = says(|it| {
            it.phones.read = Some(ago(60 * MINUTE));
            it.phones.problem = Some(problem);
        });

        assert_eq!(only(&site, id).explains, ["state-stale: vendor API"]);
        assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive, "{id}");
    }
}

// I6
#[test]
fn state_is_stale_after_three_intervals_and_a_minute_and_not_before() {
    let aged = |interval, age| {
        let site = says(|it| {
            it.interval = interval;
            it.edges.read = Some(ago(age));
        });
        site.found()
    };
    let second = Duration::from_secs(1);

    for interval in [MINUTE, 10 * second, 60 * MINUTE] {
        let keeps = interval * 3 + MINUTE;
        assert_eq!(aged(interval, keeps), [""; 0], "{interval:?}");
        assert_eq!(aged(interval, keeps + second), ["state-stale"], "{interval:?}");
    }
}

// I6
#[test]
fn what_is_too_old_is_neither_good_nor_bad_and_only_its_time_is_kept() {
    let site = Site::new().saw(&stun(RELAY), Said::Works).vendor(|it| {
        it.trunks = read([trunk(CARRIER, State::Down, UNREGISTERED)]);
        it.edges = read([edge("Edge 1", State::Up)]);
        it.trunks.read = Some(ago(5 * MINUTE));
    });

    let evidence = site.evidence();
    let diagnosis = site.diagnosis();

    let state = evidence.state.expect("the vendor is asked");
    assert_eq!((state.trunks.items.len(), state.trunks.stale), (0, true));
    assert_eq!(state.trunks.read, Some(ago(5 * MINUTE)));
    assert_eq!((state.edges.items.len(), state.edges.stale), (1, false));
    assert_eq!(site.found(), ["state-stale"]);
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
    assert_eq!(diagnosis.open, ["what the vendor says of its trunks is too old"]);
}

#[test]
fn what_was_never_read_is_not_too_old() {
    let diagnosis = Site::new().vendor_unread().diagnosis();

    assert!(diagnosis.open.iter().all(|open| open.ends_with("could not be read")));
    assert_eq!(diagnosis.findings, []);
}

// I6
#[test]
fn metrics_count_nothing_of_what_is_too_old_and_say_when_it_was_read() {
    let scraped = |age| {
        let site = Site::new().saw(&register().of_trunk(CARRIER), Said::Works).vendor(|it| {
            it.trunks = read([trunk(CARRIER, State::Up, Registration::Registered)]);
            it.trunks.read = Some(ago(age));
        });
        metrics::encode("lyon", &site.evidence(), &site.diagnosis())
    };

    let (young, old) = (scraped(MINUTE), scraped(5 * MINUTE));

    for series in ["branchline_trunks{", "branchline_trunk_up{", "branchline_trunk_registered{"] {
        assert!(young.contains(series), "{series} is not in {young}");
        assert!(!old.contains(series), "{series} is in {old}");
    }
    for text in [young, old] {
        assert!(text.contains("branchline_edges{"), "{text}");
        let read = "branchline_telephony_read_timestamp_seconds{part=\"trunks\"";
        assert!(text.contains(read), "{text}");
    }
}

#[test]
fn a_reading_from_the_future_is_not_stale() {
    let site = says(|it| it.edges.read = Some(BEGIN + 60 * MINUTE));

    assert_eq!(site.found(), [""; 0]);
}

#[test]
fn without_a_vendor_every_rule_about_it_is_silent() {
    let site = Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&register(), Said::Rejects(503));

    for row in ROWS {
        assert_eq!((rule(row.rule).judge)(&site.evidence()), [], "{}", row.rule);
    }
}
