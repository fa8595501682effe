//! What `dns-delegation` can state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::verdict::Fate;
use super::zones::Zone;
use crate::conversation::Conversation;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::wire::dns::delegation::DomainName;

/// The apex of the zone.
pub const ZONE: FactKey<Foreign> = FactKey::new("zone", "the apex of the zone that holds the name");
/// Every nameserver with each address.
pub const NAMESERVERS: FactKey<Vec<Foreign>> = FactKey::new(
    "nameservers",
    "the zone's nameservers, each with one address, as its delegation names them",
);
/// Whom to ask.
pub const SERVERS: FactKey<Vec<SocketAddr>> = FactKey::new(
    "servers",
    "the addresses of nameservers that are authoritative, or did not answer; none that is lame, \
     and none that this host cannot reach out to",
);
/// Who is named and of no use.
pub const LAME: FactKey<Vec<Foreign>> =
    FactKey::new("lame", "nameservers that answer and are of no use for the zone, and why");
/// How many of [`LAME`].
pub const LAME_SERVERS: FactKey<u64> = FactKey::new(
    "lame_servers",
    "addresses of nameservers that answer and are of no use for the zone",
)
.metric("probe_dns_delegation_lame_servers");
/// Who is named and does not answer.
pub const SILENT: FactKey<Vec<Foreign>> =
    FactKey::new("silent", "nameservers that did not answer, and how where that was not silence");
/// How many of [`SILENT`].
pub const SILENT_SERVERS: FactKey<u64> =
    FactKey::new("silent_servers", "addresses of nameservers that did not answer")
        .metric("probe_dns_delegation_silent_servers");
/// How many of [`SERVERS`] proved to be authoritative.
pub const AUTHORITATIVE_SERVERS: FactKey<u64> =
    FactKey::new("authoritative_servers", "addresses of nameservers that are authoritative")
        .metric("probe_dns_delegation_authoritative_servers");
/// Whom this host could not ask.
pub const SKIPPED: FactKey<Vec<Foreign>> = FactKey::new(
    "skipped",
    "nameservers to which this host itself has no way, such as IPv6 where it has none",
);
/// Who is named and has no address.
pub const UNRESOLVED: FactKey<Vec<Foreign>> =
    FactKey::new("unresolved_nameservers", "nameservers of which no address was found");
/// How many of [`UNRESOLVED`].
pub const UNRESOLVED_COUNT: FactKey<u64> =
    FactKey::new("unresolved_count", "nameservers of which no address was found, as a number")
        .metric("probe_dns_delegation_unresolved_nameservers");
/// RFC 1034 §4.2.2 wants both sides of a cut to agree.
pub const PARENT_ONLY: FactKey<Vec<Foreign>> =
    FactKey::new("parent_only", "nameservers that the parent names and the zone itself does not");
/// RFC 1034 §4.2.2 wants both sides of a cut to agree.
pub const CHILD_ONLY: FactKey<Vec<Foreign>> =
    FactKey::new("child_only", "nameservers that the zone itself names and the parent does not");
/// Whether all authoritative servers have the same zone.
pub const SERIALS_AGREE: FactKey<bool> =
    FactKey::new("serials_agree", "whether all authoritative servers have the same serial")
        .metric("probe_dns_delegation_serials_agree");
/// The newest serial.
pub const SERIAL: FactKey<u64> =
    FactKey::new("serial", "the newest serial of the zone (RFC 1982 §3.2)")
        .metric("probe_dns_delegation_serial");
/// The oldest serial.
pub const OLDEST_SERIAL: FactKey<u64> =
    FactKey::new("oldest_serial", "the oldest serial of the zone (RFC 1982 §3.2)")
        .metric("probe_dns_delegation_oldest_serial");
/// Referrals.
pub const DEPTH: FactKey<u64> = FactKey::new("depth", "referrals that were followed to the zone")
    .metric("probe_dns_delegation_depth");
/// Questions.
pub const QUERIES: FactKey<u64> =
    FactKey::new("queries", "questions that were asked, repeats of one apart")
        .metric("probe_dns_delegation_queries");
/// How long the result may be kept.
pub const TTL: FactKey<Duration> = FactKey::new(
    "delegation_ttl_seconds",
    "the smallest TTL of the delegation and its addresses: how long to keep this; 1 s to 1 day",
)
.metric("probe_dns_delegation_ttl_seconds");
/// Who answered as resolvers do.
pub const RELAYED: FactKey<u64> = FactKey::new(
    "relayed",
    "servers that should know or refer, and answered as a resolver does: somebody on the way answers",
)
.metric("probe_dns_delegation_relayed_servers");
/// Who is not spoken to.
pub const REFUSED_ADDRESSES: FactKey<Vec<Foreign>> = FactKey::new(
    "refused_addresses",
    "claimed addresses that were not spoken to, since they reach where the target does not",
);
/// What was too much.
pub const LEFT_OUT: FactKey<u64> =
    FactKey::new("left_out", "nameservers and addresses beyond the bounds, which were not asked");

/// Every fact.
pub(super) const ALL: &[FactSpec] = &[
    ZONE.spec(),
    NAMESERVERS.spec(),
    SERVERS.spec(),
    AUTHORITATIVE_SERVERS.spec(),
    LAME.spec(),
    LAME_SERVERS.spec(),
    SILENT.spec(),
    SILENT_SERVERS.spec(),
    SKIPPED.spec(),
    UNRESOLVED.spec(),
    UNRESOLVED_COUNT.spec(),
    PARENT_ONLY.spec(),
    CHILD_ONLY.spec(),
    SERIALS_AGREE.spec(),
    SERIAL.spec(),
    OLDEST_SERIAL.spec(),
    DEPTH.spec(),
    QUERIES.spec(),
    TTL.spec(),
    RELAYED.spec(),
    REFUSED_ADDRESSES.spec(),
    LEFT_OUT.spec(),
];

/// States what became of the servers of a zone; one without a fate was not asked.
pub(super) fn state_fates(
    conversation: &mut Conversation,
    zone: &Zone,
    fates: &BTreeMap<IpAddr, Fate>,
) {
    let (mut lame, mut silent, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for (name, address) in zone.pairs() {
        match fates.get(&address) {
            Some(Fate::Lame(why)) => {
                lame.push(Foreign::new(format!("{}: {why}", shown(name, address))));
            }
            Some(fate @ Fate::Failed(_)) if fate.is_local() => {
                skipped.push(Foreign::new(shown(name, address)));
            }
            Some(Fate::Failed(failure)) => {
                let label = match failure.label() {
                    "no_response" => String::new(),
                    label => format!(": {label}"),
                };
                silent.push(Foreign::new(format!("{}{label}", shown(name, address))));
            }
            Some(Fate::Authoritative(_)) | None => {}
        }
    }
    conversation.state(&LAME_SERVERS, lame.len() as u64);
    conversation.state(&LAME, lame);
    conversation.state(&SILENT_SERVERS, silent.len() as u64);
    conversation.state(&SILENT, silent);
    conversation.state(&SKIPPED, skipped);
    let unresolved: Vec<_> = zone.unresolved().map(|name| Foreign::new(name.to_string())).collect();
    conversation.state(&UNRESOLVED_COUNT, unresolved.len() as u64);
    conversation.state(&UNRESOLVED, unresolved);
    conversation.state(&LEFT_OUT, zone.left_out());
}

/// States whom to ask for the zone, and for how long.
pub(super) fn state_servers(
    conversation: &mut Conversation,
    zone: &Zone,
    fates: &BTreeMap<IpAddr, Fate>,
    port: u16,
) {
    let nameservers = zone.pairs().map(|(name, address)| Foreign::new(shown(name, address)));
    conversation.state(&NAMESERVERS, nameservers.collect());
    let is_worth_asking = |address: &IpAddr| match fates.get(address) {
        Some(Fate::Authoritative(_)) => true,
        Some(fate @ Fate::Failed(_)) => !fate.is_local(),
        Some(Fate::Lame(_)) | None => false,
    };
    let addresses = zone.addresses().into_iter().filter(is_worth_asking);
    conversation.state(&SERVERS, addresses.map(|address| (address, port).into()).collect());
    let serials: Vec<u32> = fates
        .values()
        .filter_map(|fate| match fate {
            Fate::Authoritative(serial) => Some(*serial),
            Fate::Lame(_) | Fate::Failed(_) => None,
        })
        .collect();
    conversation.state(&AUTHORITATIVE_SERVERS, serials.len() as u64);
    if let Some((oldest, newest)) = ends(&serials) {
        conversation.state(&SERIALS_AGREE, oldest == newest);
        conversation.state(&SERIAL, newest.into());
        conversation.state(&OLDEST_SERIAL, oldest.into());
    }
    let seconds = zone.ttl.clamp(1, LONGEST_TTL);
    conversation.state(&TTL, Duration::from_secs(seconds.into()));
}

/// States where the parent's set of nameservers and the zone's own differ.
pub(super) fn state_difference(
    conversation: &mut Conversation,
    parent: &BTreeSet<DomainName>,
    child: &BTreeSet<DomainName>,
) {
    let only = |one: &BTreeSet<DomainName>, other: &BTreeSet<DomainName>| {
        let names = one.difference(other).take(SHOWN);
        names.map(|name| Foreign::new(name.to_string())).collect()
    };
    conversation.state(&PARENT_ONLY, only(parent, child));
    conversation.state(&CHILD_ONLY, only(child, parent));
}

/// A server without a name is the one that the module was told to begin with.
fn shown(name: &DomainName, address: IpAddr) -> String {
    if name.is_root() { address.to_string() } else { format!("{name} {address}") }
}

/// The oldest and the newest serial, which count in a circle.
fn ends(serials: &[u32]) -> Option<(u32, u32)> {
    let is_newer = |one: u32, other: u32| one.wrapping_sub(other).cast_signed() > 0;
    let oldest = serials.iter().copied().reduce(|a, b| if is_newer(a, b) { b } else { a })?;
    let newest = serials.iter().copied().reduce(|a, b| if is_newer(b, a) { b } else { a })?;
    Some((oldest, newest))
}

/// A day: who moves a zone lowers the TTL for a day before, not for longer.
const LONGEST_TTL: u32 = 86_400;
/// How many names an observation keeps.
const SHOWN: usize = 32;

#[cfg(test)]
mod tests {
    use super::ends;

    // RFC 1982 §3.2
    #[test]
    fn serials_count_in_a_circle() {
        assert_eq!(ends(&[7, 5, 6]), Some((5, 7)));
        assert_eq!(ends(&[2, 4_294_967_295]), Some((4_294_967_295, 2)));
        assert_eq!(ends(&[]), None);
    }
}
