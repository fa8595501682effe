//! What coturn still holds after the daemon ended, in order or not, wherever it was.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::agent::{Daemon, configure, keep_secret};
use crate::coturn::Coturn;
use crate::wait::eventually;

// I11, M10
#[test]
fn after_sigterm_at_a_hundred_random_points_coturn_holds_nothing() {
    let office = Office::new();
    let mut chance = StdRng::seed_from_u64(11);
    let mut met = 0;
    for _ in 0..POINTS {
        let mut daemon = Daemon::start(office.folder(), &office.config);
        at_random(&mut chance);
        daemon.assert_running();
        met += office.coturn.allocations();

        daemon.terminate();
        daemon.await_end(PATIENCE);

        office.coturn.await_no_allocation(AT_ONCE);
    }
    assert!(met >= POINTS / 2, "only {met} allocations were met: the points prove little");
}

// I11, F32, M10
#[test]
fn after_sigkill_at_a_hundred_random_points_the_next_daemon_frees_what_was_left() {
    let office = Office::new();
    let mut chance = StdRng::seed_from_u64(32);
    let mut left_in_all = 0;
    let mut daemon = Daemon::start(office.folder(), &office.config);
    for _ in 0..POINTS {
        at_random(&mut chance);
        daemon.assert_running();
        drop(daemon);
        let left = office.coturn.relayed();
        left_in_all += left.len();

        daemon = Daemon::start(office.folder(), &office.config);

        eventually("coturn to hold nothing of the killed daemon", PATIENCE, || {
            let held = office.coturn.relayed();
            let still: Vec<_> = left.intersection(&held).collect();
            if still.is_empty() { Ok(()) } else { Err(format!("{still:?}")) }
        });
    }
    daemon.terminate();
    daemon.await_end(PATIENCE);
    office.coturn.await_no_allocation(AT_ONCE);
    assert!(left_in_all >= POINTS / 2, "only {left_in_all} were left: the points prove little");
}

/// A coturn, and a plan that keeps several allocations on it at any time: one check has its echo
/// at once, the others wait for a peer that never answers.
struct Office {
    coturn: Coturn,
    config: std::path::PathBuf,
    folder: TempDir,
    _mute: UdpSocket,
}

impl Office {
    fn new() -> Self {
        let coturn = Coturn::at(&["127.0.0.1"])
            .free_port(LOOPBACK)
            .allow_loopback_peers()
            .user("probe", "probe-secret")
            .start();
        let mute = UdpSocket::bind((LOOPBACK, 0)).expect("loopback has ports");
        let peer = mute.local_addr().expect("it is bound");
        let folder = tempfile::tempdir().expect("a folder for the daemon");
        let secret = keep_secret(folder.path(), "turn-password", "probe-secret");
        let module = |name: &str, more: &str| {
            format!(
                "[modules.{name}]\nprobe = \"turn-allocation\"\nusername = \"probe\"\n\
                 password = {{ file = \"{}\" }}\ntimeout = \"2s\"\n{more}\n",
                secret.display()
            )
        };
        let targets: String = (0..4)
            .map(|number| {
                format!(
                    "[[targets]]\nname = \"relay-{number}\"\naddress = \"127.0.0.1:{}\"\n\
                     modules = [\"echo\", \"stuck\"]\ninterval = \"2s\"\n",
                    coturn.port
                )
            })
            .collect();
        let text = format!(
            "[site]\nname = \"lyon\"\n{}{}{targets}[web]\nlisten = [\"127.0.0.1:0\"]\n",
            module("echo", ""),
            module("stuck", &format!("peer = \"{peer}\"")),
        );
        let config = configure(folder.path(), &text);
        Self { coturn, config, folder, _mute: mute }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Lets the daemon get anywhere between its first instructions and its second round.
#[expect(clippy::disallowed_methods, reason = "it waits for nothing: any moment will do")]
fn at_random(chance: &mut StdRng) {
    std::thread::sleep(Duration::from_millis(chance.random_range(0..400)));
}

const POINTS: usize = 100;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// How long a daemon may take to end, and its successor to clean up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long coturn may take to close the sockets of what was freed.
const AT_ONCE: Duration = Duration::from_secs(2);
