//! How the NAT behaves: the product beside other people's clients, on the same servers.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Probed, probe};
use crate::branch::{Branch, CLIENT, CLOUD, CLOUD_TOO, GATEWAY, Nat, OUTSIDE, Traffic};
use crate::coturn::Coturn;
use crate::process::{program, run, run_well, text, words};
use crate::stund::Stund;
use crate::wire::Way;

#[test]
fn no_nat_is_named_so() {
    let site = Site::behind(Nat::None);

    let probed = site.probe(&[]);

    assert_words(&probed, ["none", "endpoint_independent"]);
    assert_eq!(*probed.fact("hairpin"), Value::Null, "{probed:#?}");
    assert_eq!(probed.fact("mapped_address"), probed.fact("local_address"));
    assert_eq!(mapped_ip(&probed), CLIENT);
    site.assert_others_agree(["Endpoint Independent Mapping", "Endpoint Independent Filtering"]);
}

#[test]
fn a_port_restricted_nat_is_named_so() {
    let site = Site::behind(Nat::PortRestricted);

    let probed = site.probe(&[]);

    assert_words(&probed, ["endpoint_independent", "address_and_port_dependent"]);
    assert_eq!(probed.fact("hairpin"), "no", "{probed:#?}");
    assert_eq!(probed.fact("port_preserved"), true, "{probed:#?}");
    assert_eq!(mapped_ip(&probed), OUTSIDE);
    site.assert_others_agree([
        "Endpoint Independent Mapping",
        "Address and Port Dependent Filtering",
    ]);
}

#[test]
fn a_symmetric_nat_is_named_so() {
    let site = Site::behind(Nat::Symmetric);

    let probed = site.probe(&[]);

    assert_words(&probed, ["address_and_port_dependent", "address_and_port_dependent"]);
    assert_eq!(probed.fact("hairpin"), "inconclusive", "{probed:#?}");
    assert_eq!(mapped_ip(&probed), OUTSIDE);
    site.assert_others_agree([
        "Address and Port Dependent Mapping",
        "Address and Port Dependent Filtering",
    ]);
}

#[test]
fn a_full_cone_nat_is_named_so() {
    let site = Site::behind(Nat::FullCone);

    let probed = site.probe(&[]);

    assert_words(&probed, ["endpoint_independent", "endpoint_independent"]);
    assert_eq!(probed.fact("hairpin"), "yes", "{probed:#?}");
    assert_eq!(mapped_ip(&probed), OUTSIDE);
    site.assert_others_agree(["Endpoint Independent Mapping", "Endpoint Independent Filtering"]);
}

#[test]
fn a_server_of_rfc_3489_names_the_same_and_its_own_client_agrees() {
    for (nat, words, verdict) in [
        (Nat::FullCone, ["endpoint_independent", "endpoint_independent"], "Independent Filter"),
        (
            Nat::Symmetric,
            ["address_and_port_dependent", "address_and_port_dependent"],
            "Dependent Mapping, random port",
        ),
    ] {
        let branch = Branch::behind(nat);
        let _stund = Stund::start(&branch.at_cloud(), [CLOUD, CLOUD_TOO]);

        let probed = probe("nat-behavior", CLOUD).inside(&branch.at_client()).run();

        assert_words(&probed, words);
        assert_eq!(probed.fact("other_address"), "198.51.100.11:3479");
        let client = program("stun", "stun-client").display().to_string();
        let output = run(&words_of(&branch, &[&client, CLOUD]));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains(verdict), "{said}");
    }
}

#[test]
fn two_servers_with_one_address_each_tell_the_symmetric_nat_from_the_others() {
    for (nat, mapping) in [
        (Nat::None, "none"),
        (Nat::PortRestricted, "endpoint_independent"),
        (Nat::Symmetric, "not_endpoint_independent"),
    ] {
        let branch = Branch::behind(nat);
        let _one = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();
        let _two = Coturn::at(&[CLOUD_TOO]).inside(&branch.at_cloud()).start();

        let probed = probe("nat-behavior", CLOUD)
            .option("second_server", &format!("{CLOUD_TOO}:3478"))
            .inside(&branch.at_client())
            .run();

        probed.assert_success();
        assert_eq!(probed.fact("method"), "two_server", "{probed:#?}");
        assert_eq!(probed.fact("mapping"), mapping, "{probed:#?}");
        assert_eq!(*probed.fact("filtering"), Value::Null, "{probed:#?}");
    }
}

#[test]
fn dropped_udp_is_no_response_and_no_nat() {
    let site = Site::behind(Nat::PortRestricted);
    site.branch.drop(Traffic::Udp);

    let probed = site.probe(&[("timeout", "3s")]);

    // The schedule of RFC 8489 is longer than this test wants to wait.
    probed.assert_failure("deadline");
    assert_eq!(*probed.fact("mapping"), Value::Null, "{probed:#?}");
}

#[test]
fn udp_that_a_router_prohibits_names_the_router() {
    let site = Site::behind(Nat::PortRestricted);
    site.branch.reject(Traffic::Udp);

    let probed = site.probe(&[]);

    probed.assert_failure("prohibited");
    assert_eq!(probed.seen["failure"]["by"], GATEWAY, "{probed:#?}");
}

// stuntman #54: an alternate address that does not work read as a symmetric NAT.
#[test]
fn an_other_address_behind_a_firewall_is_no_symmetric_nat() {
    let site = Site::behind(Nat::PortRestricted);
    site.branch.drop(Traffic::Matching("ip daddr 198.51.100.11"));

    let probed = site.probe(&[("repeats", "1")]);

    assert_words(&probed, ["inconclusive", "inconclusive"]);
    assert_eq!(probed.fact("other_address_use"), "silent", "{probed:#?}");
}

// Issue 3: loss is never mistaken for a symmetric NAT in 200 runs.
#[test]
fn five_percent_loss_each_way_is_no_symmetric_nat_in_200_runs() {
    assert_mapping_survives_loss(Nat::FullCone, "endpoint_independent", "yes");
}

// Issue 3, for the NAT of most branches; each run waits for what it filters.
#[test]
fn five_percent_loss_each_way_is_no_symmetric_nat_in_200_runs_behind_one_that_filters() {
    assert_mapping_survives_loss(Nat::PortRestricted, "address_and_port_dependent", "no");
}

/// Asserts that a NAT whose mapping is endpoint-independent never passes for another.
///
/// A port of one run may have been another's a moment ago, and still be open at the NAT for whom
/// that one spoke to. So the runs are few at each site, have all ports to choose from, and each
/// NAT forgets soon, though not as soon as a request is given up.
#[track_caller]
fn assert_mapping_survives_loss(nat: Nat, filtering: &str, hairpin: &str) {
    let at_one_site = || {
        let site = Site::behind(nat);
        site.branch.forget_udp_after(10);
        run_well(&words_of(&site.branch, &["sh", "-c", ALL_PORTS]));
        site.branch.lose(Traffic::Udp, 5.0);
        site.probe_often(RUNS / SITES, &[])
    };
    let all: Vec<Probed> = thread::scope(|scope| {
        let begun: Vec<_> = (0..SITES).map(|_| scope.spawn(at_one_site)).collect();
        begun.into_iter().flat_map(|site| site.join().expect("it ran")).collect()
    });

    let mut lossy = 0;
    for probed in &all {
        probed.assert_success();
        assert_word(probed, "mapping", "endpoint_independent");
        assert_word(probed, "filtering", filtering);
        assert_word(probed, "hairpin", hairpin);
        lossy += usize::from(probed.fact("losses").as_u64() > Some(0));
    }
    let named = all.iter().filter(|it| it.fact("mapping") == "endpoint_independent").count();
    assert!(named >= RUNS * 9 / 10, "{named} of {RUNS} are conclusive");
    assert!(lossy >= RUNS / 2, "{lossy} of {RUNS} met loss: the path lost nothing");
}

#[test]
fn five_percent_loss_each_way_names_no_symmetric_nat_wrong() {
    let site = Site::behind(Nat::Symmetric);
    site.branch.lose(Traffic::Udp, 5.0);

    for probed in &site.probe_often(FEWER, &[("hairpin", "false")]) {
        probed.assert_success();
        assert_word(probed, "mapping", "address_and_port_dependent");
        assert_word(probed, "filtering", "address_and_port_dependent");
    }
}

#[test]
fn jitter_of_forty_milliseconds_names_no_nat_wrong() {
    thread::scope(|scope| {
        for (nat, mapping, filtering) in [
            (Nat::None, "none", "endpoint_independent"),
            (Nat::FullCone, "endpoint_independent", "endpoint_independent"),
            (Nat::PortRestricted, "endpoint_independent", "address_and_port_dependent"),
            (Nat::Symmetric, "address_and_port_dependent", "address_and_port_dependent"),
        ] {
            scope.spawn(move || assert_named_under_jitter(nat, mapping, filtering));
        }
    });
}

#[track_caller]
fn assert_named_under_jitter(nat: Nat, mapping: &str, filtering: &str) {
    let uneven = Way::of(JITTER).jitter(JITTER);
    let site = Site::at(Branch::behind_wire(nat, uneven, uneven));

    let all = site.probe_often(SHAKEN, &[("hairpin", "false")]);

    for probed in &all {
        probed.assert_success();
        assert_word(probed, "mapping", mapping);
        assert_word(probed, "filtering", filtering);
    }
    // Nothing is lost, and the longest round trip is shorter than the first retransmission.
    let named = all.iter().filter(|it| it.fact("mapping") == mapping).count();
    assert!(named >= SHAKEN * 9 / 10, "{named} of {SHAKEN} are conclusive behind {nat:?}");
}

#[test]
fn a_router_that_forgets_sooner_than_any_silence_that_is_tried_is_no_router_that_remembers() {
    let site = Site::behind(Nat::PortRestricted);
    site.branch.forget_udp_after(3);

    let probed = site.probe(&[
        ("repeats", "1"),
        ("lifetime", "true"),
        ("lifetime_most", "15s"),
        ("hairpin", "false"),
    ]);

    // A leg that speaks every 5 s is forgotten, too: whether silence is the reason stays open.
    probed.assert_success();
    assert_eq!(*probed.fact("binding_lifetime_seconds"), Value::Null, "{probed:#?}");
    let below = probed.fact("binding_lifetime_below_seconds");
    assert!(*below == Value::Null || *below == 5.0, "{probed:#?}");
}

#[test]
fn a_router_that_forgets_after_eight_seconds_is_found_out() {
    let site = Site::behind(Nat::PortRestricted);
    site.branch.forget_udp_after(8);

    let probed = site.probe(&[
        ("repeats", "1"),
        ("lifetime", "true"),
        ("lifetime_most", "15s"),
        ("hairpin", "false"),
    ]);

    probed.assert_success();
    assert_eq!(probed.fact("binding_lifetime_seconds"), 5.0, "{probed:#?}");
    assert_eq!(probed.fact("binding_lifetime_below_seconds"), 15.0, "{probed:#?}");
    assert_eq!(probed.fact("lifetime_bound"), "measured", "{probed:#?}");
}

/// A branch and a coturn with two addresses.
struct Site {
    // First, so that the server ends before its namespace does.
    _coturn: Coturn,
    branch: Branch,
}

impl Site {
    #[track_caller]
    fn behind(nat: Nat) -> Self {
        Self::at(Branch::behind(nat))
    }

    #[track_caller]
    fn at(branch: Branch) -> Self {
        let addresses = &[CLOUD, CLOUD_TOO];
        let coturn = Coturn::at(addresses).nat_behavior().inside(&branch.at_cloud()).start();
        Self { _coturn: coturn, branch }
    }

    fn probe(&self, options: &[(&str, &str)]) -> Probed {
        let mut probe = probe("nat-behavior", CLOUD).inside(&self.branch.at_client());
        for (key, value) in options {
            probe = probe.option(key, value);
        }
        probe.run()
    }

    /// Runs the probe so many times, [`BATCH`] at once.
    fn probe_often(&self, runs: usize, options: &[(&str, &str)]) -> Vec<Probed> {
        let one = |share: usize| (0..share).map(|_| self.probe(options)).collect::<Vec<_>>();
        thread::scope(|scope| {
            let shares = (0..BATCH).map(|index| (runs + index) / BATCH);
            let started: Vec<_> = shares.map(|share| scope.spawn(move || one(share))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("it ran");
            started.into_iter().flat_map(join).collect()
        })
    }

    /// What coturn's own client says of the same NAT.
    #[track_caller]
    fn assert_others_agree(&self, verdicts: [&str; 2]) {
        let client = program("turnutils_natdiscovery", "coturn").display().to_string();
        let said = run_well(&words_of(&self.branch, &[&client, "-m", "-f", CLOUD]));
        for verdict in verdicts {
            assert!(said.contains(&format!("NAT with {verdict}!")), "{said}");
        }
    }
}

fn words_of(branch: &Branch, command: &[&str]) -> std::process::Command {
    words(&branch.at_client(), command)
}

#[track_caller]
fn assert_words(probed: &Probed, [mapping, filtering]: [&str; 2]) {
    probed.assert_success();
    assert_eq!(probed.fact("mapping"), mapping, "{probed:#?}");
    assert_eq!(probed.fact("filtering"), filtering, "{probed:#?}");
}

/// Asserts that a word is the right one, or none.
#[track_caller]
fn assert_word(probed: &Probed, fact: &str, right: &str) {
    let word = probed.fact(fact);
    assert!(word == right || word == "inconclusive", "{fact} is no {right}: {probed:#?}");
}

fn mapped_ip(probed: &Probed) -> String {
    let mapped = probed.fact("mapped_address").as_str().unwrap_or_default();
    mapped.parse::<SocketAddr>().expect("an address").ip().to_string()
}

const RUNS: usize = 200;
/// Among how many sites these are divided.
const SITES: usize = 8;
/// How many runs the rarer NATs get.
const FEWER: usize = 25;
/// How many runs each kind of NAT gets over a path that jitters.
const SHAKEN: usize = 10;
/// How many run at once at a site: behind a NAT that filters, each waits for most of its minute.
const BATCH: usize = 25;
const ALL_PORTS: &str = "echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range";
/// Packets take up to twice this long, each way, and overtake each other.
const JITTER: Duration = Duration::from_millis(40);
