//! What the wire does to packets, seen by ping.

use std::time::Duration;

use crate::branch::{Branch, CLOUD, Nat};
use crate::coturn::Coturn;
use crate::process::{program, run, text, words};
use crate::wire::Way;

use super::router::ask;

#[test]
fn a_clear_wire_loses_nothing_and_hardly_delays() {
    let branch = Branch::behind_wire(Nat::PortRestricted, Way::clear(), Way::clear());
    let before = branch.carried();

    let ping = Ping::run(&branch, &["-i", "0.002", "-c", "100", CLOUD]);

    assert_eq!(ping.lost(), 0, "{ping:#?}");
    assert!(ping.least() < 2.0, "{ping:#?}");
    for (before, after) in before.iter().zip(branch.carried()) {
        assert_eq!(after.taken - before.taken, 100);
        assert_eq!(after.delivered - before.delivered, 100);
        assert_eq!(after.lost, before.lost);
    }
}

#[test]
fn a_wire_delays_each_way_by_what_it_is_told() {
    let (out, back) = (Duration::from_millis(30), Duration::from_millis(10));
    let branch = Branch::behind_wire(Nat::PortRestricted, Way::of(out), Way::of(back));

    let ping = Ping::run(&branch, &["-i", "0.01", "-c", "100", CLOUD]);

    assert_eq!(ping.lost(), 0, "{ping:#?}");
    assert!((40.0..42.0).contains(&ping.least()), "{ping:#?}");
    assert!((40.0..46.0).contains(&ping.median()), "{ping:#?}");
}

#[test]
fn a_wire_jitters_by_forty_milliseconds_and_packets_overtake() {
    let jittery = Way::of(Duration::from_millis(60)).jitter(Duration::from_millis(40));
    let branch = Branch::behind_wire(Nat::PortRestricted, jittery, Way::clear());

    let ping = Ping::run(&branch, &["-i", "0.005", "-c", "400", CLOUD]);

    assert_eq!(ping.lost(), 0, "{ping:#?}");
    assert!((20.0..23.0).contains(&ping.least()), "{ping:#?}");
    assert!((58.0..66.0).contains(&ping.mean()), "{ping:#?}");
    assert!((97.0..140.0).contains(&ping.most()), "{ping:#?}");
    // The standard deviation of a uniform spread of 80 ms is 80/√12 = 23.1 ms.
    assert!((21.0..28.0).contains(&ping.deviation()), "{ping:#?}");
    assert!(!ping.replies.is_sorted_by_key(|(sequence, _)| *sequence), "{ping:#?}");
}

#[test]
fn a_wire_that_keeps_order_jitters_and_nothing_overtakes() {
    let way = Way::of(Duration::from_millis(60)).jitter(Duration::from_millis(40)).in_order();
    let branch = Branch::behind_wire(Nat::PortRestricted, way, Way::clear());

    let ping = Ping::run(&branch, &["-i", "0.005", "-c", "400", CLOUD]);

    assert_eq!(ping.lost(), 0, "{ping:#?}");
    assert!(ping.deviation() > 5.0, "{ping:#?}");
    assert!(ping.replies.is_sorted_by_key(|(sequence, _)| *sequence), "{ping:#?}");
}

#[test]
fn a_wire_loses_its_share_and_says_how_much() {
    let branch = Branch::behind_wire(Nat::None, Way::clear().loss(10.0), Way::clear());
    let [before, _] = branch.carried();

    let ping = Ping::run(&branch, &["-i", "0.002", "-c", "2000", CLOUD]);

    let [after, back] = branch.carried();
    assert_eq!(after.taken - before.taken, 2000);
    assert_eq!(after.lost - before.lost, ping.lost());
    assert_eq!(back.lost, 0);
    assert!((150..250).contains(&ping.lost()), "{ping:#?}");
    // On their own: one in ten is followed by another.
    assert!((1.0..1.3).contains(&ping.run_of_losses()), "{}", ping.run_of_losses());
}

#[test]
fn a_wire_loses_in_bursts_when_it_is_told_to() {
    let way = Way::clear().loss(10.0).in_bursts_of(5);
    let branch = Branch::behind_wire(Nat::None, way, Way::clear());

    let ping = Ping::run(&branch, &["-i", "0.002", "-c", "2000", CLOUD]);

    assert!((120..280).contains(&ping.lost()), "{ping:#?}");
    assert!((3.5..6.5).contains(&ping.run_of_losses()), "{}", ping.run_of_losses());
}

#[test]
fn a_wire_loses_udp_only_when_it_is_told_to() {
    let way = Way::clear().loss(100.0).udp_only();
    let branch = Branch::behind_wire(Nat::None, way, way);
    let _coturn = Coturn::at(&[CLOUD]).inside(&branch.at_cloud()).start();

    assert_eq!(Ping::run(&branch, &["-i", "0.002", "-c", "50", CLOUD]).lost(), 0);
    assert!(ask(&branch, CLOUD, 3478).is_err());
}

#[test]
fn a_wire_doubles_packets_when_it_is_told_to() {
    let branch = Branch::behind_wire(Nat::None, Way::clear().duplicates(100.0), Way::clear());

    let ping = Ping::run(&branch, &["-i", "0.01", "-c", "20", CLOUD]);

    // The last ping does not wait for its double.
    assert!(ping.replies.len() >= 39, "{ping:#?}");
}

#[test]
fn a_narrow_wire_queues_and_then_loses() {
    // 1250 bytes at 1 Mbit/s are 10 ms.
    let narrow = Way::clear().rate(1000, Duration::from_millis(50));
    let branch = Branch::behind_wire(Nat::None, narrow, Way::clear());

    let alone = Ping::run(&branch, &["-i", "0.05", "-c", "10", "-s", "1222", CLOUD]);
    assert_eq!(alone.lost(), 0, "{alone:#?}");
    assert!((10.0..16.0).contains(&alone.median()), "{alone:#?}");

    let crowd = Ping::run(&branch, &["-l", "100", "-c", "100", "-s", "1222", CLOUD]);
    assert!(crowd.lost() > 80, "{crowd:#?}");
    assert!((55.0..100.0).contains(&crowd.most()), "{crowd:#?}");
}

/// What ping saw.
#[derive(Debug)]
pub(super) struct Ping {
    sent: u64,
    pub(super) received: u64,
    /// The number and the round trip (in ms) of each reply, in the order of their arrival.
    replies: Vec<(u64, f64)>,
}

impl Ping {
    #[track_caller]
    pub(super) fn run(branch: &Branch, arguments: &[&str]) -> Self {
        Self::run_at(&branch.at_client(), arguments)
    }

    #[track_caller]
    pub(super) fn run_at(wrapper: &[String], arguments: &[&str]) -> Self {
        let ping = program("ping", "iputils-ping").display().to_string();
        let mut command = words(wrapper, &[&ping, "-n", "-W", "1"]);
        let said = text(&run(command.args(arguments)).stdout);
        let number = |line: &str, before: &str| {
            let (_, rest) = line.split_once(before)?;
            rest.split(' ').next()?.parse::<f64>().ok()
        };
        let replies: Vec<_> = said
            .lines()
            .filter_map(|line| Some((number(line, "icmp_seq=")? as u64, number(line, "time=")?)))
            .collect();
        let counts = said.lines().find(|line| line.contains("packets transmitted"));
        let counts = counts.unwrap_or_else(|| panic!("no counts: {said}"));
        let sent = counts.split(' ').next().and_then(|count| count.parse().ok());
        let received = number(counts, "transmitted, ").expect("ping says what it received");
        Self { sent: sent.expect("ping says what it sent"), received: received as u64, replies }
    }

    pub(super) fn lost(&self) -> u64 {
        self.sent - self.received
    }

    /// How many pings in a row are lost, on average, where one is.
    fn run_of_losses(&self) -> f64 {
        let mut arrived: Vec<u64> = self.replies.iter().map(|(sequence, _)| *sequence).collect();
        arrived.sort_unstable();
        let runs = arrived.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
        self.lost() as f64 / runs as f64
    }

    fn times(&self) -> Vec<f64> {
        let mut times: Vec<f64> = self.replies.iter().map(|(_, time)| *time).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    fn least(&self) -> f64 {
        self.times()[0]
    }

    fn median(&self) -> f64 {
        self.times()[self.replies.len() / 2]
    }

    fn most(&self) -> f64 {
        self.times()[self.replies.len() - 1]
    }

    fn mean(&self) -> f64 {
        self.times().iter().sum::<f64>() / self.replies.len() as f64
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.times().iter().map(|time| (time - mean).powi(2)).sum();
        (squares / self.replies.len() as f64).sqrt()
    }
}
