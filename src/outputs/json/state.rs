//! The vendor's state: every part with its age, every thing with its normalised state and the
//! vendor's own words.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use serde_json::{Map, Value, json};

use super::{ordered, time};
use crate::telephony::{
    Authority, Change, ChangedProperty, Edge, EdgeGroup, EdgeMetrics, Endpoint, Line, Location,
    Organization, Part, PartName, Phone, PoorConversation, Proxy, Quality, Reference, Site,
    Snapshot, Trunk, TrunkMetrics, TrunkSettings, each_part,
};

/// The name and version of the inventory's shape.
pub const STATE_SCHEMA: &str = "branchline/state/1";

/// These parts of the vendor's state as one document, indented.
#[must_use]
pub fn inventory(
    site: &str,
    state: &Snapshot,
    shown: &BTreeSet<PartName>,
    now: SystemTime,
) -> String {
    let mut parts = parts(state);
    let mut kept = Map::new();
    for part in state.parts().iter().filter(|part| shown.contains(&part.name)) {
        let Some(Value::Object(fields)) = parts.get_mut(part.name.label()).map(Value::take) else {
            continue;
        };
        let age = part.read.map(|read| now.duration_since(read).unwrap_or_default());
        let mut aged = Map::new();
        for (key, value) in fields {
            // Beside the time, since whoever reads it later has another clock.
            let is_read = key == "read";
            aged.insert(key, value);
            if is_read {
                aged.insert("age_seconds".to_owned(), seconds(age));
            }
        }
        kept.insert(part.name.label().to_owned(), Value::Object(aged));
    }
    let document = ordered([
        ("schema", json!(STATE_SCHEMA)),
        ("site", json!(site)),
        ("read", json!(time(now))),
        ("region", json!(state.region)),
        ("location", json!(state.location)),
        ("parts", Value::Object(kept)),
    ]);
    format!("{document:#}\n")
}

/// Every part by its name.
pub(super) fn parts(state: &Snapshot) -> Value {
    macro_rules! all {
        ($($field:ident = $name:ident),*) => {
            ordered([$((PartName::$name.label(), part(&state.$field))),*])
        };
    }
    each_part!(all)
}

fn part<T: Item>(part: &Part<T>) -> Value {
    let problem = part
        .problem
        .as_ref()
        .map(|problem| json!({ "reason": problem.label(), "message": problem.to_string() }));
    ordered([
        ("read", json!(part.read.map(time))),
        ("stale", json!(part.stale)),
        ("problem", json!(problem)),
        ("correlation_id", word(part.correlation.as_ref())),
        ("unknown", json!(part.unknown)),
        ("unreadable", json!(part.unreadable)),
        ("items", part.items.iter().map(Item::json).collect()),
    ])
}

/// A thing of the vendor's as one object.
trait Item {
    fn json(&self) -> Value;
}

impl Item for Edge {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("in_service", json!(self.is_in_service)),
                ("edge_group", name(self.edge_group.as_ref())),
                ("edge_group_id", id(self.edge_group.as_ref())),
                ("site", name(self.site.as_ref())),
                ("site_id", id(self.site.as_ref())),
                ("addresses", json!(self.addresses)),
                ("deployment", word(self.deployment.as_ref())),
                ("software", word(self.software.as_ref())),
                ("conversations", json!(self.conversations)),
                ("region", word(self.region.as_ref())),
                ("codecs", words(&self.codecs)),
            ],
        )
    }
}

impl Item for EdgeGroup {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("provisioning_url", word(self.provisioning_url.as_ref())),
                ("primary_edge", name(self.primary_edge.as_ref())),
                ("primary_edge_id", id(self.primary_edge.as_ref())),
                ("secondary_edge", name(self.secondary_edge.as_ref())),
                ("secondary_edge_id", id(self.secondary_edge.as_ref())),
            ],
        )
    }
}

impl Item for Trunk {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("kind", json!(self.kind.as_str())),
                ("switched_off", json!(self.is_switched_off)),
                ("registration", json!(self.registration.label())),
                ("problem", word(self.problem.as_ref())),
                ("base", name(self.base.as_ref())),
                ("base_id", id(self.base.as_ref())),
                ("edge", name(self.edge.as_ref())),
                ("edge_id", id(self.edge.as_ref())),
                ("edge_group", name(self.edge_group.as_ref())),
                ("edge_group_id", id(self.edge_group.as_ref())),
                ("connected_since", json!(self.connected_since.map(time))),
                ("proxies", self.proxies.iter().map(proxy).collect()),
            ],
        )
    }
}

fn proxy(proxy: &Proxy) -> Value {
    ordered([
        ("address", json!(proxy.address.as_str())),
        ("answers_options", json!(proxy.answers.map(|it| it.label()))),
        ("registration", json!(proxy.registration.label())),
        ("registered_at", json!(proxy.registered_at.map(time))),
        ("problem", word(proxy.problem.as_ref())),
    ])
}

impl Item for Phone {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("site", name(self.site.as_ref())),
                ("site_id", id(self.site.as_ref())),
                ("edge_group", name(self.edge_group.as_ref())),
                ("edge_group_id", id(self.edge_group.as_ref())),
                ("edge", name(self.edge.as_ref())),
                ("edge_id", id(self.edge.as_ref())),
                ("since", json!(self.since.map(time))),
                ("provisioned", json!(self.provisioned.map(time))),
                ("problem", word(self.problem.as_ref())),
                ("hardware", word(self.hardware.as_ref())),
                ("model", word(self.model.as_ref())),
                ("lines", self.lines.iter().map(line).collect()),
            ],
        )
    }
}

fn line(line: &Line) -> Value {
    ordered([
        ("id", json!(line.id.as_str())),
        ("reachable", json!(line.is_reachable)),
        ("since", json!(line.since.map(time))),
        ("address_of_record", word(line.address_of_record.as_ref())),
        ("contacts", words(&line.contacts)),
    ])
}

impl Item for Site {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("location", name(self.location.as_ref())),
                ("location_id", id(self.location.as_ref())),
                ("media_model", word(self.media_model.as_ref())),
                ("media_regions", words(&self.media_regions)),
                ("latency_based", json!(self.is_latency_based)),
                ("turn_forced", json!(self.is_turn_forced)),
            ],
        )
    }
}

impl Item for Location {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("address", word(self.address.as_ref())),
                ("emergency_number", word(self.emergency_number.as_ref())),
                ("region", word(self.region.as_ref())),
                ("sip_ports", json!(self.sip_ports)),
                ("proxy", endpoint(self.proxy.as_ref())),
                ("stun", endpoint(self.stun.as_ref())),
                ("turn", endpoint(self.turn.as_ref())),
                ("allowed", words(&self.allowed)),
            ],
        )
    }
}

fn endpoint(endpoint: Option<&Endpoint>) -> Value {
    json!(endpoint.map(|it| json!({ "host": it.host.as_str(), "port": it.port })))
}

impl Item for Organization {
    fn json(&self) -> Value {
        thing(
            &self.reference,
            self.state.label(),
            &self.raw,
            [
                ("home_region", word(self.home_region.as_ref())),
                ("media_regions", words(&self.media_regions)),
            ],
        )
    }
}

impl Item for TrunkSettings {
    fn json(&self) -> Value {
        ordered([
            ("id", json!(self.reference.id.as_str())),
            ("name", json!(self.reference.name.as_str())),
            ("enabled", json!(self.is_enabled)),
            ("transport", word(self.transport.as_ref())),
            ("proxies", words(&self.proxies)),
            ("codecs", words(&self.codecs)),
            ("media_dscp", json!(self.media_dscp)),
            ("sip_dscp", json!(self.sip_dscp)),
            ("allowed", words(&self.allowed)),
        ])
    }
}

impl Item for Authority {
    fn json(&self) -> Value {
        ordered([
            ("id", json!(self.reference.id.as_str())),
            ("name", json!(self.reference.name.as_str())),
            ("kind", word(self.kind.as_ref())),
            ("services", words(&self.services)),
            ("subject", word(self.subject.as_ref())),
            ("expires", json!(self.expires.map(time))),
            ("valid", json!(self.is_valid)),
        ])
    }
}

impl Item for EdgeMetrics {
    fn json(&self) -> Value {
        ordered([
            ("edge", json!(self.edge.name.as_str())),
            ("edge_id", json!(self.edge.id.as_str())),
            ("taken", json!(self.taken.map(time))),
            ("uptime_seconds", seconds(self.uptime)),
            ("processor_ratio", json!(self.processor_ratio)),
            ("memory_ratio", json!(self.memory_ratio)),
            ("disk_ratio", json!(self.disk_ratio)),
            ("network_ratio", json!(self.network_ratio)),
        ])
    }
}

impl Item for TrunkMetrics {
    fn json(&self) -> Value {
        ordered([
            ("trunk", json!(self.trunk.name.as_str())),
            ("trunk_id", json!(self.trunk.id.as_str())),
            ("taken", json!(self.taken.map(time))),
            ("inbound_calls", json!(self.inbound_calls)),
            ("outbound_calls", json!(self.outbound_calls)),
            ("qos_mismatches", json!(self.qos_mismatches)),
            ("setup_success_ratio", json!(self.setup_success_ratio)),
            ("jitter_seconds", seconds(self.jitter)),
            ("utilization_ratio", json!(self.utilization_ratio)),
            ("peak_calls", json!(self.peak_calls)),
        ])
    }
}

impl Item for Quality {
    fn json(&self) -> Value {
        ordered([
            ("edge", json!(self.edge.name.as_str())),
            ("edge_id", json!(self.edge.id.as_str())),
            ("window_seconds", seconds(Some(self.window))),
            ("poor", json!(self.poor)),
            ("all", json!(self.all)),
            ("limit_mos", json!(self.limit)),
            ("worst", self.worst.iter().map(conversation).collect()),
        ])
    }
}

fn conversation(conversation: &PoorConversation) -> Value {
    ordered([
        ("id", json!(conversation.id.as_str())),
        ("began", json!(conversation.began.map(time))),
        ("mos", json!(conversation.mos)),
        ("r_factor", json!(conversation.r_factor)),
        ("latency_seconds", seconds(conversation.latency)),
        ("loss_ratio", json!(conversation.loss_ratio)),
        ("jitter_seconds", seconds(conversation.jitter)),
        ("relayed", json!(conversation.is_relayed)),
    ])
}

impl Item for Change {
    fn json(&self) -> Value {
        ordered([
            ("when", json!(self.when.map(time))),
            ("action", json!(self.action.as_str())),
            ("kind", json!(self.kind.as_str())),
            ("entity", json!(self.entity.name.as_str())),
            ("entity_id", json!(self.entity.id.as_str())),
            ("by", word(self.by.as_ref())),
            ("status", word(self.status.as_ref())),
            ("properties", self.properties.iter().map(property).collect()),
        ])
    }
}

fn property(property: &ChangedProperty) -> Value {
    ordered([
        ("name", json!(property.name.as_str())),
        ("old", word(property.old.as_ref())),
        ("new", word(property.new.as_ref())),
    ])
}

fn thing<const N: usize>(
    reference: &Reference,
    state: &'static str,
    raw: &Foreign,
    more: [(&'static str, Value); N],
) -> Value {
    let common = [
        ("id", json!(reference.id.as_str())),
        ("name", json!(reference.name.as_str())),
        ("state", json!(state)),
        ("raw", json!(raw.as_str())),
    ];
    common.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)).collect()
}

fn name(reference: Option<&Reference>) -> Value {
    json!(reference.map(|it| it.name.as_str()))
}

fn id(reference: Option<&Reference>) -> Value {
    json!(reference.map(|it| it.id.as_str()))
}

fn word(word: Option<&Foreign>) -> Value {
    json!(word.map(Foreign::as_str))
}

fn words(words: &[Foreign]) -> Value {
    words.iter().map(Foreign::as_str).collect()
}

fn seconds(duration: Option<Duration>) -> Value {
    json!(duration.map(|duration| duration.as_secs_f64()))
}
