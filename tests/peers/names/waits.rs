//! `branchline wait dns`: when it ends, how it ends, and what it asks of whom meanwhile.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::branch::{CLIENT, CLIENT_6, Traffic};
use crate::wait::eventually;

use super::clock::{assert_within, distance};
use super::office::{Office, name};
use super::queries::Query;
use super::waiting::{Ended, Waiting};
use super::watch::SLACK;
use super::zones::Ttls;
use super::{Host, World};

#[test]
fn it_ends_within_a_second_of_the_moment_at_which_the_resolver_forgets_the_old_address() {
    let world = World::new();
    let office = Office::watching(&name("edge.lyon.test", ""));
    world.prime("edge.lyon.test", "A");
    world.replace("edge.lyon.test", "A", "10.77.2.81");
    world.transfer_all();

    assert_ends_with_renewal(&world, &office, "edge.lyon.test", "10.77.2.81");
}

#[test]
fn it_ends_within_a_second_of_the_moment_at_which_the_resolver_forgets_that_there_was_none() {
    let world = World::new();
    let office = Office::watching(&name("edge1.lyon.test", ""));
    world.prime("edge1.lyon.test", "A");
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.transfer_all();

    assert_ends_with_renewal(&world, &office, "edge1.lyon.test", "10.77.2.80");
}

#[test]
fn secondaries_that_transfer_while_it_waits_put_nothing_off() {
    let world = World::with(Ttls { record: 12, negative: 8 });
    let office = Office::watching(&name("edge1.lyon.test", ""));
    world.prime("edge1.lyon.test", "A");
    world.publish("edge1.lyon.test 12 A 10.77.2.80");
    let asked = Log::of(&world, Host::Third, "edge1.lyon.test");

    let waiting = wait_for(&world, &office, "edge1.lyon.test", "10.77.2.80", "40s");
    eventually("a question to the one that lags", PATIENCE, || asked.until(1));
    world.transfer_all();
    let renewal = world.watch(Host::Twin, "edge1.lyon.test", "A").await_renewal();
    let ended = waiting.await_end();

    assert_arrived(&ended);
    assert_within(SECOND + SLACK, ended.at, &renewal);
}

#[test]
fn a_secondary_that_lags_on_is_waited_for_and_asked_every_five_seconds() {
    let world = World::new();
    let office = Office::watching(&name("edge1.lyon.test", ""));
    world.publish("edge1.lyon.test 60 A 10.77.2.80");
    world.silence(&Host::SECONDARIES);
    world.prime("edge1.lyon.test", "A");
    world.silence(&[]);
    let (at_resolver, at_third) = (
        Log::of(&world, Host::Resolver, "edge1.lyon.test"),
        Log::of(&world, Host::Third, "edge1.lyon.test"),
    );

    let mut waiting = wait_for(&world, &office, "edge1.lyon.test", "10.77.2.80", "40s");
    eventually("two questions to the one that lags", PATIENCE, || at_third.until(2));
    waiting.assert_waiting();
    world.transfer_all();
    let transferred = SystemTime::now();
    let ended = waiting.await_end();

    assert_arrived(&ended);
    let late = distance(ended.at, transferred);
    assert!(late < 5.0 + SLACK.as_secs_f64(), "{late} s after the transfer");
    // What it has, it has for a minute.
    assert_eq!(at_resolver.since().len(), 1, "{:?}", at_resolver.since());
    let waited = ended.seen["elapsed_seconds"].as_f64().expect("it was measured");
    let most = (0..).take_while(|count| f64::from(*count) * 5.0 <= waited).count();
    assert!(at_third.until(most + 1).is_err(), "{waited} s: {:?}", at_third.since());
}

// What a nameserver that lags still says, the resolver may learn again when it asks anew.
#[test]
fn a_resolver_that_has_it_may_forget_it_again_and_then_it_is_not_called_arrived() {
    let world = World::with(Ttls { record: 3, negative: 10 });
    let office = Office::watching(&name("edge1.lyon.test", ""));
    world.publish("edge1.lyon.test 3 A 10.77.2.80");
    world.silence(&Host::SECONDARIES);
    world.prime("edge1.lyon.test", "A");
    world.silence(&[Host::Primary]);
    let third = Host::Third.address().to_string();
    let words = ["--expect", "10.77.2.80", "--authority", &third];
    let asked = Log::of(&world, Host::Resolver, "edge1.lyon.test");

    let mut waiting = wait_with(&world, &office, "edge1.lyon.test", &words, "40s");
    eventually("a question after its time is over", PATIENCE, || asked.until(2));
    waiting.assert_waiting();
    world.silence(&[]);
    world.transfer_all();
    let ended = waiting.await_end();

    assert_arrived(&ended);
    let dug = world.dig(Host::Resolver, "edge1.lyon.test", "A", &[]);
    assert_eq!(dug.data(), ["10.77.2.80"], "so say the phones: {ended:#?}");
}

#[test]
fn what_is_there_already_is_not_waited_for() {
    let world = World::new();
    let resolver = Host::Resolver.address().to_string();
    let primary = Host::Primary.address_6().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    // Without a configuration, too.
    let words = ["dns", "EDGE.lyon.test.", "--expect", "10.77.2.21", "--resolver", &resolver];
    let asked = Log::of(&world, Host::Resolver, "edge.lyon.test");

    let words = [&words[..], &["--authority", &primary]].concat();
    let ended = Waiting::start(folder.path(), &world.branch().at_client(), &words).await_end();

    assert_arrived(&ended);
    let took = ended.seen["elapsed_seconds"].as_f64();
    assert!(took < Some(1.0), "{ended:#?}");
    assert_eq!(asked.since().len(), 1);
}

#[test]
fn what_does_not_come_in_time_is_a_failure() {
    let world = World::with(Ttls { record: 60, negative: 60 });
    let office = Office::watching(&name("edge1.lyon.test", ""));
    world.prime("edge1.lyon.test", "A");
    world.publish("edge1.lyon.test 60 A 10.77.2.80");
    world.transfer_all();
    let asked = Log::of(&world, Host::Resolver, "edge1.lyon.test");

    let ended = wait_for(&world, &office, "edge1.lyon.test", "10.77.2.80", "3s").await_end();

    assert_eq!((ended.code, &ended.seen["arrived"]), (Some(2), &false.into()), "{ended:#?}");
    let standing = &ended.seen["names"][0]["standing"];
    assert_eq!(standing, "propagating");
    assert_eq!(asked.since().len(), 1, "it cannot have forgotten yet");
}

#[test]
fn where_nobody_says_anything_it_is_inconclusive() {
    let world = World::new();
    world.branch().drop(Traffic::Matching("th dport 53"));
    let office = Office::watching(&name("edge.lyon.test", ""));

    let ended = wait_for(&world, &office, "edge.lyon.test", "10.77.2.21", "3s").await_end();

    assert_eq!((ended.code, &ended.seen["arrived"]), (Some(3), &false.into()), "{ended:#?}");
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let world = World::with(Ttls { record: 60, negative: 60 });
    let office = Office::watching(&name("edge1.lyon.test", ""));
    let asked = Log::of(&world, Host::Resolver, "edge1.lyon.test");

    let waiting = wait_for(&world, &office, "edge1.lyon.test", "10.77.2.80", "40s");
    eventually("its first question", PATIENCE, || asked.until(1));
    let before = SystemTime::now();
    waiting.interrupt();
    let ended = waiting.await_end();

    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(distance(ended.at, before) < 1.0, "{ended:#?}");
    assert!(ended.said.contains("interrupted"), "{ended:#?}");
}

/// Waits for an address that every authoritative nameserver has and the resolver forgets to deny
/// when its twin does; asserts when that is over, and what was asked meanwhile.
#[track_caller]
fn assert_ends_with_renewal(world: &World, office: &Office, edge: &str, address: &str) {
    let at_resolver = Log::of(world, Host::Resolver, edge);
    let at_holders = [Host::Primary, Host::Second, Host::Third].map(|it| Log::of(world, it, edge));

    let waiting = wait_for(world, office, edge, address, "40s");
    let renewal = world.watch(Host::Twin, edge, "A").await_renewal();
    let ended = waiting.await_end();

    assert_arrived(&ended);
    assert_within(SECOND + SLACK, ended.at, &renewal);
    assert!(ended.at >= renewal.last.heard, "it cannot have seen it before: {renewal:?}");
    // One query at first, and one when the TTL that it showed was over.
    assert_eq!(at_resolver.since().len(), 2, "{:?}", at_resolver.since());
    // Who has it is not asked again.
    for holder in &at_holders {
        for family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
            let queries = holder.since().into_iter().filter(|query| family(&query.from)).count();
            assert_eq!(queries, 1, "{:?}", holder.since());
        }
    }
}

fn wait_for(world: &World, office: &Office, edge: &str, address: &str, timeout: &str) -> Waiting {
    wait_with(world, office, edge, &["--expect", address], timeout)
}

fn wait_with(world: &World, office: &Office, edge: &str, words: &[&str], timeout: &str) -> Waiting {
    let config = office.config().display().to_string();
    let common = ["dns", edge, "--timeout", timeout, "--config", &config];
    let words = [&common[..], words].concat();
    Waiting::start(office.folder(), &world.branch().at_client(), &words)
}

#[track_caller]
fn assert_arrived(ended: &Ended) {
    assert_eq!((ended.code, &ended.seen["arrived"]), (Some(0), &true.into()), "{ended:#?}");
}

/// What the branch asks one server about the addresses of a name, from now on.
struct Log<'a> {
    world: &'a World,
    host: Host,
    name: String,
    before: usize,
}

impl<'a> Log<'a> {
    fn of(world: &'a World, host: Host, name: &str) -> Self {
        let log = Self { world, host, name: name.to_owned(), before: 0 };
        Self { before: log.since().len(), ..log }
    }

    fn since(&self) -> Vec<Query> {
        let branch: [IpAddr; 2] = [CLIENT, CLIENT_6].map(|it| it.parse().expect("an address"));
        let all = self.world.queries(self.host, &self.name).into_iter();
        let own = all.filter(|query| branch.contains(&query.from) && query.kind == "A");
        own.skip(self.before).collect()
    }

    /// Whether so many have come over IPv4.
    fn until(&self, count: usize) -> Result<(), String> {
        let come = self.since().iter().filter(|query| query.from.is_ipv4()).count();
        if come >= count { Ok(()) } else { Err(format!("{come} have come")) }
    }
}

const SECOND: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(30);
