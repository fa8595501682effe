//! What a vendor may say of three offices, every part of it.

use std::time::{Duration, SystemTime};

use branchline::telephony::{
    ApiProblem, Authority, Change, ChangedProperty, Edge, EdgeGroup, EdgeMetrics, Endpoint, Line,
    Location, Organization, Part, Phone, PhoneState, PoorConversation, Proxy, Quality, Reference,
    Registration, Site, Snapshot, State, Trunk, TrunkMetrics, TrunkSettings,
};
use branchline_probes::Foreign;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The 15th of May 2026, 14:32:07 UTC.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_855_527)
}

pub(crate) fn ago(span: Duration) -> SystemTime {
    now() - span
}

pub(crate) fn named(name: &str) -> Reference {
    Reference { id: Foreign::new(format!("id-of-{name}")), name: Foreign::new(name) }
}

pub(crate) fn word(text: &str) -> Option<Foreign> {
    Some(Foreign::new(text))
}

/// A part that was read three seconds ago.
pub(crate) fn read<T>(items: impl Into<Vec<T>>) -> Part<T> {
    let read = Some(ago(Duration::from_secs(3)));
    Part { items: items.into(), begun: read, read, ..Part::default() }
}

pub(crate) fn failed<T>(problem: ApiProblem, correlation: &str) -> Part<T> {
    Part { problem: Some(problem), correlation: word(correlation), ..Part::default() }
}

pub(crate) fn forbidden() -> ApiProblem {
    ApiProblem::Permission {
        path: "/api/v2/audits/query/realtime",
        detail: Foreign::new("audits:audit:view"),
    }
}

pub(crate) fn phone(name: &str, site: &str, state: PhoneState) -> Phone {
    let is_active = state == PhoneState::Active;
    let raw = if is_active { "OPERATIONAL IN_SERVICE" } else { "OFFLINE IN_SERVICE" };
    let (reference, site) = (named(name), Some(named(site)));
    Phone { reference, state, raw: Foreign::new(raw), site, ..Phone::default() }
}

fn edge(name: &str, state: State, raw: &str) -> Edge {
    Edge {
        reference: named(name),
        state,
        is_in_service: true,
        raw: Foreign::new(raw),
        edge_group: Some(named("lyon-edge-group")),
        site: Some(named("Lyon")),
        addresses: vec!["198.51.100.10".parse().expect("an address")],
        deployment: word("HARDWARE"),
        software: word("1.0.0.12345"),
        conversations: Some(5),
        ..Edge::default()
    }
}

fn trunk(name: &str, edge: &str) -> Trunk {
    Trunk {
        reference: named(name),
        kind: Foreign::new("EXTERNAL"),
        state: State::Up,
        registration: Registration::Registered,
        raw: Foreign::new("in service, enabled, connected"),
        base: Some(named("Lyon carrier")),
        edge: Some(named(edge)),
        edge_group: Some(named("lyon-edge-group")),
        connected_since: Some(ago(3 * DAY)),
        proxies: vec![Proxy {
            address: Foreign::new("203.0.113.10:5060"),
            answers: Some(State::Up),
            registration: Registration::Registered,
            registered_at: Some(ago(MINUTE)),
            problem: None,
        }],
        ..Trunk::default()
    }
}

/// Two edges, a trunk on each of which one is ill, some phones, and all that surrounds them.
pub(crate) fn office() -> Snapshot {
    let mut ill = trunk("Lyon carrier - edge-2", "branch-lyon-edge-2");
    ill.state = State::Down;
    ill.registration = Registration::Unregistered;
    ill.raw = Foreign::new("in service, enabled, not connected");
    ill.problem = word("No route to host");
    ill.connected_since = Some(ago(40 * MINUTE));
    ill.proxies[0].answers = Some(State::Down);
    ill.proxies[0].registration = Registration::Unregistered;
    ill.proxies[0].problem = word("Registration failed");
    let spare =
        Trunk { is_switched_off: true, state: State::Down, ..trunk("Spare", "branch-lyon-edge-1") };
    Snapshot {
        interval: MINUTE,
        location: Some("Lyon office".to_owned()),
        region: Some("eu-central-1"),
        edges: read([
            edge("branch-lyon-edge-1", State::Up, "ONLINE ACTIVE active"),
            edge("branch-lyon-edge-2", State::Down, "OFFLINE ACTIVE active"),
        ]),
        edge_groups: read([EdgeGroup {
            reference: named("lyon-edge-group"),
            state: State::Down,
            raw: Foreign::new("active, 1 of 2 edges up"),
            provisioning_url: word("https://198.51.100.10:8443/provisioning/"),
            primary_edge: Some(named("branch-lyon-edge-1")),
            secondary_edge: Some(named("branch-lyon-edge-2")),
        }]),
        trunks: read([trunk("Lyon carrier - edge-1", "branch-lyon-edge-1"), ill, spare]),
        phones: read(phones()),
        sites: read([Site {
            reference: named("Lyon"),
            state: State::Up,
            raw: Foreign::new("active"),
            location: Some(named("Lyon office")),
            media_model: word("Premises"),
            media_regions: vec![Foreign::new("eu-central-1"), Foreign::new("eu-west-1")],
            is_latency_based: Some(false),
            is_turn_forced: Some(true),
        }]),
        locations: read([Location {
            reference: named("Lyon office"),
            state: State::Up,
            raw: Foreign::new("active"),
            address: word("Lyon, FR"),
            emergency_number: word("+33400000000"),
            sip_ports: vec![5060, 5061],
            stun: Some(Endpoint { host: Foreign::new("stun.example.net"), port: Some(3478) }),
            allowed: vec![Foreign::new("198.51.100.0/24"), Foreign::new("203.0.113.10/32")],
            ..Location::default()
        }]),
        organization: read([Organization {
            reference: named("Example SA"),
            state: State::Up,
            raw: Foreign::new("active"),
            home_region: word("eu-central-1"),
            media_regions: vec![Foreign::new("eu-west-1")],
        }]),
        trunk_settings: read([TrunkSettings {
            stun_server: None,
            reference: named("Lyon carrier"),
            is_enabled: Some(true),
            transport: word("tls"),
            proxies: vec![Foreign::new("203.0.113.10:5061")],
            codecs: vec![Foreign::new("audio/opus"), Foreign::new("audio/pcmu")],
            media_dscp: Some(46),
            sip_dscp: Some(24),
            allowed: vec![Foreign::new("203.0.113.10/32")],
        }]),
        authorities: read([
            authority("Carrier root", now() + 9 * DAY),
            authority("Old root", ago(2 * DAY)),
        ]),
        edge_metrics: read([EdgeMetrics {
            edge: named("branch-lyon-edge-1"),
            taken: Some(ago(MINUTE)),
            uptime: Some(41 * DAY),
            processor_ratio: Some(0.12),
            memory_ratio: Some(0.4),
            disk_ratio: Some(0.71),
            network_ratio: Some(0.03),
        }]),
        trunk_metrics: read([TrunkMetrics {
            trunk: named("Lyon carrier - edge-1"),
            taken: Some(ago(MINUTE)),
            inbound_calls: Some(3),
            outbound_calls: Some(5),
            qos_mismatches: Some(17),
            setup_success_ratio: Some(0.985),
            jitter: Some(Duration::from_millis(7)),
            utilization_ratio: Some(0.27),
            peak_calls: Some(23),
        }]),
        quality: read([Quality {
            edge: named("branch-lyon-edge-1"),
            window: 60 * MINUTE,
            poor: 3,
            all: Some(120),
            limit: 3.6,
            worst: vec![PoorConversation {
                id: Foreign::new("7a7c0000-0000-4000-8000-000000000001"),
                began: Some(ago(20 * MINUTE)),
                mos: Some(2.1),
                r_factor: Some(48.0),
                latency: Some(Duration::from_millis(210)),
                loss_ratio: Some(0.032),
                jitter: Some(Duration::from_millis(41)),
                is_relayed: Some(true),
            }],
        }]),
        changes: read([
            change("lyon-edge-group", "EdgeGroup", 300 * MINUTE),
            change("Lyon carrier", "TrunkBase", 41 * MINUTE),
        ]),
    }
}

fn phones() -> Vec<Phone> {
    let mut reception = phone("Reception", "Lyon", PhoneState::Failed);
    reception.since = Some(ago(50 * MINUTE));
    reception.problem = word("Certificate has expired");
    reception.hardware = word("0004f2aabbcc");
    reception.model = word("Polycom VVX 411 6.4.3");
    reception.lines = vec![Line { is_reachable: Some(false), ..Line::default() }];
    vec![
        phone("Desk 1", "Lyon", PhoneState::Active),
        reception,
        phone("Desk 2", "Paris", PhoneState::Active),
        phone("Desk 3", "Paris", PhoneState::Unassigned),
    ]
}

fn authority(name: &str, expires: SystemTime) -> Authority {
    Authority {
        reference: named(name),
        kind: word("REMOTE"),
        services: vec![Foreign::new("SIP"), Foreign::new("PROVISION")],
        subject: word("CN=Example Root, O=Example"),
        expires: Some(expires),
        is_valid: Some(true),
    }
}

fn change(name: &str, kind: &str, age: Duration) -> Change {
    Change {
        when: Some(ago(age)),
        action: Foreign::new("Update"),
        kind: Foreign::new(kind),
        entity: named(name),
        by: word("Ada Admin"),
        status: word("SUCCESS"),
        properties: vec![ChangedProperty {
            name: Foreign::new("trunk_transport_serverProxyList"),
            old: word("203.0.113.10"),
            new: word("203.0.113.11"),
        }],
    }
}
