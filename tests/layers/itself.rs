//! The test of the tests: on small invented sources each rule is seen to break.

use super::source::{Path, Source};
use super::{
    AGENT, File, Floors, QUIET, broken_floors, broken_table, dependencies, noise, parts,
    probes_by_name, protocols_in_the_driver,
};

const FLOORS: Floors = &[("upper", &["lower"]), ("lower", &[])];

/// A house of two rooms, the upper one as given.
fn house(upper: &str) -> Vec<File> {
    vec![File::new("src", "upper.rs", upper), File::new("src", "lower.rs", "")]
}

fn of_agent(path: &str, text: &str) -> Vec<File> {
    vec![File::new("src", path, text)]
}

/// What is said of a source, rooms that are not there left out.
fn said(floors: Floors, files: &[File]) -> Vec<String> {
    let all = broken_floors(floors, "branchline", files);
    all.into_iter().filter(|line| !line.starts_with("the table")).collect()
}

#[test]
fn an_allowed_import_is_silent() {
    assert_eq!(said(FLOORS, &house("use crate::lower::Thing;\nuse std::fs;\n")), [""; 0]);
}

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    for import in [
        "use crate::upper::Thing;",
        "use super::upper::Thing;",
        "use branchline::upper;",
        "use crate::{upper, other::Thing};",
        "pub use crate::{\n    other::{a, b},\n    upper::Thing as It,\n};",
        "fn f() -> crate::upper::Thing {}",
        "mod tests {\n    use super::super::upper::Thing;\n}",
        "fn f() {\n    let it: Vec<crate::upper::Thing> = Vec::new();\n}",
    ] {
        let files = [File::new("src", "upper.rs", ""), File::new("src", "lower.rs", import)];

        let broken = said(FLOORS, &files);

        let hit = "`lower` may not import `upper`";
        assert!(broken.iter().any(|line| line.ends_with(hit)), "{import}: {broken:?}");
    }
}

#[test]
fn what_is_broken_is_said_with_file_line_and_rule() {
    let broken = said(AGENT, &of_agent("rules/api.rs", "//! Words.\n\nuse crate::driver::leg;\n"));

    assert_eq!(broken, ["src/rules/api.rs:3: `rules` may not import `driver`"]);
}

#[test]
fn comments_and_strings_import_nothing() {
    let text = "// crate::a::b\n/* crate::a */ /// [`crate::a`]\nconst A: &str = \"crate::a\";\n\
                const B: &str = r#\"use \"crate::a::b\"\"#;\nconst C: char = '\"';\n";

    assert_eq!(said(FLOORS, &house(text)), [""; 0]);
}

#[test]
fn a_folder_is_one_room_and_its_files_import_each_other() {
    let inside = of_agent("driver/udp.rs", "use super::clock::Clock;\nuse crate::driver::leg;\n");
    let outside = of_agent("driver/udp.rs", "use super::super::poller::Poller;\n");

    assert_eq!(said(AGENT, &inside), [""; 0]);
    assert_eq!(said(AGENT, &outside), ["src/driver/udp.rs:1: `driver` may not import `poller`"]);
}

#[test]
fn each_output_is_a_room_of_its_own() {
    let neighbour = of_agent("outputs/json.rs", "use super::text;\n");
    let rule = of_agent("outputs/json.rs", "use crate::rules::RULES;\n");

    let hits = [said(AGENT, &neighbour), said(AGENT, &rule)].concat();

    assert_eq!(
        hits,
        [
            "src/outputs/json.rs:1: `outputs/json` may not import `outputs/text`",
            "src/outputs/json.rs:1: `outputs/json` may not import `rules`",
        ]
    );
}

#[test]
fn a_probe_that_imports_a_probe_is_found_and_so_is_wire_with_an_opinion() {
    let probe = File::new("probes/src", "dns_query.rs", "use crate::stun_binding::RTT;\n");
    let wire = File::new("probes/src", "wire/sip/uri.rs", "use crate::failure::Failure;\n");

    assert_eq!(
        said(QUIET, &[probe, wire]),
        [
            "probes/src/dns_query.rs:1: `dns_query` may not import `stun_binding`",
            "probes/src/wire/sip/uri.rs:1: `wire` may not import `failure`",
        ]
    );
}

#[test]
fn an_unknown_room_fails_and_so_does_one_that_is_gone() {
    let files = [File::new("src", "upper.rs", ""), File::new("src", "cellar.rs", "")];

    let broken = broken_floors(FLOORS, "branchline", &files);

    assert_eq!(
        broken,
        [
            "src/cellar.rs:1: the room `cellar` is not in the table of floors",
            "the table knows `lower`, and there is no such room",
        ]
    );
}

#[test]
fn a_table_with_a_circle_or_a_never_fails() {
    let circle = broken_table(&[("upper", &["lower"]), ("lower", &["upper"])]);
    let never = broken_table(&[("rules", &["driver"]), ("driver", &["config"]), ("config", &[])]);
    let opinion = broken_table(&[("wire", &["foreign"]), ("foreign", &[])]);

    assert_eq!(circle, ["`lower` may import `upper`, which is no room below it"]);
    assert_eq!(
        never,
        [
            "`rules` may import `driver`: what thinks does not act",
            "`driver` may import `config`: each room owns its settings; only cli and daemon \
             import config",
        ]
    );
    assert_eq!(opinion, ["`wire` may import `foreign`: bytes have no opinions"]);
}

#[test]
fn a_protocol_in_the_driver_is_found_but_for_the_resolver_s_own_names() {
    let code = "// stun is fine here\nfn send_stun() {}\nconst A: &str = \"the SIP answer\";\n";
    let resolve = "use hickory_resolver::net::{DnsError, NetError};\nfn dns_query() {}\n";

    let hits = protocols_in_the_driver(&of_agent("driver/leg.rs", code));
    let resolver = protocols_in_the_driver(&of_agent("driver/resolve.rs", resolve));

    assert_eq!(
        hits,
        [
            "src/driver/leg.rs:2: the driver names a protocol: send_stun",
            "src/driver/leg.rs:3: the driver names a protocol: the SIP answer",
        ]
    );
    assert_eq!(resolver, ["src/driver/resolve.rs:2: the driver names a protocol: dns_query"]);
    assert_eq!(protocols_in_the_driver(&of_agent("poller.rs", code)), [""; 0]);
    assert_eq!(parts("returned DnsError"), ["returned", "dns", "error"], "`turned` is no TURN");
}

#[test]
fn an_output_that_names_a_probe_is_found() {
    let word = "fn f(name: &str) -> bool { name == \"stun-binding\" }\n";
    let fact = "use branchline_probes::{Observation, dns_query::TTL};\n";

    let hits = [
        probes_by_name(&of_agent("outputs/text.rs", word)),
        probes_by_name(&of_agent("web.rs", fact)),
        probes_by_name(&of_agent("rules/dns.rs", fact)),
    ]
    .concat();

    assert_eq!(
        hits,
        [
            "src/outputs/text.rs:1: an output names a probe",
            "src/web.rs:1: only rules read facts by key",
        ]
    );
}

#[test]
fn noise_in_the_quiet_house_is_found() {
    for (text, what) in [
        ("use std::time::Instant;", "Instant"),
        ("fn f() { let now = SystemTime::now(); }", "SystemTime::now"),
        ("fn f() { std::time::SystemTime::now(); }", "std::time::SystemTime::now"),
        ("use std::net::{IpAddr, UdpSocket};", "UdpSocket"),
        ("use std::{env, fmt};", "std::env"),
        ("fn f() -> u8 { rand::random() }", "rand::random"),
    ] {
        let broken = noise(&[File::new("probes/src", "digest.rs", text)]);

        assert_eq!(broken, [format!("probes/src/digest.rs:1: the quiet house uses `{what}`")]);
    }
    let quiet = "use std::time::{Duration, SystemTime};\nuse std::net::SocketAddr;\n";
    assert_eq!(noise(&[File::new("probes/src", "digest.rs", quiet)]), [""; 0]);
}

#[test]
fn a_manifest_s_dependencies_are_read_to_the_next_table() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\ntokio.workspace = true\n\
                    rand = \"1\"\n\n[dev-dependencies]\nhyper = \"1\"\n";

    assert_eq!(dependencies(manifest), ["tokio", "rand"]);
}

#[test]
fn lines_of_code_are_neither_blank_nor_comments_nor_the_tests_at_the_end() {
    let text = "//! Head.\n\nuse std::fmt; // why\n/* a\n b */\nfn f() {\n    g(\"a\n  b\");\n}\n\n\
                #[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
    let tests_first = "#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n\nfn f() {}\n";

    assert_eq!(Source::read(text).lines_of_code, 5);
    assert_eq!(Source::read(tests_first).lines_of_code, 5);
}

#[test]
fn a_super_leaves_the_modules_of_its_own_file_first() {
    let text = "mod tests {\n    use super::Here;\n    mod more { use super::super::Here; }\n}\n\
                use super::There;\n";

    let paths = Source::read(text).paths(&["room", "file"], &[]);

    let path = |line, names: &[&str]| Path {
        line,
        root: "crate".to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(
        paths,
        [
            path(2, &["room", "file", "Here"]),
            path(3, &["room", "file", "Here"]),
            path(5, &["room", "There"]),
        ]
    );
}
