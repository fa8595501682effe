//! The journal of intents: what this process may have left with a peer, so that the next one
//! takes it back.
//!
//! A text file with one object a line: an intent that was opened, one that was settled, and
//! whether the process that wrote it ended in order. It holds no secret. A line is written by one
//! call and not synchronised to the disk: what the kernel has taken survives the process, however
//! that ends; what a power cut takes expires at the peer by itself.
//!
//! It is the one file that is written where exchanges run, and not beside them: the line has to be
//! there before the packet leaves, and it is an append of some 300 bytes to the page cache, which
//! waits for no disk; the whole file, written anew once in thousands of lines, is about a megabyte
//! at most. A file system that hangs all the same holds the daemon up, and the watchdog ends that.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use branchline_probes::{Intent, LegId};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::check::Check;

/// Of which check an intent is, and where it left from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The module's name.
    pub module: String,
    /// The target's name.
    pub target: String,
    host: String,
    port: u16,
    leg: u8,
    local: SocketAddr,
    peer: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<[u8; 8]>,
}

impl Key {
    fn new(check: &Check, intent: Intent) -> Self {
        Self {
            module: check.module_name.to_string(),
            target: check.target.to_string(),
            host: check.host.to_string(),
            port: check.port,
            leg: intent.leg.0,
            local: intent.local,
            peer: intent.peer,
            mark: intent.mark,
        }
    }

    /// The intent itself.
    #[must_use]
    pub const fn intent(&self) -> Intent {
        Intent { leg: LegId(self.leg), local: self.local, peer: self.peer, mark: self.mark }
    }

    /// Whether `check` is the one whose exchange had this intent: credentials are sent to the
    /// peer of an intent, so it has to be one to whom the configuration still gives them.
    #[must_use]
    pub fn is_of(&self, check: &Check) -> bool {
        *self.module == *check.module_name
            && *self.target == *check.target
            && *self.host == *check.host
            && self.port == check.port
    }
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The process that writes from here on has begun; how it writes.
    Begun {
        #[serde(default)]
        version: u32,
        at: u64,
    },
    /// What follows may leave something with a peer; `at` in seconds since 1970.
    Open { at: u64, key: Key },
    /// Nothing of it is left.
    Settled { key: Key },
    /// The process has ended in order.
    Ended { at: u64 },
}

/// What an earlier process left in the journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Intents that were never settled.
    pub intents: Vec<Key>,
    /// How many more there were that are too old to matter.
    pub expired: usize,
    /// How many lines were none of ours.
    pub unread: usize,
    /// Whether that process was killed or lost its power.
    pub was_unclean: bool,
}

/// The journal of this process.
#[derive(Debug)]
pub struct Journal(Mutex<Book>);

#[derive(Debug)]
struct Book {
    path: PathBuf,
    pen: Pen<File>,
    open: BTreeMap<Key, u64>,
    /// Lines since the file was written anew.
    lines: usize,
    has_complained: bool,
}

impl Journal {
    /// Opens the journal in `folder`, and tells what an earlier process left in it. What it left
    /// is open here, too, until it is settled.
    ///
    /// # Errors
    ///
    /// What the kernel says where the file cannot be read or written; that it is not for us, where
    /// a later version of this program has written it. It stays as it is then.
    pub fn open(folder: &Path, now: SystemTime) -> io::Result<(Self, Leftovers)> {
        let (path, now) = (folder.join(NAME), seconds(now));
        let mut text = Vec::new();
        match open_regular(&path) {
            Ok(file) => drop(file.take(LONGEST).read_to_end(&mut text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (mut open, mut leftovers) = read(&text)?;
        if leftovers.unread > 0 {
            set_aside(&path);
        }
        let found = open.len();
        open.retain(|_, at| !is_expired(*at, now));
        leftovers.expired = found - open.len();
        leftovers.intents = open.keys().cloned().collect();
        let file = write_anew(&path, &open, now)?;
        let book = Book { path, pen: Pen::new(file), open, lines: 0, has_complained: false };
        Ok((Self(Mutex::new(book)), leftovers))
    }

    /// Notes what an exchange of `check` is about to leave with a peer: it is written when this
    /// returns.
    pub fn intend(&self, check: &Check, intent: Intent, now: SystemTime) -> Key {
        let (key, now) = (Key::new(check, intent), seconds(now));
        let mut book = self.book();
        if book.open.len() >= MOST_OPEN {
            book.open.retain(|_, at| !is_expired(*at, now));
        }
        book.make_room(check, now);
        if book.open.len() < MOST_OPEN || book.open.contains_key(&key) {
            book.open.insert(key.clone(), now);
            book.write(&Line::Open { at: now, key: key.clone() }, now);
        } else {
            book.complain("it is full");
        }
        key
    }

    /// Notes that nothing of an intent is left.
    pub fn settle(&self, key: &Key, now: SystemTime) {
        let mut book = self.book();
        if book.open.remove(key).is_some() {
            book.write(&Line::Settled { key: key.clone() }, seconds(now));
        }
    }

    /// Notes that this process ends in order, whatever it leaves.
    pub fn end(&self, now: SystemTime) {
        let at = seconds(now);
        self.book().write(&Line::Ended { at }, at);
    }

    /// How many intents are open.
    #[must_use]
    pub fn open_intents(&self, now: SystemTime) -> usize {
        let now = seconds(now);
        self.book().open.values().filter(|at| !is_expired(**at, now)).count()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Each change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Once the journal is half full, one check keeps no more than its latest intents: whose server
    /// never lets go must not keep others from noting theirs.
    fn make_room(&mut self, check: &Check, now: u64) {
        if self.open.len() < MOST_OPEN / 2 {
            return;
        }
        let own = self.open.iter().filter(|(key, _)| key.is_of(check));
        let mut own: Vec<(u64, Key)> = own.map(|(key, at)| (*at, key.clone())).collect();
        own.sort();
        let surplus = (own.len() + 1).saturating_sub(MOST_OF_A_CHECK);
        for (_, key) in own.into_iter().take(surplus) {
            self.open.remove(&key);
            self.write(&Line::Settled { key }, now);
        }
    }

    fn write(&mut self, line: &Line, now: u64) {
        self.lines += 1;
        if self.lines > MOST_LINES {
            self.open.retain(|_, at| !is_expired(*at, now));
            match write_anew(&self.path, &self.open, now) {
                Ok(file) => (self.pen, self.lines) = (Pen::new(file), 0),
                // It may not grow without end, either.
                Err(error) => return self.complain(&error.to_string()),
            }
        }
        match self.pen.write(line) {
            Ok(()) => self.has_complained = false,
            Err(error) => self.complain(&error.to_string()),
        }
    }

    /// Once, until it works again: an exchange does not wait for the disk to be mended.
    fn complain(&mut self, problem: &str) {
        if !std::mem::replace(&mut self.has_complained, true) {
            let path = self.path.display();
            tracing::warn!(%path, problem, "the journal cannot be written: should this process be \
                killed, what it leaves with servers stays there until it expires");
        }
    }
}

/// The intents that are open at the end of a file, and what else it tells.
fn read(text: &[u8]) -> io::Result<(BTreeMap<Key, u64>, Leftovers)> {
    let (mut open, mut leftovers) = (BTreeMap::new(), Leftovers::default());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(Line::Begun { version, .. }) if version > VERSION => {
                let problem = "a later version of this program has written it";
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            Ok(Line::Begun { .. }) => leftovers.was_unclean = true,
            Ok(Line::Ended { .. }) => leftovers.was_unclean = false,
            Ok(Line::Open { at, key }) if open.len() < MOST_OPEN => drop(open.insert(key, at)),
            Ok(Line::Settled { key }) => drop(open.remove(&key)),
            Ok(Line::Open { .. }) | Err(_) => leftovers.unread += 1,
        }
    }
    Ok((open, leftovers))
}

/// Opens what is to be read. A pipe in its place would keep the daemon from starting.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// Keeps a file with lines that nobody could read for who wants to know whose they are: the first
/// one, since those after it have no more to tell.
fn set_aside(path: &Path) {
    let beside = path.with_extension("unread");
    if let Err(error) = fs::hard_link(path, &beside)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        tracing::warn!(path = %beside.display(), %error, "what the journal held is not kept");
    }
}

/// Replaces the file by one that holds what is open, whole or not at all.
fn write_anew(path: &Path, open: &BTreeMap<Key, u64>, now: u64) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut text = serde_json::to_vec(&Line::Begun { version: VERSION, at: now })?;
    for (key, at) in open {
        text.push(b'\n');
        serde_json::to_writer(&mut text, &Line::Open { at: *at, key: key.clone() })?;
    }
    text.push(b'\n');
    // What lies there is of a process that died here, or a link to something else.
    let _ = fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(&beside)?.write_all(&text)?;
    fs::rename(&beside, path)?;
    OpenOptions::new().append(true).open(path)
}

/// Writes line after line.
#[derive(Debug)]
struct Pen<W> {
    file: W,
    /// Whether the last line may have been written in part: a full disk takes what still fits.
    is_torn: bool,
}

impl<W: Write> Pen<W> {
    const fn new(file: W) -> Self {
        Self { file, is_torn: false }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = Vec::new();
        if self.is_torn {
            text.push(b'\n');
        }
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let written = self.file.write_all(&text);
        self.is_torn = written.is_err();
        written
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A clock that was set back makes nothing older; what seems to be of a far future is of a clock
/// that was wrong.
fn is_expired(at: u64, now: u64) -> bool {
    Duration::from_secs(now.abs_diff(at)) > LONGEST_LIFE
}

/// The file in the state directory.
const NAME: &str = "intents";
/// How the lines are written. A greater number is for lines that this program would misread.
const VERSION: u32 = 1;
/// What a server keeps for longer it was asked to keep: RFC 8656 §7.2 recommends an hour as the
/// longest life of what an exchange creates.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// How many intents may be open: more than exchanges of one host that create something.
const MOST_OPEN: usize = 4096;
/// How many of them one check may have once the journal is half full: as many as are taken back.
const MOST_OF_A_CHECK: usize = 32;
/// After how many lines the file is written anew.
const MOST_LINES: usize = 4096;
/// How much of a file is read, in bytes: far more than is written.
const LONGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::net::SocketAddr;

    use super::{Key, Line, Pen, read};

    /// A disk with so much room.
    struct Disk {
        text: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room);
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= fits;
            self.text.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn key(port: u16) -> Key {
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        let (module, target, host) = ("turn".into(), "relay".into(), "relay.test".into());
        Key { module, target, host, port: 3478, leg: 0, local, peer: local, mark: None }
    }

    // F26
    #[test]
    fn after_a_full_disk_the_next_line_is_a_line_of_its_own() {
        for room in [0, 1, 40, 120] {
            let mut pen = Pen::new(Disk { text: Vec::new(), room });

            assert!(pen.write(&Line::Open { at: 7, key: key(1) }).is_err());
            pen.file.room = usize::MAX;
            for port in [2, 3] {
                pen.write(&Line::Open { at: 7, key: key(port) }).unwrap();
            }

            let (open, left) = read(&pen.file.text).unwrap();
            assert!(open.keys().eq(&[key(2), key(3)]), "room for {room}");
            assert_eq!(left.unread, usize::from(room > 0));
        }
    }
}
