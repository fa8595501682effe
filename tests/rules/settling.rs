//! We register and the vendor says that its trunk cannot: when that means anything.

use std::time::{Duration, SystemTime};

use branchline::correlation::PATIENCE;
use branchline::diagnosis::Verdict;
use branchline::telephony::{Registration, State};
use branchline_probes::sip_register::MODE;

use super::site::{BEGIN, INTERVAL, Said, Site, read, register, trunk};

const CARRIER: &str = "Carrier A";
/// The exchanges of a site take so long.
const EXCHANGE: Duration = Duration::from_millis(12);

/// These cycles of our own, and a reading that began then.
fn site(cycles: &[Said], begun: SystemTime) -> Site {
    let asked = register().of_trunk(CARRIER);
    let site = cycles.iter().fold(Site::new(), |site, said| site.saw(&asked, *said));
    site.vendor(|it| {
        it.trunks = read([trunk(CARRIER, State::Up, Registration::Unregistered)]);
        it.trunks.begun = Some(begun);
    })
}

#[test]
fn a_reading_that_began_too_early_is_an_open_question_and_a_late_one_a_finding() {
    let tells = BEGIN + EXCHANGE + PATIENCE;
    let early = site(&[Said::Works], tells - Duration::from_millis(1));
    let late = site(&[Said::Works], tells);

    assert_eq!(early.found(), [""; 0]);
    assert_eq!(early.diagnosis().verdict, Verdict::Inconclusive);
    let open = early.diagnosis().open;
    let question = "whether the settings of trunk Carrier A are wrong: we can register, and the \
                    vendor was asked too early to know";
    assert_eq!(open, [question]);
    assert_eq!(late.found(), ["trunk-configuration"]);
    assert_eq!(late.diagnosis().findings[0].explains, ["trunk-unregistered: Carrier A"]);
    assert_eq!(late.diagnosis().open, [""; 0]);
    assert_eq!(late.diagnosis().verdict, Verdict::NoGo);
}

#[test]
fn nothing_is_said_yet_of_the_trunk_that_may_have_noticed_and_of_another_one_it_is() {
    let site = Site::new().saw(&register().of_trunk(CARRIER), Said::Works).vendor(|it| {
        let other = trunk("Carrier B", State::Down, Registration::Unregistered);
        it.trunks = read([trunk(CARRIER, State::Down, Registration::Unregistered), other]);
    });

    let diagnosis = site.diagnosis();

    let [finding] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
    assert_eq!((finding.rule, &*finding.subject), ("trunk-down", "Carrier B"));
    assert_eq!(diagnosis.open.len(), 1, "{:?}", diagnosis.open);
}

#[test]
fn what_counts_is_since_when_we_can_register_and_not_when_we_last_did() {
    let begun = BEGIN + INTERVAL * 2 + Duration::from_secs(1);
    let up = Said::Works;

    assert_eq!(site(&[up, up, up], begun).found(), ["trunk-configuration"]);
    let again = site(&[up, Said::Rejects(500), up], begun);
    assert_eq!(again.found(), [""; 0], "it has just begun to work");
    let down = site(&[up, up, Said::Rejects(500)], begun);
    assert_eq!(down.judged_by("trunk-configuration"), []);
}

#[test]
fn a_part_that_was_never_read_tells_nothing() {
    let mut never = site(&[Said::Works], BEGIN);
    never = never.vendor(|it| it.trunks.begun = None);

    assert_eq!(never.judged_by("trunk-configuration"), []);
}

#[test]
fn a_challenge_is_no_registration() {
    let late = BEGIN + EXCHANGE + PATIENCE;
    for (mode, found) in [
        ("credentials", "trunk-configuration"),
        ("open", "trunk-configuration"),
        ("challenge", "trunk-unregistered"),
        ("mirror", "trunk-unregistered"),
    ] {
        let asked = register().of_trunk(CARRIER).stating(&MODE, mode);
        let site = Site::new().saw(&asked, Said::Works).vendor(|it| {
            it.trunks = read([trunk(CARRIER, State::Up, Registration::Unregistered)]);
            it.trunks.begun = Some(late);
        });

        assert_eq!(site.found(), [found], "{mode}");
        assert_eq!(site.diagnosis().open, [""; 0], "{mode}");
    }
}
