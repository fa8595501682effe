//! From the library's errors to the few problems that a handshake can have.

use branchline_probes::TlsProblem;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The problem that ended a handshake; `None` where it is a fault of this host.
pub(super) fn of(error: &Error) -> Option<TlsProblem> {
    match error {
        Error::InvalidCertificate(error) => Some(of_certificate(error)),
        Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge)
        | Error::NoCertificatesPresented
        | Error::UnsupportedNameType
        | Error::InvalidCertRevocationList(_) => Some(TlsProblem::BadCertificate),
        Error::PeerIncompatible(_) => Some(TlsProblem::Version),
        Error::AlertReceived(alert) => Some(of_alert(*alert)),
        Error::NoApplicationProtocol => Some(TlsProblem::Alert),
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::InvalidEncryptedClientHello(_)
        | Error::InvalidMessage(_)
        | Error::DecryptError
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord => Some(TlsProblem::NotTls),
        Error::EncryptError
        | Error::General(_)
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::HandshakeNotComplete
        | Error::BadMaxFragmentSize
        | Error::InconsistentKeys(_)
        | Error::Other(_) => None,
        // The library may learn new errors.
        _ => Some(TlsProblem::NotTls),
    }
}

fn of_certificate(error: &CertificateError) -> TlsProblem {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsProblem::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsProblem::WrongName
        }
        CertificateError::UnknownIssuer => TlsProblem::UnknownIssuer,
        #[allow(deprecated)]
        CertificateError::UnsupportedSignatureAlgorithm => TlsProblem::BadCertificate,
        CertificateError::BadEncoding
        | CertificateError::Revoked
        | CertificateError::UnhandledCriticalExtension
        | CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        | CertificateError::InvalidPurpose
        | CertificateError::InvalidPurposeContext { .. }
        | CertificateError::InvalidOcspResponse
        | CertificateError::ApplicationVerificationFailure
        | CertificateError::Other(_) => TlsProblem::BadCertificate,
        _ => TlsProblem::BadCertificate,
    }
}

/// Two alerts say that the versions or ciphers do not meet (RFC 8446 §6.2). A
/// `handshake_failure` may, too, but servers also send it for a name that they do not know or a
/// certificate that they miss.
fn of_alert(alert: AlertDescription) -> TlsProblem {
    let is_about_version =
        [AlertDescription::ProtocolVersion, AlertDescription::InsufficientSecurity];
    if is_about_version.contains(&alert) { TlsProblem::Version } else { TlsProblem::Alert }
}
