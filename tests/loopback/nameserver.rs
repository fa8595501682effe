//! A nameserver in a thread of its own, honest or not: `example.com` is its zone.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use branchline::check::Check;
use branchline_probes::{OptionValue, Options, PROBES, TIMEOUT, Transport};

use crate::checks::{Invented, check};
use crate::ping::{LOOPBACKS, PATIENCE, Ping};

/// What is asked for.
pub(crate) const NAME: &str = "www.example.com";
/// Where it is, and the serial of its zone.
pub(crate) const TRUTH: ([u8; 4], u32) = ([203, 0, 113, 80], 2026);
/// What whoever is not the nameserver says of both.
pub(crate) const LIE: ([u8; 4], u32) = ([127, 0, 0, 66], 666);

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("it is short"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("it is short");
    let fixed = [&kind.to_be_bytes()[..], &[0, 1, 0, 0, 0, 60], &length.to_be_bytes()].concat();
    [labels(owner), fixed, data.to_vec()].concat()
}

/// The question of a query, as it was spelled.
fn question(query: &[u8]) -> &[u8] {
    let name = query[12..].iter().position(|byte| *byte == 0).expect("a name");
    &query[12..12 + name + 5]
}

fn answer(query: &[u8], sections: [Vec<Vec<u8>>; 3]) -> Vec<u8> {
    let counts = sections.each_ref().map(|it| u16::try_from(it.len()).expect("few").to_be_bytes());
    let head = [&query[..2], &[0x84, 0, 0, 1], &counts.concat(), question(query)].concat();
    [head, sections.concat().concat()].concat()
}

/// What a server of the zone says, whose own address is `server`.
fn says(query: &[u8], server: SocketAddr, (address, serial): ([u8; 4], u32)) -> Vec<u8> {
    let SocketAddr::V4(server) = server else { panic!("it is of IPv4") };
    let own = if (address, serial) == TRUTH { server.ip().octets() } else { address };
    let numbers = [serial, 7200, 900, 86_400, 300].map(u32::to_be_bytes).concat();
    let soa = record("example.com", SOA, &[labels("ns"), labels("host"), numbers].concat());
    let asked = question(query);
    match u16::from_be_bytes([asked[asked.len() - 4], asked[asked.len() - 3]]) {
        A => answer(query, [vec![record(NAME, A, &address)], vec![], vec![]]),
        NS => {
            let ns = record("example.com", NS, &labels("ns.example.com"));
            answer(query, [vec![ns], vec![], vec![record("ns.example.com", A, &own)]])
        }
        _ if asked.len() == labels("example.com").len() + 4 => {
            answer(query, [vec![soa], vec![], vec![]])
        }
        _ => answer(query, [vec![], vec![soa], vec![]]),
    }
}

/// The lie of a forger who does not see the query: everything may be right but the id, or but the
/// spelling, or it is no answer at all.
fn forged(query: &[u8], server: SocketAddr, number: u8) -> Vec<u8> {
    let mut bytes = says(query, server, LIE);
    match number % 8 {
        0 => bytes[0] ^= number | 1,
        1 => bytes[1] ^= number | 1,
        2 => bytes[..2].iter_mut().for_each(|byte| *byte ^= number | 1),
        3 => bytes[13 + usize::from(number / 8 % 3)] ^= 0x20,
        4 => bytes[11 + question(query).len()] = 3,
        5 => bytes[2] = 0,
        6 => bytes.truncate(bytes.len() - 1 - usize::from(number) / 8),
        _ => bytes = vec![number; usize::from(number)],
    }
    bytes
}

/// Who disturbs its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbed {
    Not,
    /// Others say the perfect lie first, from another port and from another address.
    ByStrangers,
    /// So many forgeries come from its own address and port before the truth, if time allows.
    ByForgeries(u32),
    /// Forgeries come for as long as anybody hears, and the truth never does.
    ForEver,
}

/// What it has heard and sent.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    /// Each question once: by its id and the port that it came from.
    pub(crate) asked: Vec<(u16, u16)>,
    pub(crate) forgeries: u64,
}

pub(crate) struct Nameserver {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Diary>,
}

impl Nameserver {
    pub(crate) fn start(disturbed: Disturbed) -> Self {
        let (socket, strangers) = sockets();
        socket.set_read_timeout(Some(AGAIN)).expect("it can be set");
        let address = socket.local_addr().expect("it is bound");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || serve(&socket, &strangers, disturbed, &over));
        Self { address, is_over, thread }
    }

    pub(crate) fn stop(self) -> Diary {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it did not panic")
    }

    /// A check of it by this probe.
    pub(crate) fn check(&self, probe: &str, set: &[(&str, OptionValue)]) -> Check {
        static PING: Invented = Invented {
            begin: |peer| Box::new(Ping::new(Transport::Udp, peer, PATIENCE)),
            undo: |_| None,
        };
        let probe = *PROBES.iter().find(|it| it.name() == probe).expect("it is listed");
        let mut options = Options::defaults(probe.options());
        let timeout = TIMEOUT.spec();
        for (key, value) in set.iter().chain([&("name", OptionValue::Text(NAME.to_owned()))]) {
            let mut specs = probe.options().iter().chain([&timeout]);
            options.set(specs.find(|it| it.name == *key).expect("an option"), value.clone());
        }
        let mut check = check(&PING, "127.0.0.1", self.address.port());
        check.probe = probe;
        check.module = Arc::from(probe.module(&options).expect("the options are valid"));
        check
    }
}

/// A socket, and two of strangers: at its address, and with its port at another address.
fn sockets() -> (UdpSocket, [UdpSocket; 2]) {
    let bind = |ip: [u8; 4], port: u16| UdpSocket::bind(SocketAddr::from((ip, port)));
    loop {
        let socket = UdpSocket::bind(LOOPBACKS[0]).expect("loopback is there");
        let port = socket.local_addr().expect("it is bound").port();
        // Somebody may have the same port there.
        let Ok(elsewhere) = bind([127, 0, 0, 2], port) else { continue };
        return (socket, [bind([127, 0, 0, 1], 0).expect("loopback is there"), elsewhere]);
    }
}

fn serve(
    socket: &UdpSocket,
    strangers: &[UdpSocket],
    disturbed: Disturbed,
    is_over: &AtomicBool,
) -> Diary {
    let address = socket.local_addr().expect("it is bound");
    let mut diary = Diary::default();
    let mut last: Option<(Vec<u8>, SocketAddr)> = None;
    // Who asks may be gone by the time of an answer, and its host says so: that is no news.
    let send = |from: &UdpSocket, bytes: &[u8], to: SocketAddr| drop(from.send_to(bytes, to));
    while !is_over.load(Ordering::Relaxed) {
        let mut buffer = [0; 2048];
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = buffer[..length].to_vec();
            let key = (u16::from_be_bytes([query[0], query[1]]), from.port());
            // A question that is asked again is one.
            let is_new = diary.asked.last() != Some(&key);
            last = Some((query.clone(), from));
            if is_new {
                diary.asked.push(key);
            }
            if is_new && disturbed == Disturbed::ByStrangers {
                let lie = says(&query, address, LIE);
                strangers.iter().for_each(|stranger| send(stranger, &lie, from));
            } else if is_new && disturbed != Disturbed::Not {
                let is_over = || is_over.load(Ordering::Relaxed);
                diary.forgeries += flood(disturbed, &query, address, is_over, |lie| {
                    send(socket, lie, from);
                });
            }
        }
        // A full buffer drops the truth as it drops lies, so it is said again.
        if let Some((query, from)) = last.as_ref().filter(|_| disturbed != Disturbed::ForEver) {
            send(socket, &says(query, address, TRUTH), *from);
        }
    }
    diary
}

/// Forgeries, as many as may be; how many that were.
fn flood(
    disturbed: Disturbed,
    query: &[u8],
    server: SocketAddr,
    is_over: impl Fn() -> bool,
    send: impl Fn(&[u8]),
) -> u64 {
    let lies: Vec<Vec<u8>> = (0..=u8::MAX).map(|it| forged(query, server, it)).collect();
    let begun = Instant::now();
    let may_go_on = |sent: u64| match disturbed {
        Disturbed::ByForgeries(count) => sent < count.into() && begun.elapsed() < AT_MOST,
        Disturbed::ForEver => !is_over(),
        Disturbed::Not | Disturbed::ByStrangers => false,
    };
    let mut sent = 0;
    for lie in lies.iter().cycle() {
        if !may_go_on(sent) {
            break;
        }
        send(lie);
        sent += 1;
    }
    sent
}

/// How long it listens before it says the truth again.
const AGAIN: Duration = Duration::from_millis(5);
/// How long forgeries come before each truth: whoever asks gives up after 1.5 s.
const AT_MOST: Duration = Duration::from_millis(500);
