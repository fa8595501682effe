//! What a certificate says, in plain values.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use branchline_probes::{Certificate, Foreign};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

/// The peer's own certificate, which comes first (RFC 8446 §4.4.2).
pub(super) fn read(chain: &[CertificateDer<'_>]) -> Option<Certificate> {
    let certificates: Vec<X509Certificate<'_>> = chain.iter().map_while(|der| parse(der)).collect();
    let own = certificates.first()?;
    let expiries = certificates.iter().map(|it| moment(it.validity().not_after));
    Some(Certificate {
        subject: name(own.subject()),
        issuer: name(own.issuer()),
        names: names(own),
        not_before: moment(own.validity().not_before),
        not_after: moment(own.validity().not_after),
        chain_not_after: expiries.min()?,
    })
}

/// The subject of a certificate that names itself as its issuer, in DER.
pub(super) fn own_issuer(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = parse(certificate)?;
    let subject = certificate.subject().as_raw();
    (subject == certificate.issuer().as_raw()).then(|| subject.to_vec())
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    parse_x509_certificate(der).ok().map(|(_, certificate)| certificate)
}

/// As RFC 4514 §2 writes it: the most specific part first.
fn name(name: &X509Name<'_>) -> Foreign {
    let parts: Vec<_> = name.iter_rdn().take(MOST_NAMES).collect();
    let mut text = String::new();
    for part in parts.into_iter().rev() {
        for (index, attribute) in part.iter().take(MOST_NAMES).enumerate() {
            match (text.is_empty(), index) {
                (true, _) => {}
                (false, 0) => text.push(','),
                (false, _) => text.push('+'),
            }
            let oid = attribute.attr_type();
            match oid2abbrev(oid, oid_registry()) {
                Ok(abbreviation) => text.push_str(abbreviation),
                Err(_) => text.push_str(&oid.to_id_string()),
            }
            text.push('=');
            for character in String::from_utf8_lossy(attribute.as_slice()).chars() {
                if matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                    text.push('\\');
                }
                text.push(character);
            }
        }
    }
    Foreign::new(text)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Foreign> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|it| it.value.general_names.as_slice()).unwrap_or_default();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some(Foreign::new(text))
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| Foreign::new(address.to_string()))
        }
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    };
    names.iter().filter_map(text).take(MOST_NAMES).collect()
}

fn moment(time: ASN1Time) -> SystemTime {
    let since = time.timestamp();
    let span = Duration::from_secs(since.unsigned_abs());
    let moment = if since < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(span)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(span)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How many names of one certificate are kept: the largest that are sold hold 250.
const MOST_NAMES: usize = 250;
