//! The addresses of edges, where the edges themselves do not tell them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::batch::BATCH;
use super::edge::MOST_INTERFACES;
use crate::poller::path::Path;
use crate::poller::reading::Asking;
use crate::telephony::Edge;

const INTERFACES: &str = "/api/v2/telephony/providers/edges/logicalinterfaces";

/// How long edges wait for their addresses: what only explains must not cost what decides.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives the edges without addresses those of their logical interfaces; the vendor calls the
/// `interfaces` of an edge deprecated. Where these cannot be read, what was known of them holds.
pub(super) async fn fill(asking: &Asking<'_>, edges: &mut [Edge]) {
    let bare = edges.iter().filter(|edge| edge.addresses.is_empty());
    let bare: Vec<String> = bare.map(|edge| edge.reference.id.as_str().to_owned()).collect();
    let mut known = BTreeMap::new();
    for edge in &asking.previous.edges.items {
        known.insert(edge.reference.id.as_str().to_owned(), edge.addresses.clone());
    }
    for batch in bare.chunks(BATCH) {
        let ids = batch.join(",");
        let query = [("edgeIds", ids.as_str())];
        let read = asking.one(Path::fixed(INTERFACES), &query);
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(body)) => {
                for id in batch {
                    known.remove(id);
                }
                gather(&body, &mut known);
            }
            Ok(Err(failed)) => {
                tracing::debug!(problem = %failed.problem, "the addresses of edges are not told");
            }
            Err(_) => tracing::debug!("the addresses of edges are not told in time"),
        }
    }
    for edge in edges.iter_mut().filter(|edge| edge.addresses.is_empty()) {
        if let Some(mut addresses) = known.remove(edge.reference.id.as_str()) {
            addresses.sort_unstable();
            addresses.dedup();
            edge.addresses = addresses;
        }
    }
}

/// The addresses by the id of their edge, with which an interface's `edgeUri` ends.
fn gather(body: &Value, known: &mut BTreeMap<String, Vec<IpAddr>>) {
    for interface in body.get("entities").and_then(Value::as_array).into_iter().flatten() {
        let uri = interface.get("edgeUri").and_then(Value::as_str);
        let Some(id) = uri.and_then(|uri| uri.trim_end_matches('/').rsplit('/').next()) else {
            continue;
        };
        if interface.get("state").and_then(Value::as_str) == Some("deleted") {
            continue;
        }
        let listed = interface.get("addresses").and_then(Value::as_array);
        let room = known.entry(id.to_owned()).or_default();
        for address in listed.into_iter().flatten().filter_map(address) {
            if room.len() < MOST_INTERFACES {
                room.push(address);
            }
        }
    }
}

/// An address of the interface's own: a gateway's and a nameserver's are listed beside it.
fn address(listed: &Value) -> Option<IpAddr> {
    if listed.get("type").and_then(Value::as_str) != Some("ip") {
        return None;
    }
    let written = listed.get("address")?.as_str()?.trim();
    let bare = written.split_once('/').map_or(written, |(address, _)| address);
    bare.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified())
}
