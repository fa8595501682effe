//! `branchline check`: one pass over everything, in parallel, and a verdict.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::{read_duration, show_duration};
use clap::ValueEnum;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::check::Check;
use crate::cli::{ConfigArgument, Exit, logging, run, say};
use crate::config::{self, Plan, Surroundings};
use crate::contradiction;
use crate::correlation::{Evidence, Memory};
use crate::diagnosis::{Verdict, diagnose};
use crate::driver::{self, KeepsStamping};
use crate::outputs::{json, text};
use crate::poller::Poller;
use crate::report::Report;
use crate::rules::RULES;
use crate::telephony::Snapshot;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where the report is written, instead of to stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only these targets, modules or watched names
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Exit with 1 where there are warnings
    #[arg(long)]
    strict: bool,
    /// How long the vendor may take to notice that a trunk can register, where we can and it says
    /// that the trunk cannot: it is asked again meanwhile
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = patience)]
    wait_for_vendor: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    logging::to_stderr(false);
    let _stamping = KeepsStamping::begin();
    let mut plan = match config::load(&arguments.config.path, &Surroundings::of_process()) {
        Ok(plan) => plan,
        Err(error) => return say::config_error(&error),
    };
    if let Some(unknown) = keep_only(&mut plan, &arguments.only) {
        let hint = "--only takes what the configuration calls a target, a module or a watched name";
        say::error(format_args!("nothing is called `{unknown}`"), Some(hint));
        return Exit::Usage;
    }
    let poller = match plan.telephony.take().map(Poller::new).transpose() {
        Ok(poller) => poller,
        Err(error) => {
            say::error(format_args!("cannot ask the vendor's API: {error}"), None);
            return Exit::Host;
        }
    };
    let (cancel, done) = (CancellationToken::new(), CancellationToken::new());
    run::with_runtime(async {
        let (report, interrupted) = tokio::join!(
            async {
                let report = pass(&plan, poller.as_ref(), arguments.wait_for_vendor, &cancel).await;
                done.cancel();
                report
            },
            run::interruption(&cancel, &done)
        );
        interrupted.unwrap_or_else(|| show(arguments, &report))
    })
}

/// Leaves only the checks that are named; gives a name that fits none.
fn keep_only<'a>(plan: &mut Plan, only: &'a [String]) -> Option<&'a str> {
    let is = |check: &Check, name: &str| {
        let watched = check.sight.as_ref().map(|sight| sight.name.name.as_str());
        *check.target == *name
            || *check.module_name == *name
            || watched.is_some_and(|it| it.eq_ignore_ascii_case(name.trim_end_matches('.')))
    };
    let unknown = only.iter().find(|name| !plan.checks.iter().any(|check| is(check, name)));
    if only.is_empty() || unknown.is_some() {
        return unknown.map(String::as_str);
    }
    let all = plan.checks.len();
    plan.checks.retain(|check| only.iter().any(|name| is(check, name)));
    say::note(format_args!("only {} of {all} checks", plan.checks.len()));
    // What the vendor says of others is none of these checks' business.
    if !plan.checks.iter().any(|check| check.trunk.is_some() || check.edge_group.is_some()) {
        plan.telephony = None;
    }
    None
}

async fn pass(
    plan: &Plan,
    poller: Option<&Poller>,
    patience: Duration,
    cancel: &CancellationToken,
) -> Report {
    let (started, begun) = (SystemTime::now(), Instant::now());
    let progress = progress(plan.checks.len() + usize::from(poller.is_some()));
    let vendor = async {
        let poller = poller?;
        let read = tokio::select! {
            read = async { poller.read(&Snapshot::default()).await } => read,
            () = cancel.cancelled() => return None,
        };
        progress.inc(1);
        Some(Arc::new(read))
    };
    let (memory, state) = tokio::join!(observe(plan, cancel, &progress), vendor);
    progress.finish_and_clear();
    // However long the vendor takes to settle, what was seen is of now.
    let now = SystemTime::now();
    let draw = |state: Option<&Arc<Snapshot>>| {
        let evidence = memory.evidence(&plan.checks, &plan.profile, state, now);
        Evidence { patience, ..evidence }
    };
    let mut evidence = draw(state.as_ref());
    if let Some(poller) = poller {
        tokio::select! {
            () = settle(&mut evidence, poller, draw) => {}
            () = cancel.cancelled() => {}
        }
    }
    let diagnosis = diagnose(&evidence, RULES);
    Report::new(plan.site.clone(), started, begun.elapsed(), &evidence, diagnosis)
}

/// Asks the vendor again where we can register and it says that its trunk cannot, until both say
/// the same, or it was asked late enough to know.
async fn settle(
    evidence: &mut Evidence,
    poller: &Poller,
    draw: impl Fn(Option<&Arc<Snapshot>>) -> Evidence,
) {
    let (begun, mut is_told) = (Instant::now(), false);
    loop {
        let open: Vec<_> = contradiction::of(evidence).filter(|it| !it.is_settled).collect();
        let Some(last) = open.iter().max_by_key(|it| it.tells_from) else { return };
        let tells_from = last.tells_from;
        let left = tells_from.duration_since(SystemTime::now()).unwrap_or_default();
        if !is_told && !left.is_zero() {
            say::note(format_args!(
                "waiting up to {} s for the vendor to notice that trunk {} can register, as we can",
                left.as_secs_f64().ceil(),
                last.trunk.reference.name
            ));
            is_told = true;
        }
        tokio::time::sleep(left.min(ASKS_AGAIN)).await;
        // A clock that is set back must not make it wait for longer.
        let is_over = begun.elapsed() >= evidence.patience + ASKS_AGAIN;
        let is_last = is_over || SystemTime::now() >= tells_from;
        let state = poller.read(evidence.state.as_deref().unwrap_or(&Snapshot::default())).await;
        *evidence = draw(Some(&Arc::new(state)));
        // The vendor may be out of reach by now: then it stays an open question.
        if is_last {
            return;
        }
    }
}

/// How often the vendor is asked again, in the middle of a wait.
const ASKS_AGAIN: Duration = Duration::from_secs(5);

fn patience(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(3600);
    read_duration(text)
        .filter(|it| *it <= longest)
        .ok_or_else(|| format!("it takes a duration up to {}, such as 30s", show_duration(longest)))
}

async fn observe(plan: &Plan, cancel: &CancellationToken, progress: &ProgressBar) -> Memory {
    let mut memory = Memory::default();
    let mut awaited: BTreeSet<String> = plan.checks.iter().map(name).collect();
    progress.set_message(waiting(&awaited));
    let mut running: FuturesUnordered<_> = plan
        .checks
        .iter()
        .map(|check| async move { (check, driver::observe(check, cancel, None, None).await) })
        .collect();
    while let Some((check, observations)) = running.next().await {
        awaited.remove(&name(check));
        progress.set_message(waiting(&awaited));
        progress.inc(1);
        memory.record(&check.id(), observations);
    }
    memory
}

fn name(check: &Check) -> String {
    format!("{} {}", check.target, check.module_name)
}

fn waiting(awaited: &BTreeSet<String>) -> String {
    match (awaited.first(), awaited.len()) {
        (None, _) => "finishing".to_owned(),
        (Some(one), 1) => format!("waiting for {one}"),
        (Some(one), count) => format!("waiting for {one} and {} more", count - 1),
    }
}

/// A bar on stderr; nothing where stderr is no terminal.
fn progress(length: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(u64::try_from(length).ok(), target);
    // A template that does not parse would leave the default style.
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(arguments: &Arguments, report: &Report) -> Exit {
    let document = match arguments.format {
        Format::Text => text::report(report, say::width()),
        Format::Json => json::report(report),
    };
    match &arguments.output {
        None => {
            let written = say::data(document);
            if written != Exit::Success {
                return written;
            }
        }
        Some(path) => {
            if let Err(error) = std::fs::write(path, say::plain(&document)) {
                say::error(format_args!("cannot write {}: {error}", path.display()), None);
                return Exit::Host;
            }
        }
    }
    match report.diagnosis.verdict {
        Verdict::GoWithWarnings if arguments.strict => Exit::Warnings,
        Verdict::Go | Verdict::GoWithWarnings => Exit::Success,
        Verdict::NoGo => Exit::NoGo,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}
