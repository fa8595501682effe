//! Locations with their network settings, and the tenant.

use std::time::SystemTime;

use branchline_probes::Foreign;
use serde_json::Value;

use super::fields::{Fields, MOST_ITEMS, decoded, is_word, raw};
use crate::poller::page::Decoded;
use crate::telephony::{Endpoint, Location, Organization, Reference, State};

/// One location out of its listing.
pub(super) fn location(entity: Value, _now: SystemTime) -> Decoded<Location> {
    let Some(fields) = Fields::of(&entity) else { return Decoded::Unreadable };
    if fields.is_deleted() {
        return Decoded::Deleted;
    }
    let (state, word, is_known) = activity(fields);
    let sip = fields.below(&["sip"]);
    let media = fields.below(&["media"]);
    let sip = sip.or_else(|| media?.below(&["sip"]));
    decoded(fields.itself().map(|reference| {
        let endpoint = |name| media.and_then(|media| endpoint(media.value(&[name])?));
        let location = Location {
            reference,
            state,
            raw: word,
            region: fields.foreign(&["region", "regionId"]),
            sip_ports: sip.map(ports).unwrap_or_default(),
            proxy: endpoint("proxy"),
            stun: endpoint("stun"),
            turn: endpoint("turn"),
            allowed: fields.texts(&["ipAddressAllowlist"]),
            ..Location::default()
        };
        (location, is_known)
    }))
}

/// The tenant; `None` where the answer is nothing of the kind. The guide says of it that it has a
/// default region, and not how that is written.
pub(super) fn organization(tenant: &Value) -> Option<(Organization, bool)> {
    let fields = Fields::of(tenant)?;
    let (state, word, is_known) = activity(fields);
    let reference = Reference {
        id: fields.foreign(&["id", "tenantId"]).unwrap_or_default(),
        name: fields.foreign(&["name", "displayName"]).unwrap_or_default(),
    };
    let region = fields.value(&["defaultRegion", "default_region", "homeRegion", "region"]);
    let region = region.and_then(|region| match region {
        Value::String(name) => Some(name.trim()).filter(|name| !name.is_empty()),
        Value::Object(_) => Fields::of(region)?.text(&["id", "regionId", "name"]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    });
    let home_region = region.map(Foreign::new);
    let is_one = home_region.is_some() || !reference.id.as_str().is_empty();
    let organization =
        Organization { reference, state, raw: word, home_region, media_regions: Vec::new() };
    is_one.then_some((organization, is_known))
}

/// Whether a thing is in use, by its `status` or, as the published API calls it, its `state`.
fn activity(fields: Fields<'_>) -> (State, Foreign, bool) {
    let word = fields.text(&["status", "state"]);
    let (state, is_known) = match word {
        word if is_word(word, &["active"]) => (State::Up, true),
        word if is_word(word, &["inactive"]) => (State::Down, true),
        word => (State::Unknown, word.is_none()),
    };
    (state, raw(word), is_known)
}

/// A number that is a port, also where it is written as text.
fn port(value: &Value) -> Option<u16> {
    let port = match value {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(digits) => digits.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(port).filter(|port| *port > 0)
}

fn ports(sip: Fields<'_>) -> Vec<u16> {
    sip.list(&["ports"]).filter_map(port).take(MOST_ITEMS).collect()
}

/// A host and its port, or a host alone.
fn endpoint(value: &Value) -> Option<Endpoint> {
    if let Value::String(host) = value {
        return Some(Endpoint { host: Foreign::new(host), port: None });
    }
    let fields = Fields::of(value)?;
    let host = fields.foreign(&["host"])?;
    Some(Endpoint { host, port: fields.value(&["port"]).and_then(port) })
}
