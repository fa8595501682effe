//! `transport = "auto"`: NAPTR records say what carries the requests, and every server of every
//! transport is seen for itself.

use serde_json::Value;

use super::cloud::{Cloud, Does};
use super::{addresses, dug, list};
use crate::agent::{Probe, Probed, at_home_in, check_inside, configure, keep_secret, probe};
use crate::certificates::Authority;
use crate::kamailio::{PASSWORD, USER};
use crate::process::{run_within, text};

const TRANSPORTS: [&str; 3] = ["tls", "tcp", "udp"];

/// Registers at whomever the DNS names for `naptr.test`, over TLS where its certificate is vouched
/// for so.
fn auto(cloud: &Cloud, authority: &Authority) -> Probe {
    probe("sip-register", "naptr.test")
        .option("transport", "auto")
        .option("ca_file", &authority.path().display().to_string())
        .option("address_of_record", &format!("sip:{USER}@naptr.test"))
        .inside(&cloud.at_office())
}

fn transports(probed: &[Probed]) -> Vec<&str> {
    probed.iter().filter_map(|it| it.seen["transport"].as_str()).collect()
}

/// The tree, made of what `dig` says.
#[track_caller]
fn dug_tree(cloud: &Cloud) -> Vec<String> {
    let mut naptr: Vec<String> = dug(cloud, "naptr.test", "NAPTR");
    naptr.sort_by_key(|line| {
        let mut numbers = line.split(' ').filter_map(|word| word.parse::<u16>().ok());
        (numbers.next(), numbers.next())
    });
    let mut tree = Vec::new();
    for (record, transport) in naptr.iter().zip(TRANSPORTS) {
        let words: Vec<&str> = record.split(' ').collect();
        let [order, preference, flags, services, regexp, owner] = words[..] else {
            panic!("{record}")
        };
        assert_eq!(regexp, "\"\"");
        tree.push(format!("naptr.test NAPTR {order} {preference} {flags} {services} {owner}"));
        for srv in dug(cloud, owner, "SRV") {
            let [_, _, port, host] = srv.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{srv}")
            };
            tree.push(format!("{owner} SRV {srv}"));
            let ips = dug(cloud, host, "A");
            tree.extend(ips.iter().map(|ip| format!("{host} A {ip} {transport} {port}")));
        }
    }
    tree
}

// RFC 3263 §4.1
#[test]
fn each_transport_that_naptr_names_is_asked_in_its_order_and_the_tree_is_what_dig_tells() {
    let cloud = Cloud::with([Does::Nothing; 3]);
    let (kamailio, authority) = cloud.start_every_transport();

    let probed = auto(&cloud, &authority).run_each();

    assert_eq!(transports(&probed), TRANSPORTS);
    assert_eq!(
        addresses(&probed),
        ["198.51.100.64:5061", "198.51.100.64:5060", "198.51.100.64:5060"]
    );
    let tree = dug_tree(&cloud);
    assert_eq!(tree.len(), 9, "{tree:#?}");
    for one in &probed {
        one.assert_success();
        assert_eq!(*one.fact("mode"), "challenge");
        assert_eq!(*one.fact("located_by"), "naptr");
        assert_eq!(list(one, "candidates"), tree);
    }
    let seen: Vec<_> = kamailio.registers().into_iter().map(|it| it.transport).collect();
    assert_eq!(seen.len(), 3);
    assert!(TRANSPORTS.iter().all(|it| seen.iter().any(|seen| seen == it)), "{seen:?}");
}

// D-SIP-5
#[test]
fn credentials_go_to_the_server_over_tls_alone_unless_cleartext_is_allowed() {
    let cloud = Cloud::with([Does::Nothing; 3]);
    let (kamailio, authority) = cloud.start_every_transport();
    let with_credentials = || {
        let seen = kamailio.registers().into_iter().filter(|it| it.has_credentials());
        let mut seen: Vec<_> = seen.map(|it| it.transport).collect();
        seen.sort();
        seen.dedup();
        seen
    };

    let guarded = auto(&cloud, &authority).password(PASSWORD).run_each();
    let sent = with_credentials();
    let open =
        auto(&cloud, &authority).password(PASSWORD).option("allow_cleartext", "true").run_each();

    assert_eq!(transports(&guarded), TRANSPORTS);
    let reasons: Vec<_> = guarded.iter().map(|it| it.reason().as_str()).collect();
    assert_eq!(reasons, [None, Some("auth_weak"), Some("auth_weak")]);
    assert_eq!(*guarded[0].fact("removed"), true, "{guarded:#?}");
    assert_eq!(sent, ["tls"]);
    for one in &open {
        one.assert_success();
        assert_eq!((one.fact("mode"), one.fact("removed")), (&"credentials".into(), &true.into()));
    }
    assert_eq!(with_credentials(), ["tcp", "tls", "udp"]);
    assert!(kamailio.bindings().is_empty());
}

// RFC 3263 §4.3: who makes TLS fail gets a phone to go on without, and no credentials for that.
#[test]
fn where_tls_fails_the_walk_goes_on_and_credentials_stay() {
    let cloud = Cloud::with([Does::Nothing; 3]);
    let (kamailio, _) = cloud.start_every_transport();
    let elsewhere = Authority::new();

    let probed = auto(&cloud, &elsewhere).option("failover", "true").password(PASSWORD).run();

    probed.assert_failure("auth_weak");
    assert_eq!(probed.seen["transport"], "tcp");
    assert_eq!(list(&probed, "passed_over"), ["tls 198.51.100.64:5061 tls_failed"]);
    let seen = kamailio.registers();
    assert!(!seen.iter().any(|it| it.has_credentials()), "{seen:?}");
    assert_eq!(seen.len(), 1);
}

// RFC 3261 §26.2.2
#[test]
fn a_sips_account_is_for_tls_alone() {
    let cloud = Cloud::with([Does::Nothing; 3]);
    let (kamailio, authority) = cloud.start_every_transport();

    let probed = probe("sip-register", "naptr.test")
        .option("transport", "auto")
        .option("ca_file", &authority.path().display().to_string())
        .option("address_of_record", &format!("sips:{USER}@naptr.test"))
        .password(PASSWORD)
        .inside(&cloud.at_office())
        .run();

    probed.assert_success();
    assert_eq!(probed.seen["transport"], "tls");
    let left_out =
        list(&probed, "candidates").iter().filter(|it| it.contains("it is not secure")).count();
    assert_eq!(left_out, 2, "{probed:#?}");
    assert!(kamailio.registers().iter().all(|it| it.transport == "tls"));
}

#[test]
fn a_check_keeps_one_address_over_two_transports_apart_for_people_and_programs() {
    let cloud = Cloud::with([Does::Nothing; 3]);
    let (_kamailio, authority) = cloud.start_every_transport();
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let secret = keep_secret(folder.path(), "password", PASSWORD);
    let toml = CHECK
        .replace("@PASSWORD@", &secret.display().to_string())
        .replace("@CA@", &authority.path().display().to_string());
    let config = configure(folder.path(), &toml);

    let (_, report) = check_inside(&cloud.at_office(), folder.path(), &config);
    let mut command = at_home_in(folder.path(), &cloud.at_office());
    command.args(["check", "--config"]).arg(&config);
    let limit = std::time::Duration::from_secs(60);
    let output = run_within(limit, &command).output().expect("`timeout` is part of coreutils");
    let page = text(&output.stdout);

    let seen = report["observations"].as_array().expect("a list of observations");
    let of = |transport: &str| -> &Value {
        let mut those = seen.iter().filter(|it| it["transport"] == transport);
        let one = those.next().unwrap_or_else(|| panic!("{transport}: {report:#?}"));
        assert!(those.next().is_none(), "{report:#?}");
        one
    };
    assert_eq!(of("tls")["success"], true);
    for transport in ["tcp", "udp"] {
        assert_eq!(of(transport)["address"], "198.51.100.64:5060");
        assert_eq!(of(transport)["failure"]["reason"], "auth_weak");
        let reference = format!("register@registrar ({transport} 198.51.100.64:5060)");
        let all = report.to_string();
        assert!(all.contains(&reference), "{reference}: {report:#?}");
    }
    let rows: Vec<&str> = page.lines().filter(|it| it.contains("registrar register ")).collect();
    assert_eq!(rows.len(), 3, "{page}");
    for place in ["tls 198.51.100.64:5061", "tcp 198.51.100.64:5060", "udp 198.51.100.64:5060"] {
        assert_eq!(rows.iter().filter(|row| row.contains(place)).count(), 1, "{page}");
    }
}

const CHECK: &str = r#"
[site]
name = "branch"

[modules.register]
probe = "sip-register"
transport = "auto"
ca_file = "@CA@"
address_of_record = "sip:1001@naptr.test"
password = { file = "@PASSWORD@" }

[[targets]]
name = "registrar"
address = "naptr.test"
modules = ["register"]
"#;
