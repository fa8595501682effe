//! The lab's one voice: narrative on stderr, data on stdout, colour only where it is wanted.

use std::fmt::Display;
use std::io::{self, Write as _};

use clap::builder::styling::{AnsiColor, Style};

/// What a line's first word is painted with; the words say everything without it.
const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Writes a line of data on stdout.
pub(crate) fn data(line: impl Display) -> io::Result<()> {
    writeln!(anstream::stdout(), "{line}")
}

/// Writes a line of narrative on stderr.
pub(crate) fn note(line: impl Display) -> io::Result<()> {
    writeln!(anstream::stderr(), "{line}")
}

/// Writes a heading on stderr, an empty line before it.
pub(crate) fn heading(line: impl Display) -> io::Result<()> {
    note(format_args!("\n{HEADING}{line}{HEADING:#}"))
}

/// Writes on stderr how something ended.
pub(crate) fn outcome(is_good: bool, line: impl Display) -> io::Result<()> {
    let (style, word) = if is_good { (GOOD, "as expected") } else { (BAD, "UNEXPECTED") };
    note(format_args!("{style}{word}:{style:#} {line}"))
}
