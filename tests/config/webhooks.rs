//! The table `[webhooks]`: who may tell us that something has changed.

use std::time::Duration;

use branchline::config::{self, EXAMPLE};

use super::{MINIMAL, parse};

/// Where the shipped file has the table, commented out.
pub(crate) const OUT_OF_WEBHOOKS: &str = "# [webhooks]";

fn with(lines: &str) -> String {
    format!("{MINIMAL}\n[webhooks]\n{lines}\n")
}

#[test]
fn only_this_host_is_heard_where_nobody_else_is_named() {
    let text = with("secrets = [{ env = \"LONG\" }]");

    let settings = parse(&text).expect("it is valid").webhooks.expect("it is there");

    let hears = |address: &str| {
        let address = address.parse().expect("an address");
        settings.allow.iter().any(|network| network.contains(address))
    };
    assert!(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].into_iter().all(hears));
    assert!(!["192.0.2.1", "::", "::2", "fe80::1"].into_iter().any(hears));
    assert_eq!(settings.window, Duration::from_secs(300));
}

#[test]
fn what_is_shown_of_webhooks_has_every_default_and_no_secret() {
    let text = with("secrets = [{ env = \"LONG\" }, { env = \"OTHER\" }]");

    let shown = config::show(&parse(&text).expect("it is valid"));

    let expected = "\n[webhooks]\nsecrets = [\"<secret>\", \"<secret>\"]\n\
        allow = [\"127.0.0.0/8\", \"::1/128\"]\nwindow = \"5m\"\n\n[web]\n";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn the_table_of_the_shipped_file_is_valid_and_has_the_true_defaults() {
    let start = EXAMPLE.find(OUT_OF_WEBHOOKS).expect("the example has it");
    let lines = EXAMPLE[start..].lines().skip(1).take_while(|line| !line.is_empty());
    let keys = lines.filter_map(|line| line.strip_prefix("# ").filter(|it| it.contains(" = ")));
    let keys: Vec<_> = keys.collect();
    let whole = with(&keys.join("\n")).replace("credential = \"webhook-secret\"", "env = \"LONG\"");
    let bare = with("secrets = [{ env = \"LONG\" }]");

    let [whole, bare] = [whole, bare].map(|text| config::show(&parse(&text).expect("it is valid")));

    assert_eq!(keys.len(), 3, "{keys:?}");
    assert_eq!(whole, bare);
}
