//! `state` against the lab's vendor: tables, a document, a file, and what is said where there is
//! nothing to show.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use branchline_lab::Cloud;
use serde_json::Value;

use crate::{Ran, assert_plain, branchline, cloud, command, ran, written};

const MINIMAL: &str = include_str!("../../config/minimal.toml");

fn state(cloud: &Cloud, more: &[&str]) -> Ran {
    let config = cloud.config().display().to_string();
    branchline(&[&["state", "--config", &config], more].concat())
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("it is one JSON document")
}

/// The lab's configuration with something else in it.
fn changed(cloud: &Cloud, from: &str, to: &str) -> String {
    let text = fs::read_to_string(cloud.config()).expect("the lab wrote it");
    assert!(text.contains(from), "{from}: {text}");
    text.replace(from, to)
}

#[test]
fn the_state_is_shown_in_tables_without_colour_where_nobody_looks() {
    let cloud = cloud("healthy");

    let Ran { code, stdout, stderr } = state(&cloud, &[]);

    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_plain(&stdout, "the state");
    for title in ["Edges: ", "Edge groups: ", "Trunks: ", "Phones: ", "Sites: "] {
        assert!(stdout.contains(&format!("\n{title}")), "{title}: {stdout}");
    }
    assert!(stdout.starts_with("branchline: site "), "{stdout}");
    assert!(!stdout.contains("NOT READ"), "{stdout}");
}

#[test]
fn an_edge_that_is_down_is_seen_without_colour_and_does_not_fail_the_command() {
    let cloud = cloud("edge-offline");

    let Ran { code, stdout, .. } = state(&cloud, &["--part", "edges", "edge_groups"]);

    assert_eq!(code, Some(0), "what is down is no fault of the reading: {stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("  DOWN  ")), "{stdout}");
    assert!(stdout.contains("OFFLINE"), "the vendor's own words: {stdout}");
    assert!(!stdout.contains("Trunks") && !stdout.contains("Phones"), "{stdout}");
}

#[test]
fn the_state_as_json_is_one_document_with_the_age_of_every_part() {
    let cloud = cloud("healthy");

    let Ran { code, stdout, stderr } = state(&cloud, &["--json"]);

    let document = document(&stdout);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(document["schema"], "branchline/state/1");
    for part in ["edges", "edge_groups", "trunks", "phones", "sites"] {
        let part = &document["parts"][part];
        assert!(part["age_seconds"].as_f64().is_some_and(|age| age < 60.0), "{part}");
        assert_eq!(part["problem"], Value::Null);
        let item = &part["items"][0];
        for key in ["id", "name", "state", "raw"] {
            assert!(item[key].as_str().is_some_and(|word| !word.is_empty()), "{key}: {item}");
        }
    }
}

#[test]
fn only_the_parts_that_are_named_are_in_the_document() {
    let cloud = cloud("healthy");

    let Ran { stdout, .. } = state(&cloud, &["--json", "--part", "trunks", "phones"]);

    let document = document(&stdout);
    let parts: Vec<_> = document["parts"].as_object().unwrap().keys().collect();
    assert_eq!(parts, ["trunks", "phones"]);
}

#[test]
fn an_export_is_a_whole_file_for_its_owner_alone() {
    let cloud = cloud("healthy");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.json");
    fs::write(&path, "the inventory of yesterday").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

    let Ran { code, stdout, stderr } = state(&cloud, &["--export", path.to_str().unwrap()]);

    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert_eq!(stderr, format!("wrote {} bytes to {}\n", text.len(), path.display()));
    assert_eq!(document(&text)["schema"], "branchline/state/1");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
}

#[test]
fn an_export_to_a_dash_is_on_stdout() {
    let cloud = cloud("healthy");

    let Ran { code, stdout, stderr } = state(&cloud, &["--export", "-"]);

    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(document(&stdout)["parts"]["edges"]["items"].is_array());
}

#[test]
fn an_export_that_cannot_be_written_is_71_and_leaves_nothing() {
    let cloud = cloud("healthy");
    let folder = tempfile::tempdir().unwrap();
    // What stands there is no file and cannot be replaced by one.
    let taken = folder.path().join("inventory.json");
    fs::create_dir(&taken).unwrap();

    for path in [taken.clone(), folder.path().join("nowhere/inventory.json")] {
        let Ran { code, stdout, stderr } = state(&cloud, &["--export", path.to_str().unwrap()]);

        assert_eq!((code, stdout.as_str()), (Some(71), ""), "{stderr}");
        assert!(stderr.starts_with("error: cannot write "), "{stderr}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the folder itself");
}

// I8
#[test]
fn no_secret_is_in_anything_that_is_written() {
    let cloud = cloud("healthy");
    let text = fs::read_to_string(cloud.config()).unwrap();
    let (_, rest) = text.split_once("client_secret = { file = \"").expect("it is by a file");
    let secret = fs::read_to_string(rest.split('"').next().unwrap()).unwrap();
    assert!(secret.trim().len() > 8, "the lab made one");

    for more in [&[][..], &["--json"]] {
        let Ran { stdout, stderr, .. } = state(&cloud, more);

        assert!(!stdout.contains(secret.trim()) && !stderr.contains(secret.trim()), "{more:?}");
        assert!(!stdout.to_ascii_lowercase().contains("bearer"), "{more:?}");
    }
}

#[test]
fn an_api_that_cannot_be_reached_is_69_and_says_what_to_do() {
    let cloud = cloud("api-unreachable");

    let tables = state(&cloud, &[]);
    let json = state(&cloud, &["--json"]);

    assert_eq!((tables.code, tables.stderr.as_str()), (Some(69), ""), "{}", tables.stdout);
    assert_plain(&tables.stdout, "the failure");
    assert!(tables.stdout.contains("\nNOT READ "), "{}", tables.stdout);
    assert!(tables.stdout.contains("\n  hint     "), "{}", tables.stdout);
    assert_eq!(json.code, Some(69), "{}", json.stdout);
    let edges = &document(&json.stdout)["parts"]["edges"];
    assert_eq!(edges["problem"]["reason"], "unreachable");
    assert_eq!((&edges["read"], &edges["items"]), (&Value::Null, &serde_json::json!([])));
}

#[test]
fn a_client_that_is_refused_is_78() {
    let cloud = cloud("healthy");
    let folder = tempfile::tempdir().unwrap();
    let text = changed(&cloud, "client_id = \"", "client_id = \"not-");
    let path = written(folder.path(), &text).display().to_string();

    let Ran { code, stdout, stderr } = branchline(&["state", "--config", &path]);

    assert_eq!((code, stderr.as_str()), (Some(78), ""), "{stdout}");
    assert!(stdout.contains("refuses the client credentials"), "{stdout}");
    assert!(stdout.contains("Compare client_id and client_secret"), "{stdout}");
}

#[test]
fn a_configuration_that_names_no_api_is_65_and_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), MINIMAL).display().to_string();

    let Ran { code, stdout, stderr } = branchline(&["state", "--config", &path]);

    assert_eq!((code, stdout.as_str()), (Some(65), ""));
    assert!(stderr.contains("hint: add to the file: [telephony] with region = "), "{stderr}");
}

#[test]
fn a_listed_phone_that_the_vendor_does_not_know_is_told() {
    let cloud = cloud("healthy");
    let folder = tempfile::tempdir().unwrap();
    let text = changed(&cloud, "[telephony]\n", "[telephony]\nphones = [\"Recepcion\"]\n");
    let path = written(folder.path(), &text).display().to_string();

    let Ran { code, stderr, .. } = branchline(&["state", "--config", &path]);

    assert_eq!(code, Some(0));
    assert_eq!(stderr, "note: no phone of the vendor is called `Recepcion`\n");
}

#[test]
fn colour_is_not_forced_upon_who_does_not_want_it() {
    let cloud = cloud("edge-offline");
    let config = cloud.config().display().to_string();

    let shown = ran(command(&["state", "--config", &config]).env("NO_COLOR", "1"));

    assert_plain(&shown.stdout, "the state");
}
