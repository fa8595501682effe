//! What one registration costs this host, beside `sipp` and `sipsak`, against the same Kamailio on
//! loopback with digest authentication (MD5, which is all that sipsak and Debian's sipp know).
//!
//! All three ask the same: a REGISTER that is challenged and one with credentials; ours and the
//! scenario of sipp then remove the contact and read what is held, with as many registrations under
//! way at a time. sipp keeps one socket and a scenario that is compiled once: the least that one can
//! cost. Each of ours has a socket, kernel time stamps, random identifiers and answers that are read
//! whole, compared, and become an observation. The budget of DESIGN §7: at most twice the CPU of
//! sipp (measured: 1.5 times, 116 µs, and half the time). sipsak is a process for each
//! registration, and waits between its requests: 3 % of its CPU and 1 % of its time.
//!
//! ```text
//! cargo bench --bench register
//! ```
//!
//! Needs `kamailio`, `sipp` and `sipsak`; without them it says so and ends well, since it is no
//! test.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use branchline::driver::{self, KeepsStamping};
use branchline_probes::{Chance, Module, OptionValue, Options, PROBES, Secret, Target};
use futures_util::stream::{self, StreamExt as _};
use nix::sys::resource::{UsageWho, getrusage};
use tokio_util::sync::CancellationToken;

/// How many registrations ours and sipp make in a round.
const REGISTRATIONS: u32 = 2_000;
/// How many sipsak makes, which is slow.
const FEW: u32 = 20;
/// How many ours and sipp have under way at a time: one alone would measure how the host wakes up.
const AT_ONCE: usize = 50;
/// How often all are measured, in turn.
const ROUNDS: usize = 5;
/// The ratio that the head of this file promises.
const BUDGET: f64 = 2.0;

/// What one registration took of whoever made it.
#[derive(Clone, Copy)]
struct Cost {
    cpu_micros: f64,
    wall_micros: f64,
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let Some(_registrar) = Registrar::start(folder.path(), address) else {
        return say("kamailio, sipp or sipsak is not installed: nothing is measured");
    };
    let scenario = folder.path().join("register.xml");
    fs::write(&scenario, scenario_of_sipp()).expect("the folder is ours");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _stamping = KeepsStamping::begin();
    let module = module();
    let (mut to_sipp, mut to_sipsak) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let own = UsageWho::RUSAGE_SELF;
        let ours = cost(own, REGISTRATIONS, || runtime.block_on(register(&*module, address)));
        let children = UsageWho::RUSAGE_CHILDREN;
        let sipp = cost(children, REGISTRATIONS, || sipp(&scenario, folder.path(), address));
        let sipsak = cost(children, FEW, || sipsak(address));
        say(&format!(
            "round {round}: CPU of a registration: ours {:.0} µs, sipp {:.0} µs, sipsak {:.0} µs; \
             time: ours {:.0} µs, sipp {:.0} µs, sipsak {:.0} µs",
            ours.cpu_micros,
            sipp.cpu_micros,
            sipsak.cpu_micros,
            ours.wall_micros,
            sipp.wall_micros,
            sipsak.wall_micros
        ));
        to_sipp.push((ours.cpu_micros / sipp.cpu_micros, ours.wall_micros / sipp.wall_micros));
        to_sipsak
            .push((ours.cpu_micros / sipsak.cpu_micros, ours.wall_micros / sipsak.wall_micros));
    }
    for (name, ratios) in [("sipp", to_sipp), ("sipsak", to_sipsak)] {
        let (cpu, wall): (Vec<f64>, Vec<f64>) = ratios.into_iter().unzip();
        say(&format!("median ratio to {name}: CPU {:.2}, time {:.2}", median(cpu), median(wall)));
    }
    say(&format!("budget: {BUDGET} of sipp's CPU"));
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// As many at a time as sipp has.
async fn register(module: &dyn Module, address: SocketAddr) {
    let registrations = (0..REGISTRATIONS).map(|number| one(module, address, number));
    stream::iter(registrations).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// One registration, which waits for its four answers.
async fn one(module: &dyn Module, address: SocketAddr, number: u32) {
    let target = Target {
        name: "registrar".to_owned(),
        site: "lyon".to_owned(),
        host: "127.0.0.1".to_owned(),
        address,
        transport: None,
        started: SystemTime::now(),
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let mut exchange = module.begin(&target, Chance::from_seed(seed));
    let outcome = driver::drive(exchange.as_mut(), address, &CancellationToken::new(), None).await;
    assert!(outcome.failure.is_none() && !outcome.left_behind, "{outcome:?}");
}

fn sipp(scenario: &Path, folder: &Path, address: SocketAddr) {
    let mut command = Command::new("sipp");
    command.arg(address.to_string()).arg("-sf").arg(scenario).current_dir(folder);
    command.args(["-t", "u1", "-i", "127.0.0.1", "-s", "1001", "-nostdin"]);
    // As it is at its best: many calls at once.
    command.args(["-l", &AT_ONCE.to_string(), "-r", "100000", "-m", &REGISTRATIONS.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    let status = command.status().expect("it was there a moment ago");
    assert!(status.success(), "sipp ended with {status}");
}

fn sipsak(address: SocketAddr) {
    let port = address.port().to_string();
    for _ in 0..FEW {
        let mut command = Command::new("sipsak");
        command.args(["-U", "-i", "-C", "sip:1001@127.0.0.1:5090", "-x", "60", "-a", PASSWORD]);
        command.args(["-r", &port, "-s", "sip:1001@127.0.0.1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        let status = command.status().expect("it was there a moment ago");
        assert!(status.success(), "sipsak ended with {status}");
    }
}

fn cost(who: UsageWho, count: u32, work: impl FnOnce()) -> Cost {
    let spent = || {
        let usage = getrusage(who).expect("the kernel tells");
        let (user, system) = (usage.user_time(), usage.system_time());
        (user.tv_sec() + system.tv_sec()) as f64 * 1e6 + (user.tv_usec() + system.tv_usec()) as f64
    };
    let (before, begun) = (spent(), Instant::now());
    work();
    let (cpu, wall) = (spent() - before, begun.elapsed().as_secs_f64() * 1e6);
    Cost { cpu_micros: cpu / f64::from(count), wall_micros: wall / f64::from(count) }
}

fn module() -> Box<dyn Module> {
    let probe = *PROBES.iter().find(|probe| probe.name() == "sip-register").expect("it is listed");
    let mut options = Options::defaults(probe.options());
    for (key, value) in [
        ("address_of_record", OptionValue::Text("sip:1001@127.0.0.1".to_owned())),
        ("password", OptionValue::Secret(Secret::new(PASSWORD.to_owned()))),
        ("allow_cleartext", OptionValue::Flag(true)),
        ("allow_md5", OptionValue::Flag(true)),
    ] {
        let spec = probe.options().iter().find(|spec| spec.name == key).expect("an option");
        options.set(spec, value);
    }
    probe.module(&options).expect("the options are valid")
}

/// A registrar with one account, which ends with this value.
struct Registrar(Child);

impl Registrar {
    fn start(folder: &Path, address: SocketAddr) -> Option<Self> {
        for program in ["sipp", "sipsak"] {
            let mut command = Command::new(program);
            command.arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        }
        let path = folder.display().to_string();
        let file = folder.join("kamailio.cfg");
        let config = KAMAILIO.replace("@ADDRESS@", &address.to_string());
        fs::write(&file, config.replace("@PASSWORD@", PASSWORD)).ok()?;
        let mut command = Command::new("kamailio");
        command.args(["-DD", "-E", "-m", "64", "-M", "8", "-Y", &path, "-w", &path, "-f"]);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let registrar = Self(command.spawn().ok()?);
        registrar.await_answer(address).then_some(registrar)
    }

    /// Asks until it answers, for ten seconds at most.
    fn await_answer(&self, address: SocketAddr) -> bool {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let sent = socket.send_to(OPTIONS_REQUEST.as_bytes(), address);
            if sent.is_ok() && socket.recv(&mut [0; 2048]).is_ok() {
                return true;
            }
        }
        false
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        // Its children end with it where it is asked to end, and not where it is killed.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
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

/// The four requests of ours, in the same order.
fn scenario_of_sipp() -> String {
    let request = |sequence: u32, further: &str| {
        format!(
            "<send retrans=\"500\"><![CDATA[\n\
             REGISTER sip:127.0.0.1 SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\n\
             Max-Forwards: 70\n\
             From: <sip:1001@127.0.0.1>;tag=[call_number]\n\
             To: <sip:1001@127.0.0.1>\n\
             Call-ID: [call_id]\n\
             CSeq: {sequence} REGISTER\n\
             {further}User-Agent: sipp\n\
             Content-Length: 0\n\n]]></send>\n"
        )
    };
    let contact = |expires: u32| {
        format!("Contact: <sip:c[call_number]@[local_ip]:[local_port]>;expires={expires}\n")
    };
    let credentials = format!("[authentication username=1001 password={PASSWORD}]\n");
    let answer = "<recv response=\"200\"/>\n";
    let parts = [
        request(1, &contact(60)),
        "<recv response=\"401\" auth=\"true\"/>\n".to_owned(),
        request(2, &format!("{}{credentials}", contact(60))),
        answer.to_owned(),
        request(3, &format!("{}{credentials}", contact(0))),
        answer.to_owned(),
        request(4, &credentials),
        answer.to_owned(),
    ];
    format!(
        "<?xml version=\"1.0\"?>\n<scenario name=\"register\">\n{}</scenario>\n",
        parts.concat()
    )
}

const PASSWORD: &str = "secret1001";

const OPTIONS_REQUEST: &str = "OPTIONS sip:127.0.0.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKready\r\nMax-Forwards: 70\r\n\
    From: <sip:bench@127.0.0.1>;tag=ready\r\nTo: <sip:127.0.0.1>\r\nCall-ID: ready\r\n\
    CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

const KAMAILIO: &str = r#"#!KAMAILIO
debug=0
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:@ADDRESS@

loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"

modparam("usrloc", "db_mode", 0)

request_route {
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    force_rport();
    if (!is_present_hf("Authorization")) { www_challenge("$td", "1"); exit; }
    if (!pv_www_authenticate("$td", "@PASSWORD@", "0")) { www_challenge("$td", "1"); exit; }
    if (!save("location")) { sl_reply_error(); }
}
"#;
