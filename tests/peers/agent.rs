//! The product as its users start it: the binary, its words, its exit code and its JSON.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::{run_within, text, words};
use crate::wait::eventually;

/// The binary under test.
pub(crate) const BRANCHLINE: &str = env!("CARGO_BIN_EXE_branchline");

/// The name of the variable in which a probe's password is given.
const PASSWORD_VARIABLE: &str = "BRANCHLINE_TEST_PASSWORD";

/// What `branchline probe … --json` said of one address.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// The observation.
    pub(crate) seen: Value,
}

impl Probed {
    /// A fact, or null.
    pub(crate) fn fact(&self, name: &str) -> &Value {
        &self.seen["facts"][name]
    }

    /// The reason of the failure, or null.
    pub(crate) fn reason(&self) -> &Value {
        &self.seen["failure"]["reason"]
    }

    /// Asserts that the probe succeeded, and says so in every place.
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert_eq!(self.seen["success"], true, "{self:#?}");
        assert_eq!(self.seen["failure"], Value::Null, "{self:#?}");
        assert_eq!(self.code, Some(0), "{self:#?}");
    }

    /// Asserts that the probe failed for `reason`, and says so in every place.
    #[track_caller]
    pub(crate) fn assert_failure(&self, reason: &str) {
        assert_eq!(self.reason(), reason, "{self:#?}");
        assert_eq!(self.seen["success"], false, "{self:#?}");
        assert_eq!(self.code, Some(2), "{self:#?}");
    }
}

/// One `branchline probe`, to be refined and run.
pub(crate) struct Probe {
    words: Vec<String>,
    password: Option<String>,
    wrapper: Vec<String>,
}

/// Begins a `branchline probe NAME TARGET`.
pub(crate) fn probe(name: &str, target: impl ToString) -> Probe {
    let words = vec!["probe".to_owned(), name.to_owned(), target.to_string(), "--json".to_owned()];
    Probe { words, password: None, wrapper: Vec::new() }
}

impl Probe {
    /// Adds `--option KEY=VALUE`.
    pub(crate) fn option(mut self, key: &str, value: &str) -> Self {
        self.words.extend(["--option".to_owned(), format!("{key}={value}")]);
        self
    }

    /// Gives the password, by reference to a variable of the environment.
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.option("password", &format!("env:{PASSWORD_VARIABLE}"))
    }

    /// Gives the shared secret, by reference to a variable of the environment.
    pub(crate) fn shared_secret(mut self, secret: &str) -> Self {
        self.password = Some(secret.to_owned());
        self.option("shared_secret", &format!("env:{PASSWORD_VARIABLE}"))
    }

    /// Runs it inside of `wrapper`: the words that enter a namespace.
    pub(crate) fn inside(mut self, wrapper: &[String]) -> Self {
        self.wrapper = wrapper.to_vec();
        self
    }

    /// Runs it; the target is one address, so there is one observation.
    ///
    /// # Panics
    ///
    /// When standard output is anything but one line of JSON.
    #[track_caller]
    pub(crate) fn run(self) -> Probed {
        let words = self.words.join(" ");
        self.run_or_refuse().unwrap_or_else(|| panic!("the product refuses: {words}"))
    }

    /// Runs it; there is one observation for each address of the target.
    ///
    /// # Panics
    ///
    /// When standard output is anything but lines of JSON.
    #[track_caller]
    pub(crate) fn run_each(self) -> Vec<Probed> {
        let output = self.output();
        let (said, code) = (text(&output.stdout), output.status.code());
        let read = |line| {
            serde_json::from_str(line).unwrap_or_else(|problem| panic!("{problem} in {line}"))
        };
        said.lines().map(|line| Probed { code, seen: read(line) }).collect()
    }

    /// Runs it for people: what it says, and what it traces.
    pub(crate) fn show(mut self) -> (String, String) {
        self.words.retain(|word| word != "--json");
        self.words.push("--trace".to_owned());
        let output = self.output();
        (text(&output.stdout), text(&output.stderr))
    }

    fn output(&self) -> Output {
        let mut command = words(&self.wrapper, &[BRANCHLINE]);
        command.args(&self.words).env("NO_COLOR", "1");
        if let Some(password) = &self.password {
            command.env(PASSWORD_VARIABLE, password);
        }
        run_within(LIMIT, &command).output().expect("`timeout` is part of coreutils")
    }

    /// Runs it; `None` when the product refuses the words themselves, and so says nothing.
    #[track_caller]
    pub(crate) fn run_or_refuse(self) -> Option<Probed> {
        let output = self.output();
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        if said.is_empty() && matches!(output.status.code(), Some(USAGE | CONFIGURATION)) {
            return None;
        }
        let lines: Vec<&str> = said.lines().collect();
        let [line] = lines[..] else {
            panic!(
                "one address is one line of JSON\n{:?}: {}\n{said}{errors}",
                self.words, output.status
            )
        };
        let seen = serde_json::from_str(line)
            .unwrap_or_else(|problem| panic!("{problem} in {line}\n{errors}"));
        Some(Probed { code: output.status.code(), seen })
    }
}

/// Writes a configuration into `folder` and gives its path.
pub(crate) fn configure(folder: &Path, toml: &str) -> PathBuf {
    write(&folder.join("branchline.toml"), toml)
}

/// Writes a secret into `folder`, readable by its owner only, and gives its path.
pub(crate) fn keep_secret(folder: &Path, name: &str, secret: &str) -> PathBuf {
    write(&folder.join(name), secret)
}

/// Runs `branchline check --format json --output …` and gives the report with the exit code.
///
/// # Panics
///
/// When no report was written.
#[track_caller]
pub(crate) fn check(folder: &Path, config: &Path) -> (Option<i32>, Value) {
    check_inside(&[], folder, config)
}

/// The same inside of `wrapper`: the words that enter a namespace.
///
/// # Panics
///
/// When no report was written.
#[track_caller]
pub(crate) fn check_inside(
    wrapper: &[String],
    folder: &Path,
    config: &Path,
) -> (Option<i32>, Value) {
    let report = folder.join("report.json");
    let mut command = at_home_in(folder, wrapper);
    command
        .args(["check", "--format", "json", "--config"])
        .arg(config)
        .arg("--output")
        .arg(&report);
    let output = run_within(LIMIT, &command).output().expect("`timeout` is part of coreutils");
    let said = fs::read_to_string(&report).unwrap_or_else(|problem| {
        panic!("no report: {problem}; {}\n{}", output.status, text(&output.stderr))
    });
    let report = serde_json::from_str(&said)
        .unwrap_or_else(|problem| panic!("{problem} in the report\n{said}"));
    (output.status.code(), report)
}

/// A running `branchline run`.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it with a configuration.
    pub(crate) fn start(folder: &Path, config: &Path) -> Self {
        Self::start_inside(&[], folder, config)
    }

    /// The same inside of `wrapper`: the words that enter a namespace.
    pub(crate) fn start_inside(wrapper: &[String], folder: &Path, config: &Path) -> Self {
        let log = folder.join("daemon.log");
        let errors = fs::File::create(&log).expect("the folder is ours to write to");
        let child = at_home_in(folder, wrapper)
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(errors.try_clone().expect("a file can be opened twice"))
            .stderr(errors)
            .spawn()
            .expect("the binary under test was built");
        Self { child, log }
    }

    /// Sends SIGTERM, as systemd does.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill -TERM "$0""#, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM could not be sent to {pid}");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn await_end(&mut self, patience: Duration) -> ExitStatus {
        eventually("the end of the daemon", patience, || {
            let ended = self.child.try_wait().expect("a child can be asked for its state");
            ended.ok_or_else(|| "it still runs".to_owned())
        })
    }

    /// Asserts that it has not ended by itself.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("a child can be asked for its state");
        assert!(ended.is_none(), "the daemon ended by itself: {ended:?}");
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "the test harness shows it only when the test fails")]
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if std::thread::panicking() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("---- branchline run ({killed:?}) ----\n{said}");
        }
    }
}

/// Begins a command of the product inside of `wrapper`, in which no user's own configuration,
/// history or account takes part. `sudo` would keep its environment from it, so `env` sets it.
pub(crate) fn at_home_in(folder: &Path, wrapper: &[String]) -> Command {
    let mut command = words(wrapper, &["env"]);
    for variable in NOT_OURS {
        command.args(["-u", variable]);
    }
    command.arg("NO_COLOR=1");
    for variable in ["HOME", "STATE_DIRECTORY", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.arg(format!("{variable}={}", folder.display()));
    }
    command.arg(BRANCHLINE);
    command
}

fn write(path: &Path, content: &str) -> PathBuf {
    fs::write(path, content).expect("the folder is ours to write to");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, private).expect("the file is ours");
    path.to_owned()
}

/// What the machine on which the tests run may have set.
const NOT_OURS: [&str; 8] = [
    "GENESYS_CLIENT_ID",
    "GENESYS_CLIENT_SECRET",
    "GENESYSCLOUD_REGION",
    "GENESYSCLOUD_OAUTHCLIENT_ID",
    "GENESYSCLOUD_OAUTHCLIENT_SECRET",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
];

/// The exit code for words that are not understood.
const USAGE: i32 = 64;

/// The exit code for options that are refused.
const CONFIGURATION: i32 = 65;

/// How long one command of the product may take before it is killed.
const LIMIT: Duration = Duration::from_secs(60);
