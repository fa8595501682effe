//! Certificates for servers and clients: an authority of the test's own, and what it vouches for.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{program, run_well};

/// An authority that nobody trusts who was not given its certificate; its files are gone when
/// this value is.
pub(crate) struct Authority {
    folder: TempDir,
}

/// A certificate and its key, in PEM.
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
        let path = folder.path().display();
        let config = format!(
            "[req]\ndistinguished_name = name\n[name]\n\
             [ca]\ndefault_ca = authority\n\
             [authority]\ncertificate = {path}/ca.pem\nprivate_key = {path}/ca.key\n\
             database = {path}/issued\nnew_certs_dir = {path}\nrand_serial = yes\n\
             unique_subject = no\n\
             default_md = sha256\npolicy = any\ncopy_extensions = copy\n\
             [any]\ncommonName = supplied\n"
        );
        let write = |name, text: &str| fs::write(folder.path().join(name), text);
        write(CONFIG, &config).and_then(|()| write("issued", "")).expect("the folder is ours");
        let authority = Self { folder };
        let mut sign = authority.openssl(&["req", "-x509", "-subj", "/CN=branch test authority"]);
        sign.args(NEW_KEY).args(["-days", "2", "-sha256"]);
        sign.arg("-keyout").arg(authority.folder.path().join("ca.key"));
        sign.arg("-out").arg(authority.path());
        sign.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        sign.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        run_well(&sign);
        authority
    }

    /// The path of its own certificate, in PEM: what a client must be given.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Makes a certificate for a server of these names and addresses.
    #[track_caller]
    pub(crate) fn vouch_for(&self, names: &[&str]) -> Identity {
        self.vouch(&Asked::server(names), &["-days", "2"])
    }

    /// Makes one for a client of this name, which a server may ask for.
    #[track_caller]
    pub(crate) fn vouch_for_client(&self, name: &str) -> Identity {
        let asked =
            Asked { name, alternatives: "DNS:client.example".to_owned(), usage: "clientAuth" };
        self.vouch(&asked, &["-days", "2"])
    }

    /// Makes one that ran out years ago.
    #[track_caller]
    pub(crate) fn vouched_once_for(&self, names: &[&str]) -> Identity {
        self.vouch(
            &Asked::server(names),
            &["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"],
        )
    }

    fn vouch(&self, asked: &Asked<'_>, validity: &[&str]) -> Identity {
        let folder = self.folder.path();
        let key = tempfile::Builder::new().suffix(".key").tempfile_in(folder);
        let (_, key) = key.and_then(|file| Ok(file.keep()?)).expect("the folder is ours");
        let (request, certificate) = (key.with_extension("csr"), key.with_extension("pem"));
        let subject = format!("/CN={}", asked.name);
        let mut ask = self.openssl(&["req", "-new", "-subj", &subject]);
        ask.args(NEW_KEY).arg("-keyout").arg(&key).arg("-out").arg(&request);
        ask.args(["-addext", &format!("subjectAltName={}", asked.alternatives)]);
        ask.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        ask.args(["-addext", "keyUsage=critical,digitalSignature"]);
        ask.args(["-addext", &format!("extendedKeyUsage={}", asked.usage)]);
        run_well(&ask);
        let mut sign = self.openssl(&["ca", "-batch", "-notext"]);
        run_well(sign.args(validity).arg("-in").arg(request).arg("-out").arg(&certificate));
        Identity { certificate, key }
    }

    fn openssl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("openssl", "openssl"));
        command.args(arguments).arg("-config").arg(self.folder.path().join(CONFIG));
        command
    }
}

/// What a certificate is asked for.
struct Asked<'a> {
    name: &'a str,
    /// As OpenSSL writes a subjectAltName.
    alternatives: String,
    usage: &'static str,
}

impl Asked<'_> {
    /// A server of these names and addresses.
    fn server(names: &[&str]) -> Self {
        let alternatives: Vec<String> = names
            .iter()
            .map(|name| {
                let kind = if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
                format!("{kind}:{name}")
            })
            .collect();
        let alternatives = alternatives.join(",");
        Self { name: "branch test server", alternatives, usage: "serverAuth" }
    }
}

/// A key of its own, readable without a password.
const NEW_KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// What the authority is told, in its folder: the system's own would add extensions.
const CONFIG: &str = "openssl.cnf";
