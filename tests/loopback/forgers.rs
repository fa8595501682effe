//! Forgers against both probes that speak DNS, with real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use branchline::check::Check;
use branchline::driver;
use branchline_probes::dns_delegation::{SERIAL, SERVERS};
use branchline_probes::dns_query::addresses;
use branchline_probes::{Ignored, OptionValue, Outcome};
use tokio_util::sync::CancellationToken;

use crate::nameserver::{Disturbed, Nameserver, TRUTH};
use crate::ping::TOLERANCE;

/// The probes, and how many questions each asks here: of a walk the name's SOA, the zone's NS
/// records, and the SOA of its one server.
const QUESTIONS: [(&str, usize); 2] = [("dns-query", 1), ("dns-delegation", 3)];
/// How many forgeries come in all.
const FLOOD: u32 = 200_000;

async fn observe(check: &Check, address: SocketAddr, steps: &Mutex<Vec<String>>) -> Outcome {
    let watcher = |step: driver::Step| steps.lock().expect("nobody panicked").push(step.what);
    let nobody_calls_off = CancellationToken::new();
    driver::observe_one(check, address, &nobody_calls_off, Some(&watcher), None).await.outcome
}

/// Whether the probe found what is true, and nothing else.
fn assert_true(probe: &str, outcome: &Outcome, server: SocketAddr) {
    assert_eq!(outcome.failure, None, "{probe}");
    if probe == "dns-query" {
        assert_eq!(addresses(&outcome.facts), [IpAddr::from(TRUTH.0)]);
    } else {
        assert_eq!(outcome.facts.read(&SERVERS), Some(vec![server]));
        assert_eq!(outcome.facts.read(&SERIAL), Some(TRUTH.1.into()));
    }
}

// D-DNS-1
#[tokio::test]
async fn each_question_has_a_socket_of_its_own_that_hears_no_stranger() {
    for (probe, questions) in QUESTIONS {
        let server = Nameserver::start(Disturbed::ByStrangers);
        let (address, steps) = (server.address, Mutex::default());

        let outcome = observe(&server.check(probe, &[]), address, &steps).await;

        let asked = server.stop().asked;
        assert_true(probe, &outcome, address);
        // The kernel has kept the perfect lies of strangers from it.
        assert_eq!(outcome.ignored, [].into(), "{probe}");
        assert_eq!(asked.len(), questions, "{asked:?}");
        let steps = steps.into_inner().unwrap();
        let opened = steps.iter().filter(|what| what.starts_with("open udp")).count();
        assert_eq!(opened, questions, "{steps:?}");
        // A port may come up twice by chance, which is one in ten thousand, and not thrice.
        let ports: std::collections::BTreeSet<_> = asked.iter().map(|(_, port)| port).collect();
        assert!(ports.len() + 1 >= questions, "{asked:?}");
    }
}

// D-DNS-3, D-DNS-4, D-DNS-5, M4
#[tokio::test]
async fn of_a_flood_from_the_servers_own_port_nothing_is_believed_and_the_truth_wins() {
    for (probe, questions) in QUESTIONS {
        let each = FLOOD / u32::try_from(questions).expect("few");
        let server = Nameserver::start(Disturbed::ByForgeries(each));
        let (address, steps) = (server.address, Mutex::default());

        let outcome = observe(&server.check(probe, &[]), address, &steps).await;

        let diary = server.stop();
        assert_true(probe, &outcome, address);
        // Most of them found no room in the socket's buffer.
        let heard: u64 = outcome.ignored.values().sum();
        assert!(heard > 1_000 && heard <= diary.forgeries, "{heard} of {}", diary.forgeries);
        for reason in [Ignored::Mismatch, Ignored::Unasked, Ignored::Malformed] {
            assert!(outcome.ignored.contains_key(&reason), "{probe}: {:?}", outcome.ignored);
        }
    }
}

// I2, D-DNS-4
#[tokio::test]
async fn a_flood_without_end_ends_with_the_timeout() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    for (probe, _) in QUESTIONS {
        let server = Nameserver::start(Disturbed::ForEver);
        let (address, steps) = (server.address, Mutex::default());
        let check = server.check(probe, &[("timeout", OptionValue::Duration(TIMEOUT))]);
        let begun = Instant::now();

        let outcome = observe(&check, address, &steps).await;

        let took = begun.elapsed();
        server.stop();
        assert_eq!(outcome.failure.expect("it failed").1.label(), "unusable", "{probe}");
        assert!(took >= TIMEOUT && took <= TIMEOUT + TOLERANCE, "{probe} took {took:?}");
    }
}
