//! Secrets and the command line's words: where they come from, and that they never show.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use branchline::config::{self, ConfigError, Plan, Surroundings};
use branchline_probes::{PROBES, Probe};

use super::{MARKER, MINIMAL, REGISTER, parse, surroundings};

const TELEPHONY: &str = "[site]\nname = \"lyon\"\n\n[telephony]\n";

fn probe(name: &str) -> &'static dyn Probe {
    PROBES.iter().copied().find(|probe| probe.name() == name).expect("the probe is listed")
}

#[test]
fn control_characters_in_a_secret_or_a_variable_are_refused() {
    let surroundings = Surroundings::empty()
        .with_variable("MARKED", "hunter2-marker\r\nX: y")
        .with_variable("GENESYS_CLIENT_ID", "hunter2-marker\n")
        .with_variable("GENESYS_CLIENT_SECRET", "hunter2-marker\0")
        .with_variable("GENESYSCLOUD_REGION", "hunter2\r\nmarker");

    let register = config::parse("f", REGISTER, &surroundings).err().expect("it is refused");
    let telephony = config::parse("f", TELEPHONY, &surroundings).err().expect("it is refused");

    assert!(register.is_credentials());
    assert!(!telephony.is_credentials());
    for text in [register.to_string(), telephony.to_string()] {
        assert!(!text.contains(MARKER) && !text.contains('\r'), "{text}");
    }
}

#[test]
fn a_secret_is_never_shown_wherever_it_was_written() {
    let plan = parse(REGISTER).expect("it is valid");

    let shown = config::show(&plan);
    assert!(shown.contains("password = \"<secret>\"\n"), "{shown}");
    assert!(!shown.contains(MARKER) && !plan.checks[0].fingerprint.contains(MARKER));

    for wrong in [
        format!("password = \"{MARKER}\""),
        format!("password = [\"{MARKER}\"]"),
        format!("password = {MARKER}"),
        format!("password = \"{MARKER}"),
        format!("password = {{ value = \"{MARKER}\" }}"),
        format!("password = {{ env = [\"{MARKER}\"] }}"),
        format!("pasword = \"{MARKER}\""),
        format!("sip_secret = \"{MARKER}\""),
        format!("password.credential.token = \"{MARKER}\""),
        format!("password = \"{MARKER}\"\npassword = \"{MARKER}\""),
    ] {
        let text = REGISTER.replace("password = { env = \"MARKED\" }", &wrong);
        let error = parse(&text).err().expect("it is refused");

        assert!(!error.to_string().contains(MARKER), "{wrong}\n{error}");
        assert!(!format!("{error:?}").contains(MARKER), "{wrong}");
        assert!(!error.summary().contains(MARKER), "{wrong}");
    }
}

#[test]
fn credentials_of_the_vendor_come_from_the_environment_where_the_file_names_none() {
    let names = [
        ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET"),
        ("GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"),
    ];
    for (id, secret) in names {
        let surroundings = Surroundings::empty()
            .with_variable(id, "the-id")
            .with_variable(secret, MARKER)
            .with_variable("GENESYSCLOUD_REGION", "eu-central-1");

        let plan = config::parse("f", TELEPHONY, &surroundings).expect("it is valid");

        assert!(!config::show(&plan).contains(MARKER));
        let telephony = plan.telephony.expect("it is configured");
        assert_eq!(telephony.api_url, "https://api.mypurecloud.de");
        assert_eq!(telephony.login_url, "https://login.mypurecloud.de");
        assert_eq!(telephony.client_id, "the-id");
        assert_eq!(telephony.client_secret.expose(), MARKER);
        assert_eq!(telephony.interval, Duration::from_secs(60));

        let none = config::parse("f", MINIMAL, &surroundings).expect("it is valid");
        assert!(none.telephony.is_none(), "without [telephony] the vendor is not asked");
    }
}

#[test]
fn what_the_file_names_wins_over_the_environment() {
    let surroundings = surroundings()
        .with_variable("GENESYS_CLIENT_ID", "other")
        .with_variable("GENESYS_CLIENT_SECRET", "other")
        .with_variable("GENESYSCLOUD_REGION", "no-such-region");
    let text = format!(
        "{TELEPHONY}base_url = \"http://127.0.0.1:8080/\"\nlogin_url = \"http://[::1]:8081\"\n\
         client_id = \"mine\"\nclient_secret = {{ env = \"MARKED\" }}\ninterval = \"2m\"\n"
    );

    let plan = config::parse("f", &text, &surroundings).expect("it is valid");

    let telephony = plan.telephony.expect("it is configured");
    assert_eq!(telephony.api_url, "http://127.0.0.1:8080");
    assert_eq!(telephony.login_url, "http://[::1]:8081");
    assert_eq!(telephony.client_id, "mine");
    assert_eq!(telephony.client_secret.expose(), MARKER);
    assert_eq!(telephony.interval, Duration::from_secs(120));
}

#[test]
fn missing_credentials_are_told_apart_from_a_wrong_file() {
    let missing = parse(&format!("{TELEPHONY}region = \"eu-central-1\"\n")).err();
    let both = parse(&format!("{TELEPHONY}region = \"eu-central-1\"\nregoin = 1\n")).err();
    let inline = REGISTER.replace("{ env = \"MARKED\" }", "\"inline\"");
    let inline = parse(&inline).err();

    assert!(missing.is_some_and(|error| error.is_credentials()));
    assert!(both.is_some_and(|error| !error.is_credentials()));
    assert!(inline.is_some_and(|error| !error.is_credentials()));
}

/// What the password of [`REGISTER`] becomes when it is read by this reference.
fn with_reference(reference: &str, directory: Option<&Path>) -> Result<Plan, ConfigError> {
    let text = REGISTER.replace("{ env = \"MARKED\" }", reference);
    let mut surroundings = Surroundings::empty();
    if let Some(directory) = directory.and_then(Path::to_str) {
        surroundings = surroundings.with_variable("CREDENTIALS_DIRECTORY", directory);
    }
    config::parse("branchline.toml", &text, &surroundings)
}

// D-LOC-1
#[test]
fn a_credential_file_is_read_whole_and_refused_where_others_may_read_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("sip-password");
    let write = |bytes: &[u8], mode| {
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let by_file = || with_reference(&format!("{{ file = \"{}\" }}", path.display()), None);
    let by_credential =
        || with_reference("{ credential = \"sip-password\" }", Some(directory.path()));
    let refused = |result: Result<Plan, ConfigError>, words: &str| {
        let error = result.err().expect("it is refused");
        let text = error.to_string();
        assert!(error.is_credentials() && text.contains(words), "{text}");
        assert!(text.starts_with("error: branchline.toml:9:12: "), "{text}");
        assert!(!text.contains(MARKER), "{text}");
    };

    write(b"hunter2-marker\n", 0o600);
    let with_newline = by_file().expect("it is private");
    write(b"hunter2-marker", 0o400);
    let without = by_credential().expect("it is in $CREDENTIALS_DIRECTORY");
    assert!(with_newline.checks[0].is_unchanged(&without.checks[0]), "the newline is not part");

    for mode in [0o640, 0o604, 0o620, 0o644] {
        write(MARKER.as_bytes(), mode);
        refused(by_file(), &format!("can be read by others (mode {mode:04o})"));
    }
    write(MARKER.as_bytes(), 0o444);
    assert!(by_credential().is_ok(), "systemd guards its directory itself");

    write(b"\n", 0o600);
    refused(by_file(), "is empty");
    refused(by_credential(), "is empty");
    write(b"hunter2-marker\nsecond line\n", 0o600);
    refused(by_file(), "holds control characters");
    write(b"hunter2-marker\xff", 0o600);
    refused(by_file(), "is not UTF-8 text");
    write(&vec![b'x'; (64 << 10) + 1], 0o600);
    refused(by_file(), "is larger than 64 KiB");
    fs::remove_file(&path).expect("it is there");
    refused(by_file(), "cannot be read: there is no such file");
    refused(by_credential(), "cannot be read: there is no such file");
    fs::create_dir(&path).expect("the name is free");
    refused(by_file(), "cannot be read: it is a directory");
    fs::remove_dir(&path).expect("it is empty");
    pipe(&path);
    refused(by_file(), "cannot be read: it is no regular file");
}

/// Makes a pipe that nobody writes to.
fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of coreutils");
}

// I2
#[test]
fn a_pipe_is_no_file_of_authorities_and_is_not_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    pipe(&path);
    let text = format!(
        "[site]\nname = \"lyon\"\n\n[modules.stun]\nprobe = \"stun-binding\"\n\
         transport = \"tls\"\nca_file = \"{}\"\n\n[[targets]]\nname = \"relay\"\n\
         address = \"192.0.2.10\"\nmodules = [\"stun\"]\n",
        path.display()
    );

    let error = config::parse("branchline.toml", &text, &Surroundings::empty()).err();

    let told = error.expect("it is refused").to_string();
    assert!(told.contains("which cannot be read: it is no regular file"), "{told}");
}

#[test]
fn a_credential_is_a_file_of_its_directory_and_of_no_other() {
    for name in ["..", ".", "../x", "/etc/passwd", "a/b"] {
        let error = with_reference(&format!("{{ credential = \"{name}\" }}"), Some(Path::new("/")))
            .err()
            .expect("it is refused");

        assert!(error.to_string().contains("has a name that is no file name"), "{error}");
        assert!(!error.is_credentials());
    }
}

fn words(words: &[(&str, &str)]) -> Vec<(String, String)> {
    words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn words_of_the_command_line_make_a_module() {
    let make = |name, options: &[(&str, &str)]| {
        config::module_from_words(probe(name), &words(options), &surroundings())
    };

    let stun = make("stun-binding", &[]).expect("defaults are enough");
    let dns = make("dns-query", &[("name", "example.net"), ("timeout", "3s")]);
    let sip = [
        ("address_of_record", "sip:probe@example.net"),
        ("password", "env:MARKED"),
        ("allow_cleartext", "true"),
    ];
    let sip = make("sip-register", &sip).expect("the secret is found");

    assert_eq!(stun.timeout(), Duration::from_millis(39_500));
    assert_eq!(dns.expect("both are options").timeout(), Duration::from_secs(3));
    assert_eq!(sip.default_port(), 5060);
}

#[test]
fn wrong_words_of_the_command_line_are_told_without_a_line() {
    let refusal = |name, options: &[(&str, &str)]| {
        config::module_from_words(probe(name), &words(options), &surroundings())
            .err()
            .map(|error| error.to_string())
            .expect("it is refused")
    };

    assert_eq!(
        refusal("dns-query", &[("name", "example.net"), ("tpye", "A")]),
        "error: --option: unknown option `tpye` of probe `dns-query`\n\nhint: did you mean `type`?"
    );
    assert_eq!(
        refusal("stun-binding", &[("timeout", "8")]),
        "error: --option: `timeout` takes a duration with its unit, such as \"8s\" or \"500ms\", \
         not what was given\n\nhint: when an exchange ends, clean-up included"
    );
    let twice = refusal("stun-binding", &[("timeout", "8s"), ("timeout", "9s")]);
    assert!(twice.starts_with("error: --option: `timeout` is given twice"), "{twice}");
    let missing = refusal("dns-query", &[]);
    assert!(missing.starts_with("error: --option: `name` of probe `dns-query` is missing"));
    for word in [MARKER, "", ":x", "env:", "vault:hunter2-marker"] {
        let inline = refusal("sip-register", &[("password", word)]);
        assert!(inline.contains("password=credential:NAME, password=file:PATH"), "{inline}");
        assert!(!inline.contains(MARKER), "{inline}");
    }
}

#[test]
fn a_missing_secret_of_the_command_line_is_a_credential_problem() {
    let given = [("address_of_record", "sip:probe@example.net"), ("password", "env:ABSENT")];

    let error =
        config::module_from_words(probe("sip-register"), &words(&given), &Surroundings::empty());

    assert!(error.err().is_some_and(|error| error.is_credentials()));
}
