//! What the zones hold at first.

use super::host::Host;

/// How long what `lyon.test` says may be remembered, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ttls {
    /// A record of `lyon.test`; its nameservers are good for an hour.
    pub(crate) record: u32,
    /// That there is none: the last field of the SOA record (RFC 2308 §4).
    pub(crate) negative: u32,
}

impl Default for Ttls {
    fn default() -> Self {
        Self { record: 6, negative: 4 }
    }
}

/// The root: it delegates `test`.
pub(super) fn root() -> String {
    format!(
        "{}a.root-servers.net. {}test. NS ns.test.\nns.test. {}",
        opening("a.root-servers.net."),
        addresses(Host::Root),
        addresses(Host::Top)
    )
}

/// `test`: it delegates `lyon.test` with glue for the nameservers below it, `other.test`, and
/// `six.test` with an IPv6 address only; and it has the addresses of the resolver.
pub(super) fn top() -> String {
    format!(
        "{}ns {}resolver {}{}other NS ns.other\nns.other {}six NS ns.six\nns.six {}",
        opening("ns"),
        addresses(Host::Top),
        addresses(Host::Resolver),
        lyon_nameservers("lyon", ".lyon"),
        addresses(Host::Other),
        addresses(Host::Six)
    )
}

/// `other.test`: the address of the nameserver for which `test` has no glue.
pub(super) fn other() -> String {
    format!("{}ns {}ns3 {}", opening("ns"), addresses(Host::Other), addresses(Host::Third))
}

/// `six.test`.
pub(super) fn six() -> String {
    format!("{}ns {}edge A 10.77.6.21\n", opening("ns"), addresses(Host::Six))
}

/// `lyon.test`, serial 1: `edge` with both addresses, its alias `sbc`, and `big`, whose answer is
/// too long for a datagram.
pub(super) fn lyon(ttls: Ttls) -> String {
    let Ttls { record, negative } = ttls;
    let long: String =
        (1..=12).map(|number| format!("big TXT \"{number} {}\"\n", "x".repeat(150))).collect();
    format!(
        "$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 86400 {negative}\n{}$TTL {record}\n\
         edge A 10.77.2.21\nedge AAAA fd77:2::21\nsbc CNAME edge\n{long}",
        lyon_nameservers("@", "")
    )
}

/// What a resolver must know of the root.
pub(super) fn hints() -> String {
    format!(". 3600 NS a.root-servers.net.\na.root-servers.net. {}", addresses(Host::Root))
}

/// What the rewriter says of a name that is not there.
pub(super) fn rewritten() -> String {
    format!("{}*. A {REWRITTEN}\n", opening("ns.invalid."))
}

/// Where the rewriter sends those who ask for a name that is not there.
pub(super) const REWRITTEN: &str = "203.0.113.80";

/// The records that every zone begins with.
fn opening(nameserver: &str) -> String {
    format!("$TTL 3600\n@ SOA {nameserver} hostmaster 1 3600 600 86400 4\n@ NS {nameserver}\n")
}

/// The nameservers of `lyon.test` and the addresses of those that are in it; `below` is what a
/// name of it ends with in the zone where this is written.
fn lyon_nameservers(owner: &str, below: &str) -> String {
    let glued = [("ns1", Host::Primary), ("ns2", Host::Second), ("ns4", Host::Lame)];
    let glued = glued.map(|(label, host)| {
        format!("{owner} NS {label}{below}\n{label}{below} {}", addresses(host))
    });
    format!("{owner} NS ns3.other.test.\n{}", glued.concat())
}

/// The address records of a name that was just written.
fn addresses(host: Host) -> String {
    let four = host.address_4().map(|address| format!(" A {address}\n")).unwrap_or_default();
    format!("{four} AAAA {}\n", host.address_6())
}
