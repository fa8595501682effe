//! What a nameserver says in a probe, and where checks go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline::check::{Check, Whom};
use branchline::driver;
use branchline::guide::{Found, Guide};
use branchline_probes::dns_query::{ANSWERS, addresses};
use branchline_probes::{
    Failure, Lead, OptionValue, Options, Outcome, PROBES, Secret, TlsProblem, Transport, Trust,
};
use rustls::version::TLS13;
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, NAME};
use crate::checks::{Invented, check};
use crate::ping::{DEADLINE, LOOPBACKS, Ping, tcp_server};

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

/// A check with credentials that goes where a walk led.
fn allocation_at(address: SocketAddr, host: &str, authority: &Authority) -> Check {
    let Trust::Only(authorities) = authority.trust() else { panic!("it trusts everybody") };
    let secret = Secret::new("a password".to_owned());
    let set = [
        ("username", OptionValue::Text("probe".to_owned())),
        ("password", OptionValue::Secret(secret)),
        ("transport", OptionValue::Word("tls")),
        ("ca_file", OptionValue::Certificates(authorities)),
    ];
    let probe =
        *PROBES.iter().find(|probe| probe.name() == "turn-allocation").expect("it is listed");
    let mut options = Options::defaults(probe.options());
    for (key, value) in set {
        options
            .set(probe.options().iter().find(|spec| spec.name == key).expect("an option"), value);
    }
    let mut check = check(&PING, host, address.port());
    (check.probe, check.module) =
        (probe, Arc::from(probe.module(&options).expect("they are valid")));
    check.whom = Whom::Led(Arc::new(leads_to(address)));
    check
}

// D-DNS-7, D-DNS-8
#[tokio::test]
async fn whom_a_walk_leads_to_is_told_nothing_without_a_certificate_for_the_configured_host() {
    let authority = Authority::new("an authority");
    for (host, is_told) in [(NAME, true), ("other.example.net", false)] {
        // Its certificate is good, for the name of the first.
        let server = authority.issue(|_| {}).server(&TLS13);
        let (outbox, mut told) = mpsc::unbounded_channel();
        let address = tcp_server(LOOPBACKS[0], move |stream| {
            let (server, outbox) = (server.clone(), outbox.clone());
            async move {
                let Ok(mut stream) = server.accept(stream).await else { return };
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).await.unwrap_or_default();
                let _ = outbox.send(buffer[..length].to_vec());
            }
        })
        .await;
        let check = allocation_at(address, host, &authority);

        let observed = driver::observe(&check, &CancellationToken::new(), None, None).await;

        assert_eq!(observed[0].address, Some(address));
        let failure = observed[0].outcome.failure.clone().map(|(_, failure)| failure);
        if is_told {
            let request = told.recv().await.expect("the connection came");
            // An Allocate request (RFC 8656 §18).
            assert!(request.starts_with(&[0, 3]), "{request:02x?}");
        } else {
            let is_wrong_name =
                matches!(failure, Some(Failure::TlsFailed { problem: TlsProblem::WrongName, .. }));
            assert!(is_wrong_name, "{failure:?}");
            assert!(told.try_recv().is_err_and(|it| it == mpsc::error::TryRecvError::Empty));
        }
    }
}
