//! What it costs to read a large organisation: 50 edges, 200 trunks and 2000 phones.
//!
//! The vendor is the lab's, on loopback and in this process, so its work is in the CPU time, too. What
//! is asserted is what a vendor counts: requests in one minute, against 60 % of the 300 that it allows.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use branchline::poller::{Haste, Poller, Profile, Settings};
use branchline::telephony::Snapshot;
use branchline_lab::api::{Api, Inventory, Profile as Spoken};
use branchline_probes::Secret;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

const INVENTORY: Inventory = Inventory { edges: 50, trunks: 200, phones: 2000 };
/// 60 % of the 300 requests that a token has in a minute.
const BUDGET: usize = 180;

/// By how much a reading may raise the most memory, in KiB: the largest page is some hundreds of
/// KiB as JSON and several times that as values; two snapshots and the vendor in this process come
/// on top. A client that kept its bodies would be far above.
const GROWTH: u64 = 24 << 10;

/// From one reading to the next.
const INTERVAL: Duration = Duration::from_secs(30);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let api = Api::start(Spoken::Platform, INVENTORY).expect("loopback is there");
    let settings = settings(&api, Profile::Platform);
    let poller = Poller::new(settings).expect("a client");

    println!("reading  parts failed    edges  trunks  phones  wall s  CPU s  VmHWM MiB  requests");
    let mut snapshot = Snapshot::default();
    let mut total = 0;
    // A minute of readings: one at its beginning, one in its middle.
    for reading in 1..=2 {
        let (peak, asked, spent) = (peak(), api.requests().len(), spent());
        let begun = Instant::now();
        snapshot = runtime.block_on(poller.read(&snapshot));
        let wall = begun.elapsed();
        let requests = api.requests().len() - asked;
        total += requests;
        let failed = snapshot.parts().iter().filter(|part| part.problem.is_some()).count();
        let grown = self::peak().saturating_sub(peak);
        println!(
            "{reading:>7} {failed:>13} {:>8} {:>7} {:>7} {:>7.2} {:>6.2} {:>10.1} {requests:>9}",
            snapshot.edges.items.len(),
            snapshot.trunks.items.len(),
            snapshot.phones.items.len(),
            wall.as_secs_f64(),
            (self::spent() - spent).as_secs_f64(),
            grown as f64 / 1024.0,
        );
        assert_eq!(failed, 0, "parts that could not be read");
        assert!(grown <= GROWTH, "{grown} KiB more than before the reading");
    }
    println!("requests in one minute: {total}, and {BUDGET} are meant to be the most");
    assert!(total < BUDGET, "{total} requests in a minute");
    assert_eq!(snapshot.phones.items.len(), 2000);
    assert_eq!(snapshot.trunks.items.len(), 200);
    assert_eq!(snapshot.edges.items.len(), 50);
    guide(&runtime);
}

fn settings(api: &Api, profile: Profile) -> Settings {
    Settings {
        scopes: Vec::new(),
        streaming_url: None,
        subscribe: None,
        profile,
        api_url: api.api_url(),
        login_url: api.login_url(),
        client_id: api.client_id().to_owned(),
        client_secret: Secret::new(api.client_secret().to_owned()),
        interval: INTERVAL,
        narrowing: None,
        skip: BTreeSet::new(),
    }
}

/// The guide has a request for each trunk's registrations, so that the budget decides how long a
/// reading takes; its waits are a twentieth here, and what is told is as long as the product's.
fn guide(runtime: &tokio::runtime::Runtime) {
    const WAITS: u32 = 20;
    let api = Api::start(Spoken::Guide, INVENTORY).expect("loopback is there");
    let haste = Haste { waits: WAITS, limits: 1, reading: 1 };
    let poller = Poller::hasty(settings(&api, Profile::Guide), haste).expect("a client");
    let begun = Instant::now();
    let snapshot = runtime.block_on(poller.read(&Snapshot::default()));
    let took = (begun.elapsed() * WAITS).as_secs_f64();
    let requests = api.requests().len();
    let failed: Vec<_> = snapshot
        .parts()
        .iter()
        .filter_map(|part| Some((part.name, part.problem?.to_string())))
        .collect();
    println!("guide: {requests} requests in {took:.0} s of the product's, failed: {failed:?}");
    let minutes = (took / 60.0).ceil();
    assert!(requests as f64 <= minutes * BUDGET as f64, "{requests} requests in {minutes} minutes");
    assert_eq!(failed, [], "parts that could not be read");
}

/// The CPU time of this process until now.
fn spent() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it is counted");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// The most resident memory until now, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
