//! From observations to rendered metrics: what the daemon does twice a second at most.
//!
//! Budget: 10 000 targets at 15 s leave a quarter of a core for everything (DESIGN of the daemon:
//! "no missed run, < 25 % of a core"), and a scrape is answered within 10 ms because it renders
//! nothing. So one evidence, diagnosis and exposition of 10 000 checks has 100 ms, which at two a
//! second is a fifth of a core while something changes all the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline::check::{Check, Whom};
use branchline::correlation::Memory;
use branchline::diagnosis::diagnose;
use branchline::outputs::metrics;
use branchline::rules::RULES;
use branchline_probes::{Observation, Options, Outcome, PROBES, Transport, stun_binding};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn checks(count: usize) -> Vec<Check> {
    let probe = PROBES.iter().find(|probe| probe.name() == "stun-binding").expect("it is listed");
    let options = Options::defaults(probe.options());
    let module = Arc::from(probe.module(&options).expect("defaults are valid"));
    let check = |index: usize| Check {
        site: Arc::from("lyon"),
        target: Arc::from(format!("relay-{index}")),
        host: Arc::from("192.0.2.10"),
        port: 3478,
        whom: Whom::Host,
        module_name: Arc::from("stun-udp"),
        probe: *probe,
        module: Arc::clone(&module),
        fingerprint: Arc::from(""),
        interval: Duration::from_secs(15),
        required: true,
        trunk: None,
        edge_group: None,
        sight: None,
    };
    (0..count).map(check).collect()
}

fn observation(check: &Check, now: SystemTime) -> Observation {
    let mut outcome = Outcome::default();
    outcome.facts.state(&stun_binding::RTT, Duration::from_micros(11_200));
    outcome.facts.state(&stun_binding::TRANSMISSIONS, 1);
    outcome.facts.state(&stun_binding::NAT, true);
    Observation {
        probe: "stun-binding",
        module: check.module_name.to_string(),
        target: check.target.to_string(),
        site: check.site.to_string(),
        address: Some(SocketAddr::from(([192, 0, 2, 10], 3478))),
        transport: Transport::Udp,
        started: now,
        elapsed: Duration::from_micros(12_300),
        outcome,
    }
}

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    for count in [100, 10_000] {
        let (now, checks, profile) = (SystemTime::now(), checks(count), Arc::default());
        let mut memory = Memory::default();
        for check in &checks {
            memory.record(&check.id(), [observation(check, now)]);
        }
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("observations_to_metrics", count), |bencher| {
            bencher.iter(|| {
                let evidence = memory.evidence(&checks, &profile, None, now);
                let diagnosis = diagnose(&evidence, RULES);
                metrics::encode("lyon", &evidence, &diagnosis)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
