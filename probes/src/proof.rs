//! What TLS showed of a peer, as facts: the connection, the certificate and who vouches for it.

use std::time::SystemTime;

use crate::fact::{FactKey, FactSpec, Facts};
use crate::foreign::Foreign;
use crate::leg::{Certificate, Handshake, TrustedBy};

/// The version of TLS.
pub const TLS_VERSION: FactKey<&'static str> =
    FactKey::new("tls_version", "the version of TLS").info("probe_tls_version_info", "version");
/// The cipher suite.
pub const TLS_CIPHER: FactKey<&'static str> =
    FactKey::new("tls_cipher", "the cipher suite of the TLS connection")
        .info("probe_tls_cipher_info", "cipher");
/// Who vouches for the certificate, by the word of `TrustedBy`.
pub const TLS_TRUSTED_BY: FactKey<&'static str> = FactKey::new(
    "tls_trusted_by",
    "who vouches for the server's certificate: ca_file, public or this host alone",
)
.info("probe_tls_trusted_by_info", "trusted_by");
/// For whom the certificate is.
pub const CERTIFICATE_SUBJECT: FactKey<Foreign> =
    FactKey::new("certificate_subject", "for whom the server's certificate is");
/// The names and addresses for which the certificate is valid.
pub const CERTIFICATE_NAMES: FactKey<Vec<Foreign>> = FactKey::new(
    "certificate_names",
    "the names and addresses for which the server's certificate is valid",
);
/// Who issued the certificate.
pub const CERTIFICATE_ISSUER: FactKey<Foreign> =
    FactKey::new("certificate_issuer", "who vouches for the server's certificate");
/// From when the certificate is valid.
pub const CERTIFICATE_VALID_FROM: FactKey<SystemTime> =
    FactKey::new("certificate_valid_from", "from when the server's certificate is valid");
/// When the first certificate of the chain expires.
pub const CERTIFICATE_EXPIRES: FactKey<SystemTime> =
    FactKey::new("certificate_expires", "when the first certificate of the chain expires")
        .metric("probe_ssl_earliest_cert_expiry");

/// Every fact that a TLS handshake states.
pub(crate) const TLS_FACTS: [FactSpec; 8] = [
    TLS_VERSION.spec(),
    TLS_CIPHER.spec(),
    TLS_TRUSTED_BY.spec(),
    CERTIFICATE_SUBJECT.spec(),
    CERTIFICATE_NAMES.spec(),
    CERTIFICATE_ISSUER.spec(),
    CERTIFICATE_VALID_FROM.spec(),
    CERTIFICATE_EXPIRES.spec(),
];

/// States what a handshake showed.
pub(crate) fn note(handshake: &Handshake, facts: &mut Facts) {
    facts.state(&TLS_VERSION, handshake.version);
    facts.state(&TLS_CIPHER, handshake.cipher);
    note_certificate(&handshake.certificate, Some(handshake.trusted_by), facts);
}

/// States what a peer showed, be it that it was not enough.
pub(crate) fn note_certificate(
    certificate: &Certificate,
    trusted_by: Option<TrustedBy>,
    facts: &mut Facts,
) {
    if let Some(trusted_by) = trusted_by {
        facts.state(&TLS_TRUSTED_BY, trusted_by.label());
    }
    facts.state(&CERTIFICATE_SUBJECT, certificate.subject.clone());
    facts.state(&CERTIFICATE_NAMES, certificate.names.clone());
    facts.state(&CERTIFICATE_ISSUER, certificate.issuer.clone());
    facts.state(&CERTIFICATE_VALID_FROM, certificate.not_before);
    facts.state(&CERTIFICATE_EXPIRES, certificate.chain_not_after);
}
