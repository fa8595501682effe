//! What a process before this one left with servers, as the daemon finds it.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::conversation::family;
use crate::process::{Daemon, stun_configuration};
use crate::wait::PATIENCE;

fn start(folder: &Path, configuration: &str) -> Daemon {
    Daemon::start_with(configuration, &[("STATE_DIRECTORY", &folder.display().to_string())])
}

/// A target that nobody serves, and its address.
fn configuration() -> (String, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let closed = socket.local_addr().expect("it is bound");
    (stun_configuration("2s", &[("relay", closed.to_string())]), closed.port())
}

/// A line as the daemon writes it, of a check of this name.
fn open(module: &str, target: &str, port: u16) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = now.expect("it is after 1970").as_secs();
    format!(
        "{{\"open\":{{\"at\":{at},\"key\":{{\"module\":\"{module}\",\"target\":\"{target}\",\
         \"host\":\"127.0.0.1\",\"port\":{port},\"leg\":0,\"local\":\"127.0.0.1:4711\",\
         \"peer\":\"127.0.0.1:{port}\"}}}}}}\n"
    )
}

/// The only sample of a metric.
fn value(daemon: &Daemon, name: &str) -> f64 {
    let samples = family(&daemon.page("/metrics").body, name);
    let [sample] = &samples[..] else { panic!("{name}: {samples:?}") };
    sample.value
}

fn journal(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("intents")).expect("the daemon writes it")
}

// F32
#[test]
fn what_no_check_can_take_back_is_dropped_and_strange_lines_do_no_harm() {
    let (configuration, port) = configuration();
    let folder = tempfile::tempdir().unwrap();
    let strange = "not a line\n\u{1}\u{2}\u{3}\n";
    let text = [strange, &open("no-such", "relay", port), &open("stun", "relay", port)].concat();
    fs::write(folder.path().join("intents"), text).unwrap();

    let mut daemon = start(folder.path(), &configuration);
    daemon.await_ready();

    assert_eq!(daemon.lines_with("none of ours").len(), 1, "{}", daemon.log());
    assert_eq!(daemon.lines_with("no such check any more").len(), 1, "{}", daemon.log());
    // A binding request leaves nothing, so there was nothing to do, and nothing is claimed.
    assert_eq!(daemon.lines_with("took back").len(), 0, "{}", daemon.log());
    assert_eq!(daemon.lines_with("take back").len(), 0, "{}", daemon.log());
    assert_eq!(value(&daemon, "branchline_intents"), 0.0);
    assert!(!journal(&folder).contains("not a line"), "{}", journal(&folder));
}

// I11
#[test]
fn what_could_not_be_taken_back_is_a_warning_and_stays_open() {
    let (_, port) = configuration();
    let configuration = format!(
        "[site]\nname = \"lyon\"\n\n[modules.stun]\nprobe = \"turn-allocation\"\n\
         timeout = \"2s\"\nusername = \"probe\"\n\
         password.env = \"RELAY_PASSWORD\"\n\n\
         [[targets]]\nname = \"relay\"\naddress = \"127.0.0.1:{port}\"\n\
         modules = [\"stun\"]\ninterval = \"2s\"\n"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("intents"), open("stun", "relay", port)).unwrap();

    let state = folder.path().display().to_string();
    let variables = [("STATE_DIRECTORY", &*state), ("RELAY_PASSWORD", "hunter2")];
    let mut daemon = Daemon::start_with(&configuration, &variables);
    daemon.await_ready();

    let lines = daemon.lines_with("could not take back");
    assert!(lines.len() == 1 && lines[0].contains("WARN"), "{}", daemon.log());
    assert_eq!(value(&daemon, "branchline_intents"), 1.0);
}

// F32
#[test]
fn a_kill_is_counted_at_the_next_start_and_an_orderly_end_is_not() {
    let (configuration, _) = configuration();
    let folder = tempfile::tempdir().unwrap();

    for (signal, found) in [("KILL", 0.0), ("TERM", 1.0), ("TERM", 0.0)] {
        let mut daemon = start(folder.path(), &configuration);
        daemon.await_ready();
        assert_eq!(value(&daemon, "branchline_unclean_shutdown_total"), found, "before {signal}");
        daemon.signal(signal);
        daemon.await_end(PATIENCE);
    }
}

#[test]
fn a_state_directory_that_cannot_be_written_costs_one_warning() {
    let (configuration, _) = configuration();

    let mut daemon = start(Path::new("/proc/self"), &configuration);
    daemon.await_ready();

    assert_eq!(daemon.lines_with("the journal").len(), 1, "{}", daemon.log());
    assert!(family(&daemon.page("/metrics").body, "branchline_intents").is_empty());
}

#[test]
fn without_a_state_directory_there_is_no_journal_and_no_word_of_it() {
    let (configuration, _) = configuration();

    let mut daemon = Daemon::start(&configuration);
    daemon.await_ready();

    assert!(daemon.lines_with("journal").is_empty(), "{}", daemon.log());
    assert!(family(&daemon.page("/metrics").body, "branchline_intents").is_empty());
}
