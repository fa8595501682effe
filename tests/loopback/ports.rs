//! The source ports of questions, and whether they tell anything of ids.

use branchline::driver;
use branchline_probes::Observation;
use tokio_util::sync::CancellationToken;

use crate::nameserver::{Disturbed, Nameserver};

/// How many questions each of both probes asks at least.
const EACH: usize = 10_000;
const BUCKETS: usize = 64;

/// The first and the last port that the kernel gives to sockets that ask for none.
fn port_range() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("Linux");
    let mut numbers = text.split_whitespace().map(|it| it.parse().expect("a number"));
    (numbers.next().expect("the first"), numbers.next().expect("the last"))
}

/// How far counts are from being equal.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

/// Pearson's coefficient.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let both = sum(&|it| (it.0 - x) * (it.1 - y));
    let (one, other) = (sum(&|it| (it.0 - x).powi(2)), sum(&|it| (it.1 - y).powi(2)));
    both / (one * other).sqrt()
}

/// Asks until the server was asked often enough: the ids with their ports, in their order.
async fn ask(probe: &str, questions: usize) -> Vec<(u16, u16)> {
    let server = Nameserver::start(Disturbed::Not);
    let check = server.check(probe, &[]);
    let nobody_calls_off = CancellationToken::new();
    for _ in 0..EACH.div_ceil(questions) {
        let observed =
            driver::observe_one(&check, server.address, &nobody_calls_off, None, None).await;
        let Observation { outcome, .. } = observed;
        assert_eq!(outcome.failure, None);
    }
    server.stop().asked
}

// D-DNS-2: each bound holds by chance alone but for one run in a million.
#[tokio::test]
async fn source_ports_are_spread_over_their_range_and_uncorrelated_with_ids() {
    let mut asked = ask("dns-query", 1).await;
    asked.extend(ask("dns-delegation", 3).await);
    assert!(asked.len() >= 2 * EACH - 2 * EACH / 100, "{}", asked.len());
    let (first, last) = port_range();
    let size = usize::from(last - first) + 1;
    let bucket = |place: usize, buckets: usize| place * buckets / size;
    let place = |port: u16| usize::from(port - first);

    let (mut ports, mut steps) = ([0; BUCKETS], [0; BUCKETS]);
    let mut both = [0; 256];
    for (id, port) in &asked {
        ports[bucket(place(*port), BUCKETS)] += 1;
        both[usize::from(id >> 12) << 4 | bucket(place(*port), 16)] += 1;
    }
    for pair in asked.windows(2) {
        let step = (size + place(pair[1].1) - place(pair[0].1)) % size;
        steps[bucket(step, BUCKETS)] += 1;
    }
    let pairs: Vec<(f64, f64)> =
        asked.iter().map(|(id, port)| (f64::from(*id), f64::from(*port))).collect();

    // 63 and 255 degrees of freedom.
    assert!(chi_square(&ports) < 132.0, "{}", chi_square(&ports));
    assert!(chi_square(&steps) < 132.0, "{}", chi_square(&steps));
    assert!(chi_square(&both) < 377.0, "{}", chi_square(&both));
    let strength = correlation(&pairs).abs() * (pairs.len() as f64).sqrt();
    assert!(strength < 5.0, "{strength} standard deviations");
}
