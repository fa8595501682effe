//! The ways to a server side by side, and the limits of the profile, as a report shows them.

use std::sync::Arc;
use std::time::Duration;

use branchline::ladder::{self, Ladder, Rung};
use branchline::outputs::{json, text};
use branchline::profile::Profile;
use branchline::report::Report;
use branchline_probes::way::TLS_VERSION;
use branchline_probes::{FactKey, Observation, Phase, Transport, Unresolved};
use serde_json::json;

use super::site::{
    Asked, BEGIN, NS, RELAY, RELAY_2, Said, Site, dns, options, register, stun, turn,
};

const LOSS: FactKey<f64> = FactKey::new("loss_ratio", "of a probe that no output knows");

fn seen(asked: &Asked, said: Said) -> Arc<Observation> {
    Arc::new(asked.observation(said, BEGIN))
}

fn tcp() -> Asked {
    turn(RELAY).over(Transport::Tcp, 3478)
}

fn tls(port: u16) -> Asked {
    turn(RELAY).over(Transport::Tls, port)
}

fn report(site: &Site) -> Report {
    let evidence = site.evidence();
    Report::new("lyon".to_owned(), BEGIN, Duration::from_secs(8), &evidence, site.diagnosis())
}

/// A report of 80 columns, as one reads it without colour.
fn page(site: &Site) -> String {
    let colour = ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1;32m", "\x1b[1m", "\x1b[0m"];
    colour.iter().fold(text::report(&report(site), 80), |text, code| text.replace(code, ""))
}

fn only(ladders: Vec<Ladder>) -> Ladder {
    assert_eq!(ladders.len(), 1, "{ladders:#?}");
    ladders.into_iter().next().expect("there is one")
}

#[test]
fn one_way_is_no_ladder() {
    let twice = [
        seen(&stun(RELAY), Said::Works),
        seen(&stun(RELAY), Said::Works),
        seen(&turn(RELAY), Said::Works),
        seen(&tcp(), Said::Unresolved(Unresolved::NoAddress)),
    ];

    assert_eq!(ladder::of(&twice), []);
}

#[test]
fn each_target_probe_and_address_has_a_ladder_of_its_own() {
    let stun_tcp = stun(RELAY).over(Transport::Tcp, 3478);
    let elsewhere = |asked: Asked| asked.also_at(RELAY_2);
    let seen = [
        seen(&turn(RELAY), Said::Works),
        seen(&tcp(), Said::Works),
        seen(&elsewhere(turn(RELAY)), Said::Works),
        seen(&elsewhere(tcp()), Said::Works),
        seen(&stun(RELAY), Said::Works),
        seen(&stun_tcp, Said::Works),
    ];

    let ladders = ladder::of(&seen);

    let shown: Vec<_> = ladders.iter().map(|it| (it.probe, it.address.to_string())).collect();
    let turn = "turn-allocation";
    assert_eq!(
        shown,
        [
            (turn, "192.0.2.10".to_owned()),
            (turn, "192.0.2.11".to_owned()),
            ("stun-binding", "192.0.2.10".to_owned())
        ]
    );
}

#[test]
fn the_cheapest_way_that_works_needs_the_fewest_handshakes() {
    let (lost, works) = (Said::Silence(7), Said::Works);
    let cheapest = |seen: &[Arc<Observation>]| only(ladder::of(seen)).cheapest().map(Rung::name);
    let all = |udp, tcp_said, tls_said| {
        [
            seen(&tls(5349), tls_said),
            seen(&tcp(), tcp_said),
            seen(&turn(RELAY), udp),
            seen(&tls(443), tls_said),
        ]
    };

    assert_eq!(cheapest(&all(works, works, works)).as_deref(), Some("udp 3478"));
    assert_eq!(cheapest(&all(lost, works, works)).as_deref(), Some("tcp 3478"));
    assert_eq!(cheapest(&all(lost, lost, works)).as_deref(), Some("tls 443"));
    assert_eq!(cheapest(&all(lost, lost, lost)), None);
}

#[test]
fn two_modules_on_one_way_are_one_rung_and_the_one_that_works_speaks() {
    let seen = [
        seen(&turn(RELAY), Said::Silence(7)),
        seen(&turn(RELAY), Said::Works),
        seen(&tcp(), Said::Works),
    ];

    let ladder = only(ladder::of(&seen));

    let rungs: Vec<_> = ladder.rungs.iter().map(|rung| (rung.name(), rung.works())).collect();
    assert_eq!(rungs, [("udp 3478".to_owned(), true), ("tcp 3478".to_owned(), true)]);
}

#[test]
fn a_server_that_is_two_targets_has_one_ladder_and_two_services_of_a_host_have_none() {
    let over_tls = tls(5349).of_target("relay-tls");
    let other = turn(RELAY).over(Transport::Udp, 3480).of_target("another");

    let ladder = only(ladder::of(&[seen(&turn(RELAY), Said::Works), seen(&over_tls, Said::Works)]));

    assert_eq!(ladder.targets, ["relay", "relay-tls"]);
    let services = ladder::of(&[seen(&turn(RELAY), Said::Works), seen(&other, Said::Works)]);
    assert_eq!(services, []);
}

#[test]
fn an_older_tls_costs_one_round_trip_more() {
    let cost = |version: &'static str| {
        let asked = tls(5349).stating(&TLS_VERSION, version);
        only(ladder::of(&[seen(&turn(RELAY), Said::Silence(7)), seen(&asked, Said::Works)])).cost()
    };

    assert_eq!(
        cost("1.3"),
        "tls 5349 works; it costs 2 round trips more than UDP before the first packet (TCP and \
         TLS: 20.0 ms here), and voice that waits behind every lost packet"
    );
    assert!(cost("1.2").contains("costs 3 round trips more"), "{}", cost("1.2"));
}

#[test]
fn signalling_has_handshakes_to_pay_and_no_voice() {
    for sip in [options as fn() -> Asked, register] {
        let cost = |udp, tls| {
            let over_tls = sip().over(Transport::Tls, 5061);
            only(ladder::of(&[seen(&sip(), udp), seen(&over_tls, tls)])).cost()
        };

        let works = "udp 5060 works: requests go out without a handshake";
        assert_eq!(cost(Said::Works, Said::Works), works);
        assert_eq!(
            cost(Said::Silence(7), Said::Works),
            "tls 5061 works: each connection costs 2 round trips before its first request (TCP and \
             TLS: 20.0 ms here)"
        );
        assert_eq!(cost(Said::Silence(7), Said::Resets), "no way works");
    }
}

#[test]
fn a_ladder_that_no_way_climbs_says_so_and_one_that_is_not_known_does_not() {
    let cost =
        |udp, tcp_said| only(ladder::of(&[seen(&turn(RELAY), udp), seen(&tcp(), tcp_said)])).cost();

    assert_eq!(cost(Said::Silence(7), Said::Resets), "no way works");
    assert_eq!(cost(Said::Silence(7), Said::Local), "no way is known to work");
    assert!(cost(Said::Works, Said::Resets).starts_with("udp 3478 works: "));
}

fn blocked() -> Site {
    let failed = tls(443).until(&[Phase::Challenge], Phase::Allocate);
    Site::new()
        .saw(&turn(RELAY), Said::Silence(7))
        .saw(&tcp(), Said::Works)
        .saw(&failed, Said::Rejects(401))
        .saw(&dns(NS), Said::Works)
}

#[test]
fn the_text_shows_the_ways_in_columns_that_fit_a_terminal() {
    let page = page(&blocked());

    let table = "\
Ways side by side
  relay 192.0.2.10 turn-allocation
    way                 connect      tls   answer   in all
    udp 3478   FAILED         -        -        -        -  no_response
    tcp 3478   ok       10.0 ms        -  10.0 ms  20.0 ms
    tls 443    FAILED   10.0 ms  10.0 ms  10.0 ms  30.0 ms  rejected
    tcp 3478 works; it costs 1 round trip more than UDP before the first packet
    (TCP: 10.0 ms here), and voice that waits behind every lost packet
";
    assert!(page.contains(table), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert!(!page.contains("Limits of profile"), "nothing was measured that they judge:\n{page}");
}

#[test]
fn the_text_shows_the_limits_where_something_was_measured_that_they_judge() {
    let measured = Site::new().saw(&stun(RELAY).stating(&LOSS, 0.0), Said::Works);

    let page = page(&measured);

    let limits = "\
Limits of profile sip-phone (warns beyond/fails beyond)
  mouth to ear 250/400 ms, round trip 300/500 ms, jitter 30/40 ms, loss 1/2 %,
  late packets 1/2 %, loss within 200 ms 10/30 %, reordering 0.05/0.5 %,
  MOS 3.6/3.1, NAT lifetime 90/30 s, certificate left 14/3 d
";
    assert!(page.contains(limits), "{page}");
    assert!(!page.contains("Ways side by side"), "{page}");
}

#[test]
fn the_json_has_the_ladders_and_the_limits_always() {
    let report: serde_json::Value =
        serde_json::from_str(&json::report(&report(&blocked()))).expect("a report is JSON");
    let alone: serde_json::Value = serde_json::from_str(&json::report(&self::report(
        &Site::new().held_to(Profile::default().copied_as("office".to_owned())),
    )))
    .expect("a report is JSON");

    assert_eq!(report["profile"]["name"], "sip-phone");
    assert_eq!(report["profile"]["base"], json!(null));
    assert_eq!(report["profile"]["limits"]["loss_ratio"], json!({ "warn": 0.01, "fail": 0.02 }));
    assert_eq!(
        report["profile"]["limits"]["nat_lifetime_seconds"],
        json!({ "warn": 90.0, "fail": 30.0 })
    );
    let [ladder] = report["ladders"].as_array().expect("a list").as_slice() else {
        panic!("{report:#}")
    };
    assert_eq!(ladder["targets"], json!(["relay"]));
    assert_eq!(ladder["address"], "192.0.2.10");
    assert_eq!(ladder["cheapest"], "tcp 3478");
    assert_eq!(
        ladder["rungs"][0],
        json!({
            "transport": "udp", "port": 3478, "works": false, "reason": "no_response",
            "connect_seconds": null, "tls_seconds": null, "first_answer_seconds": null,
            "total_seconds": null
        })
    );
    assert_eq!(
        ladder["rungs"][2],
        json!({
            "transport": "tls", "port": 443, "works": false, "reason": "rejected",
            "connect_seconds": 0.01, "tls_seconds": 0.01, "first_answer_seconds": 0.01,
            "total_seconds": 0.03
        })
    );
    assert_eq!(alone["ladders"], json!([]));
    assert_eq!(
        (&alone["profile"]["name"], &alone["profile"]["base"]),
        (&json!("office"), &json!("sip-phone"))
    );
}
