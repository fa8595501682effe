//! A DNS that means no good.

use std::net::IpAddr;

use branchline_probes::locate::{Naptr, Records, Srv};
use branchline_probes::{Transport, Unresolved};

use super::{
    Answer, DOMAIN, Locating, Locator, SipLocator, Zone, by, by_dns, chance, naptr, search,
};

// I3
#[test]
fn of_a_thousand_naptr_records_sixteen_are_looked_at() {
    let mut zone = Zone::default();
    for number in 0..1_000 {
        zone.naptr.push(naptr(
            1_000 - number,
            0,
            "s",
            "SIP+D2U",
            &format!("_s{number}.example.com."),
        ));
    }
    zone = zone
        .srv("_s999.example.com", &[(0, 0, 5060, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"]);

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["udp 192.0.2.2:5060"]);
    assert_eq!(found.asked.iter().filter(|it| it.starts_with("SRV")).count(), 16);
    let more = "sip.example.com NAPTR (984 more are left out)".to_owned();
    assert!(found.tree().contains(&more), "{found:#?}");
}

// I3
#[test]
fn of_a_thousand_servers_32_are_looked_at_and_of_their_addresses_64() {
    let records: Vec<Srv> = (0..1_000)
        .map(|number| Srv {
            priority: number,
            weight: 65_535,
            port: 5060,
            target: format!("h{number}.example.com."),
        })
        .collect();
    let mut locator = SipLocator::new(DOMAIN, None, false, chance(7));
    let mut asked = 0;
    let located = loop {
        let questions = match locator.poll() {
            Locating::Ask(questions) => questions,
            Locating::Found(located) => break located,
            Locating::Nowhere { problem, .. } => panic!("{problem}"),
        };
        asked += questions.len();
        let answer = |place: usize, name: &str| match name.split('.').next() {
            Some("_sip" | "_sips") => Ok(Records::Srv(records.clone())),
            Some(host) if host.starts_with('h') => {
                let place = u8::try_from(place).expect("there are few");
                let ips = (0..=255).map(|last| IpAddr::from([192, 0, place, last]));
                Ok(Records::Addresses(ips.collect()))
            }
            Some(_) | None => Err(Unresolved::NoAddress),
        };
        let answers = questions.iter().enumerate();
        let said = answers.map(|(place, it)| answer(place, &it.name));
        locator.hear(said.map(|said| Answer { said, is_by_this_host: false }).collect());
    };

    assert_eq!(located.candidates.len(), 64);
    assert!(asked <= 1 + 3 + 32, "{asked}");
    assert_eq!(located.candidates[0].host, "h0.example.com");
}

#[test]
fn names_that_lead_to_each_other_end() {
    let zone = Zone::default()
        .naptr(1, 1, "s", "SIP+D2U", "sip.example.com.")
        .naptr(1, 2, "a", "SIP+D2U", "sip.example.com.")
        .srv(DOMAIN, &[(0, 0, 5060, "sip.example.com.")])
        .host(DOMAIN, &["192.0.2.9"]);

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["udp 192.0.2.9:5060"]);
    assert_eq!(found.asked.len(), 3, "{found:?}");
}

// D-LOG-1
#[test]
fn a_name_that_no_host_can_have_is_never_asked_for() {
    for name in [
        "a\\010b.example.com.",
        "a\nb.example.com.",
        "a b.example.com.",
        "\u{1b}[31m.example.com.",
        "-a.example.com.",
        "a..example.com.",
        "192.0.2.1.",
        "sip:a.example.com.",
        "bücher.example.",
        &format!("{}.", "a.".repeat(128)),
        &format!("{}.example.com.", "a".repeat(64)),
    ] {
        let zone = Zone::default()
            .naptr(1, 1, "s", "SIP+D2U", name)
            .naptr(1, 1, "a", "SIP+D2U", name)
            .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, name)])
            .host(DOMAIN, &["192.0.2.9"]);

        let found = by_dns(&zone);

        assert_eq!(found.candidates(), ["udp 192.0.2.9:5060"], "{name:?}");
        assert_eq!(found.asked.len(), 5, "{found:?}");
        let tree = found.tree();
        assert!(tree.iter().all(|line| !line.contains(char::is_control)), "{tree:?}");
        let of_srv = |line: &&String| line.starts_with("_sip._udp") && line.contains("host name");
        assert!(tree.iter().filter(of_srv).count() == 1 || name.len() > 200, "{tree:#?}");
    }
}

#[test]
fn a_server_without_a_port_is_none() {
    let zone = Zone::default()
        .srv(
            "_sip._udp.sip.example.com",
            &[(0, 0, 0, "a.example.com."), (1, 0, 5060, "b.example.com.")],
        )
        .host("a.example.com", &["192.0.2.1"])
        .host("b.example.com", &["192.0.2.2"]);

    assert_eq!(by(Transport::Udp, &zone).candidates(), ["udp 192.0.2.2:5060"]);
}

// D-SSRF-2
#[test]
fn the_dns_cannot_point_at_this_host_or_at_nobody() {
    let bad = [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.169.254",
        "::ffff:127.0.0.1",
    ];
    let zone = Zone::default()
        .srv("_sip._udp.sip.example.com", &[(0, 0, 22, "a.example.com.")])
        .host("a.example.com", &bad)
        .host(DOMAIN, &bad);

    let found = by(Transport::Udp, &zone);

    assert_eq!(found.problem, Some(Unresolved::NoAddress), "{found:#?}");
    let told = found.tree().iter().filter(|line| line.contains("left out")).count();
    assert_eq!(told, bad.len());
    let office = zone.host("b.example.com", &["10.1.0.1"]);
    let office = Zone { srv: Vec::new(), ..office }
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "b.example.com.")]);
    assert_eq!(by(Transport::Udp, &office).candidates(), ["udp 10.1.0.1:5060"]);
}

// D-SSRF-2
#[test]
fn this_host_is_a_server_where_its_own_resolver_says_so_or_it_was_meant() {
    let zone = Zone::default()
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "a.example.com.")])
        .host("a.example.com", &["127.0.0.2", "0.0.0.0"])
        .host("localhost", &["127.0.0.1"]);
    let own = Zone { is_by_this_host: true, ..zone.clone() };
    let meant = SipLocator::new("localhost", Some(Transport::Udp), false, chance(7));

    assert_eq!(by(Transport::Udp, &own).candidates(), ["udp 127.0.0.2:5060"]);
    assert_eq!(search(meant, &zone).candidates(), ["udp 127.0.0.1:5060"]);
    let named = Zone { srv: Vec::new(), ..zone }
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "localhost.")]);
    assert_eq!(by(Transport::Udp, &named).problem, Some(Unresolved::NoAddress));
}

#[test]
fn answers_of_another_kind_or_too_few_of_them_are_no_answers() {
    let swapped = [
        Ok(Records::Addresses(vec![IpAddr::from([192, 0, 2, 1])])),
        Ok(Records::Srv(Vec::new())),
        Ok(Records::Naptr(vec![naptr(0, 0, "s", "SIP+D2U", "_s.example.com.")])),
    ];
    for said in swapped {
        let mut locator = SipLocator::new(DOMAIN, None, false, chance(7));
        for round in 0..10 {
            let Locating::Ask(questions) = locator.poll() else { break };
            let many = if round % 2 == 0 { questions.len() } else { 0 };
            let answer = Answer { said: said.clone(), is_by_this_host: false };
            locator.hear(vec![answer; many]);
        }
        assert!(!matches!(locator.poll(), Locating::Ask(_)));
    }
}

#[test]
fn flags_and_services_of_any_bytes_stay_on_their_line() {
    let noise: Vec<u8> = (0..=255).collect();
    let mut zone = Zone::default().host(DOMAIN, &["192.0.2.9"]);
    let record = Naptr { flags: noise.clone(), ..naptr(0, 0, "", "SIP+D2U", "a.example.com.") };
    zone.naptr = vec![record, Naptr { services: noise, ..naptr(0, 0, "s", "", "a.example.com.") }];

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["udp 192.0.2.9:5060"]);
    assert!(found.tree().iter().all(|line| !line.contains(char::is_control)), "{found:?}");
}
