//! Registering over UDP, TCP and TLS: what is said of the way is true, and nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kamailio, PASSWORD, Seen, over_every_transport};
use crate::agent::{Probe, Probed};
use crate::certificates::Authority;
use crate::process::{run_well, words};

const TRANSPORTS: [&str; 3] = ["udp", "tcp", "tls"];

#[test]
fn over_each_transport_our_contact_is_held_for_a_moment_and_then_gone() {
    let (kamailio, authority) = over_every_transport("SHA-256");

    for transport in TRANSPORTS {
        let probed = trusting(&authority, kamailio.probe_over(transport), transport).run();

        assert_registered_and_gone(&kamailio, &probed, transport);
        assert_eq!(probed.fact("algorithm"), "SHA-256");
        assert_eq!(probed.fact("bindings"), 1);
        assert_eq!(kamailio.bindings(), BTreeMap::new());
    }
}

// D-SIP-4
#[test]
fn md5_is_answered_over_each_transport_where_it_is_allowed() {
    let (kamailio, authority) = over_every_transport("MD5");

    for transport in TRANSPORTS {
        let probe = kamailio.probe_over(transport).option("allow_md5", "true");
        let probed = trusting(&authority, probe, transport).run();

        assert_registered_and_gone(&kamailio, &probed, transport);
        assert_eq!(probed.fact("algorithm"), "MD5");
        assert_eq!(kamailio.bindings(), BTreeMap::new());
    }
}

// D-SIP-9
#[test]
fn twenty_probes_in_a_row_leave_nothing_but_the_phones_binding() {
    let (kamailio, authority) = over_every_transport("SHA-256");
    let phone = kamailio.register_a_phone();

    for transport in TRANSPORTS.into_iter().cycle().take(20) {
        let probed = trusting(&authority, kamailio.probe_over(transport), transport).run();

        assert_registered_and_gone(&kamailio, &probed, transport);
        assert_eq!(probed.fact("bindings"), 2);
    }

    assert_eq!(kamailio.bindings(), phone);
    let exchanges: BTreeSet<String> =
        kamailio.registers().into_iter().map(|register| register.call_id).collect();
    assert_eq!(
        exchanges.len(),
        20 + 1,
        "each of ours has a Call-ID of its own, and so has sipsak's"
    );
}

#[test]
fn what_is_said_of_tls_is_what_openssl_says() {
    for (version, spoken) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.2+")] {
        let authority = Authority::new();
        let identity = authority.vouch_for(&["127.0.0.1"]);
        let setup = Kamailio::asking_for("SHA-256").tls(identity).tls_versions(spoken);
        let kamailio = setup.start();

        let probed = trusting(&authority, kamailio.probe_over("tls"), "tls").run();

        probed.assert_success();
        assert_eq!(probed.fact("tls_version"), version);
        assert_said_by_openssl(&probed, &openssl_says(&kamailio, &authority));
    }
}

// D-SIP-5
#[test]
fn who_cannot_prove_its_name_is_told_nothing() {
    let (kamailio, authority) = over_every_transport("SHA-256");
    let elsewhere = Authority::new();
    let over_tls = || kamailio.probe_over("tls").password(PASSWORD);
    let ca = |authority: &Authority| authority.path().display().to_string();

    let unknown = over_tls().option("ca_file", &ca(&elsewhere)).run();
    let unlisted = over_tls().run();
    let other_name = over_tls()
        .option("ca_file", &ca(&authority))
        .option("server_name", "sip.example.net")
        .run();

    for (probed, problem) in [
        // Its authority has the name of ours, and another key.
        (&unknown, "its certificate"),
        (&unlisted, "not trusted"),
        (&other_name, "another name"),
    ] {
        probed.assert_failure("tls_failed");
        assert_eq!(probed.seen["failure"]["stage"], "tls");
        let message = probed.seen["failure"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(problem), "{message}");
    }
    let log = kamailio.log();
    assert!(!log.contains("REGISTER"), "{log}");
}

/// Registered over this transport, with the answers untouched on the way, and taken back.
#[track_caller]
fn assert_registered_and_gone(kamailio: &Kamailio, probed: &Probed, transport: &str) {
    probed.assert_success();
    assert_eq!(probed.fact("status_code"), 200);
    assert_eq!(probed.fact("mode"), "credentials");
    assert_eq!(probed.fact("removed"), true);
    assert_eq!(probed.fact("rewritten"), false);
    assert_eq!(probed.fact("received"), "127.0.0.1");
    let last = kamailio.registers().pop().expect("it has just registered");
    let exchange: Vec<Seen> = kamailio
        .registers()
        .into_iter()
        .filter(|register| register.call_id == last.call_id)
        .collect();
    // The challenge, the registration, the removal and the reading.
    let asked: Vec<&str> = exchange.iter().map(|register| register.expires.as_str()).collect();
    assert_eq!(asked, ["60", "60", "0", "<null>"], "{exchange:?}");
    for register in &exchange {
        assert_eq!(register.transport, transport, "{exchange:?}");
        assert_eq!(probed.fact("rport"), register.from_port, "{exchange:?}");
    }
    let contact = probed.fact("contact").as_str().unwrap_or_default();
    let (_, place) = contact.split_once('@').unwrap_or_default();
    let word = if transport == "udp" { String::new() } else { format!(";transport={transport}") };
    assert_eq!(place, format!("127.0.0.1:{}{word}", last.from_port), "{probed:#?}");
}

/// The session and the certificate are what openssl's own client says of them.
#[track_caller]
fn assert_said_by_openssl(probed: &Probed, openssl: &str) {
    let fact = |name| probed.fact(name).as_str().unwrap_or_default();
    assert_eq!(line(openssl, "version="), fact("tls_version"), "{openssl}");
    // rustls names the suites of TLS 1.3 apart from the earlier ones.
    let cipher = fact("tls_cipher").replace("TLS13_", "TLS_");
    assert_eq!(line(openssl, "cipher="), cipher, "{openssl}");
    for (name, said) in [("certificate_issuer", "issuer="), ("certificate_subject", "subject=")] {
        assert_eq!(line(openssl, said), fact(name), "{openssl}");
    }
    let expires = line(openssl, "notAfter=").replace(' ', "T");
    assert_eq!(fact("certificate_expires").replace(".000000Z", "Z"), expires, "{probed:#?}");
    for phase in ["connect", "tls", "challenge", "register", "unregister", "verify"] {
        let phases = probed.seen["phases"].as_array().expect("a list");
        assert!(phases.iter().any(|it| it["phase"] == phase), "{phase}: {probed:#?}");
    }
}

/// A probe with the password, that trusts this authority where there is something to trust.
fn trusting(authority: &Authority, probe: Probe, transport: &str) -> Probe {
    let probe = probe.password(PASSWORD);
    if transport == "tls" {
        probe.option("ca_file", &authority.path().display().to_string())
    } else {
        probe
    }
}

/// What openssl's own client says of the session and of the certificate.
fn openssl_says(kamailio: &Kamailio, authority: &Authority) -> String {
    let at = kamailio.at("tls").to_string();
    let ca = authority.path().display().to_string();
    run_well(&words(&[], &["bash", "-c", OPENSSL, "bash", &at, &ca]))
}

fn line<'a>(said: &'a str, start: &str) -> &'a str {
    said.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default()
}

/// Prints the session, the cipher suite by the name of its RFC, and what the certificate says that
/// the server showed.
const OPENSSL: &str = r#"
set -euo pipefail
said=$(openssl s_client -connect "$1" -CAfile "$2" -verify_ip 127.0.0.1 -verify_return_error \
  </dev/null 2>/dev/null)
[[ $said =~ New,\ TLSv([0-9.]+),\ Cipher\ is\ ([-_A-Z0-9]+) ]]
printf 'version=%s\n' "${BASH_REMATCH[1]}"
openssl ciphers -stdname |
  awk -v cipher="${BASH_REMATCH[2]}" '$3 == cipher { print "cipher=" $1 }'
printf '%s\n' "$said" |
  openssl x509 -noout -issuer -subject -enddate -nameopt RFC2253 -dateopt iso_8601
"#;
