//! DNS against BIND: a primary that takes updates, and a secondary that has not heard of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::agent::{self, Probe, probe};
use crate::dig::{self, Dug, answers, assert_agree};
use crate::process::{Server, free_port, own_copy, program, run_well};

/// One named, on a port of its own.
struct Named {
    port: u16,
    _server: Server,
}

/// A zone at two nameservers: the primary has serial 2 and the new record, the secondary has
/// serial 1, a refresh of an hour and no NOTIFY.
struct Zone {
    primary: Named,
    secondary: Named,
}

impl Named {
    /// Starts it with a zone statement, in a folder that holds `zone`, if any.
    #[track_caller]
    fn start(statement: &str, zone: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for named");
        let port = free_port(LOOPBACK);
        let path = folder.path();
        if let Some(zone) = zone {
            std::fs::write(path.join("zone"), zone).expect("the folder is ours to write to");
        }
        let config = CONFIG
            .replace("@FOLDER@", &path.display().to_string())
            .replace("@PORT@", &port.to_string())
            .replace("@ZONE@", statement);
        let file = path.join("named.conf");
        std::fs::write(&file, config).expect("the folder is ours to write to");
        let mut command = Command::new(own_copy(&program("named", "bind9"), path));
        command.args(["-g", "-n", "1", "-c"]).arg(file);
        let mut server = Server::start("named", folder, &command);
        server.await_ready(|| match dig(port, "branch.test", "SOA", &["+tries=1"]) {
            Ok(dug) if dug.serial().is_some() => Ok(()),
            Ok(dug) => Err(format!("no zone yet: {dug:?}")),
            Err(problem) => Err(problem),
        });
        Self { port, _server: server }
    }

    /// The question that the probe asks of this nameserver.
    fn probe(&self, name: &str, kind: &str) -> Probe {
        probe("dns-query", SocketAddr::new(LOOPBACK, self.port))
            .option("name", name)
            .option("type", kind)
            .option("recursion", "false")
    }

    /// The same question by `dig`.
    #[track_caller]
    fn dig(&self, name: &str, kind: &str) -> Dug {
        dig(self.port, name, kind, &[]).unwrap_or_else(|problem| panic!("dig: {problem}"))
    }
}

impl Zone {
    /// Starts both and changes the primary once the secondary holds its copy.
    #[track_caller]
    fn half_published() -> Self {
        let long: String =
            (1..=12).map(|n| format!("big IN TXT \"{n} {}\"\n", "x".repeat(150))).collect();
        let primary = Named::start(
            r#"zone "branch.test" { type primary; file "zone"; allow-update { 127.0.0.1; }; };"#,
            Some(&(ZONE.to_owned() + &long)),
        );
        let statement = format!(
            r#"zone "branch.test" {{ type secondary; file "copy"; masterfile-format text;
               primaries {{ 127.0.0.1 port {}; }}; }};"#,
            primary.port
        );
        let secondary = Named::start(&statement, None);
        let script = format!(
            "server 127.0.0.1 {}\nzone branch.test\n\
             update add edge2.branch.test 30 A 127.0.0.22\nsend\n",
            primary.port
        );
        let folder = tempfile::tempdir().expect("a folder for the update");
        let file = folder.path().join("update");
        std::fs::write(&file, script).expect("the folder is ours to write to");
        run_well(Command::new(program("nsupdate", "bind9-dnsutils")).arg(file));
        let zone = Self { primary, secondary };
        assert_eq!(zone.primary.dig("branch.test", "SOA").serial(), Some(2));
        assert_eq!(zone.secondary.dig("branch.test", "SOA").serial(), Some(1));
        zone
    }
}

#[test]
fn bind_dig_and_the_probe_agree_on_an_address() {
    let zone = Zone::half_published();

    for nameserver in [&zone.primary, &zone.secondary] {
        let probed = nameserver.probe("edge1.branch.test", "A").run();
        let dug = nameserver.dig("edge1.branch.test", "A");

        probed.assert_success();
        assert_agree(&probed, &dug);
        assert_eq!(probed.fact("rcode"), "NOERROR");
        assert_eq!(answers(&probed), ["A 127.0.0.21"]);
        assert_eq!(probed.fact("ttl_seconds").as_f64(), Some(60.0));
        assert_eq!(probed.fact("authoritative"), true);
        assert_eq!(probed.fact("recursion_available"), false);
        assert_eq!(probed.fact("transmissions"), 1);
    }
}

#[test]
fn the_expected_address_is_a_success_and_any_other_is_not() {
    let zone = Zone::half_published();
    let ask = || zone.primary.probe("edge2.branch.test", "A");

    let right = ask().option("expect", "127.0.0.22").run();
    let wrong = ask().option("expect", "127.0.0.99").run();

    right.assert_success();
    wrong.assert_failure("unexpected_answer");
    assert_eq!(answers(&wrong), ["A 127.0.0.22"]);
}

#[test]
fn each_nameserver_shows_the_serial_that_it_serves() {
    let zone = Zone::half_published();

    for (nameserver, serial) in [(&zone.primary, 2), (&zone.secondary, 1)] {
        let probed = nameserver.probe("branch.test", "SOA").run();
        let dug = nameserver.dig("branch.test", "SOA");

        probed.assert_success();
        assert_agree(&probed, &dug);
        assert_eq!(probed.fact("serial"), serial);
    }
}

#[test]
fn the_lagging_nameserver_says_that_the_new_name_does_not_exist_and_for_how_long() {
    let zone = Zone::half_published();

    let probed = zone.secondary.probe("edge2.branch.test", "A").run();
    let dug = zone.secondary.dig("edge2.branch.test", "A");

    assert_agree(&probed, &dug);
    assert_eq!(probed.fact("rcode"), "NXDOMAIN");
    assert_eq!(probed.fact("authoritative"), true);
    assert_eq!(probed.fact("serial"), 1);
    assert_eq!(probed.fact("negative_ttl_seconds").as_f64(), Some(5.0));
}

#[test]
fn the_new_name_is_missed_where_it_is_expected() {
    let zone = Zone::half_published();

    let probed =
        zone.secondary.probe("edge2.branch.test", "A").option("expect", "127.0.0.22").run();

    assert_eq!(probed.seen["success"], false, "{probed:#?}");
    assert_eq!(probed.code, Some(2), "{probed:#?}");
    assert_eq!(probed.fact("rcode"), "NXDOMAIN");
}

#[test]
fn a_name_without_an_ipv6_address_is_no_data_and_not_nxdomain() {
    let zone = Zone::half_published();

    let probed = zone.primary.probe("edge1.branch.test", "AAAA").run();
    let dug = zone.primary.dig("edge1.branch.test", "AAAA");

    assert_agree(&probed, &dug);
    assert_eq!(probed.fact("rcode"), "NOERROR");
    assert_eq!(answers(&probed), [""; 0]);
    assert_eq!(probed.fact("negative_ttl_seconds").as_f64(), Some(5.0));
}

// D-DNS-6
#[test]
fn an_answer_too_long_for_udp_is_fetched_whole_over_tcp() {
    let zone = Zone::half_published();
    let cut = ["+ignore", "+bufsize=1232"];
    let cut = dig(zone.primary.port, "big.branch.test", "TXT", &cut).expect("dig answers");
    assert!(cut.has_flag("tc"), "BIND itself must truncate for this test: {cut:?}");

    let probed = zone.primary.probe("big.branch.test", "TXT").run();
    let dug = zone.primary.dig("big.branch.test", "TXT");

    probed.assert_success();
    assert_agree(&probed, &dug);
    assert_eq!(probed.fact("truncated"), true);
    assert_eq!(dug.answers.len(), 12);
    assert_eq!(answers(&probed).len(), 12);
}

#[test]
fn the_same_question_over_tcp_has_the_same_answer() {
    let zone = Zone::half_published();

    let probed = zone.primary.probe("edge1.branch.test", "A").option("transport", "tcp").run();

    probed.assert_success();
    assert_eq!(probed.seen["transport"], "tcp");
    assert_eq!(answers(&probed), ["A 127.0.0.21"]);
}

#[test]
fn a_zone_that_it_does_not_hold_is_refused_by_bind() {
    let zone = Zone::half_published();

    let probed = zone.primary.probe("elsewhere.test", "A").run();
    let dug = zone.primary.dig("elsewhere.test", "A");

    assert_eq!(probed.fact("rcode"), "REFUSED");
    assert_eq!(dug.rcode, "REFUSED");
    assert_eq!(probed.seen["success"], false, "{probed:#?}");
    assert_eq!(probed.code, Some(2), "{probed:#?}");
}

#[test]
fn check_finds_that_the_new_name_has_not_reached_every_nameserver() {
    let zone = Zone::half_published();
    let folder = tempfile::tempdir().expect("a folder for the check");
    let config = CONFIG_OF_THE_CHECK
        .replace("@PRIMARY@", &zone.primary.port.to_string())
        .replace("@SECONDARY@", &zone.secondary.port.to_string());
    let config = agent::configure(folder.path(), &config);

    let (code, report) = agent::check(folder.path(), &config);

    assert!(matches!(code, Some(0 | 2 | 3)), "{code:?}: {report:#}");
    assert_eq!(report["schema"], "branchline/report/1");
    assert_eq!(report["observations"].as_array().map(Vec::len), Some(2), "{report:#}");
    let findings = report["findings"].as_array().expect("a list of findings");
    let finding = findings
        .iter()
        .find(|finding| finding["rule"] == "dns-not-propagated")
        .unwrap_or_else(|| panic!("no dns-not-propagated in {report:#}"));
    assert_eq!(finding["owner"], "dns", "{finding:#}");
    let evidence = finding["evidence"].to_string();
    assert!(evidence.contains("ns2"), "the one that lags is named: {finding:#}");
}

/// Asks a nameserver on loopback what it knows itself.
fn dig(port: u16, name: &str, kind: &str, options: &[&str]) -> Result<Dug, String> {
    dig::ask(&[], SocketAddr::new(LOOPBACK, port), name, kind, &[&["+norecurse"], options].concat())
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const CONFIG: &str = r#"
options {
    directory "@FOLDER@";
    listen-on port @PORT@ { 127.0.0.1; };
    listen-on-v6 { none; };
    pid-file none;
    session-keyfile none;
    recursion no;
    allow-transfer { 127.0.0.1; };
    notify no;
    dnssec-validation no;
    empty-zones-enable no;
};
controls { };
@ZONE@
"#;

/// Serial 1; the negative TTL is the last number of the SOA.
const ZONE: &str = r#"
$TTL 60
@     IN SOA ns1 hostmaster 1 3600 600 86400 5
      IN NS  ns1
ns1   IN A   127.0.0.1
edge1 IN A   127.0.0.21
"#;

const CONFIG_OF_THE_CHECK: &str = r#"
[site]
name = "branch"

[modules.new-name]
probe = "dns-query"
name = "edge2.branch.test"
type = "A"
recursion = false
transport = "udp"
timeout = "3s"

[[targets]]
name = "ns1"
address = "127.0.0.1:@PRIMARY@"
modules = ["new-name"]
required = true

[[targets]]
name = "ns2"
address = "127.0.0.1:@SECONDARY@"
modules = ["new-name"]
required = true
"#;
