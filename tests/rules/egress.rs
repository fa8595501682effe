//! By which address the site leaves, as STUN servers, allow lists and phones have it.

use branchline::diagnosis::{Finding, Owner, Severity};
use branchline::telephony::{
    Line, Location, Phone, PhoneState, Registration, Snapshot, State, Trunk, TrunkSettings,
};
use branchline_probes::Foreign;
use branchline_probes::stun_binding::MAPPED_ADDRESS;

use super::Row;
use super::site::{Asked, RELAY, RELAY_2, Said, Site, named, phone, read, register, stun, trunk};

pub(super) static ROWS: &[Row] = &[Row {
    rule: "egress-mismatch",
    fires: || {
        let seen = Site::new().saw(&seen_as(RELAY, "203.0.113.7:1"), Said::Works);
        seen.vendor(|it| it.locations = read([lets_in(&["198.51.100.0/24"])]))
    },
    owner: Owner::Configuration,
    severity: Severity::Blocking,
    subject: "Lyon office",
    evidence: &["stun@relay (192.0.2.10:3478)", "location Lyon office"],
    silent: || {
        let seen = Site::new().saw(&seen_as(RELAY, "203.0.113.7:1"), Said::Works);
        let seen = seen.saw(&seen_as(RELAY_2, "203.0.113.7:2"), Said::Works);
        seen.vendor(|it| {
            it.locations = read([lets_in(&["198.51.100.0/24", "203.0.113.0/28"])]);
            it.phones = read([contact("sip:203.0.113.7:5060")]);
        })
    },
}];

/// The relay there sees us as this.
fn seen_as(relay: &'static str, mapped: &str) -> Asked {
    stun(relay).stating(&MAPPED_ADDRESS, mapped.parse().expect("an address"))
}

fn lets_in(allowed: &[&str]) -> Location {
    let allowed = allowed.iter().map(Foreign::new).collect();
    Location { reference: named("Lyon office"), allowed, ..Location::default() }
}

/// A phone that is out of service, so that something is wrong, at this contact.
fn contact(uri: &str) -> Phone {
    let line = Line { contacts: vec![Foreign::new(uri)], ..Line::default() };
    Phone { lines: vec![line], ..phone("Desk", PhoneState::Failed) }
}

/// One relay sees us, and the vendor says this.
fn seen(mapped: &str, change: impl FnOnce(&mut Snapshot)) -> Site {
    Site::new().saw(&seen_as(RELAY, mapped), Said::Works).vendor(change)
}

fn told(site: &Site) -> Vec<Finding> {
    site.judged_by("egress-mismatch")
}

#[test]
fn an_optional_check_makes_the_allow_list_a_warning() {
    let optional = seen_as(RELAY, "203.0.113.7:1").optional();
    let site = Site::new().saw(&optional, Said::Works);
    let site = site.vendor(|it| it.locations = read([lets_in(&["198.51.100.7"])]));

    assert_eq!(told(&site)[0].severity, Severity::Warning);
}

#[test]
fn the_allow_list_of_another_location_is_none_of_ours() {
    let elsewhere = Location { reference: named("Nice"), ..lets_in(&["198.51.100.7"]) };
    let site = seen("203.0.113.7:1", |it| it.locations = read([elsewhere]));
    let everywhere = seen("203.0.113.7:1", |it| {
        it.location = None;
        it.locations = read([lets_in(&["198.51.100.7"])]);
    });

    assert_eq!((told(&site), told(&everywhere)), (Vec::new(), Vec::new()));
}

#[test]
fn a_list_speaks_of_the_families_that_it_names() {
    let by = |mapped, allowed: &[&str]| {
        let list = lets_in(allowed);
        !told(&seen(mapped, |it| it.locations = read([list]))).is_empty()
    };

    assert!(!by("[2001:db8:1::7]:1", &["203.0.113.0/24"]), "IPv4 alone");
    assert!(by("[2001:db8:1::7]:1", &["2001:db8:2::/48"]));
    assert!(!by("[2001:db8:1::7]:1", &["2001:db8:1::/48"]));
    assert!(!by("203.0.113.7:1", &["everybody"]), "nothing that can be read");
    assert!(!by("203.0.113.7:1", &[]));
}

#[test]
fn private_and_shared_addresses_say_nothing() {
    for mapped in ["10.1.2.3:1", "100.64.0.7:1", "192.168.1.7:1", "[fd00::7]:1"] {
        let list = lets_in(&["198.51.100.7", "2001:db8:2::/48"]);
        assert_eq!(told(&seen(mapped, |it| it.locations = read([list]))), [], "{mapped}");
    }
    for uri in ["sip:10.1.2.3:5060", "sip:100.64.0.9", "sip:desk@example.net"] {
        assert_eq!(
            told(&seen("203.0.113.7:1", |it| it.phones = read([contact(uri)]))),
            [],
            "{uri}"
        );
    }
}

#[test]
fn phones_that_come_from_elsewhere_are_a_warning_for_the_site() {
    let site = seen("203.0.113.7:1", |it| {
        it.phones = read([
            contact("sip:198.51.100.9:5060;transport=tls"),
            contact("sip:desk@203.0.113.7"),
            contact("sip:[2001:db8:2::9]:5060"),
        ]);
    });

    let findings = told(&site);

    let [finding] = &findings[..] else { panic!("one finding, not {findings:#?}") };
    assert_eq!((finding.owner, finding.severity), (Owner::SiteNetwork, Severity::Warning));
    assert_eq!(
        finding.summary,
        "1 of 3 phones leave by another address than this host: 198.51.100.9"
    );
    let references: Vec<_> = finding.evidence.iter().map(|it| &*it.reference).collect();
    assert_eq!(references, ["stun@relay (192.0.2.10:3478)", "phone Desk"]);
}

#[test]
fn hosts_within_the_ipv6_prefix_of_the_site_leave_as_we_do() {
    let with = |uri| seen("[2001:db8:1::7]:1", |it| it.phones = read([contact(uri)]));

    assert_eq!(told(&with("sip:[2001:db8:1:5::9]")), []);
    assert_eq!(told(&with("sip:[2001:db8:2:5::9]")).len(), 1);
}

#[test]
fn phones_of_all_offices_may_be_anywhere() {
    let site = seen("203.0.113.7:1", |it| {
        it.location = None;
        it.phones = read([contact("sip:198.51.100.9")]);
    });

    assert_eq!(told(&site), []);
}

#[test]
fn two_ways_out_of_one_family_are_told_and_one_of_each_is_usual() {
    let by = |first, second| {
        let site = Site::new().saw(&seen_as(RELAY, first), Said::Works);
        told(&site.saw(&seen_as(RELAY_2, second), Said::Works))
    };

    let findings = by("203.0.113.7:1", "198.51.100.9:1");
    assert_eq!(
        findings[0].summary,
        "this site leaves by several IPv4 addresses: 198.51.100.9, 203.0.113.7"
    );
    assert_eq!((findings[0].severity, findings[0].evidence.len()), (Severity::Warning, 2));
    assert_eq!(by("203.0.113.7:1", "203.0.113.7:2"), []);
    assert_eq!(by("203.0.113.7:1", "[2001:db8:1::7]:1"), []);
    assert_eq!(by("203.0.113.7:1", "10.0.0.7:1"), [], "a server of the site itself");
}

#[test]
fn the_list_of_a_trunk_is_ours_where_its_other_end_stands_on_this_site() {
    let site = |at: &'static str, link: &'static str| {
        let end = register().also_at(at).of_trunk(link);
        let site = Site::new().saw(&seen_as(RELAY, "203.0.113.7:1"), Said::Works);
        site.saw(&end, Said::Works).vendor(|it| {
            let trunk = trunk("Carrier A on Edge 1", State::Up, Registration::Registered);
            it.trunks = read([Trunk { base: Some(named("Carrier A")), ..trunk }]);
            it.trunk_settings = read([TrunkSettings {
                reference: named("Carrier A"),
                allowed: vec![Foreign::new("198.51.100.0/24")],
                ..TrunkSettings::default()
            }]);
        })
    };

    let of_site = told(&site("10.1.2.3:5060", "Carrier A on Edge 1"));
    assert_eq!(
        of_site[0].summary,
        "this site leaves by 203.0.113.7, which trunk settings Carrier A does not let in"
    );
    assert_eq!(of_site[0].severity, Severity::Blocking);
    assert_eq!(told(&site("10.1.2.3:5060", "Carrier A")).len(), 1, "by the settings' own name");
    assert_eq!(told(&site("198.51.100.7:5060", "Carrier A")), [], "a carrier's own address");
    assert_eq!(told(&site("10.1.2.3:5060", "Carrier B")), []);
}
