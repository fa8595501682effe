//! Watched names: what the shipped file says of them, what changes their checks.

use branchline::config;

use super::{EXAMPLE, is_key_byte, parse};

/// The names of the example, of which nobody has any by default.
pub(super) const OUT_OF_NAMES: &str = "# [[names]]";

#[test]
fn the_names_that_are_commented_out_are_valid_and_state_their_true_defaults() {
    const NAMES: &str = "[site]\nname = \"my-branch\"\n\n[[names]]\n";
    let block = EXAMPLE.split_once(OUT_OF_NAMES).expect("it is there").1;
    let block = block.split("\n\n").next().expect("it ends");
    let keys: Vec<&str> = block
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(is_key_byte)))
        .collect();
    let load = |wanted: &dyn Fn(&str) -> bool| {
        let lines: Vec<&str> = keys.iter().copied().filter(|line| wanted(line)).collect();
        parse(&format!("{NAMES}{}", lines.join("\n"))).expect("it is valid")
    };
    let is_none = |line: &str| line.starts_with("expect") || line.starts_with("edge_group");

    let (all, defaults) = (load(&|_| true), load(&|line| !is_none(line)));
    let bare = load(&|line| line.starts_with("name"));

    assert_eq!(keys.len(), 9, "{keys:?}");
    assert_eq!(config::show(&bare), config::show(&defaults));
    assert_eq!(all.names[0].expect.len(), 1);
    assert_eq!(all.names[0].edge_group.as_deref(), Some("Branch edges"));
}

/// The names of [`EVERY_TEXT`], as they are shown.
pub(super) const NAMES_OF_EVERY_TEXT: &str = r#"[views]
site = ["192.0.2.53", "[2001:db8::53]:5353"]
public = ["resolver.example.net", "https://dns.example.net:8443/q?x"]
authoritative = true
roots = ["192.0.2.1:53"]
wait_timeout = "2m"

[[names]]
name = "lyon.example.net"
types = ["A", "AAAA"]
expect = ["192.0.2.80", "2001:db8::80"]
compare = "chain"
edge_group = "Lyon edges"
interval = "20s"
timeout = "5s"
required = true

[[names]]
name = "lyon-edges-2.example.net"
types = ["A"]
compare = "records"
edge_group = "Lyon edges 2"
interval = "30s"
timeout = "10s"
required = false
"#;

/// A site that watches one name, from the sides that `views` says.
pub(super) fn with_names(views: &str) -> String {
    format!("[site]\nname = \"lyon\"\n\n{views}\n\n[[names]]\nname = \"lyon.example.net\"\n")
}

#[test]
fn a_changed_view_or_expectation_changes_the_checks_and_nothing_else_does() {
    let checks = |text: &str| parse(text).expect("it is valid").checks;
    let is_unchanged = |one: &str, other: &str| {
        let (one, other) = (checks(one), checks(other));
        one.len() == other.len()
            && one.iter().zip(&other).all(|(one, other)| one.is_unchanged(other))
    };
    let before =
        &with_names("[views]\nsite = [\"192.0.2.53\"]\npublic = [\"tls://dns.example.net\"]");
    let named = |more: &str| format!("{before}{more}\n");

    for same in [
        before.clone(),
        before.replace("[[", "# a comment\n[["),
        before.replace("lyon.example.net", "Lyon.Example.Net."),
        before.replace("public", "wait_timeout = \"2m\"\npublic"),
        named("types = [\"A\"]\ncompare = \"records\"\ninterval = \"30s\""),
        before.replace("[\"192.0.2.53\"]", "[\"192.0.2.53:53\"]"),
    ] {
        assert!(is_unchanged(before, &same), "{same}");
    }
    for changed in [
        named("expect = [\"192.0.2.80\"]"),
        named("compare = \"chain\""),
        named("types = [\"AAAA\"]"),
        named("interval = \"1m\""),
        named("timeout = \"5s\""),
        before.replace("192.0.2.53", "192.0.2.54"),
        before.replace("tls://dns.example.net", "tls://dns.example.net:8853"),
        before.replace("tls://", ""),
        before.replace("public", "roots = [\"192.0.2.1\"]\npublic"),
        before.replace("public", "authoritative = [\"192.0.2.1\"]\npublic"),
    ] {
        assert!(!is_unchanged(before, &changed), "{changed}");
    }
}

#[test]
fn no_check_of_a_watched_name_is_left_out() {
    let views = "[views]\nsite = [\"192.0.2.53\", \"dns.example.net\"]\n\
                 public = [\"tls://192.0.2.54\", \"https://dns.example.net/q\"]";
    let plan =
        parse(&format!("{}types = [\"A\", \"SRV\"]", with_names(views))).expect("it is valid");

    let names: Vec<String> =
        plan.checks.iter().map(|it| format!("{}@{}", it.module_name, it.target)).collect();

    let sides = [
        "site",
        "site dns.example.net",
        "public tls://192.0.2.54",
        "public https://dns.example.net/q",
    ];
    for side in sides.iter().chain(&["authoritative"]) {
        for what in ["A", "SRV", "random label"] {
            let name = format!("lyon.example.net {what}@{side}");
            assert!(names.contains(&name), "{name}: {names:#?}");
        }
    }
    assert!(names.contains(&"lyon.example.net serial@authoritative".to_owned()));
    assert!(names.contains(&"lyon.example.net delegation@root".to_owned()));
    assert_eq!(names.len(), 5 * 3 + 2, "{names:#?}");
}
