//! The resolvers, and what is between them and the branch, as other people's clients see it.

use std::time::Duration;

use crate::branch::Traffic;
use crate::process::{program, run_well, words};

use super::watch::{Renewal, SLACK};
use super::world::RESOLVER;
use super::zones::{REWRITTEN, Ttls};
use super::{Host, World};

#[test]
fn a_resolver_asks_each_level_once_and_then_remembers() {
    let world = World::new();
    let asked = |level, host| {
        let queries = world.queries(level, "edge.lyon.test");
        queries.iter().filter(|query| query.is_by(host)).count()
    };

    let primed = world.prime("edge.lyon.test", "A");
    let again = world.dig(Host::Resolver, "edge.lyon.test", "A", &[]);

    assert_eq!((primed.dug.ttl(), primed.dug.data()), (Some(6), vec!["10.77.2.21".to_owned()]));
    assert_eq!(again.data(), ["10.77.2.21"]);
    for host in [Host::Resolver, Host::Twin] {
        assert_eq!([Host::Root, Host::Top].map(|level| asked(level, host)), [1, 1], "{host:?}");
        let fetches = world.fetches(host, "edge.lyon.test");
        assert_eq!(fetches.len(), 1, "{host:?}: {fetches:?}");
    }
}

#[test]
fn the_resolver_and_its_twin_forget_what_they_were_primed_with_at_the_same_moment() {
    let world = World::new();
    let over = world.prime("edge.lyon.test", "A").over();

    let watches = [Host::Resolver, Host::Twin].map(|host| world.watch(host, "edge.lyon.test", "A"));

    for watch in watches {
        let renewal = watch.await_renewal();
        assert!(renewal.is_at(over), "{over:?} {renewal:?}");
    }
}

// It counts in whole seconds, and 0 is still good: from 0 to 1 s later than it said.
#[test]
fn unbound_answers_anew_in_the_second_after_the_ttl_that_it_showed() {
    let world = World::with(SHORT);

    for name in ["edge.lyon.test", "nobody.lyon.test"] {
        let watch = world.watch(Host::Resolver, name, "A");
        let Renewal { shown, last, anew } = watch.await_renewal();

        let ttl = Duration::from_secs(shown.ttl.expect("there is a record").into());
        assert!(anew.heard >= shown.asked + ttl, "{shown:?} {anew:?}");
        assert!(last.asked < shown.heard + ttl + SECOND + SLACK, "{shown:?} {last:?}");
        assert_eq!(last.ttl, Some(0), "{last:?}");
    }
}

// It counts in whole seconds, and 0 is over: from 0 to 1 s earlier than it said. A name without
// an address: what is not there at all, it rewrites.
#[test]
fn bind_answers_anew_in_the_second_before_the_ttl_that_it_showed_is_over() {
    let world = World::with(SHORT);

    for name in ["edge.lyon.test", "big.lyon.test"] {
        let watch = world.watch(Host::Rewriter, name, "A");
        let Renewal { shown, last, anew } = watch.await_renewal();

        let ttl = Duration::from_secs(shown.ttl.expect("there is a record").into());
        assert!(anew.heard + SECOND >= shown.asked + ttl, "{shown:?} {anew:?}");
        assert!(last.asked < shown.heard + ttl + SLACK, "{shown:?} {last:?}");
        assert_eq!(last.ttl, Some(1), "{last:?}");
    }
}

#[test]
fn the_rewriter_makes_an_address_of_a_name_that_is_not_there() {
    let world = World::new();

    let rewritten = world.dig(Host::Rewriter, "nobody.lyon.test", "A", &[]);
    let real = world.dig(Host::Rewriter, "edge.lyon.test", "A", &[]);
    let honest = world.dig(Host::Resolver, "nobody.lyon.test", "A", &[]);

    assert_eq!((rewritten.rcode.as_str(), rewritten.data()), ("NOERROR", vec![REWRITTEN.into()]));
    assert_eq!(real.data(), ["10.77.2.21"]);
    assert_eq!(honest.rcode, "NXDOMAIN");
}

#[test]
fn what_the_router_intercepts_is_answered_by_the_resolver_whoever_was_asked() {
    let world = World::new();
    let servers = [Host::Primary.address(), Host::Primary.address_6()];
    let ask = |transport| servers.map(|at| world.dig(at, "edge.lyon.test", "A", &[transport]));
    for direct in ask("+notcp") {
        assert!(direct.has_flag("aa") && !direct.has_flag("ra"), "{direct:?}");
    }

    world.intercept();

    for intercepted in ["+notcp", "+tcp"].into_iter().flat_map(ask) {
        assert!(intercepted.has_flag("ra") && !intercepted.has_flag("aa"), "{intercepted:?}");
        assert_eq!(intercepted.data(), ["10.77.2.21"]);
    }
    assert_eq!(world.queries(Host::Resolver, "edge.lyon.test").len(), 4);
}

#[test]
fn over_tls_and_https_the_resolver_says_the_same_to_kdig_and_dig() {
    let world = World::new();
    let kdig = program("kdig", "knot-dnsutils").display().to_string();
    let ca = format!("+tls-ca={}", world.authority().display());
    let name = format!("+tls-hostname={RESOLVER}");

    for server in [Host::Resolver.address(), Host::Resolver.address_6()] {
        for (secured, port) in [("+tls", "853"), ("+https", "443")] {
            let at = format!("@{server}");
            let question = [kdig.as_str(), &at, "edge.lyon.test", "A", "+short"];
            let mut command = words(&world.branch().at_client(), &question);
            let said = run_well(command.args([secured, &ca, &name]));
            assert_eq!(said.trim(), "10.77.2.21", "{secured} {server}");
            let options = ["-p", port, secured, &ca, &name];
            let dug = world.dig(server, "edge.lyon.test", "A", &options);
            assert_eq!(dug.data(), ["10.77.2.21"], "{secured} {server}");
        }
    }
}

#[test]
fn where_the_router_drops_udp_the_resolver_is_reached_over_tcp() {
    let world = World::new();
    world.branch().drop(Traffic::Matching("udp dport 53"));
    let ask = |transport| {
        world.try_dig(Host::Resolver, "edge.lyon.test", "A", &[transport, "+tries=1", "+time=1"])
    };

    assert!(ask("+notcp").is_err());
    assert!(ask("+tcp").is_ok_and(|dug| dug.data() == ["10.77.2.21"]));
}

#[test]
fn a_silenced_nameserver_is_silent_to_the_branch_and_passed_over_by_the_resolver() {
    let world = World::new();
    world.silence(&[Host::Primary, Host::Second]);

    for address in [Host::Primary.address(), Host::Primary.address_6()] {
        let asked =
            world.try_dig(address, "edge.lyon.test", "A", &["+norecurse", "+tries=1", "+time=1"]);
        assert!(asked.is_err(), "{asked:?}");
    }
    assert_eq!(world.dig(Host::Resolver, "edge.lyon.test", "A", &[]).data(), ["10.77.2.21"]);
    world.silence(&[]);
    assert_eq!(world.dig(Host::Primary, "edge.lyon.test", "A", &[]).data(), ["10.77.2.21"]);
}

#[test]
fn the_branch_uses_the_resolver_that_its_resolv_conf_names() {
    let world = World::new();
    let dig = program("dig", "bind9-dnsutils").display().to_string();

    for (resolver, says) in [(Host::Resolver, ""), (Host::Rewriter, REWRITTEN)] {
        let question = [dig.as_str(), "-r", "+short", "nobody.lyon.test", "A"];
        let said = run_well(&words(&world.at_client_of(resolver), &question));
        assert_eq!(said.trim(), says, "{resolver:?}");
    }
}

const SHORT: Ttls = Ttls { record: 2, negative: 2 };

const SECOND: Duration = Duration::from_secs(1);
