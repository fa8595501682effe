//! `branchline probe`: one exchange, now.

use branchline_probes::{Kind, Observation, OptionSpec, PROBES, Probe, TIMEOUT, show_duration};
use tokio_util::sync::CancellationToken;

use crate::check::Check;
use crate::cli::{Exit, logging, run, say};
use crate::config::{self, Surroundings};
use crate::driver::{self, KeepsStamping, Step};
use crate::outputs::{json, text};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Arguments {
    /// The probe's name
    name: Option<String>,
    /// Whom to ask: a host or an address, with a port or without; every address is asked
    target: Option<String>,
    /// An option of the probe
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = key_and_value)]
    options: Vec<(String, String)>,
    /// One JSON object for each address
    #[arg(long)]
    json: bool,
    /// Every step with its time, on stderr
    #[arg(long)]
    trace: bool,
    /// Every probe, one line each
    #[arg(long)]
    list: bool,
    /// What a probe asks, takes and tells
    #[arg(short, long)]
    help: bool,
}

const USAGE: &str = "\
Usage: branchline probe NAME TARGET [--option KEY=VALUE]... [--json] [--trace]
       branchline probe NAME --help   what a probe asks, takes and tells
       branchline probe --list        every probe, one line each

  --option KEY=VALUE  an option of the probe; a secret is credential:NAME,
                      file:PATH or env:NAME, never itself
  --json              one JSON object for each address of the target
  --trace             every step with its time, on stderr
";

pub(super) fn run(arguments: &Arguments) -> Exit {
    let Some(name) = &arguments.name else {
        if arguments.list || arguments.help {
            let usage = if arguments.help { format!("{USAGE}\n") } else { String::new() };
            return say::data(format_args!("{usage}{}", list()));
        }
        say::error("which probe?", Some(USAGE.trim_end()));
        return Exit::Usage;
    };
    let Some(probe) = PROBES.iter().find(|probe| probe.name() == name) else {
        let hint = format!("the probes are:\n{}", list());
        say::error(format_args!("there is no probe `{name}`"), Some(hint.trim_end()));
        return Exit::Usage;
    };
    if arguments.help {
        return say::data(manual(*probe));
    }
    let Some(target) = &arguments.target else {
        let hint = format!("branchline probe {name} HOST[:PORT]");
        say::error(format_args!("whom is {name} to ask?"), Some(&hint));
        return Exit::Usage;
    };
    logging::to_stderr(false);
    let _stamping = KeepsStamping::begin();
    let surroundings = Surroundings::of_process();
    match config::check_from_words(*probe, target, &arguments.options, &surroundings) {
        Ok(check) => run::with_runtime(ask(&check, arguments)),
        Err(error) => {
            let exit = say::config_error(&error);
            // There is no file that could be mended.
            if exit == Exit::Configuration { Exit::Usage } else { exit }
        }
    }
}

async fn ask(check: &Check, arguments: &Arguments) -> Exit {
    let watcher = |step: Step| {
        let at = step.at.elapsed().as_secs_f64();
        let whom = step.address.map_or_else(|| "resolver".to_owned(), |it| it.to_string());
        say::note(format_args!("{at:>10.6} s  {whom}  {}", step.what));
    };
    let watcher: Option<driver::Watcher<'_>> = if arguments.trace { Some(&watcher) } else { None };
    let (cancel, done) = (CancellationToken::new(), CancellationToken::new());
    let (observations, interrupted) = tokio::join!(
        async {
            let observations = driver::observe(check, &cancel, watcher, None).await;
            done.cancel();
            observations
        },
        run::interruption(&cancel, &done)
    );
    let write = |observation: &Observation| {
        if arguments.json {
            say::data(format_args!("{}\n", json::observation(observation)))
        } else {
            say::data(text::observation(observation))
        }
    };
    let written: Vec<Exit> = observations.iter().map(write).collect();
    let is_success = observations.iter().all(|observation| observation.failure().is_none());
    match interrupted {
        Some(exit) => exit,
        None if written.contains(&Exit::Host) => Exit::Host,
        None if is_success => Exit::Success,
        None => Exit::NoGo,
    }
}

fn list() -> String {
    glossary(PROBES.iter().map(|probe| (probe.name(), probe.about().to_owned())).collect())
}

fn manual(probe: &dyn Probe) -> String {
    let timeout = show_duration(probe.timeout());
    let mut options: Vec<OptionSpec> = probe.options().to_vec();
    options.push(TIMEOUT.spec());
    let options = options.iter().map(|spec| (spec.name, meaning(spec, &timeout)));
    let facts = probe.facts().iter().map(|fact| (fact.name, fact.help.to_owned()));
    format!(
        "{}: {}\n\nOptions, as --option KEY=VALUE or in a [modules.…] table:\n{}\nFacts:\n{}\n\
         In a configuration:\n\n{}",
        probe.name(),
        probe.about(),
        glossary(options.collect()),
        glossary(facts.collect()),
        probe.sample()
    )
}

fn meaning(spec: &OptionSpec, timeout: &str) -> String {
    let is_timeout = spec.name == TIMEOUT.spec().name;
    let default = match spec.default.or(is_timeout.then_some(timeout)) {
        Some(default) => format!("; default {default}"),
        None if spec.required => "; required".to_owned(),
        None => String::new(),
    };
    let expected = match spec.kind {
        Kind::Secret | Kind::PrivateKey => {
            "credential:NAME, file:PATH or env:NAME; in a configuration { credential = \"NAME\" } \
             and so on"
                .to_owned()
        }
        Kind::Text
        | Kind::SipUri
        | Kind::Count
        | Kind::Duration
        | Kind::Flag
        | Kind::Word(_)
        | Kind::Addresses
        | Kind::Endpoint
        | Kind::Certificates => spec.kind.expected(),
    };
    format!("{} (takes {expected}{default})", spec.help)
}

/// Words in a column, what they mean in another.
fn glossary(words: Vec<(&str, String)>) -> String {
    let widest = words.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
    let line = |(word, meaning): &(&str, String)| {
        say::hanging(&format!("  {word:widest$}  "), widest + 4, meaning)
    };
    words.iter().map(line).collect()
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
