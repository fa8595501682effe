//! Probe: what does this one nameserver answer?

mod exchange;

use std::net::IpAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::target::{Target, Transport};
use crate::wire::dns::Question;

use exchange::DnsExchange;

/// The question, as `NAME TYPE`.
pub const QUESTION: FactKey<Foreign> = FactKey::new("question", "what was asked");
/// The response code.
pub const RCODE: FactKey<&'static str> = FactKey::new("rcode", "the response code");
/// The answer section.
pub const ANSWERS: FactKey<Vec<Foreign>> =
    FactKey::new("answers", "the records of the answer, CNAMEs included");
/// How many records of the answer are of the type that was asked for.
pub const ANSWER_COUNT: FactKey<u64> =
    FactKey::new("answer_count", "records of the type that was asked for, aliases apart")
        .metric("probe_dns_answer_rrs");
/// The smallest TTL of the answer.
pub const TTL: FactKey<Duration> =
    FactKey::new("ttl_seconds", "the smallest TTL in the answer, CNAMEs included")
        .metric("probe_dns_record_ttl_seconds");
/// The zone's serial number.
pub const SERIAL: FactKey<u64> =
    FactKey::new("serial", "the serial of the zone's SOA record").metric("probe_dns_serial");
/// How long the absence of an answer may be cached.
pub const NEGATIVE_TTL: FactKey<Duration> =
    FactKey::new("negative_ttl_seconds", "how long resolvers may remember that there is no answer")
        .metric("probe_dns_negative_ttl_seconds");
/// AA.
pub const AUTHORITATIVE: FactKey<bool> =
    FactKey::new("authoritative", "whether the nameserver is authoritative for the name (AA)")
        .metric("probe_dns_authoritative");
/// RA.
pub const RECURSION_AVAILABLE: FactKey<bool> =
    FactKey::new("recursion_available", "whether the nameserver resolves for others (RA)");
/// AD.
pub const AUTHENTIC: FactKey<bool> =
    FactKey::new("authentic", "whether the nameserver vouches for DNSSEC (AD)");
/// TC.
pub const TRUNCATED: FactKey<bool> =
    FactKey::new("truncated", "whether the answer did not fit a datagram and was asked for by TCP")
        .metric("probe_dns_truncated");
/// From the query to its response.
pub const RTT: FactKey<Duration> =
    FactKey::new("rtt_seconds", "round trip of the query, where none was repeated")
        .metric("probe_dns_rtt_seconds");
/// Whose clock measured [`RTT`].
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured the round trip: kernel or program");
/// How many queries were sent.
pub const TRANSMISSIONS: FactKey<u64> =
    FactKey::new("transmissions", "queries sent by the transport that brought the answer")
        .metric("probe_dns_transmissions");

const NAME: OptionKey<String> =
    OptionKey::new("name", Kind::Text, "the domain name to ask for").required();
const TYPE: OptionKey<&'static str> =
    OptionKey::new("type", Kind::Word(Question::TYPES), "the record type to ask for").default("A");
const RECURSION: OptionKey<bool> = OptionKey::new(
    "recursion",
    Kind::Flag,
    "ask the nameserver to resolve (RD); false asks it what it knows itself",
)
.default("true");
const TRANSPORT: OptionKey<&'static str> = OptionKey::new(
    "transport",
    Kind::Word(&["udp", "tcp"]),
    "what carries the query; a truncated answer by udp is asked for by tcp",
)
.default("udp");
const EXPECT: OptionKey<Vec<IpAddr>> =
    OptionKey::new("expect", Kind::Addresses, "the addresses that the answer may hold");

const PORT: u16 = 53;
/// `resolv.conf(5)`: timeout 5 s, attempts 2.
const INTERVAL: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;
const WHOLE_SCHEDULE: Duration = Duration::from_secs(10);

/// The probe `dns-query`.
pub struct DnsQuery;

impl Probe for DnsQuery {
    fn name(&self) -> &'static str {
        "dns-query"
    }

    fn about(&self) -> &'static str {
        "what does this one nameserver answer? is it authoritative?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.edge-group-name]
probe = "dns-query"
name = "lyon-edge-group.genesyscloud.com"
type = "A"

[[targets]]
name = "site-resolver"
address = "192.0.2.53"
modules = ["edge-group-name"]
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const { &[NAME.spec(), TYPE.spec(), RECURSION.spec(), TRANSPORT.spec(), EXPECT.spec()] }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const {
            &[
                QUESTION.spec(),
                RCODE.spec(),
                ANSWERS.spec(),
                ANSWER_COUNT.spec(),
                TTL.spec(),
                SERIAL.spec(),
                NEGATIVE_TTL.spec(),
                AUTHORITATIVE.spec(),
                RECURSION_AVAILABLE.spec(),
                AUTHENTIC.spec(),
                TRUNCATED.spec(),
                RTT.spec(),
                CLOCK.spec(),
                TRANSMISSIONS.spec(),
            ]
        }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let kind = options.require(&TYPE)?;
        let question = Question::new(&options.require(&NAME)?, kind).map_err(|bad| BadOption {
            option: NAME.spec().name,
            problem: format!("is {bad}"),
            hint: Some("write it as in name = \"lyon-edge-group.genesyscloud.com\"".to_owned()),
        })?;
        let expect = options.read(&EXPECT).unwrap_or_default();
        if !expect.is_empty() && !matches!(kind, "A" | "AAAA") {
            return Err(BadOption {
                option: EXPECT.spec().name,
                problem: format!("holds addresses, and a {kind} record has none"),
                hint: Some("remove it, or ask for type = \"A\" or \"AAAA\"".to_owned()),
            });
        }
        let by_tcp = options.read(&TRANSPORT) == Some(Transport::Tcp.label());
        Ok(Box::new(DnsModule {
            question,
            recursion: options.require(&RECURSION)?,
            transport: if by_tcp { Transport::Tcp } else { Transport::Udp },
            expect,
            timeout: options.read(&TIMEOUT).unwrap_or(self.timeout()),
        }))
    }
}

#[derive(Clone)]
struct DnsModule {
    question: Question,
    recursion: bool,
    transport: Transport,
    expect: Vec<IpAddr>,
    timeout: Duration,
}

impl Module for DnsModule {
    fn transport(&self) -> Transport {
        self.transport
    }

    fn default_port(&self) -> u16 {
        PORT
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn begin(&self, target: &Target, mut chance: Chance) -> Box<dyn Exchange> {
        Box::new(DnsExchange::new(self.clone(), target.address, chance.number()))
    }
}
