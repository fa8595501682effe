//! Where log lines go: stderr, which under systemd is the journal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::cli::say;

/// Starts logging, once per process: a daemon tells what changes, a command only what is wrong.
/// `BRANCHLINE_LOG` takes the filter of `tracing-subscriber`.
pub(super) fn to_stderr(is_daemon: bool) {
    let default = if is_daemon { "info" } else { "error" };
    let filter = filter(default);
    let is_terminal = std::io::stderr().is_terminal();
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // The journal has its own clock.
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A second start in one process is no error: the first one holds.
    let _ = if under_systemd {
        lines.without_time().with_ansi(false).try_init()
    } else {
        lines.with_ansi(colour).try_init()
    };
}

/// What `BRANCHLINE_LOG` asks for, else `default`; the guards hold in any case.
fn filter(default: &str) -> EnvFilter {
    let asked = std::env::var("BRANCHLINE_LOG").ok().filter(|asked| !asked.is_empty());
    let guarded = |filter: &str| EnvFilter::builder().parse(format!("{filter},{GUARDS}"));
    match asked.as_deref().map(guarded) {
        Some(Ok(filter)) => filter,
        Some(Err(error)) => {
            say::error(format_args!("BRANCHLINE_LOG is no log filter: {error}"), None);
            format!("{default},{GUARDS}").into()
        }
        None => format!("{default},{GUARDS}").into(),
    }
}

/// The readers of packets call every odd packet a warning; here that is a count.
const GUARDS: &str = "stun_types=off,hickory_proto=error,hickory_resolver=error";
