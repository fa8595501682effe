//! Servers as child processes: configured in a folder of their own, asked until they answer, gone
//! when the test is.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rand::RngExt;
use tempfile::TempDir;

use crate::wait::{eventually, pause};

/// How long a server may take to answer for the first time on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, its folder and what it says.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    folder: TempDir,
}

impl Server {
    /// Starts `command` with its output in `folder`, under a warden that ends it and all of its
    /// children when this value, or this whole process, is gone.
    pub(crate) fn start(name: &'static str, folder: TempDir, command: &Command) -> Self {
        Self::start_through(&[], name, folder, command)
    }

    /// Starts `command` the same way, but inside of `wrapper`: the words that enter a namespace.
    pub(crate) fn start_through(
        wrapper: &[String],
        name: &'static str,
        folder: TempDir,
        command: &Command,
    ) -> Self {
        let log = File::create(folder.path().join(LOG)).expect("the folder is ours to write to");
        let errors = log.try_clone().expect("a file can be opened twice");
        let mut warden = words(wrapper, &["sh", "-c", WARDEN, "sh"]);
        warden.arg(command.get_program()).args(command.get_args());
        let child = warden
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|problem| panic!("{name} could not be started: {problem}"));
        Self { name, child, folder }
    }

    /// Asks the server until it answers.
    ///
    /// # Panics
    ///
    /// When it does not within [`PATIENCE`], or ends before.
    #[track_caller]
    pub(crate) fn await_ready<T>(&mut self, mut ask: impl FnMut() -> Result<T, String>) -> T {
        let name = self.name;
        eventually(&format!("an answer of {name}"), PATIENCE, || {
            let ended = self.child.try_wait().expect("a child can be asked for its state");
            assert!(ended.is_none(), "{name} ended before it answered: {}", self.log());
            ask()
        })
    }

    /// What the server has written so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join(LOG)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The folder in which it runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "the test harness shows it only when the test fails")]
    fn drop(&mut self) {
        // The warden hears that its input ends, asks the server to end and reaps it.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + LEAVE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                let group = format!("-{}", self.child.id());
                let killed =
                    Command::new("sh").args(["-c", r#"kill -s KILL -- "$0""#, &group]).status();
                eprintln!("{} did not end by itself: killed, {killed:?}", self.name);
                break;
            }
            pause();
        }
        let ended = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- {} ({ended:?}) ----\n{}", self.name, self.log());
        }
    }
}

/// The path of a program that these tests need.
///
/// # Panics
///
/// When it is not there; says which Debian package holds it.
#[track_caller]
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is not installed: run `apt-get install {package}`, or `tests/run`")
        })
}

/// Makes sure that Kamailio has a module that is in a package of its own.
///
/// # Panics
///
/// When it is not there; says which Debian package holds it.
#[track_caller]
pub(crate) fn module_of_kamailio(name: &str, package: &str) {
    let libraries = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];
    let folders = libraries.iter().flat_map(|library| {
        let architectures = fs::read_dir(library).into_iter().flatten().flatten();
        let folders = architectures.map(|entry| entry.path());
        folders.chain([PathBuf::from(library)])
    });
    let is_there = folders
        .map(|folder| folder.join("kamailio/modules").join(name))
        .any(|module| module.is_file());
    assert!(
        is_there,
        "Kamailio's {name} is not installed: run `apt-get install {package}`, or `tests/run`"
    );
}

/// A copy of a program in a folder of the test's own: where AppArmor confines the program to the
/// folders of its package, the copy may read ours.
#[track_caller]
pub(crate) fn own_copy(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(program.file_name().expect("a program has a name"));
    // By a process of its own: a child that another test starts meanwhile would hold a file of ours
    // open for writing, and nobody could run it.
    run_well(Command::new("cp").arg(program).arg(&copy));
    copy
}

/// Builds a program of these tests from its source, a path in this folder.
#[track_caller]
pub(crate) fn compiled(source: &str) -> PathBuf {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers")).join(source);
    let name = source.file_stem().expect("a source has a name");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Another process may do the same, or run the one that is there.
    let own = path.with_extension(std::process::id().to_string());
    let mut compiler = Command::new(program("cc", "build-essential"));
    compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-o"]);
    run_well(compiler.arg(&own).arg(&source));
    fs::rename(&own, &path).expect("the folder is ours to write to");
    path
}

/// Runs a helper to its end, or kills it after 30 s.
#[track_caller]
pub(crate) fn run(command: &Command) -> Output {
    run_within(Duration::from_secs(30), command).output().expect("`timeout` is part of coreutils")
}

/// Runs a helper and gives what it printed.
///
/// # Panics
///
/// When it fails.
#[track_caller]
pub(crate) fn run_well(command: &Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// The same command, its environment included, with an end: nothing hangs a test run.
pub(crate) fn run_within(limit: Duration, command: &Command) -> Command {
    let mut limited = Command::new("timeout");
    limited
        .args(["--signal=KILL", &limit.as_secs().to_string()])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(key, value),
            None => limited.env_remove(key),
        };
    }
    limited
}

/// A command out of its words, the first of which may come from a wrapper.
pub(crate) fn words(wrapper: &[String], rest: &[&str]) -> Command {
    let mut all = wrapper.iter().map(String::as_str).chain(rest.iter().copied());
    let mut command = Command::new(all.next().expect("a command has a first word"));
    command.args(all);
    command
}

/// What a program printed, for reading.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port of `address` that neither UDP nor TCP uses at this moment: by chance, and none that the
/// kernel gives to a client before the server has it.
pub(crate) fn free_port(address: IpAddr) -> u16 {
    eventually("a free port", PATIENCE, || {
        let port = rand::rng().random_range(FOR_SERVERS);
        TcpListener::bind((address, port)).map_err(|problem| problem.to_string())?;
        UdpSocket::bind((address, port)).map_err(|problem| problem.to_string())?;
        Ok(port)
    })
}

/// Sends one datagram inside of `wrapper` (the words that enter a namespace), and gives what comes
/// back within half a second.
pub(crate) fn ask_over_udp_inside(
    wrapper: &[String],
    server: SocketAddr,
    request: &[u8],
) -> Result<Vec<u8>, String> {
    let bytes: String = request.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let (address, port) = (server.ip().to_string(), server.port().to_string());
    let asked = run(&words(wrapper, &["bash", "-c", ASK, "bash", &address, &port, &bytes]));
    if asked.status.success() && !asked.stdout.is_empty() {
        Ok(asked.stdout)
    } else {
        Err(format!("{server} is silent: {}", text(&asked.stderr)))
    }
}

/// Whether anybody listens to TCP there, inside of `wrapper`.
pub(crate) fn listens(wrapper: &[String], at: SocketAddr) -> Result<(), String> {
    let filter = format!("src = {at}");
    let sockets = run(&words(wrapper, &["ss", "-Hltn", &filter]));
    let said = text(&sockets.stdout) + &text(&sockets.stderr);
    if said.contains("LISTEN") { Ok(()) } else { Err(format!("nobody listens at {at}: {said}")) }
}

/// Whether these tests run as root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// Where a server's output goes, in its folder.
const LOG: &str = "output.log";

/// Where servers listen: Linux gives its clients ports from 32768 on (`ip(7)`,
/// `ip_local_port_range`).
const FOR_SERVERS: Range<u16> = 20_000..32_768;

/// How long a server may take to end when it is asked to.
const LEAVE: Duration = Duration::from_secs(10);

/// Sends one datagram and prints what comes back within half a second. `printf` alone would send
/// one for each line.
const ASK: &str = r#"
exec 3<>"/dev/udp/$1/$2"
printf "$3" | dd bs=4096 count=1 iflag=fullblock status=none >&3
exec timeout 0.5 dd bs=4096 count=1 status=none <&3
"#;

/// Runs a server and ends it when its own input does: whichever way the test process goes, the
/// pipe closes. The server is asked, not killed, so that it reaps its own children (Kamailio has
/// nine): a container's first process often does not.
const WARDEN: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -TERM "$server"; } &
listener=$!
wait "$server"
status=$?
kill "$listener" 2>/dev/null
wait "$listener"
exit "$status"
"#;
