//! Legs over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline::driver;
use branchline_probes::{Refusal, Stamp, TlsProblem, Trust, TrustedBy};
use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, Identity, NAME, for_clients, leg, self_signed};
use crate::ping::{DEADLINE, LOOPBACKS, PATIENCE, Ping, TOLERANCE, Told, drive, tcp_server};

const ISSUER: &str = "CN=an authority,O=Example\\, Inc.,C=FR";
const SUBJECT: &str = "CN=relay.example.net,O=Example\\, Inc.,C=FR";

/// The start of a year, in seconds since 1970.
fn year(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

const START_OF_2020: u64 = 1_577_836_800;
const START_OF_2031: u64 = 1_924_992_000;
const START_OF_2040: u64 = 2_208_988_800;

/// The address of a server that echoes each piece, and ends of its connections in words.
pub(crate) async fn tls_echo(server: TlsAcceptor) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (outbox, inbox) = mpsc::unbounded_channel();
    let address = tcp_server(LOOPBACKS[0], move |stream| {
        let (server, outbox) = (server.clone(), outbox.clone());
        async move {
            let end = match server.accept(stream).await {
                Err(error) => format!("no handshake: {error}"),
                Ok(mut stream) => {
                    let mut buffer = vec![0; 65_536];
                    loop {
                        match stream.read(&mut buffer).await {
                            Ok(0) => break "a farewell".to_owned(),
                            Ok(length) => {
                                let _ = stream.write_all(&buffer[..length]).await;
                                let _ = stream.flush().await;
                            }
                            Err(error) => break error.to_string(),
                        }
                    }
                }
            };
            let _ = outbox.send(end);
        }
    })
    .await;
    (address, inbox)
}

/// A server that reads the greeting, and then says these bytes and no more.
async fn saying(bytes: &'static [u8]) -> SocketAddr {
    tcp_server(LOOPBACKS[0], move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(bytes).await;
        // Until the client has gone: a reset would take the bytes with it.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {}
    })
    .await
}

fn told(ping: &Ping) -> Vec<Told> {
    ping.told().into_iter().map(|(_, told)| told).collect()
}

#[tokio::test]
async fn a_handshake_tells_version_cipher_and_certificate_before_anything_is_sent() {
    for (version, label, cipher) in [
        (&TLS12, "1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (&TLS13, "1.3", "TLS_AES_256_GCM_SHA384"),
    ] {
        let authority = Authority::new("an authority");
        let (peer, mut ends) = tls_echo(authority.issue(|_| {}).server(version)).await;
        let mut ping = Ping::on(leg(peer, NAME, authority.trust()), PATIENCE);

        drive(&mut ping).await;

        let told = told(&ping);
        let [Told::Connected(_), Told::Secured(handshake), sent, received] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((handshake.version, handshake.cipher), (label, cipher));
        let certificate = &handshake.certificate;
        assert_eq!(certificate.subject.as_str(), SUBJECT);
        assert_eq!(certificate.issuer.as_str(), ISSUER);
        let names: Vec<&str> = certificate.names.iter().map(|it| it.as_str()).collect();
        assert_eq!(names, [NAME, "127.0.0.1"]);
        assert_eq!(certificate.not_before, year(START_OF_2020));
        assert_eq!(certificate.not_after, year(START_OF_2040));
        assert_eq!(handshake.certificate.chain_not_after, year(START_OF_2040));
        assert_eq!(handshake.trusted_by, TrustedBy::CaFile);
        assert_eq!(*sent, Told::Sent(0, Stamp::Program));
        assert_eq!(*received, Told::Received(peer, b"ping".to_vec(), Stamp::Program, None));
        drop(ping);
        assert_eq!(ends.recv().await.as_deref(), Some("a farewell"));
    }
}

#[tokio::test]
async fn a_chain_expires_with_the_first_of_its_certificates() {
    let authority = Authority::new("an authority");
    let subordinate = authority.subordinate("a subordinate");
    let (peer, _) = tls_echo(subordinate.issue_with_chain().server(&TLS13)).await;
    let mut ping = Ping::on(leg(peer, NAME, authority.trust()), PATIENCE);

    drive(&mut ping).await;

    let told = told(&ping);
    let Told::Secured(handshake) = &told[1] else { panic!("{told:?}") };
    assert_eq!(handshake.certificate.not_after, year(START_OF_2040));
    assert_eq!(handshake.certificate.chain_not_after, year(START_OF_2031));
}

#[tokio::test]
async fn a_certificate_can_be_for_an_address() {
    let authority = Authority::new("an authority");
    let (peer, _) = tls_echo(authority.issue(|_| {}).server(&TLS13)).await;
    let mut ping = Ping::on(leg(peer, "127.0.0.1", authority.trust()), PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.heard(), [(peer, b"ping".to_vec())]);
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_told_and_nothing_is_sent() {
    let authority = Authority::new("an authority");
    let stranger = Authority::new("a stranger");
    let cases: [(Identity, &str, TlsProblem); 7] = [
        (authority.issue(|it| it.not_after = date_time_ymd(2021, 1, 1)), NAME, TlsProblem::Expired),
        (
            authority.issue(|it| it.not_before = date_time_ymd(2039, 1, 1)),
            NAME,
            TlsProblem::NotYetValid,
        ),
        (authority.issue(|_| {}), "other.example.net", TlsProblem::WrongName),
        (stranger.issue(|_| {}), NAME, TlsProblem::UnknownIssuer),
        (self_signed(false), NAME, TlsProblem::UnknownIssuer),
        (self_signed(true), NAME, TlsProblem::UnknownIssuer),
        (authority.issue(for_clients), NAME, TlsProblem::BadCertificate),
    ];
    for (identity, name, expected) in cases {
        let (peer, mut ends) = tls_echo(identity.server(&TLS13)).await;
        let mut ping = Ping::on(leg(peer, name, authority.trust()), PATIENCE);

        drive(&mut ping).await;

        let told = told(&ping);
        let [Told::Connected(_), Told::Insecure(problem, Some(certificate), None)] = &told[..]
        else {
            panic!("{expected:?}: {told:?}")
        };
        assert_eq!(*problem, expected);
        assert_eq!(certificate.subject.as_str(), SUBJECT);
        let end = ends.recv().await.expect("the server tells");
        assert!(end.starts_with("no handshake: received fatal alert"), "{expected:?}: {end}");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_no_version_of_ours_is_told_so() {
    // The header and the start of a ServerHello (RFC 4346 §7.4.1.3) of TLS 1.1: version, 32 bytes
    // of chance, an empty session id, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    const TLS_1_1: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
        0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";
    // Alerts (RFC 8446 §6): fatal, protocol_version and insufficient_security.
    const NO_VERSION: &[u8] = b"\x15\x03\x02\x00\x02\x02\x46";
    const NO_CIPHER: &[u8] = b"\x15\x03\x03\x00\x02\x02\x47";
    for bytes in [TLS_1_1, NO_VERSION, NO_CIPHER] {
        let peer = saying(bytes).await;
        let mut ping = Ping::on(leg(peer, NAME, Authority::new("nobody").trust()), PATIENCE);

        drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Insecure(TlsProblem::Version, None, None));
    }
}

#[tokio::test]
async fn a_handshake_that_goes_wrong_says_how() {
    // Fatal: handshake_failure and unrecognized_name (RFC 8446 §6).
    const FAILURE: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";
    const UNRECOGNIZED: &[u8] = b"\x15\x03\x03\x00\x02\x02\x70";
    const CLEARTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for (bytes, problem) in [
        (FAILURE, TlsProblem::Alert),
        (UNRECOGNIZED, TlsProblem::Alert),
        (CLEARTEXT, TlsProblem::NotTls),
        (&[0xff; 512], TlsProblem::NotTls),
    ] {
        let peer = saying(bytes).await;
        let mut ping = Ping::on(leg(peer, NAME, Authority::new("nobody").trust()), PATIENCE);

        drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Insecure(problem, None, None));
    }
}

#[tokio::test]
async fn nothing_is_a_certificate_for_what_is_no_name() {
    let peer = saying(b"").await;
    let mut ping = Ping::on(leg(peer, "not a name", Authority::new("x").trust()), PATIENCE);

    drive(&mut ping).await;

    assert!(matches!(ping.told()[0].1, Told::Connected(_)));
    assert_eq!(ping.last(), Told::Insecure(TlsProblem::WrongName, None, None));
}

// I9
#[tokio::test]
async fn a_leg_that_trusts_nobody_says_nothing_of_its_peer() {
    let peer = saying(b"").await;
    let trust = Trust::Only(branchline_probes::Certificates {
        source: "a test".to_owned(),
        certificates: Arc::from([b"no certificate".to_vec()]),
    });
    let mut ping = Ping::on(leg(peer, NAME, trust), PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.last(), Told::Failed);
}

#[tokio::test]
async fn a_peer_that_goes_during_the_handshake_has_closed_or_reset() {
    let closing = tcp_server(LOOPBACKS[0], |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let resetting = tcp_server(LOOPBACKS[0], |stream| async move {
        // What was sent stays unread, so closing is a reset.
        let _ = stream.readable().await;
    })
    .await;
    let reset = Told::Refused(resetting, Some(resetting.ip()), Refusal::Reset);
    for (peer, expected) in [(closing, Told::Closed), (resetting, reset)] {
        let mut ping = Ping::on(leg(peer, NAME, Authority::new("nobody").trust()), PATIENCE);

        drive(&mut ping).await;

        assert_eq!(ping.last(), expected);
    }
}

// I2
#[tokio::test]
async fn a_peer_that_stalls_in_the_handshake_ends_at_the_deadline() {
    // The header of a record that never comes.
    for bytes in [&b""[..], b"\x16\x03\x03\x10\x00\x02"] {
        let peer = saying(bytes).await;
        let mut ping = Ping::on(leg(peer, NAME, Authority::new("nobody").trust()), DEADLINE);

        let took = drive(&mut ping).await;

        assert_eq!(ping.last(), Told::Timeout);
        assert!(took >= DEADLINE && took <= DEADLINE + TOLERANCE, "{took:?}");
    }
}

#[tokio::test]
async fn much_data_comes_through_tls_as_it_was() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new("an authority");
        let (peer, _) = tls_echo(authority.issue(|_| {}).server(version)).await;
        let mut ping = Ping::on(leg(peer, NAME, authority.trust()), PATIENCE);
        let data: Vec<u8> = (0..65_536_u32).map(|index| (index % 251) as u8).collect();
        ping.says = vec![(peer, data.clone())];
        ping.awaits = data.len();

        drive(&mut ping).await;

        let heard: Vec<u8> = ping.heard().into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert!(heard == data, "{} bytes", heard.len());
    }
}

#[tokio::test]
async fn a_leg_hears_its_peer_while_the_peer_does_not_read() {
    const MUCH: usize = 16 << 20;
    let authority = Authority::new("an authority");
    let server = authority.issue(|_| {}).server(&TLS13);
    let is_heard = Arc::new(Notify::new());
    let heard = Arc::clone(&is_heard);
    let peer = tcp_server(LOOPBACKS[0], move |stream| {
        let (server, heard) = (server.clone(), Arc::clone(&heard));
        async move {
            let mut stream = server.accept(stream).await.expect("the certificate is good");
            stream.write_all(b"wait").await.expect("the client reads");
            stream.flush().await.expect("the client reads");
            heard.notified().await;
            let mut read = vec![0; MUCH];
            stream.read_exact(&mut read).await.expect("the client writes it all");
            stream.write_all(b"done").await.expect("the client reads");
            let _ = stream.flush().await;
        }
    })
    .await;
    let mut ping = Ping::on(leg(peer, NAME, authority.trust()), PATIENCE);
    ping.says = vec![(peer, vec![b'x'; MUCH])];
    ping.awaits = 8;
    let watcher = |step: driver::Step| {
        if step.what.contains("bytes from") {
            is_heard.notify_one();
        }
    };

    driver::drive(&mut ping, peer, &CancellationToken::new(), Some(&watcher)).await;

    let told = told(&ping);
    let [_, Told::Secured(_), Told::Received(_, wait, ..), Told::Sent(0, _), done] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(wait, b"wait");
    assert_eq!(*done, Told::Received(peer, b"done".to_vec(), Stamp::Program, None));
}

#[tokio::test]
async fn a_trace_shows_what_tls_showed_and_no_bytes() {
    let authority = Authority::new("an authority");
    let (peer, _) = tls_echo(authority.issue(|_| {}).server(&TLS13)).await;
    let steps = std::sync::Mutex::new(Vec::new());
    let watcher = |step: driver::Step| steps.lock().expect("nobody panicked").push(step.what);
    for name in [NAME, "other.example.net"] {
        let mut ping = Ping::on(leg(peer, name, authority.trust()), PATIENCE);
        driver::drive(&mut ping, peer, &CancellationToken::new(), Some(&watcher)).await;
    }

    let steps = steps.into_inner().unwrap();
    let who = format!("{SUBJECT} (issued by {ISSUER})");
    let good = format!("TLS 1.3, TLS_AES_256_GCM_SHA384, with {who}");
    let bad = format!("no TLS with the peer: its certificate is for another name: {who}");
    assert!(steps.contains(&good) && steps.contains(&bad), "{steps:#?}");
    assert!(!steps.iter().any(|step| step.contains("ping")), "{steps:#?}");
}
