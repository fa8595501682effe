//! TLS against the server of OpenSSL, which asks its clients who they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::agent::{Probed, probe};
use crate::certificates::{Authority, Identity};
use crate::process::{PATIENCE, Server, free_port, program};
use crate::wait::eventually;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server that lets in whom `authority` vouches for, and nobody else.
fn demanding(version: &str, own: &Identity, authority: &Authority) -> (Server, SocketAddr) {
    let address = SocketAddr::new(LOOPBACK, free_port(LOOPBACK));
    let folder = tempfile::tempdir().expect("a folder for openssl");
    let mut command = Command::new(program("openssl", "openssl"));
    // It answers each line with its reverse: to a Binding request, nothing that is an answer.
    command.args(["s_server", version, "-rev", "-Verify", "1", "-verify_return_error"]);
    command.arg("-accept").arg(address.to_string());
    command.arg("-cert").arg(&own.certificate).arg("-key").arg(&own.key);
    command.arg("-CAfile").arg(authority.path());
    let mut server = Server::start("openssl s_server", folder, &command);
    // A connection that proves nothing would end up in its log.
    let log = server.folder().join("output.log");
    server.await_ready(|| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if said.contains("ACCEPT") { Ok(()) } else { Err(said) }
    });
    (server, address)
}

/// Asks the server, and shows it this certificate.
fn ask(at: SocketAddr, authority: &Authority, own: Option<&Identity>) -> Probed {
    let mut asked = probe("stun-binding", at)
        .option("transport", "tls")
        .option("ca_file", &authority.path().display().to_string())
        .option("timeout", "2s");
    if let Some(own) = own {
        asked = asked
            .option("client_certificate", &own.certificate.display().to_string())
            .option("client_key", &format!("file:{}", own.key.display()));
    }
    asked.run()
}

#[track_caller]
fn assert_refused(probed: &Probed, words: &str) {
    probed.assert_failure("tls_failed");
    let message = probed.seen["failure"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(words), "{probed:#?}");
    // The server itself proved who it is.
    assert_eq!(probed.fact("tls_trusted_by"), "ca_file");
    assert!(probed.fact("certificate_expires").is_string(), "{probed:#?}");
}

#[test]
fn openssl_lets_us_in_by_our_certificate_and_nobody_without_or_with_a_strange_one() {
    for (option, version) in [("-tls1_3", "1.3"), ("-tls1_2", "1.2")] {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let (server, at) = demanding(option, &authority.vouch_for(&["127.0.0.1"]), &authority);

        let without = ask(at, &authority, None);
        let strange = ask(at, &authority, Some(&stranger.vouch_for_client("branch test stranger")));
        let right = ask(at, &authority, Some(&authority.vouch_for_client("branch test client")));

        assert_refused(&without, "asks for a client certificate, and got none");
        assert_refused(&strange, "does not accept the client certificate");
        assert_ne!(right.reason(), "tls_failed", "{right:#?}");
        assert_eq!(right.fact("tls_version"), version);
        assert_eq!(right.fact("tls_trusted_by"), "ca_file");
        assert_eq!(right.fact("certificate_names"), &serde_json::json!(["127.0.0.1"]));
        eventually("the client's name in the log of the server", PATIENCE, || {
            let said = server.log();
            let is_known = said.contains("CN = branch test client");
            // What it prints of the peer whom it let in.
            let is_in = said.contains("Verification: OK");
            if is_known && is_in { Ok(()) } else { Err(said) }
        });
    }
}
