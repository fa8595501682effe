//! Options: what a module can be told, under keys that its probe declares once.
//!
//! From one declaration follow the keys that a configuration accepts, the words of
//! `probe NAME --help`, the reading of `--option KEY=VALUE` and the defaults.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::leg::Certificates;
use crate::secret::Secret;
use crate::wire::sip::SipUri;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Printable text on one line.
    Text,
    /// A SIP URI without a password.
    SipUri,
    /// A whole number.
    Count,
    /// A duration with its unit, more than zero: `"8s"`.
    Duration,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of IP addresses.
    Addresses,
    /// An IP address with a port.
    Endpoint,
    /// The path of a file of certificates in PEM.
    Certificates,
    /// A secret, given by reference only.
    Secret,
    /// A private key in PEM, a secret of many lines, given by reference only.
    PrivateKey,
}

impl Kind {
    /// What to write, for help and errors: "a duration with its unit, such as \"8s\"".
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text => "printable text on one line".to_owned(),
            Self::SipUri => "a SIP URI, such as \"sip:1001@sip.example.com\"".to_owned(),
            Self::Count => "a whole number".to_owned(),
            Self::Duration => "a duration with its unit, such as \"8s\" or \"500ms\"".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Word([word]) => format!("\"{word}\""),
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::Addresses => "IP addresses, such as [\"192.0.2.10\"]".to_owned(),
            Self::Endpoint => "an IP address with a port, such as \"192.0.2.10:3478\"".to_owned(),
            Self::Certificates => {
                "the path of a file of certificates in PEM, such as \"/etc/ssl/ca.pem\"".to_owned()
            }
            Self::Secret => {
                "a reference to a secret: { credential = \"NAME\" }, { file = \"PATH\" } or \
                 { env = \"NAME\" }"
                    .to_owned()
            }
            Self::PrivateKey => "a reference to a private key in PEM, such as \
                 { credential = \"NAME\" } or { file = \"PATH\" }"
                .to_owned(),
        }
    }

    /// Reads what a person wrote for this option.
    ///
    /// # Errors
    ///
    /// `None` when the text is not what this kind takes; [`Kind::expected`] says what is. A
    /// secret is never read from text, and certificates are in a file.
    #[must_use]
    pub fn read(self, text: &str) -> Option<OptionValue> {
        let value = match self {
            Self::Text => is_printable(text).then(|| OptionValue::Text(text.to_owned()))?,
            Self::SipUri => {
                SipUri::read_without_password(text).ok()?;
                OptionValue::Text(text.to_owned())
            }
            Self::Count => OptionValue::Count(text.parse().ok()?),
            Self::Duration => OptionValue::Duration(read_duration(text)?),
            Self::Flag => OptionValue::Flag(text.parse().ok()?),
            Self::Word(words) => OptionValue::Word(words.iter().find(|word| **word == text)?),
            Self::Addresses => OptionValue::Addresses(
                text.split(',')
                    .map(|address| address.trim().parse().ok())
                    .collect::<Option<_>>()?,
            ),
            Self::Endpoint => OptionValue::Endpoint(text.parse().ok().filter(is_somebody)?),
            Self::Certificates | Self::Secret | Self::PrivateKey => return None,
        };
        Some(value)
    }

    /// What is wrong with a text that this kind does not take, to follow the option's name, where
    /// more is known than that.
    #[must_use]
    pub fn problem(self, text: &str) -> Option<String> {
        match self {
            Self::SipUri => {
                let bad = SipUri::read_without_password(text).err()?;
                Some(format!("is no SIP URI: {bad}"))
            }
            Self::Text
            | Self::Count
            | Self::Duration
            | Self::Flag
            | Self::Word(_)
            | Self::Addresses
            | Self::Endpoint
            | Self::Certificates
            | Self::PrivateKey
            | Self::Secret => None,
        }
    }
}

/// Reads a duration with its unit, such as `500ms`, `8s`, `1m 30s` or `14d`; zero is none.
#[must_use]
pub fn read_duration(text: &str) -> Option<Duration> {
    let signed = text.parse::<SignedDuration>().ok().or_else(|| {
        // A day is 24 hours here: what is timed spans no change of the clock.
        let days = SpanRelativeTo::days_are_24_hours();
        text.parse::<Span>().ok()?.to_duration(days).ok()
    })?;
    Duration::try_from(signed).ok().filter(|duration| !duration.is_zero())
}

/// Whether an address is one host's, and its port is one.
fn is_somebody(endpoint: &SocketAddr) -> bool {
    let ip = endpoint.ip();
    let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(ip.is_unspecified() || ip.is_multicast() || is_broadcast || endpoint.port() == 0)
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// What an option was set to.
#[derive(Clone)]
pub enum OptionValue {
    /// Text, a SIP URI among it.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A duration.
    Duration(Duration),
    /// Yes or no.
    Flag(bool),
    /// A word of the option's set.
    Word(&'static str),
    /// IP addresses.
    Addresses(Vec<IpAddr>),
    /// An IP address with a port.
    Endpoint(SocketAddr),
    /// Certificates.
    Certificates(Certificates),
    /// A secret.
    Secret(Secret),
}

impl OptionValue {
    /// The value as a configuration would write it, a secret as `"<secret>"`.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Count(count) => count.to_string(),
            Self::Duration(duration) => format!("\"{}\"", show_duration(*duration)),
            Self::Flag(flag) => flag.to_string(),
            Self::Word(word) => format!("\"{word}\""),
            Self::Addresses(addresses) => {
                let quoted: Vec<_> =
                    addresses.iter().map(|address| format!("\"{address}\"")).collect();
                format!("[{}]", quoted.join(", "))
            }
            Self::Endpoint(endpoint) => format!("\"{endpoint}\""),
            Self::Certificates(certificates) => format!("{:?}", certificates.source),
            Self::Secret(_) => "\"<secret>\"".to_owned(),
        }
    }
}

/// A duration as a configuration writes it: `39s 500ms`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |it| format!("{it:#}"))
}

/// What a probe says about one of its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// The key: snake case.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where it is not set, as a person would write it.
    pub default: Option<&'static str>,
    /// Whether a module without it is refused.
    pub required: bool,
    /// One sentence for people.
    pub help: &'static str,
}

/// The typed key under which a probe reads one option.
#[derive(Debug)]
pub struct OptionKey<T> {
    spec: OptionSpec,
    value: PhantomData<fn() -> T>,
}

impl<T: FromOption> OptionKey<T> {
    /// Declares an option that may be left out and has no default.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        let spec = OptionSpec { name, kind, default: None, required: false, help };
        Self { spec, value: PhantomData }
    }

    /// Declares what holds where it is not set.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.spec.default = Some(text);
        self
    }

    /// Declares that a module without it is refused.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.spec.required = true;
        self
    }

    /// What the probe says about it.
    #[must_use]
    pub const fn spec(&self) -> OptionSpec {
        self.spec
    }
}

/// A type that an option can have.
pub trait FromOption: Sized {
    /// Out of the closed set of values, where the value is of this type.
    fn from_option(value: &OptionValue) -> Option<Self>;
}

macro_rules! from_option {
    ($type:ty, $variant:ident) => {
        impl FromOption for $type {
            fn from_option(value: &OptionValue) -> Option<Self> {
                if let OptionValue::$variant(value) = value { Some(value.clone()) } else { None }
            }
        }
    };
}

from_option!(String, Text);
from_option!(u64, Count);
from_option!(Duration, Duration);
from_option!(bool, Flag);
from_option!(&'static str, Word);
from_option!(Vec<IpAddr>, Addresses);
from_option!(SocketAddr, Endpoint);
from_option!(Certificates, Certificates);
from_option!(Secret, Secret);

/// The options of one module: what was set, over the defaults.
#[derive(Clone, Default)]
pub struct Options(BTreeMap<&'static str, OptionValue>);

impl Options {
    /// The defaults of these options, where they have one.
    #[must_use]
    pub fn defaults(specs: &[OptionSpec]) -> Self {
        let default = |spec: &OptionSpec| Some((spec.name, spec.kind.read(spec.default?)?));
        Self(specs.iter().filter_map(default).collect())
    }

    /// Sets one option.
    pub fn set(&mut self, spec: &OptionSpec, value: OptionValue) {
        self.0.insert(spec.name, value);
    }

    /// The value of one option.
    #[must_use]
    pub fn read<T: FromOption>(&self, key: &OptionKey<T>) -> Option<T> {
        self.0.get(key.spec.name).and_then(T::from_option)
    }

    /// Every option that is set, by its key.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The value of an option that is required or has a default.
    ///
    /// # Errors
    ///
    /// [`BadOption`] where it is missing all the same.
    pub fn require<T: FromOption>(&self, key: &OptionKey<T>) -> Result<T, BadOption> {
        self.read(key).ok_or_else(|| BadOption {
            option: key.spec.name,
            problem: "is missing".to_owned(),
            hint: Some(format!("{}; it takes {}", key.spec.help, key.spec.kind.expected())),
        })
    }
}

/// An option that cannot be meant as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{option}` {problem}")]
pub struct BadOption {
    /// Which option.
    pub option: &'static str,
    /// What is wrong, to follow the option's name: "is missing".
    pub problem: String,
    /// The way out.
    pub hint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{Kind, OptionValue, show_duration};
    use std::time::Duration;

    #[test]
    fn a_duration_needs_its_unit_and_is_never_zero() {
        let read = |text| match Kind::Duration.read(text) {
            Some(OptionValue::Duration(duration)) => Some(duration),
            _ => None,
        };

        assert_eq!(read("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(read("8s"), Some(Duration::from_secs(8)));
        assert_eq!(read("2d"), Some(Duration::from_secs(172_800)));
        assert_eq!(read("2d 1h"), Some(Duration::from_secs(176_400)));
        assert_eq!(read("1mo"), None, "nobody knows how long that is");
        assert_eq!(read("1y"), None);
        assert_eq!(read("8"), None);
        assert_eq!(read("0s"), None);
        assert_eq!(read("-1s"), None);
    }

    #[test]
    fn a_duration_is_shown_as_it_is_read() {
        let shown = show_duration(Duration::from_millis(39_500));

        assert_eq!(super::read_duration(&shown), Some(Duration::from_millis(39_500)));
    }

    // D-SIP-11
    #[test]
    fn text_with_control_characters_is_refused() {
        for text in ["a\rb", "a\nb", "a\r\nX: y", "a\0b", "a\x7fb", ""] {
            assert!(Kind::Text.read(text).is_none(), "{text:?}");
        }
    }

    // D-SIP-11
    #[test]
    fn a_sip_uri_without_a_password_is_taken_and_what_is_none_is_told_by_its_position() {
        assert!(Kind::SipUri.read("sips:+331@[2001:db8::1]:5061;transport=tcp").is_some());
        for (text, problem) in [
            ("sip:a:b@c", "is no SIP URI: a password does not belong into a URI (character 6)"),
            (
                "sip:a\r\n@c",
                "is no SIP URI: a control character cannot stand in a URI (character 6)",
            ),
        ] {
            assert!(Kind::SipUri.read(text).is_none(), "{text:?}");
            assert_eq!(Kind::SipUri.problem(text).as_deref(), Some(problem));
        }
        assert_eq!(Kind::SipUri.problem("sip:a@b"), None);
    }

    #[test]
    fn an_endpoint_is_one_host_and_a_port() {
        assert!(Kind::Endpoint.read("192.0.2.10:3478").is_some());
        assert!(Kind::Endpoint.read("[2001:db8::1]:3478").is_some());
        for text in ["224.0.0.1:1", "0.0.0.0:1", "[::]:1", "[ff02::1]:1", "255.255.255.255:1"] {
            assert!(Kind::Endpoint.read(text).is_none(), "{text}");
        }
        for text in ["192.0.2.10:0", "192.0.2.10", "host.example:3478"] {
            assert!(Kind::Endpoint.read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_never_read_from_text() {
        assert!(Kind::Secret.read("hunter2").is_none());
        assert!(Kind::PrivateKey.read("-----BEGIN PRIVATE KEY-----").is_none());
    }
}
