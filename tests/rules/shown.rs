//! How a report shows watched names: to people in columns, to programs as JSON.

use std::time::Duration;

use branchline::diagnosis::diagnose;
use branchline::outputs::{json, text};
use branchline::report::Report;
use branchline::rules::RULES;
use branchline::sight::View;
use branchline_probes::dns_query::RCODE;
use serde_json::Value;

use super::site::{Asked, BEGIN, Said, Site, watched};

const NXDOMAIN: Said = Said::Rejects(3);
const SERVFAIL: Said = Said::Rejects(2);
const NEW: &str = "A 198.51.100.80";
const OLD: &str = "A 198.51.100.7";
const SECOND: Duration = Duration::from_secs(1);

fn report(site: &Site) -> Report {
    let evidence = site.evidence();
    Report::new("lyon".to_owned(), BEGIN, SECOND, &evidence, diagnose(&evidence, RULES))
}

/// The lines of the report that are about names, without their colours.
fn names(site: &Site, width: usize) -> String {
    let report = text::report(&report(site), width);
    let plain = anstream::adapter::strip_str(&report).to_string();
    let (_, names) = plain.split_once("\nNames\n").expect("the report has names");
    for line in plain.lines() {
        assert!(line.chars().count() <= width, "wider than {width} columns: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end of a line");
    }
    format!("\n{}", names.split("\n\n").next().unwrap_or_default().trim_end())
}

/// A resolver of the site, and one that anybody may use.
fn resolver(at: &str) -> Asked {
    watched(View::Site, at)
}

fn public(at: &str) -> Asked {
    watched(View::Public, at)
}

fn authority(at: &str) -> Asked {
    watched(View::Authoritative, at)
}

/// A name on its way: here already, there not yet.
fn propagating() -> Site {
    Site::new()
        .saw(&authority("192.0.2.1:53").with_records(&[NEW], 3600).with_serial(8), Said::Works)
        .saw_each(&[
            (&resolver("192.0.2.53:53").absent_for(42), NXDOMAIN),
            (&resolver("192.0.2.54:53").with_records(&[NEW], 600), Said::Works),
        ])
        .saw(&public("192.0.2.99:53").with_records(&[OLD], 90), Said::Works)
}

#[test]
fn a_name_on_its_way_is_shown_in_columns_with_what_is_left() {
    assert_eq!(
        names(&propagating(), 80),
        "
  lyon.example.net A has arrived at 2 of 4 nameservers, the rest by 1970-01-01
    00:01:30 UTC (at most 1m 30s more)
    old      site 192.0.2.53          no record, at most 42s more
    ok       site 192.0.2.54          198.51.100.80, TTL 10m
    old      public 192.0.2.99        198.51.100.7, at most 1m 30s more
    ok       authoritative 192.0.2.1  198.51.100.80, TTL 1h, serial 8"
    );
}

#[test]
fn long_addresses_move_what_is_said_below_the_names_and_break_no_line() {
    let long = "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:53";
    let site = Site::new()
        .saw(&authority(long).with_records(&[NEW], 60).with_serial(2_026_051_501), Said::Works)
        .saw(&resolver("[2001:db8::53]:53").with_records(&[NEW], 60), Said::Works);

    assert_eq!(
        names(&site, 80),
        "
  lyon.example.net A has arrived everywhere
    ok       site 2001:db8::53
               198.51.100.80, TTL 1m
    ok       authoritative 2001:db8:85a3:8d3:1319:8a2e:370:7348
               198.51.100.80, TTL 1m, serial 2026051501"
    );
    let row = format!("    ok       {:<50}  198.51.100.80, TTL 1m\n", "site 2001:db8::53");
    let wide = names(&site, 120);
    assert!(wide.contains(&row), "{wide}");
}

#[test]
fn who_gives_no_answer_is_shown_with_the_reason_in_words() {
    let records: Vec<String> = (80..86).map(|last| format!("A 198.51.100.{last}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let site = Site::new()
        .saw_each(&[
            (&resolver("192.0.2.53:53").with_records(&records, 60), Said::Works),
            (&resolver("192.0.2.54:53").stating(&RCODE, "SERVFAIL"), SERVFAIL),
            (&resolver("192.0.2.55:53"), Said::Silence(7)),
        ])
        .saw(&public("192.0.2.99:53"), Said::Closed(Some("192.0.2.99")));

    assert_eq!(
        names(&site, 80),
        "
  lyon.example.net A has arrived at the nameserver that can be heard
    ok       site 192.0.2.53    198.51.100.80, 198.51.100.81, 198.51.100.82,
                                198.51.100.83, and 2 more, TTL 1m
    error    site 192.0.2.54    it says SERVFAIL
    silent   site 192.0.2.55
    silent   public 192.0.2.99  nobody listens there"
    );
}

#[test]
fn a_program_is_told_the_same_with_its_units_and_in_this_order() {
    let document: Value =
        serde_json::from_str(&json::report(&report(&propagating()))).expect("it is JSON");

    let nameserver = |view: &str, ip: &str, says: &str| {
        serde_json::json!({
            "view": view, "name": format!("{view} {ip}"), "address": format!("{ip}:53"),
            "says": says, "why": null, "reason": null, "rcode": "NOERROR",
            "records": [NEW], "ttl_seconds": 600.0, "serial": null,
            "heard": "1970-01-01T00:00:00.012000Z", "until": null,
        })
    };
    let mut absent = nameserver("site", "192.0.2.53", "stale");
    absent["reason"] = serde_json::json!("rejected");
    absent["rcode"] = serde_json::json!("NXDOMAIN");
    absent["records"] = serde_json::json!([]);
    absent["ttl_seconds"] = serde_json::json!(42.0);
    absent["until"] = serde_json::json!("1970-01-01T00:00:42.012000Z");
    let mut old = nameserver("public", "192.0.2.99", "stale");
    old["records"] = serde_json::json!([OLD]);
    old["ttl_seconds"] = serde_json::json!(90.0);
    old["until"] = serde_json::json!("1970-01-01T00:01:30.012000Z");
    let mut source = nameserver("authoritative", "192.0.2.1", "current");
    source["ttl_seconds"] = serde_json::json!(3600.0);
    source["serial"] = serde_json::json!(8);
    let expected = serde_json::json!([{
        "question": "lyon.example.net A", "edge_group": null, "standing": "propagating",
        "propagation_ratio": 0.5, "expected": [], "created_since": "1970-01-01T00:00:00.000000Z",
        "propagated_by": "1970-01-01T00:01:30.012000Z",
        "nameservers": [absent, nameserver("site", "192.0.2.54", "current"), old, source],
    }]);

    // As text, so that the order of the keys counts.
    assert_eq!(format!("{:#}", document["names"]), format!("{expected:#}"));
}
