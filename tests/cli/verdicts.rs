//! `check` and `probe` against the lab: the verdict in the exit code, the report on stdout, and
//! nothing else anywhere.

use std::fs;
use std::net::UdpSocket;
use std::process::Stdio;

use branchline_lab::Cloud;
use serde_json::Value;

use crate::registrar::{Loses, Way};
use crate::wait::{PATIENCE, eventually};
use crate::{Ran, assert_plain, branchline, cloud, command, ran, written};

fn check(cloud: &Cloud, more: &[&str]) -> Ran {
    let config = cloud.config().display().to_string();
    branchline(&[&["check", "--config", &config], more].concat())
}

#[test]
fn the_exit_code_is_the_verdict() {
    for (scenario, code, verdict) in [
        ("healthy", 0, "GO"),
        ("sip-server-down", 2, "NO-GO"),
        ("api-unreachable", 3, "INCONCLUSIVE"),
    ] {
        let cloud = cloud(scenario);

        let Ran { code: got, stdout, stderr } = check(&cloud, &[]);

        assert_eq!((got, stderr.as_str()), (Some(code), ""), "{scenario}: {stdout}");
        assert!(stdout.contains(verdict), "{scenario}: {stdout}");
        assert_plain(&stdout, scenario);
        assert_eq!(cloud.bindings(), [], "{scenario}");
    }
}

#[test]
fn colour_is_not_forced_upon_who_does_not_want_it() {
    let cloud = cloud("sip-server-down");
    let config = cloud.config().display().to_string();

    let report = ran(command(&["check", "--config", &config]).env("NO_COLOR", "1"));

    assert_eq!((report.code, report.stderr.as_str()), (Some(2), ""));
    assert_plain(&report.stdout, "the report");
}

#[test]
fn a_report_as_json_is_one_value_and_nothing_else() {
    let cloud = cloud("dns-not-created");

    let Ran { code, stdout, stderr } = check(&cloud, &["--format", "json"]);

    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, stderr.as_str()), (Some(2), ""));
    assert_eq!(report["schema"], "branchline/report/1");
    assert_eq!(report["verdict"], "no_go");
    let keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = [
        "schema",
        "site",
        "started",
        "elapsed_seconds",
        "verdict",
        "findings",
        "observations",
        "state",
    ];
    for key in promised {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
}

#[test]
fn only_leaves_the_rest_alone() {
    let cloud = cloud("sip-server-down");
    let targets = |more: &[&str]| {
        let ran = check(&cloud, &[&["--format", "json"], more].concat());
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        let observations = report["observations"].as_array().unwrap().clone();
        let mut names: Vec<_> =
            observations.iter().map(|it| it["target"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };

    assert_eq!(targets(&["--only", "relay-tls"]), ["relay-tls"]);
    assert_eq!(targets(&["--only", "turn-tcp", "register"]), ["registrar", "relay"]);
    // The record, a random label and the zone's serial, of two nameservers and a resolver.
    let names = targets(&["--only", "lyon-edge-group.genesyscloud.com"]);
    let of = |target: &str| names.iter().filter(|name| *name == target).count();
    assert_eq!((of("authoritative"), of("site"), names.len()), (6, 2, 8));
}

#[test]
fn a_report_in_a_file_leaves_stdout_empty() {
    let cloud = cloud("healthy");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.txt");

    let ran = check(&cloud, &["--output", &file.display().to_string()]);

    assert_eq!(ran, Ran { code: Some(0), stdout: String::new(), stderr: String::new() });
    let report = fs::read_to_string(&file).unwrap();
    assert!(report.contains("GO"), "{report}");
    assert_plain(&report, "the file");

    let nowhere = check(&cloud, &["--output", "/nowhere/report.txt"]);
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (Some(71), ""));
    assert!(nowhere.stderr.contains("/nowhere/report.txt"), "{}", nowhere.stderr);
}

#[test]
fn a_probe_is_one_json_object_a_line_and_its_success_is_the_exit_code() {
    let cloud = cloud("healthy");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let relay = cloud.addresses().relay.to_string();
    let nobody = silent.local_addr().unwrap().to_string();

    for (target, code, is_success) in [(&relay, 0, true), (&nobody, 2, false)] {
        let words = ["probe", "stun-binding", target, "--json", "--option", "timeout=1s"];
        let Ran { code: got, stdout, stderr } = branchline(&words);

        assert_eq!((got, stderr.as_str()), (Some(code), ""), "{stdout}");
        let lines: Vec<_> = stdout.lines().collect();
        let [line] = lines[..] else { panic!("one line: {stdout}") };
        let observation: Value = serde_json::from_str(line).unwrap();
        assert_eq!(observation["success"], is_success);
        assert_eq!(observation["address"], **target);
    }
}

#[test]
fn a_trace_goes_to_stderr() {
    let cloud = cloud("healthy");
    let relay = cloud.addresses().relay.to_string();

    let Ran { code, stdout, stderr } =
        branchline(&["probe", "stun-binding", &relay, "--json", "--trace"]);

    assert_eq!(code, Some(0));
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    for step in ["open udp", "send", "wait for"] {
        assert!(stderr.contains(step), "{step}: {stderr}");
    }
}

// I11
#[test]
fn an_interrupted_check_cleans_up_before_it_ends() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let cloud = cloud("healthy");
        let way = Way::to(cloud.addresses().registrar, Loses::Confirmations);
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let text = fs::read_to_string(cloud.config())
            .unwrap()
            .replace(&cloud.addresses().registrar.to_string(), &way.address().to_string())
            .replace(
                &cloud.addresses().relay.to_string(),
                &silent.local_addr().unwrap().to_string(),
            )
            .replace("timeout = \"3s\"", "timeout = \"30s\"")
            .replace("timeout = \"6s\"", "timeout = \"30s\"")
            .replace("interval = \"10s\"", "interval = \"30s\"");
        let folder = tempfile::tempdir().unwrap();
        let config = written(folder.path(), &text).display().to_string();
        let child = command(&["check", "--config", &config])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("a binding", PATIENCE, || match cloud.bindings().len() {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        });

        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();

        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(cloud.bindings(), [], "SIG{signal}");
        // Half a report would be taken for a whole one.
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "SIG{signal}");
    }
}

/// A relay that only TCP reaches, at a site with limits of its own.
fn reached_by_tcp(cloud: &Cloud, silent: &UdpSocket) -> String {
    let (udp, tcp) =
        (silent.local_addr().expect("it is bound").port(), cloud.addresses().relay.port());
    format!(
        r#"
        [site]
        name = "lyon"
        profile = "office"

        [profiles.office]
        base = "byoc-trunk"
        jitter_fail = "25ms"

        [modules.stun-udp]
        probe = "stun-binding"
        port = {udp}
        timeout = "2s"

        [modules.stun-tcp]
        probe = "stun-binding"
        transport = "tcp"
        port = {tcp}
        timeout = "2s"

        [[targets]]
        name = "relay"
        address = "127.0.0.1"
        modules = ["stun-udp", "stun-tcp"]
        "#
    )
}

#[test]
fn a_relay_that_only_tcp_reaches_is_told_with_what_that_costs() {
    let cloud = cloud("healthy");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = written(folder.path(), &reached_by_tcp(&cloud, &silent)).display().to_string();
    let tcp = format!("tcp {}", cloud.addresses().relay.port());

    let text = branchline(&["check", "--config", &config]);
    let json = branchline(&["check", "--config", &config, "--format", "json"]);

    assert_eq!((text.code, text.stderr.as_str()), (Some(2), ""), "{}", text.stdout);
    assert_plain(&text.stdout, "the report");
    assert!(text.stdout.contains("profile office\n"), "{}", text.stdout);
    assert!(text.stdout.contains("no relay answers over UDP, "), "{}", text.stdout);
    assert!(text.stdout.contains("\nWays side by side\n"), "{}", text.stdout);
    let cost = format!("    {tcp} works; it costs 1 round trip more than UDP");
    assert!(text.stdout.contains(&cost), "{}", text.stdout);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["ladders"][0]["cheapest"], tcp);
    assert_eq!(report["profile"]["name"], "office");
    assert_eq!(report["profile"]["base"], "byoc-trunk");
    assert_eq!(report["profile"]["limits"]["jitter_seconds"]["warn"], 0.02);
    assert_eq!(report["profile"]["limits"]["jitter_seconds"]["fail"], 0.025);
}
