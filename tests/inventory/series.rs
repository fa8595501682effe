//! The state for Prometheus.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use branchline::correlation::{Evidence, Links, PATIENCE};
use branchline::diagnosis::diagnose;
use branchline::outputs::metrics::{self, Page};
use branchline::telephony::{PartName, Phone, PhoneState, Registration, Snapshot, State};
use branchline_probes::Foreign;

use super::office::{MINUTE, failed, forbidden, now, office, phone, read};

/// What is known where a target is the other end of the carrier's trunk and serves the edge group,
/// and two phones are listed.
pub(crate) fn evidence(state: Snapshot) -> Evidence {
    let set = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let aged = state.aged(now());
    Evidence {
        now: now(),
        cases: Vec::new(),
        missing: Vec::new(),
        links: Links {
            trunks: set(&["Lyon carrier"]),
            edge_groups: set(&["lyon-edge-group"]),
            phones: set(&["Desk 1", "00:04:f2:aa:bb:cc", "nobody's"]),
        },
        profile: Arc::default(),
        state: Some(Arc::new(aged.unwrap_or(state))),
        patience: PATIENCE,
    }
}

fn page(state: Snapshot) -> Page {
    let evidence = evidence(state);
    metrics::page("lyon", &evidence, &diagnose(&evidence, &[]))
}

/// The value of a series; its label `site` is ours and left out here.
fn value(page: &Page, series: &str) -> Option<String> {
    let without = |line: &str| {
        line.replace("{site=\"lyon\"}", "")
            .replace(",site=\"lyon\"", "")
            .replace("site=\"lyon\",", "")
    };
    let all = page.text.lines().map(without);
    all.filter_map(|line| line.strip_prefix(&format!("{series} ")).map(str::to_owned)).next()
}

#[test]
fn what_the_configuration_names_has_series_of_its_own() {
    let page = page(office());

    for (series, expected) in [
        ("branchline_edge_group_up{edge_group=\"lyon-edge-group\"}", "0"),
        ("branchline_edge_processor_ratio{edge_group=\"lyon-edge-group\"}", "0.12"),
        ("branchline_edge_disk_ratio{edge_group=\"lyon-edge-group\"}", "0.71"),
        ("branchline_edge_group_poor_conversations{edge_group=\"lyon-edge-group\"}", "3"),
        ("branchline_trunk_up{trunk=\"Lyon carrier\"}", "0"),
        ("branchline_trunk_registered{trunk=\"Lyon carrier\"}", "0"),
        ("branchline_trunk_options_answered{trunk=\"Lyon carrier\"}", "0"),
        ("branchline_trunk_calls{trunk=\"Lyon carrier\",direction=\"inbound\"}", "3"),
        ("branchline_trunk_calls{trunk=\"Lyon carrier\",direction=\"outbound\"}", "5"),
        ("branchline_trunk_qos_mismatches{trunk=\"Lyon carrier\"}", "17"),
        ("branchline_trunk_setup_success_ratio{trunk=\"Lyon carrier\"}", "0.985"),
        ("branchline_trunk_jitter_seconds{trunk=\"Lyon carrier\"}", "0.007"),
        ("branchline_trunk_utilization_ratio{trunk=\"Lyon carrier\"}", "0.27"),
        ("branchline_trunk_peak_calls{trunk=\"Lyon carrier\"}", "23"),
        ("branchline_phone_active{phone=\"Desk 1\"}", "1"),
        ("branchline_phone_active{phone=\"00:04:f2:aa:bb:cc\"}", "0"),
    ] {
        assert_eq!(value(&page, series).as_deref(), Some(expected), "{series}");
    }
    assert_eq!(value(&page, "branchline_phone_active{phone=\"nobody's\"}"), None);
}

#[test]
fn what_it_does_not_name_is_counted() {
    let page = page(office());

    for (series, expected) in [
        ("branchline_edges{state=\"down\"}", "1"),
        ("branchline_edges_in_service", "2"),
        ("branchline_edge_conversations", "10"),
        ("branchline_calls{direction=\"inbound\"}", "3"),
        ("branchline_qos_mismatches", "17"),
        ("branchline_phones{state=\"active\"}", "2"),
        ("branchline_phones_by_site{vendor_site=\"Paris\",state=\"unassigned\"}", "1"),
        ("branchline_phones_by_site{vendor_site=\"Lyon\",state=\"unassigned\"}", "0"),
        ("branchline_poor_conversations", "3"),
        ("branchline_changes", "2"),
        // The older of two authorities ended two days ago.
        ("branchline_vendor_certificate_expiry_timestamp_seconds", "1778682727"),
        ("branchline_last_change_timestamp_seconds", "1778853067"),
        ("branchline_telephony_part_ok{part=\"changes\"}", "1"),
        ("branchline_telephony_unreadable{part=\"changes\"}", "0"),
        ("branchline_telephony_read_timestamp_seconds{part=\"quality\"}", "1778855524"),
    ] {
        assert_eq!(value(&page, series).as_deref(), Some(expected), "{series}");
    }
}

#[test]
fn what_the_vendor_does_not_tell_has_no_series() {
    let mut state = office();
    state.edge_groups.items[0].state = State::Unknown;
    state.edges.items.iter_mut().for_each(|edge| edge.conversations = None);
    state.trunk_metrics = read([]);
    state.quality = read([]);
    state.trunks.items.iter_mut().for_each(|trunk| trunk.proxies.clear());
    state.phones.items[0].state = PhoneState::Unknown;

    let page = page(state);

    for family in [
        "branchline_edge_group_up",
        "branchline_edge_conversations",
        "branchline_edge_group_poor_conversations",
        "branchline_trunk_options_answered",
        "branchline_trunk_calls",
        "branchline_calls",
        "branchline_qos_mismatches",
    ] {
        assert!(!page.text.contains(&format!("\n{family}{{")), "{family}");
    }
    assert_eq!(value(&page, "branchline_phone_active{phone=\"Desk 1\"}"), None);
    assert_eq!(value(&page, "branchline_poor_conversations").as_deref(), Some("0"));
}

// I6
#[test]
fn a_part_that_is_too_old_has_nothing_but_its_age_and_how_its_last_reading_went() {
    let state = || {
        let mut state = office();
        macro_rules! old {
            ($($part:ident)*) => { $(state.$part.read = Some(now() - 60 * MINUTE);)* };
        }
        old!(edges edge_groups trunks phones sites locations organization trunk_settings
            authorities edge_metrics trunk_metrics quality changes);
        state.edges.problem = Some(forbidden());
        state
    };
    let allowed = [
        "branchline_verdict",
        "branchline_telephony_part_ok",
        "branchline_telephony_read_timestamp_seconds",
    ];

    let page = page(state());

    let families: BTreeSet<_> = page
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('{').next())
        .collect();
    assert_eq!(families, allowed.into());
    assert_eq!(value(&page, "branchline_telephony_part_ok{part=\"edges\"}").as_deref(), Some("0"));
    let reads = page.text.matches("branchline_telephony_read_timestamp_seconds{").count();
    assert_eq!(reads, PartName::ALL.len());
}

#[test]
fn a_part_that_nobody_asks_for_has_no_series_and_one_that_failed_says_so() {
    let mut state = Snapshot { interval: MINUTE, ..Snapshot::default() };
    state.changes = failed(forbidden(), "");

    let page = page(state);

    assert_eq!(
        value(&page, "branchline_telephony_part_ok{part=\"changes\"}").as_deref(),
        Some("0")
    );
    assert_eq!(page.text.matches("branchline_telephony_").count(), 3, "{}", page.text);
}

// D-WEB-7
#[test]
fn however_many_sites_the_vendor_names_a_family_has_two_thousand_series_at_most() {
    let mut state = office();
    let evil = |index: u32| format!("\u{1b}[31m site\n\"{index:05}\\ {}", "é".repeat(100));
    let phones: Vec<Phone> =
        (0..20_000).map(|index| phone("Desk", &evil(index), PhoneState::Active)).collect();
    state.phones = read(phones);

    let page = page(state);

    let series: Vec<_> =
        page.text.lines().filter(|line| line.starts_with("branchline_phones_by_site{")).collect();
    assert!(series.len() <= 2_000 && series.len() > 1_900, "{}", series.len());
    assert_eq!(page.dropped, (20_000 - 332) * 6);
    let others = "branchline_phones_by_site{vendor_site=\"__other__\",state=\"active\"}";
    assert_eq!(value(&page, others).as_deref(), Some("19668"));
    assert!(!page.text.contains(|it: char| it != '\n' && it.is_control()), "a control character");
    for line in series {
        let (_, rest) = line.split_once("vendor_site=\"").expect("a label");
        let (label, _) = rest.split_once("\",state=").expect("another label");
        // Quotes and backslashes are written as two.
        assert!(label.replace("\\\\", "\\").replace("\\\"", "\"").len() <= 128, "{label}");
    }
}

// D-WEB-7
#[test]
fn no_name_of_the_vendors_but_a_sites_is_a_label() {
    let mut state = office();
    let mark = || Foreign::new("MARK");
    for edge in &mut state.edges.items {
        edge.raw = mark();
        edge.reference.name = mark();
    }
    for trunk in &mut state.trunks.items {
        (trunk.raw, trunk.reference.name, trunk.problem) = (mark(), mark(), Some(mark()));
        trunk.registration = Registration::Unknown;
    }
    for phone in &mut state.phones.items {
        (phone.raw, phone.model, phone.problem) = (mark(), Some(mark()), Some(mark()));
    }
    state.changes.items.iter_mut().for_each(|it| (it.by, it.action) = (Some(mark()), mark()));
    state.authorities.items.iter_mut().for_each(|it| it.subject = Some(mark()));

    let page = page(state);

    assert!(!page.text.contains("MARK"), "{}", page.text);
}

/// A phone whose site has an id alone, and one without.
#[test]
fn a_site_is_called_by_the_name_that_the_sites_tell_and_a_phone_without_one_is_counted() {
    let mut state = office();
    let mut by_id = phone("Desk 1", "Lyon", PhoneState::Active);
    let mut nowhere = by_id.clone();
    by_id.site.as_mut().expect("it has one").name = Foreign::default();
    nowhere.site = None;
    state.phones = read([by_id, nowhere]);

    let page = page(state);

    for site in ["Lyon", "__none__"] {
        let series =
            format!("branchline_phones_by_site{{vendor_site=\"{site}\",state=\"active\"}}");
        assert_eq!(value(&page, &series).as_deref(), Some("1"), "{site}");
    }
}

#[test]
fn prometheus_has_nothing_to_say_against_the_page() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    let text = page(office()).text;
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");

    let said = promtool.wait_with_output().expect("it ends");

    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{}", String::from_utf8_lossy(&words));
    assert!(text.len() > 5_000, "it is a whole page");
}
