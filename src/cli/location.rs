//! `branchline location`: a location's network settings, before they are relied on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use branchline_probes::Foreign;

use crate::cli::{Exit, say};
use crate::config;
use crate::location::{self, Findings};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Validate a location's network settings, without touching the network
    Check {
        /// A file of settings as JSON: SIP ports, proxy, STUN, TURN, allow list
        #[arg(value_name = "FILE|ID")]
        what: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> Exit {
    let Command::Check { what } = command;
    if is_id(what) {
        let shown = Foreign::new(what.to_string_lossy().as_bytes());
        let problem = format!("not yet: `{shown}` is no file, and a location cannot be asked for");
        say::error(problem, Some("give a file: branchline location check location.json"));
        return Exit::Usage;
    }
    match config::read_text(what, "give a file of settings as JSON") {
        Ok(text) => show(what, &location::check(&text)),
        Err(error) => say::config_error(&error),
    }
}

/// Whether this is the id of a location rather than the name of a file.
fn is_id(what: &Path) -> bool {
    !what.exists() && !what.to_string_lossy().contains(['/', '.'])
}

/// How many problems are shown: more than a screen of them helps nobody.
const MOST: usize = 20;

fn show(path: &Path, findings: &Findings) -> Exit {
    let file = Foreign::new(path.to_string_lossy().as_bytes());
    let mut text = String::new();
    let words = findings.problems.iter().take(MOST).map(|it| ("error: ", it));
    for (word, problem) in words.chain(findings.doubts.iter().take(MOST).map(|it| ("note: ", it))) {
        // Writing into a String cannot fail.
        let _ = write!(text, "{}", say::hanging(word, 2, &format!("{file}: {problem}")));
    }
    let more = findings.problems.len().saturating_sub(MOST);
    if more > 0 {
        let _ = writeln!(text, "error: {file}: {more} more, shown when the first ones are mended");
    }
    if !text.is_empty() {
        say::note(text.trim_end());
    }
    if !findings.problems.is_empty() {
        return Exit::Configuration;
    }
    let plural = if findings.checked == 1 { "" } else { "s" };
    let name = findings.name.as_ref().map_or_else(|| file.to_string(), ToString::to_string);
    say::data(format_args!("valid: location {name}, {} setting{plural}\n", findings.checked))
}
