//! A SIP helper as routers have one: a small proxy over UDP, or TCP, that does not mind its own
//! business.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What it does to the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// It names itself in Via and Contact of requests, and leaves the answers as they are.
    NamesItself,
    /// The same with an address at which nobody is.
    NamesSomebodyElse,
    /// As [`Self::NamesSomebodyElse`], and it restores Via in the answers.
    RestoresVia,
    /// As [`Self::NamesItself`], and it restores Via in the answers.
    RestoresViaForItself,
    /// It gives requests another Call-ID.
    RenamesCalls,
    /// It gives requests another branch.
    RenamesBranches,
    /// It writes answers in the short form, with spaces where the grammar allows them
    /// (RFC 3261 §7.3.1, §7.3.3), and changes nothing that they say.
    Respells,
    /// It passes on what comes.
    PassesOn,
}

/// A proxy on loopback before one server; gone when this value is.
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) at: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one over UDP.
    pub(super) fn before(server: SocketAddr, habit: Habit) -> Self {
        let front = Arc::new(socket().expect("loopback has a free port"));
        let at = front.local_addr().expect("it is bound");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            let mut backs = BTreeMap::new();
            for_each_datagram(&front, &over, |request, client| {
                let back = backs.entry(client).or_insert_with(|| {
                    let back = Arc::new(socket().expect("loopback has a free port"));
                    let (near, far) = (Arc::clone(&front), Arc::clone(&back));
                    let over = Arc::clone(&over);
                    thread::spawn(move || {
                        let place = Place::of(habit, client, &far);
                        for_each_datagram(&far, &over, |answer, _| {
                            let _gone = near.send_to(&habit.answer(answer, place), client);
                        });
                    });
                    back
                });
                let place = Place::of(habit, client, back);
                let _gone = back.send_to(&habit.request(request, place), server);
            });
        });
        Self { at, is_over }
    }

    /// Starts one over TCP that passes on the bytes.
    pub(super) fn of_streams_before(server: SocketAddr) -> Self {
        let front = TcpListener::bind((LOOPBACK, 0)).expect("loopback has a free port");
        let at = front.local_addr().expect("it is bound");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            for client in front.incoming() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let joined = client.and_then(|client| join(&client, &TcpStream::connect(server)?));
                assert!(joined.is_ok(), "{joined:?}");
            }
        });
        Self { at, is_over }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Where it waits for a connection, this is the last one.
        let _last = TcpStream::connect(self.at);
    }
}

impl Habit {
    fn request(self, message: &[u8], Place { client, claimed }: Place) -> Vec<u8> {
        let (from, to) = (client.to_string(), claimed.to_string());
        edited(message, |line| match self {
            Self::NamesItself
            | Self::NamesSomebodyElse
            | Self::RestoresVia
            | Self::RestoresViaForItself => match line.split_once(": ") {
                Some(("Via" | "Contact", _)) => line.replace(&from, &to),
                _ => line.to_owned(),
            },
            Self::RenamesCalls => line.replace("Call-ID: ", "Call-ID: alg"),
            Self::RenamesBranches => line.replace("branch=z9hG4bK", "branch=z9hG4bKalg"),
            Self::Respells | Self::PassesOn => line.to_owned(),
        })
    }

    fn answer(self, message: &[u8], Place { client, claimed }: Place) -> Vec<u8> {
        let (from, to) = (claimed.to_string(), client.to_string());
        edited(message, |line| match self {
            Self::RestoresVia | Self::RestoresViaForItself if line.starts_with("Via: ") => {
                line.replace(&from, &to)
            }
            Self::Respells => respelled(line),
            Self::NamesItself
            | Self::NamesSomebodyElse
            | Self::RestoresVia
            | Self::RestoresViaForItself
            | Self::RenamesCalls
            | Self::RenamesBranches
            | Self::PassesOn => line.to_owned(),
        })
    }
}

/// Whose messages are rewritten, and what is claimed in place of where they come from.
#[derive(Clone, Copy)]
struct Place {
    client: SocketAddr,
    claimed: SocketAddr,
}

impl Place {
    fn of(habit: Habit, client: SocketAddr, back: &UdpSocket) -> Self {
        let own = back.local_addr().expect("it is bound");
        let claimed = match habit {
            Habit::NamesSomebodyElse | Habit::RestoresVia => NOBODY,
            Habit::NamesItself
            | Habit::RestoresViaForItself
            | Habit::RenamesCalls
            | Habit::RenamesBranches
            | Habit::Respells
            | Habit::PassesOn => own,
        };
        Self { client, claimed }
    }
}

/// A message whose header lines were edited, each without its end.
fn edited(message: &[u8], edit: impl Fn(&str) -> String) -> Vec<u8> {
    let text = std::str::from_utf8(message).expect("nobody here sends anything but text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a message has a head");
    let lines: Vec<String> = head.split("\r\n").map(edit).collect();
    (lines.join("\r\n") + "\r\n\r\n" + body).into_bytes()
}

/// The same header in other letters. What follows a comma or a semicolon may have a space before
/// it, and a line may be continued on the next.
fn respelled(line: &str) -> String {
    let Some((name, value)) = line.split_once(": ") else { return line.to_owned() };
    match name {
        "Via" => {
            let value = value.replacen("SIP/2.0/UDP", "SIP / 2.0 / UDP", 1).replace(';', " ; ");
            format!("v:{value}")
        }
        "From" => format!("f  :\t{}", value.replace(">;tag=", "> ;\r\n tag = ")),
        "To" => format!("t :{value}"),
        "Contact" => format!("m: {}", value.replace(">;", "> ; ")),
        "Call-ID" => format!("i:   {value}  "),
        "Content-Length" => format!("l:{value}"),
        "CSeq" => format!("cseq : {}", value.replace(' ', " \t ")),
        _ => line.to_owned(),
    }
}

/// Hands over what a socket receives, until it is over.
fn for_each_datagram(
    socket: &UdpSocket,
    is_over: &AtomicBool,
    mut take: impl FnMut(&[u8], SocketAddr),
) {
    let mut bytes = [0; 65_535];
    while !is_over.load(Ordering::Relaxed) {
        // Nothing came, or nobody is there any more: neither is a reason to end.
        if let Ok((length, from)) = socket.recv_from(&mut bytes) {
            take(&bytes[..length], from);
        }
    }
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((LOOPBACK, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(socket)
}

/// Passes on bytes, both ways, until each side has ended.
fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                if to.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            let _closed = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address for documentation (RFC 5737 §3): nothing is ever sent there, it is only written.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77)), 5060);
