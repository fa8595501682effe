//! What a SIP helper on the way does to messages is found every time, and nothing is found where
//! there is none.

mod proxy;
mod router;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::agent::{Probe, Probed, probe};
use crate::kamailio::{Kamailio, PASSWORD};

use proxy::{Habit, Proxy};

/// A probe of the registrar through a proxy.
fn through(proxy: &Proxy) -> Probe {
    probe("sip-register", proxy.at)
        .option("address_of_record", "sip:1001@branch.test")
        .option("allow_cleartext", "true")
        .password(PASSWORD)
}

/// Runs this many probes, a few at a time.
fn run_all(count: usize, probe: impl Fn(usize) -> Probe + Sync) -> Vec<Probed> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let numbers = numbers.take_while(|number| *number < count);
        numbers.map(|number| probe(number).run()).collect::<Vec<_>>()
    };
    let probed: Vec<Probed> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it ran")).collect()
    });
    assert_eq!(probed.len(), count);
    probed
}

/// The lines of what differs.
fn differences(probed: &Probed) -> Vec<&str> {
    let lines = probed.fact("differences").as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(|line| line.as_str()).collect()
}

/// How many tell that something rewrites.
fn found(probed: &[Probed]) -> usize {
    probed.iter().filter(|it| *it.fact("rewritten") == true).count()
}

/// It came back as it was sent, and nothing is left.
#[track_caller]
fn assert_clean(probed: &Probed) {
    probed.assert_success();
    assert_eq!(*probed.fact("rewritten"), false, "{probed:#?}");
    assert_eq!(*probed.fact("differences"), json!(null), "{probed:#?}");
}

/// The one line of the differences that begins so, without its beginning.
#[track_caller]
fn line<'a>(probed: &'a Probed, start: &str) -> &'a str {
    let lines: Vec<&str> =
        differences(probed).iter().filter_map(|line| line.strip_prefix(start)).collect();
    let [line] = lines[..] else { panic!("{start} {probed:#?}") };
    line
}

#[test]
fn a_proxy_that_names_another_in_via_and_contact_is_found_in_100_of_100_runs() {
    let kamailio = Kamailio::asking_for("SHA-256").start();
    let proxies = [Habit::NamesItself, Habit::NamesSomebodyElse]
        .map(|habit| Proxy::before(kamailio.at("udp"), habit));

    let probed = run_all(100, |number| through(&proxies[number % 2]));

    assert_eq!(found(&probed), 100);
    for one in &probed {
        one.assert_success();
        assert_eq!(*one.fact("removed"), true, "{one:#?}");
        let (sent, came) = (line(one, "- Via: "), line(one, "+ Via: "));
        assert!(sent.starts_with("127.0.0.1:"), "{one:#?}");
        assert_ne!(sent, came);
        let contact = line(one, "- Contact: sip:branchline-");
        let (mark, place) = contact.split_once('@').expect("it has a user");
        assert_eq!(place, sent, "{one:#?}");
        // The registrar holds what it was told.
        let stored = format!("sip:branchline-{mark}@{came}");
        assert_eq!(line(one, "+ Contact: "), stored);
        assert_eq!(*one.fact("contact"), *stored);
        assert_eq!(differences(one).len(), 4, "{one:#?}");
    }
    let elsewhere = probed.iter().filter(|one| line(one, "+ Via: ") == "203.0.113.77:5060");
    assert_eq!(elsewhere.count(), 50);
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

#[test]
fn a_proxy_that_restores_via_is_found_by_the_contact_that_is_held() {
    let kamailio = Kamailio::asking_for("SHA-256").start();
    let proxy = Proxy::before(kamailio.at("udp"), Habit::RestoresVia);

    let probed = run_all(20, |_| through(&proxy));

    assert_eq!(found(&probed), 20);
    for one in &probed {
        one.assert_success();
        assert_eq!(*one.fact("removed"), true, "{one:#?}");
        assert!(line(one, "- Contact: ").contains("@127.0.0.1:"), "{one:#?}");
        assert!(line(one, "+ Contact: ").ends_with("@203.0.113.77:5060"), "{one:#?}");
        assert_eq!(differences(one).len(), 2, "{one:#?}");
    }
}

// A registrar may store where it saw a phone: whether it was that, or a helper that names itself
// and restores Via, nobody can tell who has no STUN server. It is shown, and no proof.
#[test]
fn a_contact_that_is_held_where_the_registrar_saw_us_is_shown_and_proves_nothing() {
    let believing = Kamailio::asking_for("SHA-256").believing_its_eyes().start();
    let plain = Kamailio::asking_for("SHA-256").start();
    let [clean, helped] = [
        Proxy::before(believing.at("udp"), Habit::PassesOn),
        Proxy::before(plain.at("udp"), Habit::RestoresViaForItself),
    ];

    for proxy in [&clean, &helped] {
        for one in run_all(10, |_| through(proxy)) {
            one.assert_success();
            assert_eq!(*one.fact("rewritten"), false, "{one:#?}");
            assert_eq!(*one.fact("removed"), true, "{one:#?}");
            let source = format!("@127.0.0.1:{}", one.fact("rport"));
            assert!(line(&one, "+ Contact: ").ends_with(&source), "{one:#?}");
            assert_eq!(differences(&one).len(), 2, "{one:#?}");
        }
    }
}

// D-SIP-1
#[test]
fn who_renames_what_tells_an_answer_apart_is_shown_though_nothing_is_an_answer() {
    let kamailio = Kamailio::asking_for("SHA-256").start();
    let asked = kamailio.at("udp");

    for (habit, sent, came) in [
        (Habit::RenamesCalls, "- Call-ID: ", "+ Call-ID: alg"),
        (Habit::RenamesBranches, "- Via branch: z9hG4bK", "+ Via branch: z9hG4bKalg"),
    ] {
        let proxy = Proxy::before(asked, habit);
        for one in run_all(5, |_| through(&proxy).option("timeout", "1s")) {
            // The schedule of RFC 3261 is longer than this test wants to wait.
            one.assert_failure("unusable");
            assert_eq!(*one.fact("rewritten"), true, "{one:#?}");
            // The registration, and the removal of what may be held.
            let lines = differences(&one);
            assert!(matches!(lines.len(), 2 | 4), "{one:#?}");
            for pair in lines.chunks(2) {
                let rest = pair[0].strip_prefix(sent);
                assert!(rest.is_some() && rest == pair[1].strip_prefix(came), "{one:#?}");
            }
        }
    }
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

#[test]
fn where_nothing_is_rewritten_nothing_is_found_in_100_runs_each() {
    let kamailio = Kamailio::asking_for("SHA-256").start();
    let asked = kamailio.at("udp");
    let proxies = [Habit::PassesOn, Habit::Respells].map(|habit| Proxy::before(asked, habit));
    let streams = Proxy::of_streams_before(kamailio.at("tcp"));

    let passed = run_all(100, |_| through(&proxies[0]));
    let straight = run_all(100, |_| kamailio.probe().password(PASSWORD));
    let respelled = run_all(20, |_| through(&proxies[1]));
    let over_tcp = run_all(20, |_| through(&streams).option("transport", "tcp"));
    let asked = run_all(20, |number| probe("sip-options", proxies[number % 2].at.to_string()));

    for one in passed.iter().chain(&straight).chain(&respelled).chain(&over_tcp) {
        assert_clean(one);
        assert_eq!(*one.fact("removed"), true, "{one:#?}");
    }
    asked.iter().for_each(assert_clean);
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

/// Two cores are busy with four.
const AT_A_TIME: usize = 4;
