//! `Target`: one address that one exchange speaks to, and the names under which people know it.

use std::net::SocketAddr;
use std::time::SystemTime;

/// What carries the bytes of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A byte stream.
    Tcp,
    /// A byte stream, encrypted, with a peer that proved its name.
    Tls,
}

impl Transport {
    /// Every transport's word, in the order of the variants.
    pub const WORDS: &'static [&'static str] = &["udp", "tcp", "tls"];

    /// The transport of a word, as [`Transport::label`] gives it.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|it| it.label() == word)
    }

    /// Whether it delivers every byte by itself.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// The word that configuration, metrics and reports use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Whom one exchange speaks to: one address, never a choice of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name that the configuration gave it.
    pub name: String,
    /// The site from which it is probed.
    pub site: String,
    /// The host as it was written: a name or an address literal.
    pub host: String,
    /// The one address of this exchange.
    pub address: SocketAddr,
    /// What carries the first leg, where whoever led to the address says so; else it is the
    /// module's own.
    pub transport: Option<Transport>,
    /// When the exchange begins, by this host's clock: some credentials are good for a time only.
    pub started: SystemTime,
}
