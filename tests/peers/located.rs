//! Where to send a SIP request, as a real nameserver says, and who of several Kamailios answers.

mod cloud;
mod naptr;

use std::collections::BTreeMap;

use crate::agent::{Probe, Probed, probe};
use crate::dig;

use cloud::{Cloud, Does, NAMESERVER};

/// Every probe of these tests registers without credentials.
fn register(cloud: &Cloud, domain: &str) -> Probe {
    probe("sip-register", domain)
        .option("address_of_record", "sip:1001@phone.test")
        .option("timeout", "3s")
        .inside(&cloud.at_office())
}

/// A fact that is a list of texts.
fn list(probed: &Probed, fact: &str) -> Vec<String> {
    let texts = probed.fact(fact).as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// The records of a name as `dig` shows them, names without the dot at their end.
#[track_caller]
fn dug(cloud: &Cloud, name: &str, kind: &str) -> Vec<String> {
    let dug = dig::ask(&cloud.at_office(), NAMESERVER, name, kind, &[]).expect("it answers");
    let bare = |word: &str| word.strip_suffix('.').unwrap_or(word).to_owned();
    dug.data().iter().map(|it| it.split(' ').map(bare).collect::<Vec<_>>().join(" ")).collect()
}

fn addresses(probed: &[Probed]) -> Vec<&str> {
    probed.iter().filter_map(|it| it.seen["address"].as_str()).collect()
}

#[test]
fn every_server_that_srv_names_is_asked_and_the_tree_is_what_dig_tells() {
    let cloud = Cloud::with([Does::Accept, Does::Accept, Does::Unavailable]);

    let probed = register(&cloud, "three.test").run_each();

    assert_eq!(
        addresses(&probed),
        ["198.51.100.61:5060", "198.51.100.62:5070", "198.51.100.63:5060"]
    );
    let reasons: Vec<_> = probed.iter().map(|it| it.reason().as_str()).collect();
    assert_eq!(reasons, [None, None, Some("rejected")]);
    let mut expected = Vec::new();
    for srv in dug(&cloud, "_sip._udp.three.test", "SRV") {
        let [_, _, port, host] = srv.split(' ').collect::<Vec<_>>()[..] else { panic!("{srv}") };
        let ips = dug(&cloud, host, "A");
        let lines = ips.iter().map(|ip| format!("{host} A {ip} udp {port}"));
        expected.push((srv.clone(), lines.collect::<Vec<_>>()));
    }
    // The priorities differ, so their order is the order.
    expected.sort_by_key(|(srv, _)| srv.split(' ').next().and_then(|it| it.parse::<u16>().ok()));
    let expected: Vec<String> = expected
        .into_iter()
        .flat_map(|(srv, lines)| {
            std::iter::once(format!("_sip._udp.three.test SRV {srv}")).chain(lines)
        })
        .collect();
    for one in &probed {
        assert_eq!(list(one, "candidates"), expected);
        assert_eq!(one.fact("located_by"), "srv");
        assert!(one.seen["phases"].to_string().contains("resolve"), "{one:#?}");
    }
}

// RFC 3263 §4.3
#[test]
fn who_is_silent_and_who_answers_503_is_passed_over_and_told() {
    let cloud = Cloud::with([Does::Nothing, Does::Unavailable, Does::Accept]);

    let probed = register(&cloud, "three.test").option("failover", "true").run();

    probed.assert_success();
    assert_eq!(probed.seen["address"], "198.51.100.63:5060");
    assert_eq!(probed.fact("status_code"), 200);
    assert_eq!(
        list(&probed, "passed_over"),
        ["udp 198.51.100.61:5060 deadline", "udp 198.51.100.62:5070 rejected 503"]
    );
    assert_eq!(list(&probed, "candidates").len(), 6);
    let elapsed = probed.seen["elapsed_seconds"].as_f64().expect("a number");
    assert!((3.0..6.0).contains(&elapsed), "{elapsed}");
    assert!(cloud.registers().iter().all(|(_, count)| *count > 0), "{:?}", cloud.registers());
}

#[test]
fn the_first_that_is_of_use_ends_the_walk() {
    let cloud = Cloud::with([Does::Refuse, Does::Accept, Does::Accept]);

    let probed = register(&cloud, "three.test").option("failover", "true").run();

    // 403 is an answer: another server is not asked for another one.
    probed.assert_failure("rejected");
    assert_eq!(probed.seen["address"], "198.51.100.61:5060");
    assert_eq!(list(&probed, "passed_over"), [""; 0]);
    assert_eq!(cloud.registers().values().copied().collect::<Vec<_>>(), [1, 0, 0]);
}

#[test]
fn where_nobody_is_of_use_the_last_one_tells_of_all_others() {
    let cloud = Cloud::with([Does::Unavailable; 3]);

    let probed = register(&cloud, "three.test").option("failover", "true").run();

    probed.assert_failure("rejected");
    assert_eq!(probed.seen["address"], "198.51.100.63:5060");
    assert_eq!(
        list(&probed, "passed_over"),
        ["udp 198.51.100.61:5060 rejected 503", "udp 198.51.100.62:5070 rejected 503"]
    );
}

// RFC 2782
#[test]
fn over_a_hundred_runs_the_first_one_asked_follows_the_weights() {
    let cloud = Cloud::with([Does::Accept; 3]);
    let mut first = BTreeMap::new();

    for _ in 0..100 {
        let probed = register(&cloud, "weighted.test").option("failover", "true").run();
        probed.assert_success();
        *first
            .entry(probed.seen["address"].as_str().expect("it is one").to_owned())
            .or_insert(0) += 1;
    }

    // Weights 75 and 25; five standard deviations are 22. The third has a priority of its own.
    let share = first.get("198.51.100.61:5060").copied().unwrap_or_default();
    assert!((53..=97).contains(&share), "{first:?}");
    assert_eq!(first.get("198.51.100.62:5070"), Some(&(100 - share)), "{first:?}");
}

#[test]
fn a_domain_that_offers_no_such_service_is_not_asked_itself() {
    let cloud = Cloud::with([Does::Accept; 3]);

    let probed = register(&cloud, "none.test").run();

    assert_eq!(dug(&cloud, "_sip._udp.none.test", "SRV"), ["0 0 0 "]);
    assert_eq!(dug(&cloud, "none.test", "A"), ["198.51.100.61"]);
    probed.assert_failure("unresolved");
    let line = "_sip._udp.none.test SRV 0 0 0 . (left out: nobody offers this)";
    assert_eq!(list(&probed, "candidates"), [line]);
    assert!(cloud.registers().values().all(|count| *count == 0));
}

#[test]
fn a_domain_without_srv_is_the_server_and_an_alias_of_it_as_well() {
    let cloud = Cloud::with([Does::Accept; 3]);

    for domain in ["plain.test", "alias.test"] {
        let probed = register(&cloud, &format!("server.{domain}")).run();

        probed.assert_success();
        assert_eq!(probed.seen["address"], "198.51.100.61:5060");
        assert_eq!(probed.fact("located_by"), "address");
        assert_eq!(
            list(&probed, "candidates"),
            [
                format!("_sip._udp.server.{domain} SRV (none)"),
                format!("server.{domain} A 198.51.100.61 udp 5060")
            ]
        );
    }
}

#[test]
fn an_answer_that_needs_tcp_is_read_to_its_end() {
    let cloud = Cloud::with([Does::Accept; 3]);

    let probed = register(&cloud, "many.test").option("failover", "true").run();

    assert_eq!(dug(&cloud, "_sip._udp.many.test", "SRV").len(), 60);
    probed.assert_success();
    let tree = list(&probed, "candidates");
    let srv = tree.iter().filter(|line| line.contains(" SRV ")).count();
    assert_eq!(srv, 32 + 1, "{tree:#?}");
    assert!(tree.contains(&"_sip._udp.many.test SRV (28 more are left out)".to_owned()));
}

#[test]
fn the_tree_has_a_line_for_each_record_and_a_trace_tells_each_question() {
    let cloud = Cloud::with([Does::Accept; 3]);

    let (said, traced) = register(&cloud, "three.test").option("failover", "true").show();

    let mut lines = said.lines().skip_while(|line| !line.starts_with("  candidates "));
    let column = lines.clone().next().and_then(|line| line.find("_sip.")).expect("the tree");
    let tree = [(); 6].map(|()| lines.next().unwrap_or_default().split_at(column));
    assert_eq!(tree[0].1, "_sip._udp.three.test SRV 10 0 5060 a.three.test", "{said}");
    assert_eq!(tree[1].1, "a.three.test A 198.51.100.61 udp 5060", "{said}");
    assert_eq!(tree[5].1, "c.three.test A 198.51.100.63 udp 5060", "{said}");
    assert!(tree[1..].iter().all(|(margin, _)| margin.trim().is_empty()), "{said}");
    assert!(lines.next().is_some_and(|line| !line.starts_with("   ")), "{said}");
    for step in [
        "resolver  ask for SRV of _sip._udp.three.test.",
        "resolver  SRV of _sip._udp.three.test.: 3 records",
        "resolver  A and AAAA of a.three.test.: 1 record",
        "198.51.100.61:5060  open udp to 198.51.100.61:5060",
    ] {
        assert!(traced.contains(step), "{step}: {traced}");
    }
}
