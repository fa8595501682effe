//! Resolvers over TLS (RFC 7858) and HTTPS (RFC 8484), beside `kdig`.

use std::net::SocketAddr;

use crate::agent::{Probe, Probed};
use crate::dig::answers;
use crate::process::{program, run_well, words};

use super::office::{Office, name, views};
use super::world::RESOLVER;
use super::{Host, World};

/// How each is called by the product, and by `kdig`, and its port.
const WAYS: [(&str, &str, u16); 2] = [("tls", "+tls", 853), ("https", "+https", 443)];

#[test]
fn the_product_and_kdig_agree_over_tls_and_https() {
    let world = World::new();
    world.prime("edge.lyon.test", "A");

    for address in [Host::Resolver.address(), Host::Resolver.address_6()] {
        for (transport, flag, port) in WAYS {
            let probed = trusting(&world, ask(&world, transport, address)).run();
            let said = kdig(&world, flag, &address.to_string());

            probed.assert_success();
            assert_eq!(answers(&probed), [format!("A {}", said.trim())], "{transport} {address}");
            assert_eq!(probed.seen["address"], SocketAddr::new(address, port).to_string());
            assert_eq!(probed.fact("rcode"), "NOERROR");
            assert_eq!(probed.fact("tls_version"), "1.3", "{probed:#?}");
        }
    }
}

#[test]
fn what_is_not_there_is_not_there_over_tls_and_https_either() {
    let world = World::new();

    for (transport, _, _) in WAYS {
        // What a resolver remembers counts down, so each way asks for a name of its own.
        let name = format!("nobody-{transport}.lyon.test");
        let probe = world.probe(Host::Resolver, &name, "A");
        let probed = trusting(&world, probe.option("transport", transport)).run();

        probed.assert_failure("rejected");
        assert_eq!(probed.fact("rcode"), "NXDOMAIN");
        assert_eq!(probed.fact("negative_ttl_seconds").as_f64(), Some(4.0));
    }
}

#[test]
fn whoever_cannot_prove_the_name_is_asked_nothing() {
    let world = World::new();
    let own = world.authority().display().to_string();

    for (transport, _, _) in WAYS {
        let asking = || ask(&world, transport, Host::Resolver.address());
        let other = asking().option("ca_file", &own).option("server_name", "other.test").run();
        let stranger = asking().option("server_name", RESOLVER).run();

        for (probed, problem) in [(other, "for another name"), (stranger, "not trusted")] {
            probed.assert_failure("tls_failed");
            assert!(message(&probed).contains(problem), "{transport}: {probed:#?}");
        }
    }
    assert!(world.queries(Host::Resolver, "edge.lyon.test").is_empty());
}

#[test]
fn as_views_of_a_check_they_are_asked_by_name_and_by_address() {
    let world = World::new();
    let public = format!(
        "public = [\"tls://{RESOLVER}\", \"https://{}/dns-query\", \"tls://[{}]:853\"]\n\
         ca_file = \"{}\"\n",
        Host::Resolver.address(),
        Host::Resolver.address_6(),
        world.authority().display()
    );
    let site = views(&[Host::Twin], &[]).replace("roots", &format!("{public}roots"));
    let office = Office::with(&(site + &name("edge.lyon.test", "expect = [\"10.77.2.21\"]")));

    let report = office.check_inside(&world.at_client_of(Host::Twin));

    assert_eq!(report.standing(), "propagated", "{report:#?}");
    for (address, port) in [
        (Host::Resolver.address(), 853),
        (Host::Resolver.address(), 443),
        (Host::Resolver.address_6(), 853),
    ] {
        let view = report.at(SocketAddr::new(address, port));
        assert_eq!((&view["view"], &view["says"]), (&"public".into(), &"current".into()));
    }
    report.assert_explained();
}

// The way of the phones may be open where that to the public resolver is not to be trusted.
#[test]
fn a_view_that_cannot_prove_its_name_says_nothing_of_the_name() {
    let world = World::new();
    let public = format!("public = [\"tls://{}\"]\n", Host::Resolver.address());
    let site = views(&[Host::Twin], &[]).replace("roots", &format!("{public}roots"));
    let office = Office::with(&(site + &name("edge.lyon.test", "")));

    let report = office.check(&world);

    assert_eq!(report.standing(), "propagated", "{report:#?}");
    let view = report.at(SocketAddr::new(Host::Resolver.address(), 853));
    assert_eq!(view["reason"], "tls_failed", "{report:#?}");
    assert_ne!(view["says"], "current");
    report.assert_explained();
    assert_eq!(report.code, Some(0), "{report:#?}");
}

fn ask(world: &World, transport: &str, address: std::net::IpAddr) -> Probe {
    world.probe(address, "edge.lyon.test", "A").option("transport", transport)
}

/// The probe trusts the authority of the world, and wants the name of its resolver.
fn trusting(world: &World, probe: Probe) -> Probe {
    let own = world.authority().display().to_string();
    probe.option("ca_file", &own).option("server_name", RESOLVER)
}

#[track_caller]
fn kdig(world: &World, flag: &str, address: &str) -> String {
    let kdig = program("kdig", "knot-dnsutils").display().to_string();
    let ca = format!("+tls-ca={}", world.authority().display());
    let (at, host) = (format!("@{address}"), format!("+tls-hostname={RESOLVER}"));
    let question = [kdig.as_str(), &at, "edge.lyon.test", "A", "+short", flag, &ca, &host];
    run_well(&words(&world.branch().at_client(), &question))
}

fn message(probed: &Probed) -> &str {
    probed.seen["failure"]["message"].as_str().unwrap_or_default()
}
