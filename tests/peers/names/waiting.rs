//! `branchline wait` in the branch, as a script starts it: its exit code, what it says, and the
//! moment at which it ended.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::agent::at_home_in;
use crate::netns::root;
use crate::process::{run, text, words};

/// One that runs; killed with this value, if it still does.
pub(super) struct Waiting {
    pid: u32,
    end: Receiver<Ended>,
    is_over: bool,
}

/// How one ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The exit code.
    pub(super) code: Option<i32>,
    /// When.
    pub(super) at: SystemTime,
    /// What it printed, by `--json`.
    pub(super) seen: Value,
    /// What it said meanwhile.
    pub(super) said: String,
}

impl Waiting {
    /// Starts `branchline wait … --json` inside of `wrapper`: the words that enter a namespace.
    pub(super) fn start(folder: &Path, wrapper: &[String], words: &[&str]) -> Self {
        let mut command: Command = at_home_in(folder, wrapper);
        command.arg("wait").args(words).arg("--json");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test was built");
        let (pid, (tell, end)) = (child.id(), channel());
        std::thread::spawn(move || {
            let output = child.wait_with_output().expect("a child can be waited for");
            let at = SystemTime::now();
            let (printed, said) = (text(&output.stdout), text(&output.stderr));
            let seen = serde_json::from_str(&printed).unwrap_or_default();
            // A test that is over needs no news.
            let _ = tell.send(Ended { code: output.status.code(), at, seen, said });
        });
        Self { pid, end, is_over: false }
    }

    /// Waits for its end.
    #[track_caller]
    pub(super) fn await_end(mut self) -> Ended {
        let ended = self.end.recv_timeout(PATIENCE);
        self.is_over = ended.is_ok();
        ended.unwrap_or_else(|_| panic!("it still waits after {PATIENCE:?}"))
    }

    /// Asserts that it still waits.
    #[track_caller]
    pub(super) fn assert_waiting(&mut self) {
        if let Ok(ended) = self.end.try_recv() {
            self.is_over = true;
            panic!("it ended by itself: {ended:#?}");
        }
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(super) fn interrupt(&self) {
        self.signal("INT");
    }

    fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.pid);
        run(&words(&root(), &["sh", "-c", &script]));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal("KILL");
        }
    }
}

/// Longer than any of them is told to wait.
const PATIENCE: Duration = Duration::from_secs(60);
