//! `Way`: what carries a module's requests, UDP, TCP or TLS, and how its socket comes up.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::conversation::{Conversation, Step};
use crate::failure::Failure;
use crate::leg::{Certificates, Identity, Leg, LegId, Tls, Trust};
use crate::moment::Moment;
use crate::observation::Phase;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Input, Output};
use crate::proof;
use crate::secret::Secret;
use crate::target::{Target, Transport};

pub(crate) use crate::proof::TLS_FACTS;
pub use crate::proof::{
    CERTIFICATE_EXPIRES, CERTIFICATE_ISSUER, CERTIFICATE_NAMES, CERTIFICATE_SUBJECT,
    CERTIFICATE_VALID_FROM, TLS_CIPHER, TLS_TRUSTED_BY, TLS_VERSION,
};

/// What carries the requests.
pub(crate) const TRANSPORT: OptionKey<&'static str> =
    OptionKey::new("transport", Kind::Word(Transport::WORDS), "what carries the requests")
        .default("udp");
/// The port where the target names none.
pub(crate) const PORT: OptionKey<u64> =
    OptionKey::new("port", Kind::Count, "the port where the target names none");
/// The name that the certificate must be for.
pub(crate) const SERVER_NAME: OptionKey<String> = OptionKey::new(
    "server_name",
    Kind::Text,
    "the name that the server's certificate must be for; else the target's host",
);
/// Who may vouch for the certificate.
pub(crate) const CA_FILE: OptionKey<Certificates> = OptionKey::new(
    "ca_file",
    Kind::Certificates,
    "the authorities that may vouch for the server; else those that this host trusts",
);

/// What this host shows where the server asks who it is.
pub const CLIENT_CERTIFICATE: OptionKey<Certificates> = OptionKey::new(
    "client_certificate",
    Kind::Certificates,
    "the certificate to show where the server asks for one, and the chain behind it",
);
/// The key of that certificate.
pub const CLIENT_KEY: OptionKey<Secret> =
    OptionKey::new("client_key", Kind::PrivateKey, "the key of the client certificate, in PEM");

/// Every option of this file.
pub(crate) const OPTIONS: [OptionSpec; 6] = [
    TRANSPORT.spec(),
    PORT.spec(),
    SERVER_NAME.spec(),
    CA_FILE.spec(),
    CLIENT_CERTIFICATE.spec(),
    CLIENT_KEY.spec(),
];

/// What carries a module's requests.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) transport: Transport,
    pub(crate) port: u16,
    server_name: Option<String>,
    trust: Trust,
    identity: Option<Arc<Identity>>,
    /// The protocol that a TLS handshake names (RFC 7301), where it names one.
    pub(crate) protocol: Option<&'static str>,
}

impl Way {
    /// Reads the options of this file; `port` is the protocol's own, `tls_port` that over TLS.
    ///
    /// # Errors
    ///
    /// [`BadOption`] where the port is none, or an option for TLS is set for another transport.
    pub(crate) fn read(options: &Options, port: u16, tls_port: u16) -> Result<Self, BadOption> {
        let word = options.read(&TRANSPORT).unwrap_or(Transport::Udp.label());
        let transport = Transport::named(word).unwrap_or(Transport::Udp);
        let port = if transport == Transport::Tls { tls_port } else { port };
        Self::named(word, transport, options, port)
    }

    /// Reads the options of this file but the transport, of which the probe has a word of its own;
    /// `port` is the default.
    ///
    /// # Errors
    ///
    /// As [`Way::read`].
    pub(crate) fn named(
        word: &str,
        transport: Transport,
        options: &Options,
        port: u16,
    ) -> Result<Self, BadOption> {
        let is_tls = transport == Transport::Tls;
        let server_name = options.read(&SERVER_NAME);
        let authorities = options.read(&CA_FILE);
        let (chain, key) = (options.read(&CLIENT_CERTIFICATE), options.read(&CLIENT_KEY));
        for (option, is_set) in [
            (SERVER_NAME.spec().name, server_name.is_some()),
            (CA_FILE.spec().name, authorities.is_some()),
            (CLIENT_CERTIFICATE.spec().name, chain.is_some()),
            (CLIENT_KEY.spec().name, key.is_some()),
        ] {
            if is_set && !is_tls {
                return Err(BadOption {
                    option,
                    problem: format!("has no meaning over {word}"),
                    hint: Some("it belongs to transport = \"tls\"".to_owned()),
                });
            }
        }
        let chosen =
            options.read(&PORT).map(u16::try_from).transpose().ok().filter(|port| *port != Some(0));
        let Some(chosen) = chosen else {
            return Err(BadOption {
                option: PORT.spec().name,
                problem: "is no port".to_owned(),
                hint: Some("a port is a number from 1 to 65535".to_owned()),
            });
        };
        Ok(Self {
            transport,
            port: chosen.unwrap_or(port),
            server_name,
            trust: authorities.map_or(Trust::System, Trust::Only),
            identity: identity(chain, key)?,
            protocol: None,
        })
    }

    /// What carries the requests to this target.
    pub(crate) fn transport_to(&self, target: &Target) -> Transport {
        target.transport.unwrap_or(self.transport)
    }

    /// A leg to the target on this way. Over TLS the certificate has to be for the host that the
    /// configuration names, whoever led from there to the address (RFC 5922 §7.3).
    pub(crate) fn leg(&self, id: LegId, target: &Target) -> Leg {
        let transport = self.transport_to(target);
        let mut leg = Leg::new(id, transport, target.address);
        if transport == Transport::Tls {
            let server_name = self.server_name.clone().unwrap_or_else(|| target.host.clone());
            let (trust, identity) = (self.trust.clone(), self.identity.clone());
            leg.tls = Some(Tls { server_name, trust, identity, protocol: self.protocol });
        }
        leg
    }
}

/// A certificate without its key proves nothing, and neither does a key without its certificate.
fn identity(
    chain: Option<Certificates>,
    key: Option<Secret>,
) -> Result<Option<Arc<Identity>>, BadOption> {
    let (there, missing) = match (chain, key) {
        (None, None) => return Ok(None),
        (Some(chain), Some(key)) => return Ok(Some(Arc::new(Identity { chain, key }))),
        (Some(_), None) => (CLIENT_CERTIFICATE.spec().name, CLIENT_KEY.spec()),
        (None, Some(_)) => (CLIENT_KEY.spec().name, CLIENT_CERTIFICATE.spec()),
    };
    Err(BadOption {
        option: there,
        problem: format!("is set without `{}`", missing.name),
        hint: Some(format!("add {}: {}", missing.name, missing.kind.expected())),
    })
}

/// A leg that is coming up.
#[derive(Debug)]
pub(crate) struct Opening {
    leg: Leg,
    is_asked: bool,
    connected: Option<SocketAddr>,
    since: Moment,
}

impl Opening {
    pub(crate) fn new(leg: Leg, now: Moment) -> Self {
        Self { leg, is_asked: false, connected: None, since: now }
    }

    /// What is to be done until the leg is open; `deadline` ends it.
    pub(crate) fn poll(&mut self, now: Moment, deadline: Moment) -> Step {
        if !self.is_asked {
            self.is_asked = true;
            return Step::Output(Output::Open(self.leg.clone()));
        }
        let awaited = match (self.connected, self.leg.transport.is_stream()) {
            (Some(_), _) => "the TLS handshake",
            (None, true) => "the connection",
            (None, false) => "the socket",
        };
        if now >= deadline {
            let (peer, waited) = (self.leg.peer, now.since(self.since));
            return Step::Over(Failure::Deadline { peer, awaited, transmissions: 0, waited });
        }
        Step::Output(Output::Wait { until: deadline, reason: awaited })
    }

    /// The phase in which it is.
    pub(crate) fn phase(&self) -> Phase {
        if self.connected.is_some() { Phase::Tls } else { Phase::Connect }
    }

    /// Takes in an input; the local address where the leg is open now. What TLS showed and how
    /// long each handshake took is noted.
    pub(crate) fn hear(
        &mut self,
        input: &Input<'_>,
        conversation: &mut Conversation,
    ) -> Option<SocketAddr> {
        match *input {
            Input::Connected { leg, local } if leg == self.leg.id => {
                if self.leg.transport.is_stream() {
                    conversation.ended(Phase::Connect, self.since);
                }
                self.since = conversation.now;
                self.connected = Some(local);
                (self.leg.transport != Transport::Tls).then_some(local)
            }
            Input::Secured { leg, handshake } if leg == self.leg.id => {
                conversation.ended(Phase::Tls, self.since);
                proof::note(handshake, &mut conversation.outcome.facts);
                self.connected
            }
            Input::Connected { .. }
            | Input::Secured { .. }
            | Input::Insecure { .. }
            | Input::Sent { .. }
            | Input::Received { .. }
            | Input::Refused { .. }
            | Input::Closed { .. }
            | Input::Failed { .. }
            | Input::Timeout
            | Input::Cancelled => None,
        }
    }
}
