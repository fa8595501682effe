//! What `nat-behavior` can state.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fact::{FactKey, FactSpec};

/// With whom mappings were compared.
pub const METHOD: FactKey<&'static str> =
    FactKey::new("method", "how the mapping was found: rfc5780 or two_server")
        .info("probe_nat_method_info", "method");
/// How the NAT maps.
pub const MAPPING: FactKey<&'static str> = FactKey::new(
    "mapping",
    "how the NAT maps (RFC 4787 §4.1): none, endpoint_independent, address_dependent, \
     address_and_port_dependent, not_endpoint_independent (one of the two before) or inconclusive",
)
.info("probe_nat_mapping_behavior_info", "behavior");
/// What the NAT, or a firewall, lets in.
pub const FILTERING: FactKey<&'static str> = FactKey::new(
    "filtering",
    "what the NAT or a firewall lets in (RFC 4787 §5): endpoint_independent, address_dependent, \
     address_and_port_dependent, blocked (the server answers no more) or inconclusive",
)
.info("probe_nat_filtering_behavior_info", "behavior");
/// Whether two of us meet at their mapped addresses.
pub const HAIRPIN: FactKey<&'static str> = FactKey::new(
    "hairpin",
    "whether what we send to a mapped address of ours comes back in (RFC 4787 §6): yes, no or \
     inconclusive",
)
.info("probe_nat_hairpin_info", "hairpin");
/// The reflexive transport address of the first leg.
pub const MAPPED_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("mapped_address", "the address from which the server saw us first");
/// The address of the first leg.
pub const LOCAL_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("local_address", "the address from which we spoke first");
/// The server's other address, as it claims.
pub const OTHER_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("other_address", "the other address that the server claims to have");
/// What became of [`OTHER_ADDRESS`].
pub const OTHER_ADDRESS_USE: FactKey<&'static str> = FactKey::new(
    "other_address_use",
    "what became of the other address: used, absent, unfit (not another IP address and port), \
     refused (it reaches where the server does not) or silent (it never answered)",
);
/// Whether [`MAPPED_ADDRESS`] has the local port.
pub const PORT_PRESERVED: FactKey<bool> =
    FactKey::new("port_preserved", "whether the mapped address had the local port")
        .metric("probe_nat_port_preserved");
/// Whether MAPPED-ADDRESS and XOR-MAPPED-ADDRESS ever differed.
pub const REWRITTEN: FactKey<bool> =
    FactKey::new("rewritten", "whether a device on the way rewrote the address in an answer");
/// How many repeats were made.
pub const REPEATS: FactKey<u64> =
    FactKey::new("repeats", "repeats made; a word needs the majority of those wanted");
/// Signs of loss.
pub const LOSSES: FactKey<u64> =
    FactKey::new("losses", "requests that had to be repeated or got no answer that was due")
        .metric("probe_nat_losses");
/// The longest silence after which the NAT still let an answer in.
pub const BINDING_LIFETIME: FactKey<Duration> = FactKey::new(
    "binding_lifetime_seconds",
    "the longest silence after which the NAT still knew a binding",
)
.metric("probe_nat_binding_lifetime_seconds");
/// The shortest silence after which it no longer did.
pub const BINDING_LIFETIME_BELOW: FactKey<Duration> = FactKey::new(
    "binding_lifetime_below_seconds",
    "the shortest silence after which the NAT no longer knew a binding",
)
.metric("probe_nat_binding_lifetime_below_seconds");
/// What [`BINDING_LIFETIME`] is.
pub const LIFETIME_BOUND: FactKey<&'static str> = FactKey::new(
    "lifetime_bound",
    "what the binding lifetime is: measured (a longer silence was too long) or at_least",
);

/// Every fact.
pub(super) const ALL: &[FactSpec] = &[
    METHOD.spec(),
    MAPPING.spec(),
    FILTERING.spec(),
    HAIRPIN.spec(),
    MAPPED_ADDRESS.spec(),
    LOCAL_ADDRESS.spec(),
    OTHER_ADDRESS.spec(),
    OTHER_ADDRESS_USE.spec(),
    PORT_PRESERVED.spec(),
    REWRITTEN.spec(),
    REPEATS.spec(),
    LOSSES.spec(),
    BINDING_LIFETIME.spec(),
    BINDING_LIFETIME_BELOW.spec(),
    LIFETIME_BOUND.spec(),
];
