//! A branch office behind a router that translates addresses, and a cloud with two addresses.

use std::sync::{Mutex, MutexGuard};

use crate::netns::{FORWARD, Namespaces};
use crate::process::{program, run_well, words};
use crate::wire::{Carried, Way, Wire};

/// A branch, its router and the cloud, each in a network namespace of its own; gone when this
/// value is. Only the cloud's addresses can be reached, and there is no name server.
///
/// ```text
/// client 10.77.0.2 ──── 10.77.0.1 router 203.0.113.2 ════ 203.0.113.1 cloud 198.51.100.10
///         fd77::2          fd77::1        2001:db8:113::2                   198.51.100.11
///                                                                   2001:db8:51::10, ::11
/// ```
pub(crate) struct Branch {
    // First, so that it ends before its namespaces do.
    wire: Option<Mutex<Wire>>,
    namespaces: Namespaces,
}

/// The client's own address.
pub(crate) const CLIENT: &str = "10.77.0.2";

/// The client's own IPv6 address, which nothing translates.
pub(crate) const CLIENT_6: &str = "fd77::2";

/// The router's address as the client sees it.
pub(crate) const GATEWAY: &str = "10.77.0.1";

/// The router's IPv6 address as the client sees it.
pub(crate) const GATEWAY_6: &str = "fd77::1";

/// The router's address as the cloud sees it: the client's, where the router translates.
pub(crate) const OUTSIDE: &str = "203.0.113.2";

/// The cloud's address.
pub(crate) const CLOUD: &str = "198.51.100.10";

/// The cloud's other address.
pub(crate) const CLOUD_TOO: &str = "198.51.100.11";

/// The cloud's IPv6 address.
pub(crate) const CLOUD_6: &str = "2001:db8:51::10";

/// The cloud's other IPv6 address.
pub(crate) const CLOUD_TOO_6: &str = "2001:db8:51::11";

/// What the router does to the branch's IPv4 addresses, in the words of RFC 4787.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Nothing: it forwards, both ways.
    None,
    /// The same outer port whoever is talked to (§4.1), and only who was talked to from it may
    /// answer (§5): `masquerade`, which keeps the port where it can.
    PortRestricted,
    /// An outer port at random for everybody who is talked to, and only they may answer.
    Symmetric,
    /// The same outer port whoever is talked to, and everybody may use it. What the client sends
    /// to its own outer address comes back to it, from that address (§6).
    FullCone,
}

/// What a fault befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Everything.
    All,
    /// UDP.
    Udp,
    /// What an expression of nftables matches.
    Matching(&'static str),
}

impl Branch {
    /// Builds it with a cable to the cloud that does no harm.
    #[track_caller]
    pub(crate) fn behind(nat: Nat) -> Self {
        let namespaces = Namespaces::new(ROLES);
        namespaces.join(("router", OUT), ("cloud", CLOUD_LINK));
        Self::built(nat, namespaces, None)
    }

    /// Builds it with a wire to the cloud that treats what goes out, and what comes back, so.
    #[track_caller]
    pub(crate) fn behind_wire(nat: Nat, out: Way, back: Way) -> Self {
        let namespaces = Namespaces::new(ROLES);
        let (router, cloud) = (namespaces.name("router"), namespaces.name("cloud"));
        let wire = Wire::between([&router, OUT], [&cloud, CLOUD_LINK], [Way::clear(); 2]);
        let branch = Self::built(nat, namespaces, Some(wire));
        branch.wire(out, back);
        branch
    }

    #[track_caller]
    fn built(nat: Nat, namespaces: Namespaces, wire: Option<Wire>) -> Self {
        namespaces.join(("client", "eth0"), ("router", IN));
        namespaces.shell("router", &format!("{FORWARD}\n{ROUTER_LINKS}"));
        namespaces.shell("client", CLIENT_LINKS);
        namespaces.shell("cloud", CLOUD_LINKS);
        for address in [CLOUD, CLOUD_TOO, CLOUD_6, CLOUD_TOO_6] {
            namespaces.await_path("client", address);
        }
        let branch = Self { wire: wire.map(Mutex::new), namespaces };
        branch.nft("router", nat.rules());
        branch.heal();
        branch
    }

    /// The words that run a command where the client is.
    pub(crate) fn at_client(&self) -> Vec<String> {
        self.namespaces.inside("client")
    }

    /// The words that run a command where the router is.
    pub(crate) fn at_router(&self) -> Vec<String> {
        self.namespaces.inside("router")
    }

    /// The words that run a command in the cloud.
    pub(crate) fn at_cloud(&self) -> Vec<String> {
        self.namespaces.inside("cloud")
    }

    /// Loses this share of what the router forwards (in percent), each way.
    #[track_caller]
    pub(crate) fn lose(&self, traffic: Traffic, percent: f64) {
        // Nothing below a million exceeds 999999, which nftables would not have said again.
        let most = (percent * 10_000.0).round() - 1.0;
        let chance = format!("numgen random mod 1000000 <= {most}");
        self.rule(&format!("{} {chance} drop", traffic.expression()));
    }

    /// Drops what the router would forward, and says nothing.
    #[track_caller]
    pub(crate) fn drop(&self, traffic: Traffic) {
        self.rule(&format!("{} drop", traffic.expression()));
    }

    /// Refuses what the router would forward, and says so: administratively prohibited.
    #[track_caller]
    pub(crate) fn reject(&self, traffic: Traffic) {
        self.rule(&format!("{} reject with icmpx type admin-prohibited", traffic.expression()));
    }

    /// Clears the DSCP of everything that the router forwards.
    #[track_caller]
    pub(crate) fn bleach_dscp(&self) {
        self.rule("ip dscp set cs0");
        self.rule("ip6 dscp set cs0");
    }

    /// Forgets what the router knows of a UDP exchange after so many seconds of silence. It keeps
    /// to what it promised before to exchanges that are silent already.
    #[track_caller]
    pub(crate) fn forget_udp_after(&self, seconds: u32) {
        for knob in ["timeout", "timeout_stream"] {
            let path = format!("/proc/sys/net/netfilter/nf_conntrack_udp_{knob}");
            self.namespaces.shell("router", &format!("echo {seconds} > {path}"));
        }
    }

    /// Forgets all that the router knows of exchanges, as when it starts again.
    #[track_caller]
    pub(crate) fn forget_all(&self) {
        let conntrack = program("conntrack", "conntrack").display().to_string();
        run_well(&words(&self.at_router(), &[&conntrack, "--flush"]));
    }

    /// Adds a rule, in the words of nftables, to what the router forwards.
    #[track_caller]
    pub(crate) fn rule(&self, rule: &str) {
        self.nft("router", &format!("add rule inet faults forward {rule}"));
    }

    /// Undoes every fault of the router's forwarding.
    #[track_caller]
    pub(crate) fn heal(&self) {
        self.nft(
            "router",
            "add table inet faults\ndelete table inet faults\n\
             table inet faults {\nchain forward {\n\
             type filter hook forward priority filter; policy accept;\n}\n}",
        );
    }

    /// Pulls the client's cable out of the router.
    #[track_caller]
    pub(crate) fn unplug(&self) {
        self.namespaces.shell("router", &format!("ip link set {IN} down"));
    }

    /// Puts it back, and waits until the cloud is reached.
    #[track_caller]
    pub(crate) fn plug(&self) {
        self.namespaces.shell("router", &format!("ip link set {IN} up"));
        self.namespaces.shell("router", ROUTER_IN_6);
        self.namespaces.await_path("client", CLOUD);
    }

    /// Treats what goes out, and what comes back, so from now on.
    ///
    /// # Panics
    ///
    /// When this branch was not built with a wire.
    #[track_caller]
    pub(crate) fn wire(&self, out: Way, back: Way) {
        self.its_wire().set([out, back]);
    }

    /// What the wire carried so far: out, and back.
    #[track_caller]
    pub(crate) fn carried(&self) -> [Carried; 2] {
        self.its_wire().carried()
    }

    #[track_caller]
    fn its_wire(&self) -> MutexGuard<'_, Wire> {
        let wire = self.wire.as_ref().expect("this branch was built with `behind_wire`");
        wire.lock().expect("no other test has this branch")
    }

    /// Counts, from now on, the packets that arrive in the cloud and match an expression of
    /// nftables, such as `ip dscp ef udp dport 3478`.
    #[track_caller]
    pub(crate) fn meter(&self, expression: &str) -> Meter<'_> {
        self.meter_at("cloud", expression)
    }

    /// Counts, from now on, the packets that arrive at the client and match.
    #[track_caller]
    pub(crate) fn meter_at_client(&self, expression: &str) -> Meter<'_> {
        self.meter_at("client", expression)
    }

    #[track_caller]
    fn meter_at(&self, role: &'static str, expression: &str) -> Meter<'_> {
        self.nft(
            role,
            &format!(
                "add table inet counts\nadd chain inet counts arriving {{ \
                 type filter hook prerouting priority raw - 1; policy accept; }}\n\
                 add rule inet counts arriving {expression} counter comment \"{expression}\""
            ),
        );
        Meter { branch: self, role, comment: format!("comment \"{expression}\"") }
    }

    #[track_caller]
    fn nft(&self, role: &str, script: &str) {
        run_well(&words(&self.namespaces.inside(role), &["nft", script]));
    }
}

/// A count of packets.
pub(crate) struct Meter<'a> {
    branch: &'a Branch,
    role: &'static str,
    comment: String,
}

impl Meter<'_> {
    /// How many there were so far.
    #[track_caller]
    pub(crate) fn packets(&self) -> u64 {
        let at = self.branch.namespaces.inside(self.role);
        let rules = run_well(&words(&at, &["nft", "list", "chain", "inet", "counts", "arriving"]));
        let rule = rules.lines().find(|line| line.contains(&self.comment)).unwrap_or_default();
        rule.split_once("packets ")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no count of {}: {rules}", self.comment))
    }
}

impl Traffic {
    fn expression(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Udp => "meta l4proto udp",
            Self::Matching(expression) => expression,
        }
    }
}

impl Nat {
    fn rules(self) -> &'static str {
        match self {
            Self::None => "",
            Self::PortRestricted => {
                "table ip nat {\n\
                 chain out { type nat hook postrouting priority srcnat;\n\
                 oifname \"cloud\" masquerade\n}\n\
                 chain guard { type filter hook forward priority filter - 1;\n\
                 iifname \"cloud\" ct state new drop\n}\n}"
            }
            Self::Symmetric => {
                "table ip nat {\n\
                 chain out { type nat hook postrouting priority srcnat;\n\
                 oifname \"cloud\" masquerade fully-random\n}\n\
                 chain guard { type filter hook forward priority filter - 1;\n\
                 iifname \"cloud\" ct state new drop\n}\n}"
            }
            Self::FullCone => {
                "table ip nat {\n\
                 chain in { type nat hook prerouting priority dstnat;\n\
                 ip daddr 203.0.113.2 meta l4proto udp dnat to 10.77.0.2\n}\n\
                 chain out { type nat hook postrouting priority srcnat;\n\
                 oifname \"cloud\" snat to 203.0.113.2\n\
                 oifname \"branch\" ip saddr 10.77.0.2 snat to 203.0.113.2\n}\n\
                 chain guard { type filter hook forward priority filter - 1;\n\
                 iifname \"cloud\" ct state new ct status & dnat == 0 drop\n}\n}"
            }
        }
    }
}

const ROLES: &[&str] = &["client", "router", "cloud"];

/// The router's link to the branch.
const IN: &str = "branch";

/// The router's link to the cloud.
const OUT: &str = "cloud";

/// The cloud's link to the router.
const CLOUD_LINK: &str = "eth0";

const CLIENT_LINKS: &str = "\
ip address add 10.77.0.2/24 dev eth0
ip address add fd77::2/64 dev eth0 nodad
ip link set eth0 up
ip route add default via 10.77.0.1
ip -6 route add default via fd77::1";

const ROUTER_LINKS: &str = "\
ip address add 10.77.0.1/24 dev branch
ip address add fd77::1/64 dev branch nodad
ip link set branch up
ip address add 203.0.113.2/24 dev cloud
ip address add 2001:db8:113::2/64 dev cloud nodad
ip link set cloud up
ip route add default via 203.0.113.1
ip -6 route add default via 2001:db8:113::1";

/// IPv6 addresses leave with their link.
const ROUTER_IN_6: &str = "ip address replace fd77::1/64 dev branch nodad";

const CLOUD_LINKS: &str = "\
ip address add 203.0.113.1/24 dev eth0
ip address add 2001:db8:113::1/64 dev eth0 nodad
ip link set eth0 up
for host in 10 11; do
  ip address add 198.51.100.$host/32 dev lo
  ip address add 2001:db8:51::$host/128 dev lo nodad
done
ip route add 10.77.0.0/24 via 203.0.113.2
ip -6 route add default via 2001:db8:113::2";
