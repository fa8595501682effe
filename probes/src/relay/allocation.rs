//! `Allocation`: one relayed address on one leg, from the first request to its release.

mod hearing;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::authentication::{Authentication, Manner};
use super::credentials::Login;
use super::request::{Answer, Ask, Denial};
use crate::chance::Chance;
use crate::conversation::{Request, Step};
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::Ignored;
use crate::probe::{Output, Stamp};
use crate::transaction::{Retransmission, STUN_RTO, STUN_TI};
use crate::wire::stun::{
    Class, Frames, Method, TransactionId, Writer, attribute, write_channel_data,
};

/// One allocation on one leg (RFC 8656), usable by several exchanges and several times in one.
///
/// Queue with [`Allocation::ask`]; give every input of the leg to [`Allocation::hear`]; take
/// [`Allocation::next_event`] until there is none; then [`Allocation::poll`] says what to do. One
/// request is in flight at a time. Challenges are answered on the way. What the server may hold
/// is known at any moment by [`Allocation::may_hold`] and taken back by
/// [`Allocation::release`].
pub(crate) struct Allocation {
    leg: LegId,
    server: SocketAddr,
    is_stream: bool,
    chance: Chance,
    authentication: Authentication,
    frames: Frames,
    asks: VecDeque<Ask>,
    flight: Option<Flight>,
    events: VecDeque<Event>,
    hold: Hold,
    /// Whether the server has sent us on to another realm, which it may once.
    has_moved: bool,
    /// How often a release was repeated because its Allocate may have come after it.
    looks: u8,
    notes: Notes,
}

/// What the server may hold of ours, from nothing to certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    /// Nothing.
    Nothing,
    /// An Allocate without credentials was not answered: only a server that asks for none could
    /// hold something.
    Hardly,
    /// An Allocate that could be granted was not answered.
    Perhaps,
    /// An allocation.
    Surely,
}

/// What came of something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The server asked for credentials, and there are some: the request goes out again.
    Challenged {
        /// When the request that it answered began.
        began: Moment,
    },
    /// The server asked for credentials, and there are none. The queue is empty now.
    Barred {
        /// When the request that it answered began.
        began: Moment,
    },
    /// The server did what it was asked.
    Granted {
        /// What it was asked.
        ask: Ask,
        /// What it granted.
        answer: Answer,
        /// When the request began that it answered.
        began: Moment,
    },
    /// The server did not do what it was asked. The queue is empty now.
    Denied {
        /// What it was asked.
        ask: Ask,
        /// Why not.
        denial: Denial,
        /// When the request began.
        began: Moment,
    },
    /// A peer's data came through the relay. Nothing proves that; a token in the data can.
    Data {
        /// From whom, or on which channel.
        origin: Origin,
        /// The data.
        bytes: Vec<u8>,
        /// When it came.
        at: Moment,
        /// By whose clock.
        stamp: Stamp,
        /// The DSCP that it carried, where the kernel told.
        dscp: Option<u8>,
    },
}

/// From where data came through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a Data indication: the peer.
    Peer(SocketAddr),
    /// In ChannelData: the channel's number.
    Channel(u16),
}

/// What was learned on the way, for reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The server's realm.
    pub(crate) realm: Option<Foreign>,
    /// What the server calls itself.
    pub(crate) software: Option<Foreign>,
    /// How often the nonce had grown stale.
    pub(crate) nonce_renewals: u64,
    /// Transmissions of requests, releases apart.
    pub(crate) transmissions: u64,
    /// Round trip of the first request, where it was not repeated.
    pub(crate) rtt: Option<(Duration, Stamp)>,
    /// Whether an Allocate was granted without credentials.
    pub(crate) is_open: bool,
}

/// The request in flight.
struct Flight {
    ask: Ask,
    request: Request,
    transaction: TransactionId,
    is_signed: bool,
    /// When the first request began for which this one stands.
    began: Moment,
    /// Whether it was signed anew, for another nonce or another realm: that is done once.
    is_renewed: bool,
    /// An error that came without proof: the answer, should no better one come.
    unproven: Option<Denial>,
    /// What the server said that was no answer.
    noise: u64,
}

impl Allocation {
    /// Nothing is asked yet. `server` is the leg's peer.
    pub(crate) fn new(
        leg: LegId,
        server: SocketAddr,
        is_stream: bool,
        login: Option<Login>,
        chance: Chance,
    ) -> Self {
        Self {
            leg,
            server,
            is_stream,
            chance,
            authentication: Authentication::new(login),
            frames: Frames::new(),
            asks: VecDeque::new(),
            flight: None,
            events: VecDeque::new(),
            hold: Hold::Nothing,
            has_moved: false,
            looks: 0,
            notes: Notes::default(),
        }
    }

    /// Queues a request.
    pub(crate) fn ask(&mut self, ask: Ask) {
        self.asks.push_back(ask);
    }

    /// Drops what is asked or in flight, and asks for the release.
    pub(crate) fn release(&mut self) {
        self.abandon();
        self.ask(Ask::Release);
    }

    /// Drops what is asked or in flight: nobody answers on this leg any more, or nobody needs to.
    pub(crate) fn abandon(&mut self) {
        self.asks.clear();
        self.events.clear();
        if let Some(flight) = self.flight.take() {
            self.count(&flight);
            self.suspect(&flight);
        }
    }

    /// Whether something may be left on the server that a release could take back.
    pub(crate) fn may_hold(&self) -> bool {
        self.holding() > Hold::Nothing
    }

    /// Whether, besides, it is likely enough to be remembered.
    pub(crate) fn is_likely_to_hold(&self) -> bool {
        self.holding() > Hold::Hardly
    }

    /// Whether the request in flight, refused on the way, can have been heard: an earlier
    /// transmission of it can, or the server had answered before.
    pub(crate) fn may_have_been_heard(&self) -> bool {
        let again = |flight: &Flight| flight.is_signed || flight.request.transmissions() > 1;
        self.hold > Hold::Nothing || self.flight.as_ref().is_some_and(again)
    }

    /// Takes note that the leg is closed, and with a stream all that the server held.
    pub(crate) fn closed(&mut self) {
        self.abandon();
        if self.is_stream {
            self.hold = Hold::Nothing;
        }
    }

    pub(crate) const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// How requests are signed; `None` where they are not.
    pub(crate) fn manner(&self) -> Option<Manner> {
        self.authentication.manner()
    }

    /// What is in flight, or would be next.
    pub(crate) fn pending(&self) -> Option<Ask> {
        self.flight.as_ref().map(|flight| flight.ask).or_else(|| self.asks.front().copied())
    }

    /// The next thing that came of something.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is to be done now: a transmission, or a wait. `None` where an event is to be taken
    /// first, or nothing is asked. `deadline` ends the request in flight.
    pub(crate) fn poll(&mut self, now: Moment, deadline: Moment) -> Option<Output> {
        if !self.events.is_empty() {
            return None;
        }
        if self.flight.is_none() {
            let ask = self.asks.pop_front()?;
            self.start(ask, now);
        }
        let flight = self.flight.as_mut()?;
        match flight.request.poll(self.server, now, deadline) {
            Step::Output(output) => Some(output),
            Step::Over(silence) => {
                self.give_up(silence);
                None
            }
        }
    }

    /// A Send indication with this data (RFC 8656 §11.1), to be sent to the server.
    pub(crate) fn send_indication(&mut self, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
        Writer::new(Class::Indication, Method::Send, &self.chance.bytes())
            .with_xor_address(attribute::XOR_PEER_ADDRESS, peer)
            .with(attribute::DATA, data)
            .finish()
    }

    /// ChannelData (RFC 8656 §12.5), to be sent to the server.
    pub(crate) fn channel_data(&self, number: u16, data: &[u8]) -> Vec<u8> {
        write_channel_data(number, data, self.is_stream)
    }

    fn start(&mut self, ask: Ask, now: Moment) {
        let flight = self.flight(ask, now, now);
        self.flight = Some(flight);
    }

    fn flight(&mut self, ask: Ask, began: Moment, now: Moment) -> Flight {
        let transaction = self.chance.bytes();
        let bytes = self.authentication.seal(ask.write(&transaction));
        let timer = if self.is_stream {
            Retransmission::reliable(now, STUN_TI)
        } else {
            Retransmission::stun(now, STUN_RTO)
        };
        Flight {
            ask,
            request: Request::new(self.leg, ask.phase(), timer, bytes, ask.awaited(), now),
            transaction,
            is_signed: self.authentication.is_signing(),
            began,
            is_renewed: false,
            unproven: None,
            noise: 0,
        }
    }

    /// The wait is over. A request that was not answered may have been heard all the same.
    fn give_up(&mut self, silence: Failure) {
        let Some(flight) = self.flight.take() else { return };
        self.count(&flight);
        self.suspect(&flight);
        let mut failure = silence;
        if let Failure::NoResponse { peer, transmissions, .. }
        | Failure::Deadline { peer, transmissions, .. } = failure
            && flight.noise > 0
        {
            failure = Failure::Unusable { peer, messages: flight.noise, transmissions };
        }
        let denial = flight.unproven.unwrap_or(Denial::seen(failure));
        self.deny(flight.ask, flight.began, denial);
    }

    fn deny(&mut self, ask: Ask, began: Moment, denial: Denial) {
        self.asks.clear();
        self.events.push_back(Event::Denied { ask, denial, began });
    }

    fn count(&mut self, flight: &Flight) {
        if flight.ask != Ask::Release {
            self.notes.transmissions += flight.request.transmissions();
        }
    }

    /// Notes what a request without an answer may have left.
    fn suspect(&mut self, flight: &Flight) {
        self.hold = self.hold.max(left_by(flight));
    }

    fn holding(&self) -> Hold {
        self.hold.max(self.flight.as_ref().map_or(Hold::Nothing, left_by))
    }

    fn ignore(&mut self, reason: Ignored) -> Ignored {
        if let Some(flight) = self.flight.as_mut().filter(|_| reason != Ignored::Stranger) {
            flight.noise += 1;
        }
        reason
    }
}

/// What an unanswered request may have left.
fn left_by(flight: &Flight) -> Hold {
    let is_sent = flight.request.transmissions() > 0;
    match flight.ask {
        Ask::Allocate { .. } if is_sent && flight.is_signed => Hold::Perhaps,
        Ask::Allocate { .. } if is_sent => Hold::Hardly,
        Ask::Allocate { .. }
        | Ask::CreatePermission { .. }
        | Ask::ChannelBind { .. }
        | Ask::Refresh
        | Ask::Release => Hold::Nothing,
    }
}
