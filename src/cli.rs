//! The command line: the only place that prints, and the owner of the exit codes.

mod check;
mod config;
mod explain;
mod location;
mod logging;
mod probe;
mod run;
mod say;
mod state;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// GO, or the command did what it should.
    Success = 0,
    /// GO with warnings, where `--strict` asks for it.
    Warnings = 1,
    /// NO-GO, or the probe failed.
    NoGo = 2,
    /// Not everything could be seen.
    Inconclusive = 3,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
    /// The configuration is wrong (`EX_DATAERR`).
    Configuration = 65,
    /// The vendor's API is needed and cannot be asked (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// A file or a socket of this host is not to be had (`EX_OSERR`).
    Host = 71,
    /// Credentials are missing (`EX_CONFIG`).
    Credentials = 78,
    /// SIGINT, after clean-up.
    Interrupted = 130,
    /// SIGTERM, after clean-up.
    Terminated = 143,
}

#[derive(Parser)]
#[command(
    name = "branchline",
    version,
    about = "Voice-readiness agent of a branch office: probes what a phone will need, and names the cause",
    after_help = "Exit codes:
  0   GO, or done              64  the command line is wrong
  1   warnings, with --strict  65  the configuration is wrong
  2   NO-GO, or failed         71  this host lacks a file or a socket
  3   INCONCLUSIVE             78  credentials are missing or refused
  69  the vendor's API is needed and unavailable
  130 and 143 interrupted, after clean-up"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One pass over everything, and a verdict
    Check(check::Arguments),
    /// The daemon
    Run {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// One exchange, now
    Probe(probe::Arguments),
    /// Wait until something has come true
    Wait {
        #[command(subcommand)]
        what: wait::What,
    },
    /// What the vendor says: edges, edge groups, trunks, phones, locations
    State(state::Arguments),
    /// Validate, show or start a configuration
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// A location's network settings
    Location {
        #[command(subcommand)]
        command: location::Command,
    },
    /// What a finding means, how it is decided, what to do
    Explain {
        /// The rule's id; without it, every rule in short
        rule: Option<String>,
    },
}

#[derive(clap::Args)]
struct ConfigArgument {
    /// The configuration file
    #[arg(long = "config", env = "BRANCHLINE_CONFIG", value_name = "FILE", default_value = DEFAULT)]
    path: PathBuf,
}

const DEFAULT: &str = "/etc/branchline/branchline.toml";

/// Runs the command that `arguments` give, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            // Nothing is left to be said where printing fails.
            let _ = error.print();
            return ExitCode::from(exit as u8);
        }
    };
    let exit = match arguments.command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Run { config } => run::run(config.path),
        Command::Probe(arguments) => probe::run(&arguments),
        Command::Wait { what } => wait::run(&what),
        Command::State(arguments) => state::run(&arguments),
        Command::Config { command } => config::run(&command),
        Command::Location { command } => location::run(&command),
        Command::Explain { rule } => explain::run(rule.as_deref()),
    };
    ExitCode::from(exit as u8)
}

/// Help is as wide as everything else that is printed.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command().term_width(say::width().clamp(40, 120));
    let matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}
