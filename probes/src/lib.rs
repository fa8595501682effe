//! Voice-readiness probes without I/O.
//!
//! Each probe is a conversation as values in, values out: an [`Exchange`] is told what happened
//! ([`Input`]) and says what to do next ([`Output`]). It owns no socket, reads no clock and draws
//! no chance of its own, so a whole exchange runs in a test, and one seen on site can be replayed
//! at a desk. Whoever drives it moves the bytes.
//!
//! ```
//! use branchline_probes::{Chance, Moment, Output, PROBES, Options, Target};
//!
//! let probe = PROBES.iter().find(|probe| probe.name() == "stun-binding").expect("it is listed");
//! let module = probe.module(&Options::defaults(probe.options())).expect("defaults are valid");
//! let target = Target {
//!     name: "relay".into(),
//!     site: "lyon".into(),
//!     host: "192.0.2.10".into(),
//!     address: "192.0.2.10:3478".parse().expect("an address"),
//!     transport: None,
//!     started: std::time::SystemTime::UNIX_EPOCH,
//! };
//! let mut exchange = module.begin(&target, Chance::from_seed([7; 32]));
//! assert!(matches!(exchange.poll_output(), Output::Open(leg) if leg.peer == target.address));
//! ```

#![deny(missing_docs)]

mod admission;
mod chance;
mod conversation;
mod digest;
mod fact;
mod failure;
mod foreign;
mod joined;
mod leg;
pub mod locate;
mod moment;
mod observation;
mod options;
mod probe;
mod proof;
mod relay;
mod secret;
mod target;
mod transaction;
pub mod way;
pub mod wire;
pub mod written;

pub mod dns_delegation;
pub mod dns_query;
pub mod media;
pub mod nat_behavior;
pub mod sip;
pub mod sip_options;
pub mod sip_register;
pub mod stun_binding;
pub mod turn_allocation;
pub mod turn_media;

pub use chance::Chance;
pub use fact::{Fact, FactKey, FactSpec, FactValue, Facts, Metric};
pub use failure::{Failure, Refusal, Standing, Unresolved, Weakness};
pub use foreign::Foreign;
pub use leg::{
    Certificate, Certificates, Handshake, Hears, Identity, Leg, LegId, Tls, TlsProblem, Trust,
    TrustedBy,
};
pub use moment::Moment;
pub use observation::{Ignored, Lead, Observation, Outcome, Phase, Verdict};
pub use options::{
    BadOption, FromOption, Kind, OptionKey, OptionSpec, OptionValue, Options, read_duration,
    show_duration,
};
pub use probe::{Exchange, Input, Intent, Module, Output, Probe, Stamp, TIMEOUT};
pub use secret::Secret;
pub use target::{Target, Transport};
pub use transaction::{Due, Retransmission};

/// Every probe, in the order of the documentation.
pub static PROBES: &[&dyn Probe] = &[
    &stun_binding::StunBinding,
    &nat_behavior::NatBehavior,
    &turn_allocation::TurnAllocation,
    &turn_media::TurnMedia,
    &dns_query::DnsQuery,
    &dns_delegation::DnsDelegation,
    &sip_options::SipOptions,
    &sip_register::SipRegister,
];
