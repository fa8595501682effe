//! The table of scenarios: what each breaks, and what the product must make of it.

use crate::api::Profile;

/// One way for the cloud or the branch to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is broken, in one line.
    pub story: &'static str,
    /// The rule that must find it; `None` where nothing is broken.
    pub rule: Option<&'static str>,
    /// The exit code with which `branchline check --strict` must end.
    pub exit_code: u8,
    /// The switches that the servers read.
    pub faults: Faults,
}

impl Scenario {
    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The verdict that belongs to the exit code, as a report writes it.
    #[must_use]
    pub const fn verdict(&self) -> &'static str {
        verdict(self.exit_code)
    }
}

/// The verdict that an exit code of `branchline check --strict` stands for.
#[must_use]
pub const fn verdict(exit_code: u8) -> &'static str {
    match exit_code {
        0 => "GO",
        1 => "GO WITH WARNINGS",
        2 => "NO-GO",
        3 => "INCONCLUSIVE",
        _ => "NO VERDICT",
    }
}

/// What is broken, server by server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The STUN and TURN server.
    pub relay: Relay,
    /// The SIP registrar.
    pub registrar: Registrar,
    /// The edge group's DNS record.
    pub record: RecordSpread,
    /// The vendor's API.
    pub api: Api,
    /// Whose words that API speaks.
    pub profile: Profile,
    /// What that API says of the edges.
    pub vendor: Vendor,
    /// What that API says of the carriers' trunks.
    pub carriers: Carriers,
}

/// How the STUN and TURN server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// It answers, relays, and knows the password that the configuration holds.
    Answers,
    /// What is sent to it over UDP disappears; it answers over TCP and TLS.
    UdpSilent,
    /// It answers, and knows another password.
    OtherPassword,
    /// It answers, and has no allocation left for anyone.
    Quota,
    /// It allocates, and lets nobody send to a peer.
    PeersForbidden,
    /// It allocates and permits, and what it should relay disappears.
    MediaSilent,
    /// It loses eight of a hundred datagrams that it should relay, evenly spread.
    LossyMedia,
}

/// How the SIP registrar behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registrar {
    /// It answers, and knows the password that the configuration holds.
    Answers,
    /// It answers, and knows another password.
    OtherPassword,
    /// What is sent to it over UDP disappears; it answers over TCP and TLS.
    Silent,
    /// Nobody listens on its ports, and its host says so.
    Closed,
    /// A gateway before its UDP port rewrites requests, and does not restore the responses.
    Rewritten,
    /// It has no time for anyone, and says when it may have.
    Overloaded,
    /// Requests of more than 1300 bytes over UDP disappear.
    LargeDropped,
    /// The first transmission of every request over UDP disappears.
    Lossy,
}

/// Who serves the edge group's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordSpread {
    /// Both nameservers, and so the resolver.
    Everywhere,
    /// The primary alone; the secondary still has the zone from before.
    PrimaryOnly,
    /// No nameserver.
    Nowhere,
    /// Both nameservers, with another address.
    Elsewhere,
    /// No nameserver; the resolver has an address for every name that does not exist.
    MadeUp,
}

/// Whether the vendor's API can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// It answers.
    Answers,
    /// It refuses every connection.
    Refuses,
    /// It answers, and does not let us read the phones.
    Forbids,
    /// It answers, and has no time to list the phones.
    Throttles,
}

/// What the vendor says of edges and edge groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Two edges are online, and both are in the group.
    Ready,
    /// The second edge is offline, and its trunk with it.
    EdgeOffline,
    /// Both edges are online, but neither has been put into the group.
    GroupWithoutEdge,
    /// Three phones never got their configuration.
    PhonesStuck,
    /// The site's media regions are none of the organisation's.
    RegionElsewhere,
    /// A third of the calls over the first edge sounded poor.
    PoorCalls,
    /// An authority that the edges trust ends within days.
    AuthorityExpiring,
    /// The edge group is on its way for twenty looks, by the guide.
    GroupPending,
}

/// What the vendor says of the trunks to the carriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriers {
    /// Both are connected and registered.
    Connected,
    /// "Carrier A", whose registrar we probe ourselves, is said to be unregistered.
    FirstUnregistered,
    /// The same when the trunks are first listed, and from then on it is registered.
    FirstSettling,
    /// "Carrier B", which we do not probe, is not connected.
    SecondDown,
}

impl Faults {
    /// Nothing is broken.
    pub const NONE: Self = NONE;
}

const NONE: Faults = Faults {
    relay: Relay::Answers,
    registrar: Registrar::Answers,
    record: RecordSpread::Everywhere,
    api: Api::Answers,
    profile: Profile::Platform,
    vendor: Vendor::Ready,
    carriers: Carriers::Connected,
};

/// Every scenario; the first is the one in which nothing is broken.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "healthy",
        story: "nothing is broken",
        rule: None,
        exit_code: 0,
        faults: NONE,
    },
    Scenario {
        name: "udp-blocked",
        story: "the branch firewall drops all UDP but DNS",
        rule: Some("udp-blocked"),
        exit_code: 2,
        faults: Faults { relay: Relay::UdpSilent, registrar: Registrar::Silent, ..NONE },
    },
    Scenario {
        name: "stun-turn-udp-blocked",
        story: "UDP to the relay is silent; TCP and TLS to it work, and other UDP",
        rule: Some("stun-turn-udp-blocked"),
        exit_code: 2,
        faults: Faults { relay: Relay::UdpSilent, ..NONE },
    },
    Scenario {
        name: "turn-credentials",
        story: "the relay knows another password",
        rule: Some("turn-credentials"),
        exit_code: 2,
        faults: Faults { relay: Relay::OtherPassword, ..NONE },
    },
    Scenario {
        name: "turn-quota",
        story: "the account has no allocation left at the relay",
        rule: Some("turn-quota"),
        exit_code: 2,
        faults: Faults { relay: Relay::Quota, ..NONE },
    },
    Scenario {
        name: "relay-media-blocked",
        story: "the relay allocates and permits, but what it should relay disappears",
        rule: Some("relay-media-blocked"),
        exit_code: 2,
        faults: Faults { relay: Relay::MediaSilent, ..NONE },
    },
    Scenario {
        name: "media-quality-poor",
        story: "the relay loses eight of a hundred datagrams",
        rule: Some("media-quality-poor"),
        exit_code: 2,
        faults: Faults { relay: Relay::LossyMedia, ..NONE },
    },
    Scenario {
        name: "dns-propagating",
        story: "the new record is on one nameserver, the other has the old zone",
        rule: Some("dns-not-propagated"),
        exit_code: 2,
        faults: Faults { record: RecordSpread::PrimaryOnly, ..NONE },
    },
    Scenario {
        name: "dns-not-created",
        story: "the edge group is ready, but no nameserver has its record",
        rule: Some("dns-not-created"),
        exit_code: 2,
        faults: Faults { record: RecordSpread::Nowhere, ..NONE },
    },
    Scenario {
        name: "dns-wrong-address",
        story: "the record of the edge group leads to another address",
        rule: Some("dns-wrong-address"),
        exit_code: 2,
        faults: Faults { record: RecordSpread::Elsewhere, ..NONE },
    },
    Scenario {
        name: "dns-intercepted",
        story: "nobody has the record; the resolver makes an address up for every name",
        rule: Some("dns-intercepted"),
        exit_code: 2,
        faults: Faults { record: RecordSpread::MadeUp, ..NONE },
    },
    Scenario {
        name: "sip-credentials",
        story: "the registrar knows another password",
        rule: Some("sip-credentials"),
        exit_code: 2,
        faults: Faults { registrar: Registrar::OtherPassword, ..NONE },
    },
    Scenario {
        name: "sip-server-down",
        story: "nobody listens on the SIP port, and its host says so",
        rule: Some("sip-server-down"),
        exit_code: 2,
        faults: Faults { registrar: Registrar::Closed, ..NONE },
    },
    Scenario {
        name: "sip-port-blocked",
        story: "the SIP port alone is silent, other UDP passes",
        rule: Some("sip-port-blocked"),
        exit_code: 2,
        faults: Faults { registrar: Registrar::Silent, ..NONE },
    },
    Scenario {
        name: "sip-alg",
        story: "a gateway on the way rewrites Via and Contact, and restores neither",
        rule: Some("sip-alg"),
        exit_code: 2,
        faults: Faults { registrar: Registrar::Rewritten, ..NONE },
    },
    Scenario {
        name: "sip-overload",
        story: "the registrar has no time for anyone, and names when to come back",
        rule: Some("sip-overload"),
        exit_code: 2,
        faults: Faults { registrar: Registrar::Overloaded, ..NONE },
    },
    Scenario {
        name: "sip-large-message-dropped",
        story: "SIP requests of more than 1300 bytes disappear over UDP",
        rule: Some("sip-large-message-dropped"),
        exit_code: 1,
        faults: Faults { registrar: Registrar::LargeDropped, ..NONE },
    },
    Scenario {
        name: "sip-retransmissions",
        story: "the first transmission of every SIP request is lost over UDP",
        rule: Some("sip-retransmissions"),
        exit_code: 1,
        faults: Faults { registrar: Registrar::Lossy, ..NONE },
    },
    Scenario {
        name: "trunk-down",
        story: "the vendor says that the trunk \"Carrier B\" is not connected",
        rule: Some("trunk-down"),
        exit_code: 2,
        faults: Faults { carriers: Carriers::SecondDown, ..NONE },
    },
    Scenario {
        name: "trunk-configuration",
        story: "our REGISTER works, the vendor's trunk is unregistered",
        rule: Some("trunk-configuration"),
        exit_code: 2,
        faults: Faults { carriers: Carriers::FirstUnregistered, ..NONE },
    },
    Scenario {
        name: "trunk-settling",
        story: "the vendor's trunk has just registered, and the API says so late",
        rule: None,
        exit_code: 0,
        faults: Faults { carriers: Carriers::FirstSettling, ..NONE },
    },
    Scenario {
        name: "edge-offline",
        story: "the vendor says that an edge is offline, its trunk goes with it",
        rule: Some("edge-offline"),
        exit_code: 2,
        faults: Faults { vendor: Vendor::EdgeOffline, ..NONE },
    },
    Scenario {
        name: "edge-group-not-ready",
        story: "the edge group has no edge yet, so its record is not there either",
        rule: Some("edge-group-not-ready"),
        exit_code: 2,
        faults: Faults { vendor: Vendor::GroupWithoutEdge, record: RecordSpread::Nowhere, ..NONE },
    },
    Scenario {
        name: "api-unreachable",
        story: "the vendor's API refuses connections, every local probe works",
        rule: Some("api-unreachable"),
        exit_code: 3,
        faults: Faults { api: Api::Refuses, ..NONE },
    },
    Scenario {
        name: "api-permission",
        story: "the OAuth client lacks telephony:plugin:all, so no phone can be read",
        rule: Some("api-permission"),
        exit_code: 3,
        faults: Faults { api: Api::Forbids, ..NONE },
    },
    Scenario {
        name: "api-throttled",
        story: "the vendor's API has no time to list the phones, and says so: 429",
        rule: Some("api-throttled"),
        exit_code: 3,
        faults: Faults { api: Api::Throttles, ..NONE },
    },
    Scenario {
        name: "phones-stuck",
        story: "three phones never got their configuration",
        rule: Some("phone-provisioning-stuck"),
        exit_code: 1,
        faults: Faults { vendor: Vendor::PhonesStuck, ..NONE },
    },
    Scenario {
        name: "region-mismatch",
        story: "the site's media regions are none of the organisation's",
        rule: Some("region-mismatch"),
        exit_code: 1,
        faults: Faults { vendor: Vendor::RegionElsewhere, ..NONE },
    },
    Scenario {
        name: "quality-poor",
        story: "a third of the calls over an edge sounded poor, as the vendor counts",
        rule: Some("quality-reported-poor"),
        exit_code: 1,
        faults: Faults { vendor: Vendor::PoorCalls, ..NONE },
    },
    Scenario {
        name: "vendor-ca-expiring",
        story: "a certificate authority that the edges trust ends in five days",
        rule: Some("certificate-expiring"),
        exit_code: 1,
        faults: Faults { vendor: Vendor::AuthorityExpiring, ..NONE },
    },
    Scenario {
        name: "guide",
        story: "nothing is broken, and the vendor's API is that of its guide",
        rule: None,
        exit_code: 0,
        faults: Faults { profile: Profile::Guide, ..NONE },
    },
    Scenario {
        name: "guide-group-pending",
        story: "the guide's edge group is PENDING, so its record is not there either",
        rule: Some("edge-group-not-ready"),
        exit_code: 2,
        faults: Faults {
            profile: Profile::Guide,
            vendor: Vendor::GroupPending,
            record: RecordSpread::Nowhere,
            ..NONE
        },
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::SCENARIOS;

    #[test]
    fn names_are_unique_and_a_broken_scenario_names_its_rule() {
        let names: BTreeSet<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();

        assert_eq!(names.len(), SCENARIOS.len());
        for scenario in SCENARIOS {
            assert_eq!(scenario.rule.is_none(), scenario.exit_code == 0, "{}", scenario.name);
        }
    }

    #[test]
    fn a_story_fits_on_a_line() {
        for scenario in SCENARIOS {
            assert!(scenario.story.len() <= 74, "{}", scenario.name);
        }
    }
}
