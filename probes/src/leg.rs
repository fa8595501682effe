//! `Leg`: a socket that an exchange wants, and what a TLS handshake on it showed.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::foreign::Foreign;
use crate::secret::Secret;
use crate::target::Transport;

/// Which of its sockets an exchange speaks of: they are numbered in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u8);

/// A socket that an exchange wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its number.
    pub id: LegId,
    /// What carries its bytes.
    pub transport: Transport,
    /// The address that it speaks to; a stream's other end.
    pub peer: SocketAddr,
    /// Whose datagrams it takes.
    pub hears: Hears,
    /// The local port that it must have; 0 leaves the choice to the kernel.
    pub local_port: u16,
    /// The DSCP that marks what it sends (RFC 2474 §3), 0 to 63.
    pub dscp: u8,
    /// Whom it must prove to be, for TLS.
    pub tls: Option<Tls>,
}

/// Whose datagrams a UDP leg takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// Its peer's alone: the kernel drops all others.
    Peer,
    /// Everyone's; it may also speak to other addresses than its peer.
    Anyone,
}

/// What a TLS leg asks of its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name, or IP address, that the certificate must be for.
    pub server_name: String,
    /// Who may vouch for the certificate.
    pub trust: Trust,
    /// What this host shows where the peer asks who it is; there is one copy of the key.
    pub identity: Option<Arc<Identity>>,
    /// The protocol to be spoken on it, by its name in the registry of ALPN (RFC 7301 §6).
    pub protocol: Option<&'static str>,
}

/// Who may vouch for a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that this host trusts.
    #[default]
    System,
    /// These and no others.
    Only(Certificates),
}

/// Certificates, each in DER: of authorities, or a chain of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Where they were read from, to be shown.
    pub source: String,
    /// The certificates.
    pub certificates: Arc<[Vec<u8>]>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} certificates of {}", self.certificates.len(), self.source)
    }
}

/// A certificate of this host's own, and its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, and behind it those that lead to an authority (RFC 8446 §4.4.2).
    pub chain: Certificates,
    /// The key of the first certificate, in PEM.
    pub key: Secret,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.expose() == other.key.expose()
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} and a key", self.chain)
    }
}

impl Leg {
    /// A leg of this transport, with nothing special about it.
    #[must_use]
    pub const fn new(id: LegId, transport: Transport, peer: SocketAddr) -> Self {
        let (hears, local_port, dscp) = (Hears::Peer, 0, 0);
        Self { id, transport, peer, hears, local_port, dscp, tls: None }
    }

    /// A leg over TLS.
    #[must_use]
    pub fn over_tls(id: LegId, peer: SocketAddr, tls: Tls) -> Self {
        let mut leg = Self::new(id, Transport::Tls, peer);
        leg.tls = Some(tls);
        leg
    }

    /// The same leg, which takes everyone's datagrams.
    #[must_use]
    pub fn hearing_anyone(mut self) -> Self {
        self.hears = Hears::Anyone;
        self
    }

    /// The same leg, from this local port.
    #[must_use]
    pub fn from_port(mut self, port: u16) -> Self {
        self.local_port = port;
        self
    }

    /// The same leg, whose packets carry this DSCP.
    #[must_use]
    pub fn marked(mut self, dscp: u8) -> Self {
        self.dscp = dscp;
        self
    }
}

/// What a TLS handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The protocol's version: `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite, by its name in the IANA registry.
    pub cipher: &'static str,
    /// The peer's own certificate.
    pub certificate: Certificate,
    /// Who vouches for it.
    pub trusted_by: TrustedBy,
}

/// Who vouches for a certificate: the narrowest of those who do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustedBy {
    /// An authority that the module names.
    CaFile,
    /// An authority that every browser trusts.
    Public,
    /// An authority that this host trusts and the public does not: somebody installed it here.
    Host,
}

impl TrustedBy {
    /// The word that facts and rules use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::CaFile => "ca_file",
            Self::Public => "public",
            Self::Host => "host",
        }
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// For whom it is.
    pub subject: Foreign,
    /// Who vouches for it.
    pub issuer: Foreign,
    /// The names and addresses for which it is valid.
    pub names: Vec<Foreign>,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// The first moment at which it, or one that the peer showed behind it, expires.
    pub chain_not_after: SystemTime,
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum TlsProblem {
    /// A certificate of the chain is no longer valid.
    #[error("its certificate has expired")]
    Expired,
    /// A certificate of the chain is not valid yet: or this host's clock is slow.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// The certificate is for another name.
    #[error("its certificate is for another name")]
    WrongName,
    /// Nobody who is trusted vouches for the certificate.
    #[error("its certificate comes from an authority that is not trusted")]
    UnknownIssuer,
    /// The certificate was revoked, is malformed or may not be used for this.
    #[error("its certificate cannot be used")]
    BadCertificate,
    /// No version or cipher suite is common to both: TLS 1.2 is the oldest that is spoken.
    #[error("it speaks no version of TLS or cipher suite that is safe (TLS 1.2 or later)")]
    Version,
    /// The peer ended the handshake with an alert.
    #[error("it ended the TLS handshake with an alert")]
    Alert,
    /// The peer asks for a client certificate, and got none.
    #[error("it asks for a client certificate, and got none")]
    CertificateRequired,
    /// The peer does not accept the client certificate that it got.
    #[error("it does not accept the client certificate")]
    CertificateRefused,
    /// What the peer said is not TLS.
    #[error("what it said is not TLS")]
    NotTls,
}

impl TlsProblem {
    /// Whether it is the certificate of the peer that proves nothing.
    #[must_use]
    pub const fn is_of_certificate(self) -> bool {
        match self {
            Self::Expired
            | Self::NotYetValid
            | Self::WrongName
            | Self::UnknownIssuer
            | Self::BadCertificate => true,
            Self::Version
            | Self::Alert
            | Self::CertificateRequired
            | Self::CertificateRefused
            | Self::NotTls => false,
        }
    }

    /// The word that facts and rules use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongName => "wrong_name",
            Self::UnknownIssuer => "unknown_issuer",
            Self::BadCertificate => "bad_certificate",
            Self::Version => "version",
            Self::Alert => "alert",
            Self::CertificateRequired => "certificate_required",
            Self::CertificateRefused => "certificate_refused",
            Self::NotTls => "not_tls",
        }
    }
}
