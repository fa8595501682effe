//! Where to send a SIP request, in a DNS that is a table of a test's own.

mod auto;
mod hostile;
mod weights;

use std::net::IpAddr;

use branchline_probes::locate::{
    Answer, CANDIDATES, Candidate, LOCATED_BY, Locating, Locator, Naptr, Question, RecordKind,
    Records, Srv,
};
use branchline_probes::sip::locate::SipLocator;
use branchline_probes::{Chance, Facts, Foreign, Transport, Unresolved};

const DOMAIN: &str = "sip.example.com";

/// What a resolver knows.
#[derive(Clone, Default)]
struct Zone {
    naptr: Vec<Naptr>,
    srv: Vec<(&'static str, Vec<Srv>)>,
    addresses: Vec<(&'static str, Vec<IpAddr>)>,
    /// Questions that go wrong, by the beginning of their name and their kind.
    faults: Vec<(&'static str, RecordKind, Unresolved)>,
    is_by_this_host: bool,
}

impl Zone {
    fn naptr(mut self, order: u16, preference: u16, flags: &str, services: &str, to: &str) -> Self {
        self.naptr.push(naptr(order, preference, flags, services, to));
        self
    }

    fn srv(mut self, owner: &'static str, records: &[(u16, u16, u16, &str)]) -> Self {
        let records = records.iter().map(|(priority, weight, port, target)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).to_owned(),
        });
        self.srv.push((owner, records.collect()));
        self
    }

    fn host(mut self, name: &'static str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|text| text.parse().expect("an IP address"));
        self.addresses.push((name, addresses.collect()));
        self
    }

    fn fault(mut self, start: &'static str, kind: RecordKind, problem: Unresolved) -> Self {
        self.faults.push((start, kind, problem));
        self
    }

    fn answer(&self, Question { name, kind }: &Question) -> Answer {
        let fault = self.faults.iter().find(|(start, of, _)| name.starts_with(start) && of == kind);
        let name = name.strip_suffix('.').unwrap_or(name);
        let none = Err(Unresolved::NoAddress);
        let said = match (fault, kind) {
            (Some((_, _, problem)), _) => Err(*problem),
            (None, RecordKind::Naptr) if name == DOMAIN && !self.naptr.is_empty() => {
                Ok(Records::Naptr(self.naptr.clone()))
            }
            (None, RecordKind::Naptr) => none,
            (None, RecordKind::Srv) => {
                let found = self.srv.iter().find(|(owner, _)| *owner == name);
                found.map_or(none, |(_, records)| Ok(Records::Srv(records.clone())))
            }
            (None, RecordKind::Addresses) => {
                let found = self.addresses.iter().find(|(owner, _)| *owner == name);
                found.map_or(none, |(_, ips)| Ok(Records::Addresses(ips.clone())))
            }
        };
        Answer { said, is_by_this_host: self.is_by_this_host }
    }
}

fn naptr(order: u16, preference: u16, flags: &str, services: &str, replacement: &str) -> Naptr {
    let [flags, services] = [flags, services].map(|text| text.as_bytes().to_vec());
    let (regexp, replacement) = (Vec::new(), replacement.to_owned());
    Naptr { order, preference, flags, services, regexp, replacement }
}

/// How a search ended.
#[derive(Debug)]
struct Found {
    asked: Vec<String>,
    candidates: Vec<Candidate>,
    problem: Option<Unresolved>,
    facts: Facts,
}

impl Found {
    /// Whom to ask, as `tcp 192.0.2.1:5060`.
    fn candidates(&self) -> Vec<String> {
        let word = |it: &Candidate| it.transport.map_or("-", Transport::label);
        self.candidates.iter().map(|it| format!("{} {}", word(it), it.address)).collect()
    }

    fn tree(&self) -> Vec<String> {
        let tree = self.facts.read(&CANDIDATES).unwrap_or_default();
        tree.iter().map(|line: &Foreign| line.as_str().to_owned()).collect()
    }

    fn located_by(&self) -> Option<&'static str> {
        self.facts.read(&LOCATED_BY)
    }
}

fn search(mut locator: SipLocator, zone: &Zone) -> Found {
    search_with(&mut locator, zone)
}

fn search_with(locator: &mut dyn Locator, zone: &Zone) -> Found {
    let mut asked = Vec::new();
    for _ in 0..10 {
        match locator.poll() {
            Locating::Ask(questions) => {
                assert!(!questions.is_empty() && questions.len() <= 64, "{questions:?}");
                asked.extend(questions.iter().map(|it| format!("{} {}", it.kind.label(), it.name)));
                locator.hear(questions.iter().map(|question| zone.answer(question)).collect());
            }
            Locating::Found(located) => {
                assert!(!located.candidates.is_empty());
                let (candidates, facts) = (located.candidates, located.facts);
                return Found { asked, candidates, problem: None, facts };
            }
            Locating::Nowhere { problem, facts } => {
                return Found { asked, candidates: Vec::new(), problem: Some(problem), facts };
            }
        }
    }
    panic!("it never ends: {asked:?}");
}

fn by_dns(zone: &Zone) -> Found {
    search(SipLocator::new(DOMAIN, None, false, chance(7)), zone)
}

fn by(transport: Transport, zone: &Zone) -> Found {
    search(SipLocator::new(DOMAIN, Some(transport), false, chance(7)), zone)
}

fn chance(seed: u8) -> Chance {
    Chance::from_seed([seed; 32])
}

// RFC 3263 §4.1: its own example.
#[test]
fn naptr_says_which_transports_and_srv_which_servers() {
    let zone = Zone::default()
        .naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com.")
        .naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com.")
        .naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com.")
        .srv("_sips._tcp.example.com", &[(0, 1, 5061, "server1.example.com.")])
        .srv("_sip._tcp.example.com", &[(0, 1, 5060, "server1.example.com.")])
        .srv(
            "_sip._udp.example.com",
            &[(1, 1, 5070, "b.example.com."), (0, 1, 5060, "a.example.com.")],
        )
        .host("server1.example.com", &["192.0.2.1"])
        .host("a.example.com", &["192.0.2.2", "2001:db8::2"])
        .host("b.example.com", &["192.0.2.3"]);

    let found = by_dns(&zone);

    assert_eq!(
        found.candidates(),
        [
            "tls 192.0.2.1:5061",
            "tcp 192.0.2.1:5060",
            "udp 192.0.2.2:5060",
            "udp [2001:db8::2]:5060",
            "udp 192.0.2.3:5070",
        ]
    );
    assert_eq!(found.located_by(), Some("naptr"));
    assert_eq!(
        found.tree(),
        [
            "sip.example.com NAPTR 50 50 \"s\" \"SIPS+D2T\" _sips._tcp.example.com",
            "_sips._tcp.example.com SRV 0 1 5061 server1.example.com",
            "server1.example.com A 192.0.2.1 tls 5061",
            "sip.example.com NAPTR 90 50 \"s\" \"SIP+D2T\" _sip._tcp.example.com",
            "_sip._tcp.example.com SRV 0 1 5060 server1.example.com",
            "server1.example.com A 192.0.2.1 tcp 5060",
            "sip.example.com NAPTR 100 50 \"s\" \"SIP+D2U\" _sip._udp.example.com",
            "_sip._udp.example.com SRV 0 1 5060 a.example.com",
            "a.example.com A 192.0.2.2 udp 5060",
            "a.example.com AAAA 2001:db8::2 udp 5060",
            "_sip._udp.example.com SRV 1 1 5070 b.example.com",
            "b.example.com A 192.0.2.3 udp 5070",
        ]
    );
    assert_eq!(found.candidates[0].host, "server1.example.com");
}

#[test]
fn of_one_order_the_lower_preference_comes_first() {
    let zone = Zone::default()
        .naptr(10, 20, "S", "sip+d2u", "_u.example.com.")
        .naptr(10, 10, "S", "sip+d2t", "_t.example.com.")
        .srv("_u.example.com", &[(0, 0, 5060, "a.example.com.")])
        .srv("_t.example.com", &[(0, 0, 5060, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"]);

    assert_eq!(by_dns(&zone).candidates(), ["tcp 192.0.2.2:5060", "udp 192.0.2.2:5060"]);
}

#[test]
fn the_flag_a_leads_to_a_server_without_srv() {
    let zone = Zone::default()
        .naptr(10, 10, "a", "SIPS+D2T", "a.example.com.")
        .naptr(20, 10, "A", "SIP+D2U", "a.example.com.")
        .host("a.example.com", &["192.0.2.2"]);

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["tls 192.0.2.2:5061", "udp 192.0.2.2:5060"]);
    assert_eq!(found.located_by(), Some("naptr"));
    assert_eq!(found.asked, ["NAPTR sip.example.com.", "A and AAAA a.example.com."]);
}

// RFC 3263 §4.1: a sips URI takes services with SIPS alone.
#[test]
fn what_has_to_be_secure_takes_nothing_else() {
    let secure = |zone: &Zone| search(SipLocator::new(DOMAIN, None, true, chance(7)), zone);
    let zone = Zone::default()
        .naptr(10, 10, "s", "SIP+D2U", "_u.example.com.")
        .naptr(20, 10, "s", "SIPS+D2T", "_s.example.com.")
        .srv("_u.example.com", &[(0, 0, 5060, "a.example.com.")])
        .srv("_s.example.com", &[(0, 0, 5061, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"])
        .host(DOMAIN, &["192.0.2.9"]);

    let found = secure(&zone);

    assert_eq!(found.candidates(), ["tls 192.0.2.2:5061"]);
    assert!(found.tree()[0].ends_with("_u.example.com (left out: it is not secure)"), "{found:?}");
    let plain = secure(&Zone::default().host(DOMAIN, &["192.0.2.9"]));
    assert_eq!(plain.candidates(), ["tls 192.0.2.9:5061"]);
    assert_eq!(plain.asked[1..], ["SRV _sips._tcp.sip.example.com.", "A and AAAA sip.example.com"]);
}

#[test]
fn a_naptr_of_another_kind_is_told_and_left_out() {
    let mut zone = Zone::default()
        .naptr(1, 1, "u", "SIP+D2U", "a.example.com.")
        .naptr(2, 1, "", "SIP+D2U", "a.example.com.")
        .naptr(3, 1, "s", "SIP+D2S", "_sip._sctp.example.com.")
        .naptr(4, 1, "u", "E2U+sip", ".")
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"]);
    zone.naptr[3].regexp = b"!^.*$!sip:info@example.com!".to_vec();
    zone.naptr.push(Naptr { regexp: b"!a!b!".to_vec(), ..naptr(5, 1, "s", "SIP+D2U", ".") });

    let found = by_dns(&zone);

    // RFC 3263 §4.1: with no service left, it is as if there were no NAPTR record.
    assert_eq!(found.candidates(), ["udp 192.0.2.2:5060"]);
    assert_eq!(found.located_by(), Some("srv"));
    let tree = found.tree();
    for (line, why) in [
        (0, "(left out: its flag is neither s nor a)"),
        (1, "(left out: its flag is neither s nor a)"),
        (2, "(left out: it is no service for SIP over UDP, TCP or TLS)"),
        (3, "(left out: it is no service for SIP over UDP, TCP or TLS)"),
        (4, "(left out: it rewrites the name (RFC 3263 §4.1 has none of that))"),
    ] {
        assert!(tree[line].ends_with(why), "{line}: {tree:#?}");
    }
    assert!(tree[3].contains("\"!^.*$!sip:info@example.com!\""), "{tree:#?}");
}

#[test]
fn without_naptr_the_usual_names_are_asked_for_the_secure_one_first() {
    let zone = Zone::default()
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "a.example.com.")])
        .srv("_sips._tcp.sip.example.com", &[(0, 0, 5061, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"])
        .host(DOMAIN, &["192.0.2.9"]);

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["tls 192.0.2.2:5061", "udp 192.0.2.2:5060"]);
    assert_eq!(found.located_by(), Some("srv"));
    assert_eq!(
        found.asked,
        [
            "NAPTR sip.example.com.",
            "SRV _sips._tcp.sip.example.com.",
            "SRV _sip._tcp.sip.example.com.",
            "SRV _sip._udp.sip.example.com.",
            "A and AAAA a.example.com.",
        ]
    );
    let none = "_sip._tcp.sip.example.com SRV (none)".to_owned();
    assert!(found.tree().contains(&none), "{found:#?}");
}

#[test]
fn a_fixed_transport_needs_no_naptr() {
    let zone = Zone::default()
        .naptr(1, 1, "s", "SIP+D2U", "_other.example.com.")
        .srv("_sips._tcp.sip.example.com", &[(0, 0, 5071, "a.example.com.")])
        .srv("_sip._tcp.sip.example.com", &[(0, 0, 5070, "a.example.com.")])
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5080, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"]);

    for (transport, owner, candidate) in [
        (Transport::Udp, "_sip._udp", "udp 192.0.2.2:5080"),
        (Transport::Tcp, "_sip._tcp", "tcp 192.0.2.2:5070"),
        (Transport::Tls, "_sips._tcp", "tls 192.0.2.2:5071"),
    ] {
        let found = by(transport, &zone);

        assert_eq!(found.candidates(), [candidate]);
        let srv = format!("SRV {owner}.sip.example.com.");
        assert_eq!(found.asked, [srv.as_str(), "A and AAAA a.example.com."]);
    }
}

#[test]
fn without_any_of_them_the_domain_itself_is_the_server() {
    let zone = Zone::default().host(DOMAIN, &["192.0.2.9", "2001:db8::9"]);

    for (found, candidates) in [
        (by_dns(&zone), ["udp 192.0.2.9:5060", "udp [2001:db8::9]:5060"]),
        (by(Transport::Udp, &zone), ["udp 192.0.2.9:5060", "udp [2001:db8::9]:5060"]),
        (by(Transport::Tcp, &zone), ["tcp 192.0.2.9:5060", "tcp [2001:db8::9]:5060"]),
        (by(Transport::Tls, &zone), ["tls 192.0.2.9:5061", "tls [2001:db8::9]:5061"]),
    ] {
        assert_eq!(found.candidates(), candidates);
        assert_eq!(found.located_by(), Some("address"));
        // As a person wrote it, so that this host's search list applies.
        assert_eq!(found.asked.last().map(String::as_str), Some("A and AAAA sip.example.com"));
    }
}

// RFC 3263 §4.2
#[test]
fn a_naptr_without_srv_records_still_says_the_transport() {
    let zone = Zone::default()
        .naptr(1, 1, "s", "SIP+D2T", "_sip._tcp.example.com.")
        .host(DOMAIN, &["192.0.2.9"]);

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["tcp 192.0.2.9:5060"]);
    assert_eq!(found.located_by(), Some("address"));
}

#[test]
fn an_address_is_its_own_server() {
    for (host, transport, is_secure, candidate) in [
        ("192.0.2.1", None, false, "udp 192.0.2.1:5060"),
        ("192.0.2.1", None, true, "tls 192.0.2.1:5061"),
        ("2001:db8::1", Some(Transport::Tcp), false, "tcp [2001:db8::1]:5060"),
    ] {
        let locator = SipLocator::new(host, transport, is_secure, chance(7));
        let found = search(locator, &Zone::default());

        assert_eq!((found.candidates(), found.asked.len()), (vec![candidate.to_owned()], 0));
        assert_eq!(found.located_by(), Some("address"));
    }
}

// RFC 2782: "the service is decidedly not available at this domain".
#[test]
fn where_a_service_is_not_offered_the_domain_itself_is_not_asked() {
    let zone = Zone::default()
        .srv("_sip._udp.sip.example.com", &[(0, 0, 0, ".")])
        .host(DOMAIN, &["192.0.2.9"]);

    for found in [by_dns(&zone), by(Transport::Udp, &zone)] {
        assert_eq!(found.problem, Some(Unresolved::NotOffered), "{found:?}");
        let line = "_sip._udp.sip.example.com SRV 0 0 0 . (left out: nobody offers this)";
        assert!(found.tree().contains(&line.to_owned()), "{found:#?}");
    }
    let other = zone
        .srv("_sip._tcp.sip.example.com", &[(0, 0, 5060, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"]);
    assert_eq!(by_dns(&other).candidates(), ["tcp 192.0.2.2:5060"]);
}

#[test]
fn nobody_with_an_address_is_nobody() {
    let no_host = Zone::default()
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "gone.example.com.")])
        .host(DOMAIN, &["192.0.2.9"]);

    for zone in [Zone::default(), no_host] {
        let found = by(Transport::Udp, &zone);

        assert_eq!(found.problem, Some(Unresolved::NoAddress), "{found:?}");
        assert!(found.tree().last().is_some_and(|it| it.ends_with("A and AAAA (none)")));
        assert_eq!(found.located_by(), None);
    }
}

// I9: what this host's resolver cannot say is no fault of the domain.
#[test]
fn a_resolver_that_fails_leaves_it_unknown_who_the_server_is() {
    for problem in [Unresolved::NoAnswer, Unresolved::ResolverFailed] {
        let zone = Zone::default()
            .fault("_sip._udp", RecordKind::Srv, problem)
            .host(DOMAIN, &["192.0.2.9"]);

        let found = by(Transport::Udp, &zone);

        assert_eq!(found.problem, Some(problem), "{found:?}");
        let lost = Zone::default()
            .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "a.example.com.")])
            .fault("a.example", RecordKind::Addresses, problem);
        assert_eq!(by(Transport::Udp, &lost).problem, Some(problem));
    }
}

#[test]
fn a_router_that_drops_naptr_does_not_keep_srv_from_being_found() {
    let zone = Zone::default()
        .fault("sip.", RecordKind::Naptr, Unresolved::NoAnswer)
        .srv("_sip._udp.sip.example.com", &[(0, 0, 5060, "a.example.com.")])
        .host("a.example.com", &["192.0.2.2"]);

    let found = by_dns(&zone);

    assert_eq!(found.candidates(), ["udp 192.0.2.2:5060"]);
    assert_eq!(found.tree()[0], "sip.example.com NAPTR (the resolver did not answer)");
}

#[test]
fn who_is_named_twice_is_asked_once() {
    let zone = Zone::default()
        .srv(
            "_sip._udp.sip.example.com",
            &[
                (0, 0, 5060, "a.example.com."),
                (1, 0, 5060, "A.Example.com."),
                (2, 0, 5070, "a.example.com."),
            ],
        )
        .host("a.example.com", &["192.0.2.2"]);

    let found = by(Transport::Udp, &zone);

    assert_eq!(found.candidates(), ["udp 192.0.2.2:5060", "udp 192.0.2.2:5070"]);
    let line = "A.Example.com A 192.0.2.2 udp 5060 (left out: it is named above)";
    assert!(found.tree().contains(&line.to_owned()), "{found:#?}");
    assert_eq!(found.asked.len(), 2, "{found:?}");
}
