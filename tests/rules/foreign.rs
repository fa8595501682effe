//! What nameservers write into their answers, and what becomes of it on the way to pages, lines and
//! labels (D-LOG-1, D-WEB-7).

#[path = "../../probes/tests/desk/mod.rs"]
mod desk;

use std::collections::BTreeSet;
use std::time::Duration;

use branchline::diagnosis::diagnose;
use branchline::outputs::{json, metrics, text};
use branchline::report::Report;
use branchline::rules::RULES;
use branchline::sight::View;
use branchline_probes::{Observation, OptionValue, Outcome};
use desk::{News, Reply, Wanted, millis};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::site::{BEGIN, Said, Site, walk_of_name, watched};

/// Ends a line, turns a terminal red, ends a label and begins a series of its own, turns the
/// direction of what follows, and is no UTF-8.
const EVIL: &[u8] = b"MARK\r\n\x1b[31mMARK\"} 1\nprobe_fake{a=\"\xE2\x80\xAE\x00\xFF\xC2\x85";
const NAME: &str = "lyon.example.net";
const RESOLVER: &str = "192.0.2.53:53";

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const TXT: u16 = 16;
const OPT: u16 = 41;

/// A label of these bytes above `example.net`, as far as there is room.
fn name(label: &[u8]) -> Vec<u8> {
    let label = &label[..label.len().min(63)];
    let length = u8::try_from(label.len()).expect("it is short");
    [&[length], label, b"\x07example\x03net\0"].concat()
}

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("it is short");
    let class: u16 = if kind == OPT { 1232 } else { 1 };
    let ttl: [u8; 4] = if kind == OPT { [0; 4] } else { [0, 0, 0, 60] };
    let fixed = [&kind.to_be_bytes()[..], &class.to_be_bytes(), &ttl, &length.to_be_bytes()];
    [owner, &fixed.concat(), data].concat()
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("it is short");
    [&code.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
}

fn soa(apex: &[u8]) -> Vec<u8> {
    let numbers = [2026_u32, 7200, 900, 86_400, 300].map(u32::to_be_bytes).concat();
    record(apex, SOA, &[name(EVIL), name(EVIL), numbers].concat())
}

/// An answer that has `evil` wherever a nameserver has a say.
fn answer(query: &[u8], evil: &[u8]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).expect("a name") + 5;
    let asked = &query[12..end - 4];
    let (zone, alias) = (b"\x07example\x03net\0", name(evil));
    let sections = match u16::from_be_bytes([query[end - 4], query[end - 3]]) {
        NS => [record(zone, NS, &alias), vec![], record(&alias, A, &[192, 0, 2, 10])],
        SOA if asked.len() == zone.len() => [soa(zone), vec![], vec![]],
        SOA => [vec![], soa(zone), vec![]],
        _ => {
            let text = &evil[..evil.len().min(255)];
            let length = u8::try_from(text.len()).expect("it is short");
            let texts = record(&alias, TXT, &[&[length], text].concat());
            let answers = [record(asked, CNAME, &alias), texts].concat();
            let options = [option(3, evil), option(15, &[&[0, 15], evil].concat())].concat();
            [answers, soa(&alias), record(&[0], OPT, &options)]
        }
    };
    let count = |section: &[u8]| u8::from(!section.is_empty());
    let [answers, authorities, additionals] = sections.each_ref().map(|it| count(it));
    let answers = if authorities + additionals == 2 { 2 } else { answers };
    let head = [0x84, 0, 0, 1, 0, answers, 0, authorities, 0, additionals];
    [&query[..2], &head, &query[12..end], &sections.concat()].concat()
}

/// What a probe makes of it.
fn ask(probe: &str, set: &[(&str, OptionValue)], evil: &[u8]) -> Outcome {
    let name = ("name", OptionValue::Text(NAME.to_owned()));
    let module = desk::module(probe, &[&[name], set].concat());
    let mut world = |wanted: Wanted<'_>| -> Reply {
        match wanted {
            Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
            Wanted::Bytes(_, _, query) => vec![(millis(9), News::answer(answer(query, evil)))],
        }
    };
    desk::run(desk::begin(&*module, 7).as_mut(), &mut world).outcome
}

/// A site with a resolver and a walk that say it.
fn site(evil: &[u8]) -> Site {
    let txt = ask("dns-query", &[("type", OptionValue::Word("TXT"))], evil);
    let walk = ask("dns-delegation", &[], evil);
    assert_eq!((&txt.failure, &walk.failure), (&None, &None));
    let resolver = watched(View::Site, RESOLVER).knowing(&txt.facts);
    Site::new()
        .saw(&resolver, Said::Works)
        .saw(&walk_of_name("192.0.2.10:53").knowing(&walk.facts), Said::Works)
}

/// Every observation there can be of it: one that failed tells what it met.
fn observations(evil: &[u8]) -> Vec<Observation> {
    let ways: [(&str, &[(&str, OptionValue)]); 4] = [
        ("dns-query", &[("type", OptionValue::Word("TXT"))]),
        ("dns-query", &[]),
        ("dns-query", &[("random_label", OptionValue::Flag(true))]),
        ("dns-delegation", &[]),
    ];
    let seen = watched(View::Site, RESOLVER).observation(Said::Works, BEGIN);
    ways.map(|(probe, set)| Observation { outcome: ask(probe, set, evil), ..seen.clone() }).into()
}

/// The series of an exposition, without their values.
fn series(exposition: &str) -> BTreeSet<String> {
    let samples = exposition.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
}

fn exposition(evil: &[u8]) -> String {
    let evidence = site(evil).evidence();
    metrics::encode("lyon", &evidence, &diagnose(&evidence, RULES))
}

// D-WEB-7
#[test]
fn no_text_of_a_nameserver_is_in_the_metrics() {
    let text = exposition(EVIL);

    assert!(!text.to_ascii_uppercase().contains("MARK") && !text.contains("fake"), "{text}");
    for line in text.lines() {
        let is_ours = ["# HELP ", "# TYPE ", "branchline_", "probe_"];
        assert!(is_ours.iter().any(|start| line.starts_with(start)), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

// D-WEB-7
#[test]
fn whatever_nameservers_write_there_are_no_more_series() {
    let mut chance = StdRng::seed_from_u64(13);
    let calm = series(&exposition(b"ns"));
    assert!(calm.len() > 20, "{calm:?}");

    for _ in 0..200 {
        let mut evil = vec![0; 40];
        chance.fill_bytes(&mut evil);
        assert_eq!(series(&exposition(&evil)), calm, "{evil:02x?}");
    }
}

/// The text has what the nameserver wrote, and cannot be taken for anything else.
fn assert_harmless(shown: &str) {
    assert!(shown.to_ascii_uppercase().contains("MARK"), "{shown}");
    for line in shown.lines() {
        assert!(!line.starts_with("probe_"), "{line:?}");
    }
    let plain = anstream::adapter::strip_str(shown).to_string();
    for text in [plain.as_str(), &shown.replace('\x1b', "")] {
        let is_odd = |it: char| it != '\n' && it.is_control() || it == '\u{202E}';
        assert!(!text.contains(is_odd), "{text:?}");
    }
    // Colours are ours alone.
    assert!(!shown.contains("\x1b[31mMARK"), "{shown:?}");
}

// D-LOG-1
#[test]
fn a_line_for_people_holds_the_text_of_a_nameserver_and_stays_one_line() {
    for observation in observations(EVIL) {
        assert_harmless(&text::observation(&observation));
    }
    let evidence = site(EVIL).evidence();
    let diagnosis = diagnose(&evidence, RULES);
    let report = Report::new("lyon".to_owned(), BEGIN, Duration::ZERO, &evidence, diagnosis);
    for width in [40, 100] {
        let shown = text::report(&report, width);
        assert!(!shown.contains("\x1b[31mMARK") && !shown.contains('\u{202E}'), "{shown:?}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("probe_")), "{shown}");
    }
}

fn assert_printable(value: &Value) {
    match value {
        Value::String(text) => assert!(!text.contains(char::is_control), "{text:?}"),
        Value::Array(values) => values.iter().for_each(assert_printable),
        Value::Object(fields) => fields.values().for_each(assert_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

// D-LOG-1
#[test]
fn a_line_for_programs_is_one_line_whose_texts_are_printable() {
    for observation in observations(EVIL) {
        let line = json::observation(&observation);

        assert!(line.to_string().to_ascii_uppercase().contains("MARK"), "{line}");
        assert_printable(&line);
    }
}
