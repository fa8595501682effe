//! What edges and trunks measured of themselves.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use super::entity::{Named, lenient, time};
use crate::poller::page::Decoded;
use crate::telephony::{EdgeMetrics, TrunkMetrics};

/// The load of one edge.
pub(super) fn edge_metrics(entity: Value, _now: SystemTime) -> Decoded<EdgeMetrics> {
    let raw = serde_json::from_value::<RawEdgeMetrics>(entity).ok();
    raw.and_then(RawEdgeMetrics::item).map_or(Decoded::Unreadable, Decoded::Item)
}

/// What one trunk carried.
pub(super) fn trunk_metrics(entity: Value, _now: SystemTime) -> Decoded<TrunkMetrics> {
    let raw = serde_json::from_value::<RawTrunkMetrics>(entity).ok();
    raw.and_then(RawTrunkMetrics::item).map_or(Decoded::Unreadable, Decoded::Item)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEdgeMetrics {
    edge: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    event_time: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    up_time_msec: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    processors: Option<Vec<RawProcessor>>,
    #[serde(default, deserialize_with = "lenient")]
    memory: Option<Vec<RawRoom>>,
    #[serde(default, deserialize_with = "lenient")]
    disks: Option<Vec<RawRoom>>,
    #[serde(default, deserialize_with = "lenient")]
    networks: Option<Vec<RawNetwork>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProcessor {
    cpu_id: Option<String>,
    active_time_pct: Option<f64>,
}

/// Memory or a disk.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRoom {
    #[serde(rename = "type")]
    kind: Option<String>,
    available_bytes: Option<f64>,
    total_bytes: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNetwork {
    utilization_pct: Option<f64>,
}

impl RawEdgeMetrics {
    fn item(self) -> Option<EdgeMetrics> {
        let processors = self.processors.unwrap_or_default();
        // "total" is always there, beside each processor alone.
        let total = processors.iter().find(|it| it.cpu_id.as_deref() == Some("total"));
        let memory = self.memory.unwrap_or_default();
        let physical = memory.iter().find(|it| it.kind.as_deref() == Some("physical"));
        let networks = self.networks.unwrap_or_default();
        Some(EdgeMetrics {
            edge: self.edge?.reference()?,
            taken: time(self.event_time.as_deref()),
            uptime: self.up_time_msec.map(Duration::from_millis),
            processor_ratio: total.and_then(|it| ratio(it.active_time_pct?, 100.0)),
            memory_ratio: physical
                .map_or_else(|| greatest(memory.iter().map(RawRoom::used)), RawRoom::used),
            disk_ratio: greatest(self.disks.iter().flatten().map(RawRoom::used)),
            network_ratio: greatest(networks.iter().map(|it| ratio(it.utilization_pct?, 100.0))),
        })
    }
}

impl RawRoom {
    /// The part of it that is used.
    fn used(&self) -> Option<f64> {
        ratio(self.total_bytes? - self.available_bytes?, self.total_bytes?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTrunkMetrics {
    trunk: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    event_time: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    calls: Option<RawCalls>,
    #[serde(default, deserialize_with = "lenient")]
    qos: Option<RawQos>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCalls {
    inbound_call_count: Option<u64>,
    outbound_call_count: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawQos {
    mismatch_count: Option<u64>,
}

impl RawTrunkMetrics {
    fn item(self) -> Option<TrunkMetrics> {
        let calls = self.calls.unwrap_or_default();
        Some(TrunkMetrics {
            trunk: self.trunk?.reference()?,
            taken: time(self.event_time.as_deref()),
            inbound_calls: calls.inbound_call_count,
            outbound_calls: calls.outbound_call_count,
            qos_mismatches: self.qos.unwrap_or_default().mismatch_count,
            ..TrunkMetrics::default()
        })
    }
}

/// A part of a whole, from 0 to 1; `None` where there is no whole.
pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0 && part.is_finite()).then(|| (part / whole).clamp(0.0, 1.0))
}

/// The greatest of those that are known.
pub(super) fn greatest(of: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    of.flatten().max_by(f64::total_cmp)
}
