//! In which order servers are asked (RFC 2782).

use std::collections::BTreeMap;

use branchline_probes::Transport;
use branchline_probes::sip::locate::SipLocator;

use super::{Chance, DOMAIN, Zone, search};

const RUNS: u32 = 2_000;

/// Servers `a` to `d`, each with its priority and weight.
fn zone(records: &[(u16, u16, u16, &str)]) -> Zone {
    Zone::default()
        .srv("_sip._udp.sip.example.com", records)
        .host("a.example.com", &["192.0.2.1"])
        .host("b.example.com", &["192.0.2.2"])
        .host("c.example.com", &["192.0.2.3"])
        .host("d.example.com", &["192.0.2.4"])
}

/// How often each order came, as the last numbers of the addresses.
fn orders(zone: &Zone) -> BTreeMap<String, u32> {
    let mut orders = BTreeMap::new();
    for run in 0..RUNS {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&run.to_be_bytes());
        let chance = Chance::from_seed(seed);
        let found = search(SipLocator::new(DOMAIN, Some(Transport::Udp), false, chance), zone);
        let order = found.candidates.iter().map(|it| it.address.ip().to_string());
        let order = order.filter_map(|ip| ip.chars().last()).collect();
        *orders.entry(order).or_insert(0) += 1;
    }
    orders
}

/// The share of the runs in which an order began so.
fn share(orders: &BTreeMap<String, u32>, start: &str) -> f64 {
    let count: u32 = orders.iter().filter(|(it, _)| it.starts_with(start)).map(|(_, it)| it).sum();
    f64::from(count) / f64::from(RUNS)
}

/// Four standard deviations of the share of so many runs are less.
const SLACK: f64 = 0.045;

#[test]
fn within_a_priority_the_first_is_drawn_by_weight() {
    let orders = orders(&zone(&[
        (10, 60, 5060, "a.example.com."),
        (10, 30, 5060, "b.example.com."),
        (10, 10, 5060, "c.example.com."),
    ]));

    // A number from 0 to 100 is drawn: 61, 30 and 10 of them lead to each.
    for (start, expected) in [("1", 0.6), ("2", 0.3), ("3", 0.1)] {
        assert!((share(&orders, start) - expected).abs() < SLACK, "{start}: {orders:?}");
    }
    // Of those that are left the second is drawn the same way: 30 to 10.
    let second = share(&orders, "12") / share(&orders, "1");
    assert!((second - 0.75).abs() < SLACK, "{orders:?}");
}

#[test]
fn a_lower_priority_number_comes_first_whatever_the_weights_are() {
    let orders = orders(&zone(&[
        (20, 65_535, 5060, "a.example.com."),
        (10, 0, 5060, "b.example.com."),
        (20, 0, 5060, "c.example.com."),
        (5, 1, 5060, "d.example.com."),
    ]));

    assert!((share(&orders, "42") - 1.0).abs() < f64::EPSILON, "{orders:?}");
}

// RFC 2782: records with weight 0 "should have a very small chance of being selected".
#[test]
fn without_weight_beside_others_a_server_is_hardly_ever_the_first() {
    let orders = orders(&zone(&[
        (10, 50, 5060, "a.example.com."),
        (10, 0, 5060, "b.example.com."),
        (10, 49, 5060, "c.example.com."),
    ]));

    // One number of the 100 from 0 to 99.
    let first = share(&orders, "2");
    assert!(first > 0.0 && first < 0.02, "{orders:?}");
    assert_eq!(orders.values().sum::<u32>(), RUNS);
}

#[test]
fn without_any_weight_everybody_is_asked_all_the_same() {
    let orders = orders(&zone(&[
        (10, 0, 5060, "a.example.com."),
        (10, 0, 5060, "b.example.com."),
        (10, 0, 5060, "c.example.com."),
    ]));

    assert!(orders.keys().all(|order| order.len() == 3), "{orders:?}");
}

#[test]
fn the_same_chance_gives_the_same_order() {
    let zone = zone(&[(1, 1, 5060, "a.example.com."), (1, 1, 5060, "b.example.com.")]);
    let order = |seed| {
        let chance = Chance::from_seed([seed; 32]);
        search(SipLocator::new(DOMAIN, Some(Transport::Udp), false, chance), &zone).candidates()
    };

    assert!((0..50).all(|seed| order(seed) == order(seed)));
    assert!((0..50).any(|seed| order(seed) != order(0)));
}
