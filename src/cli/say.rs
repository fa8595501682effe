//! Printing: data on stdout, everything else on stderr, colour only where it can be seen.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use crate::cli::Exit;
use crate::config::ConfigError;

/// Data, and how the command ends if that was all. A reader that has gone away is not an error of
/// ours; a full disk is.
pub(super) fn data(text: impl Display) -> Exit {
    let mut stdout = anstream::stdout();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(problem) if problem.kind() != ErrorKind::BrokenPipe => {
            error(format_args!("cannot write to stdout: {problem}"), None);
            Exit::Host
        }
        Ok(()) | Err(_) => Exit::Success,
    }
}

/// A word to the person at the terminal.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// What went wrong, and the way out where there is one.
pub(super) fn error(what: impl Display, hint: Option<&str>) {
    note(format_args!("error: {what}"));
    if let Some(hint) = hint {
        note(format_args!("\nhint: {hint}"));
    }
}

/// What is wrong with a configuration.
pub(super) fn config_error(error: &ConfigError) -> Exit {
    note(error.to_string().trim_end());
    if error.is_credentials() { Exit::Credentials } else { Exit::Configuration }
}

/// Text without its colours, for a file.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Text as stderr is to have it, for whoever else writes there.
pub(super) fn for_stderr(text: &str) -> String {
    let choice = anstream::AutoStream::choice(&std::io::stderr());
    if choice == anstream::ColorChoice::Never { plain(text) } else { text.to_owned() }
}

/// How wide a line may be: the terminal's width, 80 where there is none.
pub(super) fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(terminal_size::Width(width), _)| width.into())
}

/// Text behind `first`, wrapped, its further lines indented.
pub(super) fn hanging(first: &str, indent: usize, text: &str) -> String {
    let rest = " ".repeat(indent);
    let options = textwrap::Options::new(width().clamp(40, 120))
        .initial_indent(first)
        .subsequent_indent(&rest)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}
