//! The daemon in the branch: what Prometheus sees of a name that arrives.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::agent::Daemon;
use crate::process::{program, run_well, text, words};
use crate::wait::eventually;

use super::office::{Office, name, views};
use super::zones::Ttls;
use super::{Host, World};

#[test]
fn a_name_that_arrives_is_seen_to_do_so_and_counted_once() {
    let world = World::with(Ttls { record: 6, negative: 8 });
    let office = watching(&world, "interval = \"2s\"\ntimeout = \"2s\"");
    let _daemon = start(&world, &office);
    let of_site =
        "probe_dns_propagated{name=\"edge1.lyon.test\",type=\"A\",site=\"branch\",view=\"site\"}";
    let standing = |word: &str| standing_of("edge1.lyon.test", word);

    await_value(&world, &standing("not_created"), 1.0);
    // The resolver has just learnt it, so that it keeps it over more than one run.
    world.prime("edge1.lyon.test", "A");
    world.publish("edge1.lyon.test 6 A 10.77.2.80");
    world.transfer_all();
    // The authoritative nameservers have it, and the resolver remembers that there was none.
    let page = await_value(&world, &standing("propagating"), 1.0);
    assert_eq!(value(&page, of_site), Some(0.0), "{page}");
    let of_zone = of_site.replace("site\"}", "authoritative\"}");
    assert_eq!(value(&page, &of_zone), Some(1.0), "{page}");
    let ratio = value(&page, &series("branchline_dns_propagation_ratio", "edge1.lyon.test"));
    assert!(ratio > Some(0.0) && ratio < Some(1.0), "{page}");
    assert!(arrivals(&page).is_none_or(|count| count == 0.0), "{page}");

    let page = await_value(&world, &standing("propagated"), 1.0);
    assert_eq!(value(&page, of_site), Some(1.0), "{page}");
    assert_eq!(value(&page, &of_stale()), None, "nothing is old: {page}");
    await_value(&world, "branchline_dns_propagation_seconds_count", 1.0);
    assert_prometheus_is_content(&page);
}

#[test]
fn what_is_left_of_an_old_answer_counts_down_without_a_question() {
    let world = World::with(Ttls { record: 60, negative: 60 });
    let office = watching(&world, "interval = \"60s\"\ntimeout = \"5s\"");
    world.prime("edge1.lyon.test", "A");
    world.publish("edge1.lyon.test 60 A 10.77.2.80");
    world.transfer_all();
    let before = world.queries(Host::Resolver, "edge1.lyon.test").len();
    let _daemon = start(&world, &office);

    let page = await_value(&world, &standing_of("edge1.lyon.test", "propagating"), 1.0);
    let first = value(&page, &of_stale()).unwrap_or_else(|| panic!("nothing is old: {page}"));
    let later = eventually("a lesser value", PATIENCE, || {
        let page = page_of(&world);
        let now = value(&page, &of_stale()).filter(|now| *now < first);
        now.ok_or(page)
    });

    assert!(first <= 60.0 && later > 0.0 && first - later < 20.0, "{first} {later}");
    let asked = world.queries(Host::Resolver, "edge1.lyon.test").len() - before;
    assert_eq!(asked, 2, "each of two views asks once, and then it counts by itself");
    assert_prometheus_is_content(&page_of(&world));
}

fn watching(world: &World, lines: &str) -> Office {
    let public = format!("public = [\"tls://{}\"]\n", Host::Resolver.address());
    let trust = format!("ca_file = \"{}\"\n", world.authority().display());
    let site = views(&[Host::Resolver], &[]).replace("roots", &format!("{public}{trust}roots"));
    let expect = format!("expect = [\"10.77.2.80\"]\n{lines}");
    let web = format!("[web]\nlisten = [\"{LISTENS}\"]\n");
    Office::with(&(site + &name("edge1.lyon.test", &expect) + &web))
}

fn start(world: &World, office: &Office) -> Daemon {
    Daemon::start_inside(&world.branch().at_client(), office.folder(), office.config())
}

/// The page of metrics, as somebody in the branch gets it.
fn page_of(world: &World) -> String {
    let (host, port) = LISTENS.split_once(':').expect("an address and a port");
    let script = "exec 3<>\"/dev/tcp/$0/$1\" || exit 0; \
                  printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; exec cat <&3";
    let said = run_well(&words(&world.branch().at_client(), &["bash", "-c", script, host, port]));
    said.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Waits until a series has a value, and gives the page.
#[track_caller]
fn await_value(world: &World, series: &str, wanted: f64) -> String {
    eventually(series, PATIENCE, || {
        let page = page_of(world);
        if value(&page, series) == Some(wanted) { Ok(page) } else { Err(page) }
    })
}

/// The value of a series, written out with its labels.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|number| number.parse().expect("a number"))
}

fn series(family: &str, name: &str) -> String {
    format!("{family}{{name=\"{name}\",type=\"A\",site=\"branch\"}}")
}

fn standing_of(name: &str, word: &str) -> String {
    let plain = series("branchline_dns_standing", name);
    plain.replace('}', &format!(",standing=\"{word}\"}}"))
}

/// For how long still the phones' resolver may be wrong.
fn of_stale() -> String {
    series("probe_dns_stale_seconds", "edge1.lyon.test").replace('}', ",view=\"site\"}")
}

fn arrivals(page: &str) -> Option<f64> {
    value(page, "branchline_dns_propagation_seconds_count")
}

#[track_caller]
fn assert_prometheus_is_content(page: &str) {
    let mut promtool = std::process::Command::new(program("promtool", "prometheus"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is there");
    let mut input = promtool.stdin.take().expect("it is piped");
    input.write_all(page.as_bytes()).expect("it reads");
    drop(input);
    let output = promtool.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}

const LISTENS: &str = "127.0.0.1:9377";

const PATIENCE: Duration = Duration::from_secs(40);
