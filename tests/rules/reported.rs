//! What the vendor counts of calls that sounded bad, beside what we measure.

use std::time::Duration;

use branchline::diagnosis::{Kind, Owner, Severity};
use branchline::telephony::{PhoneState, PoorConversation, Quality, State, Trunk, TrunkMetrics};
use branchline_probes::Foreign;
use branchline_probes::turn_media::{DIRECTION, LOSS_RATIO, SENT};

use super::Row;
use super::site::{Asked, Said, Site, edge, media, named, phone, read, trunk};

pub(super) static ROWS: &[Row] = &[Row {
    rule: "quality-reported-poor",
    fires: || counted(2, Some(14)),
    owner: Owner::SiteNetwork,
    severity: Severity::Warning,
    subject: "Edge 1",
    evidence: &["conversation c-1"],
    silent: || {
        let few = counted(13, Some(13));
        few.vendor(|it| it.phones = read([phone("Offline", PhoneState::Failed)]))
    },
}];

/// So many of so many conversations over one edge were poor.
fn counted(poor: u64, all: Option<u64>) -> Site {
    Site::new().vendor(|it| {
        it.edges = read([edge("Edge 1", State::Up)]);
        it.quality = read([Quality {
            edge: named("Edge 1"),
            window: Duration::from_secs(3_600),
            poor,
            all,
            limit: 3.5,
            worst: vec![PoorConversation {
                id: Foreign::new("c-1"),
                mos: Some(2.1),
                latency: Some(Duration::from_millis(240)),
                loss_ratio: Some(0.026),
                ..PoorConversation::default()
            }],
        }]);
    })
}

/// A stream of voice-shaped packets with this loss.
fn stream(loss: f64) -> Asked {
    let stream = media().stating(&DIRECTION, "loop").stating(&SENT, 750);
    stream.stating(&LOSS_RATIO, loss)
}

fn fires(poor: u64, all: Option<u64>) -> bool {
    !counted(poor, all).judged_by("quality-reported-poor").is_empty()
}

#[test]
fn few_conversations_and_few_bad_ones_are_chance() {
    assert!(fires(1, Some(14)));
    assert!(!fires(13, Some(13)), "too few to tell");
    assert!(!fires(5, Some(100)), "5 % themselves are good");
    assert!(fires(6, Some(100)));
    assert!(!fires(13, None), "of how many?");
    assert!(fires(14, None));
    assert!(!fires(0, Some(0)));
}

#[test]
fn the_worst_is_told_with_its_numbers() {
    let findings = counted(3, Some(20)).judged_by("quality-reported-poor");

    assert_eq!(
        findings[0].summary,
        "3 of 20 conversations over edge Edge 1 sounded worse than MOS 3.5 in 60 minutes"
    );
    assert_eq!(findings[0].evidence[0].text, "MOS 2.1, latency 240 ms, loss 2.6 %");
}

#[test]
fn where_our_own_way_is_clean_the_owner_is_elsewhere() {
    let site = |loss| counted(3, Some(20)).saw(&stream(loss), Said::Works);
    let of = |loss| site(loss).judged_by("quality-reported-poor").remove(0);

    let (clean, poor) = (of(0.0), of(0.2));

    assert_eq!((clean.owner, poor.owner), (Owner::Vendor, Owner::SiteNetwork));
    let text = |finding: &branchline::diagnosis::Finding| {
        let last = finding.evidence.last().expect("evidence").clone();
        assert_eq!(last.kind, Kind::Observation);
        last.text
    };
    assert_eq!(text(&clean), "what we measure now is within the limits of sip-phone");
    assert_eq!(text(&poor), "what we measure now is beyond the limits of sip-phone");
    assert!(clean.next_step.contains("Look beyond this site"), "{}", clean.next_step);
}

#[test]
fn a_measurement_that_failed_or_is_too_short_says_nothing_of_the_way() {
    let short = stream(0.0).stating(&SENT, 99);
    for site in [
        counted(3, Some(20)).saw(&short, Said::Works),
        counted(3, Some(20)).saw(&stream(0.0), Said::Rejects(486)),
    ] {
        let finding = site.judged_by("quality-reported-poor").remove(0);
        assert_eq!((finding.owner, finding.evidence.len()), (Owner::SiteNetwork, 1));
        assert!(finding.next_step.contains("Let turn-media measure"), "{}", finding.next_step);
    }
}

#[test]
fn packets_with_a_wrong_mark_on_a_trunk_of_the_edge_lie_beside_it() {
    let site = counted(3, Some(20)).vendor(|it| {
        let on = |name, edge| {
            let registered = branchline::telephony::Registration::Registered;
            Trunk { edge: Some(named(edge)), ..trunk(name, State::Up, registered) }
        };
        it.trunks = read([on("Carrier A", "Edge 1"), on("Carrier B", "Edge 2")]);
        let of = |name: &str, count| TrunkMetrics {
            trunk: named(name),
            qos_mismatches: Some(count),
            ..TrunkMetrics::default()
        };
        it.trunk_metrics = read([of("Carrier A", 12), of("Carrier B", 7)]);
    });

    let finding = site.judged_by("quality-reported-poor").remove(0);

    let told: Vec<_> = finding.evidence.iter().map(|it| (&*it.reference, &*it.text)).collect();
    assert_eq!(
        told[1..],
        [(
            "trunk Carrier A",
            "12 packets came with another DSCP than the configured one in 24 hours"
        )]
    );
}

#[test]
fn what_no_target_links_to_is_good_to_know_where_all_of_the_organisation_is_read() {
    let elsewhere = counted(3, Some(20)).vendor(|it| it.location = None);

    let finding = elsewhere.judged_by("quality-reported-poor").remove(0);

    assert_eq!(finding.severity, Severity::Info);
}
