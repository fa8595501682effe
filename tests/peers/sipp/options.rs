//! OPTIONS against Kamailio and SIPp, beside sipsak's own.

use std::net::SocketAddr;

use serde_json::json;

use super::{Sipp, Step, answer};
use crate::agent::{Probe, probe};
use crate::certificates::Authority;
use crate::kamailio::Kamailio;
use crate::process::{program, run, text, words};

#[test]
fn kamailio_is_there_over_udp_tcp_and_tls_and_sipsak_agrees() {
    let authority = Authority::new();
    let identity = authority.vouch_for(&["localhost", "127.0.0.1"]);
    // With TLS 1.3 sipsak loses the answer.
    let kamailio = Kamailio::asking_for("SHA-256").tls(identity).tls_versions("TLSv1.2").start();
    let ca = authority.path().display().to_string();

    for transport in ["udp", "tcp", "tls"] {
        let ask = options(kamailio.at(transport), transport);
        let ask = if transport == "tls" { ask.option("ca_file", &ca) } else { ask };
        let probed = ask.run();

        probed.assert_success();
        assert_eq!(probed.fact("status_code"), 200);
        assert_eq!(*probed.fact("allow"), json!(["OPTIONS", "REGISTER"]));
        assert_eq!(probed.fact("received"), "127.0.0.1");
        assert_eq!(probed.fact("rewritten"), false);
        assert_eq!(probed.fact("transmissions"), 1);
        let server = probed.fact("server").as_str().unwrap_or_default();
        assert!(server.starts_with("kamailio"), "{probed:#?}");
        let trust: &[&str] = if transport == "tls" { &["--tls-ca-cert", &ca] } else { &[] };
        assert_eq!(sipsak(kamailio.at(transport), transport, trust), Some(200), "{transport}");
    }
    assert!(kamailio.registers().is_empty());
}

#[test]
fn who_refuses_options_is_there_and_who_is_overloaded_is_not_well() {
    for transport in ["udp", "tcp"] {
        let refusing = [Step::Receive("OPTIONS"), answer("405 Method Not Allowed", &[])];
        let busy = answer("503 Service Unavailable", &["Retry-After: 30"]);
        let refusing = Sipp::start(transport, &refusing);
        let busy = Sipp::start(transport, &[Step::Receive("OPTIONS"), busy]);

        let refused = options(refusing.at(), transport).run();
        let rejected = options(busy.at(), transport).run();

        refused.assert_success();
        assert_eq!(refused.fact("status_code"), 405);
        rejected.assert_failure("rejected");
        assert_eq!(rejected.fact("status_code"), 503);
        assert_eq!(rejected.fact("retry_after_seconds"), 30.0);
        assert_eq!(sipsak(refusing.at(), transport, &[]), Some(405), "{transport}");
        assert_eq!(sipsak(busy.at(), transport, &[]), Some(503), "{transport}");
    }
}

fn options(at: SocketAddr, transport: &str) -> Probe {
    probe("sip-options", at).option("transport", transport).option("timeout", "4s")
}

/// The status code that sipsak gets for its own OPTIONS.
fn sipsak(at: SocketAddr, transport: &str, further: &[&str]) -> Option<u16> {
    let sipsak = program("sipsak", "sipsak").display().to_string();
    let port = at.port().to_string();
    // It holds the certificate against the host of the URI.
    let server = "sip:probe@localhost";
    let ask = [&*sipsak, "-vv", "-E", transport, "-r", &port, "-s", server];
    let asked = run(&words(&[], &[&ask, further].concat()));
    let said = text(&asked.stdout) + &text(&asked.stderr);
    let status = said.lines().find_map(|line| line.strip_prefix("SIP/2.0 "));
    status.and_then(|status| status.get(..3)?.parse().ok())
}
