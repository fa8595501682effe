//! SIP URIs (RFC 3261 §19.1, §25.1).

mod address_of_record;
mod escape;
mod host;
mod read;
mod same;

use std::fmt;

use self::escape::normal;
use self::read::Reader;

pub use self::address_of_record::AddressOfRecord;

/// Whether a URI asks for TLS on every hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
}

impl Scheme {
    /// As a URI begins: `sip:`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sip => "sip:",
            Self::Sips => "sips:",
        }
    }
}

/// A SIP or SIPS URI, its parts as they were written: escapes stay escapes.
///
/// [`PartialEq`] compares what was written; [`SipUri::is_same`] is the comparison of RFC 3261
/// §19.1.4. `Display` writes the URI back, a password included; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SipUri {
    scheme: Scheme,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    parameters: Vec<UriParameter>,
    headers: Vec<UriHeader>,
}

/// One `;name` or `;name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriParameter {
    /// The name.
    pub name: String,
    /// The value, where there is one.
    pub value: Option<String>,
}

/// One `name=value` behind the `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriHeader {
    /// The name of the header field.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
}

impl SipUri {
    /// Reads a URI by the grammar, as a message may hold it.
    ///
    /// Narrower than the grammar in this: a port is from 1 to 65535, a parameter stands once
    /// (RFC 3261 §19.1.1), those that mean nothing without a value have one, and no number of an
    /// IPv4 address begins with a zero.
    ///
    /// # Errors
    ///
    /// [`BadUri`] tells the position of the first character that does not fit, counted from 1.
    pub fn read(text: &str) -> Result<Self, BadUri> {
        Self::read_with(text, true)
    }

    /// Reads a URI that a person wrote into a configuration, where it has no password: everybody
    /// reads it there, and RFC 3261 §19.1.1 does not recommend it anywhere.
    ///
    /// # Errors
    ///
    /// As [`SipUri::read`].
    pub fn read_without_password(text: &str) -> Result<Self, BadUri> {
        Self::read_with(text, false)
    }

    fn read_with(text: &str, allows_password: bool) -> Result<Self, BadUri> {
        let mut reader = Reader::new(text);
        let scheme = reader.scheme()?;
        let (user, password) = reader.userinfo(allows_password)?;
        let host = reader.host()?;
        let port = reader.port()?;
        let parameters = reader.parameters()?;
        let headers = reader.headers()?;
        reader.end()?;
        Ok(Self { scheme, user, password, host, port, parameters, headers })
    }

    /// `sip` or `sips`.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user part, a telephone number with its parameters included.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether there is a password, which may be empty.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The host part: a domain or an address literal, an IPv6 one in its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Every parameter, in the order of the URI.
    #[must_use]
    pub fn parameters(&self) -> &[UriParameter] {
        &self.parameters
    }

    /// Every header, in the order of the URI.
    #[must_use]
    pub fn headers(&self) -> &[UriHeader] {
        &self.headers
    }

    /// The parameter of this name, in whatever case and with whatever escapes it is written.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&UriParameter> {
        self.parameters.iter().find(|parameter| parameter.is(name))
    }

    /// `transport`: how the host is to be reached.
    #[must_use]
    pub fn transport(&self) -> Option<&str> {
        self.value("transport")
    }

    /// `maddr`: where to send to, instead of to the host.
    #[must_use]
    pub fn maddr(&self) -> Option<&str> {
        self.value("maddr")
    }

    /// `ttl`: how far a multicast goes.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        self.value("ttl")?.parse().ok()
    }

    /// `method`: what a request to this URI is to be.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.value("method")
    }

    /// `user`: `phone` where the user part is a telephone number.
    #[must_use]
    pub fn user_kind(&self) -> Option<&str> {
        self.value("user")
    }

    /// `lr`: whether whoever is named routes loosely.
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.parameter("lr").is_some()
    }

    /// Whether both URIs name the same, by RFC 3261 §19.1.4. This is not transitive: a parameter
    /// that one of them lacks is left out of the comparison, unless it would change the way.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        same::is_same(self, other)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.parameter(name)?.value.as_deref()
    }
}

impl UriParameter {
    fn is(&self, name: &str) -> bool {
        normal(&self.name).eq_ignore_ascii_case(name.as_bytes())
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(formatter, self.password.as_deref())
    }
}

impl fmt::Debug for SipUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(formatter, self.password.as_ref().map(|_| "…"))
    }
}

impl SipUri {
    fn write(&self, to: &mut fmt::Formatter<'_>, password: Option<&str>) -> fmt::Result {
        to.write_str(self.scheme.word())?;
        if let Some(user) = &self.user {
            to.write_str(user)?;
            if let Some(password) = password {
                write!(to, ":{password}")?;
            }
            to.write_str("@")?;
        }
        to.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(to, ":{port}")?;
        }
        for UriParameter { name, value } in &self.parameters {
            write!(to, ";{name}")?;
            if let Some(value) = value {
                write!(to, "={value}")?;
            }
        }
        for (index, UriHeader { name, value }) in self.headers.iter().enumerate() {
            let before = if index == 0 { '?' } else { '&' };
            write!(to, "{before}{name}={value}")?;
        }
        Ok(())
    }
}

/// A host and, where it was written, a port: `hostport` of RFC 3261 §25.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A domain or an address literal, an IPv6 one in its brackets.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
}

impl HostPort {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    ///
    /// As [`SipUri::read`].
    pub fn read(text: &str) -> Result<Self, BadUri> {
        let mut reader = Reader::new(text);
        let (host, port) = (reader.host()?, reader.port()?);
        reader.end()?;
        Ok(Self { host, port })
    }
}

/// Where a text ceases to be a URI, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (character {position})")]
pub struct BadUri {
    /// The first character that does not fit, counted from 1; one more than there are where
    /// something is missing at the end.
    pub position: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl BadUri {
    /// What is wrong at a byte of a text.
    pub(super) fn at(text: &str, byte: usize, what: &'static str) -> Self {
        let position = text.char_indices().take_while(|(at, _)| *at < byte).count() + 1;
        Self { position, what }
    }
}
