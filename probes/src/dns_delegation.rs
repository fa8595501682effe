//! Probe: which nameservers are authoritative for a name, by the delegation from the root?
//!
//! # What is asked
//!
//! The way begins at the target, a root nameserver or any other that refers, and goes down: the
//! servers of a zone are asked for the SOA of the name, without recursion (RD is 0), one after the
//! other until one is of use. A referral leads to the servers of a zone further down; an answer
//! with authority ends the way, and the owner of its SOA is the zone's apex. A name that is an
//! alias has its zone above itself, and the alias is not followed. Then that server is asked whom
//! the zone itself names (NS), and every address of every nameserver, all at once, for the SOA of
//! the apex: each is authoritative, lame or silent.
//!
//! A nameserver without an address in the referral is walked to from the deepest zone that is
//! known to hold its name, to the A and the AAAA record, one after the other. Such a way may need
//! another one; a circle of them is seen and ends. A nameserver with an address is not asked for
//! more: who has glue of one family has that family.
//!
//! The target is asked up to six times in 12 s, since there is no other way; every other server
//! twice in 1.5 s. A truncated answer is asked for again by TCP; so is one where somebody seems to
//! be guessing ids, while the datagram's answer still counts (D-DNS-4).
//!
//! # What an answer may claim
//!
//! An answer counts by id, question and source (RFC 5452 §9.1), each query has a port of its own,
//! and a datagram has to repeat the spelling of the name, which is drawn anew for each query.
//! A server may name addresses only for hosts within the zone of which it was asked; a referral
//! has to go strictly down, and its zone has to hold the name: so a way has an end. An address is
//! spoken to only where it reaches as far as the target itself: a server on the Internet cannot
//! point at this host, this site or a link. What is refused so is told.
//!
//! # What it costs
//!
//! At most 64 queries, 16 zones, 13 nameservers and 26 addresses of a zone, and four ways that
//! wait for each other.

mod exchange;
mod facts;
mod query;
mod verdict;
mod walk;
mod zones;

use std::time::Duration;

use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::fact::FactSpec;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::target::{Target, Transport};
use crate::wire::dns::delegation::DomainName;

use exchange::DelegationExchange;

pub use facts::{
    AUTHORITATIVE_SERVERS, CHILD_ONLY, DEPTH, LAME, LAME_SERVERS, LEFT_OUT, NAMESERVERS,
    OLDEST_SERIAL, PARENT_ONLY, QUERIES, REFUSED_ADDRESSES, RELAYED, SERIAL, SERIALS_AGREE,
    SERVERS, SILENT, SILENT_SERVERS, SKIPPED, TTL, UNRESOLVED, UNRESOLVED_COUNT, ZONE,
};

const NAME: OptionKey<String> =
    OptionKey::new("name", Kind::Text, "the domain name whose zone is looked for").required();
const RANDOM_CASE: OptionKey<bool> = OptionKey::new(
    "random_case",
    Kind::Flag,
    "spell names at random over udp, and believe only who repeats the spelling (0x20)",
)
.default("true");

/// RFC 1035 §4.2.
const PORT: u16 = 53;
/// The 12 s of a silent target, and as much as several silent servers further down take.
const WHOLE: Duration = Duration::from_secs(20);

/// The probe `dns-delegation`.
pub struct DnsDelegation;

impl Probe for DnsDelegation {
    fn name(&self) -> &'static str {
        "dns-delegation"
    }

    fn about(&self) -> &'static str {
        "which nameservers are authoritative for a name?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.edge-group-servers]
probe = "dns-delegation"
name = "lyon-edge-group.genesyscloud.com"

[[targets]]
name = "root"
address = "a.root-servers.net"
modules = ["edge-group-servers"]
interval = "10m"
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const { &[NAME.spec(), RANDOM_CASE.spec()] }
    }

    fn timeout(&self) -> Duration {
        WHOLE
    }

    fn facts(&self) -> &'static [FactSpec] {
        facts::ALL
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let name = DomainName::new(&options.require(&NAME)?).map_err(|bad| BadOption {
            option: NAME.spec().name,
            problem: format!("is {bad}"),
            hint: Some("write it as in name = \"lyon-edge-group.genesyscloud.com\"".to_owned()),
        })?;
        let timeout = options.read(&TIMEOUT).unwrap_or(self.timeout());
        let has_random_case = options.require(&RANDOM_CASE)?;
        Ok(Box::new(DelegationModule { name, has_random_case, timeout }))
    }
}

struct DelegationModule {
    name: DomainName,
    has_random_case: bool,
    timeout: Duration,
}

impl Module for DelegationModule {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        PORT
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        let conversation = Conversation::new(target.address, self.timeout);
        Box::new(DelegationExchange::begin(conversation, self, chance))
    }
}
