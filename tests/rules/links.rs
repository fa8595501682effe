//! What targets are linked to: which trunks and edge groups a link means, and what follows from it.

use std::time::Duration;

use branchline::diagnosis::{Severity, Verdict};
use branchline::outputs::metrics;
use branchline::telephony::{Registration, State, Trunk};
use branchline_probes::Transport;

use super::site::{
    Asked, BEGIN, NS, RELAY, Said, Site, dns, edge, edge_group, late, named, read, register, stun,
    trunk, unreachable,
};

const CARRIER: &str = "Carrier A";
const UNREGISTERED: Registration = Registration::Unregistered;
const NOT_APPLICABLE: Registration = Registration::NotApplicable;

#[test]
fn a_trunk_is_meant_by_its_name_or_its_id_and_no_other_trunk_is() {
    let unregistered = || late(read([trunk(CARRIER, State::Up, UNREGISTERED)]));
    let linked = |to| {
        let site = Site::new().saw(&register().of_trunk(to), Said::Works);
        site.vendor(|it| it.trunks = unregistered())
    };

    assert_eq!(linked("id-of-Carrier A").found(), ["trunk-configuration"]);
    assert_eq!(linked("Carrier B").found(), ["trunk-unregistered"]);
}

#[test]
fn two_ways_to_register_where_a_trunk_cannot_are_one_finding() {
    let tls = register().of_trunk(CARRIER).over(Transport::Tls, 5061);
    let site = Site::new().saw(&register().of_trunk(CARRIER), Said::Works).saw(&tls, Said::Works);
    let later = BEGIN + Duration::from_secs(120);
    let site = site.vendor(|it| {
        it.trunks = read([trunk(CARRIER, State::Up, UNREGISTERED)]);
        it.trunks.begun = Some(later);
    });

    let [finding] = &site.diagnosis().findings[..] else { panic!("{:?}", site.found()) };

    let seen: Vec<_> = finding.evidence.iter().map(|it| it.reference.as_str()).collect();
    assert_eq!(
        seen,
        [
            "register@registrar (192.0.2.20:5060)",
            "register-tls@registrar (192.0.2.20:5061)",
            "trunk Carrier A",
        ]
    );
    assert!(finding.next_step.ends_with("those of modules register, register-tls, which work."));
}

/// The trunk that each of two edges has by the same settings.
fn twins(first: Trunk, second: Trunk) -> Site {
    let of_base = |mut trunk: Trunk| {
        trunk.base = Some(named(CARRIER));
        trunk
    };
    Site::new()
        .saw(&register().of_trunk(CARRIER), Said::Works)
        .vendor(|it| it.trunks = late(read([of_base(first), of_base(second)])))
}

#[test]
fn a_link_means_every_trunk_of_these_settings_whatever_edge_it_is_on() {
    let registered = || trunk("Carrier A - edge-1", State::Up, Registration::Registered);
    let site = twins(registered(), trunk("Carrier A - edge-2", State::Up, UNREGISTERED));

    let [finding] = &site.diagnosis().findings[..] else { panic!("{:?}", site.found()) };

    assert_eq!((finding.rule, &*finding.subject), ("trunk-configuration", "Carrier A - edge-2"));
    assert_eq!(twins(registered(), registered()).diagnosis().verdict, Verdict::Go);
    for link in ["Carrier A - edge-1", "id-of-Carrier A", "id-of-Carrier A - edge-1"] {
        let mut of_base = registered();
        of_base.base = Some(named(CARRIER));
        assert!(of_base.is(link), "{link}");
    }
}

#[test]
fn a_linked_trunk_is_as_good_as_its_worst_and_unknown_where_one_does_not_tell() {
    let (up, down, open) = (State::Up, State::Down, State::Unknown);
    let registered = Registration::Registered;
    let unknown = Registration::Unknown;
    for (first, second, is_up, is_registered) in [
        ((up, registered), (up, registered), "1", "1"),
        ((up, registered), (down, UNREGISTERED), "0", "0"),
        ((up, registered), (open, unknown), "-", "-"),
        ((down, UNREGISTERED), (open, unknown), "0", "0"),
        ((up, registered), (up, NOT_APPLICABLE), "1", "1"),
        ((up, NOT_APPLICABLE), (up, NOT_APPLICABLE), "1", "-"),
    ] {
        let site = twins(
            trunk("Carrier A - edge-1", first.0, first.1),
            trunk("Carrier A - edge-2", second.0, second.1),
        );

        let text = metrics::encode("lyon", &site.evidence(), &site.diagnosis());

        let series = |name: &str| {
            let sample = format!("{name}{{trunk=\"Carrier A\",site=\"lyon\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&sample)).unwrap_or("-").to_owned()
        };
        assert_eq!(series("branchline_trunk_up"), is_up, "{first:?} {second:?}");
        assert_eq!(series("branchline_trunk_registered"), is_registered, "{first:?} {second:?}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_an_open_question_where_the_part_was_read() {
    let linked = || {
        let of_trunk = register().of_trunk("Carier A");
        let of_group = dns(NS).of_edge_group("Lyons");
        Site::new().saw(&of_trunk, Said::Works).saw(&of_group, Said::Works)
    };
    let says = |site: Site| {
        site.vendor(|it| {
            it.trunks = read([trunk(CARRIER, State::Up, Registration::Registered)]);
            it.edge_groups = read([edge_group("Lyon", State::Up)]);
        })
    };

    let diagnosis = says(linked()).diagnosis();
    let unread = linked().vendor_fails(&unreachable()).diagnosis();

    assert_eq!(
        diagnosis.open,
        [
            "no edge group is called `Lyons` at the vendor",
            "no trunk is called `Carier A` at the vendor",
        ]
    );
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
    assert!(unread.open.iter().all(|open| !open.contains("is called")), "{unread:#?}");
    assert_eq!(linked().diagnosis().verdict, Verdict::Go, "where nobody asks the vendor");
}

#[test]
fn where_all_offices_are_read_only_what_a_target_links_to_blocks() {
    let severities = |linked: Option<Asked>, is_narrowed: bool| {
        let site = linked.iter().fold(Site::new(), |site, asked| site.saw(asked, Said::Works));
        let site = site.vendor(|it| {
            if !is_narrowed {
                it.location = None;
            }
            let mut offline = edge("Edge 1", State::Down);
            offline.edge_group = Some(named("Lyon"));
            it.edges = read([offline]);
            it.edge_groups = read([edge_group("Lyon", State::Down)]);
            let mut of_edge = trunk(CARRIER, State::Down, UNREGISTERED);
            of_edge.edge = Some(named("Edge 1"));
            of_edge.edge_group = Some(named("Lyon"));
            it.trunks = read([of_edge]);
        });
        ["edge-offline", "edge-group-not-ready", "trunk-down", "trunk-unregistered"]
            .map(|rule| site.judged_by(rule)[0].severity)
    };
    let of_group = dns(NS).of_edge_group("id-of-Lyon");
    let of_trunk = stun(RELAY).of_trunk(CARRIER);
    let (block, warn) = (Severity::Blocking, Severity::Warning);

    assert_eq!(severities(None, false), [warn; 4]);
    assert_eq!(severities(Some(stun(RELAY)), false), [warn; 4]);
    assert_eq!(severities(None, true), [block; 4]);
    assert_eq!(severities(Some(of_group), false), [block; 4]);
    assert_eq!(severities(Some(of_trunk), false), [block, warn, block, block]);
}
