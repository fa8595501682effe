//! Probe: what does this one nameserver answer?

mod exchange;
mod facts;

use std::net::IpAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::FactSpec;
use crate::joined::joined;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::target::{Target, Transport};
use crate::way::{self, Way};
use crate::wire::dns::{Asking, Question};

pub use facts::{
    ADDITIONAL_RRS, ALIAS_TTL, ANSWER_COUNT, ANSWER_RRS, ANSWERS, AUTHENTIC, AUTHORITATIVE,
    AUTHORITY_RRS, CHAIN, CLOCK, CONNECT, EXTENDED_ERRORS, LAST_TTL, NEGATIVE_TTL, NSID,
    QUERY_SUCCEEDED, QUESTION, RANDOM_LABEL, RCODE, RECURSION_AVAILABLE, REFRESH, REQUEST, RTT,
    SERIAL, TRANSMISSIONS, TRUNCATED, TTL, ZONE, addresses,
};

use exchange::DnsExchange;

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
    Kind::Word(&["udp", "tcp", "tls", HTTPS]),
    "what carries the query; a truncated answer by udp is asked for by tcp",
)
.default("udp");
const PATH: OptionKey<String> =
    OptionKey::new("path", Kind::Text, "where a server over https answers").default("/dns-query");
const EXPECT: OptionKey<Vec<IpAddr>> =
    OptionKey::new("expect", Kind::Addresses, "the addresses that the answer may hold");
const ASK_NSID: OptionKey<bool> =
    OptionKey::new("nsid", Kind::Flag, "ask which of the nameserver's machines answers (RFC 5001)")
        .default("true");
const RANDOM_CASE: OptionKey<bool> = OptionKey::new(
    "random_case",
    Kind::Flag,
    "spell the name at random over udp, and believe only who repeats the spelling (0x20)",
)
.default("true");
const ASK_RANDOM_LABEL: OptionKey<bool> = OptionKey::new(
    "random_label",
    Kind::Flag,
    "put a label in front that nobody can have created: who has an answer makes answers up",
)
.default("false");

/// RFC 1035 §4.2.1.
const PORT: u16 = 53;
/// RFC 7858 §3.1.
const TLS_PORT: u16 = 853;
/// RFC 8484 §5: that of the `https` scheme.
const HTTPS_PORT: u16 = 443;
const HTTPS: &str = "https";
/// As long as a random label is.
const LONGEST_LABEL: &str = "0123456789abcdef";
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
        const {
            &[
                NAME.spec(),
                TYPE.spec(),
                RECURSION.spec(),
                TRANSPORT.spec(),
                way::PORT.spec(),
                way::SERVER_NAME.spec(),
                way::CA_FILE.spec(),
                way::CLIENT_CERTIFICATE.spec(),
                way::CLIENT_KEY.spec(),
                PATH.spec(),
                EXPECT.spec(),
                ASK_NSID.spec(),
                RANDOM_CASE.spec(),
                ASK_RANDOM_LABEL.spec(),
            ]
        }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const { &joined::<_, 28, 8, 36>(facts::ALL, way::TLS_FACTS) }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let kind = options.require(&TYPE)?;
        let question = Question::new(&options.require(&NAME)?, kind).map_err(|bad| BadOption {
            option: NAME.spec().name,
            problem: format!("is {bad}"),
            hint: Some("write it as in name = \"lyon-edge-group.genesyscloud.com\"".to_owned()),
        })?;
        let has_random_label = options.require(&ASK_RANDOM_LABEL)?;
        if has_random_label && question.below(LONGEST_LABEL).is_err() {
            return Err(BadOption {
                option: ASK_RANDOM_LABEL.spec().name,
                problem: "has no place in front of a name that long".to_owned(),
                hint: Some("a name has at most 255 bytes; remove it, or name a parent".to_owned()),
            });
        }
        let (way, path) = read_way(options)?;
        Ok(Box::new(DnsModule {
            question,
            asking: Asking {
                recursion: options.require(&RECURSION)?,
                nsid: options.require(&ASK_NSID)?,
            },
            way,
            path,
            expect: read_expect(options, kind, has_random_label)?,
            has_random_case: options.require(&RANDOM_CASE)?,
            has_random_label,
            timeout: options.read(&TIMEOUT).unwrap_or(self.timeout()),
        }))
    }
}

fn read_expect(
    options: &Options,
    kind: &str,
    has_random_label: bool,
) -> Result<Vec<IpAddr>, BadOption> {
    let expect = options.read(&EXPECT).unwrap_or_default();
    let refuse = |problem: String, hint: &str| {
        Err(BadOption { option: EXPECT.spec().name, problem, hint: Some(hint.to_owned()) })
    };
    if !expect.is_empty() && has_random_label {
        return refuse(
            "holds addresses, and a random label has none".to_owned(),
            "remove it, or random_label",
        );
    }
    if !expect.is_empty() && !matches!(kind, "A" | "AAAA") {
        return refuse(
            format!("holds addresses, and a {kind} record has none"),
            "remove it, or ask for type = \"A\" or \"AAAA\"",
        );
    }
    Ok(expect)
}

/// What carries the query and, over HTTPS, for which path.
fn read_way(options: &Options) -> Result<(Way, Option<String>), BadOption> {
    let word = options.require(&TRANSPORT)?;
    let path = options.require(&PATH)?;
    if word != HTTPS {
        let transport = Transport::named(word).unwrap_or(Transport::Udp);
        let port = if transport == Transport::Tls { TLS_PORT } else { PORT };
        return Ok((Way::named(word, transport, options, port)?, None));
    }
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(BadOption {
            option: PATH.spec().name,
            problem: "is no path of a URL".to_owned(),
            hint: Some("it begins with a slash, as in path = \"/dns-query\"".to_owned()),
        });
    }
    let mut way = Way::named(word, Transport::Tls, options, HTTPS_PORT)?;
    // RFC 9113 §3.2: HTTP/2 over TLS.
    way.protocol = Some("h2");
    Ok((way, Some(path)))
}

#[derive(Clone)]
struct DnsModule {
    question: Question,
    asking: Asking,
    way: Way,
    /// Where the server answers, over HTTPS.
    path: Option<String>,
    expect: Vec<IpAddr>,
    has_random_case: bool,
    has_random_label: bool,
    timeout: Duration,
}

impl Module for DnsModule {
    fn transport(&self) -> Transport {
        self.way.transport
    }

    fn default_port(&self) -> u16 {
        self.way.port
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(DnsExchange::new(self.clone(), target.clone(), chance))
    }
}
