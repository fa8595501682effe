//! The command line as a shell sees it: what is printed where, and the exit code.

mod locations;
mod nameserver;
mod reading;
mod settling;
mod states;
mod uris;
mod verdicts;
mod waits;

#[path = "../daemon/registrar.rs"]
#[expect(dead_code, reason = "the daemon's tests count requests, these do not")]
mod registrar;
#[path = "../daemon/tenant.rs"]
mod tenant;
#[path = "../daemon/wait.rs"]
mod wait;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use branchline_lab::{Cloud, Scenario};

/// How a command ended, and what it printed.
#[derive(Debug, PartialEq)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The program with an environment of its own, in which nothing is a terminal.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

fn branchline(arguments: &[&str]) -> Ran {
    ran(&mut command(arguments))
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the program was built for this test");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn cloud(scenario: &str) -> Cloud {
    Cloud::start(Scenario::named(scenario).expect("it is listed")).expect("loopback is there")
}

/// Writes a configuration into a folder, and says where it is.
fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("branchline.toml");
    fs::write(&path, text).expect("the folder is ours");
    path
}

/// Asserts that a person can read a text on any terminal: no escape bytes, no long line.
#[track_caller]
fn assert_plain(text: &str, of: &str) {
    assert!(!text.contains('\u{1b}'), "{of} holds an escape byte: {text:?}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{of} has a line wider than 80 columns: {line}");
        assert_eq!(line, line.trim_end(), "{of}: blanks at the end of a line");
    }
}
