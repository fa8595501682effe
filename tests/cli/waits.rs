//! `wait`, and `check` with watched names, against nameservers and a vendor on loopback.

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use serde_json::Value;

use crate::nameserver::{Nameserver, Role, Says};
use crate::tenant::Tenant;
use crate::{Ran, assert_plain, branchline, cloud, command, ran, written};

const NAME: &str = "lyon.test";
const NEW: &[&str] = &["198.51.100.80"];
const OLD: &[&str] = &["198.51.100.7"];
/// How long a wait lasts that is not to come true.
const SHORT: &str = "400ms";
/// How long one lasts at most that is: it ends before.
const LONG: &str = "60s";

fn resolver(script: impl Fn(usize) -> Says + Send + 'static) -> Nameserver {
    Nameserver::start(Role::Resolver, NAME, script)
}

fn authority() -> Nameserver {
    Nameserver::start(Role::Authority, NAME, |_| Says::Has(NEW, 60))
}

/// Waits for the name at one resolver, and at one authoritative nameserver.
fn wait(resolver: &Nameserver, authority: &Nameserver, more: &[&str]) -> Ran {
    let (resolver, authority) = (resolver.address(), authority.address());
    let words = ["wait", "dns", NAME, "--resolver", &resolver, "--authority", &authority];
    branchline(&[&words, more].concat())
}

#[test]
fn a_wait_ends_when_the_answer_turns_and_tells_each_change() {
    let turning = resolver(|before| if before == 0 { Says::Absent(0) } else { Says::Has(NEW, 60) });

    let Ran { code, stdout, stderr } = wait(&turning, &authority(), &["--timeout", LONG]);

    assert_eq!(code, Some(0), "{stderr}");
    assert_plain(&stdout, "the end of a wait");
    assert!(stdout.starts_with("arrived after "), "{stdout}");
    assert!(stdout.contains("\n  lyon.test A has arrived everywhere\n"), "{stdout}");
    let of_resolver: Vec<&str> = stderr.lines().filter(|line| line.contains(": site ")).collect();
    let [first, .., last] = of_resolver[..] else { panic!("two changes: {stderr}") };
    assert!(first.starts_with("lyon.test A: site 127.0.0.1: "), "{stderr}");
    assert!(first.contains(", no record, "), "{stderr}");
    assert_eq!(last, "lyon.test A: site 127.0.0.1: ok, 198.51.100.80, TTL 1m");
}

#[test]
fn a_wait_whose_time_is_over_is_2_and_shows_who_lacks_the_record() {
    let old = resolver(|_| Says::Has(OLD, 300));

    let Ran { code, stdout, .. } = wait(&old, &authority(), &["--timeout", SHORT]);

    assert_eq!(code, Some(2), "{stdout}");
    assert_plain(&stdout, "the end of a wait");
    assert!(stdout.starts_with("not arrived after 0."), "{stdout}");
    assert!(stdout.contains(" has arrived at 1 of 2 nameservers, the rest by "), "{stdout}");
    let row = "\n    old      site 127.0.0.1           198.51.100.7, at most ";
    assert!(stdout.contains(row), "{stdout}");
}

#[test]
fn a_wait_in_which_no_resolver_answers_is_3() {
    let silent = resolver(|_| Says::Nothing);

    let Ran { code, stdout, .. } = wait(&silent, &authority(), &["--timeout", SHORT]);

    assert_eq!(code, Some(3), "{stdout}");
    assert!(stdout.starts_with("not arrived after 0."), "{stdout}");
}

#[test]
fn a_wait_as_json_is_one_object() {
    for (script, code, arrived) in [(NEW, 0, true), (OLD, 2, false)] {
        let one = resolver(move |_| Says::Has(script, 60));

        let ran = wait(&one, &authority(), &["--timeout", "2s", "--json"]);

        assert_eq!(ran.code, Some(code), "{ran:?}");
        let [line] = ran.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{ran:?}") };
        let end: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<_> = end.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["arrived", "elapsed_seconds", "names"]);
        assert_eq!(end["arrived"], arrived);
        assert_eq!(end["names"][0]["question"], "lyon.test A");
        assert_eq!(end["names"][0]["nameservers"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_wait_expects_what_it_is_told_to_over_what_the_zone_says() {
    let both = || (resolver(|_| Says::Has(OLD, 60)), authority());
    let expect = |address| {
        let (resolver, authority) = both();
        wait(&resolver, &authority, &["--timeout", SHORT, "--expect", address]).code
    };

    assert_eq!(expect("198.51.100.80"), Some(2));
    assert_eq!(expect("198.51.100.7,198.51.100.80"), Some(0));
}

#[test]
fn a_wait_takes_from_the_configuration_what_its_command_line_does_not_say() {
    let resolver = resolver(|_| Says::Has(OLD, 60));
    let authority = Nameserver::start(Role::Authority, NAME, |_| Says::Has(OLD, 60));
    let folder = tempfile::tempdir().unwrap();
    let config = written(folder.path(), &watching(&resolver, &authority)).display().to_string();
    let wait = |more: &[&str]| {
        let words = ["wait", "dns", "Lyon.Test.", "--config", &config];
        branchline(&[&words, more].concat())
    };

    let Ran { code, stdout, .. } = wait(&[]);

    // It expects the new address, and waits for as long as [views] says.
    assert_eq!(code, Some(2), "{stdout}");
    assert!(stdout.starts_with("not arrived after 0.3 s\n"), "{stdout}");
    assert_eq!(wait(&["--expect", "198.51.100.7", "198.51.100.80"]).code, Some(64));
    let any = ["--expect", "198.51.100.7", "--expect", "198.51.100.80"];
    assert_eq!(wait(&any).code, Some(0));
    // Of another type nothing is expected; there is no record of it.
    assert_eq!(wait(&["--type", "AAAA"]).code, Some(2));
}

/// A site that watches the name, with one nameserver of each of two sides.
fn watching(resolver: &Nameserver, authority: &Nameserver) -> String {
    format!(
        "[site]\nname = \"lyon\"\n\n\
         [views]\nsite = [\"{}\"]\nauthoritative = [\"{}\"]\nwait_timeout = \"300ms\"\n\n\
         [[names]]\nname = \"{NAME}\"\nexpect = [\"198.51.100.80\"]\ntimeout = \"2s\"\n",
        resolver.address(),
        authority.address()
    )
}

#[test]
fn a_check_shows_a_watched_name_from_every_side() {
    let (resolver, authority) = (resolver(|_| Says::Has(OLD, 300)), authority());
    let folder = tempfile::tempdir().unwrap();
    let config = written(folder.path(), &watching(&resolver, &authority)).display().to_string();

    let text = branchline(&["check", "--config", &config]);
    let json = branchline(&["check", "--config", &config, "--format", "json"]);
    let only = branchline(&["check", "--config", &config, "--only", "Lyon.Test"]);

    assert_eq!((text.code, text.stderr.as_str()), (Some(2), ""), "{}", text.stdout);
    assert_plain(&text.stdout, "the report");
    for part in [
        "blocking dns-not-propagated\n",
        "\nNames\n  lyon.test A has arrived at 1 of 2 nameservers, the rest by ",
        "\n    old      site 127.0.0.1           198.51.100.7, at most ",
        "\n    ok       authoritative 127.0.0.1  198.51.100.80, TTL 1m",
    ] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["names"][0]["standing"], "propagating");
    assert_eq!(report["names"][0]["nameservers"][0]["says"], "stale");
    // Two records, two random labels and the serial of the zone.
    assert_eq!((only.code, only.stderr.as_str()), (Some(2), "only 5 of 5 checks\n"));
}

/// Waits for the lab's edge group, its name being asked for at these nameservers.
fn wait_for_group(config: &str, resolver: &str, authority: &str, timeout: &str) -> Ran {
    let servers = ["--resolver", resolver, "--authority", authority];
    let words = ["wait", "edge-group", "lyon-edge-group", "--config", config, "--timeout", timeout];
    branchline(&[&words[..], &servers].concat())
}

#[test]
fn an_edge_group_has_come_true_when_it_is_ready_and_its_name_has_arrived() {
    for (scenario, timeout, code, group) in [
        ("healthy", LONG, 0, "up"),
        ("dns-not-created", "2s", 2, "up"),
        ("edge-group-not-ready", "2s", 2, "down"),
    ] {
        let cloud = cloud(scenario);
        let (config, addresses) = (cloud.config().display().to_string(), cloud.addresses());
        let (resolver, authority) = (addresses.resolver.to_string(), addresses.primary.to_string());

        let ran = wait_for_group(&config, &resolver, &authority, timeout);

        assert_eq!(ran.code, Some(code), "{scenario}: {ran:?}");
        assert_plain(&ran.stdout, scenario);
        let line = format!("\n  edge group lyon-edge-group: {group} (");
        assert!(ran.stdout.contains(&line), "{scenario}: {}", ran.stdout);
    }
}

#[test]
fn a_name_that_is_there_does_not_make_an_edge_group_ready() {
    let cloud = cloud("edge-group-not-ready");
    let name = "lyon-edge-group.genesyscloud.com";
    let has = |role| Nameserver::start(role, name, |_| Says::Has(NEW, 60));
    let (resolver, authority) = (has(Role::Resolver), has(Role::Authority));
    let config = cloud.config().display().to_string();

    let ran = wait_for_group(&config, &resolver.address(), &authority.address(), "2s");

    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.contains("edge group lyon-edge-group: down"), "{}", ran.stdout);
}

#[test]
fn a_group_of_the_guide_is_asked_for_alone_until_it_is_active() {
    const GROUPS: &str = "GET /api/v2/telephony/providers/edgegroups";
    const GROUP: &str = "GET /api/v2/telephony/providers/edgegroups/g-1";
    let name = "lyon-edges.genesyscloud.com";
    let has = |role| Nameserver::start(role, name, |_| Says::Has(NEW, 60));
    let (resolver, authority) = (has(Role::Resolver), has(Role::Authority));
    for (turns, timeout, code, line) in [
        (1, LONG, 0, "\n  edge group Lyon edges: up (ACTIVE)\n"),
        (usize::MAX, "1s", 2, "\n  edge group Lyon edges: down (CONFIGURING)\n"),
    ] {
        let tenant = Tenant::start(move |call, before| match call {
            GROUPS => (200, r#"{"entities":[{"id":"g-1","name":"Lyon edges"}]}"#.to_owned()),
            GROUP if before < turns => {
                (200, r#"{"id":"g-1","name":"Lyon edges","status":"CONFIGURING"}"#.to_owned())
            }
            GROUP => (200, r#"{"id":"g-1","name":"Lyon edges","status":"ACTIVE"}"#.to_owned()),
            _ => (404, String::new()),
        });
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[site]\nname = \"lyon\"\n{}", tenant.telephony());
        let config = written(folder.path(), &text).display().to_string();

        let ran = ran(command(&["wait", "edge-group", "Lyon edges", "--config", &config])
            .args(["--timeout", timeout, "--resolver", &resolver.address()])
            .args(["--authority", &authority.address()])
            .env("VENDOR_SECRET", "hunter2"));

        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
        let asked = tenant.asked();
        assert_eq!(asked[..3], ["POST /oauth/token", GROUPS, GROUP]);
        assert!(asked[3..].iter().all(|call| call == GROUP), "{asked:?}");
    }
}

#[test]
fn a_vendor_that_cannot_be_asked_is_69_and_one_that_refuses_us_78() {
    let unreachable = cloud("api-unreachable");
    let healthy = cloud("healthy");
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(healthy.config()).unwrap();
    let stranger =
        written(folder.path(), &text.replace("client_id = \"lab\"", "client_id = \"nobody\""));
    for (config, timeout, code) in [(unreachable.config(), "2s", 69), (&*stranger, LONG, 78)] {
        let resolver = healthy.addresses().resolver.to_string();

        let ran = wait_for_group(&config.display().to_string(), &resolver, &resolver, timeout);

        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
        assert!(ran.stderr.contains("error: "), "{ran:?}");
    }
}

#[test]
fn a_wrong_command_line_of_a_wait_is_64_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let minimal = "[site]\nname = \"lyon\"\n\n[[names]]\nname = \"lyon.test\"\n";
    let config = written(folder.path(), minimal).display().to_string();
    let wait = |words: &[&str]| branchline(&[&["wait"], words].concat());
    for (words, hint) in [
        (&[][..], "edge-group"),
        (&["dns"], "<NAME>"),
        (&["dns", NAME, "--timeout", "90"], "such as 90s"),
        (&["dns", NAME, "--timeout", "25h"], "such as 90s"),
        (&["dns", NAME, "--expect", "edge"], "--help"),
        (&["dns", NAME, "--expect", "2001:db8::80"], "hint: add --type AAAA"),
        (&["dns", NAME, "--type", "MX"], "[possible values: A, AAAA,"),
        (&["dns", NAME, "--resolver", "quic://a"], "hint: a nameserver is ADDRESS, "),
        (&["dns", NAME, "--authority", "ns1.test"], "hint: for example: 192.0.2.1 or "),
        (&["dns", "192.0.2.1"], "hint: for example: branchline wait dns "),
        (&["dns", "lyon edges.test"], "hint: for example: branchline wait dns "),
        (&["edge-group"], "<NAME>"),
        (&["edge-group", "Lyon"], "hint: name the file with --config"),
    ] {
        let Ran { code, stdout, stderr } = wait(words);

        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{words:?}: {stderr}");
        assert!(stderr.contains(hint), "{words:?}: {stderr}");
    }
    let secret = wait(&["dns", NAME, "--resolver", "https://probe:hunter2@dns.test/"]);
    assert_eq!(secret.code, Some(64));
    assert!(!secret.stderr.contains("hunter2"), "{}", secret.stderr);

    let no_vendor = wait(&["edge-group", "Lyon", "--config", &config]);
    let no_file = wait(&["dns", NAME, "--config", "/nowhere/branchline.toml"]);
    assert_eq!((no_vendor.code, no_file.code), (Some(65), Some(65)));
    assert!(no_vendor.stderr.contains("[telephony]"), "{}", no_vendor.stderr);
    assert!(no_file.stderr.contains("/nowhere/branchline.toml: "), "{}", no_file.stderr);
    for ran in [no_vendor, no_file] {
        assert!(ran.stderr.contains("\n\nhint: "), "{}", ran.stderr);
    }
}

#[test]
fn an_edge_group_that_tells_no_name_needs_one_in_the_configuration() {
    let cloud = cloud("healthy");
    let config = cloud.config().display().to_string();
    for group in ["00002001-1111-4222-8333-000000200001", "***"] {
        let ran = branchline(&["wait", "edge-group", group, "--config", &config]);

        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{ran:?}");
        assert!(ran.stderr.contains("hint: add [[names]]"), "{}", ran.stderr);
    }
}

#[test]
fn a_missing_credential_of_the_vendor_is_78() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[site]\nname = \"lyon\"\n\n[telephony]\nregion = \"eu-central-1\"\n\
                client_id = \"id\"\nclient_secret = { env = \"VENDOR_SECRET\" }\n";
    let config = written(folder.path(), text).display().to_string();

    let ran = branchline(&["wait", "edge-group", "Lyon", "--config", &config]);

    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.stderr.contains("VENDOR_SECRET"), "{}", ran.stderr);
}

#[test]
fn an_end_of_a_wait_that_cannot_be_written_is_71() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (resolver, authority) = (resolver(|_| Says::Has(NEW, 60)), authority());
    let servers = [resolver.address(), authority.address()];

    let output = command(&["wait", "dns", NAME, "--resolver", &servers[0]])
        .args(["--authority", &servers[1]])
        .stdout(Stdio::from(full))
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(71));
}
