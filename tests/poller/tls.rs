//! TLS to the vendor and the proxy on the way there. The store of trust and the environment belong
//! to a process, so each look is one of the program's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use branchline::poller::{Haste, Poller, Settings};
use branchline::telephony::Snapshot;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::fake::{Fake, TOKEN, healthy};
use crate::problems;

/// A host on which one authority is installed, and no other.
struct Host {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// What a server shows.
struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Host {
    fn trusting(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is chance");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it is complete");
        fs::write(folder.path().join("store.pem"), authority.pem()).expect("the folder is ours");
        Self { folder, authority }
    }

    /// A certificate of the authority of this host.
    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = params();
        change(&mut params);
        let key = KeyPair::generate().expect("there is chance");
        let certificate = params.signed_by(&key, &self.authority).expect("it is complete");
        Identity { certificate, key }
    }

    /// Why the state of the vendor at `url` cannot be read: the reason and the message of its
    /// edges; `None` where it can.
    async fn problem(&self, url: &str, variables: &[(&str, &str)]) -> Option<(String, String)> {
        let config = format!(
            "[site]\nname = \"lyon\"\n\n[telephony]\nbase_url = \"{url}\"\nlogin_url = \"{url}\"\n\
             client_id = \"a-client\"\nclient_secret = {{ env = \"VENDOR_SECRET\" }}\n"
        );
        let path = self.folder.path().join("branchline.toml");
        fs::write(&path, config).expect("the folder is ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
        for proxy in
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(proxy);
        }
        command
            .args(["check", "--format", "json", "--config"])
            .arg(&path)
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", self.folder.path().join("store.pem"))
            .env("VENDOR_SECRET", "hunter2")
            .envs(variables.iter().copied());
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.expect("nobody panicked").expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr))
        });
        let problem = &report["state"]["edges"]["problem"];
        let word = |key| problem[key].as_str().map(str::to_owned);
        Some((word("reason")?, word("message")?))
    }
}

/// A server's certificate for 127.0.0.1 that is valid for long.
fn params() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

/// A server that ends TLS before the fake.
struct Front {
    url: String,
    server: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Front {
    async fn of(fake: &Fake, identity: Identity) -> Self {
        Self::speaking(&[&TLS12, &TLS13], fake, identity).await
    }

    async fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        fake: &Fake,
        identity: Identity,
    ) -> Self {
        let behind = fake.url.trim_start_matches("http://").to_owned();
        let chain = vec![CertificateDer::from(identity.certificate)];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the library knows them")
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from(identity.key))
            .expect("the key belongs to it");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut connection) = acceptor.accept(connection).await else { return };
                    let mut real = TcpStream::connect(behind).await.expect("the fake listens");
                    let _ = copy_bidirectional(&mut connection, &mut real).await;
                });
            }
        });
        Self { url, server }
    }
}

/// A proxy that knows CONNECT and remembers whom it connected.
struct Proxy {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let server = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(connection.read_u8().await.expect("a request"));
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let first = head.lines().next().unwrap_or_default().to_owned();
                    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    log.lock().expect("a lock").push(head);
                    let mut real = TcpStream::connect(target).await.expect("it listens");
                    let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
                    connection.write_all(answer).await.expect("a client");
                    let _ = copy_bidirectional(&mut connection, &mut real).await;
                });
            }
        });
        Self { url, seen, server }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("a lock").clone()
    }
}

#[tokio::test]
async fn a_server_that_the_host_trusts_is_read_over_tls_1_2_and_1_3() {
    let host = Host::trusting("Example");
    for version in [&TLS12, &TLS13] {
        let fake = Fake::start(healthy).await;
        let front = Front::speaking(&[version], &fake, host.issue(|_| {})).await;

        assert_eq!(host.problem(&front.url, &[]).await, None);
        assert_eq!(fake.count(TOKEN), 1);
    }
}

// F20
#[tokio::test]
async fn a_certificate_that_does_not_hold_is_named_and_no_secret_is_sent() {
    let (host, fake) = (Host::trusting("Example"), Fake::start(healthy).await);
    let stranger = Host::trusting("Somebody else");
    let key = KeyPair::generate().expect("there is chance");
    let certificate = params().self_signed(&key).expect("it is complete");
    let cases = [
        (host.issue(|it| it.not_after = date_time_ymd(2021, 1, 1)), "expired"),
        (host.issue(|it| it.not_before = date_time_ymd(2039, 1, 1)), "not valid yet"),
        (
            host.issue(|it| {
                let names = CertificateParams::new(vec!["api.example.net".to_owned()]);
                it.subject_alt_names = names.expect("a name").subject_alt_names;
            }),
            "not valid for name",
        ),
        (stranger.issue(|_| {}), "UnknownIssuer"),
        (Identity { certificate, key }, "self-signed"),
    ];
    for (identity, words) in cases {
        let front = Front::of(&fake, identity).await;

        let (reason, message) = host.problem(&front.url, &[]).await.expect("a problem");

        assert_eq!(reason, "tls", "{message}");
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(fake.seen().is_empty());
}

/// A server of another make, which speaks one version of TLS.
struct OpenSsl {
    url: String,
    child: Child,
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl OpenSsl {
    fn start(host: &Host, version: &str) -> Self {
        let identity = host.issue(|_| {});
        let [certificate, key] = ["server.pem", "key.pem"].map(|it| host.folder.path().join(it));
        fs::write(&certificate, identity.certificate.pem()).expect("the folder is ours");
        fs::write(&key, identity.key.serialize_pem()).expect("the folder is ours");
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", version])
            .args(["-cipher", "DEFAULT@SECLEVEL=0"])
            .arg("-cert")
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned))
            .expect("openssl s_server accepts");
        // It writes on, and has to be heard.
        std::thread::spawn(move || lines.for_each(drop));
        Self { url: format!("https://{address}"), child }
    }
}

// F20
#[tokio::test]
async fn a_handshake_that_stalls_or_is_cut_off_is_never_followed_by_plaintext() {
    for stalls in [true, false] {
        let login = Fake::start(healthy).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let api_url = format!("https://{}", listener.local_addr().expect("an address"));
        let first_bytes = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&first_bytes);
        let server = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let byte = connection.read_u8().await.ok();
                log.lock().expect("a lock").push(byte);
                held.extend(stalls.then_some(connection));
            }
        });
        let settings = Settings { api_url, ..login.settings() };
        let haste = Haste { waits: 1_000, limits: 20, reading: 1 };
        let poller = Poller::hasty(settings, haste).expect("a poller");

        let snapshot = poller.read(&Snapshot::default()).await;

        for problem in problems(&snapshot) {
            assert_eq!(problem.map(|it| it.label()), Some("unreachable"));
        }
        let first_bytes = first_bytes.lock().expect("a lock").clone();
        assert!(!first_bytes.is_empty());
        // RFC 8446 §5.1: 22 begins a record of the handshake.
        assert!(first_bytes.iter().all(|byte| *byte == Some(22)), "{first_bytes:?}");
        server.abort();
    }
}

// F20
#[tokio::test]
async fn tls_below_1_2_is_refused() {
    let host = Host::trusting("Example");
    let server = OpenSsl::start(&host, "-tls1_1");

    let (reason, message) = host.problem(&server.url, &[]).await.expect("a problem");

    assert_eq!(reason, "tls", "{message}");
    assert!(message.contains("ProtocolVersion"), "{message}");
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_unless_the_host_is_excepted() {
    let (host, fake, proxy) =
        (Host::trusting("Example"), Fake::start(healthy).await, Proxy::start().await);
    let front = Front::of(&fake, host.issue(|_| {})).await;

    let direct =
        host.problem(&front.url, &[("HTTPS_PROXY", &proxy.url), ("NO_PROXY", "127.0.0.1")]).await;
    let before = proxy.seen().len();
    let proxied = host.problem(&front.url, &[("HTTPS_PROXY", &proxy.url)]).await;

    assert_eq!((direct, before), (None, 0));
    assert_eq!(proxied, None);
    let seen = proxy.seen();
    let authority = front.url.trim_start_matches("https://");
    assert!(!seen.is_empty());
    for head in seen {
        assert!(head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")), "{head}");
        assert!(!head.to_lowercase().contains("\r\nauthorization:"), "{head}");
    }
}
