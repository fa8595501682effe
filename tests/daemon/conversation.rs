//! HTTP as the tests speak it: bytes over TCP, so that they can be wrong; and what an exposition
//! says.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// An answer: its status, its header fields as text, its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks for a page as a browser on this host would.
pub(crate) fn get(server: SocketAddr, path: &str) -> io::Result<Answer> {
    send(server, &format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"))
}

/// Sends a request as it is, and reads until the server closes.
pub(crate) fn send(server: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = connect_from([127, 0, 0, 1], server)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let broken = || io::Error::other(format!("no HTTP: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A connection from a given address of loopback, that does not wait for ever.
pub(crate) fn connect_from(source: [u8; 4], server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect_timeout(&server.into(), LONGEST)?;
    socket.set_read_timeout(Some(LONGEST))?;
    Ok(socket.into())
}

/// One sample of an exposition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    /// The value of a label, empty where it has none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// The samples of an exposition. Label values with quotes or commas are not expected here.
#[track_caller]
pub(crate) fn samples(exposition: &str) -> Vec<Sample> {
    let lines = exposition.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}"))).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        None => (series, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
    };
    let label = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
    };
    let labels = labels.split(',').filter(|text| !text.is_empty()).map(label);
    Some(Sample {
        name: name.to_owned(),
        labels: labels.collect::<Option<_>>()?,
        value: value.parse().ok()?,
    })
}

/// The samples of one family.
#[track_caller]
pub(crate) fn family(exposition: &str, name: &str) -> Vec<Sample> {
    let mut all = samples(exposition);
    all.retain(|sample| sample.name == name);
    all
}

/// The value of the only sample of a family.
#[track_caller]
pub(crate) fn value(exposition: &str, name: &str) -> f64 {
    let [only] = &family(exposition, name)[..] else { panic!("{name} is not there once") };
    only.value
}

const LONGEST: Duration = Duration::from_secs(20);
