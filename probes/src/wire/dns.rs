//! DNS messages (RFC 1035, RFC 6891): a query out, a response in, and their framing on a stream.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{self as hickory, DNSClass, Name, RData, RecordType};

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
}

impl std::fmt::Display for Question {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.to_ascii();
        write!(formatter, "{} {}", name.strip_suffix('.').unwrap_or(&name), self.kind)
    }
}

/// A name or a type that cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no domain name: labels of 1 to 63 characters, at most 255 in all")]
pub struct BadName;

/// Why bytes are no DNS response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not a DNS message.
    #[error("not a DNS message")]
    NotDns,
    /// More records than any answer of ours can need.
    #[error("more than {MOST_RECORDS} records")]
    TooManyRecords,
}

/// A response, as far as a probe looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The id that it answers.
    pub id: u16,
    /// Whether it is a response to a standard query at all.
    pub is_answer: bool,
    /// Its questions: a believable response repeats ours.
    pub questions: Vec<Question>,
    /// The response code, extended by EDNS.
    pub rcode: u16,
    /// AA: the nameserver is authoritative for the name.
    pub authoritative: bool,
    /// TC: the response did not fit.
    pub truncated: bool,
    /// RA: the nameserver resolves for others.
    pub recursion_available: bool,
    /// AD: the nameserver vouches for DNSSEC.
    pub authentic: bool,
    /// The records of the answer section that answer the question: those of its name, and of the
    /// names to which CNAME records lead from there. A record of another name is not looked at.
    pub answers: Vec<Record>,
    /// The SOA record, from the answer or the authority section.
    pub soa: Option<Soa>,
}

impl Response {
    /// Whether a record of the type that was asked for is among the answers.
    #[must_use]
    pub fn has_asked_type(&self) -> bool {
        self.answers.iter().any(|record| record.is_of_asked_type)
    }

    /// The response codes of RFC 1035 §4.1.1 by their usual words.
    #[must_use]
    pub const fn rcode_word(rcode: u16) -> &'static str {
        match rcode {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            _ => "OTHER",
        }
    }
}

/// One record of the answer section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Type and data as a zone file writes them: `A 192.0.2.1`.
    pub text: String,
    /// How long it may be cached, in seconds.
    pub ttl: u32,
    /// Whether it is of the type that was asked for.
    pub is_of_asked_type: bool,
    /// The address of an A or AAAA record.
    pub address: Option<IpAddr>,
}

/// What an SOA record says about its zone's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The serial number (RFC 1982).
    pub serial: u32,
    /// How long a negative answer may be cached, in seconds: the lesser of the record's TTL and
    /// its MINIMUM field (RFC 2308 §5).
    pub negative_ttl: u32,
}

/// A query with an EDNS payload size of 1232 bytes, which fits the smallest MTU of IPv6.
///
/// # Errors
///
/// [`BadName`] where the question cannot be written.
pub fn query(id: u16, question: &Question, recursion: bool) -> Result<Vec<u8>, BadName> {
    const PAYLOAD: u16 = 1232;
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = recursion;
    message.add_query(Query::query(question.name.clone(), question.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.set_edns(edns);
    message.to_vec().map_err(|_| BadName)
}

/// Reads one whole message as the response to a question of type `asked`.
///
/// # Errors
///
/// [`Malformed`] where the bytes are not one DNS message of a sensible size.
pub fn read_response(bytes: &[u8], asked: &Question) -> Result<Response, Malformed> {
    if record_count(bytes).ok_or(Malformed::NotDns)? > MOST_RECORDS {
        return Err(Malformed::TooManyRecords);
    }
    let message = Message::from_vec(bytes).map_err(|_| Malformed::NotDns)?;
    let is_in = |query: &Query| query.query_class() == DNSClass::IN;
    Ok(Response {
        id: message.metadata.id,
        is_answer: message.metadata.message_type == MessageType::Response
            && message.metadata.op_code == OpCode::Query
            && message.queries.iter().all(is_in),
        questions: message
            .queries
            .iter()
            .map(|query| Question { name: query.name().clone(), kind: query.query_type() })
            .collect(),
        rcode: message.metadata.response_code.into(),
        authoritative: message.metadata.authoritative,
        truncated: message.metadata.truncation,
        recursion_available: message.metadata.recursion_available,
        authentic: message.metadata.authentic_data,
        answers: chain(&message.answers, &asked.name)
            .map(|record| Record {
                text: format!("{} {}", record.record_type(), record.data),
                ttl: ttl(record.ttl),
                is_of_asked_type: record.record_type() == asked.kind,
                address: record.data.ip_addr(),
            })
            .collect(),
        soa: of_class_in(&message.answers).chain(of_class_in(&message.authorities)).find_map(
            |record| {
                let RData::SOA(soa) = &record.data else { return None };
                let negative_ttl = ttl(record.ttl).min(ttl(soa.minimum));
                Some(Soa { serial: soa.serial, negative_ttl })
            },
        ),
    })
}

/// A message as a stream carries it: behind its length in two bytes (RFC 1035 §4.2.2).
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), &message[..usize::from(length)]].concat()
}

/// Messages out of a stream's pieces; it holds at most one message that is not whole.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Takes in the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// The next whole message.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let message = rest.get(..usize::from(u16::from_be_bytes(*length)))?.to_vec();
        self.0.drain(..2 + message.len());
        Some(message)
    }
}

/// The records of `name` and of its aliases, in the order of the message.
fn chain<'a>(
    records: &'a [hickory::Record],
    name: &Name,
) -> impl Iterator<Item = &'a hickory::Record> {
    let mut names = vec![name.clone()];
    for _ in 0..MOST_ALIASES {
        let alias = of_class_in(records).find_map(|record| {
            let RData::CNAME(target) = &record.data else { return None };
            (Some(&record.name) == names.last()).then(|| target.0.clone())
        });
        match alias {
            Some(alias) if !names.contains(&alias) => names.push(alias),
            _ => break,
        }
    }
    of_class_in(records).filter(move |record| names.contains(&record.name))
}

/// What another class says of a name is of no concern to a question of class IN.
fn of_class_in(records: &[hickory::Record]) -> impl Iterator<Item = &hickory::Record> {
    records.iter().filter(|record| record.dns_class == DNSClass::IN)
}

/// A TTL with its highest bit set is none (RFC 2181 §8).
const fn ttl(seconds: u32) -> u32 {
    if seconds > i32::MAX as u32 { 0 } else { seconds }
}

/// What the header promises, all sections together.
fn record_count(bytes: &[u8]) -> Option<usize> {
    let counts = bytes.get(4..12)?;
    Some(counts.chunks_exact(2).map(|pair| usize::from(pair[0]) << 8 | usize::from(pair[1])).sum())
}

/// A longer chain is a mistake or a trap.
const MOST_ALIASES: usize = 10;
/// No answer that a probe asks for needs more.
const MOST_RECORDS: usize = 512;
