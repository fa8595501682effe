//! The face of the rules: each is a file of its own, and one line in the list.

mod api;
mod certificate_invalid;
mod changes;
mod dns;
mod network;
mod proxies;
mod relay;
mod server;
mod sip;

mod api_credentials;
mod api_permission;
mod api_throttled;
mod api_unreachable;
mod certificate_expiring;
mod dns_inconsistent;
mod dns_intercepted;
mod dns_not_created;
mod dns_not_propagated;
mod dns_resolver_down;
mod dns_wrong_address;
mod dscp_bleached;
mod edge_group_not_ready;
mod edge_offline;
mod egress_mismatch;
mod host_offline;
mod internet_down;
mod location_invalid;
mod media_quality_poor;
mod nat_lifetime_short;
mod phone_provisioning_stuck;
mod phones_offline;
mod port_prohibited;
mod quality_reported_poor;
mod region_mismatch;
mod relay_address_blocked;
mod relay_media_blocked;
mod sip_alg;
mod sip_credentials;
mod sip_large_message_dropped;
mod sip_overload;
mod sip_port_blocked;
mod sip_retransmissions;
mod sip_server_down;
mod state_stale;
mod stun_turn_udp_blocked;
mod symmetric_nat;
mod tls_intercepted;
mod trunk_configuration;
mod trunk_down;
mod trunk_unregistered;
mod turn_credentials;
mod turn_down;
mod turn_quota;
mod udp_blocked;

use crate::diagnosis::Rule;

/// Every rule, in the order of the documentation: path, media, names, signalling, vendor.
pub static RULES: &[&Rule] = &[
    &host_offline::RULE,
    &internet_down::RULE,
    &udp_blocked::RULE,
    &stun_turn_udp_blocked::RULE,
    &relay_address_blocked::RULE,
    &port_prohibited::RULE,
    &symmetric_nat::RULE,
    &nat_lifetime_short::RULE,
    &egress_mismatch::RULE,
    &tls_intercepted::RULE,
    &certificate_expiring::RULE,
    &certificate_invalid::RULE,
    &turn_credentials::RULE,
    &turn_quota::RULE,
    &turn_down::RULE,
    &relay_media_blocked::RULE,
    &media_quality_poor::RULE,
    &dscp_bleached::RULE,
    &dns_resolver_down::RULE,
    &dns_not_created::RULE,
    &dns_not_propagated::RULE,
    &dns_wrong_address::RULE,
    &dns_intercepted::RULE,
    &dns_inconsistent::RULE,
    &sip_port_blocked::RULE,
    &sip_alg::RULE,
    &sip_credentials::RULE,
    &sip_server_down::RULE,
    &sip_overload::RULE,
    &sip_large_message_dropped::RULE,
    &sip_retransmissions::RULE,
    &edge_offline::RULE,
    &edge_group_not_ready::RULE,
    &trunk_down::RULE,
    &trunk_unregistered::RULE,
    &trunk_configuration::RULE,
    &phones_offline::RULE,
    &phone_provisioning_stuck::RULE,
    &region_mismatch::RULE,
    &location_invalid::RULE,
    &api_unreachable::RULE,
    &api_credentials::RULE,
    &api_permission::RULE,
    &api_throttled::RULE,
    &state_stale::RULE,
    &quality_reported_poor::RULE,
];
