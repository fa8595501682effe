//! The newcomer's first command: a telephony cloud on loopback, and the real check against it.

mod reflecting;
mod say;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use branchline_lab::{Addresses, Cloud, RECORD_NAME, SCENARIOS, Scenario, verdict};
use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

/// What is shown where no scenario is named: nothing broken, then the one with the best story.
const TOUR: [&str; 2] = ["healthy", "dns-propagating"];

/// A simulated telephony cloud on loopback, and `branchline` at work against it.
///
/// Without options: a healthy branch, then a broken one, and what differs. Nothing leaves this
/// machine. Exits with 0 when every scenario shown ended in the verdict that it must, and nothing of ours
/// was left behind; else with 1.
#[derive(Debug, Parser)]
#[command(name = "branchline-lab", version, max_term_width = 80)]
struct Arguments {
    /// Show this scenario only
    #[arg(long, value_name = "NAME", value_parser = scenario_names())]
    scenario: Option<String>,

    /// List the scenarios: what is broken, and the rule that must find it
    #[arg(long, conflicts_with_all = ["scenario", "serve"])]
    list: bool,

    /// Keep the cloud up, with the real daemon watching it, until Ctrl-C
    #[arg(long)]
    serve: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The real program, as `branchline` would be called
    #[command(disable_help_flag = true)]
    Branchline {
        /// What follows its name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    Mirror(reflecting::Arguments),
}

/// How to call the program without building anything again.
const PROGRAM: &str = "cargo run --release -p branchline-lab -- branchline";

fn scenario_names() -> PossibleValuesParser {
    SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().into()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_good = match arguments.command {
        Some(Command::Branchline { arguments }) => {
            return branchline::cli::main(std::iter::once("branchline".into()).chain(arguments));
        }
        Some(Command::Mirror(arguments)) => reflecting::run(arguments).map(|()| true),
        None => run(&arguments),
    };
    match is_good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Nobody reads any more, as in `branchline-lab --list | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is gone too, the exit code still tells.
            let _ = say::note(format_args!("error: the lab could not go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every scenario ended as it must.
fn run(arguments: &Arguments) -> io::Result<bool> {
    let chosen = arguments.scenario.as_deref().and_then(Scenario::named);
    if arguments.list {
        list()?;
        return Ok(true);
    }
    if arguments.serve {
        return serve(chosen.unwrap_or(&SCENARIOS[0]));
    }
    say::note("branchline lab: a telephony cloud on 127.0.0.0/8; nothing leaves this machine")?;
    let tour: Vec<_> = match chosen {
        Some(scenario) => vec![scenario],
        None => TOUR.into_iter().filter_map(Scenario::named).collect(),
    };
    let mut endings = Vec::new();
    let mut all_good = true;
    for scenario in &tour {
        let (ending, is_good) = check(scenario)?;
        if ending.is_interrupted() {
            return Ok(false);
        }
        endings.push(ending);
        all_good &= is_good;
    }
    if let ([before, after], [first, second]) = (tour.as_slice(), endings.as_slice()) {
        compare([before, after], [*first, *second])?;
    }
    // Who chose a scenario knows how to choose another.
    if chosen.is_none() {
        suggest(&tour)?;
    }
    Ok(all_good)
}

/// The exit code of one of the product's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ending(Option<u8>);

impl Ending {
    /// Runs a command of the product on this thread; the cloud lives on others.
    fn of<const N: usize>(arguments: [OsString; N]) -> Self {
        let exit = branchline::cli::main(arguments);
        // An ExitCode can be compared, but not read.
        Self((0..=u8::MAX).find(|code| ExitCode::from(*code) == exit))
    }

    fn is_interrupted(self) -> bool {
        matches!(self.0, Some(130 | 143))
    }

    /// The verdict that this exit code stands for.
    fn verdict(self) -> String {
        self.0.map_or_else(
            || verdict(u8::MAX).to_owned(),
            |code| format!("{} ({code})", verdict(code)),
        )
    }
}

/// Runs the real check against one scenario, its report going to stdout; gives how it ended, and
/// whether that is how it must.
fn check(scenario: &Scenario) -> io::Result<(Ending, bool)> {
    let cloud = Cloud::start(scenario)?;
    say::heading(format_args!("{}: {}", scenario.name, scenario.story))?;
    let path = cloud.config().display();
    say::note(format_args!("$ branchline check --strict --config {path}"))?;
    say::note("  (a temporary file)\n")?;
    let config = cloud.config().as_os_str().to_owned();
    let arguments = [
        "branchline".into(),
        "check".into(),
        // Only then does a warning have an exit code of its own.
        "--strict".into(),
        "--config".into(),
        config,
    ];
    let ending = Ending::of(arguments);
    say::note("")?;
    if ending.is_interrupted() {
        say::note("interrupted")?;
        return Ok((ending, false));
    }
    let left = cloud.bindings().len();
    if ending.0 != Some(scenario.exit_code) {
        let must = Ending(Some(scenario.exit_code)).verdict();
        say::outcome(false, format_args!("{}, where {must} was due", ending.verdict()))?;
    } else if left > 0 {
        say::outcome(false, format_args!("{left} of our contacts left in the registrar"))?;
    } else {
        let found = scenario.rule.map(|rule| format!("; the finding to read is `{rule}`"));
        let found = found.unwrap_or_default();
        say::outcome(true, format_args!("{}{found}", ending.verdict()))?;
    }
    Ok((ending, ending.0 == Some(scenario.exit_code) && left == 0))
}

/// Sets two scenarios side by side.
fn compare(scenarios: [&Scenario; 2], endings: [Ending; 2]) -> io::Result<()> {
    let [before, after] = scenarios;
    let row = |label: &str, left: &str, right: &str| {
        say::note(format_args!("  {label:<13}{left:<22}{right}"))
    };
    say::heading("What differs")?;
    row("", before.name, after.name)?;
    row("verdict", &endings[0].verdict(), &endings[1].verdict())?;
    row("must find", before.rule.unwrap_or("nothing"), after.rule.unwrap_or("nothing"))?;
    say::note(format_args!("\n  The cause: {}", after.story))?;
    if let Some(rule) = after.rule {
        say::note("  What the finding means:")?;
        say::note(format_args!("      {PROGRAM} explain {rule}"))?;
    }
    Ok(())
}

fn suggest(shown: &[&Scenario]) -> io::Result<()> {
    say::heading("What to try next")?;
    say::note("  cargo run --release -p branchline-lab -- --scenario NAME")?;
    for scenario in SCENARIOS.iter().filter(|scenario| !shown.contains(scenario)) {
        say::note(format_args!("      {:<27}{}", scenario.name, wrap(scenario.story, 33, 47)))?;
    }
    say::note("\n  cargo run --release -p branchline-lab -- --serve [--scenario NAME]")?;
    say::note("      the real daemon with its metrics, and `branchline probe` lines to paste,")?;
    say::note("      until Ctrl-C")
}

/// Breaks a text into lines of at most `width`, later ones indented by `indent`.
fn wrap(text: &str, indent: usize, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join(&format!("\n{:indent$}", ""))
}

/// Lists the scenarios on stdout.
fn list() -> io::Result<()> {
    say::data(format_args!("{:<27}{:<18}{}", "SCENARIO", "VERDICT", "RULE THAT MUST FIND IT"))?;
    for scenario in SCENARIOS {
        let rule = scenario.rule.unwrap_or("-");
        say::data(format_args!("{:<27}{:<18}{rule}", scenario.name, scenario.verdict()))?;
        say::data(format_args!("    {}", scenario.story))?;
    }
    Ok(())
}

/// Keeps the cloud up under the real daemon, which ends with Ctrl-C.
fn serve(scenario: &Scenario) -> io::Result<bool> {
    let cloud = Cloud::start(scenario)?;
    say::heading(format_args!("{}: {}", scenario.name, scenario.story))?;
    paste(&cloud)?;
    say::heading("The daemon; Ctrl-C ends it, and the cloud with it")?;
    let config = cloud.config().as_os_str().to_owned();
    say::note(format_args!("$ branchline run --config {}\n", cloud.config().display()))?;
    let ending = Ending::of(["branchline".into(), "run".into(), "--config".into(), config]);
    let is_good = ending.0 == Some(0) || ending.is_interrupted();
    if !is_good {
        say::outcome(false, "the daemon ended by itself")?;
    }
    Ok(is_good)
}

/// Prints what can be asked of the cloud while it is up.
fn paste(cloud: &Cloud) -> io::Result<()> {
    let Addresses {
        relay,
        relay_tls,
        primary,
        secondary,
        resolver,
        registrar,
        registrar_tls,
        api,
        web,
    } = cloud.addresses();
    say::note(format_args!(
        "\n  STUN, TURN    {relay} (UDP and TCP), {relay_tls} (TLS)\n  nameservers   {primary} (primary)\n                \
         {secondary} (secondary)\n  resolver      {resolver}\n  registrar     {registrar} (UDP and TCP), {registrar_tls} (TLS)\n  \
         vendor's API  http://{api}\n  daemon        http://{web}/"
    ))?;
    say::heading("To paste into another terminal")?;
    say::note(format_args!("  alias branchline='{PROGRAM}'"))?;
    say::note(format_args!("  branchline probe stun-binding {relay}"))?;
    for nameserver in [primary, secondary] {
        say::note(format_args!(
            "  branchline probe dns-query {nameserver} --option recursion=false \\\n      \
             --option name={RECORD_NAME}"
        ))?;
    }
    let config = cloud.config().display();
    say::note(format_args!(
        "  branchline check --config {config}\n  \
         branchline wait dns {RECORD_NAME} --config {config}\n  curl http://{web}/metrics"
    ))
}
