//! What the pages say of a healthy branch, and of one where nobody answers.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::conversation::{family, samples, send, value};
use crate::process::{Daemon, cloud, configuration, stun_configuration};

/// What the lab's configuration calls things: the only words that may become labels, beside those
/// of closed sets.
const CONFIGURED: &[&str] = &[
    "lyon",
    "relay",
    "relay-tls",
    "relay-voice",
    "turn-udp",
    "turn-tcp",
    "turn-tls",
    "voice",
    "resolver",
    "registrar",
    "stun",
    "lyon-edge-group.genesyscloud.com",
    "lyon-edge-group.genesyscloud.com A",
    "lyon-edge-group.genesyscloud.com random label",
    "lyon-edge-group.genesyscloud.com serial",
    "A",
    "SOA",
    "register",
    "Carrier A",
];

/// The cipher suites of TLS 1.3 (RFC 8446 §B.4), which is what the lab speaks.
const CIPHERS: &[&str] =
    &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// Labels with digits that probes declare for good.
const DECLARED: &[(&str, &str)] = &[
    ("codec", "g711"),
    ("codec", "g729a"),
    ("kind", "rfc3550"),
    ("kind", "p95"),
    ("statistic", "p50"),
    ("statistic", "p95"),
    ("statistic", "p99"),
];

#[test]
fn a_healthy_branch_is_healthy_at_once_and_ready_after_the_first_cycle() {
    let cloud = cloud("healthy");

    let mut daemon = Daemon::start(&configuration(&cloud));

    assert_eq!(daemon.page("/-/healthy").body, "Healthy\n");
    daemon.await_ready();
    let metrics = daemon.page("/metrics").body;
    let up: BTreeSet<_> = family(&metrics, "branchline_probe_success")
        .iter()
        .map(|it| (it.label("target").to_owned(), it.label("module").to_owned(), it.value as u8))
        .collect();
    let check = |target: &str, module: &str| (target.to_owned(), module.to_owned(), 1);
    assert_eq!(
        up,
        BTreeSet::from([
            check("authoritative", "lyon-edge-group.genesyscloud.com A"),
            check("authoritative", "lyon-edge-group.genesyscloud.com random label"),
            check("authoritative", "lyon-edge-group.genesyscloud.com serial"),
            check("registrar", "options"),
            check("registrar", "register"),
            check("registrar-tls", "register-tls"),
            check("relay", "stun"),
            check("relay", "turn-tcp"),
            check("relay", "turn-udp"),
            check("relay-tls", "turn-tls"),
            check("relay-voice", "voice"),
            check("site", "lyon-edge-group.genesyscloud.com A"),
            check("site", "lyon-edge-group.genesyscloud.com random label"),
        ])
    );
    let holds: Vec<_> = family(&metrics, "branchline_verdict")
        .into_iter()
        .filter(|sample| sample.value > 0.0)
        .map(|sample| sample.label("verdict").to_owned())
        .collect();
    assert_eq!(holds, ["go"]);
    assert_eq!(value(&metrics, "branchline_trunk_up"), 1.0);
    assert_eq!(value(&metrics, "branchline_trunk_registered"), 1.0);
    let edges = family(&metrics, "branchline_edges");
    assert!(edges.iter().any(|it| it.label("state") == "up" && it.value == 2.0), "{edges:?}");
    let is_of_api = |name: &str| name.starts_with("branchline_telephony_api_");
    assert!(samples(&metrics).iter().any(|sample| is_of_api(&sample.name)), "{metrics}");
    assert_eq!(value(&metrics, "branchline_config_last_reload_successful"), 1.0);
}

#[test]
fn before_the_first_cycle_is_over_it_is_healthy_and_not_ready() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();

    let daemon = Daemon::start(&stun_configuration("60s", &[("relay", address)]));

    let ready = daemon.page("/-/ready");
    assert_eq!((ready.status, ready.body.as_str()), (503, "Not every check has run yet\n"));
    // Nothing that did not happen is exported as a zero.
    let metrics = daemon.page("/metrics").body;
    assert_eq!(family(&metrics, "branchline_probe_success"), []);
}

#[test]
fn prometheus_finds_nothing_to_complain_about() {
    for scenario in ["healthy", "trunk-down"] {
        let cloud = cloud(scenario);
        let mut daemon = Daemon::start(&configuration(&cloud));
        daemon.await_ready();

        let metrics = daemon.page("/metrics");

        assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|problem| panic!("promtool ({problem}): install prometheus"));
        promtool.stdin.take().unwrap().write_all(metrics.body.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said, "", "{scenario}");
        assert!(output.status.success(), "{scenario}");
    }
}

// D-WEB-7
#[test]
fn no_address_is_a_label_and_of_the_vendors_names_only_those_of_its_sites() {
    for scenario in ["healthy", "edge-offline", "trunk-down", "dns-not-created"] {
        let cloud = cloud(scenario);
        let mut daemon = Daemon::start(&configuration(&cloud));
        daemon.await_ready();

        let metrics = daemon.page("/metrics").body;

        let is_of_closed_set = |value: &str| {
            let is_word = |it: char| it.is_ascii_lowercase() || "_-".contains(it);
            let is_class = |it: &str| it.len() == 3 && it.ends_with("xx");
            is_class(value) || ["ip4", "ip6"].contains(&value) || value.chars().all(is_word)
        };
        for sample in samples(&metrics) {
            for (label, value) in &sample.labels {
                let is_version = label == "version";
                // The buckets of a histogram, of which there are some (Prometheus' own label).
                let is_bucket = label == "le";
                let is_cipher = label == "cipher" && CIPHERS.contains(&value.as_str());
                let is_site = label == "vendor_site"
                    && sample.name == "branchline_phones_by_site"
                    && value == "Lyon";
                let is_declared = DECLARED.contains(&(label.as_str(), value.as_str()));
                assert!(value.parse::<IpAddr>().is_err(), "{sample:?}");
                assert!(
                    CONFIGURED.contains(&value.as_str())
                        || is_of_closed_set(value)
                        || is_version
                        || is_bucket
                        || is_cipher
                        || is_site
                        || is_declared,
                    "{scenario}: {sample:?}"
                );
            }
        }
    }
}

// D-WEB-6
#[test]
fn a_scrape_does_not_wait_for_a_probe() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut daemon = Daemon::start(&stun_configuration("30s", &[("relay", address)]));
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    silent.recv(&mut [0; 64]).expect("the probe is on its way");

    let begun = Instant::now();
    let metrics = daemon.page("/metrics");

    assert_eq!(metrics.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(daemon.is_running());
}

// D-WEB-4
#[test]
fn only_reading_is_served_and_only_under_a_name_of_this_host() {
    let daemon = Daemon::start(&stun_configuration("60s", &[("relay", "127.0.0.1:1".into())]));
    let web = daemon.web();
    let ask = |method: &str, path: &str, host: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        send(web, &request).unwrap()
    };
    let own = web.to_string();

    assert_eq!(ask("POST", "/metrics", &own).status, 405);
    assert_eq!(ask("DELETE", "/-/healthy", &own).status, 405);
    assert_eq!(ask("GET", "/metrics", "evil.example").status, 403);
    assert_eq!(ask("GET", "/-/nothing", &own).status, 404);
    assert_eq!(ask("GET", "/metrics", "localhost:9377").status, 200);
    let head = ask("HEAD", "/metrics", &own);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn every_page_tells_browsers_to_run_nothing() {
    let daemon = Daemon::start(&stun_configuration("60s", &[("relay", "127.0.0.1:1".into())]));

    for path in ["/", "/metrics", "/-/ready", "/-/nothing"] {
        let head = daemon.page(path).head.to_lowercase();

        assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        assert!(!head.contains("access-control-"), "{path}: {head}");
    }
}
