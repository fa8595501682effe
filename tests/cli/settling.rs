//! `check` where we can register and the vendor says that its trunk cannot: it is asked again.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use branchline_lab::Cloud;

use crate::{Ran, assert_plain, branchline, cloud, command};

const ONLY: &str = "only 1 of ";

/// The registrar alone is checked, so that nothing takes long but the vendor.
fn check(cloud: &Cloud, more: &[&str]) -> Ran {
    let config = cloud.config().display().to_string();
    branchline(&[&["check", "--config", &config, "--only", "registrar-tls"], more].concat())
}

#[test]
fn a_trunk_is_misconfigured_when_the_vendor_has_had_its_time() {
    let cloud = cloud("trunk-configuration");

    let Ran { code, stdout, stderr } = check(&cloud, &["--wait-for-vendor", "2s"]);

    assert_eq!(code, Some(2), "{stdout}");
    assert!(stdout.contains("blocking trunk-configuration\n"), "{stdout}");
    assert!(!stdout.contains("Not known"), "{stdout}");
    assert_plain(&stdout, "the report");
    let [only, told] = &stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
    assert!(only.starts_with(ONLY), "{stderr}");
    assert_eq!(
        *told,
        "waiting up to 2 s for the vendor to notice that trunk Carrier A can register, as we can"
    );
}

#[test]
fn a_vendor_that_notices_late_is_no_finding() {
    let cloud = cloud("trunk-settling");

    let Ran { code, stdout, stderr } = check(&cloud, &["--wait-for-vendor", "2s"]);

    assert_eq!(code, Some(0), "{stdout}");
    assert!(!stdout.contains("trunk-"), "{stdout}");
    assert!(stderr.contains("\nwaiting up to "), "{stderr}");
}

#[test]
fn a_vendor_that_says_what_we_see_is_not_waited_for() {
    let cloud = cloud("healthy");
    let begun = Instant::now();

    let Ran { code, stderr, .. } = check(&cloud, &["--wait-for-vendor", "1h"]);

    assert_eq!(code, Some(0));
    assert!(stderr.starts_with(ONLY) && stderr.lines().count() == 1, "{stderr}");
    assert!(begun.elapsed().as_secs() < 3600);
}

#[test]
fn an_interrupted_wait_for_the_vendor_ends_at_once_and_without_a_report() {
    let cloud = cloud("trunk-configuration");
    let config = cloud.config().display().to_string();
    let words =
        ["check", "--config", &config, "--only", "registrar-tls", "--wait-for-vendor", "1h"];
    let mut child = command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(told.next().unwrap().starts_with(ONLY));
    assert!(told.next().unwrap().starts_with("waiting up to 3600 s "));

    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();

    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(cloud.bindings(), []);
}

#[test]
fn a_wait_that_is_no_duration_is_a_wrong_command_line() {
    let cloud = cloud("healthy");

    for text in ["30", "soon", "2h"] {
        let Ran { code, stdout, stderr } = check(&cloud, &["--wait-for-vendor", text]);

        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{text}");
        assert!(stderr.contains("it takes a duration up to 1h, such as 30s"), "{stderr}");
    }
}
