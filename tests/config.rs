//! The configuration: both files of `config/` are true, and every way to be wrong is told with its
//! place and the way out.

#[path = "config/identities.rs"]
mod identities;
#[path = "config/located.rs"]
mod located;
#[path = "config/names.rs"]
mod names;
#[path = "config/notifications.rs"]
mod notifications;
#[path = "config/profiles.rs"]
mod profiles;
#[path = "config/secrets.rs"]
mod secrets;
#[path = "config/shown.rs"]
mod shown;
#[path = "config/uris.rs"]
mod uris;
#[path = "config/webhooks.rs"]
mod webhooks;

use std::fs;
use std::path::Path;
use std::time::Duration;

use branchline::config::{self, ConfigError, EXAMPLE, Plan, Surroundings};
use branchline_probes::{Kind, PROBES, read_duration, show_duration};

use names::OUT_OF_NAMES;
use uris::{STRICT, strictly};
use webhooks::OUT_OF_WEBHOOKS;

const MARKER: &str = "hunter2-marker";

/// Long enough to sign with.
const LONG_MARKER: &str = "hunter2-marker-to-sign-with";

const MINIMAL: &str = include_str!("../config/minimal.toml");

const REGISTER: &str = r#"
[site]
name = "lyon"

[modules.register]
probe = "sip-register"
address_of_record = "sip:probe@example.net"
allow_cleartext = true
password = { env = "MARKED" }

[[targets]]
name = "registrar"
address = "sip.example.net"
modules = ["register"]
"#;

fn surroundings() -> Surroundings {
    Surroundings::empty()
        .with_variable("MARKED", MARKER)
        .with_variable("LONG", LONG_MARKER)
        .with_variable("OTHER", "hunter2-marker-of-another")
}

fn parse(text: &str) -> Result<Plan, ConfigError> {
    config::parse("branchline.toml", text, &surroundings())
}

fn refusal(text: &str) -> String {
    parse(text).err().map(|error| error.to_string()).expect("the text is refused")
}

// F29
#[test]
fn every_way_to_be_wrong_is_told_with_its_place_and_the_way_out() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut files: Vec<_> = fs::read_dir(&directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 25);
    let probes: Vec<_> = PROBES.iter().map(|probe| format!("`{}`", probe.name())).collect();

    for file in files {
        let text = fs::read_to_string(&file).expect("it can be read");
        let expected = fs::read_to_string(file.with_extension("expected")).expect("it has one");
        let expected = expected.replace("{probes}", &probes.join(", "));
        let name = file.file_name().expect("it has a name").to_string_lossy();

        let refusal = if name.starts_with(STRICT) { strictly(&text) } else { refusal(&text) };

        assert_eq!(refusal, expected.trim_end(), "{}", file.display());
        assert_eq!(parse(&text).is_ok(), name.starts_with(STRICT), "{}", file.display());
    }
}

#[test]
fn both_files_that_are_shipped_are_valid() {
    let example = parse(EXAMPLE).expect("the example is valid");
    let minimal = parse(MINIMAL).expect("the minimal file is valid");

    assert_eq!(example.site, "my-branch");
    assert_eq!(minimal.checks.len(), 1);
    assert_eq!(minimal.profile.name(), "sip-phone");
    assert_eq!(minimal.web.listen, ["127.0.0.1:9377".parse().expect("an address")]);
    assert!(minimal.telephony.is_none());
    let check = &minimal.checks[0];
    assert_eq!((&*check.target, &*check.host, check.port), ("relay", "turn.example.net", 3478));
    assert_eq!((check.interval, check.required), (Duration::from_secs(60), true));
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

/// The lines of the example's stanza for one probe: whether it is a default, key, value, and
/// the comment above it.
fn stanza(probe: &str) -> Vec<(bool, &'static str, &'static str, String)> {
    let start = EXAMPLE.find(&format!("probe = \"{probe}\"")).expect("the example has it");
    let mut comment = String::new();
    let mut lines = Vec::new();
    for line in EXAMPLE[start..].lines().skip(1).take_while(|line| !line.is_empty()) {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        match bare.split_once(" = ") {
            Some((key, value)) if key.bytes().all(is_key_byte) => {
                lines.push((bare.len() < line.len(), key, value, std::mem::take(&mut comment)));
            }
            _ => comment.push_str(bare),
        }
    }
    lines
}

#[test]
fn the_shipped_file_states_every_option_and_its_true_default() {
    for probe in PROBES {
        let stanza = stanza(probe.name());
        let timeout = show_duration(probe.timeout());
        let timeout = ("timeout", Kind::Duration, Some(timeout.as_str()), false);
        let options = probe.options().iter().map(|it| (it.name, it.kind, it.default, it.required));
        let all: Vec<_> = options.chain([timeout]).collect();

        for (name, kind, default, required) in &all {
            let (is_comment, _, value, comment) = stanza
                .iter()
                .find(|(_, key, ..)| key == name)
                .unwrap_or_else(|| panic!("`{name}` of {} is not in the file", probe.name()));
            assert_eq!(*is_comment, !required, "{name}");
            match default {
                Some(default) if *kind == Kind::Duration => {
                    assert_eq!(read_duration(value.trim_matches('"')), read_duration(default));
                }
                Some(default) => {
                    let shown = kind.read(default).expect("a default is valid").show();
                    assert_eq!(*value, shown, "{name}");
                }
                None if *required => assert!(comment.contains("Required."), "{name}: {comment}"),
                None => assert!(comment.contains("No default: "), "{name}: {comment}"),
            }
        }
        for (_, key, ..) in &stanza {
            assert!(all.iter().any(|(name, ..)| name == key), "{} has no `{key}`", probe.name());
        }
    }
}

#[test]
fn the_shipped_file_stays_valid_and_means_the_same_when_its_defaults_are_uncommented() {
    const HEADERS: &[&str] = &["[profiles.my-branch]", "[views]", "[telephony]"];
    let uncomment = |wanted: &dyn Fn(&str) -> bool| {
        // What is commented out as a whole stays so; the next tests are about it.
        let mut is_out = false;
        let lines = EXAMPLE.lines().map(|line| {
            let outs = [OUT, OUT_OF_NAMES, OUT_OF_CALLBACK, OUT_OF_WEBHOOKS];
            is_out = outs.contains(&line) || (is_out && !line.is_empty());
            if is_out {
                return line;
            }
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let key = bare.split(" = ").next().unwrap_or_default();
            let is_key = key.len() < bare.len() && key.bytes().all(is_key_byte);
            if (is_key && wanted(key)) || HEADERS.contains(&bare) { bare } else { line }
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let surroundings = Surroundings::empty()
        .with_variable("GENESYS_CLIENT_ID", "id")
        .with_variable("GENESYS_CLIENT_SECRET", MARKER)
        .with_variable("GENESYSCLOUD_REGION", "eu-central-1");
    let load = |text: &str| config::parse("branchline.toml", text, &surroundings);
    // They have no meaning over the default transport.
    let of_tls = ["server_name", "ca_file", "client_certificate", "client_key"];
    let without_default = [
        "server_name",
        "ca_file",
        "client_certificate",
        "client_key",
        "port",
        "second_server",
        "public",
        "roots",
        "other_addresses",
        "lifetime_known",
        "expect",
        "username",
        "password",
        "shared_secret",
        "realm",
        "family",
        "peer",
        "alternate_servers",
        "trunk",
        "edge_group",
        "region",
        "client_id",
        "client_secret",
        "location",
        "skip",
        "phones",
    ];

    let bare = load(&uncomment(&|_| false)).expect("it is valid");
    let defaults = load(&uncomment(&|key| !without_default.contains(&key))).expect("it is valid");
    let all =
        load(&uncomment(&|key| !of_tls.contains(&key))).err().expect("its credentials are missing");

    assert_eq!(config::show(&bare), config::show(&defaults));
    assert!(all.is_credentials(), "{all}");
}

/// The table of the example that is commented out, as it needs a secret.
const OUT_OF_CALLBACK: &str = "# [callback]";

#[test]
fn the_callback_that_is_commented_out_is_valid_once_it_has_a_secret() {
    let start = EXAMPLE.find(OUT_OF_CALLBACK).expect("the example has it");
    let lines = EXAMPLE[start..].lines().take_while(|line| !line.is_empty());
    let keys = lines.filter_map(|line| line.strip_prefix("# ")).filter(|line| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.starts_with('[') || (key.len() < line.len() && key.bytes().all(is_key_byte))
    });
    let stanza = keys.collect::<Vec<_>>().join("\n");
    let stanza = stanza.replace("{ credential = \"callback-secret\" }", "{ env = \"LONG\" }");

    let plan = parse(&format!("{MINIMAL}\n{stanza}\n")).expect("it is valid");

    let callback = plan.callback.as_ref().expect("it is there");
    assert_eq!(callback.url, "https://monitoring.example.net/branchline");
    assert_eq!(callback.topics.len(), 2);
    let shown = config::show(&plan);
    assert!(shown.contains("url = \"https://monitoring.example.net/\""), "{shown}");
    assert!(!shown.contains(MARKER) && !shown.contains("/branchline\""), "{shown}");
}

/// The module of the example that is commented out, as it needs credentials.
const OUT: &str = "# [modules.voice]";

#[test]
fn the_module_that_is_commented_out_is_valid_once_it_has_credentials() {
    let start = EXAMPLE.find(OUT).expect("the example has it");
    let lines = EXAMPLE[start..].lines().take_while(|line| !line.is_empty());
    let bare = lines.filter_map(|line| line.strip_prefix("# "));
    let of_another =
        ["port", "server_name", "ca_file", "client_certificate", "client_key", "shared_secret"];
    let keys = bare.filter(|line| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.starts_with('[') || (key.bytes().all(is_key_byte) && !of_another.contains(&key))
    });
    let stanza = keys.collect::<Vec<_>>().join("\n");
    let stanza = stanza.replace("{ credential = \"turn-password\" }", "{ env = \"MARKED\" }");
    let module = "modules = [\"voice\"]\ninterval = \"15m\"";
    let target = format!("[[targets]]\nname = \"media\"\naddress = \"turn.example.net\"\n{module}");

    let plan = parse(&format!("{MINIMAL}\n{stanza}\n\n{target}\n")).expect("it is valid");

    let check = plan.checks.iter().find(|check| &*check.target == "media").expect("it is there");
    assert_eq!((check.probe.name(), check.port), ("turn-media", 3478));
    assert_eq!(check.module.timeout(), Duration::from_secs(65));
}

/// Every text that a file can hold, each of them valid.
const EVERY_TEXT: &str = r#"
[site]
name = "lyon"
profile = "office"
[profiles.office]
base = "byoc-trunk"
rtt_warn = "150ms"
[modules."edge-name"]
probe = "dns-query"
name = "edge.example.net"
type = "A"
expect = ["192.0.2.10"]
timeout = "10s"
[modules.register]
probe = "sip-register"
address_of_record = "sip:probe@example.net"
username = "probe"
realm = "example.net"
allow_cleartext = true
password = { env = "MARKED" }
[[targets]]
name = "resolver"
address = "192.0.2.53"
modules = ["edge-name"]
interval = "30s"
trunk = "Lyon carrier"
edge_group = "Lyon edges"
[views]
site = ["192.0.2.53", "[2001:db8::53]:5353"]
public = ["resolver.example.net", "https://dns.example.net:8443/q?x"]
authoritative = true
roots = ["192.0.2.1"]
wait_timeout = "2m"
[[names]]
name = "lyon.example.net"
types = ["A", "AAAA"]
expect = ["192.0.2.80", "2001:db8::80"]
compare = "chain"
edge_group = "Lyon edges"
interval = "20s"
timeout = "5s"
[[names]]
edge_group = "Lyon edges 2"
template = "{edge_group}.example.net"
required = false
[telephony]
profile = "platform"
domain = "example.net"
client_id = "id"
client_secret = { env = "MARKED" }
location = "Lyon office"
interval = "60s"
[web]
listen = ["127.0.0.1:9377"]
"#;

// D-SIP-11
#[test]
fn control_characters_are_refused_in_every_text() {
    assert!(parse(EVERY_TEXT).is_ok());
    let quotes: Vec<_> = EVERY_TEXT.match_indices('"').map(|(at, _)| at).collect();
    let ends: Vec<_> = quotes.iter().skip(1).step_by(2).collect();
    assert_eq!(ends.len(), 45);
    for end in ends {
        let (before, after) = EVERY_TEXT.split_at(*end);
        let line = before.lines().count();
        for escape in ["\\r", "\\n", "\\r\\nX-Injected: yes", "\\u0000", "\\u007f", "\\u0085"] {
            let error = parse(&format!("{before}{escape}{after}")).err();
            let refusal = error.map(|error| error.to_string()).unwrap_or_default();

            let place = format!("error: branchline.toml:{line}:");
            assert!(refusal.contains(&place), "line {line}, {escape}\n{refusal}");
            let is_safe = |it: char| it == '\n' || !it.is_control();
            assert!(refusal.chars().all(is_safe), "line {line}, {escape}\n{refusal}");
            assert!(!refusal.lines().any(|it| it.starts_with("X-Injected")), "{refusal}");
        }
    }
}

#[test]
fn a_changed_option_or_secret_changes_the_check_and_nothing_else_does() {
    let check = |text: &str, secret: &str| {
        let surroundings = Surroundings::empty().with_variable("MARKED", secret);
        let plan = config::parse("f", text, &surroundings).expect("it is valid");
        plan.checks.into_iter().next().expect("it has a check")
    };
    let before = check(REGISTER, "one");

    assert!(before.is_unchanged(&check(REGISTER, "one")));
    assert!(before.is_unchanged(&check(&REGISTER.replace("[[", "# a comment\n[["), "one")));
    assert!(!before.is_unchanged(&check(REGISTER, "two")));
    let expires = REGISTER.replace("password", "expires = \"30s\"\npassword");
    assert!(!before.is_unchanged(&check(&expires, "one")));
}

#[test]
fn an_unknown_key_is_refused_in_every_table_that_there_is() {
    for probe in PROBES {
        let text = format!(
            "{MINIMAL}\n[modules.other]\nprobe = \"{}\"\nintervall = \"{MARKER}\"",
            probe.name()
        );
        let refusal = refusal(&text);

        assert!(refusal.contains(":1: unknown key `intervall` in [modules.other]"), "{refusal}");
        assert!(refusal.contains("`timeout`"), "{refusal}");
        assert!(!refusal.contains(MARKER), "{refusal}");
    }
}

#[test]
fn every_required_option_that_is_missing_is_named() {
    for probe in PROBES {
        let text = format!("{MINIMAL}\n[modules.other]\nprobe = \"{}\"\nbad = 1\n", probe.name());
        let refusal = refusal(&text);

        for option in probe.options().iter().filter(|option| option.required) {
            let message = format!("`{}` of module `other` is missing\n\nhint: ", option.name);
            assert!(refusal.contains(&message), "{refusal}");
            assert!(refusal.contains(&format!("for example: {} = ", option.name)), "{refusal}");
        }
    }
}

#[test]
fn what_a_probe_refuses_is_told_at_that_option() {
    let no_address = REGISTER.replace("sip:probe@example.net", "nobody");
    let in_clear = REGISTER.replace("allow_cleartext = true", "allow_cleartext = false");

    let address = refusal(&no_address);
    let password = refusal(&in_clear);

    let place = "error: branchline.toml:7:21: `address_of_record` of module `register` ";
    assert!(address.starts_with(place), "{address}");
    let place = "error: branchline.toml:9:12: `password` of module `register` ";
    assert!(password.starts_with(place), "{password}");
    assert!(password.contains("\n\nhint: ") && !password.contains(MARKER), "{password}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("branchline.toml");
    let refusal = || {
        let error = config::load(&path, &Surroundings::empty()).err().expect("it is refused");
        assert!(!error.is_credentials());
        let text = error.summary();
        text.strip_prefix(&format!("{}: ", path.display())).expect("it names the file").to_owned()
    };

    assert_eq!(refusal(), "cannot be read: there is no such file");
    fs::write(&path, b"[site]\nname = \"caf\xe9\"\n").expect("it can be written");
    assert_eq!(refusal(), "is not UTF-8 text in line 2");
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).expect("it can be written");
    assert_eq!(refusal(), "is larger than 1 MiB");
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("the name is free");
    assert_eq!(refusal(), "cannot be read: it is a directory");
}

#[test]
fn a_file_of_the_largest_size_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("branchline.toml");
    let padded = format!("{MINIMAL}{}", "#".repeat((1 << 20) - MINIMAL.len()));
    fs::write(&path, padded).expect("it can be written");

    assert!(config::load(&path, &Surroundings::empty()).is_ok());
}

#[test]
fn columns_count_characters_and_lines_end_as_windows_ends_them_too() {
    let text = "\u{feff}[site]\r\nname = \"café\", \r\n";
    let text = refusal(text);
    assert!(text.starts_with("error: branchline.toml:2:14: "), "{text}");

    let text = refusal("\u{feff}sites = 1\n[site]\nname = \"x\"\n[telephony]\n");
    assert!(text.contains("branchline.toml:1:1: unknown key `sites`"), "{text}");
}

#[test]
fn problems_come_in_the_order_of_the_file_and_are_twenty_at_most() {
    let keys: String = (0..30).map(|number| format!("wrong_{number} = 1\n")).collect();

    let error = parse(&format!("{MINIMAL}{keys}")).err().expect("it is refused");

    let text = error.to_string();
    let lines: Vec<usize> = text
        .lines()
        .filter_map(|line| line.strip_prefix("error: branchline.toml:")?.split(':').next())
        .filter_map(|line| line.parse().ok())
        .collect();
    assert_eq!(lines.len(), 20);
    assert!(lines.is_sorted());
    assert!(text.contains("error: branchline.toml: 10 more\n\nhint: "), "{text}");
    assert!(error.summary().ends_with(" (and 29 more)"), "{}", error.summary());
    assert_eq!(error.summary().lines().count(), 1);
}

#[test]
fn a_missing_port_is_that_of_each_module() {
    let text = format!(
        "{}\n[modules.resolver]\nprobe = \"dns-query\"\nname = \"example.net\"\n",
        MINIMAL.replace("[\"stun-udp\"]", "[\"stun-udp\", \"resolver\"]"),
    );
    let text = text.replace("turn.example.net", "2001:db8::1");
    // The array of tables ends where the next table begins, so the order does not matter.
    let plan = parse(&text).expect("it is valid");

    let ports: Vec<_> = plan.checks.iter().map(|check| (&*check.host, check.port)).collect();
    assert_eq!(ports, [("2001:db8::1", 3478), ("2001:db8::1", 53)]);
    let shown = config::show(&plan);
    let line = "address = \"2001:db8::1\" # default ports: stun-udp 3478, resolver 53\n";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn a_module_that_no_target_uses_does_nothing_and_is_validated_all_the_same() {
    let unused = format!("{MINIMAL}\n[modules.other]\nprobe = \"stun-binding\"\n");

    assert_eq!(parse(&unused).expect("it is valid").checks.len(), 1);
    assert!(parse(&format!("{unused}timeout = 8\n")).is_err());
}

#[test]
fn a_location_narrows_the_reading_but_not_what_the_targets_link_to() {
    let settings = parse(EVERY_TEXT).expect("it is valid").telephony.expect("it is there");

    let narrowing = settings.narrowing.expect("a location is named");

    assert_eq!(narrowing.location, "Lyon office");
    assert_eq!(narrowing.trunks, ["Lyon carrier"]);
    assert_eq!(narrowing.edge_groups, ["Lyon edges", "Lyon edges 2"]);
}

#[test]
fn what_of_the_vendors_state_is_left_out_is_read_and_shown() {
    let text = EVERY_TEXT.replace(
        "interval = \"60s\"\n[web]",
        "interval = \"60s\"\nskip = [\"quality\", \"changes\", \"quality\"]\n[web]",
    );

    let plan = parse(&text).expect("it is valid");

    let skip = plan.telephony.as_ref().expect("it is there").skip.iter();
    assert_eq!(skip.map(|part| part.label()).collect::<Vec<_>>(), ["quality", "changes"]);
    assert!(config::show(&plan).contains("\nskip = [\"quality\", \"changes\"]\n"));
}

#[test]
fn listening_to_the_network_needs_to_be_wanted() {
    // D-WEB-1
    for address in ["0.0.0.0:9377", "[::]:9377", "192.0.2.1:9377", "[::ffff:192.0.2.1]:9377"] {
        let text = format!("{MINIMAL}\n[web]\nlisten = [\"{address}\"]\n");
        assert!(refusal(&text).contains("insecure_listen = true"), "{address}");

        let plan = parse(&format!("{text}insecure_listen = true\n")).expect("it is wanted");
        assert_eq!(plan.web.listen, [address.parse().expect("an address")]);
    }
    for address in ["127.0.0.1:9377", "127.1.2.3:80", "[::1]:9377", "[::ffff:127.0.0.1]:9377"] {
        assert!(parse(&format!("{MINIMAL}\n[web]\nlisten = [\"{address}\"]\n")).is_ok());
    }
}
