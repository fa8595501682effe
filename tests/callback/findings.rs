//! Which findings are news.

use std::time::Duration;

use branchline::callback::{Event, Findings};
use branchline::diagnosis::{Diagnosis, Finding, Owner, Severity, Verdict};
use branchline::rules::RULES;
use serde_json::json;

fn finding(subject: &str, severity: Severity) -> Finding {
    let rule = RULES.iter().find(|rule| rule.id == "trunk-down").expect("it is listed");
    let finding = Finding::new(rule, severity, Owner::Carrier, subject, "the trunk is down");
    finding.next("Ask the carrier.")
}

fn diagnosis(findings: impl Into<Vec<Finding>>) -> Diagnosis {
    Diagnosis {
        verdict: Verdict::NoGo,
        findings: findings.into(),
        unexplained: Vec::new(),
        open: Vec::new(),
    }
}

fn down(subject: &str) -> Diagnosis {
    diagnosis([finding(subject, Severity::Blocking)])
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Whether each of the events says that the finding is there.
fn present(events: &[Event]) -> Vec<bool> {
    events.iter().map(|it| it.data["present"].as_bool().expect("a flag")).collect()
}

#[test]
fn a_finding_is_told_with_what_to_do_when_it_appears_and_when_it_is_gone() {
    let mut findings = Findings::default();

    let appeared = findings.note("lyon", &down("Carrier A"), seconds(0));
    let still = findings.note("lyon", &down("Carrier A"), seconds(1_000));
    let gone = findings.note("lyon", &diagnosis([]), seconds(1_001));

    let mut data = json!({
        "site": "lyon",
        "rule": "trunk-down",
        "severity": "blocking",
        "owner": "carrier",
        "subject": "Carrier A",
        "summary": "the trunk is down",
        "next_step": "Ask the carrier.",
        "present": true,
    });
    assert_eq!(appeared[0].data, data);
    assert_eq!((appeared[0].name, appeared.len()), ("branchline:finding", 1));
    assert_eq!(still, []);
    data["present"] = json!(false);
    assert_eq!(gone[0].data, data);
    assert_eq!(gone[0].subject, appeared[0].subject, "so that they arrive in order");
}

#[test]
fn what_flaps_is_told_to_be_there_once_in_five_minutes() {
    let mut findings = Findings::default();
    let mut told = Vec::new();

    // There and gone in turns, every ten seconds for ten minutes.
    for at in (0..600).step_by(10) {
        let now = if at % 20 == 0 { down("Carrier A") } else { diagnosis([]) };
        told.extend(findings.note("lyon", &now, seconds(at)));
    }

    assert_eq!(present(&told), [true, false, true, false]);
}

#[test]
fn what_comes_back_and_stays_is_told_when_the_silence_is_over() {
    let mut findings = Findings::default();
    let first = findings.note("lyon", &down("Carrier A"), seconds(0));
    let gone = findings.note("lyon", &diagnosis([]), seconds(10));

    let back = findings.note("lyon", &down("Carrier A"), seconds(20));
    let before = findings.note("lyon", &down("Carrier A"), seconds(299));
    let after = findings.note("lyon", &down("Carrier A"), seconds(300));

    assert_eq!((present(&first), present(&gone)), (vec![true], vec![false]));
    assert_eq!((back, before), (Vec::new(), Vec::new()));
    assert_eq!(present(&after), [true]);
}

#[test]
fn another_severity_is_news() {
    let mut findings = Findings::default();
    let of = |severity| diagnosis([finding("Carrier A", severity)]);
    let _ = findings.note("lyon", &of(Severity::Warning), seconds(0));

    let worse = findings.note("lyon", &of(Severity::Blocking), seconds(300));

    assert_eq!(worse[0].data["severity"], "blocking");
}

#[test]
fn each_subject_is_told_of_by_itself_and_twice_the_same_name_once() {
    let mut findings = Findings::default();
    let both = ["Carrier A", "Carrier B", "Carrier A"].map(|it| finding(it, Severity::Blocking));
    let appeared = findings.note("lyon", &diagnosis(both), seconds(0));

    let one = findings.note("lyon", &down("Carrier B"), seconds(1));

    assert_eq!(present(&appeared), [true, true]);
    assert_eq!(present(&one), [false]);
    assert_eq!(one[0].data["subject"], "Carrier A");
}

#[test]
fn of_two_things_with_one_name_the_worse_one_speaks() {
    let mut findings = Findings::default();
    let both = [Severity::Blocking, Severity::Warning].map(|it| finding("Carrier A", it));
    let appeared = findings.note("lyon", &diagnosis(both.clone()), seconds(0));

    let later = findings.note("lyon", &diagnosis(both), seconds(300));

    assert_eq!(appeared[0].data["severity"], "blocking");
    assert_eq!((appeared.len(), later), (1, Vec::new()));
}
