//! A module's client certificate and its key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use branchline::config::{self, Plan, Surroundings};
use branchline_probes::PROBES;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use tempfile::TempDir;

/// A folder with `client.pem` and `client.key`, which belong together, and `other.key`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("there is room"));
        let key = KeyPair::generate().expect("there is chance");
        folder.write("client.pem", &certificate(&key));
        folder.write("client.key", &key.serialize_pem());
        folder.write("other.key", &KeyPair::generate().expect("there is chance").serialize_pem());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the folder is ours");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.path(name), private).expect("it is ours");
    }

    /// What openssl makes of these words; it is part of every machine that tests run on.
    fn openssl(&self, words: &[&str]) {
        let made = Command::new("openssl").args(words).current_dir(self.0.path()).output();
        let made = made.expect("openssl is there");
        assert!(made.status.success(), "{words:?}: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// The plan of a module over TLS with these lines.
    fn parse(&self, lines: &str) -> Result<Plan, String> {
        let text = self.text(lines);
        let surroundings = Surroundings::empty()
            .with_variable("CREDENTIALS_DIRECTORY", &self.0.path().display().to_string());
        config::parse("branchline.toml", &text, &surroundings).map_err(|error| error.to_string())
    }

    fn text(&self, lines: &str) -> String {
        let lines = lines.replace("FOLDER", &self.0.path().display().to_string());
        format!(
            "[site]\nname = \"lyon\"\n\n[modules.stun]\nprobe = \"stun-binding\"\n\
             transport = \"tls\"\n{lines}\n\n[[targets]]\nname = \"relay\"\n\
             address = \"192.0.2.10\"\nmodules = [\"stun\"]\n"
        )
    }

    /// With this key beside this certificate.
    fn with(&self, certificate: &str, key: &str) -> Result<Plan, String> {
        self.parse(&format!(
            "client_certificate = \"FOLDER/{certificate}\"\nclient_key = {{ file = \"FOLDER/{key}\" }}"
        ))
    }
}

fn certificate(key: &KeyPair) -> String {
    let params = CertificateParams::new(vec!["client.example".to_owned()]).expect("a name");
    params.self_signed(key).expect("it is complete").pem()
}

#[test]
fn a_certificate_with_its_key_makes_a_plan_that_shows_the_path_and_no_key() {
    let folder = Folder::new();
    let key = fs::read_to_string(folder.path("client.key")).expect("it is there");
    let body = key.lines().nth(1).expect("a key has lines").to_owned();

    let by_file = folder.with("client.pem", "client.key").expect("they belong together");
    let lines =
        "client_certificate = \"FOLDER/client.pem\"\nclient_key = { credential = \"client.key\" }";
    let by_credential = folder.parse(lines).expect("they belong together");

    for plan in [&by_file, &by_credential] {
        let shown = config::show(plan);
        let path = folder.path("client.pem").display().to_string();
        assert!(shown.contains(&format!("client_certificate = \"{path}\"\n")), "{shown}");
        assert!(shown.contains("client_key = \"<secret>\"\n"), "{shown}");
        assert!(!shown.contains(&body) && !plan.checks[0].fingerprint.contains(&body));
    }
    assert!(by_file.checks[0].is_unchanged(&by_credential.checks[0]));
}

#[test]
fn every_kind_of_key_that_openssl_writes_is_read() {
    let folder = Folder::new();
    for (name, words) in [
        ("rsa", &["genrsa", "-out", "rsa.key", "2048"][..]),
        ("pkcs1", &["genrsa", "-traditional", "-out", "pkcs1.key", "2048"]),
        ("sec1", &["ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.key"]),
    ] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        folder.openssl(words);
        let request = ["req", "-x509", "-key", &key, "-subj", "/CN=client", "-out", &certificate];
        folder.openssl(&request);
        fs::set_permissions(folder.path(&key), fs::Permissions::from_mode(0o600)).expect("ours");

        assert!(folder.with(&certificate, &key).is_ok(), "{name}");
    }
    for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).expect("there is chance");
        folder.write("pkcs8.pem", &certificate(&key));
        folder.write("pkcs8.key", &key.serialize_pem());

        assert!(folder.with("pkcs8.pem", "pkcs8.key").is_ok(), "{algorithm:?}");
    }
}

#[test]
fn what_no_handshake_could_use_is_refused_at_its_line_with_a_way_out() {
    let folder = Folder::new();
    let marker = "hunter2-marker";
    folder.write("text.key", marker);
    folder.write("stray.key", "-----BEGIN PRIVATE KEY-----\0\n");
    folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder.openssl(&[
        "pkey",
        "-in",
        "client.key",
        "-aes128",
        "-passout",
        "pass:x",
        "-out",
        "e.key",
    ]);
    folder.openssl(&["genrsa", "-out", "short.key", "1024"]);
    for key in ["e.key", "short.key"] {
        fs::set_permissions(folder.path(key), fs::Permissions::from_mode(0o600)).expect("ours");
    }
    // The line of client_certificate is 7, that of client_key 8.
    for (certificate, key, line, problem, hint) in [
        (
            "client.pem",
            "other.key",
            8,
            "is not the key of the first certificate",
            "own certificate",
        ),
        ("client.pem", "text.key", 8, "holds no private key in PEM", "BEGIN PRIVATE KEY"),
        ("client.pem", "client.pem", 8, "holds no private key in PEM", "BEGIN PRIVATE KEY"),
        ("client.pem", "e.key", 8, "is encrypted", "openssl pkey"),
        ("client.pem", "short.key", 8, "holds a key that cannot sign here", "2048 bits"),
        ("client.pem", "stray.key", 8, "holds control characters", "printable"),
        ("broken.pem", "client.key", 7, "a certificate that cannot be read", "issued again"),
        ("client.key", "client.key", 7, "holds no certificate in PEM", "BEGIN CERTIFICATE"),
    ] {
        let told = folder.with(certificate, key).err().expect("it is refused");

        let place = format!("error: branchline.toml:{line}:");
        assert!(told.starts_with(&place), "{certificate} {key}: {told}");
        assert!(told.contains(problem) && told.contains(hint), "{certificate} {key}: {told}");
        assert!(!told.contains(marker), "{told}");
    }
}

#[test]
fn one_without_the_other_or_without_tls_is_refused() {
    let folder = Folder::new();
    let certificate = "client_certificate = \"FOLDER/client.pem\"";
    let key = "client_key = { file = \"FOLDER/client.key\" }";
    let refusal = |lines: &str| folder.parse(lines).err().expect("it is refused");

    let alone = refusal(certificate);
    assert!(alone.contains("`client_certificate` of module `stun` is set without `client_key`"));
    assert!(alone.contains("hint: add client_key: a reference to a private key in PEM"), "{alone}");
    let alone = refusal(key);
    assert!(alone.contains("`client_key` of module `stun` is set without `client_certificate`"));
    let both = format!("{certificate}\n{key}");
    let text = folder.text(&both).replace("transport = \"tls\"", "transport = \"tcp\"");
    let over_tcp = config::parse("f", &text, &Surroundings::empty()).err().map(|it| it.to_string());
    assert!(over_tcp.is_some_and(|told| told.contains("has no meaning over tcp")));
}

#[test]
fn a_key_that_stands_in_the_file_itself_is_refused_and_not_repeated() {
    let folder = Folder::new();
    let key = fs::read_to_string(folder.path("client.key")).expect("it is there");
    let body = key.lines().nth(1).expect("a key has lines");
    for wrong in [
        format!("client_key = \"\"\"\n{key}\"\"\""),
        format!("client_key = [\"{body}\"]"),
        format!("client_kye = \"{body}\""),
        format!("client_key = \"{body}"),
        format!("client_certificate = {{ file = \"{body}\" }}"),
    ] {
        let told = folder.parse(&wrong).err().expect("it is refused");

        assert!(!told.contains(body), "{told}");
    }
}

#[test]
fn a_key_of_the_command_line_comes_by_reference() {
    let folder = Folder::new();
    let stun = PROBES.iter().copied().find(|it| it.name() == "stun-binding").expect("it is listed");
    let path = |name: &str| folder.path(name).display().to_string();
    let make = |key: String| {
        let words = [
            ("transport".to_owned(), "tls".to_owned()),
            ("client_certificate".to_owned(), path("client.pem")),
            ("client_key".to_owned(), key),
        ];
        config::module_from_words(stun, &words, &Surroundings::empty())
            .err()
            .map(|error| error.to_string())
    };

    assert_eq!(make(format!("file:{}", path("client.key"))), None);
    let other = make(format!("file:{}", path("other.key"))).expect("it is another's");
    assert!(other.contains("`client_key` of probe `stun-binding` is not the key"), "{other}");
    let inline = make("-----BEGIN PRIVATE KEY-----".to_owned()).expect("it is none");
    assert!(inline.contains("client_key=file:PATH"), "{inline}");
}
