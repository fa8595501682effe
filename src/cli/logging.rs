//! Where log lines go: stderr, which under systemd is the journal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging, once per process: a daemon tells what changes, a command only what is wrong.
/// `BRANCHLINE_LOG` takes the filter of `tracing-subscriber`.
pub(super) fn to_stderr(is_daemon: bool) {
    let default = if is_daemon { "info" } else { "error" };
    // The readers of packets call every odd packet a warning; here that is a count.
    let default = format!("{default},stun_types=off,hickory_proto=error,hickory_resolver=error");
    let filter = EnvFilter::try_from_env("BRANCHLINE_LOG").unwrap_or_else(|_| default.into());
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
