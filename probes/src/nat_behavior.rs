//! Probe: how does the NAT map and filter?
//!
//! # What is asked
//!
//! One *repeat* asks for the mapping from one port: a Binding with the server, with its other IP
//! address, with its other IP address and port (RFC 5780 §4.3), and once more with the server,
//! since a NAT that rebinds in between would pass for one whose mapping depends on the address.
//! Then two legs from ports of their own, which spoke to nobody else, ask the server to answer from
//! its other IP address and port, and from its other port (RFC 5780 §4.4), each between two plain
//! Bindings. Where the mapping shows that it can be seen, the mapping's own leg, which spoke to
//! every address of the server, asks the same: so a server that ignores CHANGE-REQUEST, or has
//! lost its other address, is not taken for a NAT that filters.
//!
//! The first request of all has the patience of RFC 8489 §6.2.1, 39.5 s; every other is sent at
//! 0, 0.5, 1.5 and 3.5 s and given up after 5.5 s.
//!
//! # What loss can do
//!
//! An answer that came is proof: a lost packet never makes a mapping differ. An answer that did
//! not come proves that something filters only where every other request of the same repeat was
//! answered at its first transmission. A word needs the majority of the repeats that are wanted;
//! repeats that loss has spoilt are made up for, as often as there are repeats. Where the round
//! trip takes longer than the first retransmission, 500 ms, nobody can tell what is loss, and what
//! filters stays inconclusive.
//!
//! # Where requests go
//!
//! OTHER-ADDRESS is a claim of the server's (D-STUN-6), and RFC 5780 needs it as a destination. It
//! is taken where it differs from the server in IP address and port, and reaches as far as the
//! server does: a server on the Internet can name another address on the Internet, one of this site
//! another of its own network (the same first 16 bits, 48 for IPv6), one on this host this host;
//! others only where the option `other_addresses` allows them. Never: multicast, broadcast,
//! link-local, unspecified, reserved and translated addresses, and our own. What goes there are
//! Bindings of 28 bytes without credentials, one at a time; where nobody answers them, four in
//! each wanted repeat and no more. That is less than what the server sends us, so nobody gains by
//! pointing us at a third party. Our own mapped address is a claim, too, and held to the same rule;
//! it is spoken to only where two addresses named it and all repeats agree on its IP address.

mod exchange;
mod facts;
mod hairpin;
mod legs;
mod lifetime;
mod track;
mod verdict;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::FactSpec;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options, show_duration};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::target::{Target, Transport};
use crate::way::{self, Way};
use exchange::NatExchange;

pub use facts::{
    BINDING_LIFETIME, BINDING_LIFETIME_BELOW, FILTERING, HAIRPIN, LIFETIME_BOUND, LOCAL_ADDRESS,
    LOSSES, MAPPED_ADDRESS, MAPPING, METHOD, OTHER_ADDRESS, OTHER_ADDRESS_USE, PORT_PRESERVED,
    REPEATS, REWRITTEN,
};

const SECOND_SERVER: OptionKey<SocketAddr> = OptionKey::new(
    "second_server",
    Kind::Endpoint,
    "another STUN server, to compare mappings with where the target has no other address",
);
const OTHER_ADDRESSES: OptionKey<Vec<IpAddr>> = OptionKey::new(
    "other_addresses",
    Kind::Addresses,
    "other addresses of the target that may be spoken to wherever they are",
);
const REPEATS_WANTED: OptionKey<u64> = OptionKey::new(
    "repeats",
    Kind::Count,
    "how many repeats are made, the majority of which decides",
)
.default("3");
const HAIRPIN_WANTED: OptionKey<bool> = OptionKey::new(
    "hairpin",
    Kind::Flag,
    "whether to send from one port to the mapped address of another",
)
.default("true");
const LIFETIME_WANTED: OptionKey<bool> = OptionKey::new(
    "lifetime",
    Kind::Flag,
    "whether to find out how long a silent binding lives, which takes `lifetime_most` longer",
)
.default("false");
const LIFETIME_MOST: OptionKey<Duration> =
    OptionKey::new("lifetime_most", Kind::Duration, "the longest silence that is tried")
        .default("5m");
const LIFETIME_KNOWN: OptionKey<Duration> = OptionKey::new(
    "lifetime_known",
    Kind::Duration,
    "a silence that a binding is known to survive, binding_lifetime_seconds of the last run: only \
     longer ones are tried",
);

/// RFC 8489 §18.6.
const PORT: u16 = 3478;
/// 39.5 s for the first answer and 22.5 s for the rest: on a clean path the slowest NAT, one that
/// filters everything, takes 22 s after the first answer.
const WHOLE: Duration = Duration::from_secs(62);
/// What the search for the lifetime takes beyond its longest silence: four requests of 5.5 s.
const LIFETIME_MARGIN: Duration = Duration::from_secs(22);
/// Each repeat takes seconds, and legs are numbered in a byte.
const MOST_REPEATS: u64 = 9;
/// The sentinel speaks every 5 s: in less than two of its rounds it cannot tell a NAT that forgot
/// everything from one that forgot what was silent.
const LEAST_SILENCE: Duration = Duration::from_secs(10);
/// Far beyond what a NAT is asked to keep: RFC 4787 §4.3 recommends 5 minutes.
const MOST_SILENCE: Duration = Duration::from_secs(60 * 60);

/// The probe `nat-behavior`.
pub struct NatBehavior;

impl Probe for NatBehavior {
    fn name(&self) -> &'static str {
        "nat-behavior"
    }

    fn about(&self) -> &'static str {
        "how does the NAT map and filter?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.nat]
probe = "nat-behavior"

[[targets]]
name = "stun"
address = "stun.example.net:3478"
modules = ["nat"]
interval = "10m"
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const {
            &[
                way::PORT.spec(),
                SECOND_SERVER.spec(),
                OTHER_ADDRESSES.spec(),
                REPEATS_WANTED.spec(),
                HAIRPIN_WANTED.spec(),
                LIFETIME_WANTED.spec(),
                LIFETIME_MOST.spec(),
                LIFETIME_KNOWN.spec(),
            ]
        }
    }

    fn timeout(&self) -> Duration {
        WHOLE
    }

    fn facts(&self) -> &'static [FactSpec] {
        facts::ALL
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let port = Way::read(options, PORT, PORT)?.port;
        let repeats = options.require(&REPEATS_WANTED)?;
        if !(1..=MOST_REPEATS).contains(&repeats) {
            let hint = "3 are enough for most; more take longer";
            return Err(bad(REPEATS_WANTED.spec(), "is not from 1 to 9", hint));
        }
        let (lifetimes, lifetime_known, timeout) = lifetime_plan(options)?;
        Ok(Box::new(NatModule {
            port,
            plan: Arc::new(Plan {
                timeout,
                second: options.read(&SECOND_SERVER),
                allowed: options.read(&OTHER_ADDRESSES).unwrap_or_default(),
                repeats: usize::try_from(repeats).unwrap_or(1),
                hairpin: options.require(&HAIRPIN_WANTED)?,
                lifetimes,
                lifetime_known,
            }),
        }))
    }
}

/// The silences to be tried, the one that is known, and when an exchange ends: the search comes on
/// top of the timeout, which is for the rest.
fn lifetime_plan(
    options: &Options,
) -> Result<(Vec<Duration>, Option<Duration>, Duration), BadOption> {
    let (most, known) = (options.require(&LIFETIME_MOST)?, options.read(&LIFETIME_KNOWN));
    if most > MOST_SILENCE {
        return Err(bad(LIFETIME_MOST.spec(), "is longer than 1h", "for example: \"5m\""));
    }
    if most < LEAST_SILENCE {
        return Err(bad(LIFETIME_MOST.spec(), "is shorter than 10s", "for example: \"5m\""));
    }
    if known.is_some_and(|known| known >= most) {
        let hint = format!("it must be shorter than `lifetime_most`, {}", show_duration(most));
        return Err(bad(LIFETIME_KNOWN.spec(), "leaves nothing to be found", &hint));
    }
    let timeout = options.read(&TIMEOUT).unwrap_or(WHOLE);
    if !options.require(&LIFETIME_WANTED)? {
        return Ok((Vec::new(), None, timeout));
    }
    Ok((lifetime::silences(known, most), known, timeout + most + LIFETIME_MARGIN))
}

fn bad(option: OptionSpec, problem: &str, hint: &str) -> BadOption {
    BadOption { option: option.name, problem: problem.to_owned(), hint: Some(hint.to_owned()) }
}

/// A module's options, read.
struct Plan {
    timeout: Duration,
    second: Option<SocketAddr>,
    allowed: Vec<IpAddr>,
    repeats: usize,
    hairpin: bool,
    lifetimes: Vec<Duration>,
    lifetime_known: Option<Duration>,
}

struct NatModule {
    port: u16,
    plan: Arc<Plan>,
}

impl Module for NatModule {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        self.port
    }

    fn timeout(&self) -> Duration {
        self.plan.timeout
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(NatExchange::begin(Arc::clone(&self.plan), target.address, chance))
    }
}
