//! What Kamailio still holds after the daemon ended, in order or not, wherever it was.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Kamailio, PASSWORD, Seen, Setup, USER};
use crate::agent::{Daemon, configure, keep_secret};
use crate::certificates::Authority;
use crate::points::{Met, at_each_office, at_random};
use crate::process::PATIENCE;
use crate::wait::eventually;

// I11, M10, D-SIP-9, D-SIP-10
#[test]
fn after_sigterm_at_a_hundred_random_points_kamailio_holds_the_phones_binding_alone() {
    let met = at_each_office(OFFICES, 11, |number, chance| {
        let office = Office::new(number);
        let mut met = Met::default();
        for point in 0..POINTS / OFFICES {
            let mut daemon = office.start();
            let after = at_random(chance, most(point));
            daemon.assert_running();
            met.count(after < FIRST, office.ours().len());

            let asked = Instant::now();
            daemon.terminate();
            let status = daemon.await_end(CLEANED_UP);
            met.freed_after.push(asked.elapsed());

            // Who has not yet begun to listen for signals has done nothing yet.
            let is_unborn = after < FIRST && status.signal() == Some(SIGTERM);
            assert!(status.success() || is_unborn, "{status}");
            office.assert_only_the_phone();
        }
        met
    });
    assert_proof(&met);
    met.assert_freed(SOON, WORST);
}

// I11, F32, M10, D-SIP-9
#[test]
fn after_sigkill_at_a_hundred_random_points_the_next_daemon_removes_what_was_left() {
    let met = at_each_office(OFFICES, 32, |number, chance| {
        let office = Office::new(number);
        let mut met = Met::default();
        let mut daemon = office.start();
        for point in 0..POINTS / OFFICES {
            let after = at_random(chance, most(point));
            daemon.assert_running();
            drop(daemon);
            let left = office.ours();
            met.count(after < FIRST, left.len());

            let started = Instant::now();
            daemon = office.start();

            office.await_gone(&left);
            if !left.is_empty() {
                met.freed_after.push(started.elapsed());
            }
        }
        office.await_ours(&mut daemon);
        daemon.terminate();
        let status = daemon.await_end(CLEANED_UP);
        assert!(status.success(), "{status}");
        office.assert_only_the_phone();
        met
    });
    assert_proof(&met);
    met.assert_freed(SOON, WORST);
}

// I11, F32
#[test]
fn what_is_stored_after_the_next_daemon_has_looked_is_removed_as_well() {
    let office = Office::of(0, Kamailio::asking_for("SHA-256").slow_to_store(800));
    let mut daemon = office.start();
    let lost = eventually("a REGISTER with credentials", PATIENCE, || {
        daemon.assert_running();
        let mut ours = office.kamailio.registers().into_iter().filter(Seen::has_credentials);
        ours.next().ok_or_else(|| "none has arrived".to_owned())
    });
    drop(daemon);
    assert_eq!(office.ours(), BTreeSet::new(), "nothing is stored yet");

    let mut daemon = office.start();

    // It registers by itself once it has taken back what was left.
    eventually("a whole exchange of the next daemon", PATIENCE, || {
        daemon.assert_running();
        let registers = office.kamailio.registers();
        let calls = registers.iter().filter(|it| it.expires == "60" && it.call_id != lost.call_id);
        let calls: BTreeSet<&str> = calls.map(|register| &*register.call_id).collect();
        let is_over = |it: &Seen| it.expires == "0" && calls.contains(&*it.call_id);
        if registers.iter().any(is_over) { Ok(()) } else { Err(format!("{registers:#?}")) }
    });
    let port = format!(":{}", lost.from_port);
    let held = office.ours();
    assert!(!held.iter().any(|contact| contact.contains(&port)), "{lost:#?} {held:?}");
}

/// A Kamailio where a phone is registered, and a plan that registers with the same
/// address-of-record over every transport as often as the product does.
struct Office {
    kamailio: Kamailio,
    _authority: Authority,
    phone: BTreeMap<String, String>,
    config: PathBuf,
    folder: TempDir,
}

impl Office {
    fn new(number: usize) -> Self {
        Self::of(number, Kamailio::asking_for("SHA-256").slow_to_confirm())
    }

    fn of(number: usize, registrar: Setup) -> Self {
        let authority = Authority::new();
        let kamailio = registrar.tls(authority.vouch_for(&["127.0.0.1"])).start();
        let phone = kamailio.register_a_phone();
        let folder = tempfile::tempdir().expect("a folder for the daemon");
        let secret = keep_secret(folder.path(), "sip-password", PASSWORD);
        let mut text = "[site]\nname = \"lyon\"\n[web]\nlisten = [\"127.0.0.1:0\"]\n".to_owned();
        for transport in ["udp", "tcp", "tls"] {
            let trust = match transport {
                "tls" => format!("ca_file = \"{}\"", authority.path().display()),
                _ => "allow_cleartext = true".to_owned(),
            };
            text += &format!(
                "[modules.{transport}]\nprobe = \"sip-register\"\ntransport = \"{transport}\"\n\
                 address_of_record = \"sip:{USER}@branch.test\"\n\
                 password = {{ file = \"{}\" }}\nevery = \"2s\"\ntimeout = \"2s\"\n{trust}\n",
                secret.display(),
            );
            // When a check begins depends on its name: offices are not to be all alike.
            for which in 1..=4 {
                text += &format!(
                    "[[targets]]\nname = \"{transport}-{number}-{which}\"\naddress = \"{}\"\n\
                     modules = [\"{transport}\"]\ninterval = \"2s\"\n",
                    kamailio.at(transport),
                );
            }
        }
        let config = configure(folder.path(), &text);
        Self { kamailio, _authority: authority, phone, config, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self) -> Daemon {
        Daemon::start(self.folder(), &self.config)
    }

    /// The contacts that are held for our daemons.
    #[track_caller]
    fn ours(&self) -> BTreeSet<String> {
        let held = self.kamailio.bindings();
        held.into_keys().filter(|contact| !self.phone.contains_key(contact)).collect()
    }

    #[track_caller]
    fn assert_only_the_phone(&self) {
        assert_eq!(self.kamailio.bindings(), self.phone);
    }

    /// Waits until a running daemon has registered.
    #[track_caller]
    fn await_ours(&self, daemon: &mut Daemon) -> BTreeSet<String> {
        eventually("a binding of the daemon", PATIENCE, || {
            daemon.assert_running();
            let held = self.ours();
            if held.is_empty() { Err("Kamailio holds none".to_owned()) } else { Ok(held) }
        })
    }

    /// Waits until none of these contacts is held.
    #[track_caller]
    fn await_gone(&self, left: &BTreeSet<String>) {
        eventually("Kamailio to hold nothing of the killed daemon", CLEANED_UP, || {
            let held = self.ours();
            let still: Vec<_> = left.intersection(&held).collect();
            if still.is_empty() { Ok(()) } else { Err(format!("{still:?}")) }
        });
    }
}

/// How far the daemon gets: anywhere in its first instructions at every other point, and at the
/// others anywhere in its first rounds.
fn most(point: usize) -> Duration {
    if point.is_multiple_of(2) { FIRST } else { FIRST_ROUNDS }
}

/// A fourth of the points met a binding; after a third exchange the registrar is left alone.
#[track_caller]
fn assert_proof(met: &Met) {
    met.assert_proof(POINTS / 5, POINTS / 20);
}

const POINTS: usize = 100;
/// Each has a Kamailio and daemons of its own, and a share of the points.
const OFFICES: usize = 5;
/// How long a daemon takes to read its plan and to register for the first time.
const FIRST: Duration = Duration::from_millis(600);
/// How long it takes for the three exchanges that it may begin in 5 s with one registrar.
const FIRST_ROUNDS: Duration = Duration::from_millis(1_500);
/// How long the product may take to end and to remove what it created (I11).
const CLEANED_UP: Duration = Duration::from_secs(10);
/// The signal with which a service manager ends a daemon (`signal(7)`).
const SIGTERM: i32 = 15;
/// Half of what was left is gone as soon, from SIGTERM or from the start of the next daemon (F32).
const SOON: Duration = Duration::from_secs(1);
/// The same at worst, where ten start and end at once: none was slower than 0.7 s when this was
/// written, beside two busy loops on two cores.
const WORST: Duration = Duration::from_secs(2);
