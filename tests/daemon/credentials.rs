//! A password that is refused: asked once and then left alone, until somebody writes another one.

use std::path::PathBuf;

use branchline_lab::Cloud;

use crate::conversation::family;
use crate::process::{Daemon, cloud, configuration};
use crate::registrar::{Loses, Way};

/// The lab's configuration with the registrar at the end of `way`, to register alone, and asked more seldom than the
/// relay, by whose runs time is told.
fn behind(cloud: &Cloud, way: &Way) -> String {
    let text = configuration(cloud)
        .replace(&cloud.addresses().registrar.to_string(), &way.address().to_string())
        .replace("[\"register\", \"options\"]", "[\"register\"]");
    let (others, registrar) = text.split_once("name = \"registrar\"").expect("the lab has one");
    let registrar = registrar.replacen("interval = \"2s\"", "interval = \"3s\"", 1);
    format!("{others}name = \"registrar\"{registrar}")
}

/// The file in which the lab's branch keeps its password.
fn password_of(cloud: &Cloud) -> PathBuf {
    cloud.config().with_file_name("sip-password")
}

/// How often the relay was asked so far: nothing else here speaks STUN.
fn relay_runs(daemon: &Daemon) -> f64 {
    let counts = family(&daemon.page("/metrics").body, "branchline_exchanges_total");
    counts.iter().filter(|it| it.label("probe") == "stun-binding").map(|it| it.value).sum()
}

#[track_caller]
fn assert_refused(daemon: &Daemon) {
    let metrics = daemon.page("/metrics").body;
    let success = family(&metrics, "branchline_probe_success");
    let registrar: Vec<f64> =
        success.iter().filter(|it| it.label("target") == "registrar").map(|it| it.value).collect();
    assert_eq!(registrar, [0.0], "{metrics}");
    let findings = family(&metrics, "branchline_finding");
    assert!(findings.iter().any(|it| it.label("rule") == "sip-credentials"), "{findings:?}");
}

// D-SIP-7
#[test]
fn a_refused_password_is_not_tried_again_until_a_reload_brings_another_one() {
    let cloud = cloud("sip-credentials");
    let way = Way::to(cloud.addresses().registrar, Loses::Nothing);
    let text = behind(&cloud, &way);
    let mut daemon = Daemon::start(&text);
    daemon.await_ready();
    assert_refused(&daemon);
    // One REGISTER that is challenged, and one whose credentials are refused.
    assert_eq!(way.requests(), 2, "{}", daemon.log());

    // At its interval of 3 s the registrar would be asked twice in the 8 s that this takes.
    let before = relay_runs(&daemon);
    daemon.until("four more runs of the relay", |daemon| {
        let more = relay_runs(daemon) - before;
        if more >= 4.0 { Ok(()) } else { Err(format!("{more}")) }
    });

    assert_eq!(way.requests(), 2, "{}", daemon.log());
    assert_refused(&daemon);

    // The same file anew is no news.
    daemon.reload(&text);
    daemon.until("the reload", |daemon| {
        let told = daemon.lines_with("configuration reloaded").len();
        if told == 1 { Ok(()) } else { Err(format!("{told}")) }
    });
    assert_refused(&daemon);
    std::fs::write(password_of(&cloud), "another one").expect("the lab's folder is ours");

    daemon.reload(&text);

    // Without the reload it would rest for five minutes.
    daemon.until("another try", |_| match way.requests() {
        4 => Ok(()),
        count => Err(format!("{count} requests")),
    });
}
