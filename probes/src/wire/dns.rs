//! DNS messages (RFC 1035, RFC 6891): a query out, a response in, and their framing on a stream.

pub mod delegation;
mod record;
mod response;
mod stream;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{EdnsOption, NSIDPayload};
use hickory_proto::rr::{Name, RecordType};

pub use response::{ExtendedError, Malformed, Record, Response, Soa, read_response};
pub use stream::{Frames, framed};

/// One question: a name and a type, class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    name: Name,
    kind: RecordType,
}

impl Question {
    /// The types that can be asked for.
    pub const TYPES: &'static [&'static str] =
        &["A", "AAAA", "CNAME", "NS", "SOA", "SRV", "NAPTR", "PTR", "TXT"];

    /// A question for one of [`Question::TYPES`]; the name is absolute, with or without its dot.
    ///
    /// # Errors
    ///
    /// [`BadName`] where the name is none, or the type is not in the list.
    pub fn new(name: &str, kind: &str) -> Result<Self, BadName> {
        let mut name = Name::from_ascii(name).map_err(|_| BadName)?;
        name.set_fqdn(true);
        // Two spellings of a name are one question.
        let name = name.to_lowercase();
        let kind = Self::TYPES.iter().find(|known| **known == kind).ok_or(BadName)?;
        Ok(Self { name, kind: kind.parse().map_err(|_| BadName)? })
    }

    /// The same type of the name with one label more, in front.
    ///
    /// # Errors
    ///
    /// [`BadName`] where the name would be too long, or the label is none.
    pub fn below(&self, label: &str) -> Result<Self, BadName> {
        let name = self.name.prepend_label(label).map_err(|_| BadName)?;
        Ok(Self { name, kind: self.kind })
    }

    /// The same question, each letter of its name in the case that `is_upper` draws for it.
    #[must_use]
    pub fn respelled(&self, mut is_upper: impl FnMut() -> bool) -> Self {
        let mut respell = |byte: &u8| {
            if is_upper() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
        };
        let labels: Vec<Vec<u8>> =
            self.name.iter().map(|label| label.iter().map(&mut respell).collect()).collect();
        let spelled = Name::from_labels(labels.iter().map(Vec::as_slice));
        let mut name = spelled.unwrap_or_else(|_| self.name.clone());
        name.set_fqdn(true);
        Self { name, kind: self.kind }
    }

    /// Whether it asks for the SOA record, which is a zone's and not a name's.
    #[must_use]
    pub fn is_of_zone(&self) -> bool {
        self.kind == RecordType::SOA
    }

    /// Whether it is the same question in the same letters, upper and lower case apart.
    #[must_use]
    pub fn is_spelled_as(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name.eq_case(&other.name)
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", shown(&self.name), self.kind)
    }
}

/// A name as people write it: in lower case, without the last dot.
fn shown(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    match text.strip_suffix('.') {
        Some("") | None => text,
        Some(bare) => bare.to_owned(),
    }
}

/// A name or a type that cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no domain name: labels of 1 to 63 characters, at most 255 in all")]
pub struct BadName;

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// RD: the nameserver may ask others.
    pub recursion: bool,
    /// Whether it is to say which of its machines answers (RFC 5001).
    pub nsid: bool,
}

/// A query with an EDNS payload size of 1232 bytes, which fits the smallest MTU of IPv6.
///
/// # Errors
///
/// [`BadName`] where the question cannot be written.
pub fn query(id: u16, question: &Question, asking: Asking) -> Result<Vec<u8>, BadName> {
    const PAYLOAD: u16 = 1232;
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = asking.recursion;
    message.add_query(Query::query(question.name.clone(), question.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    if asking.nsid {
        let empty = NSIDPayload::new(Vec::new()).map_err(|_| BadName)?;
        edns.options_mut().insert(EdnsOption::NSID(empty));
    }
    message.set_edns(edns);
    message.to_vec().map_err(|_| BadName)
}
