//! The state for programs.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use branchline::diagnosis::diagnose;
use branchline::outputs::json;
use branchline::report::Report;
use branchline::telephony::{PartName, Snapshot};
use serde_json::{Value, json};

use super::office::{failed, forbidden, now, office};
use super::series::evidence;

fn document(state: &Snapshot, parts: &BTreeSet<PartName>) -> Value {
    serde_json::from_str(&json::inventory("lyon", state, parts, now())).expect("it is JSON")
}

fn all() -> BTreeSet<PartName> {
    PartName::ALL.into()
}

#[test]
fn the_document_says_whose_it_is_and_has_every_part_with_its_age() {
    let document = document(&office(), &all());

    let keys: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["schema", "site", "read", "region", "location", "parts"]);
    assert_eq!(document["schema"], "branchline/state/1");
    assert_eq!(document["region"], "eu-central-1");
    assert_eq!(document["read"], "2026-05-15T14:32:07.000000Z");
    for part in PartName::ALL {
        let part = &document["parts"][part.label()];
        let keys: Vec<_> = part.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "read",
                "age_seconds",
                "stale",
                "problem",
                "correlation_id",
                "unknown",
                "unreadable",
                "items"
            ]
        );
        assert_eq!(part["age_seconds"], 3.0);
        assert_eq!(part["read"], "2026-05-15T14:32:04.000000Z");
        assert!(!part["items"].as_array().unwrap().is_empty());
    }
}

#[test]
fn every_thing_has_its_state_the_vendors_words_and_the_ids_of_its_neighbours() {
    let document = document(&office(), &all());
    let item = |part: &str, index: usize| document["parts"][part]["items"][index].clone();

    assert_eq!(
        item("trunks", 1),
        json!({
            "id": "id-of-Lyon carrier - edge-2", "name": "Lyon carrier - edge-2", "state": "down",
            "raw": "in service, enabled, not connected", "kind": "EXTERNAL",
            "switched_off": false, "registration": "unregistered", "problem": "No route to host",
            "base": "Lyon carrier", "base_id": "id-of-Lyon carrier",
            "edge": "branch-lyon-edge-2", "edge_id": "id-of-branch-lyon-edge-2",
            "edge_group": "lyon-edge-group", "edge_group_id": "id-of-lyon-edge-group",
            "connected_since": "2026-05-15T13:52:07.000000Z",
            "proxies": [{
                "address": "203.0.113.10:5060", "answers_options": "down",
                "registration": "unregistered", "registered_at": "2026-05-15T14:31:07.000000Z",
                "problem": "Registration failed",
            }],
        })
    );
    assert_eq!(item("authorities", 0)["expires"], "2026-05-24T14:32:07.000000Z");
    assert_eq!(item("trunk_metrics", 0)["jitter_seconds"], 0.007);
    assert_eq!(item("changes", 0)["properties"][0]["new"], "203.0.113.11");
    assert_eq!(item("quality", 0)["worst"][0]["relayed"], true);
    assert_eq!(item("locations", 0)["stun"], json!({ "host": "stun.example.net", "port": 3478 }));
}

#[test]
fn a_part_that_failed_says_so_and_holds_nothing() {
    let mut state = office();
    state.changes = failed(forbidden(), "0a1b-changes");

    let document = document(&state, &[PartName::Changes].into());

    let parts = document["parts"].as_object().unwrap();
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["changes"], "only what was asked for");
    let changes = &parts["changes"];
    assert_eq!(changes["problem"]["reason"], "permission");
    assert_eq!(changes["correlation_id"], "0a1b-changes");
    assert_eq!((&changes["read"], &changes["age_seconds"]), (&Value::Null, &Value::Null));
    assert_eq!(changes["items"], json!([]));
}

#[test]
fn the_report_has_every_part_and_keeps_the_keys_it_had() {
    let evidence = evidence(office());
    let diagnosis = diagnose(&evidence, &[]);
    let begun = SystemTime::UNIX_EPOCH;
    let report = Report::new("lyon".to_owned(), begun, Duration::ZERO, &evidence, diagnosis);

    let report: Value = serde_json::from_str(&json::report(&report)).expect("it is JSON");

    let state = report["state"].as_object().unwrap();
    let names: Vec<_> = state.keys().map(String::as_str).collect();
    assert_eq!(names, PartName::ALL.map(PartName::label));
    let edge = &state["edges"]["items"][0];
    for (key, value) in [
        ("name", "branch-lyon-edge-1"),
        ("state", "up"),
        ("raw", "ONLINE ACTIVE active"),
        ("edge_group", "lyon-edge-group"),
        ("site", "Lyon"),
    ] {
        assert_eq!(edge[key], value);
    }
}
