//! How the daemon starts, or does not.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use crate::process::{Daemon, own_address, stun_configuration};
use crate::wait::PATIENCE;

fn one_target() -> String {
    stun_configuration("60s", &[("relay", "127.0.0.1:1".into())])
}

// F38
#[test]
fn a_port_in_use_ends_it_with_one_line_that_names_the_address() {
    let web = own_address();
    let _holder = TcpListener::bind(web).unwrap();

    let mut daemon = Daemon::spawn(&one_target(), web, &[]);

    assert_eq!(daemon.await_end(PATIENCE).code(), Some(71));
    let log = daemon.log();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains(&web.to_string()), "{log}");
}

#[test]
fn a_broken_configuration_ends_it_before_it_opens_anything() {
    let web = own_address();

    let mut daemon = Daemon::spawn(&one_target().replace("interval", "intervall"), web, &[]);

    assert_eq!(daemon.await_end(PATIENCE).code(), Some(65));
    assert!(daemon.log().contains(&format!("{}:", daemon.config().display())), "{}", daemon.log());
    TcpListener::bind(web).unwrap();
}

#[test]
fn a_missing_credential_ends_it_with_78() {
    let text = one_target()
        + "\n[modules.register]\nprobe = \"sip-register\"\nallow_cleartext = true\n\
           address_of_record = \"sip:1001@example.net\"\n\
           password = { credential = \"sip-password\" }\n\n\
           [[targets]]\nname = \"registrar\"\naddress = \"127.0.0.1\"\nmodules = [\"register\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().display().to_string();

    // Missing, then empty: the default that the unit gives to a secret that is not there.
    for (content, code) in [(None, Some(78)), (Some("\n"), Some(78)), (Some("hunter2\n"), None)] {
        if let Some(content) = content {
            fs::write(folder.path().join("sip-password"), content).unwrap();
        }
        let variables = [("CREDENTIALS_DIRECTORY", directory.as_str())];
        let mut daemon = Daemon::spawn(&text, own_address(), &variables);

        match code {
            Some(code) => assert_eq!(daemon.await_end(PATIENCE).code(), Some(code)),
            None => daemon.until("the start", |daemon| {
                daemon.lines_with("started").pop().map(drop).ok_or_else(String::new)
            }),
        }
        assert!(!daemon.log().contains("hunter2"), "{}", daemon.log());
    }
}

// F3: a name that does not resolve is an observation, never an end.
#[test]
fn a_name_that_does_not_resolve_is_a_failed_observation() {
    let targets = [("nowhere", "nowhere.invalid".to_owned())];
    let mut daemon = Daemon::start(&stun_configuration("2s", &targets));

    daemon.await_ready();

    let metrics = daemon.page("/metrics").body;
    let failures = crate::conversation::family(&metrics, "branchline_probe_failure_info");
    let [failure] = &failures[..] else { panic!("one failure: {failures:?}") };
    assert_eq!((failure.label("target"), failure.label("reason")), ("nowhere", "unresolved"));
    assert_eq!(failure.label("stage"), "resolve");
    assert!(daemon.is_running());
}

// F52
#[test]
fn without_a_notify_socket_it_runs_and_says_nothing_of_it() {
    let mut daemon = Daemon::start_with(&one_target(), &[("NOTIFY_SOCKET", "/nowhere/at/all")]);
    assert!(daemon.is_running());

    daemon.signal("TERM");

    assert_eq!(daemon.await_end(Duration::from_secs(8)).code(), Some(0));
}
