//! Secrets go to those for whom they are and nowhere else, in whatever spelling: not to standard
//! output, not to the log, not to a page and not to a file (I8).

#[path = "secrets/office.rs"]
mod office;

use branchline_lab::Cloud;

use office::{Marker, Office};

const CONFIGURATION: Option<i32> = Some(65);
const USAGE: Option<i32> = Some(64);

fn path(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// The words that register at the lab with a password from `source`.
fn register(cloud: &Cloud, source: &str) -> Vec<String> {
    let address = cloud.addresses().registrar;
    let mut words: Vec<String> =
        ["probe", "sip-register", &address.to_string()].map(str::to_owned).into();
    for option in ["address_of_record=sip:1001@sip.lyon.example", "allow_cleartext=true", source] {
        words.extend(["--option".to_owned(), option.to_owned()]);
    }
    words
}

#[test]
fn no_command_tells_a_secret_that_works() {
    let office = Office::trusted();
    let from_file = format!("password=file:{}", path(&office.password_file()));
    let probe = register(office.cloud(), &from_file);
    let probe: Vec<&str> = probe.iter().map(String::as_str).collect();

    for (words, code) in [
        (&["config", "check"][..], 0),
        (&["config", "show"], 0),
        (&["check", "--format", "text"], 0),
        (&["check", "--format", "json"], 0),
        (&["check", "--format", "json", "--output", "report.json"], 0),
        (&probe, 0),
        (&[&probe[..], &["--json", "--trace"]].concat(), 0),
    ] {
        let (ended, said) = office.run(words);

        assert_eq!(ended, Some(code), "{words:?}: {said}");
    }
}

#[test]
fn no_command_tells_a_secret_that_is_refused() {
    let office = Office::mistaken();
    let from_file = format!("password=file:{}", path(&office.password_file()));
    let probe = register(office.cloud(), &from_file);
    let probe: Vec<&str> = probe.iter().map(String::as_str).collect();

    for (words, code) in [
        (&["config", "check"][..], 0),
        (&["config", "show"], 0),
        (&["check", "--format", "text"], 2),
        (&["check", "--format", "json"], 2),
        (&[&probe[..], &["--json", "--trace"]].concat(), 2),
    ] {
        let (ended, said) = office.run(words);

        assert_eq!(ended, Some(code), "{words:?}: {said}");
    }
    let (_, said) = office.run(&["check"]);
    assert!(said.contains(" TRACE "), "the log is not loud enough to prove anything: {said}");
    assert!(said.contains("sip-credentials") && said.contains("api-credentials"), "{said}");
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let office = Office::mistaken();
    let words = register(office.cloud(), "password=sip hunter2 /&%=+?\"\\ marker");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();

    let mut command = office.command(&words);
    let output = command.output().expect("the binary runs");

    assert_eq!(output.status.code(), USAGE);
    office.assert_kept("standard output", &output.stdout);
    office.assert_kept("standard error", &output.stderr);
}

#[test]
fn a_password_in_the_environment_is_not_repeated() {
    let office = Office::mistaken();
    let words = register(office.cloud(), "password=env:MARKED");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = office.command(&[&words[..], &["--json", "--trace"]].concat());
    command.env("MARKED", "sip hunter2 /&%=+?\"\\ marker");

    let output = command.output().expect("the binary runs");

    assert_eq!(output.status.code(), Some(2));
    office.assert_kept("standard output", &output.stdout);
    office.assert_kept("standard error", &output.stderr);
}

#[test]
fn the_key_of_a_client_certificate_is_told_by_nobody() {
    let office = Office::trusted();
    let nobody = "127.0.0.1:9".to_owned();
    let [certificate, key] = office.identity();
    let options = ["transport=tls", &certificate, &key, "timeout=1s"];
    let options = options.iter().flat_map(|it| ["--option", it]);
    let words: Vec<&str> = ["probe", "stun-binding", &nobody].into_iter().chain(options).collect();

    // Nobody listens there: what is shown is what a failure shows.
    let (ended, said) = office.run(&[&words[..], &["--json", "--trace"]].concat());
    assert_eq!(ended, Some(2), "{said}");

    let text = std::fs::read_to_string(office.config()).expect("it is ours");
    let toml = |line: &str| {
        let (key, value) = line.split_once('=').expect("an option");
        match value.split_once(':') {
            Some((way, path)) => format!("{key} = {{ {way} = \"{path}\" }}"),
            None => format!("{key} = \"{value}\""),
        }
    };
    let module = format!(
        "{text}\n[modules.with-identity]\nprobe = \"stun-binding\"\ntransport = \"tls\"\n{}\n{}\n\n\
         [[targets]]\nname = \"nobody\"\naddress = \"{nobody}\"\nmodules = [\"with-identity\"]\n",
        toml(&certificate),
        toml(&key)
    );
    let config = path(&office.write("identity.toml", &module));
    for (words, code) in [(&["config", "check"][..], 0), (&["config", "show"], 0), (&["check"], 2)]
    {
        let (ended, said) = office.run(&[words, &["--config", &config]].concat());

        assert_eq!(ended, Some(code), "{words:?}: {said}");
    }
    let (_, shown) = office.run(&["config", "show", "--config", &config]);
    assert!(shown.contains("client_key = \"<secret>\""), "{shown}");
    // Of the certificate in place of the key, and of a key in place of the certificate.
    for (wrong, right) in [("client.pem", "client.key"), ("client.key", "client.pem")] {
        let swapped =
            module.replace(wrong, "SWAPPED").replace(right, wrong).replace("SWAPPED", right);
        let config = path(&office.write("swapped.toml", &swapped));
        let (ended, said) = office.run(&["config", "check", "--config", &config]);

        assert_eq!(ended, CONFIGURATION, "{said}");
    }
}

#[test]
fn no_error_repeats_a_secret_that_stands_in_the_file_itself() {
    let office = Office::mistaken();
    let text = std::fs::read_to_string(office.config()).expect("it is ours");
    let line = text.lines().find(|line| line.starts_with("password")).expect("there is a password");
    let marker = r#"'''sip hunter2 /&%=+?"\ marker'''"#;

    for (number, wrong) in [
        format!("password = {marker}"),
        format!("password = [{marker}]"),
        format!("password = {{ value = {marker} }}"),
        format!("password = {{ file = [{marker}] }}"),
        format!("pasword = {marker}"),
        format!("{line}\nsip_secret = {marker}"),
        format!("{line}\npassword = {marker}"),
        format!("password = {}", &marker[..marker.len() - 1]),
        format!("password = {}", &marker[3..]),
    ]
    .iter()
    .enumerate()
    {
        let file = office.write(&format!("broken-{number}.toml"), &text.replace(line, wrong));
        for words in [&["config", "check"][..], &["config", "show"], &["check"], &["run"]] {
            let (ended, said) = office.run(&[words, &["--config", &path(&file)]].concat());

            assert_eq!(ended, CONFIGURATION, "{wrong} {words:?}: {said}");
            assert!(said.contains("error"), "{said}");
        }
    }
}

#[test]
fn the_daemon_tells_no_secret_that_works_at_any_log_level() {
    let office = Office::trusted();
    let mut daemon = office.start_daemon();

    daemon.await_page("/-/ready", |answer| answer.starts_with("HTTP/1.0 200"));
    let metrics = daemon.await_page("/metrics", |answer| {
        answer.contains("branchline_verdict{verdict=\"go\",site=\"lyon\"} 1")
    });
    let landing = daemon.await_page("/", |answer| answer.contains("branchline"));
    let (status, log) = daemon.end();

    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("started") && log.contains("stopped"), "{log}");
    office.assert_kept("/metrics", metrics.as_bytes());
    office.assert_kept("/", landing.as_bytes());
    office.assert_kept("the log", log.as_bytes());
    office.assert_files_kept();
    assert_eq!(office.cloud().bindings(), [], "we leave the network as we found it");
}

#[test]
fn the_daemon_tells_no_secret_that_is_refused_nor_one_in_a_file_that_it_cannot_adopt() {
    let office = Office::mistaken();
    let text = std::fs::read_to_string(office.config()).expect("it is ours");
    let line = text.lines().find(|line| line.starts_with("password")).expect("there is a password");
    let mut daemon = office.start_daemon();

    daemon.await_page("/-/ready", |answer| answer.starts_with("HTTP/1.0 200"));
    let broken = text.replace(line, r#"password = '''sip hunter2 /&%=+?"\ marker'''"#);
    office.write("branchline.toml", &broken);
    daemon.signal("HUP");
    let metrics = daemon.await_page("/metrics", |answer| {
        answer.contains("branchline_config_last_reload_successful 0")
            && answer.contains("rule=\"sip-credentials\"")
            && answer.contains("rule=\"api-credentials\"")
    });
    let (status, log) = daemon.end();

    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("the configuration is wrong: the old one stays"), "{log}");
    office.assert_kept("/metrics", metrics.as_bytes());
    office.assert_kept("the log", log.as_bytes());
    office.assert_files_kept();
}

#[test]
fn a_leak_is_found_in_every_spelling() {
    let marker = Marker::new("a test", "pass word/+?&%");

    for leak in [
        "x pass word/+?&% x",
        "70617373",
        // `printf 'pass word/+?&%' | base64`, the same behind `a:`, and behind `ab:`.
        "cGFzcyB3b3JkLys/JiU=",
        "YTpwYXNzIHdvcmQvKz8mJQ==",
        "YWI6cGFzcyB3b3JkLys/JiU=",
        "YWJjOnBhc3Mgd29yZC8rPyYl",
        "secret=pass%20word%2F%2B%3F%26%25&x",
        "secret=pass+word%2F%2B%3F%26%25&x",
        "7061737320776F72642F2B3F2625",
        "7061737320776f72642f2b3f2625",
    ] {
        let is_whole = leak != "70617373";
        assert_eq!(marker.found_in(leak.as_bytes()).is_some(), is_whole, "{leak}");
    }
}
