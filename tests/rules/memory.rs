//! The memory: what is kept, for how long, and when a failure may be believed.

use std::sync::Arc;
use std::time::Duration;

use branchline::check::Check;
use branchline::correlation::Memory;
use branchline::diagnosis::Verdict;
use branchline_probes::Unresolved;

use super::site::{
    Asked, BEGIN, INTERVAL, NS, RELAY, RELAY_2, Said, Site, TIMEOUT, dns, register, stun,
};

/// A memory of these cycles of one check, the first at the beginning.
fn memory(asked: &Asked, cycles: &[Said]) -> (Memory, Check) {
    let (mut memory, check) = (Memory::default(), asked.check());
    for (said, number) in cycles.iter().zip(0..) {
        memory.record(&check.id(), [asked.observation(*said, BEGIN + INTERVAL * number)]);
    }
    (memory, check)
}

/// Whether a failure is believed after these cycles.
fn is_down(cycles: &[Said]) -> bool {
    let site = cycles.iter().fold(Site::new(), |site, said| site.saw(&register(), *said));
    site.evidence().cases[0].is_down()
}

#[test]
fn one_lost_packet_is_not_believed_and_two_of_three_cycles_are() {
    let (lost, up) = (Said::Silence(1), Said::Works);

    for (cycles, believed) in [
        (&[lost][..], false),
        (&[up, lost], false),
        (&[up, up, lost], false),
        (&[lost, lost], true),
        (&[lost, up, lost], true),
        (&[up, lost, lost], true),
        (&[lost, lost, up], false),
        (&[lost, up, up, lost], false),
    ] {
        assert_eq!(is_down(cycles), believed, "{cycles:?}");
    }
}

#[test]
fn three_unanswered_requests_of_one_exchange_are_believed_and_two_are_not() {
    for silence in [Said::Silence, Said::Deadline] {
        assert!(!is_down(&[silence(2)]));
        assert!(is_down(&[silence(3)]));
    }
}

#[test]
fn a_failure_that_is_an_answer_is_believed_at_once() {
    for said in [Said::Rejects(503), Said::Closed(None), Said::Forbidden(None), Said::Nonsense] {
        assert!(is_down(&[Said::Works, said]), "{said:?}");
    }
}

#[test]
fn an_answer_between_two_silences_is_silence_all_the_same_but_no_failure_of_this_host_is() {
    assert!(is_down(&[Said::Silence(1), Said::Rejects(503), Said::Silence(1)]));
    assert!(!is_down(&[Said::Local, Said::Silence(1)]));
    assert!(!is_down(&[Said::Silence(7), Said::Local]));
}

// I6
#[test]
fn after_three_intervals_without_news_a_check_is_missing_and_no_longer_good() {
    let site = Site::new().saw(&stun(RELAY), Said::Works);
    let keeps = INTERVAL * 3 + TIMEOUT;

    let young = site.evidence_at(BEGIN + keeps);
    let old = site.evidence_at(BEGIN + keeps + Duration::from_secs(1));

    assert_eq!((young.cases.len(), young.missing.len()), (1, 0));
    assert_eq!((old.cases.len(), old.missing.len()), (0, 1));
    assert_eq!(branchline::diagnosis::diagnose(&old, &[]).verdict, Verdict::Inconclusive);
}

#[test]
fn an_optional_check_that_grows_old_is_gone_and_not_missed() {
    let site = Site::new().saw(&stun(RELAY).optional(), Said::Silence(7));

    let old = site.evidence_at(BEGIN + INTERVAL * 10);

    assert_eq!((old.cases.len(), old.missing.len()), (0, 0));
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_old() {
    let (memory, check) = memory(&stun(RELAY), &[Said::Works, Said::Works, Said::Works]);

    assert_eq!(memory.latest(&check, BEGIN).count(), 1);
}

#[test]
fn three_cycles_are_kept_and_the_latest_speaks() {
    let lost = Said::Silence(1);
    // The first loss has left the memory when the last one comes.
    let (memory, check) = memory(&register(), &[lost, Said::Works, Said::Works, lost]);

    let seen: Vec<_> = memory.latest(&check, BEGIN + INTERVAL * 3).collect();

    let [(latest, confirmed)] = seen[..] else { panic!("one address, one case: {seen:#?}") };
    assert_eq!(latest.started, BEGIN + INTERVAL * 3);
    assert!(!confirmed);
}

#[test]
fn what_is_removed_from_the_plan_is_forgotten() {
    let (mut memory, relay) = memory(&stun(RELAY), &[Said::Works]);
    let registrar = register().check();
    memory.record(&registrar.id(), [register().observation(Said::Works, BEGIN)]);

    memory.retain(|id| *id == registrar.id());

    assert_eq!(memory.latest(&relay, BEGIN).count(), 0);
    assert_eq!(memory.latest(&registrar, BEGIN).count(), 1);
}

#[test]
fn a_check_that_is_not_asked_for_gives_no_case() {
    let (memory, _) = memory(&stun(RELAY), &[Said::Silence(7)]);

    let evidence = memory.evidence(&[register().check()], &Arc::default(), None, BEGIN);

    assert_eq!(evidence.cases.len(), 0);
    assert_eq!(evidence.missing, [register().check().id()]);
}

#[test]
fn each_address_of_a_target_has_its_own_cycles() {
    let (first, second) = (stun(RELAY), stun(RELAY).also_at(RELAY_2));
    let site = Site::new()
        .saw_each(&[(&first, Said::Silence(1)), (&second, Said::Works)])
        .saw_each(&[(&first, Said::Silence(1)), (&second, Said::Silence(1))]);

    let evidence = site.evidence();

    let believed: Vec<bool> =
        evidence.cases.iter().map(branchline::correlation::Case::is_down).collect();
    assert_eq!(believed, [true, false]);
}

#[test]
fn cases_come_in_the_order_of_the_plan_with_what_it_says_of_them() {
    let asked = dns(NS).optional().of_edge_group("Lyon").of_trunk("Carrier A");
    let site = Site::new().saw(&register(), Said::Works).saw(&asked, Said::Works);

    let evidence = site.evidence();

    let order: Vec<&str> = evidence.cases.iter().map(|case| &*case.id.target).collect();
    assert_eq!(order, ["registrar", "ns"]);
    let case = &evidence.cases[1];
    assert_eq!(
        (case.edge_group.as_deref(), case.trunk.as_deref()),
        (Some("Lyon"), Some("Carrier A"))
    );
    assert_eq!((case.host.as_str(), case.required), ("192.0.2.30", false));
}

#[test]
fn an_address_that_comes_back_brings_its_cycles_and_one_that_stays_away_is_forgotten() {
    let (stays, comes) = (stun(RELAY), stun(RELAY).also_at(RELAY_2));
    let lost = Said::Silence(1);
    let away = |times| {
        let mut site = Site::new().saw_each(&[(&stays, Said::Works), (&comes, lost)]);
        for _ in 0..times {
            site = site.saw(&stays, Said::Works);
            assert_eq!(
                site.evidence().cases.len(),
                1,
                "what the name does not give is no evidence"
            );
        }
        site.saw_each(&[(&stays, Said::Works), (&comes, lost)]).evidence().cases[1].is_down()
    };

    assert!(away(1));
    assert!(!away(3));
}

#[test]
fn a_name_that_resolves_again_leaves_no_failure_behind() {
    let gone = Said::Unresolved(Unresolved::NoAnswer);
    let site = Site::new().saw(&stun(RELAY), gone).saw(&stun(RELAY), Said::Works);

    let evidence = site.evidence();

    assert_eq!(evidence.cases.len(), 1);
    assert!(evidence.cases[0].is_up());
}
