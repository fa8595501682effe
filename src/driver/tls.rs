//! TLS on a stream: bytes in, bytes out, and what the handshake showed.

mod certificate;
mod identity;
mod problem;
mod verdict;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use branchline_probes::{Handshake, Stamp, Tls, TlsProblem};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, ClientConnection, Error, ProtocolVersion};
use tokio::net::TcpStream;

use super::event::What;
use identity::Presenter;
use verdict::Witness;

/// One TLS connection as a client.
pub(super) struct Session {
    connection: ClientConnection,
    witness: Arc<Witness>,
    presenter: Arc<Presenter>,
    peer: SocketAddr,
    is_up: bool,
}

impl Session {
    /// Begins a handshake, or says why there can be none.
    pub(super) fn begin(tls: &Tls, peer: SocketAddr) -> Result<Self, What> {
        let Ok(name) = ServerName::try_from(tls.server_name.clone()) else {
            // No certificate can be for what is neither a name nor an address.
            return Err(unproven(TlsProblem::WrongName));
        };
        let Some(witness) = Witness::new(&tls.trust).map(Arc::new) else {
            // Whoever trusts nobody learns nothing of the peer.
            return Err(What::Failed { problem: io::ErrorKind::NotFound });
        };
        let own_fault = |_: Error| What::Failed { problem: io::ErrorKind::Other };
        let presenter = Presenter::new(tls.identity.as_deref()).map(Arc::new).map_err(own_fault)?;
        let mut config = ClientConfig::builder_with_provider(verdict::provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(own_fault)?
            .dangerous()
            .with_custom_certificate_verifier(witness.clone())
            .with_client_cert_resolver(presenter.clone());
        // Each handshake is a whole one, so that each shows the certificate.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = tls.protocol.iter().map(|it| it.as_bytes().to_vec()).collect();
        let connection = ClientConnection::new(Arc::new(config), name).map_err(own_fault)?;
        Ok(Self { connection, witness, presenter, peer, is_up: false })
    }

    /// Whether the handshake is done.
    pub(super) const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Whether something waits to be sent.
    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Takes in a piece of what the peer sent; what it means, in order.
    pub(super) fn hear(&mut self, mut bytes: &[u8]) -> Vec<What> {
        let mut heard = Vec::new();
        while !bytes.is_empty() {
            match self.connection.read_tls(&mut bytes) {
                // What follows the peer's farewell means nothing.
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => {
                    heard.push(self.broken(&Error::PeerSentOversizedRecord));
                    break;
                }
            }
            let processed = self.connection.process_new_packets();
            if !self.is_up && processed.is_ok() && !self.connection.is_handshaking() {
                self.is_up = true;
                heard.push(self.secured());
            }
            heard.extend(self.plaintext());
            match processed {
                Ok(state) if state.peer_has_closed() => {
                    heard.push(What::Closed);
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    heard.push(self.broken(&error));
                    break;
                }
            }
        }
        heard
    }

    /// Takes bytes to be sent, as many as there is room for; how many.
    pub(super) fn say(&mut self, bytes: &[u8]) -> usize {
        self.connection.writer().write(bytes).unwrap_or_default()
    }

    /// Sends what waits; `WouldBlock` where the connection does not take it all.
    pub(super) fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Pipe(stream))?;
        }
        Ok(())
    }

    /// Says to the peer that nothing more comes; nobody waits for it to be heard.
    pub(super) fn farewell(&mut self, stream: &TcpStream) {
        self.connection.send_close_notify();
        let _ = self.flush(stream);
    }

    fn plaintext(&mut self) -> Option<What> {
        let mut bytes = Vec::new();
        // It ends with an error where more may come, and what was read until then counts.
        let _ = self.connection.reader().read_to_end(&mut bytes);
        let (from, stamp) = (self.peer, Stamp::Program);
        (!bytes.is_empty()).then_some(What::Received { from, bytes, stamp, dscp: None })
    }

    fn secured(&self) -> What {
        let version = if self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_2) {
            "1.2"
        } else {
            "1.3"
        };
        let suite = self.connection.negotiated_cipher_suite();
        let cipher = suite.and_then(|suite| registered_name(suite.suite())).unwrap_or_default();
        let certificate = certificate::read(self.witness.chain());
        let (Some(certificate), Some(trusted_by)) = (certificate, self.witness.trusted_by()) else {
            return unproven(TlsProblem::BadCertificate);
        };
        let handshake = Handshake { version, cipher, certificate, trusted_by };
        What::Secured { handshake: Box::new(handshake) }
    }

    /// What an error means: of the handshake, or of what came after it.
    fn broken(&self, error: &Error) -> What {
        let is_of_client = self.presenter.was_asked() && problem::is_of_client(error, self.is_up);
        let problem = match problem::of(error) {
            _ if is_of_client && self.presenter.has_shown() => TlsProblem::CertificateRefused,
            _ if is_of_client => TlsProblem::CertificateRequired,
            // The peer ended it with an alert, or what arrived is not what the peer sent.
            _ if self.is_up => return What::Closed,
            Some(problem) => self.witness.said_better(problem, error),
            None => return What::Failed { problem: io::ErrorKind::Other },
        };
        let certificate = certificate::read(self.witness.chain()).map(Box::new);
        What::Insecure { problem, certificate, trusted_by: self.witness.trusted_by() }
    }
}

/// A handshake that fails without a certificate.
const fn unproven(problem: TlsProblem) -> What {
    What::Insecure { problem, certificate: None, trusted_by: None }
}

/// The name in the IANA registry of TLS cipher suites.
fn registered_name(suite: CipherSuite) -> Option<&'static str> {
    let spelled_otherwise = [
        (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
        (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
        (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    ];
    let found = spelled_otherwise.into_iter().find(|(it, _)| *it == suite);
    found.map(|(_, name)| name).or_else(|| suite.as_str())
}

/// A socket that takes what it can now.
struct Pipe<'a>(&'a TcpStream);

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
