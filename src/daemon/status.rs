//! The daemon's own counters, and what it knows of its host.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::{Failure, Observation};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::check::CheckId;
use crate::poller;

/// The daemon's own series.
pub(super) struct Recorder {
    handle: PrometheusHandle,
    rendered: Instant,
    /// When the log last said of a target that something of ours was left there.
    told: BTreeMap<String, Instant>,
}

impl Recorder {
    /// Makes the process record its series, once.
    pub(super) fn install() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let builder = PrometheusBuilder::new();
            let name = Matcher::Full(PROPAGATION.to_owned());
            // It fails for an empty list alone, and then there is a summary.
            let builder = builder
                .set_buckets_for_metric(name, PROPAGATION_BUCKETS)
                .unwrap_or_else(|_| PrometheusBuilder::new());
            let name = Matcher::Full(START_DELAY.to_owned());
            let builder = builder
                .set_buckets_for_metric(name, START_DELAY_BUCKETS)
                .unwrap_or_else(|_| PrometheusBuilder::new());
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // It fails where somebody else records already; then our page lacks these series.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        });
        gauge!("branchline_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Self { handle: handle.clone(), rendered: Instant::now(), told: BTreeMap::new() }
    }

    /// Notes where the pages are served: beyond this host there is no encryption and no login.
    pub(super) fn listens(&self, mut addresses: impl Iterator<Item = SocketAddr>) {
        if addresses.any(|address| !address.ip().is_loopback()) {
            gauge!("branchline_insecure_listen").set(1.0);
        }
    }

    /// Notes one exchange.
    pub(super) fn ran(&mut self, observation: &Observation) {
        let probe = observation.probe;
        counter!("branchline_exchanges_total", "probe" => probe).increment(1);
        let failure = observation.failure().filter(|failure| **failure != Failure::Cancelled);
        if let Some(failure) = failure {
            let reason = failure.label();
            counter!("branchline_failures_total", "probe" => probe, "reason" => reason)
                .increment(1);
        }
        for (reason, count) in &observation.outcome.ignored {
            let labels = [("probe", probe), ("reason", reason.label())];
            counter!("branchline_ignored_packets_total", &labels).increment(*count);
        }
        if observation.outcome.left_behind && self.is_news(&observation.target) {
            tracing::warn!(
                target_name = observation.target,
                "the target did not confirm that what we created there is gone; it expires by itself"
            );
        }
    }

    fn is_news(&mut self, target: &str) -> bool {
        self.told.retain(|_, when| when.elapsed() < QUIET);
        self.told.insert(target.to_owned(), Instant::now()).is_none()
    }

    /// Notes a run that was due while the one before was still going on.
    pub(super) fn skipped(&self, id: &CheckId) {
        counter!("branchline_skipped_runs_total", "module" => id.module.to_string(),
            "target" => id.target.to_string())
        .increment(1);
    }

    /// Notes runs that were started because there was news.
    pub(super) fn hastened(&self, count: usize) {
        counter!("branchline_early_runs_total").increment(count as u64);
    }

    /// Notes how much later than planned a run was started.
    pub(super) fn delayed(&self, delay: Duration) {
        histogram!(START_DELAY).record(delay.as_secs_f64());
    }

    /// Notes how long a name took to arrive everywhere.
    pub(super) fn arrived(&self, took: Duration) {
        histogram!(PROPAGATION).record(took.as_secs_f64());
    }

    /// Notes how the process before this one ended.
    pub(super) fn found(&self, was_unclean: bool) {
        counter!("branchline_unclean_shutdown_total").increment(u64::from(was_unclean));
    }

    /// Notes how much of ours may be with servers.
    pub(super) fn intends(&self, count: usize) {
        gauge!("branchline_intents").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }

    /// Notes how a reload went.
    pub(super) fn reloaded(&self, is_success: bool) {
        gauge!("branchline_config_last_reload_successful").set(f64::from(u8::from(is_success)));
        if is_success {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            gauge!("branchline_config_last_reload_success_timestamp_seconds")
                .set(now.as_secs_f64());
        }
    }

    /// Whether the page has not been made anew for a while.
    pub(super) fn is_due(&self) -> bool {
        self.rendered.elapsed() >= LONGEST_UNRENDERED
    }

    /// The series as text.
    pub(super) fn render(&mut self) -> String {
        self.rendered = Instant::now();
        self.handle.run_upkeep();
        self.handle.render()
    }
}

/// What tells this host's schedule from that of others: the machine's id where it has one.
pub(super) fn host_seed() -> u64 {
    let mut hasher = DefaultHasher::new();
    std::fs::read("/etc/machine-id").unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

fn describe() {
    describe_gauge!("branchline_build_info", "The version of this program.");
    describe_gauge!(
        "branchline_insecure_listen",
        "1 if the pages are served to others without encryption and login."
    );
    describe_counter!("branchline_exchanges_total", "Exchanges that have ended.");
    describe_counter!("branchline_failures_total", "Exchanges that have failed, by reason.");
    describe_counter!(
        "branchline_ignored_packets_total",
        "Packets that were not taken for the answer, by reason."
    );
    describe_counter!(
        "branchline_unclean_shutdown_total",
        "1 if the process before this one was killed or lost its power."
    );
    describe_gauge!(
        "branchline_intents",
        "What exchanges may have left with servers and is not taken back yet."
    );
    describe_histogram!(
        PROPAGATION,
        "From the moment at which a zone had a new record to that at which every view had it."
    );
    describe_counter!(
        "branchline_skipped_runs_total",
        "Runs that were due while the one before was still going on."
    );
    describe_gauge!(
        "branchline_config_last_reload_successful",
        "1 if the last reload of the configuration was successful, 0 if the old one stayed."
    );
    describe_gauge!(
        "branchline_config_last_reload_success_timestamp_seconds",
        "When the configuration was last read successfully."
    );
    describe_counter!(
        "branchline_early_runs_total",
        "Runs that were started early, because there was news of what they hang on."
    );
    describe_histogram!(START_DELAY, "How much later than planned runs were started.");
    describe_counter!("branchline_webhooks_total", "Webhooks that came, by how they ended.");
    describe_gauge!(
        "branchline_webhook_last_accepted_timestamp_seconds",
        "When a webhook was last accepted."
    );
    poller::describe_metrics();
}

const PROPAGATION: &str = "branchline_dns_propagation_seconds";
/// From a short negative TTL over the vendor's 90 s to the longest TTL that is usual, a day.
const PROPAGATION_BUCKETS: &[f64] =
    &[5.0, 15.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0];
const START_DELAY: &str = "branchline_start_delay_seconds";
/// The loop's own work, a tenth of a second as what is bearable, and what is not.
const START_DELAY_BUCKETS: &[f64] = &[0.001, 0.01, 0.1, 1.0];
/// How long the log does not repeat itself.
const QUIET: Duration = Duration::from_secs(300);
const LONGEST_UNRENDERED: Duration = Duration::from_secs(5);
