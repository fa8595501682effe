//! One account, and two checks of the daemon that register it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Happening, Kamailio, LOOPBACK, PASSWORD, USER};
use crate::agent::{self, Daemon};
use crate::process::free_port;
use crate::wait::eventually;

/// A registrar is asked at a pace of three exchanges in 5 s: there are always two that wait.
const PATIENCE: Duration = Duration::from_secs(40);
const EXCHANGES: usize = 4;

// D-SIP-9
#[test]
fn two_checks_of_one_account_never_work_on_it_at_the_same_time() {
    let kamailio = Kamailio::asking_for("SHA-256").slow(150).start();
    let phone = kamailio.register_a_phone();
    let ours =
        |happening: &Happening| !phone.values().any(|kept| kept.contains(happening.call_id()));
    let folder = tempfile::tempdir().expect("a folder for the daemon");
    let password = agent::keep_secret(folder.path(), "sip-password", PASSWORD);
    let config = CONFIG
        .replace("@PORT@", &kamailio.port.to_string())
        .replace("@WEB@", &free_port(LOOPBACK).to_string())
        .replace("@USER@", USER)
        .replace("@PASSWORD@", &password.display().to_string());
    let config = agent::configure(folder.path(), &config);
    let mut daemon = Daemon::start(folder.path(), &config);

    eventually("enough exchanges", PATIENCE, || {
        daemon.assert_running();
        let registers = kamailio.registers();
        let done = registers.iter().filter(|register| register.expires == "0").count();
        if done > EXCHANGES { Ok(()) } else { Err(format!("{done} removals")) }
    });
    daemon.terminate();
    let ended = daemon.await_end(PATIENCE);

    assert_eq!(ended.code(), Some(0), "{ended}");
    let happenings: Vec<Happening> = kamailio.happenings().into_iter().filter(ours).collect();
    // Who has arrived is answered before the next one arrives.
    for pair in happenings.chunks(2) {
        let [Happening::Arrived(seen), Happening::Answered(call_id, sequence)] = pair else {
            panic!("two are in flight: {pair:#?} of {happenings:#?}")
        };
        assert_eq!((&seen.call_id, &seen.sequence), (call_id, sequence), "{happenings:#?}");
    }
    // Who has begun is at its end before the next one begins.
    let mut begun: Vec<&str> = happenings.iter().map(Happening::call_id).collect();
    begun.dedup();
    let exchanges: BTreeSet<&str> = begun.iter().copied().collect();
    assert_eq!(begun.len(), exchanges.len(), "two are interleaved: {begun:#?}");
    assert!(exchanges.len() > EXCHANGES, "{begun:#?}");
    let transports: BTreeSet<String> = kamailio
        .registers()
        .into_iter()
        .filter(|register| exchanges.contains(register.call_id.as_str()))
        .map(|register| register.transport)
        .collect();
    assert_eq!(transports, ["tcp", "udp"].map(str::to_owned).into(), "both checks took part");
    assert_eq!(kamailio.bindings(), phone);
}

impl Happening {
    fn call_id(&self) -> &str {
        match self {
            Self::Arrived(seen) => &seen.call_id,
            Self::Answered(call_id, _) => call_id,
        }
    }
}

const CONFIG: &str = r#"
[site]
name = "branch"

[modules.over-udp]
probe = "sip-register"
transport = "udp"
address_of_record = "sip:@USER@@branch.test"
password = { file = "@PASSWORD@" }
allow_cleartext = true
every = "1s"
timeout = "2s"

[modules.over-tcp]
probe = "sip-register"
transport = "tcp"
address_of_record = "sip:@USER@@branch.test"
password = { file = "@PASSWORD@" }
allow_cleartext = true
every = "1s"
timeout = "2s"

[[targets]]
name = "registrar"
address = "127.0.0.1:@PORT@"
modules = ["over-udp", "over-tcp"]
interval = "2s"

[web]
listen = ["127.0.0.1:@WEB@"]
"#;
