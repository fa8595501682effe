//! Voice through coturn, on ways that are good and bad.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::agent::{Probed, probe};
use crate::branch::{Branch, CLOUD, Nat, Traffic};
use crate::coturn::{Coturn, Setup};
use crate::process::{program, run, text};
use crate::wire::Way;

#[test]
fn voice_through_coturn_arrives_whole_and_its_own_client_agrees() {
    let coturn = on_loopback().start();
    let at = SocketAddr::new(LOOPBACK, coturn.port);

    let probed = voice(at, "3s").run();

    probed.assert_success();
    assert_all_arrived(&probed, 150);
    for name in ["late", "duplicates", "reordered"] {
        assert_eq!(probed.fact(name), 0, "{probed:#?}");
    }
    assert_eq!(probed.fact("direction"), "loop");
    assert_eq!(probed.fact("relay_loop_refused"), false);
    assert_eq!(probed.fact("clock"), "kernel");
    assert_eq!(probed.fact("freed"), true);
    // No router is on the way, so what varies is when coturn gets its turn.
    assert!(number(&probed, "jitter_seconds") < 0.02, "{probed:#?}");
    assert!(number(&probed, "rtt_p50_seconds") < 0.02, "{probed:#?}");
    // 60 ms of jitter buffer and 20 ms of sound: R = 93.2 − 0.024 × 80 = 91.3, or 4.37.
    assert!(number(&probed, "mos_estimate_g711_plc") >= 4.3, "{probed:#?}");
    coturn.await_no_allocation(AT_ONCE);

    let client = program("turnutils_uclient", "coturn").display().to_string();
    let port = coturn.port.to_string();
    let words = ["-u", USER, "-w", PASSWORD, "-y", "-c", "-n", "150", "-l", "172", "-p", &port];
    let mut command = std::process::Command::new(client);
    let said = text(&run(command.args(words).arg("127.0.0.1")).stdout);
    assert!(said.contains("Total lost packets 0 "), "{said}");
}

#[test]
fn voice_over_tcp_arrives_whole_and_says_what_carried_it() {
    let coturn = on_loopback().start();

    let probed =
        voice(SocketAddr::new(LOOPBACK, coturn.port), "2s").option("transport", "tcp").run();

    probed.assert_success();
    assert_all_arrived(&probed, 100);
    assert_eq!((probed.fact("carrier"), probed.fact("clock")), (&"tcp".into(), &"program".into()));
    coturn.await_no_allocation(AT_ONCE);
}

#[test]
fn loss_each_way_adds_up_to_the_loss_of_the_loop() {
    let branch = Branch::behind(Nat::PortRestricted);
    let coturn = at_cloud(&branch).start();
    let (up, down) = (branch.meter(VOICE), branch.meter_at_client(VOICE));
    branch.lose(Traffic::Matching(VOICE), 5.0);

    let probed = from_the_branch(&branch, "12s").run();

    probed.assert_success();
    let (sent, received, lost) = counts(&probed);
    assert_eq!((sent, lost), (600, sent - received), "{probed:#?}");
    // What the networks themselves counted.
    assert_eq!(received, down.packets(), "{probed:#?}");
    assert!(up.packets() < sent && down.packets() < up.packets(), "{probed:#?}");
    // Of 600 packets 1 − 0.95² = 9.75 % are lost, ± 5 standard deviations of 1.21 %.
    let ratio = number(&probed, "loss_ratio");
    assert!((0.037..0.158).contains(&ratio), "{probed:#?}");
    // 9.75 % without delay are worth 3.43; both bounds of loss with 80 ms of delay 4.0 and 2.8.
    assert!((2.8..4.05).contains(&number(&probed, "mos_estimate_g711_plc")), "{probed:#?}");
    branch.heal();
    coturn.await_no_allocation(AT_ONCE);
}

#[test]
fn forty_milliseconds_of_jitter_read_as_a_model_of_the_wire_says() {
    let out = Way::of(Duration::from_millis(60)).jitter(Duration::from_millis(40));
    let branch = Branch::behind_wire(Nat::PortRestricted, out, Way::clear());
    let _coturn = at_cloud(&branch).start();

    let probed = from_the_branch(&branch, "10s").run();

    probed.assert_success();
    assert_eq!(counts(&probed), (500, 500, 0), "{probed:#?}");
    let (least, most) = modelled_jitter(500);
    let jitter = number(&probed, "jitter_seconds");
    assert!((least..most).contains(&jitter), "{least} to {most}: {probed:#?}");
    // 20 to 100 ms, uniformly: the packets that take 60 ms more than the fastest are late, one
    // in four, ± 5 standard deviations of 1.94 % and what the fastest of 500 is short of 20 ms.
    assert!((0.14..0.35).contains(&number(&probed, "late_ratio")), "{probed:#?}");
    assert!(number(&probed, "reordered") > 0.0, "{probed:#?}");
    assert!((0.02..0.03).contains(&number(&probed, "rtt_min_seconds")), "{probed:#?}");
    assert!((0.095..0.14).contains(&number(&probed, "rtt_max_seconds")), "{probed:#?}");
}

#[test]
fn the_mark_of_voice_survives_and_is_missed_where_a_router_takes_it() {
    let branch = Branch::behind(Nat::PortRestricted);
    let _coturn = at_cloud(&branch).start();
    let marked = branch.meter("ip dscp ef udp length 184");

    let kept = from_the_branch(&branch, "2s").run();
    let arrived = marked.packets();
    branch.bleach_dscp();
    let bleached = from_the_branch(&branch, "2s").run();

    kept.assert_success();
    assert_eq!((kept.fact("dscp_sent"), kept.fact("dscp_received")), (&46.into(), &46.into()));
    assert_eq!(arrived, 100);
    bleached.assert_success();
    let marks = (bleached.fact("dscp_sent"), bleached.fact("dscp_received"));
    assert_eq!(marks, (&46.into(), &0.into()), "{bleached:#?}");
    assert_eq!(marked.packets(), arrived);
}

#[test]
fn a_coturn_that_denies_its_own_address_gets_binding_requests_and_keeps_nothing() {
    let branch = Branch::behind(Nat::PortRestricted);
    let coturn = at_cloud(&branch).deny_peer(CLOUD).start();

    let probed = from_the_branch(&branch, "2s").run();

    probed.assert_success();
    assert_eq!(probed.fact("relay_loop_refused"), true);
    assert_eq!(
        (probed.fact("direction"), probed.fact("error_code")),
        (&"binding".into(), &403.into())
    );
    assert_eq!(
        (probed.fact("binding_sent"), probed.fact("binding_received")),
        (&100.into(), &100.into())
    );
    assert_eq!(probed.fact("sent"), &serde_json::Value::Null);
    coturn.await_no_allocation(AT_ONCE);
}

#[test]
fn a_quota_of_one_is_named_and_the_one_is_given_back() {
    let branch = Branch::behind(Nat::PortRestricted);
    let coturn = at_cloud(&branch).user_quota(1).start();

    let probed = from_the_branch(&branch, "2s").run();

    probed.assert_failure("rejected");
    assert_eq!(probed.seen["failure"]["stage"], "allocate", "{probed:#?}");
    assert_eq!(probed.fact("error_code"), 486);
    coturn.await_no_allocation(AT_ONCE);
}

#[test]
fn a_router_that_swallows_the_voice_is_a_failure_of_the_media() {
    let branch = Branch::behind(Nat::PortRestricted);
    let coturn = at_cloud(&branch).start();
    branch.drop(Traffic::Matching(VOICE));

    let probed = from_the_branch(&branch, "2s").run();

    probed.assert_failure("no_response");
    assert_eq!(probed.seen["failure"]["stage"], "media", "{probed:#?}");
    assert_eq!(counts(&probed), (100, 0, 100), "{probed:#?}");
    coturn.await_no_allocation(AT_ONCE);
}

/// The least and the most interarrival jitter, in seconds, of so many packets 20 ms apart that
/// take 20 to 100 ms, uniformly, in the order in which they arrive (RFC 3550 §6.4.1): six standard
/// deviations around the mean of a thousand such streams.
fn modelled_jitter(packets: usize) -> (f64, f64) {
    let mut dice = StdRng::seed_from_u64(1);
    let mut one = || {
        let transit = |dice: &mut StdRng| dice.random_range(0.020..0.100);
        let mut arrivals: Vec<(f64, f64)> = (0..packets)
            .map(|packet| {
                let transit = transit(&mut dice);
                (packet as f64 * 0.020 + transit, transit)
            })
            .collect();
        arrivals.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let steps = arrivals.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs());
        steps.fold(0.0, |jitter, step| jitter + (step - jitter) / 16.0)
    };
    let streams: Vec<f64> = (0..1000).map(|_| one()).collect();
    let mean = streams.iter().sum::<f64>() / 1000.0;
    let variance = streams.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 1000.0;
    (mean - 6.0 * variance.sqrt(), mean + 6.0 * variance.sqrt())
}

fn on_loopback() -> Setup {
    Coturn::at(&["127.0.0.1"]).free_port(LOOPBACK).user(USER, PASSWORD).allow_loopback_peers()
}

fn at_cloud(branch: &Branch) -> Setup {
    Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).user(USER, PASSWORD)
}

fn voice(at: SocketAddr, duration: &str) -> crate::agent::Probe {
    probe("turn-media", at).option("username", USER).password(PASSWORD).option("duration", duration)
}

fn from_the_branch(branch: &Branch, duration: &str) -> crate::agent::Probe {
    let cloud: IpAddr = CLOUD.parse().expect("an address");
    voice(SocketAddr::new(cloud, 3478), duration).inside(&branch.at_client())
}

/// Packets sent, received and lost.
#[track_caller]
fn counts(probed: &Probed) -> (u64, u64, u64) {
    let count = |name| probed.fact(name).as_u64().unwrap_or_else(|| panic!("{name}: {probed:#?}"));
    (count("sent"), count("received"), count("lost"))
}

/// What was sent arrived. A host that was too busy leaves packets out rather than send them late.
#[track_caller]
fn assert_all_arrived(probed: &Probed, planned: u64) {
    let (sent, received, lost) = counts(probed);
    assert_eq!((received, lost), (sent, 0), "{probed:#?}");
    assert!((planned * 2 / 3..=planned).contains(&sent), "{probed:#?}");
}

#[track_caller]
fn number(probed: &Probed, name: &str) -> f64 {
    probed.fact(name).as_f64().unwrap_or_else(|| panic!("{name}: {probed:#?}"))
}

const USER: &str = "probe";

const PASSWORD: &str = "probe-secret";

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// ChannelData with a packet of voice: 8 + 4 + 12 + 160.
const VOICE: &str = "udp length 184";

/// The probe frees what it holds before it ends; coturn closes its sockets a moment later.
const AT_ONCE: Duration = Duration::from_secs(2);
