//! Servers that ask who their client is.

use std::net::SocketAddr;
use std::sync::Arc;

use branchline_probes::{Identity, Leg, TlsProblem, TrustedBy};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt as _;

use crate::authority::{Authority, NAME, for_clients, leg};
use crate::ping::{LOOPBACKS, PATIENCE, Ping, Told, drive, tcp_server};
use crate::tls::tls_echo;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A server of `authority` that asks for certificates of it, too.
async fn asking(
    authority: &Authority,
    lets_strangers_in: bool,
    version: &'static SupportedProtocolVersion,
) -> SocketAddr {
    let own = authority.issue(|_| {});
    tls_echo(own.server_for_clients_of(authority, lets_strangers_in, version)).await.0
}

/// A leg that shows this, where it is asked.
fn showing(peer: SocketAddr, authority: &Authority, identity: Option<Identity>) -> Leg {
    let mut leg = leg(peer, NAME, authority.trust());
    leg.tls.as_mut().expect("it is a leg over TLS").identity = identity.map(Arc::new);
    leg
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_the_one_of_the_leg() {
    for version in VERSIONS {
        let authority = Authority::new("an authority");
        let peer = asking(&authority, false, version).await;
        let identity = authority.issue(for_clients).of_client();
        let mut ping = Ping::on(showing(peer, &authority, Some(identity)), PATIENCE);

        drive(&mut ping).await;

        assert_eq!(ping.heard(), [(peer, b"ping".to_vec())], "{version:?}");
    }
}

#[tokio::test]
async fn a_server_that_only_would_like_a_certificate_is_spoken_to_without() {
    for version in VERSIONS {
        let authority = Authority::new("an authority");
        let peer = asking(&authority, true, version).await;
        let mut ping = Ping::on(showing(peer, &authority, None), PATIENCE);

        drive(&mut ping).await;

        assert_eq!(ping.heard(), [(peer, b"ping".to_vec())], "{version:?}");
    }
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_and_gets_none_or_a_strange_one_is_told_apart() {
    for version in VERSIONS {
        let (authority, stranger) = (Authority::new("an authority"), Authority::new("a stranger"));
        let peer = asking(&authority, false, version).await;
        let strange = stranger.issue(for_clients).of_client();
        // A server's certificate is not one of a client.
        let of_server = authority.issue(|it| {
            it.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        });
        for (identity, expected) in [
            (None, TlsProblem::CertificateRequired),
            (Some(strange), TlsProblem::CertificateRefused),
            (Some(of_server.of_client()), TlsProblem::CertificateRefused),
        ] {
            let mut ping = Ping::on(showing(peer, &authority, identity), PATIENCE);

            drive(&mut ping).await;

            let last = ping.last();
            let Told::Insecure(problem, Some(certificate), trusted_by) = last else {
                panic!("{version:?} {expected:?}: {:?}", ping.told())
            };
            assert_eq!(problem, expected, "{version:?}");
            assert!(certificate.subject.as_str().contains(NAME));
            assert_eq!(trusted_by, Some(TrustedBy::CaFile), "the server proved itself");
            assert_eq!(ping.heard(), []);
        }
    }
}

#[tokio::test]
async fn a_word_about_the_certificate_is_heard_though_a_reset_follows_it() {
    let authority = Authority::new("an authority");
    let peer = asking(&authority, false, &TLS13).await;
    let mut ping = Ping::on(showing(peer, &authority, None), PATIENCE);
    // More than the server and both kernels take before it says no, and so resets.
    ping.says = vec![(peer, vec![b'x'; 16 << 20])];

    drive(&mut ping).await;

    let last = ping.last();
    assert!(matches!(last, Told::Insecure(TlsProblem::CertificateRequired, ..)), "{last:?}");
}

#[tokio::test]
async fn what_is_no_tls_after_the_handshake_is_the_end_of_the_connection() {
    let authority = Authority::new("an authority");
    let server = authority.issue(|_| {}).server(&TLS13);
    let peer = tcp_server(LOOPBACKS[0], move |stream| {
        let server = server.clone();
        async move {
            let stream = server.accept(stream).await.expect("the certificate is good");
            let (mut stream, _) = stream.into_inner();
            // No record of TLS 1.3, which the client answers with an alert of its own.
            let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x74").await;
        }
    })
    .await;
    let mut ping = Ping::on(showing(peer, &authority, None), PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.last(), Told::Closed);
}

// I9
#[tokio::test]
async fn a_key_that_cannot_be_used_says_nothing_of_the_peer() {
    let authority = Authority::new("an authority");
    let peer = asking(&authority, false, &TLS13).await;
    let mut identity = authority.issue(for_clients).of_client();
    identity.key = authority.issue(for_clients).of_client().key;
    let mut ping = Ping::on(showing(peer, &authority, Some(identity)), PATIENCE);

    drive(&mut ping).await;

    assert_eq!(ping.last(), Told::Failed);
}

#[test]
fn an_identity_is_shown_without_its_key() {
    let identity = Authority::new("an authority").issue(for_clients).of_client();

    assert_eq!(format!("{identity:?}"), "1 certificates of a test and a key");
}
