//! The rules about how media sounds, and the mark that it carries.

use std::collections::BTreeSet;
use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity};
use branchline::profile::{Limit, Measure, Profile};
use branchline_probes::turn_media::{
    BINDING_LOSS_RATIO, BINDING_SENT, DIRECTION, DSCP_RECEIVED, DSCP_SENT, JITTER, LATE_RATIO,
    LOSS_RATIO, MOS_G711, MOS_G729A, MOUTH_TO_EAR, REORDERED, RTT_P50, SENT,
    WORST_WINDOW_LOSS_RATIO,
};
use branchline_probes::{PROBES, stun_binding};

use super::Row;
use super::site::{Asked, RELAY, RELAY_2, Said, Site, media, stun};

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "media-quality-poor",
        fires: || Site::new().saw(&stream(750).stating(&LOSS_RATIO, 0.08), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Blocking,
        subject: "relay",
        evidence: &["media@relay (192.0.2.10:3478)", "media@relay (192.0.2.10:3478)"],
        silent: || {
            Site::new()
                .saw(&stream(99).stating(&LOSS_RATIO, 0.08), Said::Works)
                .saw(&stun(RELAY_2), Said::Silence(7))
        },
    },
    Row {
        rule: "dscp-bleached",
        fires: || Site::new().saw(&marked(46, 0), Said::Works),
        owner: Owner::SiteNetwork,
        severity: Severity::Info,
        subject: "relay",
        evidence: &["media@relay (192.0.2.10:3478)"],
        silent: || {
            Site::new().saw(&marked(46, 46), Said::Works).saw(&stun(RELAY_2), Said::Silence(7))
        },
    },
];

/// So many packets through the relay and back.
fn stream(sent: u64) -> Asked {
    media().stating(&SENT, sent).stating(&DIRECTION, "loop")
}

fn marked(sent: u64, received: u64) -> Asked {
    stream(750).stating(&DSCP_SENT, sent).stating(&DSCP_RECEIVED, received)
}

fn only(site: &Site) -> Finding {
    let mut findings = site.diagnosis().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[test]
fn each_limit_that_is_broken_is_named_with_what_was_measured() {
    let ms = Duration::from_millis;
    for (asked, severity, words) in [
        // 1 − √(1 − 0.03) is 1.5 %: within what fails.
        (stream(750).stating(&LOSS_RATIO, 0.03), Severity::Warning, "loss 3 % (limit 1 %)"),
        // 1 − √(1 − 0.05) is 2.53 %.
        (stream(750).stating(&LOSS_RATIO, 0.05), Severity::Blocking, "loss 5 % (limit 2 %)"),
        (
            stream(750).stating(&LATE_RATIO, 0.015),
            Severity::Warning,
            "late packets 1.5 % (limit 1 %)",
        ),
        (
            stream(750).stating(&WORST_WINDOW_LOSS_RATIO, 0.2),
            Severity::Warning,
            "loss within 200 ms 20 % (limit 10 %)",
        ),
        (stream(1000).stating(&REORDERED, 3), Severity::Warning, "reordering 0.3 % (limit 0.05 %)"),
        (stream(750).stating(&JITTER, ms(35)), Severity::Warning, "jitter 35 ms (limit 30 ms)"),
        (stream(750).stating(&JITTER, ms(41)), Severity::Blocking, "jitter 41 ms (limit 40 ms)"),
        (
            stream(750).stating(&RTT_P50, ms(310)),
            Severity::Warning,
            "round trip 310 ms (limit 300 ms)",
        ),
        (
            stream(750).stating(&RTT_P50, ms(510)),
            Severity::Blocking,
            "round trip 510 ms (limit 500 ms)",
        ),
        (
            stream(750).stating(&MOUTH_TO_EAR, ms(251)),
            Severity::Warning,
            "mouth to ear 251 ms (limit 250 ms)",
        ),
        (
            stream(750).stating(&MOUTH_TO_EAR, ms(401)),
            Severity::Blocking,
            "mouth to ear 401 ms (limit 400 ms)",
        ),
    ] {
        let finding = only(&Site::new().saw(&asked, Said::Works));

        assert_eq!(finding.summary, format!("media through the relay is poor: {words}"));
        assert_eq!(finding.severity, severity, "{words}");
    }
}

#[test]
fn what_is_within_every_limit_is_not_poor() {
    let good = stream(750)
        .stating(&LOSS_RATIO, 0.01)
        .stating(&LATE_RATIO, 0.01)
        .stating(&WORST_WINDOW_LOSS_RATIO, 0.1)
        .stating(&REORDERED, 0)
        .stating(&JITTER, Duration::from_millis(30))
        .stating(&MOUTH_TO_EAR, Duration::from_millis(250))
        .stating(&RTT_P50, Duration::from_millis(300));

    assert_eq!(Site::new().saw(&good, Said::Works).found(), [""; 0]);
    assert_eq!(Site::new().saw(&media(), Said::Works).found(), [""; 0]);
}

#[test]
fn a_mos_is_poor_where_even_that_of_the_best_codec_is() {
    let of = |g711, g729| {
        let asked = stream(750).stating(&MOS_G711, g711).stating(&MOS_G729A, g729);
        Site::new().saw(&asked, Said::Works)
    };

    assert_eq!(of(3.7, 3.2).found(), [""; 0]);
    let finding = only(&of(3.05, 2.9));
    assert_eq!(finding.summary, "media through the relay is poor: MOS 3.05 (limit 3.1)");
    // Its loss is of both ways, and that is said.
    let direction = &finding.evidence[1].text;
    assert!(direction.ends_with("; so MOS is at least that good on each way alone"), "{direction}");
}

#[test]
fn what_a_loop_can_tell_stands_in_the_evidence() {
    let asked = stream(750).stating(&LOSS_RATIO, 0.0347);

    let evidence = only(&Site::new().saw(&asked, Said::Works)).evidence;

    assert_eq!(evidence[0].text, "loss 3.47 %, limits of sip-phone 1/2 %");
    // 1 − √(1 − 0.0347) is 0.0175.
    assert_eq!(
        evidence[1].text,
        "direction loop: each packet went up to the relay and came back down, so loss counts \
         both ways together; on each way alone it is that much at most; if both ways lose alike, 1.75 % each"
    );
}

#[test]
fn a_relay_that_refuses_a_loop_is_measured_otherwise_and_says_so() {
    let asked = media()
        .stating(&BINDING_SENT, 750)
        .stating(&DIRECTION, "binding")
        .stating(&BINDING_LOSS_RATIO, 0.08);

    let finding = only(&Site::new().saw(&asked, Said::Works));

    // The server may have refused some, so it is no failure.
    assert_eq!(finding.summary, "the way to the relay is poor: loss 8 % (limit 1 %)");
    assert_eq!(finding.severity, Severity::Warning);
    let evidence = &finding.evidence;
    assert!(
        evidence[1].text.starts_with("direction binding: paced STUN requests"),
        "{evidence:#?}"
    );
}

#[test]
fn a_long_burst_of_requests_is_held_to_the_same_limits_and_a_short_one_is_not() {
    let burst = |sent| {
        let asked = stun(RELAY).stating(&stun_binding::BURST_SENT, sent);
        let asked = asked.stating(&stun_binding::LOSS_RATIO, 0.08);
        Site::new().saw(&asked.stating(&stun_binding::JITTER, Duration::ZERO), Said::Works)
    };

    let finding = only(&burst(100));

    assert_eq!(finding.summary, "the way to the relay is poor: loss 8 % (limit 1 %)");
    assert!(finding.evidence[1].text.starts_with("paced STUN requests went there"));
    assert_eq!(burst(25).found(), [""; 0], "one or two lost packets");
}

#[test]
fn media_is_held_to_the_site_s_profile() {
    let seen = |profile| {
        let asked = stream(750).stating(&JITTER, Duration::from_millis(25));
        Site::new().saw(&asked, Said::Works).held_to(profile).found()
    };
    let of = |name| Profile::named(name).expect("it is built in");
    let own = of("byoc-trunk")
        .copied_as("office".to_owned())
        .with(Measure::Jitter, Limit { warn: 0.1, fail: 0.2 });

    assert_eq!(seen(of("sip-phone")), [""; 0]);
    assert_eq!(seen(of("byoc-trunk")), ["media-quality-poor"]);
    assert_eq!(seen(own), [""; 0]);
}

#[test]
fn what_left_without_a_mark_has_none_to_lose() {
    assert_eq!(Site::new().saw(&marked(0, 46), Said::Works).found(), [""; 0]);
}

#[test]
fn every_fact_that_a_measure_judges_is_one_of_some_probe() {
    let stated: BTreeSet<&str> =
        PROBES.iter().flat_map(|probe| probe.facts()).map(|fact| fact.name).collect();

    for measure in Measure::ALL {
        let unknown = measure.facts().iter().find(|name| !stated.contains(**name));
        assert_eq!(unknown, None, "{measure:?}");
        assert!(measure.facts().iter().all(|fact| measure.judges(fact)), "{measure:?}");
    }
    // What begins so is judged, whichever codec it is of.
    let mos = stated.iter().filter(|name| name.starts_with("mos_"));
    assert!(mos.clone().count() > 0 && mos.clone().all(|name| Measure::Mos.judges(name)));
}

#[test]
fn what_is_ours_in_a_limit_is_told_beside_its_source() {
    let burst = Measure::BurstLoss.source();
    assert!(burst.contains("one lost packet of ten") && !burst.contains("60 ms"), "{burst}");
    assert!(Measure::NatLifetime.source().contains("15 s (RFC 8445 §11)"));
}

#[test]
fn a_lost_mark_is_good_to_know_and_a_warning_where_media_suffers() {
    let well = Site::new().saw(&marked(46, 8), Said::Works);
    let poor = Site::new().saw(&marked(46, 0).stating(&LOSS_RATIO, 0.08), Said::Works);

    let finding = only(&well);
    assert_eq!(
        finding.summary,
        "media left with DSCP 46 (EF) and came back with 8 (CS1); the relay itself may have done it"
    );
    assert_eq!(finding.severity, Severity::Info);
    assert_eq!(poor.judged_by("dscp-bleached")[0].severity, Severity::Warning);
}
