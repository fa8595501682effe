//! From observations to rendered metrics: what the daemon does twice a second at most.
//!
//! Budget: 10 000 targets at 15 s leave a quarter of a core for everything (DESIGN of the daemon:
//! "no missed run, < 25 % of a core"), and a scrape is answered within 10 ms because it renders
//! nothing. So one evidence, diagnosis and exposition of 10 000 checks has 100 ms, which at two a
//! second is a fifth of a core while something changes all the time (measured: 46 ms). A hundred
//! watched names, far more than a site has, have 20 ms, each with four nameservers (7 ms).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline::check::{Check, Whom};
use branchline::config::{Name, Views};
use branchline::correlation::Memory;
use branchline::diagnosis::diagnose;
use branchline::outputs::metrics;
use branchline::rules::RULES;
use branchline::sight::View;
use branchline_probes::{
    Foreign, Observation, Options, Outcome, PROBES, Transport, dns_query, stun_binding,
};
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

/// Names watched from three sides, two nameservers on each, half of them with an older answer.
fn watched(count: usize) -> (Vec<Check>, Memory, SystemTime) {
    let (site, now) = (Arc::from("lyon"), SystemTime::now());
    let names: Vec<_> =
        (0..count).map(|number| Name::once(&format!("edge-{number}.example.net"))).collect();
    let servers = |first: u8| [0, 1].map(|it| format!("192.0.2.{}", first + it)).to_vec();
    let views = Views::default()
        .with_resolvers("here", &servers(53))
        .and_then(|views| views.with_authorities("here", &servers(1)))
        .expect("these are addresses");
    let checks = branchline::config::checks(&site, &views, &names);
    let mut memory = Memory::default();
    for check in &checks {
        let sight = check.sight.as_ref().expect("each shows a name");
        let Whom::Listed(addresses) = &check.whom else { panic!("they are listed") };
        let seen =
            addresses.iter().zip(["A 192.0.2.80", "A 192.0.2.7"]).map(|(address, record)| {
                let mut seen = observation(check, now);
                seen.probe = "dns-query";
                seen.address = Some(*address);
                let (facts, is_authority) =
                    (&mut seen.outcome.facts, sight.view == View::Authoritative);
                facts.state(&dns_query::AUTHORITATIVE, is_authority);
                facts.state(&dns_query::SERIAL, 7);
                facts.state(&dns_query::ANSWERS, vec![Foreign::new(record)]);
                facts.state(&dns_query::TTL, Duration::from_secs(60));
                seen
            });
        memory.record(&check.id(), seen);
    }
    (checks, memory, now)
}

fn names(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    for count in [10, 100] {
        let (checks, memory, now) = watched(count);
        let profile = Arc::default();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("watched_names_to_metrics", count), |bencher| {
            bencher.iter(|| {
                let evidence = memory.evidence(&checks, &profile, None, now);
                let diagnosis = diagnose(&evidence, RULES);
                metrics::encode("lyon", &evidence, &diagnosis)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline, names);
criterion_main!(benches);
