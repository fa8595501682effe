//! A simulated telephony cloud on loopback, with named scenarios that break one thing each.
//!
//! [`Cloud::start`] brings up a STUN and TURN server, two nameservers and a resolver, a SIP registrar and
//! the vendor's API, and writes the configuration with which `branchline` meets them. Whoever
//! holds the [`Cloud`] holds all of it: dropping it closes every socket and removes every file.
//!
//! [`mirror`] stands apart: it is for a second host, at the other end of a network.
//!
//! ```no_run
//! use branchline_lab::{Cloud, Scenario};
//!
//! let scenario = Scenario::named("dns-propagating").expect("it is listed");
//! let cloud = Cloud::start(scenario)?;
//! println!("branchline check --config {}", cloud.config().display());
//! # std::io::Result::Ok(())
//! ```

#![deny(missing_docs)]

pub mod api;
mod cloud;
mod config;
mod dns;
pub mod mirror;
mod scenario;
mod sip;
mod sockets;
mod stun;
mod tls;
mod turn;

pub use cloud::{Addresses, Cloud};
pub use scenario::{
    Api, Carriers, Faults, RecordSpread, Registrar, Relay, SCENARIOS, Scenario, Vendor, verdict,
};
pub use sip::Binding;

/// The name whose propagation the nameservers are asked about.
pub const RECORD_NAME: &str = "lyon-edge-group.genesyscloud.com";
