//! Every scenario of the lab ends in the verdict that it must, by the rule that must find it.

use std::process::ExitCode;

use branchline_lab::{Cloud, SCENARIOS, Scenario};
use serde_json::Value;

/// Runs the real check against a scenario and gives its exit code and its report.
fn check(cloud: &Cloud, scenario: &Scenario) -> (ExitCode, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("report.json");
    let arguments = [
        "branchline".into(),
        "check".into(),
        "--strict".into(),
        "--config".into(),
        cloud.config().as_os_str().to_owned(),
        "--format".into(),
        "json".into(),
        "--output".into(),
        output.as_os_str().to_owned(),
        // What the vendor of the lab notices at all it says the next time it is asked.
        "--wait-for-vendor".into(),
        "1s".into(),
    ];
    let exit = branchline::cli::main(arguments);
    let report = std::fs::read(&output)
        .unwrap_or_else(|error| panic!("{}: no report, {exit:?}: {error}", scenario.name));
    let report = serde_json::from_slice(&report)
        .unwrap_or_else(|error| panic!("{}: no JSON: {error}", scenario.name));
    (exit, report)
}

/// What a report's `verdict` says for an exit code.
fn verdict(exit_code: u8) -> &'static str {
    match exit_code {
        0 => "go",
        1 => "go_with_warnings",
        2 => "no_go",
        3 => "inconclusive",
        other => panic!("no scenario may end in {other}"),
    }
}

fn text<'v>(finding: &'v Value, key: &str) -> &'v str {
    finding[key].as_str().unwrap_or_default()
}

fn ends_as_it_must(name: &str) {
    let scenario = Scenario::named(name).expect("it is listed");
    let cloud = Cloud::start(scenario).expect("loopback is there");

    let (exit, report) = check(&cloud, scenario);

    assert_eq!(exit, ExitCode::from(scenario.exit_code), "{name}: {report:#}");
    assert_eq!(report["schema"], "branchline/report/1", "{name}");
    assert_eq!(report["verdict"], verdict(scenario.exit_code), "{name}");
    let findings = report["findings"].as_array().expect("findings");
    if let Some(rule) = scenario.rule {
        // Where two causes are as bad as each other, either may stand first.
        let worst = findings.first().map(|first| text(first, "severity"));
        let found = findings.iter().find(|it| text(it, "rule") == rule);
        let found = found.unwrap_or_else(|| panic!("{name}: it was not found: {findings:#?}"));
        assert_eq!(Some(text(found, "severity")), worst, "{name}: {findings:#?}");
        assert!(!text(found, "owner").is_empty(), "{name}: whose is it?");
        assert!(!text(found, "next_step").is_empty(), "{name}: what is to be done?");
    } else {
        let is_blocking = |finding: &&Value| text(finding, "severity") == "blocking";
        assert_eq!(findings.iter().find(is_blocking), None, "{name}");
    }
    assert_eq!(cloud.bindings(), [], "{name}: we leave the network as we found it");
    assert_eq!(cloud.allocations(), 0, "{name}: and the relay");
}

macro_rules! scenarios {
    ($($test:ident => $name:literal),* $(,)?) => {
        /// The scenarios that have a test below.
        const TESTED: &[&str] = &[$($name),*];

        $(
            #[test]
            fn $test() {
                ends_as_it_must($name);
            }
        )*
    };
}

scenarios! {
    healthy => "healthy",
    udp_blocked => "udp-blocked",
    stun_turn_udp_blocked => "stun-turn-udp-blocked",
    turn_credentials => "turn-credentials",
    turn_quota => "turn-quota",
    relay_media_blocked => "relay-media-blocked",
    media_quality_poor => "media-quality-poor",
    dns_propagating => "dns-propagating",
    dns_not_created => "dns-not-created",
    dns_wrong_address => "dns-wrong-address",
    dns_intercepted => "dns-intercepted",
    sip_credentials => "sip-credentials",
    sip_server_down => "sip-server-down",
    sip_port_blocked => "sip-port-blocked",
    sip_alg => "sip-alg",
    sip_overload => "sip-overload",
    sip_large_message_dropped => "sip-large-message-dropped",
    sip_retransmissions => "sip-retransmissions",
    trunk_down => "trunk-down",
    trunk_configuration => "trunk-configuration",
    trunk_settling => "trunk-settling",
    edge_offline => "edge-offline",
    edge_group_not_ready => "edge-group-not-ready",
    api_unreachable => "api-unreachable",
    api_permission => "api-permission",
    api_throttled => "api-throttled",
    phones_stuck => "phones-stuck",
    region_mismatch => "region-mismatch",
    quality_poor => "quality-poor",
    vendor_ca_expiring => "vendor-ca-expiring",
    guide => "guide",
    guide_group_pending => "guide-group-pending",
}

#[test]
fn every_scenario_has_its_test() {
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();

    assert_eq!(names, TESTED);
}
