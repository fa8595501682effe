//! What a nameserver says in a probe, and where checks go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline::check::Whom;
use branchline::driver;
use branchline::guide::{Found, Guide};
use branchline_probes::dns_query::{ANSWERS, addresses};
use branchline_probes::{Lead, OptionValue, Options, Outcome, PROBES, Transport};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::checks::{Invented, check};
use crate::ping::{DEADLINE, LOOPBACKS, Ping};

static PING: Invented =
    Invented { begin: |peer| Box::new(Ping::new(Transport::Udp, peer, DEADLINE)), undo: |_| None };

/// The address that the lying nameserver gives for every name.
const LIE: [u8; 4] = [127, 0, 0, 99];

/// Answers every query for an A record with [`LIE`].
async fn lie(server: &UdpSocket) {
    loop {
        let mut buffer = [0; 2048];
        let (length, from) = server.recv_from(&mut buffer).await.expect("the exchange asks");
        let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).expect("a name") + 5;
        let record = [&[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &LIE].concat();
        let head = [&buffer[..2], &[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
        let answer = [&head[..], &buffer[12..end], &record].concat();
        server.send_to(&answer, from).await.expect("loopback is there");
    }
}

// D-DNS-7
#[tokio::test]
async fn a_nameserver_that_is_probed_does_not_steer_where_other_checks_go() {
    let server = UdpSocket::bind(LOOPBACKS[0]).await.unwrap();
    let address = server.local_addr().unwrap();
    let probe = *PROBES.iter().find(|probe| probe.name() == "dns-query").unwrap();
    let mut options = Options::defaults(probe.options());
    let name = probe.options().iter().find(|spec| spec.name == "name").unwrap();
    options.set(name, OptionValue::Text("localhost".to_owned()));
    let mut liar = check(&PING, "127.0.0.1", address.port());
    liar.module = Arc::from(probe.module(&options).unwrap());
    let mut led = liar.clone();
    led.whom = Whom::Led(Arc::new(leads_to(SocketAddr::from((LIE, address.port())))));
    let ours = check(&PING, "localhost", address.port());
    let cancel = CancellationToken::new();

    let lied = tokio::select! {
        lied = driver::observe(&liar, &cancel, None, None) => lied,
        () = lie(&server) => unreachable!("the server has no end"),
    };
    let (went, was_led) = tokio::join!(
        driver::observe(&ours, &cancel, None, None),
        driver::observe(&led, &cancel, None, None)
    );

    let facts = &lied[0].outcome.facts;
    assert_eq!(addresses(facts), [std::net::IpAddr::from(LIE)], "{:?}", facts.read(&ANSWERS));
    assert_eq!(was_led[0].address, Some(SocketAddr::from((LIE, address.port()))));
    assert!(!went.is_empty());
    for observation in &went {
        let ip = observation.address.expect("localhost has an address").ip();
        assert!(ip.is_loopback() && ip != std::net::IpAddr::from(LIE), "{ip}");
    }
}

/// A guide that has found this address, and will not look again.
fn leads_to(address: SocketAddr) -> Guide {
    let lead = Lead { addresses: vec![address], keeps: Duration::from_secs(60) };
    let outcome = Outcome { leads_to: Some(lead), ..Outcome::default() };
    let until = Instant::now() + Duration::from_secs(60);
    let found = Found { start: address, ended: Instant::now(), until, outcome };
    let asked = check(&PING, "127.0.0.1", address.port());
    Guide {
        host: "localhost".into(),
        probe: asked.probe,
        module: asked.module,
        fingerprint: "".into(),
        starts: Arc::from([address]),
        found: tokio::sync::Mutex::new(Some(found)),
    }
}
