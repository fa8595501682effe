//! The shipped unit: systemd understands all of it, finds it closed, and it names the paths and the
//! credentials that the configuration names.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const UNIT: &str = include_str!("../systemd/branchline.service");
const CONFIG: &str = include_str!("../config/branchline.toml");

/// Runs `systemd-analyze`, and gives how it ended with all that it said.
fn analyze(arguments: &[&str], unit: &Path) -> (Output, String) {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .unwrap_or_else(|problem| {
            panic!(
                "systemd-analyze cannot be run ({problem}): install the package systemd, or let \
                 tests/run do it"
            )
        });
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output, said)
}

/// The values of a directive, in the order of the file.
fn values(directive: &str) -> Vec<&'static str> {
    let of_directive = |line: &'static str| line.strip_prefix(directive)?.strip_prefix('=');
    UNIT.lines().filter_map(of_directive).collect()
}

/// What `{ credential = "…" }` names in the shipped configuration, in comments too.
fn credentials() -> Vec<&'static str> {
    let after = CONFIG.split("{ credential = \"").skip(1);
    let mut names: Vec<_> = after.filter_map(|rest| rest.split('"').next()).collect();
    names.retain(|name| *name != "NAME");
    names
}

#[test]
fn systemd_understands_every_line() {
    // The program is not installed where it is tested, so another one stands in for it.
    let directory = tempfile::tempdir().unwrap();
    let unit: PathBuf = directory.path().join("branchline.service");
    std::fs::write(&unit, UNIT.replace("/usr/bin/branchline", "/bin/true")).unwrap();

    let (output, said) = analyze(&["verify"], &unit);

    // An unknown directive is a warning, and the exit code is 0 nevertheless.
    let about_it: Vec<_> =
        said.lines().filter(|line| line.contains("branchline.service")).collect();
    assert!(output.status.success(), "{said}");
    assert_eq!(about_it, [""; 0]);
}

#[test]
fn the_exposure_is_at_most_1_1() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/branchline.service");

    let (output, said) = analyze(&["security", "--offline=true", "--threshold=11"], &unit);

    let score = said.lines().last().unwrap_or_default();
    assert!(output.status.success(), "{score}");
    assert!(score.contains("exposure level"), "{score}");
}

#[test]
fn every_credential_of_the_configuration_is_loaded_and_may_be_missing() {
    let loaded = values("LoadCredential");
    let defaults = values("SetCredential");

    let named = credentials();

    assert!(named.contains(&"sip-password") && named.contains(&"client-secret"), "{named:?}");
    for name in named {
        let load = format!("{name}:/etc/branchline/credentials/{name}");
        assert!(loaded.contains(&load.as_str()), "{name} is not loaded: {loaded:?}");
        // A missing file without a default stops the start, used or not.
        assert!(defaults.contains(&format!("{name}:\\n").as_str()), "{name} has no default");
    }
}

#[test]
fn every_command_reads_the_configuration_that_the_program_reads_by_default() {
    let [start] = values("ExecStart")[..] else { panic!("one ExecStart=") };
    let reloads = values("ExecReload");

    assert_eq!(start, "/usr/bin/branchline run --config /etc/branchline/branchline.toml");
    // F29: a broken file fails `systemctl reload`. The first command of a reload sees no
    // credentials in systemd 252, so it must be neither of the two.
    assert_eq!(
        reloads,
        [
            "true",
            "/usr/bin/branchline config check --config /etc/branchline/branchline.toml",
            "kill -HUP $MAINPID"
        ]
    );
}

#[test]
fn the_service_manager_waits_longer_than_the_daemon_cleans_up() {
    let [stop] = values("TimeoutStopSec")[..] else { panic!("one TimeoutStopSec=") };

    // F31: it is over after 8 s.
    assert!(stop.parse::<u64>().unwrap() > 8);
}

#[test]
fn errors_that_only_a_person_can_mend_are_not_tried_again() {
    assert_eq!(values("RestartPreventExitStatus"), ["64 65 78"]);
    assert_eq!(values("Restart"), ["always"]);
}
