//! TURN against coturn: what it grants, what it refuses, and that nothing is left there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Probe, Probed, check, configure, keep_secret, probe};
use crate::certificates::Authority;
use crate::coturn::{Coturn, REALM, Setup};
use crate::echo::Echo;
use crate::process::free_port;

const USER: &str = "probe";
const PASSWORD: &str = "probe-secret";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// How long coturn may take to close the sockets of what was freed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A coturn on loopback that relays to itself and knows one user.
fn coturn() -> Setup {
    open_coturn().user(USER, PASSWORD)
}

fn open_coturn() -> Setup {
    Coturn::at(&["127.0.0.1", "::1"]).free_port(LOOPBACK).allow_loopback_peers()
}

fn allocate(port: u16) -> Probe {
    probe("turn-allocation", SocketAddr::new(LOOPBACK, port))
        .option("username", USER)
        .password(PASSWORD)
}

/// Every step was done, and nothing is left.
#[track_caller]
fn assert_whole(coturn: &Coturn, probed: &Probed) {
    probed.assert_success();
    assert_eq!(probed.fact("mode"), "credentials");
    assert_eq!(probed.fact("realm"), REALM);
    for fact in ["send_echo", "channel_echo", "freed"] {
        assert_eq!(probed.fact(fact), true, "{fact}: {probed:#?}");
    }
    assert_eq!(probed.fact("lifetime_seconds"), 600.0);
    let phases = ["challenge", "allocate", "permission", "echo", "refresh", "release"];
    let seen = probed.seen["phases"].as_array().expect("a list");
    for phase in phases {
        assert!(seen.iter().any(|it| it["phase"] == phase), "{phase}: {probed:#?}");
    }
    coturn.await_no_allocation(PATIENCE);
}

/// It failed with this error code of the server's, and nothing is left.
#[track_caller]
fn assert_rejected(coturn: &Coturn, probed: &Probed, code: u16, cause: &str) {
    probed.assert_failure("rejected");
    assert_eq!(probed.fact("error_code"), code, "{probed:#?}");
    assert_eq!(probed.fact("error_cause"), cause);
    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn without_an_account_the_challenge_of_coturn_is_the_success() {
    let coturn = coturn().start();

    let probed = probe("turn-allocation", SocketAddr::new(LOOPBACK, coturn.port)).run();

    probed.assert_success();
    assert_eq!(probed.fact("mode"), "challenge");
    assert_eq!(probed.fact("realm"), REALM);
    assert_eq!(coturn.allocations(), 0);
}

#[test]
fn coturn_without_any_account_relays_for_everyone_and_keeps_nothing() {
    let coturn = open_coturn().line("no-auth").start();

    let probed = probe("turn-allocation", SocketAddr::new(LOOPBACK, coturn.port)).run();

    probed.assert_success();
    assert_eq!(probed.fact("mode"), "open");
    assert_eq!(probed.fact("freed"), true);
    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn coturn_relays_for_us_over_udp_and_tcp_from_both_families() {
    let coturn = coturn().start();

    for (transport, address) in
        [("udp", LOOPBACK), ("tcp", LOOPBACK), ("udp", LOOPBACK_6), ("tcp", LOOPBACK_6)]
    {
        let target = SocketAddr::new(address, coturn.port);
        let probed = probe("turn-allocation", target)
            .option("username", USER)
            .password(PASSWORD)
            .option("transport", transport)
            .option("family", if address.is_ipv4() { "ip4" } else { "ip6" })
            .run();

        assert_whole(&coturn, &probed);
        assert_eq!(probed.fact("transmissions"), 5, "{transport} {address}");
        let relayed = probed.fact("relayed_address").as_str().unwrap_or_default();
        let relayed: SocketAddr = relayed.parse().expect("an address");
        assert_eq!(relayed.ip(), address);
    }
}

#[test]
fn coturn_relays_for_us_over_tls_and_to_nobody_in_its_name() {
    let authority = Authority::new();
    let (good, bad) = (authority.vouch_for(&["turn.branch.test"]), Authority::new());
    let tls_port = free_port(LOOPBACK);
    let coturn = coturn().tls(tls_port, &good).start();
    let over_tls = |authority: &Authority| {
        allocate(tls_port)
            .option("transport", "tls")
            .option("server_name", "turn.branch.test")
            .option("ca_file", &authority.path().display().to_string())
            .run()
    };

    assert_whole(&coturn, &over_tls(&authority));

    let refused = over_tls(&bad);
    refused.assert_failure("tls_failed");
    assert_eq!(coturn.allocations(), 0);
}

#[test]
fn coturn_takes_time_limited_users_of_a_shared_secret() {
    let coturn = open_coturn().shared_secret("branch-shared-secret").start();
    let with = |secret: &str, user: Option<&str>| {
        let target = SocketAddr::new(LOOPBACK, coturn.port);
        let probe = probe("turn-allocation", target).shared_secret(secret);
        match user {
            Some(user) => probe.option("username", user).run(),
            None => probe.run(),
        }
    };

    assert_whole(&coturn, &with("branch-shared-secret", Some("lyon")));
    assert_whole(&coturn, &with("branch-shared-secret", None));
    assert_rejected(&coturn, &with("another-secret", None), 401, "unauthenticated");
}

#[test]
fn a_wrong_password_is_offered_to_coturn_once() {
    let coturn = coturn().start();

    let probed = probe("turn-allocation", SocketAddr::new(LOOPBACK, coturn.port))
        .option("username", USER)
        .password("wrong")
        .run();

    assert_rejected(&coturn, &probed, 401, "unauthenticated");
    assert_eq!(probed.fact("transmissions"), 2);
}

#[test]
fn the_echo_of_a_peer_of_the_engineer_s_comes_back_through_coturn() {
    let coturn = coturn().start();
    let port = free_port(LOOPBACK);
    let _echo = Echo::start(&[], "127.0.0.1", port);

    let probed = allocate(coturn.port).option("peer", &format!("127.0.0.1:{port}")).run();

    assert_whole(&coturn, &probed);
}

#[test]
fn a_nonce_that_coturn_calls_stale_is_replaced() {
    let coturn = coturn().stale_nonce(1).start();
    let silent = free_port(LOOPBACK);

    // The wait for an echo that never comes is longer than a nonce lives.
    let probed = allocate(coturn.port).option("peer", &format!("127.0.0.1:{silent}")).run();

    probed.assert_failure("no_response");
    assert_eq!(probed.seen["failure"]["stage"], "echo");
    assert_eq!(probed.fact("nonce_renewals"), 1, "{probed:#?}");
    assert_eq!(probed.fact("freed"), true);
    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn a_quota_of_coturn_s_that_is_used_up_is_told_apart() {
    let coturn = coturn().user_quota(1).start();
    let silent = free_port(LOOPBACK);
    // It holds its allocation for as long as it waits for an echo.
    let other = std::thread::spawn({
        let port = coturn.port;
        move || allocate(port).option("peer", &format!("127.0.0.1:{silent}")).run()
    });
    coturn.await_allocations(1, PATIENCE);

    let probed = allocate(coturn.port).run();

    probed.assert_failure("rejected");
    assert_eq!(probed.fact("error_code"), 486, "{probed:#?}");
    assert_eq!(probed.fact("error_cause"), "allocation_quota_reached");
    other.join().expect("it ends").assert_failure("no_response");
    coturn.await_no_allocation(PATIENCE);
    assert_whole(&coturn, &allocate(coturn.port).run());
}

// F54
#[test]
fn check_finds_that_the_quota_of_the_account_is_used_up_and_says_whose_matter_that_is() {
    let coturn = coturn().user_quota(1).start();
    let folder = tempfile::tempdir().expect("a folder for the check");
    let secret = keep_secret(folder.path(), "turn-password", PASSWORD);
    let config = configure(
        folder.path(),
        &format!(
            "[site]\nname = \"lyon\"\n\
             [modules.relay]\nprobe = \"turn-allocation\"\nusername = \"{USER}\"\n\
             password = {{ file = \"{}\" }}\n\
             [[targets]]\nname = \"relay\"\naddress = \"127.0.0.1:{}\"\n\
             modules = [\"relay\"]\n",
            secret.display(),
            coturn.port
        ),
    );
    let quota = |report: &Value| {
        let findings = report["findings"].as_array().expect("a list of findings").clone();
        findings.into_iter().find(|finding| finding["rule"] == "turn-quota")
    };
    let silent = free_port(LOOPBACK);
    // Another client of the same account holds its allocation for as long as it waits for an echo.
    let other = std::thread::spawn({
        let port = coturn.port;
        move || allocate(port).option("peer", &format!("127.0.0.1:{silent}")).run()
    });
    coturn.await_allocations(1, PATIENCE);

    let (code, report) = check(folder.path(), &config);

    let finding = quota(&report).unwrap_or_else(|| panic!("no turn-quota in {report:#}"));
    assert_eq!(finding["owner"], "credentials", "{finding:#}");
    assert!(finding["summary"].to_string().contains("486"), "{finding:#}");
    assert!(finding["evidence"].to_string().contains("relay@relay"), "{finding:#}");
    assert!(matches!(code, Some(2 | 3)), "{code:?}: {report:#}");

    other.join().expect("it ends").assert_failure("no_response");
    coturn.await_no_allocation(PATIENCE);
    let (_, after) = check(folder.path(), &config);
    assert_eq!(quota(&after), None, "{after:#}");
    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn a_coturn_that_relays_neither_to_itself_nor_to_a_peer_says_so() {
    let coturn = coturn().deny_peer("127.0.0.1").start();

    let to_itself = allocate(coturn.port).run();
    let to_peer = allocate(coturn.port).option("peer", "127.0.0.1:9").run();

    to_itself.assert_success();
    assert_eq!(to_itself.fact("relay_loop_refused"), true);
    assert_eq!(to_itself.fact("freed"), true);
    assert_rejected(&coturn, &to_peer, 403, "forbidden");
    assert_eq!(to_peer.fact("freed"), true);
}

#[test]
fn a_coturn_without_a_port_left_to_relay_from_says_so() {
    let coturn = coturn().relay_ports(50_000..=50_000).start();
    let silent = free_port(LOOPBACK);
    let other = std::thread::spawn({
        let port = coturn.port;
        move || allocate(port).option("peer", &format!("127.0.0.1:{silent}")).run()
    });
    coturn.await_allocations(1, PATIENCE);

    let probed = allocate(coturn.port).run();

    probed.assert_failure("rejected");
    assert_eq!(probed.fact("error_code"), 508, "{probed:#?}");
    assert_eq!(probed.fact("error_cause"), "insufficient_capacity");
    other.join().expect("it ends").assert_failure("no_response");
    coturn.await_no_allocation(PATIENCE);
}

#[test]
fn a_family_that_coturn_does_not_relay_for_is_a_named_cause() {
    let coturn = Coturn::at(&["127.0.0.1"]).free_port(LOOPBACK).user(USER, PASSWORD).start();

    let probed = allocate(coturn.port).option("family", "ip6").run();

    assert_rejected(&coturn, &probed, 440, "address_family_not_supported");
}

// D-STUN-5
#[test]
fn coturn_sends_us_on_and_we_go_only_where_we_may() {
    let second = coturn().start();
    let to = SocketAddr::new(LOOPBACK, second.port);
    let first = coturn().alternate_server(&to.to_string()).start();

    let followed =
        allocate(first.port).option("alternate_servers", "127.0.0.1").option("realm", REALM).run();
    let stayed = allocate(first.port).run();

    assert_whole(&second, &followed);
    assert_eq!(followed.seen["facts"]["alternate_server"], to.to_string());
    assert_rejected(&first, &stayed, 300, "try_alternate");
    assert_eq!(stayed.seen["facts"]["alternate_server"], to.to_string());
    assert_eq!(second.allocations(), 0);
}
