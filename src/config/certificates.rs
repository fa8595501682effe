//! Files of certificates: of authorities that a server's certificate may come from, or a chain.

use std::io::Read as _;
use std::path::Path;

use branchline_probes::{Certificates, Foreign};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::reader::Reader;
use super::regular::{io_words, open_regular};

/// Reads every certificate of a file; what stands in the way is reported.
pub(super) fn read(
    path: &str,
    owner: &str,
    at: Option<usize>,
    reader: &mut Reader<'_>,
) -> Option<Certificates> {
    let shown = Foreign::new(path);
    let mut text = Vec::new();
    let read =
        open_regular(Path::new(path)).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
    if let Err(error) = read {
        let message = format!("{owner} names {shown}, which cannot be read: {}", io_words(&error));
        let hint = "name a file of certificates in PEM that this user may read";
        reader.report(at, message, Some(hint.to_owned()));
        return None;
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => {
            Some(Certificates { source: path.to_owned(), certificates: certificates.into() })
        }
        Ok(_) | Err(_) => {
            let message = format!("{owner} names {shown}, which holds no certificate in PEM");
            let hint = "it begins with -----BEGIN CERTIFICATE-----";
            reader.report(at, message, Some(hint.to_owned()));
            None
        }
    }
}

/// A bundle of every public authority is a quarter of this.
const LARGEST: u64 = 1 << 20;
