//! The audit trail: what came from outside and what it led to, one JSON object a line.
//!
//! Lines are written by a thread of their own, so that a disk that hangs holds nobody up; what does
//! not find room before it is dropped, and how much that was is told in the trail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use branchline_probes::Foreign;
use jiff::Timestamp;
use nix::libc;
use serde_json::{Map, Value};

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    at: SystemTime,
    event: &'static str,
    details: Vec<(&'static str, Value)>,
}

impl Entry {
    /// Something that happened at this moment.
    #[must_use]
    pub const fn new(event: &'static str, at: SystemTime) -> Self {
        Self { at, event, details: Vec::new() }
    }

    /// With a text, whoever wrote it.
    #[must_use]
    pub fn with(mut self, key: &'static str, text: impl AsRef<[u8]>) -> Self {
        self.details.push((key, Foreign::new(text).as_str().into()));
        self
    }

    /// With a text where there is one.
    #[must_use]
    pub fn with_some(self, key: &'static str, text: Option<impl AsRef<[u8]>>) -> Self {
        match text {
            Some(text) => self.with(key, text),
            None => self,
        }
    }

    /// With a number.
    #[must_use]
    pub fn with_count(mut self, key: &'static str, count: u64) -> Self {
        self.details.push((key, count.into()));
        self
    }

    fn detail(&self, key: &str) -> Option<&str> {
        self.details.iter().find(|(it, _)| *it == key)?.1.as_str()
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        let at = Timestamp::try_from(self.at).unwrap_or_default();
        let mut object = Map::new();
        object.insert("at".to_owned(), format!("{at:.3}").into());
        object.insert("event".to_owned(), self.event.into());
        for (key, value) in &self.details {
            object.insert((*key).to_owned(), value.clone());
        }
        format!("{}\n", Value::Object(object))
    }
}

/// Where entries go.
pub struct Trail {
    /// `None` without a folder: then the log has them.
    lines: Option<SyncSender<String>>,
    ended: Option<Receiver<()>>,
    dropped: u64,
}

impl Trail {
    /// A trail in this folder; in the log alone where there is none, or nobody can write there.
    #[must_use]
    pub fn open(folder: Option<&Path>) -> Self {
        let alone = Self { lines: None, ended: None, dropped: 0 };
        let Some(folder) = folder else { return alone };
        let book = match Book::open(folder) {
            Ok(book) => book,
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "the audit trail cannot be written: the log has it");
                return alone;
            }
        };
        let (lines, waiting) = sync_channel(WAITING);
        let (end, ended) = sync_channel(1);
        let writer = thread::Builder::new().name("audit".to_owned()).spawn(move || {
            book.write_on(&waiting);
            let _ = end.send(());
        });
        match writer {
            Ok(_) => Self { lines: Some(lines), ended: Some(ended), dropped: 0 },
            Err(_) => alone,
        }
    }

    /// Notes what happened; waits for nothing.
    pub fn record(&mut self, entry: &Entry) {
        let line = entry.line();
        let Some(lines) = &self.lines else {
            let of = |key| entry.detail(key).map(ToString::to_string).unwrap_or_default();
            let (object, result) = (of("id"), of("result"));
            tracing::info!(event = entry.event, object, result, "audit");
            return;
        };
        tracing::debug!(entry = line.trim_end(), "audit");
        if self.dropped > 0 {
            let dropped = Entry::new("dropped", entry.at).with_count("entries", self.dropped);
            if lines.try_send(dropped.line()).is_ok() {
                self.dropped = 0;
            }
        }
        if lines.try_send(line).is_err() {
            self.dropped += 1;
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        drop(self.lines.take());
        if let Some(ended) = &self.ended {
            // What hangs then hangs without us.
            let _ = ended.recv_timeout(LONGEST_END);
        }
    }
}

/// The file, and how much is in it.
struct Book {
    path: PathBuf,
    file: File,
    length: u64,
    is_failing: bool,
}

impl Book {
    fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(NAME);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("audit.jsonl is no regular file"));
        }
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        let length = file.metadata()?.len();
        Ok(Self { path, file, length, is_failing: false })
    }

    fn write_on(mut self, waiting: &Receiver<String>) {
        while let Ok(line) = waiting.recv() {
            match self.write(&line) {
                Ok(()) => self.is_failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::warn!(%error, "the audit trail cannot be written");
                    }
                }
            }
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.length > 0 && self.length + line.len() as u64 > LARGEST {
            fs::rename(&self.path, self.path.with_file_name(OLD_NAME))?;
            *self = Self { is_failing: self.is_failing, ..Self::open(&self.folder())? };
        }
        let written = self.file.write_all(line.as_bytes());
        if written.is_err() {
            // Half a line would spoil the next one.
            self.file.set_len(self.length)?;
        }
        written?;
        self.length += line.len() as u64;
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).to_owned()
    }
}

const NAME: &str = "audit.jsonl";
const OLD_NAME: &str = "audit.jsonl.1";
/// How large a file of the trail grows, in bytes; there are two.
const LARGEST: u64 = 1 << 20;
/// How many entries may wait for the disk, each of about a kilobyte at most.
const WAITING: usize = 256;
const LONGEST_END: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::{Book, Entry, LARGEST, Trail};

    fn entry() -> Entry {
        Entry::new("webhook", SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_250))
    }

    #[test]
    fn an_entry_is_one_line_of_json_whatever_somebody_wrote_into_it() {
        let line = entry().with("id", "a\n\"b\"\u{1b}[2J").with_count("hints", 2).line();

        let expected = r#"{"at":"2027-01-15T08:00:00.250Z","event":"webhook","id":"a\\u{a}\"b\"\\u{1b}[2J","hints":2}"#;
        assert_eq!(line, format!("{expected}\n"));
    }

    #[test]
    fn foreign_text_in_the_trail_is_bounded() {
        let line = entry().with("id", "i".repeat(100_000)).line();

        assert!(line.len() < 512, "{}", line.len());
    }

    #[test]
    fn the_trail_is_ours_alone_and_goes_on_where_it_was() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("audit.jsonl");
        for number in 0..3 {
            let mut trail = Trail::open(Some(folder.path()));
            trail.record(&entry().with_count("number", number));
        }

        let text = fs::read_to_string(&path).expect("it is there");

        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line.starts_with("{\"at\":")), "{text}");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_trail_is_bounded_and_keeps_the_latest() {
        let folder = tempfile::tempdir().expect("there is room");
        let mut book = Book::open(folder.path()).expect("it is ours");
        for number in 0..20_000 {
            let line = entry().with("id", "i".repeat(200)).with_count("number", number).line();
            book.write(&line).expect("there is room");
        }

        let now = fs::read_to_string(folder.path().join("audit.jsonl")).expect("it is there");
        let before = fs::read_to_string(folder.path().join("audit.jsonl.1")).expect("it is there");
        assert_eq!(LARGEST, 1 << 20);
        assert!(now.len() as u64 <= LARGEST && before.len() as u64 <= LARGEST);
        assert!(now.ends_with("\"number\":19999}\n"));
        assert!(before.ends_with("}\n"));
        assert_eq!(fs::read_dir(folder.path()).expect("it is ours").count(), 2);
    }

    #[test]
    fn a_link_in_the_place_of_the_trail_is_not_followed() {
        let folder = tempfile::tempdir().expect("there is room");
        let other = folder.path().join("other");
        std::os::unix::fs::symlink(&other, folder.path().join("audit.jsonl")).expect("it is ours");

        Trail::open(Some(folder.path())).record(&entry());

        assert!(!other.exists());
    }
}
