//! What the registrar holds after the daemon was asked to end.

use std::time::Duration;

use super::{Kamailio, LOOPBACK, PASSWORD, USER};
use crate::agent::{self, Daemon};
use crate::process::{PATIENCE, free_port};
use crate::wait::eventually;

// I11
#[test]
fn sigterm_between_request_and_answer_leaves_no_binding() {
    let kamailio = Kamailio::asking_for("SHA-256").slow_to_confirm().start();
    let folder = tempfile::tempdir().expect("a folder for the daemon");
    let password = agent::keep_secret(folder.path(), "sip-password", PASSWORD);
    let config = CONFIG_OF_THE_DAEMON
        .replace("@PORT@", &kamailio.port.to_string())
        .replace("@WEB@", &free_port(LOOPBACK).to_string())
        .replace("@USER@", USER)
        .replace("@PASSWORD@", &password.display().to_string());
    let config = agent::configure(folder.path(), &config);
    let mut daemon = Daemon::start(folder.path(), &config);
    eventually("the daemon's binding at the registrar", PATIENCE, || {
        daemon.assert_running();
        if kamailio.bindings().is_empty() { Err("it holds none".to_owned()) } else { Ok(()) }
    });

    daemon.terminate();

    let status = daemon.await_end(CLEANED_UP);
    assert_eq!(status.code(), Some(0), "{status}");
    eventually("a registrar that holds nothing of ours", CLEANED_UP, || {
        let left = kamailio.bindings();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// How long the product may take to end and to remove what it created (I11).
const CLEANED_UP: Duration = Duration::from_secs(10);

const CONFIG_OF_THE_DAEMON: &str = r#"
[site]
name = "branch"

[modules.register]
probe = "sip-register"
transport = "udp"
address_of_record = "sip:@USER@@branch.test"
username = "@USER@"
password = { file = "@PASSWORD@" }
allow_cleartext = true
every = "4s"
timeout = "3s"

[[targets]]
name = "registrar"
address = "127.0.0.1:@PORT@"
modules = ["register"]
interval = "4s"

[web]
listen = ["127.0.0.1:@WEB@"]
"#;
