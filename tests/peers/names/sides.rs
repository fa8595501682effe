//! `branchline check` of a name from every side: the resolver of the phones, others, and the
//! nameservers to which the delegation leads.

use super::office::{Office, name, views};
use super::zones::{REWRITTEN, Ttls};
use super::{Host, World};

#[test]
fn what_every_side_has_is_propagated() {
    let world = World::new();
    let names = name("edge.lyon.test", "expect = [\"10.77.2.21\"]");
    let office = Office::with(&(views(&[Host::Resolver], &[Host::Twin, Host::Rewriter]) + &names));

    let report = office.check(&world);

    assert_eq!(report.standing(), "propagated", "{report:#?}");
    assert_eq!(report.name()["propagation_ratio"], 1.0);
    for host in [Host::Resolver, Host::Twin, Host::Rewriter] {
        assert_eq!(report.says(host), "current", "{host:?}");
    }
    for host in [Host::Primary, Host::Second, Host::Third] {
        for address in [host.address(), host.address_6()] {
            assert_eq!(report.says(address), "current", "{host:?}");
            assert_eq!(report.of(address)["serial"], world.serial(host), "{host:?}");
        }
    }
    assert_eq!(report.code, Some(0));
    report.assert_explained();
}

#[test]
fn secondaries_that_did_not_transfer_are_behind_with_their_serial() {
    let world = World::with(LONG);
    let office = Office::watching(&name("edge1.lyon.test", "expect = [\"10.77.2.80\"]"));
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    // So that the resolver asks the one that has it.
    world.silence(&Host::SECONDARIES);
    world.prime("edge1.lyon.test", "A");
    world.silence(&[]);

    let half = office.check(&world);
    world.transfer_all();
    let whole = office.check(&world);

    assert_eq!(half.standing(), "propagating", "{half:#?}");
    for (host, says, serial) in
        [(Host::Primary, "current", 2), (Host::Second, "behind", 1), (Host::Third, "behind", 1)]
    {
        assert_eq!((half.says(host), half.of(host)["serial"].as_u64()), (says, Some(serial)));
    }
    assert_eq!(half.says(Host::Resolver), "current");
    let finding = half.finding("dns-not-propagated");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"warning".into()));
    let step = finding["next_step"].as_str().unwrap_or_default();
    assert!(step.contains(&format!("authoritative {}", Host::Second.address())), "{step}");
    assert_eq!(half.code, Some(0), "the phones find it");
    assert_eq!(whole.standing(), "propagated", "{whole:#?}");
    assert!(whole.findings("dns-not-propagated").is_empty());
}

#[test]
fn a_resolver_that_remembers_that_there_is_none_is_stale_and_blocks_until_it_forgets() {
    let world = World::with(LONG);
    let office = Office::watching(&name("edge1.lyon.test", "expect = [\"10.77.2.80\"]"));
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.silence(&[Host::Primary]);
    world.prime("edge1.lyon.test", "A");
    world.silence(&[]);
    world.transfer_all();

    let report = office.check(&world);
    let dug = world.dig(Host::Resolver, "edge1.lyon.test", "A", &[]);

    assert_eq!(dug.rcode, "NXDOMAIN", "it remembers still");
    assert_eq!((report.standing(), report.says(Host::Resolver)), ("propagating", "stale"));
    assert_eq!(report.name()["propagated_by"], report.of(Host::Resolver)["until"]);
    let finding = report.finding("dns-not-propagated");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"blocking".into()));
    assert_eq!((report.code, &report.document["verdict"]), (Some(2), &"no_go".into()));
    report.assert_explained();
}

#[test]
fn a_name_that_nobody_has_was_not_created() {
    let world = World::new();
    let office = Office::watching(&name("edge1.lyon.test", "expect = [\"10.77.2.80\"]"));

    let report = office.check(&world);

    assert_eq!((report.standing(), report.code), ("not_created", Some(2)));
    assert_eq!(report.says(Host::Resolver), "absent");
    assert_eq!(report.says(Host::Third), "absent");
    let finding = report.finding("dns-not-created");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"blocking".into()));
    assert_eq!(finding["summary"], "no nameserver has edge1.lyon.test A");
    report.assert_explained();
}

#[test]
fn an_address_that_nobody_expects_is_wrong_on_every_side() {
    let world = World::new();
    let office = Office::watching(&name("edge.lyon.test", "expect = [\"10.77.2.99\"]"));

    let report = office.check(&world);

    assert_eq!((report.standing(), report.code), ("wrong_address", Some(2)), "{report:#?}");
    assert_eq!([Host::Resolver, Host::Primary].map(|it| report.says(it)), ["wrong"; 2]);
    let finding = report.finding("dns-wrong-address");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"blocking".into()));
    assert!(finding["next_step"].as_str().is_some_and(|step| step.contains("10.77.2.99")));
}

#[test]
fn a_resolver_that_makes_an_address_of_every_name_is_found_out() {
    let world = World::new();
    let at_site = |watched: &str| {
        Office::with(&(views(&[Host::Rewriter], &[]) + &name(watched, ""))).check(&world)
    };

    let (absent, present) = (at_site("nobody.lyon.test"), at_site("edge.lyon.test"));

    // It is what the phones would get.
    assert_eq!((absent.standing(), absent.code), ("intercepted", Some(2)), "{absent:#?}");
    assert_eq!(absent.says(Host::Rewriter), "made_up");
    assert_eq!(absent.of(Host::Rewriter)["records"], serde_json::json!([format!("A {REWRITTEN}")]));
    let finding = absent.finding("dns-intercepted");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"blocking".into()));
    absent.assert_explained();
    // Where it tells the truth about the name that matters, it is a warning.
    assert_eq!((present.standing(), present.code), ("propagated", Some(0)));
    assert_eq!(present.finding("dns-intercepted")["severity"], "warning");
    present.assert_explained();
}

#[test]
fn a_public_resolver_that_makes_it_up_does_not_hide_that_the_name_is_missing() {
    let world = World::new();
    let tables = views(&[Host::Resolver], &[Host::Rewriter]) + &name("nobody.lyon.test", "");

    let report = Office::with(&tables).check(&world);

    assert_eq!((report.standing(), report.code), ("intercepted", Some(2)), "{report:#?}");
    assert_eq!(report.finding("dns-intercepted")["severity"], "warning");
    assert_eq!(report.finding("dns-not-created")["severity"], "blocking");
    report.assert_explained();
}

#[test]
fn the_lame_nameserver_is_a_flaw_of_the_delegation() {
    let world = World::new();

    let report = Office::watching(&name("edge.lyon.test", "")).check(&world);

    let finding = report.finding("dns-inconsistent");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"warning".into()));
    assert_eq!(finding["subject"], "lyon.test");
    let summary = finding["summary"].as_str().unwrap_or_default();
    assert!(summary.contains(&format!("ns4.lyon.test {}: REFUSED", Host::Lame.address())));
    assert_eq!(report.document["verdict"], "go_with_warnings");
}

#[test]
fn where_the_router_answers_for_everyone_port_53_is_intercepted_and_the_resolver_still_counts() {
    let world = World::new();
    world.intercept();
    let by_walk = Office::watching(&name("edge.lyon.test", ""));
    let listed = format!("authoritative = [\"{}\"]\n", Host::Primary.address());
    let tables = views(&[Host::Resolver], &[]).replace("roots", "# roots");
    let by_list = Office::with(
        &(tables.trim_end().to_owned() + "\n" + &listed + &name("edge.lyon.test", "")),
    );

    let (walked, asked) = (by_walk.check(&world), by_list.check(&world));

    let finding = walked.finding("dns-intercepted");
    assert_eq!(
        (&finding["owner"], &finding["severity"], &finding["subject"]),
        (&"site-network".into(), &"warning".into(), &"port 53".into())
    );
    assert_eq!(walked.says(Host::Resolver), "current");
    // Nobody is told to repair nameservers that were not reached.
    assert_eq!(walked.rules(), ["dns-intercepted"], "{walked:#?}");
    assert_eq!(walked.code, Some(0));
    assert_eq!((asked.standing(), asked.says(Host::Primary)), ("intercepted", "made_up"));
    let finding = asked.finding("dns-intercepted");
    assert_eq!(
        (&finding["owner"], &finding["severity"]),
        (&"site-network".into(), &"warning".into())
    );
}

#[test]
fn a_record_that_is_too_long_for_a_datagram_is_compared_whole() {
    let world = World::new();
    let office = Office::watching(&name("big.lyon.test", "types = [\"TXT\"]"));

    let report = office.check(&world);

    assert_eq!(report.standing(), "propagated", "{report:#?}");
    let records = report.of(Host::Resolver)["records"].as_array().map(Vec::len);
    assert_eq!(records, Some(12));
}

#[test]
fn a_zone_on_ipv6_alone_is_seen_by_resolvers_over_either_family() {
    let world = World::new();
    let site = format!(
        "[views]\nsite = [\"{}\", \"{}\"]\nroots = [\"{}\"]\n\n",
        Host::Resolver.address(),
        Host::Resolver.address_6(),
        Host::Root.address_6()
    );

    let report = Office::with(&(site + &name("edge.six.test", ""))).check(&world);

    assert_eq!(report.standing(), "propagated", "{report:#?}");
    for address in [Host::Resolver.address(), Host::Resolver.address_6(), Host::Six.address_6()] {
        assert_eq!(report.says(address), "current", "{address}");
    }
    assert_eq!(report.document["verdict"], "go", "{report:#?}");
}

#[test]
fn a_resolver_that_is_silent_is_down_whatever_the_other_one_says() {
    let world = World::new();
    // A host of the cloud that is no nameserver drops what comes.
    let silent = std::net::IpAddr::from([198, 51, 100, 99]);
    let site = format!(
        "[views]\nsite = [\"{}\", \"{silent}\"]\nroots = [\"{}\"]\n\n",
        Host::Resolver.address(),
        Host::Root.address()
    );

    let report = Office::with(&(site + &name("edge.lyon.test", ""))).check(&world);

    assert_eq!(report.says(silent), "silent", "{report:#?}");
    let finding = report.finding("dns-resolver-down");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"blocking".into()));
    assert!(finding["subject"].as_str().is_some_and(|it| it.contains(&silent.to_string())));
    assert_eq!(report.code, Some(2));
}

#[test]
fn an_authoritative_nameserver_that_is_silent_is_the_zone_s_own_trouble() {
    let world = World::new();
    world.silence(&[Host::Second]);

    let report = Office::watching(&name("edge.lyon.test", "")).check(&world);

    assert_eq!((report.says(Host::Second), report.says(Host::Primary)), ("silent", "current"));
    let finding = report.finding("dns-resolver-down");
    assert_eq!((&finding["owner"], &finding["severity"]), (&"dns".into(), &"warning".into()));
    assert_eq!(report.document["verdict"], "go_with_warnings");
}

// The root and `test` answer, so the way out is open.
#[test]
fn a_zone_all_of_whose_nameservers_are_silent_is_no_internet_that_is_down() {
    let world = World::new();
    world.silence(&[Host::Primary, Host::Second, Host::Third, Host::Lame]);

    let report = Office::watching(&name("edge.lyon.test", "")).check(&world);

    assert!(report.findings("internet-down").is_empty(), "{report:#?}");
    assert!(!report.findings("dns-resolver-down").is_empty(), "{report:#?}");
}

#[test]
fn without_a_list_the_resolver_of_resolv_conf_is_the_phones_own() {
    let world = World::new();
    let office = Office::with(&(views(&[], &[]) + &name("nobody.lyon.test", "")));
    let under = |resolver| office.check_inside(&world.at_client_of(resolver));

    let (honest, rewriting) = (under(Host::Resolver), under(Host::Rewriter));

    assert_eq!(honest.says(Host::Resolver), "absent", "{honest:#?}");
    assert_eq!(rewriting.says(Host::Rewriter), "made_up", "{rewriting:#?}");
    assert_eq!(rewriting.of(Host::Rewriter)["view"], "site");
}

/// So long that nothing is forgotten before the check.
const LONG: Ttls = Ttls { record: 300, negative: 300 };
