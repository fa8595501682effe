//! The state for people, at the widths of their terminals.

use std::collections::BTreeSet;
use std::time::Duration;

use branchline::outputs::text;
use branchline::telephony::{ApiProblem, Part, PartName, Phone, PhoneState, Snapshot};
use branchline_probes::Foreign;
use textwrap::core::display_width;

use super::office::{MINUTE, failed, forbidden, named, now, office, phone, read};

fn all() -> BTreeSet<PartName> {
    PartName::ALL.into()
}

fn shown(state: &Snapshot, parts: &BTreeSet<PartName>, width: usize) -> String {
    let text = text::state("lyon", state, parts, now(), width);
    anstream::adapter::strip_str(&text).to_string()
}

/// One part of it.
fn section(state: &Snapshot, width: usize, title: &str) -> String {
    let text = shown(state, &all(), width);
    let start = text.find(&format!("\n{title}: ")).unwrap_or_else(|| panic!("{title}: {text}"));
    let section = &text[start..];
    // The tables of phones are two.
    let end = section.match_indices("\n\n").find(|(at, _)| !section[at + 2..].starts_with(' '));
    format!("{}\n", &section[..end.map_or(section.len() - 1, |(at, _)| at)])
}

#[test]
fn no_line_is_wider_than_the_terminal_and_none_ends_in_blanks() {
    let mut state = office();
    state.phones.items.push(phone(&"Überlänge ".repeat(12), "東京の支店", PhoneState::Failed));
    state.edges.items[0].raw = Foreign::new("STRANGE WORDS ".repeat(9));
    for width in [40, 60, 80, 100, 140, 160] {
        let text = shown(&state, &all(), width);

        for line in text.lines() {
            let is_one_word = !line.trim_start().contains(' ');
            assert!(display_width(line) <= width || is_one_word, "wider than {width}: {line}");
            assert_eq!(line, line.trim_end(), "blanks at the end of a line");
        }
        assert!(!text.contains('\u{a0}') && !text.contains("\n\n\n"), "{text}");
    }
}

#[test]
fn every_part_that_holds_something_has_a_table() {
    let text = shown(&office(), &all(), 80);

    for title in [
        "Edges: 1 up, 1 down (read 3 s ago)",
        "Edge groups: 1 down (read 3 s ago)",
        "Trunks: 1 up, 1 down, 1 switched off (read 3 s ago)",
        "Phones: 2 active, 1 failed, 1 unassigned (read 3 s ago)",
        "Sites: 1 (read 3 s ago)",
        "Locations: 1 (read 3 s ago)",
        "Organization: Example SA (read 3 s ago)",
        "Trunk settings: 1 (read 3 s ago)",
        "Certificate authorities: 1 valid, 1 EXPIRED (read 3 s ago)",
        "Call quality: 3 poor conversations (read 3 s ago)",
        "Changes: 2 (read 3 s ago)",
    ] {
        assert!(text.lines().any(|line| line == title), "{title}: {text}");
    }
    assert!(!text.contains("Edge metrics:") && !text.contains("Trunk metrics:"), "{text}");
}

#[test]
fn what_has_no_place_in_eighty_columns_stands_under_the_name() {
    assert_eq!(
        section(&office(), 80, "Edges"),
        "
Edges: 1 up, 1 down (read 3 s ago)
        edge                says                   group            site  calls
  DOWN  branch-lyon-edge-2  OFFLINE ACTIVE active  lyon-edge-group  Lyon      5
        deployment HARDWARE, software 1.0.0.12345, addresses 198.51.100.10
  up    branch-lyon-edge-1  ONLINE ACTIVE active   lyon-edge-group  Lyon      5
        cpu 12 %, memory 40 %, disk 71 %, network 3 %, running for 41 d,
          deployment HARDWARE, software 1.0.0.12345, addresses 198.51.100.10
"
    );
}

#[test]
fn a_hundred_and_forty_columns_are_used() {
    assert_eq!(
        section(&office(), 140, "Trunks"),
        "
Trunks: 1 up, 1 down, 1 switched off (read 3 s ago)
        trunk                  registration  kind      says                                edge                group            settings
  DOWN  Lyon carrier - edge-2  UNREGISTERED  EXTERNAL  in service, enabled, not connected  branch-lyon-edge-2  lyon-edge-group  Lyon carrier
        since 40 min ago
        the vendor says: No route to host
        proxy 203.0.113.10:5060 does not answer OPTIONS and does not register it (last told 60 s ago): Registration failed
  up    Lyon carrier - edge-1  registered    EXTERNAL  in service, enabled, connected      branch-lyon-edge-1  lyon-edge-group  Lyon carrier
        calls in 3, calls out 5, peak 23, qos mismatches 17, set up 98 %, jitter 7 ms, used 27 %, since 3 d ago
  off   Spare                  registered    EXTERNAL  in service, enabled, connected      branch-lyon-edge-1  lyon-edge-group  Lyon carrier
        since 3 d ago
"
    );
}

#[test]
fn of_two_thousand_phones_a_person_sees_counts_and_those_that_are_not_active() {
    let mut state = office();
    let site = |index| if index % 4 == 0 { "Lyon" } else { "Paris" };
    let phones: Vec<Phone> = (0..2_000)
        .map(|index| match index {
            0..30 => phone(&format!("Broken {index:02}"), site(index), PhoneState::Failed),
            _ => phone(&format!("Desk {index}"), site(index), PhoneState::Active),
        })
        .collect();
    state.phones = read(phones);

    let phones = section(&state, 80, "Phones");

    let (head, rest) = phones.split_at(phones.find("\n  FAILED").expect("a table"));
    assert_eq!(
        head,
        "
Phones: 1970 active, 30 failed (read 3 s ago)
  site   active  failed
  Lyon      492       8
  Paris    1478      22

          phone      says                site"
    );
    assert_eq!(rest.lines().filter(|line| line.starts_with("  FAILED  Broken ")).count(), 20);
    assert!(rest.ends_with("\n  … 10 more, --json has all\n"), "{rest}");
    assert!(!phones.contains("Desk"), "{phones}");
}

#[test]
fn a_change_is_told_with_what_it_changed_the_latest_first() {
    assert_eq!(
        section(&office(), 140, "Changes"),
        "
Changes: 2 (read 3 s ago)
  changed          what    when                                 kind       by         status
  Lyon carrier     Update  2026-05-15 13:51:07 UTC, 41 min ago  TrunkBase  Ada Admin  SUCCESS
    trunk_transport_serverProxyList: 203.0.113.10 → 203.0.113.11
  lyon-edge-group  Update  2026-05-15 09:32:07 UTC, 5 h ago     EdgeGroup  Ada Admin  SUCCESS
    trunk_transport_serverProxyList: 203.0.113.10 → 203.0.113.11
"
    );
}

#[test]
fn a_part_that_failed_says_why_what_to_quote_and_what_to_do() {
    let mut state = office();
    state.changes = failed(forbidden(), "0a1b-changes");

    let text = shown(&state, &all(), 80);

    assert!(
        text.contains(
            "
NOT READ changes
  why      the OAuth client lacks the permission to read
           /api/v2/audits/query/realtime: audits:audit:view
  quote    0a1b-changes, the correlation id, to the vendor's support
  hint     Give the OAuth client a role with this permission; `skip` of
           [telephony] leaves out what is not needed.
"
        ),
        "{text}"
    );
    assert!(!text.contains("\nChanges"), "{text}");
}

#[test]
fn what_happened_to_all_parts_is_said_once() {
    let unreachable = || ApiProblem::Unreachable {
        host: "api.example.net".to_owned(),
        detail: "no answer in 15 s".to_owned(),
    };
    let state = Snapshot {
        edges: failed(unreachable(), "one"),
        edge_groups: failed(unreachable(), "two"),
        trunks: failed(unreachable(), "two"),
        ..Snapshot::default()
    };
    let parts = [PartName::Edges, PartName::EdgeGroups, PartName::Trunks, PartName::Phones];

    let text = shown(&state, &parts.into(), 80);

    assert_eq!(text.matches("api.example.net").count(), 1, "{text}");
    assert!(text.contains("NOT READ edges, edge groups, trunks\n"), "{text}");
    assert!(text.contains("one (edges), two (edge groups, trunks)"), "{text}");
    assert!(text.ends_with("\nNot asked for: phones\n"), "{text}");
}

#[test]
fn a_failed_part_that_keeps_an_earlier_reading_shows_it_with_its_age() {
    let mut state = office();
    state.trunks.read = Some(now() - 3 * MINUTE);
    state.trunks.problem = Some(ApiProblem::Throttled {
        path: "/api/v2/telephony/providers/edges/trunks",
        retry_after: Duration::from_secs(30),
    });

    let text = shown(&state, &all(), 80);

    assert!(text.contains("of an earlier reading: trunks"), "{text}");
    assert!(text.contains("\nTrunks: 1 up, 1 down, 1 switched off (read 3 min ago)\n"), "{text}");
}

#[test]
fn what_could_not_be_understood_is_counted() {
    let mut state = office();
    (state.edges.unreadable, state.edges.unknown) = (2, 1);

    let edges = section(&state, 80, "Edges");

    assert!(edges.contains("\n  2 more could not be understood and are left out\n"), "{edges}");
    assert!(edges.contains("\n  1 holds a word of the vendor's that this program does"), "{edges}");
}

#[test]
fn an_empty_part_is_named_in_one_line_and_a_vital_one_has_its_own() {
    let state =
        Snapshot { edges: read([]), sites: read([]), changes: read([]), ..Snapshot::default() };
    let parts = [PartName::Edges, PartName::Sites, PartName::Changes];

    let text = shown(&state, &parts.into(), 80);

    assert!(text.ends_with("\nEdges: none (read 3 s ago)\n\nThere are none: sites, changes\n"));
}

#[test]
fn only_the_parts_that_are_asked_for_are_shown() {
    let text = shown(&office(), &[PartName::EdgeMetrics].into(), 80);

    assert!(text.contains("\nEdge metrics: 1 of edges"), "{text}");
    assert!(text.contains("branch-lyon-edge-1  12 %"), "{text}");
    assert!(!text.contains("Trunks") && !text.contains("OFFLINE"), "{text}");
}

#[test]
fn a_thing_without_a_name_is_called_by_its_id() {
    let mut state = office();
    let mut nameless = phone("Desk 9", "Lyon", PhoneState::Failed);
    nameless.reference.name = Foreign::default();
    state.phones = Part { ..read([nameless]) };

    assert!(section(&state, 80, "Phones").contains("FAILED  id-of-Desk 9"));
}

#[test]
fn a_phone_is_meant_by_its_hardware_address_however_it_is_written() {
    let mut desk = phone("Desk 9", "Lyon", PhoneState::Active);
    assert!(!desk.is(""), "nobody's address is no address");
    desk.hardware = Some(Foreign::new("0004f2aabbcc"));

    for link in ["Desk 9", "id-of-Desk 9", "0004f2aabbcc", "00:04:F2:AA:BB:CC", "0004.f2aa.bbcc"] {
        assert!(desk.is(link), "{link}");
    }
    assert!(!desk.is("0004f2aabbcd") && !desk.is(named("Lyon").name.as_str()));
}

// D-LOG-1
#[test]
fn what_the_vendor_writes_cannot_leave_its_line_or_colour_anything() {
    let evil = "\u{1b}[31mMARK\nprobe_success 1\u{202E}";
    let mut state = office();
    state.edges.items[0].raw = Foreign::new(evil);
    state.trunks.items[0].problem = Some(Foreign::new(evil));
    state.phones.items[1].reference.name = Foreign::new(evil);
    state.changes.items[0].by = Some(Foreign::new(evil));

    let text = text::state("lyon", &state, &all(), now(), 80);

    assert!(text.matches("MARK").count() >= 4, "{text}");
    assert!(!text.contains("\x1b[31mMARK") && !text.contains('\u{202E}'), "{text:?}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("probe_")), "{text}");
}
