//! `location check`: a location's network settings, as the vendor's guide writes them.

use std::fs;

use crate::{Ran, assert_plain, branchline, command, ran};

/// As the guide writes it.
const FRANKFURT: &str = r#"{
  "name": "Frankfurt Office",
  "region": "eu-central-1",
  "sip": { "ports": [5060, 5061, 5080, 5081] },
  "media": {
    "sip": { "ports": [5060, 5061, 5080, 5081] },
    "proxy": { "host": "media-proxy.example.com", "port": 5060 },
    "stun": { "host": "stun.example.com", "port": 3478 },
    "turn": { "host": "turn.example.com", "port": 3478 }
  },
  "ipAddressAllowlist": ["10.0.0.0/8", "192.168.1.0/24"]
}"#;

/// Checks a text in a folder of its own, where the file's name is short.
fn check(text: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("office.json"), text).expect("the folder is ours");
    let ran = ran(command(&["location", "check", "office.json"]).current_dir(folder.path()));
    assert_plain(&ran.stdout, "stdout");
    assert_plain(&ran.stderr, "stderr");
    ran
}

fn valid(line: &str) -> Ran {
    Ran { code: Some(0), stdout: format!("{line}\n"), stderr: String::new() }
}

fn wrong(text: &str) -> Ran {
    Ran { code: Some(65), stdout: String::new(), stderr: text.to_owned() }
}

/// The one problem of a text, its lines joined.
fn problem(text: &str) -> String {
    let Ran { code, stdout, stderr } = check(text);
    assert_eq!((code, stdout.as_str()), (Some(65), ""), "{stderr}");
    let line = stderr.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let problem = line.strip_prefix("error: office.json: ").expect("it names the file");
    assert!(!problem.contains("error: "), "{problem}");
    problem.to_owned()
}

#[test]
fn the_settings_of_the_guide_are_valid() {
    assert_eq!(check(FRANKFURT), valid("valid: location Frankfurt Office, 16 settings"));
}

#[test]
fn what_a_file_holds_besides_is_left_alone() {
    let answer = FRANKFURT.replace(
        "\"region\"",
        "\"id\": \"a1b2c3d4\", \"selfUri\": \"/api/v2/locations/a1b2c3d4\", \"codecs\": [{}, null], \
         \"notes\": \"sip: ask Anna\", \"emergency\": null, \"region\"",
    );

    assert_eq!(check(&answer), valid("valid: location Frankfurt Office, 16 settings"));
}

#[test]
fn hosts_may_be_written_with_their_ports_and_keys_as_go_writes_them() {
    let text = r#"{ "Sip": { "Ports": [8060, 8061] }, "Media": { "Proxy": "sip:proxy@example.com:5060",
        "Stun": ["stun.example.com:3478", "[2001:db8::1]:3478"], "Turn": { "Host": "192.0.2.1" } },
        "IpAddressAllowlist": ["2001:db8::/32", "192.0.2.1"], "sipUri": "sip:trunk@example.com" }"#;

    assert_eq!(check(text), valid("valid: location office.json, 9 settings"));
}

#[test]
fn everything_that_is_wrong_is_told_with_its_path_and_position_and_the_way_out() {
    let text = FRANKFURT
        .replace(
            "\"sip\": { \"ports\": [5060, 5061, 5080, 5081] },\n  \"media\"",
            "\"sip\": { \"ports\": [5060, 70000] },\n  \"media\"",
        )
        .replace("\"media-proxy.example.com\"", "\"sip:+331@example.com\"")
        .replace("stun.example.com", "stun_1.example.com")
        .replace("\"turn.example.com\", \"port\": 3478", "\"turn.example.com\", \"port\": \"3478\"")
        .replace("192.168.1.0/24", "192.168.1.0/33");

    assert_eq!(
        check(&text),
        wrong(
            "error: office.json: sip.ports[1]: 70000 is no port; write a number from 1 to\n  \
             65535, without quotation marks\n\
             error: office.json: media.proxy.host: valid by RFC 3261, and not for the vendor:\n  \
             a user has only letters, digits, \".\" and \"-\" (character 5); the vendor takes\n  \
             sip:user@domain or sip:user@domain:port, of letters, digits, \".\" and \"-\" alone\n\
             error: office.json: media.stun.host: this character cannot stand in a domain\n  \
             (character 5); write it as stun.example.com or stun.example.com:3478\n\
             error: office.json: media.turn.port: text is no port; write a number from 1 to\n  \
             65535, without quotation marks\n\
             error: office.json: ipAddressAllowlist[1]: a prefix is from /0 to /32 (character\n  \
             14); write it as 192.0.2.0/24, 2001:db8::/32 or one address\n"
        )
    );
}

#[test]
fn each_kind_of_setting_is_held_to_its_own_form() {
    for (text, expected) in [
        (r#"{"sip": {"ports": 5060}}"#, "sip.ports: this is no list of ports; "),
        (r#"{"sip": {"ports": []}}"#, "sip.ports: this is no list of ports; "),
        (r#"{"sip": {"ports": [0]}}"#, "sip.ports[0]: 0 is no port; "),
        (r#"{"sip": {"ports": [-1]}}"#, "sip.ports[0]: -1 is no port; "),
        (r#"{"sip": {"ports": [5060.5]}}"#, "sip.ports[0]: 5060.5 is no port; "),
        (r#"{"sip": {"ports": [{}]}}"#, "sip.ports[0]: this is no port; "),
        (r#"{"media": {"stun": {"port": 3478}}, "x": 1}"#, "media.stun: the host is missing; "),
        (
            r#"{"media": {"stun": "stun:stun.example.com"}}"#,
            "media.stun: a host is written without a scheme (character 1); ",
        ),
        (
            r#"{"media": {"turn": "turn.example.com:"}}"#,
            "media.turn: a port is a number from 1 to 65535 (character 18); ",
        ),
        (
            r#"{"media": {"turn": ["a", "2001:db8::1"]}}"#,
            "media.turn[1]: an IPv6 address stands in brackets (character 1); ",
        ),
        (r#"{"media": {"turn": {"host": 5}}}"#, "media.turn.host: this is no host; "),
        (
            r#"{"media": {"turn": {"host": "a:1", "port": 2}}}"#,
            "media.turn: the host names port 1, and `port` 2; ",
        ),
        (
            r#"{"media": {"proxy": "sip:a:hunter2@b"}}"#,
            "media.proxy: no SIP URI: a password does not belong into a URI (character 6); ",
        ),
        (
            r#"{"media": {"proxy": "sip:a@b\r\nX: y"}}"#,
            "media.proxy: no SIP URI: a control character cannot stand in a URI (character 8); ",
        ),
        (
            r#"{"trunks": [{"uri": "SIPS:a@b"}]}"#,
            "trunks[0].uri: valid by RFC 3261, and not for the vendor: it has to begin with \"sip:\", in lower case (character 1); ",
        ),
        (
            r#"{"sipUri": "trunk@example.com"}"#,
            "sipUri: no SIP URI: a SIP URI begins with \"sip:\" or \"sips:\" (character 1); ",
        ),
        (
            r#"{"ipAddressAllowlist": "10.0.0.0/8"}"#,
            "ipAddressAllowlist: this is no list of networks; ",
        ),
        (r#"{"ipAddressAllowlist": [10]}"#, "ipAddressAllowlist[0]: this is no network; "),
        (
            r#"{"ipAddressAllowlist": ["10.0.0/8"]}"#,
            "ipAddressAllowlist[0]: no IPv4 address (character 7); ",
        ),
        (
            r#"{"ipAddressAllowlist": ["fe80::g"]}"#,
            "ipAddressAllowlist[0]: no IPv6 address (character 7); ",
        ),
        (
            "{\"a\\u001b\": {\"x\": \"sip:a\"}}",
            "[\"a\\u{1b}\"].x: valid by RFC 3261, and not for the vendor: ",
        ),
        ("{\n  \"sip\": {,}\n}", "line 2, column 11: this is not JSON: key must be a string; "),
        ("{}", "settings: there are no network settings in this file; "),
        (
            r#"{"name": "Lyon", "address": {"city": "Lyon"}}"#,
            "settings: there are no network settings in this file; ",
        ),
        ("[]", "settings: there are no network settings in this file; "),
    ] {
        let problem = problem(text);

        assert!(problem.starts_with(expected), "{text}\n{problem}\n{expected}");
        assert!(problem.len() > expected.len() && !problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn a_name_that_the_dns_cannot_hold_is_told_by_its_first_character_too_many() {
    let label = format!("{{\"media\": {{\"stun\": \"a.{}\"}}}}", "b".repeat(64));
    let name = format!("{{\"media\": {{\"stun\": \"{}b\"}}}}", "a.".repeat(127));

    assert!(problem(&label).contains("longer than the DNS can hold (character 66)"));
    assert!(problem(&name).contains("longer than the DNS can hold (character 254)"));
}

#[test]
fn a_port_that_is_unusual_is_noted_and_valid() {
    let Ran { code, stdout, stderr } = check(r#"{"name": "Lyon", "sip": {"ports": [15060]}}"#);

    assert_eq!((code, stdout.as_str()), (Some(0), "valid: location Lyon, 1 setting\n"));
    assert_eq!(
        stderr,
        "note: office.json: sip.ports[0]: 15060 is not among the usual SIP ports;\n  \
         carriers use 5060 to 5081, edges 8060 and 8061\n"
    );
}

#[test]
fn many_problems_are_twenty_at_most_and_a_count() {
    let Ran { code, stderr, .. } =
        check(&format!("{{\"sip\": {{\"ports\": [0{}]}}}}", ", 0".repeat(29)));

    assert_eq!((code, stderr.matches(" is no port; ").count()), (Some(65), 20));
    assert!(
        stderr.ends_with("error: office.json: 10 more, shown when the first ones are mended\n")
    );
}

#[test]
fn an_id_is_answered_with_what_can_be_done_now() {
    let Ran { code, stdout, stderr } =
        branchline(&["location", "check", "a1b2c3d4-e5f6-7890-abcd-ef1234567890"]);

    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    assert!(
        stderr.starts_with("error: not yet: `a1b2c3d4-e5f6-7890-abcd-ef1234567890` is no file")
    );
    assert!(stderr.contains("\n\nhint: give a file: "), "{stderr}");
}

#[test]
fn a_file_that_cannot_be_read_is_65() {
    let Ran { code, stdout, stderr } = branchline(&["location", "check", "/nowhere/office.json"]);

    assert_eq!((code, stdout.as_str()), (Some(65), ""));
    let expected = "error: /nowhere/office.json: cannot be read: there is no such file\n\n\
                    hint: give a file of settings as JSON\n";
    assert_eq!(stderr, expected);
}
