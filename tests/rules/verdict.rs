//! The verdict: whether phones may come, and what is left to be known.

use branchline::diagnosis::{Exhibit, Finding, Owner, Rule, Severity, Verdict, diagnose};
use branchline::telephony::{PhoneState, Registration, State};
use branchline_probes::locate::LOCATED_BY;
use branchline_probes::{Transport, Unresolved};

use super::site::{
    NS, RELAY, RELAY_2, Said, Site, dns, phone, read, refused_client, register, stun, trunk,
    unreachable,
};

fn healthy() -> Site {
    Site::new().saw(&stun(RELAY), Said::Works).saw(&register(), Said::Works).vendor(|_| {})
}

#[test]
fn the_verdict_follows_from_what_is_required() {
    let relay_2 = || stun(RELAY_2);
    for (what, site, verdict) in [
        ("all is well", healthy(), Verdict::Go),
        ("nobody asks the vendor", Site::new().saw(&stun(RELAY), Said::Works), Verdict::Go),
        ("nothing is configured", Site::new(), Verdict::Go),
        (
            "a required failure that a rule explains",
            healthy().saw(&relay_2(), Said::Silence(7)),
            Verdict::NoGo,
        ),
        (
            "a required failure that no rule explains",
            healthy().saw(&relay_2(), Said::Nonsense),
            Verdict::NoGo,
        ),
        (
            "an optional failure that a rule explains",
            healthy().saw(&relay_2().optional(), Said::Silence(7)),
            Verdict::GoWithWarnings,
        ),
        (
            "an optional failure that no rule explains",
            healthy().saw(&relay_2().optional(), Said::Nonsense),
            Verdict::GoWithWarnings,
        ),
        (
            "a required packet is lost",
            healthy().saw(&relay_2(), Said::Silence(1)),
            Verdict::Inconclusive,
        ),
        (
            "an optional packet is lost",
            healthy().saw(&relay_2().optional(), Said::Silence(1)),
            Verdict::Go,
        ),
        ("a required check never ran", healthy().planned(&relay_2()), Verdict::Inconclusive),
        ("an optional check never ran", healthy().planned(&relay_2().optional()), Verdict::Go),
        ("the API was never read", healthy().vendor_unread(), Verdict::Inconclusive),
        ("the API is unreachable", healthy().vendor_fails(&unreachable()), Verdict::Inconclusive),
        ("the API refuses us", healthy().vendor_fails(&refused_client()), Verdict::Inconclusive),
        (
            "the API was read once and fails since",
            healthy().vendor(|it| it.phones.problem = Some(unreachable())),
            Verdict::GoWithWarnings,
        ),
        (
            "phones are offline",
            healthy().vendor(|it| it.phones = read([phone("Desk", PhoneState::Failed)])),
            Verdict::GoWithWarnings,
        ),
        (
            "a trunk is down",
            healthy().vendor(|it| {
                it.trunks = read([trunk("A", State::Down, Registration::NotApplicable)]);
            }),
            Verdict::NoGo,
        ),
        (
            "the vendor's words say nothing",
            healthy().vendor(|it| {
                it.trunks = read([trunk("A", State::Unknown, Registration::Unknown)]);
                it.phones = read([phone("Desk", PhoneState::Unknown)]);
            }),
            Verdict::Go,
        ),
        (
            "a no-go wins over what is unknown",
            healthy().saw(&relay_2(), Said::Nonsense).vendor_unread(),
            Verdict::NoGo,
        ),
        (
            "what is unknown wins over a warning",
            healthy()
                .saw(&relay_2(), Said::Silence(1))
                .vendor(|it| it.phones = read([phone("Desk", PhoneState::Failed)])),
            Verdict::Inconclusive,
        ),
    ] {
        let diagnosis = site.diagnosis();

        assert_eq!(diagnosis.verdict, verdict, "{what}: {diagnosis:#?}");
    }
}

// I9
#[test]
fn a_fault_of_this_host_is_never_a_no_go() {
    for said in [
        Said::Local,
        Said::Cancelled,
        Said::Internal,
        Said::Unresolved(Unresolved::NoAnswer),
        Said::Unresolved(Unresolved::ResolverFailed),
    ] {
        let everything = Site::new()
            .saw(&stun(RELAY), said)
            .saw(&stun(RELAY_2), said)
            .saw(&register(), said)
            .saw(&dns(NS), said);
        let one = healthy().saw(&stun(RELAY_2), said);

        assert_eq!(everything.diagnosis().verdict, Verdict::Inconclusive, "all {said:?}");
        assert_eq!(one.diagnosis().verdict, Verdict::Inconclusive, "one {said:?}");
        assert_eq!(one.diagnosis().unexplained, [], "{said:?}");
    }
}

#[test]
fn what_is_open_is_said_one_by_one() {
    let site = Site::new()
        .planned(&register())
        .saw(&stun(RELAY), Said::Local)
        .vendor_unread()
        .vendor(|it| it.edges = read([]));

    assert_eq!(
        site.diagnosis().open,
        [
            "register@registrar was not run",
            "stun@relay (192.0.2.10:3478) is undecided",
            "what the vendor says of its edge groups could not be read",
            "what the vendor says of its trunks could not be read",
            "what the vendor says of its phones could not be read",
        ]
    );
}

#[test]
fn findings_come_worst_first_and_root_causes_first_among_equals() {
    let site = Site::new()
        .saw(&register().optional(), Said::Rejects(401))
        .saw(&stun(RELAY), Said::Forbidden(None))
        .vendor(|it| {
            it.trunks = read([trunk("A", State::Down, Registration::Unregistered)]);
        });

    let findings = site.diagnosis().findings;

    let seen: Vec<_> = findings.iter().map(|it| (it.severity, it.rule)).collect();
    assert_eq!(
        seen,
        [
            (Severity::Blocking, "trunk-down"),
            (Severity::Blocking, "port-prohibited"),
            (Severity::Warning, "sip-credentials"),
        ]
    );
}

#[test]
fn without_rules_every_failure_is_unexplained() {
    let site = Site::new().saw(&stun(RELAY), Said::Silence(7)).saw(&register(), Said::Works);

    let diagnosis = diagnose(&site.evidence(), &[]);

    assert_eq!(diagnosis.findings, []);
    assert_eq!(diagnosis.verdict, Verdict::NoGo);
    let [exhibit] = &diagnosis.unexplained[..] else { panic!("{diagnosis:#?}") };
    assert_eq!(exhibit.reference, "stun@relay (192.0.2.10:3478)");
    assert_eq!(exhibit.text, "no response from 192.0.2.10:3478 to 7 requests in 8.0 s");
}

#[test]
fn the_same_evidence_gives_the_same_diagnosis() {
    let site = healthy().saw(&dns(NS), Said::Silence(7)).saw(&stun(RELAY_2), Said::Silence(7));

    assert_eq!(site.diagnosis(), site.diagnosis());
}

/// A rule that knows what is wrong over UDP.
static DATAGRAMS: Rule = Rule {
    id: "DATAGRAMS",
    meaning: "",
    decided_by: "",
    falsified_by: "",
    remedy: "",
    judge: |evidence| {
        let over_udp =
            evidence.cases.iter().filter(|case| case.observation.transport == Transport::Udp);
        let finding =
            Finding::new(&DATAGRAMS, Severity::Warning, Owner::SiteNetwork, "it", "is broken");
        vec![finding.because(over_udp.map(Exhibit::of_case))]
    },
};

#[test]
fn what_explains_one_transport_explains_no_other_at_the_same_address() {
    let located = register().stating(&LOCATED_BY, "naptr");
    let over_tcp = located.clone().over(Transport::Tcp, 5060).of_module("register");
    let site = Site::new().saw_each(&[(&located, Said::Nonsense), (&over_tcp, Said::Nonsense)]);

    let diagnosis = diagnose(&site.evidence(), &[&DATAGRAMS]);

    let [exhibit] = &diagnosis.unexplained[..] else { panic!("{diagnosis:#?}") };
    assert_eq!(exhibit.reference, "register@registrar (tcp 192.0.2.20:5060)");
    assert_eq!(
        diagnosis.findings[0].evidence[0].reference,
        "register@registrar (udp 192.0.2.20:5060)"
    );
    assert_eq!(diagnosis.verdict, Verdict::NoGo);
}

/// A rule that always finds one thing, and explains the finding of another.
macro_rules! invented {
    ($rule:ident explains $other:literal) => {
        static $rule: Rule = Rule {
            id: stringify!($rule),
            meaning: "",
            decided_by: "",
            falsified_by: "",
            remedy: "",
            judge: |_| {
                let owner = Owner::Vendor;
                let finding = Finding::new(&$rule, Severity::Blocking, owner, "it", "broken");
                vec![finding.covering(&[$other])]
            },
        };
    };
}

invented!(ROCK explains "SCISSORS");
invented!(SCISSORS explains "PAPER");
invented!(PAPER explains "ROCK");
invented!(SPRING explains "ROCK");

#[test]
fn findings_that_explain_each_other_in_a_circle_do_not_all_vanish() {
    let nothing = Site::new().evidence();

    let circle = diagnose(&nothing, &[&ROCK, &SCISSORS, &PAPER]);
    let rooted = diagnose(&nothing, &[&ROCK, &SCISSORS, &PAPER, &SPRING]);

    assert_eq!(circle.findings.len(), 3);
    assert_eq!(circle.verdict, Verdict::NoGo);
    let [root] = &rooted.findings[..] else { panic!("{rooted:#?}") };
    assert_eq!(root.rule, "SPRING");
    assert_eq!(root.explains, ["ROCK: it", "SCISSORS: it", "PAPER: it"]);
}
