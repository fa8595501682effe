//! Whom a leg trusts, and a verifier that remembers what it was shown.

use std::sync::{Arc, LazyLock, OnceLock};

use branchline_probes::{TlsProblem, Trust, TrustedBy};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate;

/// The primitives of TLS.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Some authorities, and the judge who asks for one of them.
#[derive(Clone, Debug)]
struct Authorities {
    roots: Arc<RootCertStore>,
    judge: Arc<WebPkiServerVerifier>,
}

impl Authorities {
    /// None where no certificate of an authority can be read.
    fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        Self::of(roots)
    }

    fn of(roots: RootCertStore) -> Option<Self> {
        let roots = Arc::new(roots);
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider());
        Some(Self { roots, judge: builder.build().ok()? })
    }
}

/// Whom this host trusts: read once, when a leg first asks.
static SYSTEM: LazyLock<Option<Authorities>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    let authorities = Authorities::new(found.certs);
    if authorities.is_none() {
        tracing::warn!("this host has no certificate of any authority: TLS cannot be judged");
    }
    authorities
});

/// Whom every browser trusts.
static PUBLIC: LazyLock<Option<Authorities>> = LazyLock::new(|| {
    Authorities::of(RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()))
});

/// The verifier of one handshake: it judges as webpki does, and keeps the chain in any case.
#[derive(Debug)]
pub(super) struct Witness {
    authorities: Authorities,
    /// Whether the leg names them.
    is_named: bool,
    chain: OnceLock<Vec<CertificateDer<'static>>>,
    trusted_by: OnceLock<TrustedBy>,
}

impl Witness {
    /// None where there is nobody to trust.
    pub(super) fn new(trust: &Trust) -> Option<Self> {
        let is_named = *trust != Trust::System;
        let authorities = match trust {
            Trust::System => SYSTEM.clone(),
            Trust::Only(authorities) => {
                let certificates = authorities.certificates.iter();
                Authorities::new(certificates.map(|der| CertificateDer::from(der.clone())))
            }
        };
        let (chain, trusted_by) = (OnceLock::new(), OnceLock::new());
        Some(Self { authorities: authorities?, is_named, chain, trusted_by })
    }

    /// What the peer showed, its own certificate first.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        self.chain.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Who vouches for it: one of those who were asked for, or else somebody who is trusted all
    /// the same.
    pub(super) fn trusted_by(&self) -> Option<TrustedBy> {
        self.trusted_by.get().copied()
    }

    /// Webpki takes no authority for a server, and looks no further: one that vouches for itself
    /// and is not trusted is what people call self-signed.
    pub(super) fn said_better(&self, problem: TlsProblem, error: &Error) -> TlsProblem {
        let is_odd = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
        let subject = self.chain().first().and_then(certificate::own_issuer);
        let is_trusted = |subject: &[u8]| {
            self.authorities.roots.roots.iter().any(|root| subject.ends_with(&root.subject))
        };
        match subject {
            Some(subject) if is_odd && !is_trusted(&subject) => TlsProblem::UnknownIssuer,
            Some(_) | None => problem,
        }
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(end_entity).chain(intermediates);
        let shown = shown.map(|certificate| certificate.clone().into_owned()).collect();
        // There is one handshake, and it shows one chain.
        let _ = self.chain.set(shown);
        let ask = |authorities: &Authorities| {
            let judge = &authorities.judge;
            judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let others_do = |others: &Option<Authorities>| {
            others.as_ref().is_some_and(|authorities| ask(authorities).is_ok())
        };
        let verdict = ask(&self.authorities);
        let trusted_by = match &verdict {
            Ok(_) if self.is_named => Some(TrustedBy::CaFile),
            Ok(_) if others_do(&PUBLIC) => Some(TrustedBy::Public),
            Ok(_) => Some(TrustedBy::Host),
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                if others_do(&PUBLIC) {
                    Some(TrustedBy::Public)
                } else {
                    (self.is_named && others_do(&SYSTEM)).then_some(TrustedBy::Host)
                }
            }
            Err(_) => None,
        };
        if let Some(trusted_by) = trusted_by {
            let _ = self.trusted_by.set(trusted_by);
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.judge.supported_verify_schemes()
    }
}
