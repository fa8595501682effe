//! The client certificate of a module and its key: whether they belong together.

use branchline_probes::way::{CLIENT_CERTIFICATE, CLIENT_KEY};
use branchline_probes::{BadOption, Options};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// Refuses a key that no handshake could use.
///
/// # Errors
///
/// [`BadOption`] names the key or the certificate, and the way out; of the key it says nothing.
pub(super) fn check(options: &Options) -> Result<(), BadOption> {
    let (Some(chain), Some(key)) = (options.read(&CLIENT_CERTIFICATE), options.read(&CLIENT_KEY))
    else {
        return Ok(());
    };
    let text = key.expose();
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        if text.contains(ENCRYPTED) {
            bad_key(
                "is encrypted, and nobody is here to decrypt it",
                "decrypt it, as with openssl pkey -in KEY -out PLAIN, and keep that file to its user",
            )
        } else {
            bad_key("holds no private key in PEM", "it begins with -----BEGIN PRIVATE KEY-----")
        }
    })?;
    let certificates = chain.certificates.iter().map(|der| CertificateDer::from(der.clone()));
    let provider = rustls::crypto::ring::default_provider();
    match CertifiedKey::from_der(certificates.collect(), key, &provider) {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(bad_key(
            "is not the key of the first certificate in `client_certificate`",
            "name the key with which that certificate was asked for; of a chain, the own \
             certificate comes first",
        )),
        Err(Error::InvalidCertificate(_)) => Err(BadOption {
            option: CLIENT_CERTIFICATE.spec().name,
            problem: "begins with a certificate that cannot be read".to_owned(),
            hint: Some("have it issued again, or write it anew in PEM".to_owned()),
        }),
        Err(_) => Err(bad_key(
            "holds a key that cannot sign here",
            "it is RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519",
        )),
    }
}

fn bad_key(problem: &str, hint: &str) -> BadOption {
    let (option, problem) = (CLIENT_KEY.spec().name, problem.to_owned());
    BadOption { option, problem, hint: Some(hint.to_owned()) }
}

/// RFC 7468 §11, and the header of RFC 1421 §4.6.1.1 that older tools write.
const ENCRYPTED: &str = "ENCRYPTED";
