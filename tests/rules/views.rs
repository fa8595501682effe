//! A watched name from every side: who has its record, who has not, until when, and who makes
//! answers up.

use std::net::IpAddr;
use std::time::Duration;

use branchline::diagnosis::{Finding, Owner, Severity, Verdict};
use branchline::propagation::{self, Propagation, Says, Standing, Why};
use branchline::sight::{Compare, Shows, View};
use branchline::telephony::State;
use branchline_probes::dns_query::{CHAIN, RANDOM_LABEL, REFRESH};
use branchline_probes::{Failure, Foreign, Unresolved};

use super::Row;
use super::site::{
    Asked, INTERVAL, NAME, Said, Site, edge, edge_group, named, read, register, watched,
};

const NXDOMAIN: Said = Said::Rejects(3);
const SERVFAIL: Said = Said::Rejects(2);
const NEW: &str = "A 198.51.100.80";
const OLD: &str = "A 198.51.100.7";

pub(super) static ROWS: &[Row] = &[
    Row {
        rule: "dns-intercepted",
        fires: || {
            let random = random_label(&resolver(), "A 203.0.113.66");
            let made_up = resolver().with_records(&["A 203.0.113.66"], 60);
            Site::new()
                .saw(&authority(1).absent_for(60), NXDOMAIN)
                .saw(&made_up, Said::Works)
                .saw(&random, Said::Unexpected)
        },
        owner: Owner::Dns,
        severity: Severity::Blocking,
        subject: NAME,
        evidence: &["lyon.example.net A@site (192.0.2.53:53)", "random@site (192.0.2.53:53)"],
        silent: || {
            Site::new()
                .saw(&authority(1).absent_for(60), NXDOMAIN)
                .saw(&resolver().absent_for(60), NXDOMAIN)
        },
    },
    Row {
        rule: "dns-inconsistent",
        fires: || {
            Site::new()
                .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
                .saw(&authority(2).of_module("other").with_records(&[OLD], 60), Said::Works)
                .saw(&serial(1, 7), Said::Works)
                .saw(&serial(2, 7).of_module("serial-2"), Said::Works)
        },
        owner: Owner::Dns,
        severity: Severity::Warning,
        subject: NAME,
        evidence: &[
            "lyon.example.net A@authoritative (192.0.2.1:53)",
            "other@authoritative (192.0.2.2:53)",
        ],
        silent: || {
            Site::new()
                .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
                .saw(&resolver().absent_for(60), NXDOMAIN)
        },
    },
];

/// A resolver of the site.
fn resolver() -> Asked {
    watched(View::Site, "192.0.2.53:53")
}

/// An authoritative nameserver.
fn authority(last: u8) -> Asked {
    watched(View::Authoritative, &format!("192.0.2.{last}:53"))
}

/// The serial at an authoritative nameserver.
fn serial(last: u8, serial: u64) -> Asked {
    authority(last).showing(Shows::Serial, "serial").with_serial(serial)
}

/// The same nameserver, asked for a name that nobody can have created.
fn random_label(asked: &Asked, answer: &str) -> Asked {
    asked
        .clone()
        .showing(Shows::RandomLabel, "random")
        .with_records(&[answer], 60)
        .stating(&RANDOM_LABEL, true)
}

#[track_caller]
fn judged(site: &Site) -> Propagation {
    let mut names = propagation::of(&site.evidence());
    assert_eq!(names.len(), 1, "{names:#?}");
    names.remove(0)
}

/// What each nameserver says, that of the phones first.
fn says(name: &Propagation) -> Vec<(View, Says)> {
    name.sightings.iter().map(|it| (it.view, it.says)).collect()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[track_caller]
fn only(site: &Site, id: &str) -> Finding {
    assert_eq!(site.found(), [id]);
    site.diagnosis().findings.remove(0)
}

#[test]
fn what_every_view_has_is_propagated() {
    let site = Site::new()
        .saw(&resolver().with_records(&[NEW], 12), Said::Works)
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works);

    let name = judged(&site);

    assert_eq!((name.standing, name.share), (Standing::Propagated, Some(1.0)));
    assert_eq!(name.is_propagated_to(View::Site), Some(true));
    assert_eq!(name.is_propagated_to(View::Public), None, "nobody was asked");
    assert_eq!((name.by, site.diagnosis().verdict), (None, Verdict::Go));
}

#[test]
fn a_resolver_with_an_old_address_is_stale_until_its_ttl_is_over() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
        .saw(&resolver().with_records(&[OLD], 42), Said::Works);

    let name = judged(&site);

    assert_eq!(name.standing, Standing::Propagating);
    assert_eq!(says(&name), [(View::Site, Says::Stale), (View::Authoritative, Says::Current)]);
    assert_eq!(name.share, Some(0.5));
    let heard = name.sightings[0].heard;
    assert_eq!(name.by, Some(heard + Duration::from_secs(42)));
    // A second has gone since; what is left of the millisecond counts as one.
    let finding = only(&site, "dns-not-propagated");
    assert!(finding.next_step.contains("at most 42s"), "{}", finding.next_step);
    assert_eq!(
        finding.summary,
        "lyon.example.net A is known to authoritative 192.0.2.1 and not yet to 1 of 2 nameservers: \
         site 192.0.2.53"
    );
}

#[test]
fn what_is_left_of_a_ttl_counts_down_between_runs() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 600), Said::Works)
        .saw(&resolver().with_records(&[OLD], 42), Said::Works);

    let later = site.evidence_at(super::site::BEGIN + Duration::from_secs(30));
    let findings = (super::site::rule("dns-not-propagated").judge)(&later);

    assert!(findings[0].next_step.contains("at most 13s"), "{}", findings[0].next_step);
}

// RFC 2308 §5
#[test]
fn a_resolver_that_remembers_the_absence_is_stale_for_the_negative_ttl() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 600), Said::Works)
        .saw(&resolver().absent_for(7), NXDOMAIN);

    let name = judged(&site);

    assert_eq!(says(&name)[0], (View::Site, Says::Stale));
    assert_eq!(name.by, Some(name.sightings[0].heard + Duration::from_secs(7)));
}

// RFC 1982
#[test]
fn a_secondary_with_an_older_serial_is_behind_also_around_the_end_of_the_range() {
    for (newest, older) in [(8, 7), (2, u64::from(u32::MAX))] {
        let site = Site::new()
            .saw_each(&[
                (&authority(1).with_records(&[NEW], 60), Said::Works),
                (&authority(2).absent_for(60), NXDOMAIN),
            ])
            .saw_each(&[
                (&serial(1, newest), Said::Works),
                (&serial(2, older).stating(&REFRESH, Duration::from_secs(3600)), Said::Works),
            ]);

        let name = judged(&site);

        let (current, behind) = (Says::Current, Says::Behind);
        assert_eq!(
            says(&name),
            [(View::Authoritative, current), (View::Authoritative, behind)],
            "{newest}"
        );
        assert_eq!(name.sightings[1].serial.map(u64::from), Some(older));
        let since = name.since.expect("the newest has it");
        assert_eq!(name.by, Some(since + Duration::from_secs(3600)));
        let finding = only(&site, "dns-not-propagated");
        assert_eq!(finding.severity, Severity::Warning, "no phone asks it");
        assert!(
            finding.next_step.contains(
                "Have whoever runs the zone let authoritative 192.0.2.2 transfer the zone"
            )
        );
    }
}

#[test]
fn several_that_are_behind_are_told_so_once_and_each_shows_its_name_once() {
    let site = Site::new()
        .saw_each(&[
            (&authority(1).with_records(&[NEW], 60), Said::Works),
            (&authority(2).absent_for(60), NXDOMAIN),
            (&authority(3).absent_for(60), NXDOMAIN),
        ])
        .saw_each(&[
            (&serial(1, 8), Said::Works),
            (&serial(2, 7), Said::Works),
            (&serial(3, 7), Said::Works),
        ]);

    let finding = only(&site, "dns-not-propagated");

    assert_eq!(
        finding.next_step,
        "Have whoever runs the zone let authoritative 192.0.2.2, authoritative 192.0.2.3 transfer \
         the zone: an older version is served there."
    );
    assert_eq!(
        finding.evidence[0].text,
        "192.0.2.2:53 answered No (rcode 3); the zone's serial there is 7"
    );
}

#[test]
fn the_newest_zone_decides_also_that_a_record_is_gone() {
    let site = Site::new()
        .saw_each(&[
            (&authority(1).absent_for(60), NXDOMAIN),
            (&authority(2).with_records(&[OLD], 60), Said::Works),
        ])
        .saw_each(&[(&serial(1, 8), Said::Works), (&serial(2, 7), Said::Works)]);

    let name = judged(&site);

    assert!(!name.has(|says| says == Says::Current), "{name:#?}");
}

#[test]
fn a_name_that_no_authority_has_is_not_created_and_a_ready_group_makes_it_the_vendor_s() {
    let asked = |site: Site| {
        let group = |asked: Asked| asked.of_edge_group("Lyon");
        site.saw(&group(authority(1).absent_for(60)), NXDOMAIN)
            .saw(&group(resolver().absent_for(9)), NXDOMAIN)
    };
    let with_group =
        |state| asked(Site::new()).vendor(|it| it.edge_groups = read([edge_group("Lyon", state)]));

    assert_eq!(judged(&asked(Site::new())).standing, Standing::NotCreated);
    assert_eq!(only(&with_group(State::Up), "dns-not-created").owner, Owner::Vendor);
    assert_eq!(only(&with_group(State::Down), "edge-group-not-ready").explains.len(), 1);
}

#[test]
fn where_no_authority_answers_the_absence_is_said_to_be_a_resolver_s_word() {
    let site = Site::new().saw(&resolver().absent_for(900), NXDOMAIN);

    let finding = only(&site, "dns-not-created");

    assert_eq!(
        finding.summary,
        "no nameserver has lyon.example.net A; no authoritative one answered"
    );
    assert!(finding.next_step.contains("at most 15m"), "{}", finding.next_step);
}

#[test]
fn a_name_that_is_only_made_up_does_not_exist() {
    let liar = resolver().with_records(&["A 203.0.113.66"], 60);
    let site = Site::new()
        .saw(&authority(1).absent_for(60), NXDOMAIN)
        .saw_each(&[
            (&liar, Said::Works),
            (&watched(View::Site, "192.0.2.54:53").absent_for(60), NXDOMAIN),
        ])
        .saw(&random_label(&liar, "A 203.0.113.66"), Said::Unexpected);

    let diagnosis = site.diagnosis();

    assert_eq!(site.found(), ["dns-not-created", "dns-intercepted"]);
    assert_eq!(diagnosis.findings[0].severity, Severity::Blocking, "a phone was told so");
    assert_eq!(diagnosis.unexplained, []);
}

#[test]
fn evidence_of_a_watched_name_tells_the_question_once() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
        .saw(&resolver().with_records(&[OLD], 42), Said::Works);

    let evidence = &only(&site, "dns-not-propagated").evidence[0];

    assert_eq!(evidence.reference, "lyon.example.net A@site (192.0.2.53:53)");
    assert_eq!(evidence.text, "A 198.51.100.7, TTL 42s");
}

#[test]
fn who_says_nothing_is_not_counted_among_those_who_lack_the_record() {
    let site = Site::new().saw(&authority(1).with_records(&[NEW], 60), Said::Works).saw_each(&[
        (&resolver().with_records(&[OLD], 42), Said::Works),
        (&watched(View::Site, "192.0.2.54:53"), Said::Deadline(1)),
    ]);

    let summary = &only(&site, "dns-not-propagated").summary;

    assert!(summary.contains("not yet to 1 of 2 nameservers: site 192.0.2.53"), "{summary}");
}

#[test]
fn an_address_is_held_against_the_configuration_and_else_against_the_edges_of_the_group() {
    let expecting = |texts: &[&str]| {
        let expect = ips(texts);
        resolver().with_records(&[NEW], 60).declared(move |it| it.expect = expect)
    };
    let by_edges = |address: &str| {
        let asked = resolver().with_records(&[NEW], 60).of_edge_group("Lyon");
        let addresses = ips(&[address]);
        Site::new().saw(&asked, Said::Works).vendor(|it| {
            let mut one = edge("Edge 1", State::Up);
            one.edge_group = Some(named("Lyon"));
            one.addresses = addresses;
            it.edges = read([one]);
            it.edge_groups = read([edge_group("Lyon", State::Up)]);
        })
    };
    let standing = |site: &Site| judged(site).standing;

    let right = Site::new().saw(&expecting(&["198.51.100.80", "2001:db8::80"]), Said::Works);
    let wrong = Site::new().saw(&expecting(&["198.51.100.99"]), Said::Works);
    assert_eq!(
        (standing(&right), standing(&wrong)),
        (Standing::Propagated, Standing::WrongAddress)
    );
    assert_eq!(standing(&by_edges("198.51.100.80")), Standing::Propagated);
    assert_eq!(standing(&by_edges("198.51.100.99")), Standing::WrongAddress);
    let finding = only(&by_edges("198.51.100.99"), "dns-wrong-address");
    assert!(finding.next_step.contains("198.51.100.99"), "{}", finding.next_step);
}

#[test]
fn an_address_that_the_zone_and_the_resolver_agree_on_is_wrong_all_the_same() {
    let expecting = |asked: Asked| asked.declared(|it| it.expect = ips(&["198.51.100.99"]));
    let site = Site::new()
        .saw(&expecting(authority(1).with_records(&[NEW], 60)), Said::Works)
        .saw(&expecting(resolver().with_records(&[NEW], 60)), Said::Works);

    let name = judged(&site);

    assert_eq!(name.standing, Standing::WrongAddress);
    assert_eq!(says(&name), [(View::Site, Says::Wrong), (View::Authoritative, Says::Wrong)]);
}

#[test]
fn names_that_are_routed_by_place_are_compared_by_their_aliases() {
    let chain = |asked: Asked, last: &str| {
        let names = ["lyon.example.net", last].map(Foreign::new).to_vec();
        asked.stating(&CHAIN, names).declared(|it| it.compare = Compare::Chain)
    };
    let site = |of_resolver: &str| {
        let here = resolver().with_records(&["CNAME edge.example.net.", NEW], 60);
        let there = authority(1).with_records(&["CNAME edge.example.net.", OLD], 60);
        Site::new()
            .saw(&chain(here, of_resolver), Said::Works)
            .saw(&chain(there, "edge.example.net"), Said::Works)
    };

    assert_eq!(judged(&site("edge.example.net")).standing, Standing::Propagated);
    assert_eq!(judged(&site("elsewhere.example.net")).standing, Standing::Propagating);
}

#[test]
fn an_alias_that_leads_out_of_the_zone_is_as_much_as_its_authority_can_tell() {
    let names = || ["lyon.example.net", "edge.example.com"].map(Foreign::new).to_vec();
    let alias = authority(1)
        .with_records(&["CNAME edge.example.com."], 60)
        .stating(&branchline_probes::dns_query::ANSWER_COUNT, 0)
        .stating(&CHAIN, names());
    let whole =
        resolver().with_records(&["CNAME edge.example.com.", NEW], 60).stating(&CHAIN, names());

    let site = Site::new().saw(&alias, Said::Works).saw(&whole, Said::Works);

    assert_eq!(judged(&site).standing, Standing::Propagated);
}

#[test]
fn a_resolver_that_answers_everything_is_told_also_where_it_is_right_about_the_name() {
    let resolver = resolver().with_records(&[NEW], 60);
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
        .saw(&resolver, Said::Works)
        .saw(&random_label(&resolver, "A 203.0.113.66"), Said::Unexpected);

    let finding = only(&site, "dns-intercepted");

    assert_eq!(judged(&site).standing, Standing::Propagated);
    assert_eq!((finding.severity, finding.subject.as_str()), (Severity::Warning, "site"));
}

#[test]
fn who_makes_a_name_up_does_not_hide_that_it_is_missing() {
    let public = watched(View::Public, "192.0.2.99:53").with_records(&["A 203.0.113.66"], 60);
    let site = Site::new()
        .saw(&authority(1).absent_for(60), NXDOMAIN)
        .saw(&resolver().absent_for(60), NXDOMAIN)
        .saw(&public, Said::Works)
        .saw(&random_label(&public, "A 203.0.113.66"), Said::Unexpected);

    let diagnosis = site.diagnosis();

    assert_eq!(judged(&site).standing, Standing::Intercepted);
    assert_eq!(site.found(), ["dns-not-created", "dns-intercepted"]);
    let missing = &diagnosis.findings[0];
    assert_eq!(missing.severity, Severity::Blocking, "the phones' own resolver says so");
    assert_eq!(missing.summary, "no nameserver that makes nothing up has lyon.example.net A");
    assert!(diagnosis.unexplained.is_empty(), "{diagnosis:#?}");
}

#[test]
fn a_wildcard_is_the_zone_s_own_and_no_interception() {
    let (zone, cache) =
        (authority(1).with_records(&[NEW], 60), resolver().with_records(&[NEW], 60));
    let site = Site::new()
        .saw(&zone, Said::Works)
        .saw(&cache, Said::Works)
        .saw(&random_label(&zone, NEW), Said::Unexpected)
        .saw(&random_label(&cache, NEW), Said::Unexpected);

    assert_eq!(site.judged_by("dns-intercepted"), []);
}

#[test]
fn an_authoritative_address_that_answers_as_a_resolver_is_relayed() {
    let relayed = authority(1)
        .with_records(&[NEW], 60)
        .stating(&branchline_probes::dns_query::AUTHORITATIVE, false)
        .stating(&branchline_probes::dns_query::RECURSION_AVAILABLE, true);
    let site = Site::new()
        .saw(&relayed, Said::Works)
        .saw(&resolver().with_records(&[NEW], 60), Said::Works);

    let name = judged(&site);
    let finding = only(&site, "dns-intercepted");

    assert_eq!(says(&name)[1], (View::Authoritative, Says::MadeUp(Why::Relayed)));
    assert_eq!((finding.owner, finding.severity), (Owner::SiteNetwork, Severity::Warning));
}

#[test]
fn an_old_answer_whose_ttl_stands_still_is_made_up_and_one_that_counts_down_is_stale() {
    let site = |ttls: [u64; 3]| {
        let base = Site::new();
        ttls.into_iter().fold(base, |site, ttl| {
            site.saw(&authority(1).with_records(&[NEW], 600), Said::Works)
                .saw(&resolver().with_records(&[OLD], ttl), Said::Works)
        })
    };
    let step = INTERVAL.as_secs();

    let pinned = judged(&site([300, 300, 300]));
    let counting = judged(&site([300, 300 - step, 300 - 2 * step]));
    // A TTL no longer than the interval may have been fetched anew each time.
    let short = judged(&site([step, step, step]));

    assert_eq!(says(&pinned)[0], (View::Site, Says::MadeUp(Why::DoesNotCountDown)));
    assert_eq!(says(&counting)[0], (View::Site, Says::Stale));
    assert_eq!(says(&short)[0], (View::Site, Says::Stale));
}

#[test]
fn what_nobody_has_had_for_longer_than_its_ttl_is_made_up() {
    let site = |cycles: u64| {
        (0..cycles).fold(Site::new(), |site, _| {
            site.saw(&authority(1).absent_for(60), NXDOMAIN)
                .saw(&resolver().with_records(&[OLD], 59), Said::Works)
        })
    };

    // It may have been removed just before.
    assert_eq!(says(&judged(&site(1)))[0], (View::Site, Says::Different));
    assert_eq!(says(&judged(&site(3)))[0], (View::Site, Says::MadeUp(Why::OutlivesItsTtl)));
}

#[test]
fn what_the_zone_had_before_is_old_and_not_made_up() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[OLD], 600), Said::Works)
        .saw(&authority(1).with_records(&[NEW], 600), Said::Works)
        .saw(&resolver().with_records(&[OLD], 600), Said::Works)
        .saw(&resolver().with_records(&[OLD], 540), Said::Works);

    let name = judged(&site);

    assert_eq!(name.standing, Standing::Propagating);
    assert!(name.has_begun_in_view, "it was seen to come");
    assert_eq!(name.since, Some(super::site::BEGIN + INTERVAL));
}

// I9
#[test]
fn who_says_nothing_has_no_share_in_what_is_propagated() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
        .saw(&resolver(), SERVFAIL)
        .saw(&watched(View::Public, "192.0.2.99:53"), Said::Silence(7))
        .saw(&authority(2).of_module("other"), Said::Local);

    let name = judged(&site);

    assert_eq!(name.share, Some(1.0));
    let words: Vec<&str> = name.sightings.iter().map(|it| it.says.label()).collect();
    assert_eq!(words, ["failing", "silent", "current", "unknown"]);
    assert_eq!(site.diagnosis().verdict, Verdict::NoGo, "phones ask the first");
    assert!(site.found().iter().all(|rule| *rule == "dns-resolver-down"), "{:?}", site.found());
}

#[test]
fn a_site_that_lets_nobody_out_to_the_authorities_may_go_all_the_same() {
    let lost = Said::Unresolved(Unresolved::NotLed);
    let right =
        resolver().with_records(&[NEW], 60).declared(|it| it.expect = ips(&["198.51.100.80"]));
    let site =
        Site::new().saw(&right, Said::Works).saw(&authority(1), lost).saw(&register(), Said::Works);

    let diagnosis = site.diagnosis();

    assert_eq!(diagnosis.verdict, Verdict::Go, "{diagnosis:#?}");
    assert_eq!(diagnosis.findings[0].severity, Severity::Info);
}

#[test]
fn without_an_authority_resolvers_that_differ_are_inconsistent() {
    let site = Site::new()
        .saw(&resolver().with_records(&[NEW], 60), Said::Works)
        .saw(&watched(View::Public, "192.0.2.99:53").with_records(&[OLD], 60), Said::Works);

    assert_eq!(judged(&site).standing, Standing::Inconsistent);
    assert_eq!(only(&site, "dns-inconsistent").severity, Severity::Blocking);
}

#[test]
fn the_order_of_records_is_no_difference() {
    let site = Site::new()
        .saw(&resolver().with_records(&[NEW, OLD], 60), Said::Works)
        .saw(&authority(1).with_records(&[OLD, NEW], 60), Said::Works);

    assert_eq!(judged(&site).standing, Standing::Propagated);
}

#[test]
fn one_unanswered_query_says_nothing_of_a_resolver() {
    let site = Site::new()
        .saw(&authority(1).with_records(&[NEW], 60), Said::Works)
        .saw(&resolver(), Said::Silence(1));

    let name = judged(&site);

    assert_eq!(says(&name)[0], (View::Site, Says::Unknown));
    assert_eq!(site.diagnosis().verdict, Verdict::Inconclusive);
    let failure = site.evidence().cases.iter().find_map(|case| case.failure().cloned());
    assert!(failure.is_some_and(|it| Failure::is_silence(&it)));
}
