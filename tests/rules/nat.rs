//! The rules about the NAT: how it maps, and for how long.

use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline::profile::Profile;
use branchline_probes::nat_behavior::{
    BINDING_LIFETIME, BINDING_LIFETIME_BELOW, LIFETIME_BOUND, MAPPING, METHOD,
};
use branchline_probes::turn_allocation::{CHANNEL_ECHO, LOOP_REFUSED, SEND_ECHO};
use branchline_probes::turn_media::RECEIVED;

use super::Row;
use super::site::{Asked, RELAY, RELAY_2, Said, Site, media, nat, stun, turn};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "symmetric-nat",
        fires: || Site::new().saw(&mapping("address_and_port_dependent"), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Warning,
        subject: "NAT",
        evidence: &["nat@relay (192.0.2.10:3478)"],
        silent: || {
            Site::new()
                .saw(&mapping("inconclusive"), Said::Works)
                .saw(&stun(RELAY_2), Said::Silence(7))
        },
    },
    Row {
        rule: "nat-lifetime-short",
        fires: || Site::new().saw(&lifetime(20, Some(25), "measured"), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "NAT",
        evidence: &["nat@relay (192.0.2.10:3478)"],
        silent: || {
            Site::new()
                .saw(&lifetime(20, None, "at_least"), Said::Works)
                .saw(&stun(RELAY_2), Said::Silence(7))
        },
    },
];

fn mapping(word: &'static str) -> Asked {
    nat().stating(&MAPPING, word).stating(&METHOD, "rfc5780")
}

/// A binding was known after so many seconds, and gone after so many.
fn lifetime(known: u64, gone: Option<u64>, bound: &'static str) -> Asked {
    let asked = nat()
        .stating(&BINDING_LIFETIME, Duration::from_secs(known))
        .stating(&LIFETIME_BOUND, bound);
    match gone {
        Some(gone) => asked.stating(&BINDING_LIFETIME_BELOW, Duration::from_secs(gone)),
        None => asked,
    }
}

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn every_mapping_that_depends_on_the_destination_is_told_with_its_method() {
    for (word, method, words) in [
        (
            "address_dependent",
            "rfc5780",
            "gives each destination address another mapping (RFC 5780)",
        ),
        (
            "address_and_port_dependent",
            "rfc5780",
            "gives each destination address and port another mapping (RFC 5780)",
        ),
        (
            "not_endpoint_independent",
            "two_server",
            "gives each of two servers another mapping (two_server)",
        ),
    ] {
        let asked = nat().stating(&MAPPING, word).stating(&METHOD, method);

        let finding = only(&Site::new().saw(&asked, Said::Works));

        let summary = format!("the NAT {words}: direct media fails, calls need the relay");
        assert_eq!((finding.rule, finding.summary), ("symmetric-nat", summary));
    }
}

#[test]
fn a_nat_that_is_not_known_to_map_by_destination_is_not_called_so() {
    for word in ["none", "endpoint_independent", "inconclusive"] {
        assert_eq!(Site::new().saw(&mapping(word), Said::Works).found(), [""; 0], "{word}");
    }
    assert_eq!(Site::new().saw(&nat(), Said::Silence(7)).judged_by("symmetric-nat"), []);
}

#[test]
fn a_symmetric_nat_says_whether_the_relay_works_that_it_needs() {
    let dependent = || Site::new().saw(&mapping("address_dependent"), Said::Works);

    let echoed = turn(RELAY).stating(&SEND_ECHO, true).stating(&CHANNEL_ECHO, true);
    let with_relay = only(&dependent().saw(&echoed, Said::Works));
    let with_media = only(&dependent().saw(&media().stating(&RECEIVED, 750), Said::Works));
    let without = only(&dependent());

    assert_eq!(with_relay.evidence.len(), 2);
    assert!(
        with_relay.next_step.contains("as turn@relay (192.0.2.10:3478) did"),
        "{with_relay:#?}"
    );
    assert!(
        with_media.next_step.contains("as media@relay (192.0.2.10:3478) did"),
        "{with_media:#?}"
    );
    assert!(without.next_step.contains("probe it with turn-allocation"), "{without:#?}");
    assert_eq!(dependent().diagnosis().verdict, Verdict::GoWithWarnings);
}

#[test]
fn a_relay_that_answered_and_carried_nothing_is_no_proof_that_calls_work_through_it() {
    let dependent = || Site::new().saw(&mapping("address_dependent"), Said::Works);

    for asked in
        [turn(RELAY), turn(RELAY).stating(&LOOP_REFUSED, true), media().stating(&RECEIVED, 0)]
    {
        let finding = only(&dependent().saw(&asked, Said::Works));

        let step = &finding.next_step;
        assert!(step.contains("TURN answers, and nothing was relayed yet"), "{step}");
        assert!(!step.contains("calls work through the relay"), "{step}");
    }
}

#[test]
fn a_binding_that_is_gone_after_the_shortest_silence_is_short() {
    let forgets = |seconds| {
        let gone = Duration::from_secs(seconds);
        only(&Site::new().saw(&nat().stating(&BINDING_LIFETIME_BELOW, gone), Said::Works))
    };

    let finding = forgets(3);

    assert_eq!((finding.rule, finding.severity), ("nat-lifetime-short", Severity::Blocking));
    assert_eq!(
        finding.summary,
        "the NAT forgets a silent UDP flow within 3s, the limits of sip-phone are 90/30 s"
    );
    assert!(finding.next_step.ends_with("keep-alives at least every 1s."), "{finding:#?}");
    assert_eq!(forgets(60).severity, Severity::Warning, "20 s or 50 s: who knows");
}

#[test]
fn a_binding_lifetime_is_held_to_the_profile() {
    let severity = |site: Site| site.diagnosis().findings.first().map(|it| it.severity);
    let measured =
        |known, gone| Site::new().saw(&lifetime(known, Some(gone), "measured"), Said::Works);

    // sip-phone: 90 s and 30 s.
    assert_eq!(severity(measured(25, 30)), Some(Severity::Blocking));
    assert_eq!(severity(measured(25, 35)), Some(Severity::Warning), "29 s or 34 s: who knows");
    assert_eq!(severity(measured(60, 90)), Some(Severity::Warning));
    assert_eq!(severity(measured(85, 95)), None, "86 s or 94 s: who knows");
    assert_eq!(severity(measured(90, 95)), None);
    let exactly = |known| Site::new().saw(&lifetime(known, None, "measured"), Said::Works);
    assert_eq!(severity(exactly(90)), None);
    assert_eq!(severity(exactly(89)), Some(Severity::Warning));
    let of = |name| Profile::named(name).expect("it is built in");
    assert_eq!(severity(measured(60, 90).held_to(of("webrtc-agent"))), None);
    assert_eq!(severity(measured(60, 90).held_to(of("byoc-trunk"))), Some(Severity::Blocking));
}

#[test]
fn a_short_lifetime_names_the_limits_and_how_often_to_speak() {
    let finding = only(&Site::new().saw(&lifetime(40, Some(60), "measured"), Said::Works));

    assert_eq!(
        finding.summary,
        "the NAT forgets a silent UDP flow after 40s to 1m, the limits of sip-phone are 90/30 s"
    );
    assert!(finding.next_step.ends_with("keep-alives at least every 20s."), "{finding:#?}");
}
