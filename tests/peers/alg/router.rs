//! The kernel's own SIP helper in a router, behind every kind of NAT.

use std::net::SocketAddr;
use std::thread;

use super::{AT_A_TIME, assert_clean, differences, found, line, run_all};
use crate::agent::{Probe, Probed, check_inside, configure, keep_secret, probe};
use crate::branch::{Branch, CLIENT, CLOUD, Nat, OUTSIDE};
use crate::certificates::Authority;
use crate::coturn::Coturn;
use crate::kamailio::{Kamailio, PASSWORD};
use crate::process::{run_well, words};

const NATS: [Nat; 4] = [Nat::None, Nat::PortRestricted, Nat::Symmetric, Nat::FullCone];

/// A branch behind a NAT, and in the cloud a registrar, a mirror and a STUN server.
struct Site {
    // First, so that they end before their namespaces do.
    registrar: Kamailio,
    _off_port: Kamailio,
    _mirror: Kamailio,
    _stun: Coturn,
    authority: Authority,
    branch: Branch,
}

impl Site {
    #[track_caller]
    fn behind(nat: Nat) -> Self {
        let branch = Branch::behind(nat);
        let authority = Authority::new();
        let cloud = branch.at_cloud();
        let identity = authority.vouch_for(&[CLOUD]);
        let kamailio = |at: &str| {
            let at: SocketAddr = at.parse().expect("an address and a port");
            Kamailio::asking_for("SHA-256").inside(&cloud, at)
        };
        Self {
            registrar: kamailio(REGISTRAR).tls(identity).start(),
            _off_port: kamailio(OFF_PORT).start(),
            _mirror: kamailio(MIRROR).mirror().start(),
            _stun: Coturn::at(&[CLOUD]).inside(&cloud).start(),
            authority,
            branch,
        }
    }

    /// Has the router help SIP to port 5060 over UDP, as many do without being asked.
    #[track_caller]
    fn help(&self) {
        self.help_over("udp");
    }

    /// The same over UDP or TCP.
    #[track_caller]
    fn help_over(&self, transport: &str) {
        let helper = HELPER.replace("@TRANSPORT@", transport);
        run_well(&words(&self.branch.at_router(), &["nft", &helper]));
    }

    /// Registers at port 5060, or elsewhere, over UDP.
    fn register(&self, at: &str) -> Probe {
        self.ask("sip-register", at)
            .option("address_of_record", "sip:1001@branch.test")
            .option("allow_cleartext", "true")
            .password(PASSWORD)
    }

    fn ask(&self, name: &str, at: &str) -> Probe {
        probe(name, at).option("stun_server", STUN).inside(&self.branch.at_client())
    }

    /// Registers at the mirror, which holds nothing.
    fn look_into_the_mirror(&self, transport: &str) -> Probed {
        probe("sip-register", MIRROR)
            .option("transport", transport)
            .option("address_of_record", "sip:1001@branch.test")
            .option("mirror", "true")
            .inside(&self.branch.at_client())
            .run()
    }
}

/// The server received us from our own address, though a NAT is on the way.
#[track_caller]
fn assert_helped(probed: &Probed) {
    probed.assert_success();
    assert_eq!(*probed.fact("rewritten"), true, "{probed:#?}");
    assert_eq!(
        differences(probed),
        [format!("- Via received: {OUTSIDE}"), format!("+ Via received: {CLIENT}")]
    );
    assert_eq!(*probed.fact("received"), CLIENT);
    let mapped = probed.fact("mapped_address").as_str().expect("the STUN server answers");
    assert!(mapped.starts_with(&format!("{OUTSIDE}:")), "{mapped}");
}

/// What arrived names the router in Via and Contact, and differs in nothing else.
#[track_caller]
fn assert_mirrored(probed: &Probed, transport: &str) {
    probed.assert_success();
    assert_eq!(*probed.fact("rewritten"), true, "{probed:#?}");
    let via = |ip: &str| format!("SIP/2.0/{} {ip}:", transport.to_uppercase());
    assert!(line(probed, "- Via: ").starts_with(&via(CLIENT)), "{probed:#?}");
    assert!(line(probed, "+ Via: ").starts_with(&via(OUTSIDE)), "{probed:#?}");
    assert!(line(probed, "- Contact: ").contains(&format!("@{CLIENT}:")), "{probed:#?}");
    assert!(line(probed, "+ Contact: ").contains(&format!("@{OUTSIDE}:")), "{probed:#?}");
    assert_eq!(differences(probed).len(), 4, "{probed:#?}");
}

#[test]
fn a_router_that_helps_sip_is_found_in_100_of_100_runs_behind_every_nat() {
    let mut helped = 0;
    for (nat, runs) in [(Nat::PortRestricted, 34), (Nat::Symmetric, 33), (Nat::FullCone, 33)] {
        let site = Site::behind(nat);
        site.help();

        let probed = run_all(runs, |_| site.register(REGISTRAR));
        let asked = run_all(AT_A_TIME, |_| site.ask("sip-options", REGISTRAR));

        probed.iter().chain(&asked).for_each(assert_helped);
        assert!(probed.iter().all(|one| *one.fact("removed") == true), "{probed:#?}");
        assert!(site.registrar.bindings().is_empty());
        helped += found(&probed);
    }
    assert_eq!(helped, 100);
}

#[test]
fn a_nat_that_helps_nobody_is_clean_in_25_of_25_runs_of_each_kind() {
    for nat in NATS {
        let site = Site::behind(nat);

        let probed = run_all(25, |_| site.register(REGISTRAR));
        let asked = run_all(AT_A_TIME, |_| site.ask("sip-options", REGISTRAR));

        let source = if nat == Nat::None { CLIENT } else { OUTSIDE };
        for one in probed.iter().chain(&asked) {
            assert_clean(one);
            assert_eq!(*one.fact("received"), source, "{one:#?}");
        }
        assert_eq!(found(&probed), 0);
    }
}

#[test]
fn where_the_helper_does_not_look_nothing_is_rewritten() {
    let site = Site::behind(Nat::PortRestricted);
    site.help();
    let ca = site.authority.path().display().to_string();
    let tls = |_| {
        probe("sip-register", format!("{CLOUD}:5061"))
            .option("transport", "tls")
            .option("address_of_record", "sip:1001@branch.test")
            .option("ca_file", &ca)
            .password(PASSWORD)
            .inside(&site.branch.at_client())
    };
    let tcp = |_| {
        probe("sip-register", REGISTRAR)
            .option("transport", "tcp")
            .option("address_of_record", "sip:1001@branch.test")
            .option("allow_cleartext", "true")
            .password(PASSWORD)
            .inside(&site.branch.at_client())
    };

    let over_udp = run_all(10, |_| site.register(OFF_PORT));
    let over_tcp = run_all(10, tcp);
    let over_tls = run_all(10, tls);

    for one in over_udp.iter().chain(&over_tcp).chain(&over_tls) {
        assert_clean(one);
        assert_eq!(*one.fact("received"), OUTSIDE, "{one:#?}");
    }
    // And it was looking all the while.
    assert_helped(&site.register(REGISTRAR).run());
}

#[test]
fn a_helper_before_no_nat_has_nothing_to_rewrite() {
    let site = Site::behind(Nat::None);
    site.help();

    let probed = run_all(10, |_| site.register(REGISTRAR));

    probed.iter().for_each(assert_clean);
}

#[test]
fn a_mirror_shows_exactly_what_the_helper_rewrites_and_nothing_where_there_is_none() {
    for nat in NATS {
        let site = Site::behind(nat);
        for transport in ["udp", "tcp"] {
            let clean = site.look_into_the_mirror(transport);
            site.help_over(transport);

            let helped = site.look_into_the_mirror(transport);

            assert_clean(&clean);
            assert_eq!(*clean.fact("mode"), "mirror");
            if nat == Nat::None {
                assert_clean(&helped);
            } else {
                assert_mirrored(&helped, transport);
            }
        }
    }
}

#[test]
fn a_check_finds_the_helper_with_what_it_rewrote_and_only_while_it_helps() {
    let site = Site::behind(Nat::PortRestricted);
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let secret = keep_secret(folder.path(), "password", PASSWORD);
    let ca = site.authority.path().display().to_string();
    let toml = CHECK.replace("@PASSWORD@", &secret.display().to_string()).replace("@CA@", &ca);
    let config = configure(folder.path(), &toml);
    let check = || {
        let (_, report) = check_inside(&site.branch.at_client(), folder.path(), &config);
        let findings = report["findings"].as_array().expect("a list of findings");
        let helper = findings.iter().find(|finding| finding["rule"] == "sip-alg").cloned();
        (helper, report)
    };

    let (before, clean) = check();
    site.help();
    let (found, report) = check();

    assert_eq!(before, None, "{clean:#?}");
    let found = found.unwrap_or_else(|| panic!("{report:#?}"));
    let said = found.to_string();
    for part in [
        "detected on the way to udp 198.51.100.10:5060",
        "- Via received: 203.0.113.2",
        "+ Via received: 10.77.0.2",
        "have phones use tls 5061",
    ] {
        assert!(said.contains(part), "{part}: {found:#?}");
    }
}

// RFC 3261 §18.1.1
#[test]
fn a_router_that_drops_fragments_loses_the_large_request_alone() {
    let behind = |nat| {
        let site = Site::behind(nat);
        let large = || site.register(REGISTRAR).option("large", "true").run();

        let whole = large();
        run_well(&words(&site.branch.at_router(), &["nft", FRAGMENTS]));
        let broken = large();

        for (one, is_answered) in [(whole, true), (broken, false)] {
            assert_clean(&one);
            assert_eq!(*one.fact("large_answered"), is_answered, "{nat:?} {one:#?}");
            assert_eq!(*one.fact("large_bytes"), 1800, "{one:#?}");
            assert_eq!(*one.fact("removed"), true, "{one:#?}");
        }
    };

    // Each waits some seconds for an answer that never comes.
    thread::scope(|scope| {
        for nat in NATS {
            scope.spawn(move || behind(nat));
        }
    });
}

const REGISTRAR: &str = "198.51.100.10:5060";
/// Where the helper does not look.
const OFF_PORT: &str = "198.51.100.10:5070";
const MIRROR: &str = "198.51.100.11:5060";
const STUN: &str = "198.51.100.10:3478";

/// Without forwarding, the kernel looks at nothing; what it is to help has to be said.
const HELPER: &str = "\
table ip alg_@TRANSPORT@ {
  ct helper sip5060 {
    type \"sip\" protocol @TRANSPORT@;
    l3proto ip;
  }
  chain pre {
    type filter hook prerouting priority 0;
    @TRANSPORT@ dport 5060 ct helper set \"sip5060\"
  }
}";

/// Before they are put together again, which the tracking of connections does at -400.
const FRAGMENTS: &str = "\
table ip fragments {
  chain pre {
    type filter hook prerouting priority -450;
    ip frag-off & 0x3fff != 0 drop
  }
}";

const CHECK: &str = r#"
[site]
name = "branch"

[modules.over-udp]
probe = "sip-register"
address_of_record = "sip:1001@branch.test"
password = { file = "@PASSWORD@" }
allow_cleartext = true
stun_server = "198.51.100.10:3478"

[modules.over-tls]
probe = "sip-register"
transport = "tls"
address_of_record = "sip:1001@branch.test"
password = { file = "@PASSWORD@" }
ca_file = "@CA@"

[[targets]]
name = "registrar"
address = "198.51.100.10:5060"
modules = ["over-udp"]

[[targets]]
name = "registrar-tls"
address = "198.51.100.10:5061"
modules = ["over-tls"]
"#;
