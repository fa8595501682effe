//! Certificates for servers: an authority of the test's own, and what it vouches for.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{program, run_well};

/// An authority that nobody trusts who was not given its certificate; its files are gone when
/// this value is.
pub(crate) struct Authority {
    folder: TempDir,
}

/// A server's certificate and key, in PEM.
pub(crate) struct Identity {
    /// The path of the certificate.
    pub(crate) certificate: PathBuf,
    /// The path of its private key.
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes one.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for certificates");
        let authority = Self { folder };
        let mut request = authority.request("ca", "/CN=branch test authority");
        request.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        request.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        run_well(&request);
        authority
    }

    /// The path of its own certificate, in PEM: what a client must be given.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Makes a certificate for a server of these names and addresses.
    #[track_caller]
    pub(crate) fn vouch_for(&self, names: &[&str]) -> Identity {
        let file = names.join("+").replace(':', "-");
        let names: Vec<String> = names
            .iter()
            .map(|name| {
                let kind = if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
                format!("{kind}:{name}")
            })
            .collect();
        let mut request = self.request(&file, "/CN=branch test server");
        request.arg("-CA").arg(self.path()).arg("-CAkey").arg(self.folder.path().join("ca.key"));
        request.args(["-addext", &format!("subjectAltName={}", names.join(","))]);
        request.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        request.args(["-addext", "keyUsage=critical,digitalSignature"]);
        request.args(["-addext", "extendedKeyUsage=serverAuth"]);
        run_well(&request);
        let folder = self.folder.path();
        Identity {
            certificate: in_folder(folder, &file, "pem"),
            key: in_folder(folder, &file, "key"),
        }
    }

    fn request(&self, file: &str, subject: &str) -> Command {
        let folder = self.folder.path();
        let config = folder.join("openssl.cnf");
        // The system's own configuration would add extensions of its own.
        fs::write(&config, "[req]\ndistinguished_name = name\n[name]\n")
            .expect("the folder is ours to write to");
        let mut request = Command::new(program("openssl", "openssl"));
        request.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        request.args(["-nodes", "-sha256", "-days", "2", "-subj", subject, "-config"]);
        request.arg(config).arg("-keyout").arg(in_folder(folder, file, "key"));
        request.arg("-out").arg(in_folder(folder, file, "pem"));
        request
    }
}

fn in_folder(folder: &Path, file: &str, kind: &str) -> PathBuf {
    folder.join(format!("{file}.{kind}"))
}
