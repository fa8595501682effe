//! SIGTERM: nothing new begins, what is under way takes back what it created, and it is soon over.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use branchline_lab::Cloud;

use crate::process::{Daemon, cloud, configuration};
use crate::registrar::{Loses, Way};
use crate::wait::{PATIENCE, eventually};

/// F31: it is over after 8 s; the rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(9);

/// The lab's configuration with the registrar behind a way that loses something, and a relay that
/// is silent for longer than the daemon may take to end.
fn slow_configuration(cloud: &Cloud, way: &Way, silent: &UdpSocket) -> String {
    let silent = silent.local_addr().expect("it is bound").to_string();
    configuration(cloud)
        .replace(&cloud.addresses().registrar.to_string(), &way.address().to_string())
        .replace(&cloud.addresses().relay.to_string(), &silent)
        .replace("timeout = \"2s\"", "timeout = \"30s\"")
        .replace("interval = \"2s\"", "interval = \"30s\"")
}

/// A daemon whose REGISTER has made a binding of which it does not know yet.
fn daemon_with_a_binding(cloud: &Cloud, way: &Way) -> Daemon {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let daemon = Daemon::start(&slow_configuration(cloud, way, &silent));
    eventually("a binding", PATIENCE, || match cloud.bindings().len() {
        0 => Err(daemon.log()),
        _ => Ok(()),
    });
    silent.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    silent.recv(&mut [0; 64]).expect("the relay is probed meanwhile");
    daemon
}

// F31, I11
#[test]
fn upon_sigterm_it_removes_its_binding_and_exits_with_0() {
    let cloud = cloud("healthy");
    let way = Way::to(cloud.addresses().registrar, Loses::Confirmations);
    let mut daemon = daemon_with_a_binding(&cloud, &way);
    let begun = Instant::now();

    daemon.signal("TERM");

    assert_eq!(daemon.await_end(LONGEST).code(), Some(0), "{}", daemon.log());
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    assert_eq!(cloud.bindings(), [], "{}", daemon.log());
    let stopping = daemon.lines_with("stopping");
    assert!(stopping.iter().any(|line| line.contains("running=")), "{stopping:?}");
}

// F31, I11
#[test]
fn upon_sigint_it_does_the_same() {
    let cloud = cloud("healthy");
    let way = Way::to(cloud.addresses().registrar, Loses::Confirmations);
    let mut daemon = daemon_with_a_binding(&cloud, &way);

    daemon.signal("INT");

    assert_eq!(daemon.await_end(LONGEST).code(), Some(0), "{}", daemon.log());
    assert_eq!(cloud.bindings(), [], "{}", daemon.log());
}

// F31, I11
#[test]
fn a_binding_that_cannot_be_removed_delays_the_end_and_is_told() {
    let cloud = cloud("healthy");
    let way = Way::to(cloud.addresses().registrar, Loses::Removals);
    let mut daemon = daemon_with_a_binding(&cloud, &way);

    daemon.signal("TERM");

    assert_eq!(daemon.await_end(LONGEST).code(), Some(0), "{}", daemon.log());
    let told = daemon.lines_with("did not confirm that what we created there is gone");
    assert_eq!(told.len(), 1, "{}", daemon.log());
}

// F31
#[test]
fn a_second_sigterm_ends_it_at_once() {
    let cloud = cloud("healthy");
    let way = Way::to(cloud.addresses().registrar, Loses::Removals);
    let mut daemon = daemon_with_a_binding(&cloud, &way);
    daemon.signal("TERM");
    daemon.until("the first signal to be heard", |daemon| {
        daemon.lines_with("stopping").pop().map(drop).ok_or_else(String::new)
    });
    assert!(daemon.is_running());
    let begun = Instant::now();

    daemon.signal("TERM");

    daemon.await_end(PATIENCE);
    // The removal would have been waited for 5 s.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

// I11
#[test]
fn a_reload_that_removes_a_target_removes_its_binding() {
    let cloud = cloud("healthy");
    let way = Way::to(cloud.addresses().registrar, Loses::Confirmations);
    let mut daemon = daemon_with_a_binding(&cloud, &way);
    let text = configuration(&cloud);
    let start = text.find("[[targets]]\nname = \"registrar\"").expect("the lab has one");
    let end = start + text[start..].find("[telephony]").expect("it comes after the targets");
    let without = format!("{}{}", &text[..start], &text[end..]);

    daemon.reload(&without);

    daemon.until("the removal", |_| match cloud.bindings().len() {
        0 => Ok(()),
        count => Err(format!("{count} left")),
    });
    assert!(daemon.is_running());
}
