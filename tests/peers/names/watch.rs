//! A watch on one name: the same question again and again, by a socket of its own.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::process::{PATIENCE, Server, compiled};
use crate::wait::eventually;

/// Somebody in the branch who asks a server the same question every 20 ms; ends with this value.
///
/// A resolver that is asked does not keep an answer for longer. But what it remembers once its
/// time is over depends on who asks then, and when: watch the [twin](super::host::Host::Twin) to
/// leave the resolver to the product.
pub(crate) struct Watch {
    server: Server,
}

/// What came back once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// When the query left.
    pub(crate) asked: SystemTime,
    /// When the response was there.
    pub(crate) heard: SystemTime,
    /// The response code: 0 is NOERROR, 3 is NXDOMAIN (RFC 1035 §4.1.1, RFC 2308 §2.1).
    pub(crate) rcode: u8,
    /// The addresses of the answer.
    pub(crate) addresses: Vec<IpAddr>,
    /// The TTL of the first record, in seconds: where there is no answer, that of the SOA record.
    pub(crate) ttl: Option<u32>,
}

/// An answer that was fetched anew, and what was there before.
#[derive(Clone, Debug)]
pub(crate) struct Renewal {
    /// The first answer that the watch heard of the fetch before.
    pub(crate) shown: Heard,
    /// The last one.
    pub(crate) last: Heard,
    /// The first one of the new fetch.
    pub(crate) anew: Heard,
}

impl Renewal {
    /// Whether it may have been at that moment, as far as a watch sees, and as the server's clock
    /// is read when it wakes up.
    pub(crate) fn is_at(&self, at: SystemTime) -> bool {
        self.last.asked < at + SLACK && at <= self.anew.heard
    }
}

impl Watch {
    /// Begins to ask `server` for the addresses of `name`, inside of `wrapper`: the words that
    /// enter a namespace. It has heard one answer.
    #[track_caller]
    pub(super) fn begin(wrapper: &[String], server: IpAddr, name: &str, kind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the watch");
        let mut command = Command::new(program());
        command.args([&server.to_string(), "53", &question(name, kind)]);
        let watch = Self { server: Server::start_through(wrapper, "watch", folder, &command) };
        watch.await_heard(PATIENCE, "the first answer to a watch", |_| true);
        watch
    }

    /// Everything that was heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        heard_in(&self.server.log())
    }

    /// Waits until something is heard that is so, and gives it.
    ///
    /// # Panics
    ///
    /// When it is not within `patience`.
    #[track_caller]
    pub(crate) fn await_heard(
        &self,
        patience: Duration,
        what: &str,
        is_so: impl Fn(&Heard) -> bool,
    ) -> Heard {
        eventually(what, patience, || {
            let heard = self.heard();
            let last = format!("{} answers, the last is {:?}", heard.len(), heard.last());
            heard.into_iter().find(&is_so).ok_or(last)
        })
    }

    /// Waits until the server has fetched the answer anew: it is another one, or its TTL rises.
    ///
    /// # Panics
    ///
    /// When it does not within a few times what may be remembered.
    #[track_caller]
    pub(crate) fn await_renewal(&self) -> Renewal {
        eventually("an answer that was fetched anew", PATIENCE, || {
            let heard = self.heard();
            let anew = heard.windows(2).find(|pair| pair[1].is_anew_after(&pair[0]));
            let renewal = anew.map(|pair| Renewal {
                shown: heard[0].clone(),
                last: pair[0].clone(),
                anew: pair[1].clone(),
            });
            renewal.ok_or_else(|| format!("{:?}", heard.last()))
        })
    }
}

impl Heard {
    fn is_anew_after(&self, before: &Self) -> bool {
        self.rcode != before.rcode || self.addresses != before.addresses || self.ttl > before.ttl
    }
}

/// The program, built once in every run of the tests.
#[track_caller]
fn program() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compiled("names/watch.c"))
}

/// A query with RD, in hexadecimal digits (RFC 1035 §4.1).
fn question(name: &str, kind: &str) -> String {
    let kind: u16 = match kind {
        "A" => A,
        "AAAA" => AAAA,
        other => panic!("a watch is for addresses, not for {other}"),
    };
    let mut message = b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a label has 63 bytes at most"));
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn heard_in(log: &str) -> Vec<Heard> {
    let complete = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let understood = |line| read(line).unwrap_or_else(|| panic!("the watch said {line}"));
    complete.lines().map(understood).collect()
}

/// Reads a line of the program.
fn read(line: &str) -> Option<Heard> {
    let mut words = line.split(' ');
    let mut moment = || {
        let since = Duration::from_nanos(words.next()?.parse().ok()?);
        Some(SystemTime::UNIX_EPOCH + since)
    };
    let (asked, heard) = (moment()?, moment()?);
    let digits = words.next()?.as_bytes();
    let bytes =
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let message: Vec<u8> = bytes.collect::<Option<_>>()?;
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let (mut addresses, mut ttl) = (Vec::new(), None);
    let mut at = past_name(&message, HEADER)? + 4;
    for record in 0..number(6)? + number(8)? {
        let fixed = past_name(&message, at)?;
        let data = message.get(fixed + 10..fixed + 10 + usize::from(number(fixed + 8)?))?;
        ttl = ttl.or(Some(u32::from(number(fixed + 4)?) << 16 | u32::from(number(fixed + 6)?)));
        match number(fixed)? {
            A if record < number(6)? => addresses.push(<[u8; 4]>::try_from(data).ok()?.into()),
            AAAA if record < number(6)? => addresses.push(<[u8; 16]>::try_from(data).ok()?.into()),
            _ => (),
        }
        at = fixed + 10 + data.len();
    }
    addresses.sort();
    Some(Heard { asked, heard, rcode: message.get(3)? & 15, addresses, ttl })
}

/// Where a name ends that begins `at` (RFC 1035 §4.1.4).
fn past_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

/// By how much the clock of a resolver may be behind when it reads a query: it looks at it when
/// it wakes up.
pub(super) const SLACK: Duration = Duration::from_millis(100);

/// The length of a message's header.
const HEADER: usize = 12;

const A: u16 = 1;

const AAAA: u16 = 28;
