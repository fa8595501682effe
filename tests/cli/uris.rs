//! `config check --strict-uris`: what the vendor's trunk settings would not take is told before
//! somebody copies it there.

use crate::{Ran, branchline, written};

const NUMBER: &str = r#"[site]
name = "lyon"

[modules.register]
probe = "sip-register"
address_of_record = "sip:+33400000000@example.net"

[modules.unused]
probe = "sip-register"
address_of_record = "sips:lyon@example.net"
transport = "tls"

[[targets]]
name = "registrar"
address = "sip.example.net"
modules = ["register"]
"#;

#[test]
fn a_valid_uri_that_the_trunk_settings_do_not_take_is_65_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), NUMBER).display().to_string();

    let strict = branchline(&["config", "check", "--config", &path, "--strict-uris"]);
    let ordinary = branchline(&["config", "check", "--config", &path]);

    let hint = "hint: they take sip:user@domain or sip:user@domain:port, of letters, digits, \".\" \
                and \"-\" alone; without --strict-uris this URI is valid\n";
    let expected = format!(
        "error: {path}:6:21: `address_of_record` of module `register` is no SIP URI that the \
         vendor's trunk settings take: a user has only letters, digits, \".\" and \"-\" \
         (character 5)\n\n{hint}\n\
         error: {path}:10:21: `address_of_record` of module `unused` is no SIP URI that the \
         vendor's trunk settings take: it has to begin with \"sip:\", in lower case \
         (character 4)\n\n{hint}"
    );
    assert_eq!(strict, Ran { code: Some(65), stdout: String::new(), stderr: expected });
    let valid = "valid: site lyon, 1 check\n".to_owned();
    assert_eq!(ordinary, Ran { code: Some(0), stdout: valid, stderr: String::new() });
}

#[test]
fn what_is_wrong_anyway_is_told_once_and_what_fits_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let path = written(folder.path(), text).display().to_string();
        branchline(&["config", "check", "--strict-uris", "--config", &path])
    };
    let fitting = NUMBER.replace("+33400000000", "lyon-1.a").replace("sips:", "sip:");

    let fits = check(&fitting);
    let wrong = check(&fitting.replace("lyon-1.a", "ly on"));

    assert_eq!((fits.code, fits.stderr.as_str()), (Some(0), ""));
    assert_eq!((wrong.code, wrong.stderr.matches("error: ").count()), (Some(65), 1));
    assert!(wrong.stderr.contains("is no SIP URI: a blank cannot stand"), "{}", wrong.stderr);
}

#[test]
fn on_a_command_line_a_wrong_uri_is_told_by_its_position() {
    let words = ["probe", "sip-register", "127.0.0.1", "--option", "address_of_record=sip:a:b@c"];

    let Ran { code, stdout, stderr } = branchline(&words);

    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    let problem = "is no SIP URI: a password does not belong into a URI (character 6)";
    assert!(stderr.contains(problem), "{stderr}");
}
