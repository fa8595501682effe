//! What one query costs this host, beside `dnsperf`, against the same nameserver on loopback.
//!
//! dnsperf keeps one socket, has many queries under way at once and hardly looks at what comes: the
//! least that a query can cost. Ours wait for their answers one after the other, and each has a socket and a source port of its own
//! (D-DNS-1), kernel time stamps, a random id and spelling, and an answer that is read whole and
//! becomes an observation. Its own budget: at most 12 times dnsperf's CPU (measured: 9 times, 67 µs).
//! It protects a ratio of DESIGN §7, DNS at most a tenth of the CPU of `blackbox_exporter`, which
//! takes 0.7 to 1.3 ms for a query.
//!
//! ```text
//! cargo bench --bench dnsperf
//! ```
//!
//! Needs `named` and `dnsperf`; without them it says so and ends well, since it is no test.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline::check::{Check, Whom};
use branchline::driver::{self, KeepsStamping};
use branchline_probes::{OptionValue, Options, PROBES};
use nix::sys::resource::{UsageWho, getrusage};
use tokio_util::sync::CancellationToken;

/// How many queries each makes.
const QUERIES: u32 = 20_000;
/// How often both are measured, in turn.
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let Some(_named) = Named::start(folder.path(), address) else {
        return say("named (bind9) or dnsperf is not installed: nothing is measured");
    };
    let questions = folder.path().join("questions");
    fs::write(&questions, "edge.branch.test A\n").expect("the folder is ours");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _stamping = KeepsStamping::begin();
    let check = check(address);
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let ours = micros(UsageWho::RUSAGE_SELF, || runtime.block_on(ask(&check, address)));
        let theirs = micros(UsageWho::RUSAGE_CHILDREN, || dnsperf(&questions, address));
        ratios.push(ours / theirs);
        say(&format!(
            "round {round}: ours {ours:.1} µs, dnsperf {theirs:.1} µs of CPU a query, ratio {:.1}",
            ours / theirs
        ));
    }
    ratios.sort_by(f64::total_cmp);
    say(&format!("median ratio {:.1}, budget {BUDGET}", ratios[ROUNDS / 2]));
}

/// The ratio that the head of this file promises.
const BUDGET: f64 = 12.0;

async fn ask(check: &Check, address: SocketAddr) {
    let cancel = CancellationToken::new();
    for _ in 0..QUERIES {
        let observation = driver::observe_one(check, address, &cancel, None, None).await;
        assert!(observation.failure().is_none(), "{observation:?}");
    }
}

fn dnsperf(questions: &Path, address: SocketAddr) {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("dnsperf");
    command.args(["-s", &host, "-p", &port, "-c", "1", "-T", "1"]);
    command.args(["-n", &QUERIES.to_string(), "-d"]).arg(questions);
    let output = command.output().expect("it was there a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The CPU that one query took of whoever it is, in microseconds.
fn micros(who: UsageWho, work: impl FnOnce()) -> f64 {
    let spent = || {
        let usage = getrusage(who).expect("the kernel tells");
        let (user, system) = (usage.user_time(), usage.system_time());
        (user.tv_sec() + system.tv_sec()) as f64 * 1e6 + (user.tv_usec() + system.tv_usec()) as f64
    };
    let before = spent();
    work();
    (spent() - before) / f64::from(QUERIES)
}

fn check(address: SocketAddr) -> Check {
    let probe = *PROBES.iter().find(|probe| probe.name() == "dns-query").expect("it is listed");
    let mut options = Options::defaults(probe.options());
    for (key, value) in [
        ("name", OptionValue::Text("edge.branch.test".to_owned())),
        ("recursion", OptionValue::Flag(false)),
    ] {
        let spec = probe.options().iter().find(|spec| spec.name == key).expect("an option");
        options.set(spec, value);
    }
    Check {
        site: "lyon".into(),
        target: "ns".into(),
        host: address.ip().to_string().into(),
        port: address.port(),
        whom: Whom::Host,
        module_name: "edge".into(),
        probe,
        module: Arc::from(probe.module(&options).expect("the options are valid")),
        fingerprint: "".into(),
        interval: Duration::from_secs(15),
        required: true,
        trunk: None,
        edge_group: None,
        sight: None,
    }
}

/// A nameserver of one zone, which ends with this value.
struct Named(Child);

impl Named {
    fn start(folder: &Path, address: SocketAddr) -> Option<Self> {
        Command::new("dnsperf")
            .arg("-h")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        let zone = "$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 5\n@ IN NS ns\n\
                    ns IN A 127.0.0.1\nedge IN A 127.0.0.21\n";
        fs::write(folder.join("zone"), zone).ok()?;
        let (directory, port) = (folder.display(), address.port());
        let config = format!(
            "options {{ directory \"{directory}\"; listen-on port {port} {{ 127.0.0.1; }};\n\
             listen-on-v6 {{ none; }}; pid-file none; session-keyfile none; recursion no;\n\
             notify no; dnssec-validation no; }};\ncontrols {{ }};\n\
             zone \"branch.test\" {{ type primary; file \"zone\"; }};\n"
        );
        let file = folder.join("named.conf");
        fs::write(&file, config).ok()?;
        let mut command = Command::new("named");
        command.args(["-g", "-n", "1", "-c"]).arg(file);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let named = Self(child);
        named.await_answer(address).then_some(named)
    }

    /// Asks until it answers, for ten seconds at most.
    fn await_answer(&self, address: SocketAddr) -> bool {
        const QUERY: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x06branch\x04test\0\0\x06\0\x01";
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let sent = socket.send_to(QUERY, address);
            if sent.is_ok() && socket.recv(&mut [0; 512]).is_ok() {
                return true;
            }
        }
        false
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.local_addr().expect("it is bound").port()
}

fn say(line: &str) {
    // Whoever does not listen misses nothing else.
    let _ = writeln!(std::io::stdout(), "{line}");
}
