//! A cable that delays, shuffles and loses as it is told: what `tc netem` does where there is one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::netns::root;
use crate::process::{Server, compiled};

/// What becomes of packets that go one way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    delay: Duration,
    jitter: Duration,
    ordered: bool,
    loss: f64,
    burst: u32,
    duplicates: f64,
    udp_only: bool,
    rate: u32,
    queue: Duration,
}

impl Way {
    /// Everything arrives, at once.
    pub(crate) fn clear() -> Self {
        Self::default()
    }

    /// Everything arrives after `delay`.
    pub(crate) fn of(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// A packet takes up to this much more or less, each its own, uniformly: packets overtake
    /// each other.
    pub(crate) fn jitter(mut self, jitter: Duration) -> Self {
        assert!(jitter <= self.delay, "a packet cannot arrive before it was sent");
        self.jitter = jitter;
        self
    }

    /// No packet overtakes another, however much they jitter.
    pub(crate) fn in_order(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Loses this share of the packets (in percent).
    pub(crate) fn loss(mut self, percent: f64) -> Self {
        self.loss = percent;
        self
    }

    /// Loses packets in runs of this length on average, at the same share.
    pub(crate) fn in_bursts_of(mut self, packets: u32) -> Self {
        self.burst = packets;
        self
    }

    /// Delivers this share of the packets twice (in percent).
    pub(crate) fn duplicates(mut self, percent: f64) -> Self {
        self.duplicates = percent;
        self
    }

    /// Loses and doubles nothing but UDP.
    pub(crate) fn udp_only(mut self) -> Self {
        self.udp_only = true;
        self
    }

    /// Carries this much (in kbit/s); what would wait longer than `queue` for its turn is lost.
    pub(crate) fn rate(mut self, kbit: u32, queue: Duration) -> Self {
        self.rate = kbit;
        self.queue = queue;
        self
    }

    fn numbers(&self) -> String {
        format!(
            "{} {} {} {} {} {} {} {} {}",
            self.delay.as_micros(),
            self.jitter.as_micros(),
            u8::from(self.ordered),
            millionths(self.loss),
            self.burst,
            millionths(self.duplicates),
            u8::from(self.udp_only),
            self.rate,
            self.queue.as_micros(),
        )
    }
}

/// What a wire did to the packets that went one way, since it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Packets that were given to it.
    pub(crate) taken: u64,
    /// Packets that it lost.
    pub(crate) lost: u64,
    /// Packets that it delivered; more than it took, where it doubles.
    pub(crate) delivered: u64,
}

/// The process that joins two namespaces; gone when this value is, and its devices with it.
pub(crate) struct Wire {
    server: Server,
    serial: u64,
    ways: [Way; 2],
}

impl Wire {
    /// Joins two namespaces, each named with the device that it gets: what the first sends goes
    /// the first way, and the other way round.
    #[track_caller]
    pub(crate) fn between(near: [&str; 2], far: [&str; 2], ways: [Way; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the wire");
        let settings = folder.path().join(SETTINGS);
        let mut command = Command::new(built());
        command.args(near).args(far).arg(&settings);
        fs::write(settings, line(0, ways)).expect("the folder is ours to write to");
        let server = Server::start_through(&root(), "wire", folder, &command);
        let mut wire = Self { server, serial: 0, ways };
        wire.await_counts();
        wire
    }

    /// Treats packets so from now on; what is on its way stays as it was.
    #[track_caller]
    pub(crate) fn set(&mut self, ways: [Way; 2]) {
        self.ways = ways;
        self.carried();
    }

    /// What it carried so far, each way.
    #[track_caller]
    pub(crate) fn carried(&mut self) -> [Carried; 2] {
        self.serial += 1;
        let folder = self.server.folder();
        let (new, settings) = (folder.join("new"), folder.join(SETTINGS));
        fs::write(&new, line(self.serial, self.ways)).expect("the folder is ours to write to");
        fs::rename(new, settings).expect("the folder is ours to write to");
        self.await_counts()
    }

    #[track_caller]
    fn await_counts(&mut self) -> [Carried; 2] {
        let (serial, folder) = (self.serial, self.server.folder().to_owned());
        self.server.await_ready(|| {
            let log = fs::read_to_string(folder.join("output.log"))
                .map_err(|problem| problem.to_string())?;
            let complete = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
            let last = complete.lines().last().unwrap_or_default();
            let numbers: Vec<u64> =
                last.split(' ').filter_map(|number| number.parse().ok()).collect();
            let [said, counts @ ..] = &numbers[..] else { return Err(log) };
            let &[taken, lost, delivered, taken_back, lost_back, delivered_back] = counts else {
                return Err(log);
            };
            if *said != serial {
                return Err(log);
            }
            Ok([
                Carried { taken, lost, delivered },
                Carried { taken: taken_back, lost: lost_back, delivered: delivered_back },
            ])
        })
    }
}

/// The program, built once in every run of the tests.
#[track_caller]
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compiled("wire.c"))
}

fn line(serial: u64, [out, back]: [Way; 2]) -> String {
    format!("{serial} {SEED} {} {}\n", out.numbers(), back.numbers())
}

fn millionths(percent: f64) -> u64 {
    assert!((0.0..=100.0).contains(&percent), "{percent} % is no share");
    (percent * 10_000.0).round() as u64
}

/// What the wire is told, in its folder.
const SETTINGS: &str = "settings";

/// The same in every run: the n-th packet of a way always meets the same fate.
const SEED: u64 = 1;
