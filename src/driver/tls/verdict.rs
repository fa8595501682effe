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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use branchline_probes::{Certificates, Trust, TrustedBy};
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::{Authorities, PUBLIC, Witness};

    /// What a server of the public showed in 2026: its own certificate, and the one behind it,
    /// whose issuer is a public authority.
    const OWN: &[u8] = include_bytes!("../../../tests/loopback/public/aws.amazon.com.der");
    const BEHIND: &[u8] = include_bytes!("../../../tests/loopback/public/amazon-rsa-2048-m04.der");
    /// In July of that year.
    const WHILE_VALID: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_784_000_000));

    fn named(authority: Vec<u8>) -> Witness {
        let certificates = Arc::from([authority]);
        let source = "a test".to_owned();
        Witness::new(&Trust::Only(Certificates { source, certificates })).expect("it is one")
    }

    fn unnamed(authorities: Authorities) -> Witness {
        Witness { is_named: false, authorities, ..named(BEHIND.to_vec()) }
    }

    /// Whether the chain is accepted, and who vouches for it.
    fn judged(witness: &Witness, name: &str) -> (bool, Option<TrustedBy>) {
        let (own, behind) = (CertificateDer::from(OWN), [CertificateDer::from(BEHIND)]);
        let name = ServerName::try_from(name.to_owned()).expect("it is a name");
        let verdict = witness.verify_server_cert(&own, &behind, &name, &[], WHILE_VALID);
        (verdict.is_ok(), witness.trusted_by())
    }

    fn stranger() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().expect("there is chance");
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).expect("it is complete").der().to_vec()
    }

    #[test]
    fn a_chain_of_the_public_is_public_whether_the_host_or_nobody_was_to_vouch_for_it() {
        let host = Authorities::new([CertificateDer::from(BEHIND)]).expect("it is one");
        let public = PUBLIC.clone().expect("the list is not empty");
        let name = "aws.amazon.com";

        assert_eq!(judged(&unnamed(public), name), (true, Some(TrustedBy::Public)));
        assert_eq!(judged(&unnamed(host), name), (true, Some(TrustedBy::Public)));
        assert_eq!(judged(&named(stranger()), name), (false, Some(TrustedBy::Public)));
        assert_eq!(judged(&named(BEHIND.to_vec()), name), (true, Some(TrustedBy::CaFile)));
    }

    #[test]
    fn nobody_vouches_for_a_certificate_under_another_name() {
        let public = PUBLIC.clone().expect("the list is not empty");

        assert_eq!(judged(&unnamed(public), "relay.example.net"), (false, None));
        assert_eq!(judged(&named(stranger()), "relay.example.net"), (false, None));
    }
}
