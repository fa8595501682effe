//! Whom the poller trusts: the authorities of the host.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::SetupError;

/// TLS 1.2 or 1.3 with the host's own trust anchors; without any, only where nothing is encrypted.
pub(super) fn of_this_host(in_the_clear: bool) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(SetupError::Tls)?;
    if roots.is_empty() {
        return if in_the_clear {
            Ok(config.with_root_certificates(roots).with_no_client_auth())
        } else {
            Err(SetupError::NoTrustAnchors)
        };
    }
    let verifier = Verifier::of(roots, provider).map_err(SetupError::Tls)?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(config.with_no_client_auth())
}

/// What TLS failed with, for people.
pub(super) fn in_words(error: &Error) -> String {
    if let Error::InvalidCertificate(CertificateError::Other(other)) = error {
        return other.0.to_string();
    }
    error.to_string()
}

/// Decides as the library does, and says more of what was refused: a certificate that vouches for
/// itself has another cause than one of an authority that is not installed here.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

#[derive(Debug, thiserror::Error)]
#[error("invalid peer certificate: it is self-signed")]
struct SelfSigned;

impl Verifier {
    fn of(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        built.map(Self).map_err(|error| Error::General(error.to_string()))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.map_err(|error| {
            let is_unknown = error == Error::InvalidCertificate(CertificateError::UnknownIssuer);
            if is_unknown && is_self_signed(end_entity) {
                Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
            } else {
                error
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, it)| it.issuer() == it.subject())
}
