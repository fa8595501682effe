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

/// Whether an error is the peer's word on the certificate of this host, which it asked for before.
///
/// In TLS 1.3 it comes after the handshake, and the alert says what it is about (RFC 8446 §6.2); in
/// TLS 1.2 it is a part of the handshake, and who got no certificate says `handshake_failure`
/// (RFC 5246 §7.4.6).
pub(super) fn is_of_client(error: &Error, is_up: bool) -> bool {
    const ABOUT_CERTIFICATES: [AlertDescription; 10] = [
        AlertDescription::CertificateRequired,
        AlertDescription::NoCertificate,
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        AlertDescription::DecryptError,
    ];
    let Error::AlertReceived(alert) = error else { return false };
    ABOUT_CERTIFICATES.contains(alert) || (!is_up && *alert == AlertDescription::HandshakeFailure)
}

#[cfg(test)]
mod tests {
    use super::{is_of_client, of};
    use branchline_probes::TlsProblem;
    use rustls::pki_types::UnixTime;
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
    use rustls::{InconsistentKeys, PeerMisbehaved};

    const NOW: UnixTime = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));

    #[test]
    fn a_certificate_that_is_refused_has_one_of_five_problems() {
        for (error, problem) in [
            (CertificateError::Expired, TlsProblem::Expired),
            (CertificateError::ExpiredContext { time: NOW, not_after: NOW }, TlsProblem::Expired),
            (CertificateError::NotValidYet, TlsProblem::NotYetValid),
            (
                CertificateError::NotValidYetContext { time: NOW, not_before: NOW },
                TlsProblem::NotYetValid,
            ),
            (CertificateError::NotValidForName, TlsProblem::WrongName),
            (CertificateError::UnknownIssuer, TlsProblem::UnknownIssuer),
            (CertificateError::Revoked, TlsProblem::BadCertificate),
            (CertificateError::BadEncoding, TlsProblem::BadCertificate),
            (CertificateError::BadSignature, TlsProblem::BadCertificate),
            (CertificateError::InvalidPurpose, TlsProblem::BadCertificate),
            (CertificateError::UnhandledCriticalExtension, TlsProblem::BadCertificate),
        ] {
            assert_eq!(of(&Error::InvalidCertificate(error.clone())), Some(problem), "{error:?}");
        }
    }

    #[test]
    fn what_the_peer_did_otherwise_has_one_of_four() {
        for (error, problem) in [
            (Error::NoCertificatesPresented, TlsProblem::BadCertificate),
            (
                Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge),
                TlsProblem::BadCertificate,
            ),
            (PeerIncompatible::ServerDoesNotSupportTls12Or13.into(), TlsProblem::Version),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), TlsProblem::Version),
            (Error::AlertReceived(AlertDescription::ProtocolVersion), TlsProblem::Version),
            (Error::AlertReceived(AlertDescription::InsufficientSecurity), TlsProblem::Version),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), TlsProblem::Alert),
            (Error::AlertReceived(AlertDescription::InternalError), TlsProblem::Alert),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), TlsProblem::NotTls),
            (PeerMisbehaved::SelectedUnofferedCipherSuite.into(), TlsProblem::NotTls),
            (Error::DecryptError, TlsProblem::NotTls),
            (Error::PeerSentOversizedRecord, TlsProblem::NotTls),
        ] {
            assert_eq!(of(&error), Some(problem), "{error:?}");
        }
    }

    #[test]
    fn an_alert_about_a_certificate_is_of_the_client_and_a_bare_failure_only_in_the_handshake() {
        for (alert, in_handshake, after) in [
            (AlertDescription::CertificateRequired, true, true),
            (AlertDescription::UnknownCA, true, true),
            (AlertDescription::BadCertificate, true, true),
            (AlertDescription::HandshakeFailure, true, false),
            (AlertDescription::InternalError, false, false),
            (AlertDescription::CloseNotify, false, false),
        ] {
            let error = Error::AlertReceived(alert);
            assert_eq!(is_of_client(&error, false), in_handshake, "{alert:?}");
            assert_eq!(is_of_client(&error, true), after, "{alert:?}");
        }
        assert!(!is_of_client(&Error::DecryptError, true), "nobody said it");
    }

    // I9
    #[test]
    fn a_fault_of_this_host_says_nothing_of_the_peer() {
        for error in [
            Error::FailedToGetRandomBytes,
            Error::FailedToGetCurrentTime,
            Error::EncryptError,
            Error::General(String::new()),
            Error::InconsistentKeys(InconsistentKeys::Unknown),
        ] {
            assert_eq!(of(&error), None, "{error:?}");
        }
    }
}
