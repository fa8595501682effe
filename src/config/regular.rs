//! Opening files that a configuration names: regular ones, without ever waiting.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;

/// Opens a file to read it. A pipe that nobody writes to would wait for ever, and a device never
/// end: neither is opened.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(ErrorKind::IsADirectory.into())
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, NOT_REGULAR))
    }
}

/// What an I/O error means, in words that say nothing of the content.
pub(super) fn io_words(error: &io::Error) -> String {
    let known = [
        (ErrorKind::NotFound, "there is no such file"),
        (ErrorKind::PermissionDenied, "this user may not read it"),
        (ErrorKind::IsADirectory, "it is a directory"),
        (ErrorKind::InvalidInput, NOT_REGULAR),
    ];
    let words = known.iter().find(|(kind, _)| *kind == error.kind()).map(|(_, words)| *words);
    words.map_or_else(|| error.kind().to_string(), str::to_owned)
}

const NOT_REGULAR: &str = "it is no regular file";
