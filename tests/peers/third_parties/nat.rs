//! Each NAT, named by two STUN clients that ask two STUN servers.

use crate::branch::{Branch, CLIENT, CLOUD, CLOUD_TOO, Nat, OUTSIDE, Traffic};
use crate::coturn::Coturn;
use crate::process::{program, run, run_well, text, words};
use crate::stund::Stund;

#[test]
fn no_nat_is_named_by_both_clients() {
    let seen = Seen::behind(Nat::None);

    assert_eq!(seen.mapping, "Endpoint Independent Mapping");
    assert_eq!(seen.filtering, "Endpoint Independent Filtering");
    assert_eq!(seen.mapped, CLIENT);
    assert_eq!(seen.stun, "Open");
}

#[test]
fn a_port_restricted_nat_is_named_by_both_clients() {
    let seen = Seen::behind(Nat::PortRestricted);

    assert_eq!(seen.mapping, "Endpoint Independent Mapping");
    assert_eq!(seen.filtering, "Address and Port Dependent Filtering");
    assert_eq!(seen.mapped, OUTSIDE);
    assert_eq!(
        seen.stun,
        "Independent Mapping, Port Dependent Filter, preserves ports, no hairpin"
    );
}

#[test]
fn a_symmetric_nat_is_named_by_both_clients() {
    let seen = Seen::behind(Nat::Symmetric);

    assert_eq!(seen.mapping, "Address and Port Dependent Mapping");
    assert_eq!(seen.filtering, "Address and Port Dependent Filtering");
    assert_eq!(seen.mapped, OUTSIDE);
    assert_eq!(seen.stun, "Dependent Mapping, random port, no hairpin");
}

#[test]
fn a_full_cone_nat_with_hairpin_is_named_by_both_clients() {
    let seen = Seen::behind(Nat::FullCone);

    assert_eq!(seen.mapping, "Endpoint Independent Mapping");
    assert_eq!(seen.filtering, "Endpoint Independent Filtering");
    assert_eq!(seen.mapped, OUTSIDE);
    assert_eq!(seen.stun, "Independent Mapping, Independent Filter, preserves ports, will hairpin");
}

#[test]
fn a_router_that_drops_udp_is_named_by_stun() {
    let branch = Branch::behind(Nat::PortRestricted);
    let _stund = Stund::start(&branch.at_cloud(), [CLOUD, CLOUD_TOO]);
    branch.drop(Traffic::Udp);

    assert_eq!(stun(&branch), "Blocked or could not reach STUN server");
}

/// What the two clients say.
#[derive(Debug)]
struct Seen {
    mapping: String,
    filtering: String,
    /// The address that the server sees.
    mapped: String,
    stun: String,
}

impl Seen {
    #[track_caller]
    fn behind(nat: Nat) -> Self {
        let branch = Branch::behind(nat);
        let coturn =
            Coturn::at(&[CLOUD, CLOUD_TOO]).nat_behavior().inside(&branch.at_cloud()).start();
        let client = program("turnutils_natdiscovery", "coturn").display().to_string();
        let said = run_well(&words(&branch.at_client(), &[&client, "-m", "-f", CLOUD]));
        // The same two addresses, the same ports.
        drop(coturn);
        let _stund = Stund::start(&branch.at_cloud(), [CLOUD, CLOUD_TOO]);
        let verdict = |of: &str| {
            let line = said.lines().find(|line| line.starts_with("NAT with ") && line.contains(of));
            let line = line.unwrap_or_else(|| panic!("no verdict on {of}: {said}"));
            line.trim_start_matches("NAT with ").trim_end_matches('!').to_owned()
        };
        let mapped = said.split_once("UDP reflexive addr: ").map_or("", |(_, rest)| rest);
        Self {
            mapping: verdict("Mapping"),
            filtering: verdict("Filtering"),
            mapped: mapped.split(':').next().unwrap_or_default().to_owned(),
            stun: stun(&branch),
        }
    }
}

/// The verdict of `stun`, whose exit code is no success or failure.
#[track_caller]
fn stun(branch: &Branch) -> String {
    let client = program("stun", "stun-client").display().to_string();
    let output = run(&words(&branch.at_client(), &[&client, CLOUD]));
    let said = text(&output.stdout) + &text(&output.stderr);
    let verdict = said.lines().find_map(|line| line.strip_prefix("Primary: "));
    verdict.unwrap_or_else(|| panic!("no verdict: {said}")).trim().to_owned()
}
