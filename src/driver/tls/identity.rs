//! What this host shows where a peer asks who it is, and whether it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use branchline_probes::Identity;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureScheme};

use super::verdict;

/// Shows the certificate of a leg in one handshake, and remembers that it was asked for.
#[derive(Debug)]
pub(super) struct Presenter {
    identity: Option<Arc<CertifiedKey>>,
    was_asked: AtomicBool,
    has_shown: AtomicBool,
}

impl Presenter {
    /// An error where the key is none, or not that of the certificate: the configuration does not
    /// let that pass.
    pub(super) fn new(identity: Option<&Identity>) -> Result<Self, Error> {
        let identity = identity.map(load).transpose()?.map(Arc::new);
        let (was_asked, has_shown) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { identity, was_asked, has_shown })
    }

    /// Whether the peer asked who this host is.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// Whether it was shown a certificate.
    pub(super) fn has_shown(&self) -> bool {
        self.has_shown.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        // Of a key that can sign nothing the peer takes, the library shows no certificate either.
        let identity =
            self.identity.as_ref().filter(|it| it.key.choose_scheme(schemes).is_some())?;
        self.has_shown.store(true, Ordering::Relaxed);
        Some(Arc::clone(identity))
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

fn load(identity: &Identity) -> Result<CertifiedKey, Error> {
    let chain = identity.chain.certificates.iter();
    let chain = chain.map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose().as_bytes())
        .map_err(|_| Error::General("the key is not PEM".to_owned()))?;
    CertifiedKey::from_der(chain, key, &verdict::provider())
}
