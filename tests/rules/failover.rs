//! Rule `sip-server-down`: servers of a name that a walk passed over.

use branchline::diagnosis::{Owner, Severity, Verdict};
use branchline_probes::Foreign;
use branchline_probes::locate::PASSED_OVER;

use super::site::{Asked, Said, Site, options, register};

const FIRST: &str = "udp 192.0.2.1:5060 no_response";
const SECOND: &str = "udp 192.0.2.2:5070 rejected 503";

/// A walk of this name that went on past these servers.
fn walk(mut asked: Asked, passed: &[&str]) -> Asked {
    asked.host = "sip.example.com".to_owned();
    asked.stating(&PASSED_OVER, passed.iter().map(Foreign::new).collect::<Vec<_>>())
}

#[test]
fn servers_that_were_passed_over_are_a_warning_where_another_one_answers() {
    let site = Site::new().saw(&walk(register(), &[FIRST, SECOND]), Said::Works);

    let diagnosis = site.diagnosis();

    let [finding] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
    assert_eq!((finding.rule, finding.owner), ("sip-server-down", Owner::Vendor));
    assert_eq!((finding.severity, &*finding.subject), (Severity::Warning, "registrar"));
    assert_eq!(
        finding.summary,
        "2 servers of sip.example.com were passed over before one answered: \
         udp 192.0.2.1:5060 no_response, udp 192.0.2.2:5070 rejected 503"
    );
    let seen: Vec<_> = finding.evidence.iter().map(|it| (&*it.reference, &*it.text)).collect();
    assert_eq!(
        seen,
        [
            ("register@registrar (192.0.2.1:5060)", "passed over: no_response over udp"),
            ("register@registrar (192.0.2.2:5070)", "passed over: rejected 503 over udp"),
        ]
    );
    assert!(finding.next_step.starts_with("Tell whoever runs the registrar of sip.example.com "));
    assert_eq!(diagnosis.verdict, Verdict::GoWithWarnings);
}

#[test]
fn a_walk_that_passed_nobody_over_is_no_warning() {
    let site = Site::new().saw(&walk(register(), &[]), Said::Works);

    assert_eq!(site.found(), [""; 0]);
    assert_eq!(site.diagnosis().verdict, Verdict::Go);
}

#[test]
fn two_walks_past_one_server_are_one_finding_and_the_carrier_s_behind_a_trunk() {
    let site = Site::new()
        .saw(&walk(register().of_trunk("Carrier A"), &[FIRST]), Said::Works)
        .saw(&walk(options().of_trunk("Carrier A"), &[FIRST]), Said::Works);

    let findings = site.judged_by("sip-server-down");

    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!((finding.owner, finding.evidence.len()), (Owner::Carrier, 2));
    let start = "1 server of sip.example.com was passed over before one answered: ";
    assert_eq!(finding.summary, format!("{start}{FIRST}"));
}

#[test]
fn a_walk_that_ends_in_a_failure_which_nothing_explains_stays_unexplained() {
    let site = Site::new().saw(&walk(register(), &[FIRST]), Said::Rejects(600));

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["sip-server-down"]);
    assert_eq!((diagnosis.verdict, diagnosis.unexplained.len()), (Verdict::NoGo, 1));
}
