//! What can be read without a network: help, lists, manuals, and what is wrong with a command line
//! or a configuration.

use crate::{Ran, assert_plain, branchline, command, ran, written};

const MINIMAL: &str = include_str!("../../config/minimal.toml");

/// Every subcommand, as it is asked for help.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["check"],
    &["run"],
    &["probe"],
    &["wait"],
    &["wait", "dns"],
    &["wait", "edge-group"],
    &["state"],
    &["explain"],
    &["location"],
    &["location", "check"],
    &["config"],
    &["config", "check"],
    &["config", "show"],
    &["config", "example"],
];

fn probes() -> Vec<String> {
    let list = branchline(&["probe", "--list"]).stdout;
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_explains_itself_on_stdout() {
    for words in COMMANDS {
        let of = words.join(" ");

        let help = branchline(&[words, &["--help"][..]].concat());

        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{of}");
        assert!(help.stdout.contains("Usage: branchline"), "{of}: {}", help.stdout);
        assert_plain(&help.stdout, &of);
    }
}

#[test]
fn the_first_page_of_help_names_every_exit_code() {
    let help = branchline(&["--help"]).stdout;

    for code in ["0 ", "1 ", "2 ", "3 ", "64 ", "65 ", "69 ", "71 ", "78 ", "130 ", "143 "] {
        assert!(help.contains(code), "{code}: {help}");
    }
}

#[test]
fn version_says_name_and_version() {
    let version = branchline(&["--version"]);

    assert_eq!(version.stdout, format!("branchline {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.code, Some(0));
}

#[test]
fn a_wrong_command_line_is_64_and_says_so_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let config = written(folder.path(), MINIMAL).display().to_string();
    let wrong: &[&[&str]] = &[
        &[],
        &["chek"],
        &["--colour"],
        &["check", "--strikt"],
        &["check", "--format", "yaml"],
        &["check", "--config", &config, "--only", "nobody"],
        &["run", "--port", "80"],
        &["probe"],
        &["probe", "stun"],
        &["probe", "stun-binding"],
        &["probe", "stun-binding", "127.0.0.1", "--option", "timeout"],
        &["probe", "stun-binding", "127.0.0.1", "--option", "timeuot=8s"],
        &["probe", "stun-binding", "not an address"],
        &["state", "--part", "edgs"],
        &["state", "--xml"],
        &["explain", "udp-blockd"],
        &["config"],
        &["config", "show", "--strict-uris"],
        &["location"],
        &["location", "check"],
        &["location", "check", "a1b2c3d4-e5f6-7890-abcd-ef1234567890"],
    ];

    for words in wrong {
        let Ran { code, stdout, stderr } = branchline(words);

        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{words:?}: {stderr}");
        assert!(!stderr.is_empty(), "{words:?}");
        assert!(!stderr.contains('\u{1b}'), "{words:?}: {stderr:?}");
    }
}

#[test]
fn the_probes_are_listed_one_a_line() {
    let list = branchline(&["probe", "--list"]);

    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    assert_plain(&list.stdout, "the list");
    assert!(probes().contains(&"stun-binding".to_owned()), "{}", list.stdout);
    for name in probes() {
        let is_probe =
            name.contains('-') && name.chars().all(|it| it.is_ascii_lowercase() || it == '-');
        assert!(is_probe, "{}", list.stdout);
    }
}

#[test]
fn every_probe_has_a_manual_with_options_facts_and_a_sample() {
    for name in probes() {
        let manual = branchline(&["probe", &name, "--help"]);

        assert_eq!((manual.code, manual.stderr.as_str()), (Some(0), ""), "{name}");
        assert_plain(&manual.stdout, &name);
        for part in ["timeout", "Facts:", "In a configuration:", "[modules."] {
            assert!(manual.stdout.contains(part), "{name}: {part}");
        }
    }
}

#[test]
fn every_rule_is_explained() {
    let list = branchline(&["explain"]);
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    assert_plain(&list.stdout, "explain");
    let is_first = |line: &&str| !line.starts_with(' ');
    let rules: Vec<_> =
        list.stdout.lines().filter(is_first).filter_map(|line| line.split(' ').next()).collect();
    assert!(rules.contains(&"udp-blocked"), "{rules:?}");

    for rule in rules {
        let page = branchline(&["explain", rule]);

        assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""), "{rule}");
        assert_plain(&page.stdout, rule);
        for part in ["meaning", "decided by", "falsified by", "remedy"] {
            assert!(page.stdout.contains(part), "{rule}: {part}");
        }
    }
}

#[test]
fn a_rule_that_is_misspelt_is_answered_with_the_nearest() {
    let near = branchline(&["explain", "udp-blockd"]).stderr;
    let far = branchline(&["explain", "weather"]).stderr;

    assert!(near.contains("did you mean `udp-blocked`?"), "{near}");
    assert!(far.contains("`branchline explain` lists every rule"), "{far}");
}

#[test]
fn the_example_is_the_shipped_file_and_valid() {
    let example = branchline(&["config", "example"]);
    assert_eq!(example.stdout, include_str!("../../config/branchline.toml"));
    assert_eq!((example.code, example.stderr.as_str()), (Some(0), ""));
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &example.stdout).display().to_string();

    let checked = branchline(&["config", "check", "--config", &path]);

    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    assert_eq!(checked.stdout, "valid: site my-branch, 1 check\n");
}

#[test]
fn a_wrong_configuration_is_65_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = MINIMAL.replace("address =", "adress =");
    let path = written(folder.path(), &text).display().to_string();

    let all = [&["check"][..], &["run"], &["state"], &["config", "check"], &["config", "show"]];
    for words in all {
        let Ran { code, stdout, stderr } = branchline(&[words, &["--config", &path]].concat());

        assert_eq!((code, stdout.as_str()), (Some(65), ""), "{words:?}");
        assert!(stderr.contains(&format!("{path}:")), "{words:?}: {stderr}");
        assert!(stderr.contains("did you mean `address`?"), "{words:?}: {stderr}");
    }
    let absent = branchline(&["check", "--config", "/nowhere/branchline.toml"]);
    assert_eq!(absent.code, Some(65), "{}", absent.stderr);
}

#[test]
fn a_missing_credential_is_78_and_none_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let text = MINIMAL.to_owned()
        + "\n[modules.register]\nprobe = \"sip-register\"\nallow_cleartext = true\n\
           address_of_record = \"sip:1001@example.net\"\npassword = { env = \"SIP_PASSWORD\" }\n\n\
           [[targets]]\nname = \"registrar\"\naddress = \"127.0.0.1\"\nmodules = [\"register\"]\n";
    let path = written(folder.path(), &text).display().to_string();

    let without = branchline(&["config", "show", "--config", &path]);
    let with = ran(command(&["config", "show", "--config", &path]).env("SIP_PASSWORD", "hunter2"));

    assert_eq!((without.code, without.stdout.as_str()), (Some(78), ""), "{}", without.stderr);
    assert!(without.stderr.contains("SIP_PASSWORD"), "{}", without.stderr);
    assert_eq!((with.code, with.stderr.as_str()), (Some(0), ""));
    assert!(with.stdout.contains("<secret>") && !with.stdout.contains("hunter2"), "{with:?}");
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let shell = format!("{} explain | true", env!("CARGO_BIN_EXE_branchline"));

    let output = std::process::Command::new("sh").args(["-c", &shell]).output().unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
