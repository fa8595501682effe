//! `branchline state`: what the vendor says, read once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use clap::builder::PossibleValue;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::cli::{ConfigArgument, Exit, logging, run, say};
use crate::config::{self, Plan, Surroundings};
use crate::outputs::{json, text};
use crate::poller::{Poller, Settings};
use crate::telephony::{PartName, PartState, Snapshot};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// One JSON document instead of tables
    #[arg(long)]
    json: bool,
    /// Write that document to a file, readable to its owner alone; - is stdout
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Only these parts
    #[arg(long = "part", value_enum, value_name = "NAME", num_args = 1..)]
    parts: Vec<Shown>,
}

/// A part as the command line calls it.
#[derive(Clone, Copy)]
struct Shown(PartName);

impl ValueEnum for Shown {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Shown; PartName::ALL.len()] = {
            let mut all = [Shown(PartName::Edges); PartName::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = Shown(PartName::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.label()))
    }
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    logging::to_stderr(false);
    let mut plan = match config::load(&arguments.config.path, &Surroundings::of_process()) {
        Ok(plan) => plan,
        Err(error) => return say::config_error(&error),
    };
    let Some(settings) = plan.telephony.take() else {
        let hint = "add to the file: [telephony] with region = \"eu-central-1\", client_id = \"…\" \
                    and client_secret = { credential = \"client-secret\" }";
        say::error("the configuration has no [telephony], so nobody can be asked", Some(hint));
        return Exit::Configuration;
    };
    let shown: BTreeSet<PartName> = arguments.parts.iter().map(|part| part.0).collect();
    let shown = if shown.is_empty() { PartName::ALL.into() } else { shown };
    let poller = match Poller::new(only(settings, &shown)) {
        Ok(poller) => poller,
        Err(error) => {
            say::error(format_args!("cannot ask the vendor's API: {error}"), None);
            return Exit::Host;
        }
    };
    let (cancel, done) = (CancellationToken::new(), CancellationToken::new());
    run::with_runtime(async {
        let nothing = Snapshot::default();
        let (read, interrupted) = tokio::join!(
            async {
                let progress = progress();
                let read = tokio::select! {
                    read = poller.read(&nothing) => Some(read),
                    () = cancel.cancelled() => None,
                };
                progress.finish_and_clear();
                done.cancel();
                read
            },
            run::interruption(&cancel, &done)
        );
        match (interrupted, read) {
            (Some(exit), _) => exit,
            (None, Some(state)) => show(arguments, &plan, &state, &shown),
            (None, None) => Exit::Interrupted,
        }
    })
}

/// A sign of life on stderr; nothing where stderr is no terminal.
fn progress() -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_style(ProgressStyle::default_spinner());
    spinner.set_message("reading the vendor's state, four minutes at most");
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

/// Leaves out what is not shown, where nothing that is shown needs it.
fn only(settings: Settings, shown: &BTreeSet<PartName>) -> Settings {
    let is_whole = shown.len() == PartName::ALL.len();
    let is_needed =
        |part: &PartName| part.is_vital() || *part == PartName::Sites || shown.contains(part);
    // A part that is asked for by name is read even where the daemon leaves it out.
    let skip = if is_whole {
        settings.skip
    } else {
        PartName::ALL.into_iter().filter(|part| !is_needed(part)).collect()
    };
    Settings { skip, ..settings }
}

fn show(arguments: &Arguments, plan: &Plan, state: &Snapshot, shown: &BTreeSet<PartName>) -> Exit {
    let now = SystemTime::now();
    let document = || json::inventory(&plan.site, state, shown, now);
    let is_to_stdout = arguments.export.as_deref() == Some(Path::new("-"));
    let printed = match &arguments.export {
        Some(path) if !is_to_stdout => exported(path, &document()),
        Some(_) => say::data(document()),
        None if arguments.json => say::data(document()),
        None => say::data(text::state(&plan.site, state, shown, now, say::width())),
    };
    for phone in plan.phones.iter().filter(|_| state.phones.is_current()) {
        if !state.phones.items.iter().any(|it| it.is(phone)) {
            say::note(format_args!("note: no phone of the vendor is called `{phone}`"));
        }
    }
    if printed == Exit::Success { standing(state, shown) } else { printed }
}

fn exported(path: &Path, document: &str) -> Exit {
    match write_whole(path, document) {
        Ok(()) => {
            say::note(format_args!("wrote {} bytes to {}", document.len(), path.display()));
            Exit::Success
        }
        Err(error) => {
            say::error(format_args!("cannot write {}: {error}", path.display()), None);
            Exit::Host
        }
    }
}

/// Writes a file that is there whole or not at all: whoever reads it meanwhile sees the old one. What
/// is no regular file, such as a pipe, is written to and not replaced.
fn write_whole(path: &Path, document: &str) -> io::Result<()> {
    let is_special = std::fs::symlink_metadata(path).is_ok_and(|it| !it.file_type().is_file());
    if is_special {
        return File::options()
            .write(true)
            .truncate(true)
            .open(path)?
            .write_all(document.as_bytes());
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written = (|| {
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(document.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // What is left of it helps nobody.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// How the command ends: well, where all could be read that a verdict needs of what is shown.
fn standing(state: &Snapshot, shown: &BTreeSet<PartName>) -> Exit {
    let parts = state.parts();
    let asked = || parts.iter().filter(|part| shown.contains(&part.name) && part.is_asked());
    let is_refused = asked().any(|part| part.problem.is_some_and(|it| it.label() == "credentials"));
    if asked().any(|part| part.is_current()) || asked().next().is_none() {
        let is_open = |part: &PartState<'_>| part.name.is_vital() && !part.is_current();
        if asked().any(is_open) { Exit::Inconclusive } else { Exit::Success }
    } else if is_refused {
        Exit::Credentials
    } else {
        Exit::Unavailable
    }
}
