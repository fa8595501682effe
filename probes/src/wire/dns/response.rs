//! DNS responses in, as far as a probe looks at them.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{self as hickory, DNSClass, Name, RData};

use super::record::{of_class_in, ttl};
use super::{Question, shown};

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
    /// How many records are in the answer, the authority and the additional section.
    pub counts: [u64; 3],
    /// The records of the answer section that answer the question: those of its name, and of the
    /// names to which CNAME records lead from there. A record of another name is not looked at.
    pub answers: Vec<Record>,
    /// The name of the question and those to which its CNAME records lead, in their order.
    pub chain: Vec<String>,
    /// The SOA record, from the answer or the authority section.
    pub soa: Option<Soa>,
    /// Which of a nameserver's machines answered (RFC 5001).
    pub nsid: Option<Vec<u8>>,
    /// What the response code alone does not say (RFC 8914).
    pub extended_errors: Vec<ExtendedError>,
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
    /// Type and data as a zone file writes them, names in lower case: `A 192.0.2.1`.
    pub text: String,
    /// How long it may be cached, in seconds.
    pub ttl: u32,
    /// Whether it is of the type that was asked for.
    pub is_of_asked_type: bool,
    /// The address of an A or AAAA record.
    pub address: Option<IpAddr>,
}

/// What an SOA record says about its zone's age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The zone.
    pub zone: String,
    /// The serial number (RFC 1982).
    pub serial: u32,
    /// How often the zone's other nameservers ask for a newer version, in seconds.
    pub refresh: u32,
    /// How long a negative answer may be cached, in seconds: the lesser of the record's TTL and
    /// its MINIMUM field (RFC 2308 §5).
    pub negative_ttl: u32,
}

/// One extended error (RFC 8914 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// The INFO-CODE.
    pub code: u16,
    /// The EXTRA-TEXT.
    pub text: Vec<u8>,
}

impl ExtendedError {
    /// The purpose of its code, as RFC 8914 §4 registers it.
    #[must_use]
    pub const fn purpose(&self) -> &'static str {
        match self.code {
            1 => "Unsupported DNSKEY Algorithm",
            2 => "Unsupported DS Digest Type",
            3 => "Stale Answer",
            4 => "Forged Answer",
            5 => "DNSSEC Indeterminate",
            6 => "DNSSEC Bogus",
            7 => "Signature Expired",
            8 => "Signature Not Yet Valid",
            9 => "DNSKEY Missing",
            10 => "RRSIGs Missing",
            11 => "No Zone Key Bit Set",
            12 => "NSEC Missing",
            13 => "Cached Error",
            14 => "Not Ready",
            15 => "Blocked",
            16 => "Censored",
            17 => "Filtered",
            18 => "Prohibited",
            19 => "Stale NXDOMAIN Answer",
            20 => "Not Authoritative",
            21 => "Not Supported",
            22 => "No Reachable Authority",
            23 => "Network Error",
            24 => "Invalid Data",
            _ => "Other",
        }
    }
}

/// Reads one whole message as the response to `asked`.
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
    let chain = chain(&message.answers, &asked.name);
    // RFC 1034 §3.6.2: beside an alias its name has nothing else.
    let of_chain = of_class_in(&message.answers).filter(|record| {
        let is_alias = matches!(record.data, RData::CNAME(_));
        chain.last() == Some(&record.name) || is_alias && chain.contains(&record.name)
    });
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
        counts: [&message.answers, &message.authorities, &message.additionals]
            .map(|section| section.len() as u64),
        answers: of_chain
            .map(|record| Record {
                text: format!("{} {}", record.record_type(), data(&record.data)),
                ttl: ttl(record.ttl),
                is_of_asked_type: record.record_type() == asked.kind,
                address: record.data.ip_addr(),
            })
            .collect(),
        chain: chain.iter().map(shown).collect(),
        soa: of_class_in(&message.answers).chain(of_class_in(&message.authorities)).find_map(soa),
        nsid: message.edns.as_ref().and_then(|edns| {
            let Some(EdnsOption::NSID(payload)) = edns.option(EdnsCode::NSID) else { return None };
            Some(payload.as_ref().to_vec())
        }),
        extended_errors: message
            .edns
            .iter()
            .flat_map(|edns| errors(&edns.options().options))
            .collect(),
    })
}

fn soa(record: &hickory::Record) -> Option<Soa> {
    let RData::SOA(soa) = &record.data else { return None };
    Some(Soa {
        zone: shown(&record.name),
        serial: soa.serial,
        refresh: u32::try_from(soa.refresh).unwrap_or_default(),
        negative_ttl: ttl(record.ttl).min(ttl(soa.minimum)),
    })
}

/// Options whose code is 15 (RFC 8914 §2): two bytes of INFO-CODE, then the EXTRA-TEXT.
fn errors(options: &[(EdnsCode, EdnsOption)]) -> impl Iterator<Item = ExtendedError> {
    const EXTENDED_ERROR: u16 = 15;
    options.iter().filter_map(|(_, option)| {
        let EdnsOption::Unknown(EXTENDED_ERROR, bytes) = option else { return None };
        let (code, text) = bytes.split_first_chunk()?;
        Some(ExtendedError { code: u16::from_be_bytes(*code), text: text.to_vec() })
    })
}

/// The data as a zone file writes it. Names in it are one name however they are spelled: a server
/// may repeat the letters in which we happened to ask.
fn data(data: &RData) -> String {
    let is_of_names = matches!(
        data,
        RData::CNAME(_) | RData::NS(_) | RData::PTR(_) | RData::SRV(_) | RData::SOA(_)
    );
    if is_of_names {
        return data.to_string().to_ascii_lowercase();
    }
    if let RData::NAPTR(naptr) = data {
        let mut naptr = naptr.clone();
        naptr.replacement = naptr.replacement.to_lowercase();
        return RData::NAPTR(naptr).to_string();
    }
    data.to_string()
}

/// `name` and its aliases, in their order.
fn chain(records: &[hickory::Record], name: &Name) -> Vec<Name> {
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
    names
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
