//! `Track`: questions that are asked one after the other, each with its own timer and its own idea
//! of who may answer, and where.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::probe::Output;
use crate::transaction::{Due, Retransmission, STUN_RTO};
use crate::wire::stun::{Class, Message, Method, TransactionId, Writer, attribute};

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A Binding with the server, as anybody makes it.
    Primary,
    /// The same once more, later on the same leg.
    PrimaryAgain,
    /// A Binding with the other IP address and the server's port, or with the second server.
    OtherIp,
    /// A Binding with the other IP address and the other port.
    Other,
    /// A Binding with the server's IP address and the other port.
    OtherPort,
    /// "Answer from the other IP address and port", on a leg that spoke to both.
    Proof,
    /// "Answer from the other IP address and port", on a leg that spoke to the server alone.
    ChangedIp,
    /// "Answer from the other port", on a leg that spoke to the server alone.
    ChangedPort,
    /// A request to the mapped address of another leg of ours.
    Crossing,
    /// "Answer to this port", the mapped one of a leg that was silent.
    Wake,
}

impl Purpose {
    /// Whether an answer must come unless a packet was lost.
    pub(super) const fn is_due(self) -> bool {
        match self {
            Self::Primary | Self::PrimaryAgain | Self::OtherIp | Self::Other | Self::OtherPort => {
                true
            }
            Self::Proof | Self::ChangedIp | Self::ChangedPort | Self::Crossing | Self::Wake => {
                false
            }
        }
    }

    /// The flags of CHANGE-REQUEST (RFC 5780 §7.2): 4 for the IP address, 2 for the port.
    const fn change(self) -> Option<u32> {
        match self {
            Self::Proof | Self::ChangedIp => Some(0b110),
            Self::ChangedPort => Some(0b010),
            Self::Primary
            | Self::PrimaryAgain
            | Self::OtherIp
            | Self::Other
            | Self::OtherPort
            | Self::Crossing
            | Self::Wake => None,
        }
    }
}

/// One request that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) purpose: Purpose,
    pub(super) leg: LegId,
    pub(super) to: SocketAddr,
    /// Where what answers it must come from; anybody may bring a [`Purpose::Crossing`].
    from: SocketAddr,
    /// On which leg it must arrive.
    at: LegId,
    /// RESPONSE-PORT.
    port: Option<u16>,
    not_before: Moment,
    schedule: fn(Moment, Duration) -> Retransmission,
}

impl Question {
    /// A question whose answer comes back the way it went.
    pub(super) fn new(purpose: Purpose, leg: LegId, to: SocketAddr) -> Self {
        let schedule = Retransmission::stun_brief;
        let not_before = Moment::START;
        Self { purpose, leg, to, from: to, at: leg, port: None, not_before, schedule }
    }

    /// The same question, asked with the patience of RFC 8489 §6.2.1.
    pub(super) fn patient(mut self) -> Self {
        self.schedule = Retransmission::stun;
        self
    }

    /// The same question, answered from another address.
    pub(super) fn answered_from(mut self, from: SocketAddr) -> Self {
        self.from = from;
        self
    }

    /// The same question, answered on another leg of ours.
    pub(super) fn answered_at(mut self, leg: LegId) -> Self {
        self.at = leg;
        self
    }

    /// The same question, answered to another port of ours.
    pub(super) fn answered_to(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same question, asked not before this moment.
    pub(super) fn not_before(mut self, moment: Moment) -> Self {
        self.not_before = moment;
        self
    }

    fn bytes(&self, transaction: &TransactionId) -> Vec<u8> {
        let mut writer = Writer::new(Class::Request, Method::Binding, transaction);
        if let Some(flags) = self.purpose.change() {
            writer = writer.with_number(attribute::CHANGE_REQUEST, flags);
        }
        if let Some(port) = self.port {
            writer = writer.with(attribute::RESPONSE_PORT, &port.to_be_bytes());
        }
        writer.with_fingerprint()
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) mapped: SocketAddr,
    pub(super) other: Option<SocketAddr>,
    /// Whether MAPPED-ADDRESS and XOR-MAPPED-ADDRESS differ.
    pub(super) is_rewritten: bool,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The answer came, from where and on what leg it must.
    Answered(Answer),
    /// The answer came as if the question had not asked for anything special.
    Unheeded,
    /// The server answered with an error.
    Rejected(u16, Vec<u8>),
    /// The server answered, and broke this rule.
    Broken(&'static str, &'static str),
    /// Nothing came.
    Silent,
    /// Somebody said that no packet gets there.
    Refused,
}

/// A question with what came of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) purpose: Purpose,
    pub(super) reply: Reply,
    pub(super) transmissions: u32,
    pub(super) ended: Moment,
}

impl Asked {
    /// The answer, where one came.
    pub(super) fn answer(&self) -> Option<&Answer> {
        if let Reply::Answered(answer) = &self.reply { Some(answer) } else { None }
    }

    /// Whether a packet of it was lost for certain, as far as can be seen: something came only
    /// after a repetition, or nothing did and something had to.
    pub(super) fn shows_loss(&self) -> bool {
        match self.reply {
            // The first of two that call each other finds the other's door closed.
            _ if self.purpose == Purpose::Crossing => false,
            Reply::Silent | Reply::Refused => self.purpose.is_due(),
            Reply::Answered(_) | Reply::Unheeded | Reply::Rejected(..) | Reply::Broken(..) => {
                self.transmissions > 1
            }
        }
    }
}

/// Questions in a row.
pub(super) struct Track {
    todo: VecDeque<Question>,
    flight: Option<Flight>,
    pub(super) asked: Vec<Asked>,
}

struct Flight {
    question: Question,
    transaction: TransactionId,
    bytes: Vec<u8>,
    timer: Retransmission,
    began: Moment,
}

/// What a track wants.
#[expect(clippy::large_enum_variant, reason = "it lives for one call, and nobody keeps many")]
pub(super) enum Wish {
    Output(Output),
    Until(Moment),
    /// A leg that is not open yet.
    Leg,
    Nothing,
}

/// What a message is to a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// What it waits for.
    Reply,
    /// It names what the track waits for and comes from elsewhere.
    Elsewhere,
    /// Nothing.
    Nothing,
}

impl Track {
    pub(super) fn new(questions: impl IntoIterator<Item = Question>) -> Self {
        Self { todo: questions.into_iter().collect(), flight: None, asked: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.todo.is_empty() && self.flight.is_none()
    }

    /// When the request in flight gives up by itself, how often and since when it was sent.
    pub(super) fn in_flight(&self) -> Option<(Moment, u32, Moment)> {
        let flight = self.flight.as_ref()?;
        Some((flight.timer.end(), flight.timer.transmissions(), flight.began))
    }

    /// What is to be done now; `is_open` tells of each leg.
    pub(super) fn poll(
        &mut self,
        now: Moment,
        is_open: impl Fn(LegId) -> bool,
        chance: &mut Chance,
    ) -> Wish {
        loop {
            let Some(flight) = &mut self.flight else {
                let Some(question) = self.todo.front() else { return Wish::Nothing };
                if !is_open(question.leg) || !is_open(question.at) {
                    return Wish::Leg;
                }
                if question.not_before > now {
                    return Wish::Until(question.not_before);
                }
                if let Some(question) = self.todo.pop_front() {
                    let transaction = chance.bytes();
                    let bytes = question.bytes(&transaction);
                    let timer = (question.schedule)(now, STUN_RTO);
                    self.flight = Some(Flight { question, transaction, bytes, timer, began: now });
                }
                continue;
            };
            match flight.timer.due(now) {
                Due::Transmit => {
                    let (leg, to) = (flight.question.leg, flight.question.to);
                    return Wish::Output(Output::Transmit { leg, to, bytes: flight.bytes.clone() });
                }
                Due::Wait(until) => return Wish::Until(until),
                Due::GiveUp => self.settle(Reply::Silent, now),
            }
        }
    }

    /// Takes in a Binding message that arrived on `leg`.
    pub(super) fn hear(
        &mut self,
        leg: LegId,
        from: SocketAddr,
        message: &Message,
        now: Moment,
    ) -> Heard {
        let Some(flight) = &self.flight else { return Heard::Nothing };
        let Flight { question, transaction, .. } = flight;
        if message.transaction != *transaction {
            return Heard::Nothing;
        }
        let is_crossing = question.purpose == Purpose::Crossing;
        if is_crossing != (message.class == Class::Request) {
            return Heard::Elsewhere;
        }
        let reply = if is_crossing && leg == question.at {
            Reply::Answered(Answer { mapped: from, other: None, is_rewritten: false })
        } else if leg == question.at && from == question.from {
            reply(message)
        } else if leg == question.leg && from == question.to {
            // An error says more than that it was not heeded.
            match reply(message) {
                Reply::Rejected(code, reason) => Reply::Rejected(code, reason),
                Reply::Answered(_)
                | Reply::Unheeded
                | Reply::Broken(..)
                | Reply::Silent
                | Reply::Refused => Reply::Unheeded,
            }
        } else {
            return Heard::Elsewhere;
        };
        self.settle(reply, now);
        Heard::Reply
    }

    /// Somebody said that nothing that `leg` sends gets to `to`.
    pub(super) fn refused(&mut self, leg: LegId, to: SocketAddr, now: Moment) {
        let flies = |flight: &Flight| flight.question.leg == leg && flight.question.to == to;
        if self.flight.as_ref().is_some_and(flies) {
            self.settle(Reply::Refused, now);
        }
    }

    /// Without an answer that is due, there is no point in going on.
    fn settle(&mut self, reply: Reply, now: Moment) {
        let Some(flight) = self.flight.take() else { return };
        let purpose = flight.question.purpose;
        if purpose.is_due() && !matches!(reply, Reply::Answered(_)) {
            self.todo.clear();
        }
        let transmissions = flight.timer.transmissions();
        self.asked.push(Asked { purpose, reply, transmissions, ended: now });
    }
}

fn reply(message: &Message) -> Reply {
    if message.class == Class::Error {
        return match message.error.clone() {
            Some((code, reason)) => Reply::Rejected(code, reason),
            None => Reply::Broken("RFC 8489 §6.3.4", "an error response without ERROR-CODE"),
        };
    }
    let Some(mapped) = message.xor_mapped.or(message.mapped) else {
        let what = "a Binding success without XOR-MAPPED-ADDRESS";
        return Reply::Broken("RFC 8489 §6.3.3", what);
    };
    let is_rewritten = message.mapped.is_some_and(|clear| clear != mapped);
    Reply::Answered(Answer { mapped, other: message.other_address, is_rewritten })
}
