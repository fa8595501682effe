//! Edges, and the groups in which they serve.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;

use super::{Reference, State};

/// An appliance, virtual or real, that carries the calls of sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Its id and name.
    pub reference: Reference,
    /// Up: online, active and not deleted. Unknown where it is not in service.
    pub state: State,
    /// Whether its life goes so far: not before it is paired, and not after it is retired.
    pub is_in_service: bool,
    /// The vendor's words: `ONLINE ACTIVE active`.
    pub raw: Foreign,
    /// The group to which it belongs.
    pub edge_group: Option<Reference>,
    /// The site at which it stands.
    pub site: Option<Reference>,
    /// The addresses of its interfaces, where the vendor tells them.
    pub addresses: Vec<IpAddr>,
    /// The vendor's word for how it is deployed: `HARDWARE`, `LDM`, `CDM`.
    pub deployment: Option<Foreign>,
    /// The version of its software.
    pub software: Option<Foreign>,
    /// How many conversations it carries.
    pub conversations: Option<u64>,
    /// The region in which it is, where the vendor tells it.
    pub region: Option<Foreign>,
    /// The codecs that it offers, where the vendor tells them of the edge.
    pub codecs: Vec<Foreign>,
}

/// The load of an edge, as the edge itself reported it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeMetrics {
    /// The edge.
    pub edge: Reference,
    /// When the edge took it.
    pub taken: Option<SystemTime>,
    /// For how long it has been running.
    pub uptime: Option<Duration>,
    /// The part of its processors' time that is used, from 0 to 1.
    pub processor_ratio: Option<f64>,
    /// The part of its memory that is used, from 0 to 1.
    pub memory_ratio: Option<f64>,
    /// The part of its fullest disk that is used, from 0 to 1.
    pub disk_ratio: Option<f64>,
    /// The part of its busiest network interface that is used, from 0 to 1.
    pub network_ratio: Option<f64>,
}

/// Edges that serve together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeGroup {
    /// Its id and name.
    pub reference: Reference,
    /// Up: ready in the vendor's own word where it has one; else active, with at least one edge,
    /// and every edge up. Down, too, where none is in service.
    pub state: State,
    /// The vendor's words, and where the edges decide, how many are up: `active, 1 of 2 edges up`.
    pub raw: Foreign,
    /// Where its phones fetch their configuration, where the vendor tells it.
    pub provisioning_url: Option<Foreign>,
    /// The edge that serves first, where the vendor tells it.
    pub primary_edge: Option<Reference>,
    /// The edge that serves when the first does not, where the vendor tells it.
    pub secondary_edge: Option<Reference>,
}
