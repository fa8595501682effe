//! REGISTER with digest against Kamailio, and what its registrar holds afterwards.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::agent::{self, Daemon, Probe, probe};
use crate::process::{
    PATIENCE, Server, ask_over_udp, free_port, program, run, run_well, text, words,
};
use crate::wait::eventually;

/// A registrar for one account, without a database.
struct Kamailio {
    port: u16,
    server: Server,
    kamcmd: PathBuf,
}

/// A REGISTER as the registrar saw it.
#[derive(Debug)]
struct Seen {
    /// For how long it asks, in seconds: by its contact, or else by its header.
    expires: String,
    /// The user of the credentials; `<null>` where there were none.
    credentials: String,
}

impl Kamailio {
    /// Starts it with the digest algorithm that it asks for, and waits for its first answer.
    #[track_caller]
    fn asking_for(algorithm: &str) -> Self {
        Self::start(algorithm, "")
    }

    /// As above, and once a contact is stored, it takes 400 ms before it says so: less than the
    /// 500 ms (T1) after which a request is repeated.
    #[track_caller]
    fn slow_to_confirm(algorithm: &str) -> Self {
        let hold = r#"
    if ($hdr(Expires) != "0" && $(ct{param.value,expires}) != "0") {
        if (!save("location", "0x02")) { sl_reply_error(); exit; }
        usleep("400000");
    }"#;
        Self::start(algorithm, hold)
    }

    #[track_caller]
    fn start(algorithm: &str, hold: &str) -> Self {
        let kamcmd = program("kamcmd", "kamailio");
        let port = free_port(LOOPBACK);
        let folder = tempfile::tempdir().expect("a folder for Kamailio");
        let path = folder.path().display().to_string();
        let config = CONFIG
            .replace("@PORT@", &port.to_string())
            .replace("@FOLDER@", &path)
            .replace("@ALGORITHM@", algorithm)
            .replace("@PASSWORD@", PASSWORD)
            .replace("@HOLD@", hold);
        let file = folder.path().join("kamailio.cfg");
        std::fs::write(&file, config).expect("the folder is ours to write to");
        let mut command = Command::new(program("kamailio", "kamailio"));
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-Y", &path, "-w", &path, "-f"])
            .arg(file);
        let mut server = Server::start("Kamailio", folder, &command);
        let at = SocketAddr::new(LOOPBACK, port);
        server.await_ready(|| ask_over_udp(at, options_request(port).as_bytes()));
        Self { port, server, kamcmd }
    }

    /// The branch's probe of this registrar: one account, every consent given but MD5's.
    fn probe(&self) -> Probe {
        probe("sip-register", SocketAddr::new(LOOPBACK, self.port))
            .option("transport", "udp")
            .option("address_of_record", &format!("sip:{USER}@branch.test"))
            .option("username", USER)
            .option("allow_cleartext", "true")
    }

    /// What the registrar itself says that it holds for the account: contacts by address, each
    /// with what must not change while nobody touches it.
    ///
    /// The location table knows accounts by user (`use_domain` is off), so that sipsak's
    /// `1001@127.0.0.1` and the probe's `1001@branch.test` are one.
    fn bindings(&self) -> BTreeMap<String, String> {
        let control = format!("unix:{}/ctl", self.server.folder().display());
        let kamcmd = self.kamcmd.display().to_string();
        let account = format!("s:{USER}");
        let lookup = [&*kamcmd, "-s", &control, "ul.lookup", "location", &account];
        let said = run_well(&words(&[], &lookup));
        let mut bindings = BTreeMap::new();
        let mut address = String::new();
        for line in said.lines().map(str::trim) {
            match line.split_once(": ") {
                Some(("Address", value)) => value.clone_into(&mut address),
                Some(("Call-ID" | "CSeq" | "Received" | "Socket" | "User-Agent", _)) => {
                    let kept: &mut String = bindings.entry(address.clone()).or_default();
                    *kept += line;
                    *kept += "\n";
                }
                _ => (),
            }
        }
        assert!(
            said.contains("not found") == bindings.is_empty(),
            "kamcmd speaks otherwise than expected:\n{said}"
        );
        bindings
    }

    /// Every REGISTER that arrived, in order.
    fn registers(&self) -> Vec<Seen> {
        let log = self.server.log();
        let said = log.lines().filter_map(|line| line.split_once("saw REGISTER "));
        said.map(|(_, words)| {
            let words: BTreeMap<&str, &str> =
                words.split_whitespace().filter_map(|word| word.split_once('=')).collect();
            let own = Some(words["contact_expires"]).filter(|seconds| !seconds.is_empty());
            Seen {
                expires: own.unwrap_or(words["expires"]).to_owned(),
                credentials: words["credentials"].to_owned(),
            }
        })
        .collect()
    }

    /// Registers a phone for an hour, with a client that is not ours.
    #[track_caller]
    fn register_a_phone(&self) {
        let sipsak = program("sipsak", "sipsak").display().to_string();
        let phone = format!("sip:{USER}@127.0.0.1:5090");
        let account = format!("sip:{USER}@127.0.0.1");
        let port = self.port.to_string();
        #[rustfmt::skip]
        let command = words(&[], &[&sipsak, "-U", "-i", "-C", &phone, "-x", "3600",
            "-a", PASSWORD, "-r", &port, "-s", &account]);
        let output = run(&command);
        assert!(
            output.status.success(),
            "sipsak could not register: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }
}

#[test]
fn kamailio_accepts_our_md5_digest_and_holds_nothing_afterwards() {
    let kamailio = Kamailio::asking_for("MD5");

    let probed = kamailio.probe().option("allow_md5", "true").password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("status_code"), 200);
    assert_eq!(probed.fact("algorithm"), "MD5");
    assert_eq!(probed.fact("bindings"), 1);
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(probed.fact("received"), "127.0.0.1");
    assert!(probed.fact("rport").is_u64(), "{probed:#?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

#[test]
fn kamailio_accepts_our_sha_256_digest() {
    let kamailio = Kamailio::asking_for("SHA-256");

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_success();
    assert_eq!(probed.fact("status_code"), 200);
    assert_eq!(probed.fact("algorithm"), "SHA-256");
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-9
#[test]
fn our_contact_is_held_for_no_longer_than_a_minute_and_then_taken_back() {
    let kamailio = Kamailio::asking_for("SHA-256");

    let probed = kamailio.probe().password(PASSWORD).run();

    let expires = probed.fact("expires_seconds").as_f64().expect("the registrar's own figure");
    assert!(expires > 0.0 && expires <= 60.0, "{probed:#?}");
    let seen = kamailio.registers();
    let asked: Vec<u32> =
        seen.iter().filter_map(|register| register.expires.parse().ok()).collect();
    assert_eq!(asked.len(), seen.len(), "every REGISTER says for how long: {seen:?}");
    assert!(asked.iter().all(|seconds| *seconds <= 60), "{seen:?}");
    assert_eq!(asked.last(), Some(&0), "{seen:?}");
}

// D-SIP-7
#[test]
fn a_wrong_password_is_rejected_within_three_requests() {
    let kamailio = Kamailio::asking_for("SHA-256");

    let probed = kamailio.probe().password("not-the-password").run();

    probed.assert_failure("rejected");
    let message = probed.seen["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("401"), "{probed:#?}");
    assert_eq!(probed.fact("status_code"), 401);
    let seen = kamailio.registers();
    assert!((2..=3).contains(&seen.len()), "{seen:?}");
    assert_eq!(kamailio.bindings(), BTreeMap::new());
}

// D-SIP-4
#[test]
fn credentials_are_not_sent_for_md5_unless_that_is_allowed() {
    let kamailio = Kamailio::asking_for("MD5");

    let probed = kamailio.probe().password(PASSWORD).run();

    probed.assert_failure("auth_weak");
    let seen = kamailio.registers();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].credentials, "<null>");
}

// D-SIP-5
#[test]
fn credentials_are_not_sent_in_the_open_unless_that_is_allowed() {
    let kamailio = Kamailio::asking_for("SHA-256");

    let probed =
        kamailio.probe().option("allow_cleartext", "false").password(PASSWORD).run_or_refuse();

    assert!(probed.is_none_or(|probed| probed.seen["success"] == false));
    assert!(kamailio.registers().iter().all(|register| register.credentials == "<null>"));
}

// D-SIP-5
#[test]
fn credentials_are_not_sent_to_another_realm() {
    let kamailio = Kamailio::asking_for("SHA-256");

    let probed = kamailio.probe().option("realm", "elsewhere.test").password(PASSWORD).run();

    probed.assert_failure("auth_realm");
    let seen = kamailio.registers();
    assert!(seen.iter().all(|register| register.credentials == "<null>"), "{seen:?}");
}

// D-SIP-9
#[test]
fn a_phones_own_binding_is_counted_and_never_touched() {
    let kamailio = Kamailio::asking_for("MD5");
    kamailio.register_a_phone();
    let before = kamailio.bindings();
    assert_eq!(before.len(), 1, "the phone's: {before:?}");

    for _ in 0..5 {
        let probed = kamailio.probe().option("allow_md5", "true").password(PASSWORD).run();

        probed.assert_success();
        assert_eq!(probed.fact("bindings"), 2);
    }
    let refused = kamailio.probe().option("allow_md5", "true").password("wrong").run();

    refused.assert_failure("rejected");
    assert_eq!(kamailio.bindings(), before);
}

// I11
#[test]
fn sigterm_between_request_and_answer_leaves_no_binding() {
    let kamailio = Kamailio::slow_to_confirm("SHA-256");
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

fn options_request(port: u16) -> String {
    format!(
        "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKready\r\nMax-Forwards: 70\r\n\
         From: <sip:test@branch.test>;tag=ready\r\nTo: <sip:127.0.0.1>\r\n\
         Call-ID: ready@branch.test\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const USER: &str = "1001";

const PASSWORD: &str = "secret1001";

/// How long the product may take to end and to remove what it created (I11).
const CLEANED_UP: Duration = Duration::from_secs(10);

/// The registrar. A REGISTER is written down before it is answered, so that a test that has its
/// answer finds it in the log.
const CONFIG: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:@PORT@

loadmodule "kex.so"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "ctl.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "cfgutils.so"

modparam("ctl", "binrpc", "unix:@FOLDER@/ctl")
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 5)
modparam("auth", "algorithm", "@ALGORITHM@")

request_route {
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (!is_method("REGISTER")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    xlog("L_ERR", "saw REGISTER contact_expires=$(ct{param.value,expires}) expires=$hdr(Expires) credentials=$au\n");
    force_rport();
    if (!is_present_hf("Authorization")) { www_challenge("$td", "1"); exit; }
    if (!pv_www_authenticate("$td", "@PASSWORD@", "0")) { www_challenge("$td", "1"); exit; }
    @HOLD@
    if (!save("location")) { sl_reply_error(); }
}
"#;

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
