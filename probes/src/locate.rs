//! `Locator`: whom to ask where a target names a host and no port, as the DNS says, and when the
//! next one is asked instead.

use std::net::{IpAddr, SocketAddr};

use crate::fact::{FactKey, Facts};
use crate::failure::{Failure, Unresolved};
use crate::foreign::Foreign;
use crate::target::Transport;

/// What the DNS went by.
pub const LOCATED_BY: FactKey<&'static str> = FactKey::new(
    "located_by",
    "which records told whom to ask: naptr, srv, or address where there is neither",
);
/// Everybody who may be asked, with the records that led there.
pub const CANDIDATES: FactKey<Vec<Foreign>> = FactKey::new(
    "candidates",
    "the records that led to whom to ask, and everybody whom they name, in the order of asking",
);
/// Who was asked before, and why the next one was.
pub const PASSED_OVER: FactKey<Vec<Foreign>> = FactKey::new(
    "passed_over",
    "who was asked before the one who ended the walk, and how each of them failed",
);

/// Finds out whom to ask, by questions to this host's resolver: no socket, clock or chance of its
/// own.
///
/// Call [`Locator::poll`] until it has found somebody, or nobody; where it asks, bring it an answer
/// to each of its questions, in their order, and poll again.
pub trait Locator: Send {
    /// Says what to do next.
    fn poll(&mut self) -> Locating;

    /// Takes in the answers to the questions that were asked last.
    fn hear(&mut self, answers: Vec<Answer>);
}

/// What a locator wants, or has found.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Locating {
    /// Ask these; none needs the answer to another one.
    Ask(Vec<Question>),
    /// It has found whom to ask.
    Found(Located),
    /// It has found nobody.
    Nowhere {
        /// Why.
        problem: Unresolved,
        /// What the DNS said.
        facts: Facts,
    },
}

/// A question to this host's resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose records: with a dot at its end it is a whole name, to which no search list applies.
    pub name: String,
    /// Which records.
    pub kind: RecordKind,
}

/// Which records a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// NAPTR: which services there are (RFC 3403).
    Naptr,
    /// SRV: which servers offer one (RFC 2782).
    Srv,
    /// A and AAAA.
    Addresses,
}

impl RecordKind {
    /// The word for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::Addresses => "A and AAAA",
        }
    }
}

/// What this host's resolver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The records, of the kind that was asked for; where there are none, it is
    /// [`Unresolved::NoAddress`].
    pub said: Result<Records, Unresolved>,
    /// Whether every resolver of this host runs on this host, so that it may name this host.
    pub is_by_this_host: bool,
}

/// Records of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// NAPTR.
    Naptr(Vec<Naptr>),
    /// SRV.
    Srv(Vec<Srv>),
    /// A and AAAA.
    Addresses(Vec<IpAddr>),
}

/// A NAPTR record (RFC 3403 §4.1). Names are as zone files write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Which comes first: a lower one.
    pub order: u16,
    /// Which comes first within an order: a lower one.
    pub preference: u16,
    /// What the replacement is.
    pub flags: Vec<u8>,
    /// What is offered there.
    pub services: Vec<u8>,
    /// How to rewrite a name, where there is no replacement.
    pub regexp: Vec<u8>,
    /// The name to go on with.
    pub replacement: String,
}

/// An SRV record (RFC 2782). Names are as zone files write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Which comes first: a lower one.
    pub priority: u16,
    /// The share of those who are asked first within a priority.
    pub weight: u16,
    /// The server's port.
    pub port: u16,
    /// The server's name; a dot alone says that nobody offers the service.
    pub target: String,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Everybody, in the order in which a client would ask them; never empty.
    pub candidates: Vec<Candidate>,
    /// What the DNS said: [`LOCATED_BY`] and [`CANDIDATES`].
    pub facts: Facts,
}

/// One who may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub address: SocketAddr,
    /// The name that has this address.
    pub host: String,
    /// What carries the requests; `None` is the module's own.
    pub transport: Option<Transport>,
}

/// Whether a client that was failed like this asks the next candidate (RFC 3263 §4.3): no answer,
/// no way there, or 503.
///
/// Every other answer is an answer, and credentials that were refused here are not tried there.
#[must_use]
pub fn moves_on(failure: &Failure) -> bool {
    match failure {
        Failure::NoResponse { .. }
        | Failure::Deadline { .. }
        | Failure::Unusable { .. }
        | Failure::Refused { .. }
        | Failure::TlsFailed { .. }
        | Failure::Closed { .. }
        | Failure::Local { .. } => true,
        Failure::Rejected { code, .. } => *code == SERVICE_UNAVAILABLE,
        Failure::Unresolved { .. }
        | Failure::Misbehaved { .. }
        | Failure::UnexpectedAnswer { .. }
        | Failure::AuthRealm { .. }
        | Failure::AuthWeak { .. }
        | Failure::Cancelled
        | Failure::Internal => false,
    }
}

/// What [`PASSED_OVER`] says of one: `udp 192.0.2.1:5060 no_response`, or `… rejected 503`.
#[must_use]
pub fn passed_over(transport: Transport, address: SocketAddr, failure: &Failure) -> Foreign {
    let code = match failure {
        Failure::Rejected { code, .. } => format!(" {code}"),
        Failure::Unresolved { .. }
        | Failure::NoResponse { .. }
        | Failure::Deadline { .. }
        | Failure::Unusable { .. }
        | Failure::Refused { .. }
        | Failure::TlsFailed { .. }
        | Failure::Closed { .. }
        | Failure::Misbehaved { .. }
        | Failure::UnexpectedAnswer { .. }
        | Failure::AuthRealm { .. }
        | Failure::AuthWeak { .. }
        | Failure::Cancelled
        | Failure::Local { .. }
        | Failure::Internal => String::new(),
    };
    Foreign::new(format!("{} {address} {}{code}", transport.label(), failure.label()))
}

/// RFC 3261 §21.5.4.
const SERVICE_UNAVAILABLE: u16 = 503;
