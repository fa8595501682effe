//! An office that holds secrets, and the binary that is driven there.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use branchline_lab::{Cloud, Scenario};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A secret in every spelling that a careless line could have.
pub(crate) struct Marker {
    what: &'static str,
    spellings: Vec<String>,
}

impl Marker {
    pub(crate) fn new(what: &'static str, secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let mut hex = String::new();
        let mut url = String::new();
        for byte in bytes {
            // Writing into a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            if byte.is_ascii_alphanumeric() {
                url.push(char::from(*byte));
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        let mut spellings = vec![
            secret.to_owned(),
            hex.to_uppercase(),
            hex,
            url.replace("%20", "+"),
            url.to_lowercase(),
            url,
            format!("{secret:?}").trim_matches('"').to_owned(),
        ];
        // Behind a user's name and a colon it may begin at any of three places; what depends on
        // its neighbours is cut off.
        for before in 0..3 {
            let behind = [vec![0; before], bytes.to_vec()].concat();
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let own = (before * 8).div_ceil(6)..behind.len() * 8 / 6;
                spellings.push(engine.encode(&behind)[own].to_owned());
            }
        }
        Self { what, spellings }
    }

    /// The spelling that a text holds.
    pub(crate) fn found_in(&self, text: &[u8]) -> Option<&str> {
        let holds = |it: &&String| text.windows(it.len()).any(|part| part == it.as_bytes());
        self.spellings.iter().find(holds).map(String::as_str)
    }
}

/// The cloud of the lab, a configuration to meet it with, and the secrets in it.
pub(crate) struct Office {
    cloud: Cloud,
    folder: TempDir,
    config: PathBuf,
    markers: Vec<Marker>,
}

impl Office {
    /// Every secret is the right one.
    pub(crate) fn trusted() -> Self {
        let cloud = healthy();
        let config = cloud.config().to_owned();
        let (folder, key) = (folder(), client_key());
        write_identity(folder.path(), &key);
        let beside = |name| {
            fs::read_to_string(config.with_file_name(name)).expect("the lab writes its secrets")
        };
        let client = beside("client-secret");
        let markers = vec![
            Marker::new("the SIP password", &beside("sip-password")),
            Marker::new("the TURN password", &beside("turn-password")),
            Marker::new("the client secret", &client),
            Marker::new("the token", &token(cloud.addresses().api, &client)),
        ];
        let markers = markers.into_iter().chain(markers_of(&key)).collect();
        Self { cloud, folder, config, markers }
    }

    /// Every secret is a wrong one, full of characters that are spelled in many ways.
    pub(crate) fn mistaken() -> Self {
        let (cloud, folder) = (healthy(), folder());
        let secrets = [
            ("sip-password", "the SIP password", "sip hunter2 /&%=+?\"\\ marker"),
            ("turn-password", "the TURN password", "turn hunter2 /&%=+?\"\\ marker"),
            ("client-secret", "the client secret", "api hunter2 /&%=+?\"\\ marker"),
        ];
        for (name, _, secret) in secrets {
            write_private(&folder.path().join(name), secret);
        }
        let authority = fs::read_to_string(cloud.config().with_file_name("relay-ca.pem"));
        write_private(&folder.path().join("relay-ca.pem"), &authority.expect("the lab writes it"));
        let text = fs::read_to_string(cloud.config()).expect("the lab writes it");
        let old = cloud.config().parent().expect("a file is in a folder").display().to_string();
        let config = folder.path().join("branchline.toml");
        write_private(&config, &text.replace(&old, &folder.path().display().to_string()));
        let key = client_key();
        write_identity(folder.path(), &key);
        let secrets = secrets.into_iter().map(|(_, what, secret)| Marker::new(what, secret));
        let markers = secrets.chain(markers_of(&key)).collect();
        Self { cloud, folder, config, markers }
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    pub(crate) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The file that holds the SIP password.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.config.with_file_name("sip-password")
    }

    /// Options that show the client certificate over TLS, and where its key is.
    pub(crate) fn identity(&self) -> [String; 2] {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let certificate = path("client.pem");
        [
            format!("client_certificate={certificate}"),
            format!("client_key=file:{}", path("client.key")),
        ]
    }

    /// Writes another configuration beside the first one.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        write_private(&path, text);
        path
    }

    /// The binary with everything that makes it talk, and with a folder of its own for whatever
    /// it may write.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let own = self.own();
        let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
        command.args(words).current_dir(&own).stdin(Stdio::null());
        for folder in ["HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env(folder, &own);
        }
        for level in ["BRANCHLINE_LOG", "RUST_LOG"] {
            command.env(level, "trace");
        }
        command.env("RUST_BACKTRACE", "full").env("BRANCHLINE_CONFIG", &self.config);
        command
    }

    /// Runs the binary to its end and gives what it said; nothing of it may be a secret.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        self.run_command(&mut self.command(words))
    }

    #[track_caller]
    pub(crate) fn run_command(&self, command: &mut Command) -> (Option<i32>, String) {
        let output = command.output().expect("the binary runs");
        let name = format!("{command:?}");
        self.assert_kept(&format!("the standard output of {name}"), &output.stdout);
        self.assert_kept(&format!("the standard error of {name}"), &output.stderr);
        self.assert_files_kept();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    pub(crate) fn assert_kept(&self, place: &str, text: &[u8]) {
        for marker in &self.markers {
            let found = marker.found_in(text);
            let shown = String::from_utf8_lossy(text);
            assert_eq!(found, None, "{place} tells {}:\n{shown}", marker.what);
        }
    }

    /// Nothing that the binary wrote to its own folder holds a secret.
    #[track_caller]
    pub(crate) fn assert_files_kept(&self) {
        let mut open = vec![self.own()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).expect("it is ours") {
                let path = entry.expect("it can be listed").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let bytes = fs::read(&path).expect("it is ours");
                    self.assert_kept(&path.display().to_string(), &bytes);
                }
            }
        }
    }

    pub(crate) fn start_daemon(&self) -> Daemon {
        let log = self.folder.path().join("daemon.log");
        let output = File::create(&log).expect("the folder is ours");
        let errors = output.try_clone().expect("a file can be opened twice");
        let config = self.config.display().to_string();
        let child = self
            .command(&["run", "--config", &config])
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("the binary runs");
        Daemon { child, log, web: self.cloud.addresses().web }
    }

    fn own(&self) -> PathBuf {
        let own = self.folder.path().join("own");
        fs::create_dir_all(&own).expect("the folder is ours");
        own
    }
}

/// `branchline run`, gone when the test is.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    web: SocketAddr,
}

impl Daemon {
    /// Asks a page until its answer is as it should be, and gives it.
    #[track_caller]
    pub(crate) fn await_page(&mut self, path: &str, is_it: impl Fn(&str) -> bool) -> String {
        let web = self.web;
        self.await_answer(path, || {
            let request = format!("GET {path} HTTP/1.0\r\nHost: {web}\r\n\r\n");
            let answer = ask(web, &request).unwrap_or_default();
            is_it(&answer).then_some(answer)
        })
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill -"$0" "$1""#, name, &id]).status();
        assert!(sent.expect("there is a shell").success(), "{name} could not be sent");
    }

    /// Ends it as systemd does, and gives how it ended and what it logged.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("a child can be asked") {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it does not end: {}", self.logged()),
            }
            pause();
        };
        (status, self.logged())
    }

    fn logged(&self) -> String {
        fs::read_to_string(&self.log).expect("the log is ours")
    }

    #[track_caller]
    fn await_answer<T>(&mut self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            assert_eq!(ended, None, "it ended: {}", self.logged());
            assert!(Instant::now() < deadline, "{what} did not come: {}", self.logged());
            pause();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a page says when it is ready only to who asks")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn healthy() -> Cloud {
    let scenario = Scenario::named("healthy").expect("it is listed");
    Cloud::start(scenario).expect("loopback is there")
}

fn client_key() -> KeyPair {
    KeyPair::generate().expect("there is chance")
}

fn write_identity(folder: &Path, key: &KeyPair) {
    let params = CertificateParams::new(vec!["client.example".to_owned()]).expect("it is a name");
    let certificate = params.self_signed(key).expect("it is complete");
    write_private(&folder.join("client.pem"), &certificate.pem());
    write_private(&folder.join("client.key"), &key.serialize_pem());
}

/// Every line of the key but what all keys have: the armour, and the first bytes of the structure.
fn markers_of(key: &KeyPair) -> Vec<Marker> {
    let pem = key.serialize_pem();
    let lines = pem.lines().filter(|line| !line.starts_with("---"));
    let lines = lines.map(|line| Marker::new("the client's key", line));
    lines.collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

/// Writes a file that only its owner can read: others are refused.
fn write_private(path: &Path, text: &str) {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the folder is ours");
}

/// The token that the API gives to who has the secret.
fn token(api: SocketAddr, secret: &str) -> String {
    let body = "grant_type=client_credentials";
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("lab:{secret}"));
    let request = format!(
        "POST /oauth/token HTTP/1.0\r\nHost: {api}\r\nAuthorization: Basic {basic}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(api, &request).expect("the API answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    let body: Value = serde_json::from_str(body).expect("it is JSON");
    body["access_token"].as_str().expect("a token").to_owned()
}

/// One HTTP request, and all that comes back.
fn ask(server: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
