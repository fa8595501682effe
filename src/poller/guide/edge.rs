//! Edges and edge groups.

use std::time::SystemTime;

use serde_json::Value;

use super::fields::{Fields, decoded, is_word, raw};
use crate::poller::page::Decoded;
use crate::telephony::{Edge, EdgeGroup, Reference, State};

/// One edge out of its listing.
pub(super) fn edge(entity: Value, _now: SystemTime) -> Decoded<Edge> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    if fields.is_deleted() {
        return Decoded::Deleted;
    }
    let word = fields.text(&["status"]);
    let (state, is_known) = match word {
        word if is_word(word, &["available"]) => (State::Up, true),
        // The guide names the word alone; this is its opposite and nothing else.
        word if is_word(word, &["unavailable"]) => (State::Down, true),
        word => (State::Unknown, word.is_none()),
    };
    decoded(fields.itself().map(|reference| {
        let edge = Edge {
            reference,
            state,
            is_in_service: true,
            raw: raw(word),
            edge_group: fields.reference(&["edgeGroup", "edgeGroupId"]),
            // The guide has no sites: where an edge stands, it calls a location.
            site: fields.reference(&["location", "locationId"]),
            region: fields.foreign(&["regionId", "region"]),
            codecs: fields.texts(&["codecs"]),
            ..Edge::default()
        };
        (edge, is_known)
    }))
}

/// One edge group, out of its listing or alone.
pub(super) fn edge_group(entity: Value, _now: SystemTime) -> Decoded<EdgeGroup> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    if fields.is_deleted() {
        return Decoded::Deleted;
    }
    let word = fields.text(&["status"]);
    let (state, is_known) = match word {
        word if is_word(word, &["ACTIVE"]) => (State::Up, true),
        word if is_word(word, &["PENDING", "CONFIGURING"]) => (State::Down, true),
        word => (State::Unknown, word.is_none()),
    };
    decoded(fields.itself().map(|reference| {
        let group = EdgeGroup {
            reference,
            state,
            raw: raw(word),
            provisioning_url: fields.foreign(&["provisioningUrl"]),
            primary_edge: fields.reference(&["primaryEdge"]),
            secondary_edge: fields.reference(&["secondaryEdge"]),
        };
        (group, is_known)
    }))
}

/// Whether a group has this edge, by what the group says of its edges or the edge of its group.
pub(super) fn is_member(edge: &Edge, group: &EdgeGroup) -> bool {
    let is_named = |named: &Option<Reference>| {
        named.as_ref().is_some_and(|named| named.id == edge.reference.id)
    };
    let is_of = edge.edge_group.as_ref().is_some_and(|of| of.id == group.reference.id);
    is_of || is_named(&group.primary_edge) || is_named(&group.secondary_edge)
}

/// Tells an edge its group, which only the group says.
pub(super) fn joined(mut edge: Edge, groups: &[EdgeGroup]) -> Edge {
    if let Some(group) = groups.iter().find(|group| is_member(&edge, group)) {
        edge.edge_group = Some(group.reference.clone());
    }
    edge
}

/// Tells a group the names of its edges, where it knows their ids alone.
pub(super) fn named(mut group: EdgeGroup, edges: &[Edge]) -> EdgeGroup {
    for reference in [&mut group.primary_edge, &mut group.secondary_edge].into_iter().flatten() {
        if let Some(edge) = edges.iter().find(|edge| edge.reference.id == reference.id) {
            reference.name = edge.reference.name.clone();
        }
    }
    group
}
