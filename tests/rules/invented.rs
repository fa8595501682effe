//! A probe that no output has heard of: its fact and its metric are shown all the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline::check::{Check, CheckId, Whom};
use branchline::correlation::{Case, Evidence, Links};
use branchline::diagnosis::diagnose;
use branchline::outputs::{json, metrics, text};
use branchline::report::Report;
use branchline::rules::RULES;
use branchline_probes::{
    BadOption, Chance, Exchange, FactKey, FactSpec, Facts, Foreign, Input, Module, Moment,
    Observation, OptionSpec, Options, Outcome, Output, Phase, Probe, Target, Transport,
};

const WARMTH: FactKey<Duration> = FactKey::new("warmth_seconds", "how long the tea stays warm")
    .metric("probe_tea_warmth_seconds");
const CUPS: FactKey<u64> = FactKey::new("cups", "how many are left").metric("probe_tea_cups");
const IS_SWEET: FactKey<bool> = FactKey::new("sweet", "sugar").metric("probe_tea_sweet");
const BREW: FactKey<Foreign> = FactKey::new("brew", "what the pot says");

/// A probe as somebody might add it tomorrow.
struct TeaPot;

impl Probe for TeaPot {
    fn name(&self) -> &'static str {
        "tea-pot"
    }

    fn about(&self) -> &'static str {
        "is there tea?"
    }

    fn sample(&self) -> &'static str {
        "[modules.tea]\nprobe = \"tea-pot\"\n"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn facts(&self) -> &'static [FactSpec] {
        const { &[WARMTH.spec(), CUPS.spec(), IS_SWEET.spec(), BREW.spec()] }
    }

    fn module(&self, _: &Options) -> Result<Box<dyn Module>, BadOption> {
        Ok(Box::new(Self))
    }
}

impl Module for TeaPot {
    fn transport(&self) -> Transport {
        Transport::Tcp
    }

    fn default_port(&self) -> u16 {
        418
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn begin(&self, _: &Target, _: Chance) -> Box<dyn Exchange> {
        Box::new(Self)
    }
}

impl Exchange for TeaPot {
    fn handle_input(&mut self, _: Input<'_>, _: Moment) {}

    fn poll_output(&mut self) -> Output {
        let mut facts = Facts::default();
        facts.state(&WARMTH, Duration::from_millis(1500));
        facts.state(&CUPS, 3);
        facts.state(&IS_SWEET, true);
        facts.state(&BREW, Foreign::new("Earl\nGrey"));
        let phases = vec![(Phase::Request, Duration::from_millis(250))];
        Output::Done(Outcome { facts, phases, ..Outcome::default() })
    }
}

static TEA_POT: TeaPot = TeaPot;

/// What one exchange of the invented probe saw.
fn observation() -> Observation {
    let module = TEA_POT.module(&Options::defaults(TEA_POT.options())).expect("it takes nothing");
    let target = Target {
        name: "kitchen".to_owned(),
        site: "lyon".to_owned(),
        host: "192.0.2.40".to_owned(),
        address: "192.0.2.40:418".parse().expect("an address"),
        transport: None,
        started: SystemTime::UNIX_EPOCH,
    };
    let mut exchange = module.begin(&target, Chance::from_seed([7; 32]));
    let Output::Done(outcome) = exchange.poll_output() else { panic!("tea is done at once") };
    Observation {
        probe: TEA_POT.name(),
        module: "tea".to_owned(),
        target: target.name,
        site: target.site,
        address: Some(target.address),
        transport: module.transport(),
        started: SystemTime::UNIX_EPOCH,
        elapsed: Duration::from_millis(300),
        outcome,
    }
}

fn evidence() -> Evidence {
    let check = Check {
        site: "lyon".into(),
        target: "kitchen".into(),
        host: "192.0.2.40".into(),
        port: 418,
        whom: Whom::Host,
        module_name: "tea".into(),
        probe: &TEA_POT,
        module: Arc::new(TeaPot),
        fingerprint: "".into(),
        interval: Duration::from_secs(60),
        required: true,
        trunk: None,
        edge_group: None,
        sight: None,
    };
    let id: CheckId = check.id();
    let case = Case {
        id,
        host: check.host.to_string(),
        fingerprint: Arc::clone(&check.fingerprint),
        required: true,
        trunk: None,
        edge_group: None,
        sight: None,
        observation: Arc::new(observation()),
        confirmed: true,
        left_behind: None,
        previous: None,
        turns: Vec::new(),
        up_since: None,
        repeated: Vec::new(),
    };
    Evidence {
        now: SystemTime::UNIX_EPOCH,
        cases: vec![case],
        missing: Vec::new(),
        links: Links::default(),
        profile: Arc::default(),
        state: None,
        patience: Duration::ZERO,
    }
}

fn report() -> Report {
    let evidence = evidence();
    let diagnosis = diagnose(&evidence, RULES);
    Report::new(
        "lyon".to_owned(),
        SystemTime::UNIX_EPOCH,
        Duration::from_millis(300),
        &evidence,
        diagnosis,
    )
}

#[test]
fn json_shows_the_facts_of_a_probe_that_it_does_not_know() {
    let shown = json::observation(&observation());

    assert_eq!(shown["probe"], "tea-pot");
    assert_eq!(shown["success"], true);
    assert_eq!(shown["facts"]["warmth_seconds"], 1.5);
    assert_eq!(shown["facts"]["cups"], 3);
    assert_eq!(shown["facts"]["sweet"], true);
    assert_eq!(shown["facts"]["brew"], "Earl\\u{a}Grey");
    let report: serde_json::Value =
        serde_json::from_str(&json::report(&report())).expect("a report is JSON");
    assert_eq!(report["verdict"], "go");
    assert_eq!(report["observations"][0], shown);
}

#[test]
fn text_shows_the_facts_of_a_probe_that_it_does_not_know() {
    let shown = text::observation(&observation());
    let report = text::report(&report(), 80);

    for line in ["warmth_seconds  1.5 s", "cups            3", "sweet           yes"] {
        assert!(shown.contains(&format!("  {line}\n")), "{line}:\n{shown}");
    }
    assert!(shown.contains("brew            Earl\\u{a}Grey\n"), "{shown}");
    assert!(shown.contains("tea-pot 192.0.2.40:418 over tcp in 300.0 ms"), "{shown}");
    assert!(report.contains("kitchen tea  tcp 192.0.2.40:418"), "{report}");
}

#[test]
fn metrics_show_the_numbers_of_a_probe_that_they_do_not_know_and_no_text() {
    let evidence = evidence();

    let shown = metrics::encode("lyon", &evidence, &diagnose(&evidence, RULES));

    let labels = r#"{probe="tea-pot",module="tea",target="kitchen",site="lyon"}"#;
    for line in [
        "# HELP probe_tea_warmth_seconds how long the tea stays warm".to_owned(),
        "# TYPE probe_tea_warmth_seconds gauge".to_owned(),
        format!("probe_tea_warmth_seconds{labels} 1.5"),
        format!("probe_tea_cups{labels} 3"),
        format!("probe_tea_sweet{labels} 1"),
        format!("branchline_probe_success{labels} 1"),
        format!("branchline_probe_duration_seconds{labels} 0.3"),
    ] {
        assert!(shown.lines().any(|it| it == line), "{line}:\n{shown}");
    }
    assert!(!shown.contains("Earl"), "text of a packet is no label:\n{shown}");
}
