//! `stun-binding` behind a router that translates: coturn over every transport, stund, and what
//! other people's clients see of the same.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Probed, probe};
use crate::branch::{Branch, CLIENT, CLOUD, CLOUD_TOO, Nat, OUTSIDE};
use crate::certificates::Authority;
use crate::coturn::Coturn;
use crate::process::{program, run, text, words};
use crate::stund::Stund;
use crate::wire::Way;

#[test]
fn coturn_sees_the_routers_address_over_udp_tcp_and_tls() {
    let branch = Branch::behind(Nat::Symmetric);
    let authority = Authority::new();
    let identity = authority.vouch_for(&[CLOUD]);
    let _coturn = Coturn::at(&[CLOUD]).tls(5349, &identity).inside(&branch.at_cloud()).start();
    let ca = authority.path().display().to_string();

    let [udp, tcp] = ["udp", "tcp"].map(|transport| ask(&branch, &[("transport", transport)]));
    let tls = ask(&branch, &[("transport", "tls"), ("ca_file", &ca)]);

    for (probed, transport, port) in [(&udp, "udp", 3478), (&tcp, "tcp", 3478), (&tls, "tls", 5349)]
    {
        probed.assert_success();
        assert_eq!(address(probed, "mapped_address").ip().to_string(), OUTSIDE);
        assert_eq!(address(probed, "local_address").ip().to_string(), CLIENT);
        assert_eq!(probed.fact("nat"), true);
        assert_eq!(probed.fact("bogus"), false);
        assert_eq!(probed.fact("transmissions"), 1);
        assert_eq!(probed.seen["transport"], transport);
        assert_eq!(probed.seen["address"], format!("{CLOUD}:{port}"));
    }
    // Which one depends on the release of coturn.
    assert!(["1.2", "1.3"].map(Value::from).contains(tls.fact("tls_version")), "{tls:#?}");
    let subject = tls.fact("certificate_subject").as_str().unwrap_or_default();
    assert!(subject.contains("branch test server"), "{tls:#?}");
    assert_eq!(phases(&tcp), ["connect", "request"]);
    assert_eq!(phases(&tls), ["connect", "tls", "request"]);
}

#[test]
fn without_a_good_certificate_nothing_is_asked() {
    let branch = Branch::behind(Nat::None);
    let authority = Authority::new();
    let ca = authority.path().display().to_string();
    let good = authority.vouch_for(&[CLOUD]);
    let expired = authority.vouched_once_for(&[CLOUD]);
    let coturn = |identity, port| {
        let coturn = Coturn::at(&[CLOUD]).port(port).tls(port + 10, identity);
        coturn.inside(&branch.at_cloud()).start()
    };
    let (_good, _expired) = (coturn(&good, 4000), coturn(&expired, 5000));
    let tls = ("transport", "tls");

    let system = ask(&branch, &[tls, ("port", "4010")]);
    let other_name = [tls, ("port", "4010"), ("ca_file", &ca), ("server_name", "turn.example.net")];
    let other_name = ask(&branch, &other_name);
    let expired = ask(&branch, &[tls, ("port", "5010"), ("ca_file", &ca)]);
    let right = ask(&branch, &[tls, ("port", "4010"), ("ca_file", &ca)]);

    right.assert_success();
    for (probed, word) in [
        (&system, "authority that is not trusted"),
        (&other_name, "another name"),
        (&expired, "expired"),
    ] {
        probed.assert_failure("tls_failed");
        let message = probed.seen["failure"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(word), "{probed:#?}");
        assert_eq!(probed.seen["failure"]["stage"], "tls");
        assert_eq!(probed.fact("mapped_address"), &Value::Null);
    }
}

#[test]
fn coturn_stund_and_two_other_clients_agree_on_the_mapped_address() {
    // A NAT that lets everything in: coturn's client waits for answers from another address.
    let branch = Branch::behind(Nat::FullCone);
    let coturn = Coturn::at(&[CLOUD, CLOUD_TOO]).nat_behavior().inside(&branch.at_cloud()).start();
    let by_coturn = ask(&branch, &[]);
    let stunclient = client(&branch, "turnutils_stunclient", "coturn", &[CLOUD]);
    // The same two addresses, the same ports.
    drop(coturn);
    let _stund = Stund::start(&branch.at_cloud(), [CLOUD, CLOUD_TOO]);
    let by_stund = ask(&branch, &[]);
    // Its first test alone: the others wait for answers that a NAT keeps out.
    let stun = client(&branch, "stun", "stun-client", &["-v", CLOUD, "1"]);

    by_coturn.assert_success();
    by_stund.assert_success();
    for probed in [&by_coturn, &by_stund] {
        assert_eq!(address(probed, "mapped_address").ip().to_string(), OUTSIDE);
        assert_eq!(address(probed, "other_address"), format!("{CLOUD_TOO}:3479").parse().unwrap());
    }
    let origin = address(&by_coturn, "response_origin");
    assert_eq!(origin, format!("{CLOUD}:3478").parse().unwrap());
    assert_eq!(told(&stunclient, "UDP reflexive addr: ").to_string(), OUTSIDE);
    assert_eq!(told(&stun, "MappedAddress = ").to_string(), OUTSIDE);
}

#[test]
fn a_burst_counts_exactly_what_the_wire_lost() {
    let each_way = || Way::of(Duration::from_millis(20)).loss(10.0).udp_only();
    let branch = Branch::behind_wire(Nat::PortRestricted, each_way(), each_way());
    let _coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();
    let lost_before = lost(&branch);

    let probed = ask(&branch, &[("burst", "200"), ("pace", "5ms")]);

    probed.assert_success();
    let count = |fact| probed.fact(fact).as_u64().unwrap_or_else(|| panic!("{fact}: {probed:#?}"));
    let unanswered = count("burst_sent") - count("burst_received");
    // What the first Binding lost, it repeated.
    assert_eq!(unanswered + count("transmissions") - 1, lost(&branch) - lost_before, "{probed:#?}");
    assert_eq!(count("burst_sent"), 200);
    assert!(unanswered > 0, "{probed:#?}");
    let ratio = probed.fact("loss_ratio").as_f64().unwrap_or_default();
    assert!((ratio - unanswered as f64 / 200.0).abs() < 1e-9, "{probed:#?}");
    let seconds =
        |fact| probed.fact(fact).as_f64().unwrap_or_else(|| panic!("{fact}: {probed:#?}"));
    assert!(seconds("rtt_min_seconds") >= 0.040, "{probed:#?}");
    assert!(seconds("rtt_min_seconds") <= seconds("rtt_p50_seconds"), "{probed:#?}");
    assert!(seconds("rtt_p50_seconds") <= seconds("rtt_max_seconds"), "{probed:#?}");
    assert!(seconds("jitter_seconds") < seconds("rtt_max_seconds"), "{probed:#?}");
    assert_eq!(phases(&probed), ["request", "burst"]);
}

#[test]
fn packets_that_overtake_each_other_or_come_twice_are_not_lost() {
    let shaken = || Way::of(Duration::from_millis(30)).jitter(Duration::from_millis(20));
    let twice = || shaken().duplicates(50.0).udp_only();
    let branch = Branch::behind_wire(Nat::PortRestricted, twice(), twice());
    let _coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();

    let probed = ask(&branch, &[("burst", "100"), ("pace", "5ms")]);

    probed.assert_success();
    assert_eq!(probed.fact("burst_received"), 100);
    assert_eq!(probed.fact("loss_ratio"), 0.0);
    // Two ways of 10 to 50 ms each.
    let seconds =
        |fact| probed.fact(fact).as_f64().unwrap_or_else(|| panic!("{fact}: {probed:#?}"));
    assert!(seconds("rtt_min_seconds") >= 0.020, "{probed:#?}");
    assert!(seconds("jitter_seconds") > 0.001, "{probed:#?}");
}

/// What the probe says of coturn or stund in the cloud.
#[track_caller]
fn ask(branch: &Branch, options: &[(&str, &str)]) -> Probed {
    let probe = probe("stun-binding", CLOUD).inside(&branch.at_client());
    options.iter().fold(probe, |probe, (key, value)| probe.option(key, value)).run()
}

/// What another client says, whatever its exit code.
#[track_caller]
fn client(branch: &Branch, name: &str, package: &str, arguments: &[&str]) -> String {
    let path = program(name, package).display().to_string();
    let mut command: Command = words(&branch.at_client(), &[&path]);
    let output = run(command.args(arguments));
    text(&output.stdout) + &text(&output.stderr)
}

/// The IP address that a client tells behind these words.
#[track_caller]
fn told(said: &str, words: &str) -> IpAddr {
    let rest = said.split_once(words).map(|(_, rest)| rest);
    let address = rest.and_then(|rest| rest.split([':', '\n']).next()?.trim().parse().ok());
    address.unwrap_or_else(|| panic!("no address behind {words:?}: {said}"))
}

#[track_caller]
fn address(probed: &Probed, fact: &str) -> SocketAddr {
    let text = probed.fact(fact).as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {fact}: {probed:#?}"))
}

fn phases(probed: &Probed) -> Vec<&str> {
    let phases = probed.seen["phases"].as_array().into_iter().flatten();
    phases.filter_map(|phase| phase["phase"].as_str()).collect()
}

#[track_caller]
fn lost(branch: &Branch) -> u64 {
    branch.carried().iter().map(|carried| carried.lost).sum()
}
