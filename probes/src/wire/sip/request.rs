//! Writing a SIP request (RFC 3261 §8.1.1): every value has its place, none can make a new header.

use std::net::SocketAddr;

/// A request outside of any dialog, without a body.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// What carries it, as Via writes it: `UDP`, `TCP`, `TLS`.
    pub transport: &'static str,
    /// The address from which it is sent.
    pub local: SocketAddr,
    /// The transaction, without the magic cookie.
    pub branch: &'a str,
    /// The URI of From.
    pub from: &'a str,
    /// Our tag of the dialog that is none.
    pub from_tag: &'a str,
    /// The URI of To.
    pub to: &'a str,
    /// The Call-ID, the same for every request of one exchange.
    pub call_id: &'a str,
    /// The number of this request under its Call-ID.
    pub sequence: u32,
    /// Names and values of what else it says.
    pub further: &'a [(&'static str, Vec<u8>)],
    /// How long it is to be at least, filled up by a header that means nothing.
    pub least_bytes: usize,
}

impl Request<'_> {
    /// The value of Via as it is sent: the magic cookie of RFC 3261 §8.1.1.7, and the question of
    /// RFC 3581 from which port the request arrives.
    #[must_use]
    pub fn via(transport: &str, local: SocketAddr, branch: &str) -> String {
        format!("SIP/2.0/{transport} {local};branch={};rport", branch_parameter(branch))
    }

    /// The bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut message = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: {via}\r\n\
             Max-Forwards: 70\r\n\
             From: <{from}>;tag={tag}\r\n\
             To: <{to}>\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {sequence} {method}\r\n\
             User-Agent: branchline/{version}\r\n",
            method = self.method,
            uri = self.uri,
            via = Self::via(self.transport, self.local, self.branch),
            from = self.from,
            tag = self.from_tag,
            to = self.to,
            call_id = self.call_id,
            sequence = self.sequence,
            version = env!("CARGO_PKG_VERSION"),
        )
        .into_bytes();
        for (name, value) in self.further {
            header(&mut message, name, value);
        }
        let rest = message.len() + PADDING.len() + END.len() + ": \r\n".len();
        if rest < self.least_bytes {
            header(&mut message, PADDING, &vec![b'x'; self.least_bytes - rest]);
        }
        message.extend_from_slice(END.as_bytes());
        message
    }
}

/// The branch as it stands in Via.
#[must_use]
pub fn branch_parameter(branch: &str) -> String {
    format!("z9hG4bK{branch}")
}

fn header(message: &mut Vec<u8>, name: &str, value: &[u8]) {
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(b": ");
    message.extend_from_slice(value);
    message.extend_from_slice(b"\r\n");
}

const END: &str = "Content-Length: 0\r\n\r\n";
/// Who does not know a header ignores it (RFC 3261 §8.2.2).
const PADDING: &str = "X-Padding";
