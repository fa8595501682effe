//! What the answers of any SIP server tell, and what they mean where they refuse.

use std::time::Duration;

use super::agent::{Agent, Ask, Event, LARGEST_DATAGRAM, Patience};
use super::echo::Echo;
use super::facts::{
    DIFFERENCES, LARGE, LARGE_ANSWERED, RECEIVED, REDIRECTS, RETRANSMISSIONS, RETRY_AFTER,
    REWRITTEN, RPORT, SERVER, STATUS_CODE, TRANSMISSIONS,
};
use crate::conversation::Conversation;
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::observation::Phase;
use crate::wire::sip::Response;

/// Notes what a final answer tells of the server and of the way there.
pub(crate) fn note(conversation: &mut Conversation, response: &Response) {
    conversation.state(&STATUS_CODE, u64::from(response.code));
    if let Some(via) = response.vias().into_iter().next() {
        if let Some(received) = via.received {
            conversation.state(&RECEIVED, Foreign::new(received));
        }
        let port = via.rport.and_then(|port| std::str::from_utf8(&port).ok()?.parse().ok());
        if let Some(port) = port.filter(|port| *port <= u64::from(u16::MAX)) {
            conversation.state(&RPORT, port);
        }
    }
    if let Some(server) = response.first("server").or(response.first("user-agent")) {
        conversation.state(&SERVER, Foreign::new(server));
    }
    if matches!(response.code, 300..400) {
        let contacts = response.contacts().into_iter().take(MOST_LISTED);
        let contacts = contacts.map(|contact| Foreign::new(contact.uri)).collect();
        conversation.state(&REDIRECTS, contacts);
    }
    // RFC 3261 §20.33: with these it means something.
    if matches!(response.code, 404 | 413 | 480 | 486 | 500 | 503 | 600 | 603)
        && let Some(seconds) = response.retry_after()
    {
        let rest = Duration::from_secs(seconds.into());
        conversation.state(&RETRY_AFTER, rest);
        conversation.outcome.retry_after = Some(rest);
    }
}

/// The texts of a header that lists things.
pub(crate) fn listed(response: &Response, name: &str) -> Vec<Foreign> {
    response.texts(name).into_iter().take(MOST_LISTED).map(Foreign::new).collect()
}

/// What a final answer is that means no.
pub(crate) fn rejection(conversation: &Conversation, response: &Response) -> Failure {
    let (peer, reason) = (conversation.peer, Foreign::new(&response.reason));
    Failure::Rejected { peer, code: response.code, reason }
}

/// A target that is to be a mirror, and gives back nothing.
pub(crate) fn no_mirror(conversation: &Conversation, response: &Response) -> Failure {
    Failure::UnexpectedAnswer {
        peer: conversation.peer,
        found: Foreign::new(format!("{} without what it received", response.code)),
        expected: "a mirror (branchline-lab mirror)".to_owned(),
    }
}

/// States what was counted, and what came back of what was sent.
pub(crate) fn conclude(conversation: &mut Conversation, agent: &Agent) {
    // Who serves us does not want to be left alone.
    if conversation.outcome.failure.is_none() {
        conversation.outcome.retry_after = None;
    }
    let tally = agent.tally;
    if tally.transactions > 0 {
        conversation.state(&TRANSMISSIONS, tally.transmissions);
        let first_ones = tally.transactions.min(tally.transmissions);
        conversation.state(&RETRANSMISSIONS, tally.transmissions - first_ones);
    }
    let Echo { differences, is_rewritten, .. } = &agent.echo;
    // Who was never answered cannot know.
    if conversation.has_stated(&STATUS_CODE) || *is_rewritten {
        conversation.state(&REWRITTEN, *is_rewritten);
    }
    if !differences.is_empty() {
        conversation.state(&DIFFERENCES, differences.clone());
    }
}

/// The sizes of the padded requests, in the order in which they are sent: one that every path
/// carries whole (an IPv6 packet of 1280 bytes, RFC 8200 §5), and one that no Ethernet does.
const SIZES: [usize; 2] = [1200, 1800];

/// Two padded requests: is the one answered that fits into a packet, and the one that does not?
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Padded {
    sent: usize,
}

impl Padded {
    /// The next request, made of one that creates nothing; `None` where both were sent.
    pub(crate) fn next(&mut self, ask: Ask) -> Option<Ask> {
        let size = *SIZES.get(self.sent)?;
        self.sent += 1;
        let (phase, awaited) = (Phase::Large, "the answer to the padded request");
        Some(Ask { least_bytes: size, phase, awaited, patience: Patience::Brief, ..ask })
    }

    /// Notes what came of the last one; whether there is a reason to send another.
    pub(crate) fn note(self, event: &Event, conversation: &mut Conversation) -> bool {
        let size = SIZES[self.sent.saturating_sub(1).min(SIZES.len() - 1)];
        let is_answered = matches!(event, Event::Answered(_));
        // A wait that was cut short, or a fault of this host, says nothing of the way.
        let is_known = !matches!(
            event,
            Event::Ready | Event::Over(_, Failure::Deadline { .. } | Failure::Local { .. })
        );
        if size > LARGEST_DATAGRAM && is_known {
            conversation.state(&LARGE, size as u64);
            conversation.state(&LARGE_ANSWERED, is_answered);
        }
        // Where the small one meets silence the large one would tell nothing.
        is_answered && self.sent < SIZES.len()
    }
}

/// How many texts of one header are kept.
const MOST_LISTED: usize = 16;
