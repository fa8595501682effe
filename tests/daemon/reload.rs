//! SIGHUP: a good file is taken over, a broken one changes nothing.

use std::collections::BTreeSet;

use crate::conversation::{family, value};
use crate::process::{Daemon, cloud, configuration, stun_configuration};

const RELOADED: &str = "branchline_config_last_reload_successful";
const RELOAD_TIME: &str = "branchline_config_last_reload_success_timestamp_seconds";

fn targets(daemon: &Daemon) -> BTreeSet<String> {
    let metrics = daemon.page("/metrics").body;
    let probed = family(&metrics, "branchline_probe_success");
    probed.iter().map(|sample| sample.label("target").to_owned()).collect()
}

fn await_targets(daemon: &mut Daemon, wanted: &[&str]) {
    daemon.until(&format!("{wanted:?}"), |daemon| {
        let there = targets(daemon);
        if there.iter().eq(wanted) { Ok(()) } else { Err(format!("{there:?}")) }
    });
}

// F29, I7
#[test]
fn a_broken_file_keeps_the_whole_old_plan_and_is_told_in_one_line() {
    let cloud = cloud("healthy");
    let relay = cloud.addresses().relay.to_string();
    let good = stun_configuration("2s", &[("relay", relay.clone())]);
    let mut daemon = Daemon::start(&good);
    await_targets(&mut daemon, &["relay"]);
    let before = value(&daemon.page("/metrics").body, RELOAD_TIME);
    // The first half of the file is good and different: none of it may be taken over.
    let broken = stun_configuration("1s", &[("other", relay)]) + "intervall = \"1s\"\n";

    daemon.reload(&broken);

    daemon.until("the refusal", |daemon| {
        let is_refused = value(&daemon.page("/metrics").body, RELOADED) == 0.0;
        is_refused.then_some(()).ok_or_else(String::new)
    });
    assert_eq!(value(&daemon.page("/metrics").body, RELOAD_TIME), before);
    assert_eq!(targets(&daemon), BTreeSet::from(["relay".to_owned()]));
    let line = broken.lines().count();
    let told = daemon.lines_with("the old one stays");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!("{}:{line}:1", daemon.config().display())), "{told:?}");

    daemon.reload(&good);

    daemon.until("the next reload", |daemon| {
        let is_taken = value(&daemon.page("/metrics").body, RELOADED) == 1.0;
        is_taken.then_some(()).ok_or_else(String::new)
    });
    assert!(value(&daemon.page("/metrics").body, RELOAD_TIME) > before);
}

// F29
#[test]
fn a_file_that_is_gone_keeps_the_old_plan() {
    let cloud = cloud("healthy");
    let relay = cloud.addresses().relay.to_string();
    let mut daemon = Daemon::start(&stun_configuration("2s", &[("relay", relay)]));
    await_targets(&mut daemon, &["relay"]);
    std::fs::remove_file(daemon.config()).unwrap();

    daemon.signal("HUP");
    daemon.signal("HUP");

    daemon.until("the refusal", |daemon| {
        let told = daemon.lines_with("the old one stays").len();
        if told >= 1 { Ok(()) } else { Err(format!("{told} lines")) }
    });
    assert_eq!(targets(&daemon), BTreeSet::from(["relay".to_owned()]));
    assert!(daemon.is_running());
}

// F30
#[test]
fn removed_targets_vanish_added_ones_appear_and_kept_ones_stay() {
    let cloud = cloud("healthy");
    let relay = cloud.addresses().relay.to_string();
    let plan = |names: [&str; 2]| {
        // Kept has an interval so long that it does not run a second time within this test.
        let text = stun_configuration("2s", &names.map(|name| (name, relay.clone())));
        text.replacen("modules = [\"stun\"]\ninterval = \"2s\"", "modules = [\"stun\"]", 1)
    };
    let mut daemon = Daemon::start(&plan(["kept", "removed"]));
    await_targets(&mut daemon, &["kept", "removed"]);
    let time_of_kept = |daemon: &Daemon| {
        let times = family(&daemon.page("/metrics").body, "branchline_probe_timestamp_seconds");
        times.iter().find(|sample| sample.label("target") == "kept").map(|sample| sample.value)
    };
    let before = time_of_kept(&daemon);

    daemon.reload(&plan(["kept", "added"]));

    await_targets(&mut daemon, &["added", "kept"]);
    assert!(before.is_some());
    assert_eq!(time_of_kept(&daemon), before);
    assert!(!daemon.page("/metrics").body.contains("\"removed\""));
}

#[test]
fn a_phone_has_a_series_of_its_own_as_long_as_the_configuration_lists_it() {
    let cloud = cloud("healthy");
    let unlisted = configuration(&cloud);
    let listed = unlisted.replace("[telephony]\n", "[telephony]\nphones = [\"Lyon desk 01\"]\n");
    let await_phones = |daemon: &mut Daemon, wanted: &[(&str, f64)]| {
        daemon.until(&format!("{wanted:?}"), |daemon| {
            let metrics = daemon.page("/metrics").body;
            let phones = family(&metrics, "branchline_phone_active");
            let seen: Vec<_> = phones.iter().map(|it| (it.label("phone"), it.value)).collect();
            if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    };
    let mut daemon = Daemon::start(&unlisted);
    daemon.await_ready();
    await_phones(&mut daemon, &[]);

    daemon.reload(&listed);

    await_phones(&mut daemon, &[("Lyon desk 01", 1.0)]);

    daemon.reload(&unlisted);

    await_phones(&mut daemon, &[]);
}
