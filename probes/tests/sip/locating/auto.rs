//! `transport = "auto"`: what the DNS says of a server is what carries the request to it.

use std::time::{Duration, SystemTime};

use branchline_probes::{
    Certificate, Chance, Foreign, Handshake, Module, OptionValue, Secret, Target, Transport,
    TrustedBy,
};

use super::{Found, Zone, chance, search_with};
use crate::desk::{self, News, OPENING, Reply, Run, STARTED, Wanted, millis, peer};
use crate::{PASSWORD, anonymous, challenge, header, must, ok};

const AUTO: (&str, OptionValue) = ("transport", OptionValue::Word("auto"));
const SECURE: &str = "sips:probe-lyon@sip.example.com";
const EACH: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

fn secure(set: &[(&'static str, OptionValue)]) -> Box<dyn Module> {
    let whose = ("address_of_record", OptionValue::Text(SECURE.to_owned()));
    anonymous(&[&[AUTO, whose], set].concat())
}

/// With a password, which it may not send where others can read it.
fn guarded() -> Box<dyn Module> {
    let password = OptionValue::Secret(Secret::new(PASSWORD.to_owned()));
    anonymous(&[AUTO, ("password", password)])
}

/// Whom the module looks up, in a DNS that knows this.
fn located(module: &dyn Module, zone: &Zone) -> Option<Found> {
    let mut locator = module.locator(super::DOMAIN, chance(7))?;
    Some(search_with(locator.as_mut(), zone))
}

/// Runs the module with a candidate over this transport, or one of whom nobody said it.
fn run_over(
    module: &dyn Module,
    transport: Option<Transport>,
    mut answer: impl FnMut(usize, &[u8]) -> String,
) -> Run {
    let target = Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: super::DOMAIN.into(),
        address: peer(),
        transport,
        started: STARTED,
    };
    let mut exchange = module.begin(&target, Chance::from_seed([7; 32]));
    let mut count = 0;
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(leg) if leg.transport == Transport::Tls => {
                let secured = News::Secured(Box::new(handshake()));
                vec![(OPENING, News::Connected), (millis(1), secured)]
            }
            Wanted::Open(_) => vec![(OPENING, News::Connected)],
            Wanted::Bytes(_, _, bytes) => {
                count += 1;
                vec![(millis(1), News::answer(answer(count - 1, bytes)))]
            }
        }
    };
    desk::run(exchange.as_mut(), &mut world)
}

fn handshake() -> Handshake {
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    Handshake {
        version: "1.3",
        cipher: "TLS13_AES_256_GCM_SHA384",
        certificate: Certificate {
            subject: Foreign::new(b"CN=sip.example.com"),
            issuer: Foreign::new(b"CN=an authority"),
            names: Vec::new(),
            not_before: SystemTime::UNIX_EPOCH,
            not_after: expires,
            chain_not_after: expires,
        },
        trusted_by: TrustedBy::Public,
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

// RFC 3261 §18.1.1, §19.1.1
#[test]
fn the_transport_of_a_candidate_carries_the_request_which_names_it() {
    for (transport, via, parameter) in [
        (Transport::Udp, "SIP/2.0/UDP 198.51.100.7:40112;", ""),
        (Transport::Tcp, "SIP/2.0/TCP 198.51.100.7:40112;", ";transport=tcp"),
        (Transport::Tls, "SIP/2.0/TLS 198.51.100.7:40112;", ";transport=tls"),
    ] {
        let register = anonymous(&[AUTO]);
        let options = desk::module("sip-options", &[AUTO]);
        for module in [&register, &options] {
            let result = run_over(&**module, Some(transport), |_, request| ok(text(request)));

            assert_eq!(result.label(), "", "{}", result.trace);
            let legs: Vec<_> = result.opened.iter().map(|leg| leg.transport).collect();
            assert_eq!(legs, [transport]);
            let request = &result.texts()[0];
            assert!(must(request, "Via").starts_with(via), "{request}");
            let contact = must(request, "Contact");
            assert!(contact.contains(&format!("@198.51.100.7:40112{parameter}>")), "{contact}");
        }
    }
}

// RFC 5922 §7.3
#[test]
fn over_tls_the_certificate_has_to_be_for_the_domain() {
    let result =
        run_over(&*anonymous(&[AUTO]), Some(Transport::Tls), |_, request| ok(text(request)));

    let tls = result.opened[0].tls.as_ref().expect("it is over TLS");
    assert_eq!(tls.server_name, super::DOMAIN);
}

// D-SIP-5
#[test]
fn credentials_go_to_the_candidate_over_tls_alone() {
    for transport in EACH {
        let result = run_over(&*guarded(), Some(transport), |count, request| match count {
            0 => challenge(text(request), "SHA-256", "n1", ""),
            _ => ok(text(request)),
        });

        let texts = result.texts();
        let with_credentials =
            texts.iter().filter(|text| header(text, "Authorization").is_some()).count();
        if transport == Transport::Tls {
            assert_eq!(result.label(), "", "{}", result.trace);
            assert_eq!(with_credentials, texts.len() - 1);
        } else {
            assert_eq!(result.label(), "auth_weak", "{}", result.trace);
            assert_eq!((texts.len(), with_credentials), (1, 0), "{texts:#?}");
        }
    }
}

// RFC 3263 §4.1, §4.2: a port that is given leaves nothing to look up.
#[test]
fn a_port_leaves_nothing_to_look_up_and_udp_is_used() {
    let with_port = anonymous(&[AUTO, ("port", OptionValue::Count(5070))]);

    assert!(located(&*with_port, &Zone::default()).is_none());
    assert_eq!((with_port.transport(), with_port.default_port()), (Transport::Udp, 5070));
    let result = run_over(&*with_port, None, |_, request| ok(text(request)));
    assert_eq!(result.opened[0].transport, Transport::Udp);
    assert!(must(&result.texts()[0], "Via").starts_with("SIP/2.0/UDP "));
}

// RFC 3261 §26.2.2
#[test]
fn a_secure_uri_is_for_tls_whoever_is_found_and_where_nobody_is_looked_up() {
    let zone = Zone::default()
        .naptr(1, 1, "s", "SIP+D2U", "_sip._udp.example.com.")
        .naptr(2, 1, "s", "SIP+D2T", "_sip._tcp.example.com.")
        .naptr(3, 1, "s", "SIPS+D2T", "_sips._tcp.example.com.")
        .srv("_sip._udp.example.com", &[(0, 1, 5060, "a.example.com.")])
        .srv("_sip._tcp.example.com", &[(0, 1, 5060, "a.example.com.")])
        .srv("_sips._tcp.example.com", &[(0, 1, 5061, "a.example.com.")])
        .host("a.example.com", &["192.0.2.1"]);

    let plain = located(&*anonymous(&[AUTO]), &zone).expect("it looks up");
    let found = located(&*secure(&[]), &zone).expect("it looks up");

    assert_eq!(
        plain.candidates(),
        ["udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "tls 192.0.2.1:5061"]
    );
    assert_eq!(found.candidates(), ["tls 192.0.2.1:5061"]);
    let with_port = secure(&[("port", OptionValue::Count(5071))]);
    assert!(located(&*with_port, &zone).is_none());
    assert_eq!((with_port.transport(), with_port.default_port()), (Transport::Tls, 5071));
    let result = run_over(&*with_port, None, |_, request| ok(text(request)));
    assert_eq!(result.opened[0].transport, Transport::Tls, "{}", result.trace);
    assert!(must(&result.texts()[0], "Contact").contains("<sips:branchline-"));
}

#[test]
fn a_stun_server_is_asked_where_the_candidate_is_reached_by_datagrams() {
    let at = OptionValue::Endpoint("192.0.2.20:3478".parse().expect("it is one"));
    let module = anonymous(&[AUTO, ("stun_server", at)]);

    for transport in EACH {
        let result = run_over(&*module, Some(transport), |_, request| match request {
            [0, 1, ..] => String::new(),
            _ => ok(text(request)),
        });

        assert_eq!(result.label(), "", "{}", result.trace);
        // A Binding request (RFC 8489 §5) begins with 0x0001.
        let asks_stun = result.sent[0].2.starts_with(&[0, 1]);
        assert_eq!(asks_stun, transport == Transport::Udp, "{transport:?}");
    }
}
