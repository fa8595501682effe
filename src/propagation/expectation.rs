//! Which addresses an answer may hold: those of the configuration, or those of the vendor's edges.

use std::net::IpAddr;

use crate::correlation::{Case, Evidence};

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
    let configured: Vec<IpAddr> = sight.name.expect.iter().copied().filter(is_of_kind).collect();
    if !configured.is_empty() {
        return configured;
    }
    let group = cases.iter().find_map(|case| case.edge_group.as_deref());
    let Some((group, state)) = group.zip(evidence.state.as_ref()) else { return Vec::new() };
    let edges = state.edges.items.iter().filter(|edge| {
        state.edges.is_current() && edge.edge_group.as_ref().is_some_and(|it| it.is(group))
    });
    let mut addresses: Vec<IpAddr> =
        edges.flat_map(|edge| edge.addresses.iter().copied()).filter(is_of_kind).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
