//! The daemon as a child process: started with a configuration, asked until it answers, and gone
//! with its test.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use branchline_lab::{Cloud, Scenario};
use tempfile::TempDir;

use crate::conversation::{Answer, get};
use crate::wait::{PATIENCE, eventually};

/// The lab's cloud in one of its scenarios.
pub(crate) fn cloud(scenario: &str) -> Cloud {
    Cloud::start(Scenario::named(scenario).expect("it is listed")).expect("loopback is there")
}

/// An address of loopback for one test alone: no other process listens on its port.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let host = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from((Ipv4Addr::new(127, 64 | high, low, host), 9377))
}

/// The lab's configuration in a hurry: every check once in two seconds.
pub(crate) fn configuration(cloud: &Cloud) -> String {
    let text = fs::read_to_string(cloud.config()).expect("the lab wrote it");
    let (checks, vendor) = text.split_once("[telephony]").expect("it asks the API");
    let (vendor, _) = vendor.split_once("[web]").expect("it serves pages");
    let checks = checks
        .replace("interval = \"10s\"", "interval = \"2s\"")
        .replace("timeout = \"3s\"", "timeout = \"2s\"")
        .replace("timeout = \"6s\"", "timeout = \"2s\"")
        .replace("timeout = \"10s\"", "timeout = \"2s\"");
    format!("{checks}[telephony]{vendor}")
}

/// A configuration with targets of one STUN module: their names and their addresses.
pub(crate) fn stun_configuration(timing: &str, targets: &[(&str, String)]) -> String {
    let mut text = format!(
        "[site]\nname = \"lyon\"\n\n[modules.stun]\nprobe = \"stun-binding\"\n\
         timeout = \"{timing}\"\n"
    );
    for (name, address) in targets {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[targets]]\nname = \"{name}\"\naddress = \"{address}\"\n\
             modules = [\"stun\"]\ninterval = \"{timing}\"\n"
        );
    }
    text
}

/// A running `branchline run`.
pub(crate) struct Daemon {
    child: Child,
    web: SocketAddr,
    folder: TempDir,
}

impl Daemon {
    /// Starts the daemon and waits until it serves its pages.
    #[track_caller]
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[])
    }

    /// The same, with environment variables.
    #[track_caller]
    pub(crate) fn start_with(configuration: &str, variables: &[(&str, &str)]) -> Self {
        let mut daemon = Self::spawn(configuration, own_address(), variables);
        daemon.until("an answer of the daemon", |daemon| {
            let answer = get(daemon.web, "/-/healthy").map_err(|error| error.to_string())?;
            (answer.status == 200).then_some(()).ok_or(answer.head)
        });
        daemon
    }

    /// Starts the daemon without waiting for anything.
    pub(crate) fn spawn(configuration: &str, web: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let log = File::create(folder.path().join(LOG)).expect("the folder is ours");
        fs::write(folder.path().join(CONFIG), with_web(configuration, web))
            .expect("the folder is ours");
        // `exec` keeps the process id, which systemd would put into $WATCHDOG_PID.
        let script = "[ -z \"$WATCHDOG_USEC\" ] || export WATCHDOG_PID=${WATCHDOG_PID:-$$}
            exec \"$0\" \"$@\"";
        let child = Command::new("/bin/sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_branchline"), "run", "--config"])
            .arg(folder.path().join(CONFIG))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program was built for this test");
        Self { child, web, folder }
    }

    /// Where it serves its pages.
    pub(crate) const fn web(&self) -> SocketAddr {
        self.web
    }

    /// One of its pages.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> Answer {
        get(self.web, path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    /// Waits until every check has run once.
    #[track_caller]
    pub(crate) fn await_ready(&mut self) {
        self.until("readiness", |daemon| {
            let answer = daemon.page("/-/ready");
            (answer.status == 200).then_some(()).ok_or(answer.body)
        });
    }

    /// Asks until there is an answer, as long as the daemon lives.
    #[track_caller]
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&Self) -> Result<T, String>,
    ) -> T {
        eventually(what, PATIENCE, || {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert_eq!(ended, None, "the daemon ended, and {what} was awaited: {}", self.log());
            ask(self).map_err(|problem| format!("{problem}\n{}", self.log()))
        })
    }

    /// Replaces the configuration, and says so with SIGHUP.
    pub(crate) fn reload(&self, configuration: &str) {
        let text = with_web(configuration, self.web);
        fs::write(self.folder.path().join(CONFIG), text).expect("the folder is ours");
        self.signal("HUP");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} could not be sent");
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn await_end(&mut self, patience: Duration) -> ExitStatus {
        eventually("the end of the daemon", patience, || {
            let ended = self.child.try_wait().expect("a child can be asked");
            ended.ok_or_else(|| self.log())
        })
    }

    /// Whether it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// The most memory that it ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.expect("Linux says it") << 10
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }

    /// The lines of its log that hold a word.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join(CONFIG)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_web(configuration: &str, web: SocketAddr) -> String {
    format!("{configuration}\n[web]\nlisten = [\"{web}\"]\n")
}

const CONFIG: &str = "branchline.toml";
const LOG: &str = "log";
