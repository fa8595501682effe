//! Certificates made for one test, and TLS servers that show them.

use std::sync::Arc;

use branchline_probes::{Certificates, Leg, Secret, Tls, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use crate::ping::LEG;

/// The name that servers of these tests are asked for.
pub(crate) const NAME: &str = "relay.example.net";

/// Who vouches.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A chain of certificates, and the key of the first.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("there is chance");
        Self(CertifiedIssuer::self_signed(authority(name), key).expect("it is complete"))
    }

    /// Another authority, which this one vouches for until 2031.
    pub(crate) fn subordinate(&self, name: &str) -> Self {
        let mut params = authority(name);
        params.not_after = date_time_ymd(2031, 1, 1);
        let key = KeyPair::generate().expect("there is chance");
        Self(CertifiedIssuer::signed_by(params, key, &self.0).expect("it is complete"))
    }

    /// Trust in this authority alone.
    pub(crate) fn trust(&self) -> Trust {
        let certificates = Arc::from([self.0.der().to_vec()]);
        Trust::Only(Certificates { source: "a test".to_owned(), certificates })
    }

    /// Its own certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate, valid from 2020 to 2040 where `change` does not change it.
    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = named(NAME, &[NAME, "127.0.0.1"]);
        change(&mut params);
        let key = KeyPair::generate().expect("there is chance");
        let certificate = params.signed_by(&key, &self.0).expect("it is complete");
        Identity { chain: vec![certificate.into()], key }
    }

    /// The same with this authority's own certificate behind it.
    pub(crate) fn issue_with_chain(&self) -> Identity {
        let mut identity = self.issue(|_| {});
        identity.chain.push(self.0.der().clone());
        identity
    }
}

/// A certificate that vouches for itself; as appliances make them, it may vouch for others, too.
pub(crate) fn self_signed(is_authority: bool) -> Identity {
    let key = KeyPair::generate().expect("there is chance");
    let mut params = named(NAME, &[NAME]);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).expect("it is complete");
    Identity { chain: vec![certificate.into()], key }
}

/// For clients only.
pub(crate) fn for_clients(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

fn named(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(|it| (*it).to_owned()).collect();
    let mut params = CertificateParams::new(alternatives).expect("they are names");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CountryName, "FR");
    params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Identity {
    /// A server that shows this certificate, in one version of TLS.
    pub(crate) fn server(self, version: &'static SupportedProtocolVersion) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("the library knows it")
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key.into())
            .expect("the key belongs to it");
        TlsAcceptor::from(Arc::new(config))
    }

    /// The same, which asks its clients for a certificate of this authority; it may let those in
    /// who have none.
    pub(crate) fn server_for_clients_of(
        self,
        authority: &Authority,
        lets_strangers_in: bool,
        version: &'static SupportedProtocolVersion,
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).expect("it is an authority");
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        if lets_strangers_in {
            verifier = verifier.allow_unauthenticated();
        }
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("the library knows it")
            .with_client_cert_verifier(verifier.build().expect("there is an authority"))
            .with_single_cert(self.chain, self.key.into())
            .expect("the key belongs to it");
        TlsAcceptor::from(Arc::new(config))
    }

    /// As a client has it.
    pub(crate) fn of_client(&self) -> branchline_probes::Identity {
        let certificates = self.chain.iter().map(|der| der.to_vec()).collect();
        branchline_probes::Identity {
            chain: Certificates { source: "a test".to_owned(), certificates },
            key: Secret::new(self.key.serialize_pem()),
        }
    }
}

/// A leg over TLS to a server of this name.
pub(crate) fn leg(peer: std::net::SocketAddr, name: &str, trust: Trust) -> Leg {
    Leg::over_tls(
        LEG,
        peer,
        Tls { server_name: name.to_owned(), trust, identity: None, protocol: None },
    )
}
