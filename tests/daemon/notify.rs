//! What systemd is told, in which order, read from a socket of our own.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Daemon, cloud, configuration, stun_configuration};
use crate::wait::PATIENCE;

/// The service manager's end.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("the folder is ours");
        socket.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        Self { folder, socket }
    }

    fn path(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// The next message; `None` when none comes in time.
    fn hear(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8_lossy(&buffer[..length]).trim().to_owned()),
            Err(error) => {
                let is_silence =
                    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind());
                assert!(is_silence, "{error}");
                None
            }
        }
    }

    /// The messages up to one that begins with `first`, this one included.
    #[track_caller]
    fn hear_until(&self, first: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let next = self.hear().filter(|_| Instant::now() < deadline);
            let next = next.unwrap_or_else(|| panic!("no {first} after {heard:?}"));
            let is_it = next.starts_with(first);
            heard.push(next);
            if is_it {
                return heard;
            }
        }
    }
}

fn monotonic_usec(message: &str) -> u64 {
    let number = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    number.and_then(|number| number.parse().ok()).expect("a reload says when it began")
}

#[test]
fn systemd_hears_of_readiness_the_verdict_reloads_and_the_end_in_order() {
    let manager = Manager::start();
    let cloud = cloud("healthy");
    let text = configuration(&cloud);

    let mut daemon = Daemon::start_with(&text, &[("NOTIFY_SOCKET", &manager.path())]);

    assert_eq!(manager.hear_until("READY=1"), ["READY=1"]);
    assert_eq!(manager.hear_until("STATUS="), ["STATUS=go"]);
    daemon.reload(&text);
    let heard = manager.hear_until("RELOADING=1");
    let reloading = heard.last().expect("it was heard");
    // The clock that counts from boot, as systemd's own, so no later than now.
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(monotonic_usec(reloading) > 0);
    assert!((monotonic_usec(reloading) as f64) < (uptime + 1.0) * 1e6, "{reloading} at {uptime}");
    // What has not changed is not said again.
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(manager.hear_until("READY=1"), ["READY=1"]);
    daemon.signal("TERM");
    assert_eq!(manager.hear_until("STOPPING=1"), ["STOPPING=1"]);
    assert_eq!(daemon.await_end(Duration::from_secs(9)).code(), Some(0));
}

// F29
#[test]
fn a_reload_that_fails_is_over_for_systemd_too() {
    let manager = Manager::start();
    let text = stun_configuration("60s", &[("relay", "127.0.0.1:1".into())]);
    let daemon = Daemon::start_with(&text, &[("NOTIFY_SOCKET", &manager.path())]);
    manager.hear_until("READY=1");

    daemon.reload("[site");

    manager.hear_until("RELOADING=1");
    manager.hear_until("READY=1");
}

// F50
#[test]
fn the_watchdog_is_fed_at_least_twice_in_its_time() {
    let manager = Manager::start();
    let text = stun_configuration("60s", &[("relay", "127.0.0.1:1".into())]);
    let variables = [("NOTIFY_SOCKET", &*manager.path()), ("WATCHDOG_USEC", "1000000")];
    let _daemon = Daemon::start_with(&text, &variables);
    manager.hear_until("WATCHDOG=1");

    for _ in 0..3 {
        manager.socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let heard = manager.hear_until("WATCHDOG=1");
        assert!(heard.len() <= 8, "{heard:?}");
    }
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let manager = Manager::start();
    let text = stun_configuration("60s", &[("relay", "127.0.0.1:1".into())]);
    let variables =
        [("NOTIFY_SOCKET", &*manager.path()), ("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
    let daemon = Daemon::start_with(&text, &variables);
    manager.hear_until("READY=1");
    manager.socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();

    let mut heard = Vec::new();
    while let Some(message) = manager.hear().filter(|_| heard.len() < 3) {
        heard.push(message);
    }

    assert!(!heard.iter().any(|message| message.contains("WATCHDOG")), "{heard:?}");
    assert!(daemon.log().contains("started"));
}
