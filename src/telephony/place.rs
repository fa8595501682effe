//! Where things stand: the organisation, its locations and their sites; and whom they trust.

use std::time::SystemTime;

use branchline_probes::Foreign;

use super::{Reference, State};

/// Where phones and edges stand together, as the telephony sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Its id and name.
    pub reference: Reference,
    /// Whether it is in use.
    pub state: State,
    /// The vendor's word for it.
    pub raw: Foreign,
    /// The location to which it belongs.
    pub location: Option<Reference>,
    /// The vendor's word for where media is handled: `Premises` or `Cloud`.
    pub media_model: Option<Foreign>,
    /// The regions that handle its media, the preferred one first.
    pub media_regions: Vec<Foreign>,
    /// Whether the region is chosen by latency instead of by that order.
    pub is_latency_based: Option<bool>,
    /// Whether phones in browsers must use TURN.
    pub is_turn_forced: Option<bool>,
}

/// A place where people work: a postal address in the published API, network settings in the
/// vendor's guide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Its id and name.
    pub reference: Reference,
    /// Whether it is in use.
    pub state: State,
    /// The vendor's word for it.
    pub raw: Foreign,
    /// Town and country.
    pub address: Option<Foreign>,
    /// The number that emergency services see.
    pub emergency_number: Option<Foreign>,
    /// The region that serves it.
    pub region: Option<Foreign>,
    /// The ports of its SIP servers.
    pub sip_ports: Vec<u16>,
    /// Its media proxy.
    pub proxy: Option<Endpoint>,
    /// Its STUN server.
    pub stun: Option<Endpoint>,
    /// Its TURN server.
    pub turn: Option<Endpoint>,
    /// Who is let in, as addresses and prefixes.
    pub allowed: Vec<Foreign>,
}

/// A host and a port that the vendor names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: Foreign,
    /// The port.
    pub port: Option<u16>,
}

/// The organisation to which everything belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organization {
    /// Its id and name.
    pub reference: Reference,
    /// Whether it is in use.
    pub state: State,
    /// The vendor's word for it.
    pub raw: Foreign,
    /// The region in which it lives.
    pub home_region: Option<Foreign>,
    /// Other regions that may handle its media.
    pub media_regions: Vec<Foreign>,
}

/// A certificate authority that edges and trunks trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Its id and name.
    pub reference: Reference,
    /// The vendor's word: `MANAGED` or `REMOTE`.
    pub kind: Option<Foreign>,
    /// For what it is trusted, in the vendor's words.
    pub services: Vec<Foreign>,
    /// The certificate's own name.
    pub subject: Option<Foreign>,
    /// When the first of its certificates ends.
    pub expires: Option<SystemTime>,
    /// Whether the vendor calls all of its certificates valid.
    pub is_valid: Option<bool>,
}
