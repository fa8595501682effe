//! What comes back of a request, held against what was sent: whatever differs, somebody on the way
//! has rewritten.

use std::net::SocketAddr;

use crate::foreign::Foreign;
use crate::wire::sip::{Response, Via};

/// What of a request every response repeats (RFC 3261 §8.2.6.2), and what a registrar stores.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) local: SocketAddr,
    /// The branch as it stands in Via.
    pub(crate) branch: String,
    pub(crate) from: String,
    pub(crate) from_tag: String,
    pub(crate) to: String,
    pub(crate) call_id: String,
    /// The URI of our contact, and what marks it as ours.
    pub(crate) contact: Option<(String, String)>,
}

/// What the answers of one exchange showed of the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Echo {
    /// What was sent (`-`) and what came back (`+`), each pair once.
    pub(crate) differences: Vec<Foreign>,
    /// Whether something on the way has surely rewritten what was sent.
    pub(crate) is_rewritten: bool,
    /// Whether nobody on the way can read what is sent: what differs then, the server has changed.
    pub(crate) is_sealed: bool,
}

impl Echo {
    /// Holds a response against its request; `mapped` is the address under which a STUN server saw
    /// the same socket.
    pub(crate) fn compare(&mut self, sent: &Sent, response: &Response, mapped: Option<SocketAddr>) {
        if self.is_sealed {
            return;
        }
        if let [via] = &response.vias()[..] {
            self.compare_via(sent, via);
            self.compare_source(sent, via, mapped);
        }
        self.hold("Call-ID", &sent.call_id, response.first("call-id"));
        self.hold("From tag", &sent.from_tag, response.from_tag().as_deref());
        for (name, header, uri) in [("From", "from", &sent.from), ("To", "to", &sent.to)] {
            self.hold(name, uri, response.uri(header).as_deref());
        }
        if let Some((uri, mark)) = &sent.contact {
            let contacts = response.contacts();
            let stored = contacts.iter().find(|it| is_marked(&it.uri, mark));
            if let Some(stored) = stored.filter(|it| it.uri != uri.as_bytes()) {
                // A registrar may store where it saw the phone in place of where the phone says that
                // it is, and may add parameters of its own: neither is a proof.
                let is_source = response.vias().first().is_some_and(|via| is_at(&stored.uri, via));
                let is_same_place = place(&stored.uri) == place(uri.as_bytes());
                self.differ("Contact", uri, &stored.uri, !is_source && !is_same_place);
            }
        }
    }

    /// Holds what a mirror received against what was sent, line by line.
    pub(crate) fn mirror(&mut self, sent: &[u8], received: &[u8]) {
        if sent == received {
            return;
        }
        let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split(|&byte| byte == b'\n').map(|line| line.trim_ascii_end().to_vec()).collect()
        };
        let (sent, received) = (lines(sent), lines(received));
        self.is_rewritten = true;
        let gone = sent.iter().filter(|line| !received.contains(line));
        let gone: Vec<_> = gone.map(|line| [b"- ", line.as_slice()].concat()).collect();
        let new = received.iter().filter(|line| !sent.contains(line));
        let new = new.map(|line| [b"+ ", line.as_slice()].concat());
        for line in gone.into_iter().chain(new) {
            self.note(Foreign::new(line));
        }
        if self.differences.is_empty() {
            self.note(Foreign::new("the same lines in another order"));
        }
    }

    fn compare_via(&mut self, sent: &Sent, via: &Via) {
        self.hold("Via", &sent.local.to_string(), Some(&via.sent_by));
        self.hold("Via branch", &sent.branch, via.branch.as_deref());
    }

    /// A server says from where it received us: where STUN shows a NAT on the way, it cannot have
    /// been from our own address.
    fn compare_source(&mut self, sent: &Sent, via: &Via, mapped: Option<SocketAddr>) {
        let Some(mapped) = mapped.filter(|mapped| mapped.ip() != sent.local.ip()) else { return };
        let own = sent.local.ip().to_string();
        let Some(seen) = via.received.as_deref() else { return };
        if seen == own.as_bytes() {
            self.differ("Via received", &mapped.ip().to_string(), seen, true);
        }
    }

    fn hold(&mut self, name: &str, sent: &str, came: Option<&[u8]>) {
        let came = came.unwrap_or_default();
        if came != sent.as_bytes() {
            self.differ(name, sent, came, true);
        }
    }

    fn differ(&mut self, name: &str, sent: &str, came: &[u8], is_proof: bool) {
        self.is_rewritten |= is_proof;
        let sent = Foreign::new(format!("- {name}: {sent}"));
        let came = Foreign::new([b"+ ", name.as_bytes(), b": ", came].concat());
        if self.differences.windows(2).any(|pair| pair == [sent.clone(), came.clone()]) {
            return;
        }
        self.note(sent);
        self.note(came);
    }

    fn note(&mut self, line: Foreign) {
        if self.differences.len() < MOST_LINES {
            self.differences.push(line);
        }
    }
}

/// Whether a URI carries what marks our contact, whatever was done to the address behind it.
pub(crate) fn is_marked(uri: &[u8], mark: &str) -> bool {
    uri.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// Who and where a URI names, without its parameters.
fn place(uri: &[u8]) -> &[u8] {
    let host = uri.iter().position(|&byte| byte == b'@').map_or(0, |at| at + 1);
    let rest = &uri[host..];
    let end = rest.iter().position(|byte| b";?".contains(byte)).unwrap_or(rest.len());
    &uri[..host + end]
}

/// Whether a contact is where the server received the request from.
fn is_at(uri: &[u8], via: &Via) -> bool {
    let (Some(received), Some(port)) = (&via.received, &via.rport) else { return false };
    let bracketed = [b"[", received.as_slice(), b"]:", port].concat();
    let plain = [received, b":".as_slice(), port].concat();
    let host = uri.iter().position(|&byte| byte == b'@').map_or(uri, |at| &uri[at + 1..]);
    let rest = host.strip_prefix(&plain[..]).or(host.strip_prefix(&bracketed[..]));
    rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
}

/// How many lines of difference are kept.
const MOST_LINES: usize = 16;
