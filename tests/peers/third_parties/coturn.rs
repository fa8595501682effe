//! coturn as it is configured, used by its own client and by openssl.

use std::time::Duration;

use crate::branch::{Branch, CLOUD, CLOUD_6, CLOUD_TOO, Nat};
use crate::certificates::Authority;
use crate::coturn::{Coturn, Setup};
use crate::echo::Echo;
use crate::process::{program, run, text, words};

use super::router::ask;

#[test]
fn coturn_holds_what_a_client_allocates_until_it_goes() {
    let branch = Branch::behind(Nat::Symmetric);
    let coturn = turn(&branch).start();
    assert_eq!(coturn.allocations(), 0);

    // Over TCP an allocation ends with its connection, however the client goes.
    std::thread::scope(|scope| {
        let talk = scope.spawn(|| uclient(&branch, &["-t", "-y", "-c", "-n", "100", CLOUD]));
        coturn.await_allocations(2, PATIENCE);
        let said = talk.join().expect("it can be run");
        assert!(said.contains("Total lost packets 0 "), "{said}");
    });

    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn coturn_still_holds_what_a_client_left_behind() {
    let branch = Branch::behind(Nat::Symmetric);
    let coturn = turn(&branch).start();

    // This client never frees its first allocation when it talks over UDP.
    let said = uclient(&branch, &["-y", "-c", "-n", "5", CLOUD]);

    assert!(said.contains("Total lost packets 0 "), "{said}");
    assert!(coturn.allocations() >= 1);
}

#[test]
fn coturn_takes_credentials_made_with_its_secret_and_no_others() {
    let branch = Branch::behind(Nat::Symmetric);
    let _coturn = at_cloud(&branch).shared_secret("a shared secret").start();

    let said = uclient_as(&branch, &["-W", "a shared secret", "-u", "probe"]);
    assert!(said.contains("Total lost packets 0 "), "{said}");

    let said = uclient_as(&branch, &["-W", "another secret", "-u", "probe"]);
    assert!(said.contains("Cannot complete Allocation"), "{said}");
}

#[test]
fn coturn_refuses_a_wrong_password() {
    let branch = Branch::behind(Nat::Symmetric);
    let _coturn = turn(&branch).start();

    let said = uclient_as(&branch, &["-u", "probe", "-w", "wrong"]);

    assert!(said.contains("Cannot complete Allocation"), "{said}");
}

#[test]
fn coturn_says_that_a_quota_is_reached() {
    assert_answers(|coturn| coturn.user_quota(1), &["-y"], "error 486");
}

#[test]
fn coturn_says_that_a_nonce_is_stale() {
    assert_answers(|coturn| coturn.stale_nonce(1), &["-y", "-n", "200"], "error 438");
}

#[test]
fn coturn_says_that_a_peer_is_forbidden() {
    assert_answers(|coturn| coturn.deny_peer(CLOUD_TOO), &["-e", CLOUD_TOO], "error 403");
}

#[test]
fn coturn_says_that_no_port_is_left() {
    assert_answers(|coturn| coturn.relay_ports(50_000..=50_000), &["-y"], "error 508");
}

#[test]
fn coturn_says_that_another_server_shall_be_tried() {
    assert_answers(|coturn| coturn.alternate_server("198.51.100.99:3478"), &["-y"], "error 300");
}

#[test]
fn coturn_grants_no_longer_lifetime_than_it_is_told() {
    assert_answers(|coturn| coturn.longest_lifetime(60), &["-y"], "lifetime=60\n");
}

#[test]
fn coturn_relays_to_loopback_only_when_it_is_told_to() {
    assert_answers(|coturn| coturn, &["-e", "127.0.0.1"], "error 403");
    assert_answers(
        Setup::allow_loopback_peers,
        &["-e", "127.0.0.1"],
        "CHANNEL_BIND processed, success",
    );
}

#[test]
fn coturn_relays_from_the_address_that_it_is_told() {
    let branch = Branch::behind(Nat::Symmetric);
    let coturn = turn(&branch).relay_at(CLOUD_TOO).start();

    uclient(&branch, &["-y", "-c", "-n", "5", CLOUD]);

    let relayed = coturn.relayed();
    assert!(!relayed.is_empty());
    assert!(relayed.iter().all(|at| at.ip().to_string() == CLOUD_TOO), "{relayed:?}");
}

#[test]
fn coturn_signs_its_messages_with_a_fingerprint_unless_it_is_told_not_to() {
    let branch = Branch::behind(Nat::None);
    let ask = || ask(&branch, CLOUD, 3478).unwrap();
    // Type and length of the last attribute of a message (RFC 8489 §14.7).
    let fingerprint = [0x80, 0x28, 0x00, 0x04];

    let coturn = at_cloud(&branch).start();
    let answer = ask();
    assert_eq!(answer[answer.len() - 8..][..4], fingerprint);
    drop(coturn);

    let _coturn = at_cloud(&branch).without_fingerprint().start();
    let answer = ask();
    assert_ne!(answer[answer.len() - 8..][..4], fingerprint);
}

#[test]
fn coturn_without_udp_relays_over_tcp() {
    let branch = Branch::behind(Nat::Symmetric);
    let coturn = turn(&branch).without_udp().start();

    let said = uclient(&branch, &["-t", "-y", "-c", CLOUD]);

    assert!(said.contains("Total lost packets 0 "), "{said}");
    coturn.await_no_allocation(PATIENCE);
    assert!(ask(&branch, CLOUD, coturn.port).is_err());
}

#[test]
fn coturn_relays_over_tls_with_a_certificate_that_its_authority_vouches_for() {
    let branch = Branch::behind(Nat::Symmetric);
    let authority = Authority::new();
    let identity = authority.vouch_for(&["turn.branch.test", CLOUD, CLOUD_6]);
    let coturn = Coturn::at(&[CLOUD, CLOUD_6])
        .user("probe", "probe-secret")
        .tls(5349, &identity)
        .inside(&branch.at_cloud())
        .start();

    let port = coturn.tls_port.expect("it was given one");
    let (server, server_6) = (format!("{CLOUD}:{port}"), format!("[{CLOUD_6}]:{port}"));
    for (server, name) in [
        (&server, ["-verify_hostname", "turn.branch.test"]),
        (&server, ["-verify_ip", CLOUD]),
        (&server_6, ["-verify_ip", CLOUD_6]),
    ] {
        let said = handshake(&branch, &authority, server, name);
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    let said = handshake(&branch, &authority, &server, ["-verify_ip", CLOUD_TOO]);
    assert!(said.contains("IP address mismatch"), "{said}");
    let said = handshake(&branch, &Authority::new(), &server, ["-verify_ip", CLOUD]);
    assert!(said.contains("verify error"), "{said}");

    let ca = authority.path().display().to_string();
    let _echo = Echo::start(&branch.at_cloud(), CLOUD_TOO, 3480);
    let said = uclient(&branch, &["-t", "-S", "-E", &ca, "-c", "-e", CLOUD_TOO, CLOUD]);
    assert!(said.contains("Total lost packets 0 "), "{said}");
    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn coturn_shows_a_certificate_that_ran_out() {
    let branch = Branch::behind(Nat::Symmetric);
    let authority = Authority::new();
    let identity = authority.vouched_once_for(&[CLOUD]);
    let _coturn = turn(&branch).tls(5349, &identity).start();

    let said = handshake(&branch, &authority, &format!("{CLOUD}:5349"), ["-verify_ip", CLOUD]);

    assert!(said.contains("certificate has expired"), "{said}");
}

/// Asserts that a coturn which is set up so gives the answer to a client which is used so.
#[track_caller]
fn assert_answers(set_up: impl FnOnce(Setup) -> Setup, arguments: &[&str], answer: &str) {
    let branch = Branch::behind(Nat::PortRestricted);
    let coturn = set_up(turn(&branch)).line("verbose").start();

    let said = uclient(&branch, &[&["-c"], arguments, &[CLOUD]].concat());

    let log = coturn.server.log();
    assert!(log.contains(answer), "no {answer}:\n{log}\n{said}");
}

fn turn(branch: &Branch) -> Setup {
    at_cloud(branch).user("probe", "probe-secret")
}

fn at_cloud(branch: &Branch) -> Setup {
    Coturn::at(&[CLOUD]).inside(&branch.at_cloud())
}

/// What coturn's own client says, used so by the user that every coturn here knows.
#[track_caller]
fn uclient(branch: &Branch, arguments: &[&str]) -> String {
    let client = program("turnutils_uclient", "coturn").display().to_string();
    let mut command =
        words(&branch.at_client(), &["timeout", "--signal=KILL", "20", &client, "-u", "probe"]);
    let output = run(command.args(["-w", "probe-secret"]).args(arguments));
    text(&output.stdout) + &text(&output.stderr)
}

/// The same, by a user of these credentials.
#[track_caller]
fn uclient_as(branch: &Branch, credentials: &[&str]) -> String {
    let client = program("turnutils_uclient", "coturn").display().to_string();
    let mut command = words(&branch.at_client(), &["timeout", "--signal=KILL", "20", &client]);
    let output = run(command.args(credentials).args(["-t", "-y", "-c", "-n", "5", CLOUD]));
    text(&output.stdout) + &text(&output.stderr)
}

/// What openssl says of the server's certificate.
#[track_caller]
fn handshake(branch: &Branch, authority: &Authority, server: &str, name: [&str; 2]) -> String {
    let openssl = program("openssl", "openssl").display().to_string();
    let ca = authority.path().display().to_string();
    let mut command = words(&branch.at_client(), &[&openssl, "s_client", "-connect", server]);
    command.args(["-verify_return_error", "-CAfile", &ca]).args(name);
    let output = run(&command);
    text(&output.stdout) + &text(&output.stderr)
}

/// How long a client of coturn may take.
const PATIENCE: Duration = Duration::from_secs(20);
