//! Which addresses an answer may hold: those of the configuration, or those of the vendor's edges.

use std::net::IpAddr;

use crate::correlation::{Case, Evidence};
use crate::sight::Compare;
use crate::telephony::Edge;

/// The addresses that a record of this kind may hold; empty where anything will do.
pub(super) fn of(evidence: &Evidence, cases: &[&Case]) -> Vec<IpAddr> {
    let Some(sight) = cases.iter().find_map(|case| case.sight.as_ref()) else {
        // Such a module compares by itself.
        return Vec::new();
    };
    let is_of_kind = |address: &IpAddr| match sight.name.kind {
        "A" => address.is_ipv4(),
        "AAAA" => address.is_ipv6(),
        _ => false,
    };
    let configured = &sight.name.expect;
    // Where addresses depend on who asks, those of the edges say nothing of them.
    if !configured.is_empty() || sight.name.compare == Compare::Chain {
        return configured.iter().copied().filter(is_of_kind).collect();
    }
    let group = cases.iter().find_map(|case| case.edge_group.as_deref());
    let Some((group, state)) = group.zip(evidence.state.as_ref()) else { return Vec::new() };
    let edges: Vec<&Edge> = state
        .edges
        .items
        .iter()
        .filter(|edge| edge.edge_group.as_ref().is_some_and(|it| it.is(group)))
        .collect();
    // A record may name an edge of which the vendor tells no address.
    if !state.edges.is_current() || edges.iter().any(|edge| edge.addresses.is_empty()) {
        return Vec::new();
    }
    let mut addresses: Vec<IpAddr> =
        edges.iter().flat_map(|edge| &edge.addresses).copied().filter(is_of_kind).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
