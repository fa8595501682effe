//! A walk hand in hand: the test takes each question as it is asked, and says what comes back, as
//! often as it likes. No time passes, and no stream ever opens.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use branchline_probes::{Chance, Exchange, Input, LegId, Module, Moment, Outcome, Output, Stamp};

use crate::desk;
use crate::world::{Answer, Query, ROOT, World, begin};

/// A question that left as a datagram.
pub(crate) struct Asked {
    pub(crate) leg: LegId,
    pub(crate) to: SocketAddr,
    pub(crate) query: Query,
}

pub(crate) struct Direct {
    exchange: Box<dyn Exchange>,
    asked: VecDeque<Asked>,
    closed: BTreeSet<LegId>,
    /// How it ended, when it has.
    pub(crate) outcome: Option<Outcome>,
}

impl Direct {
    pub(crate) fn begin(module: &dyn Module, chance: Chance) -> Self {
        let exchange = begin(module, ROOT, chance);
        let mut direct =
            Self { exchange, asked: VecDeque::new(), closed: BTreeSet::new(), outcome: None };
        direct.take_outputs();
        direct
    }

    /// The next question.
    pub(crate) fn next(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// Whether an answer to the question is still awaited.
    pub(crate) fn awaits(&self, asked: &Asked) -> bool {
        self.outcome.is_none() && !self.closed.contains(&asked.leg)
    }

    /// A datagram of the server that was asked.
    pub(crate) fn hear(&mut self, asked: &Asked, bytes: &[u8]) {
        let (leg, from, stamp, dscp) = (asked.leg, asked.to, Stamp::Kernel, None);
        let input = Input::Received { leg, from, bytes, stamp, dscp };
        self.exchange.handle_input(input, Moment::START);
        self.take_outputs();
    }

    /// Ends it, where it has not ended.
    pub(crate) fn call_off(&mut self) {
        self.exchange.handle_input(Input::Cancelled, Moment::START);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        let local = desk::LOCAL.parse().expect("an address");
        loop {
            match self.exchange.poll_output() {
                Output::Open(leg) if leg.transport.is_stream() => {}
                Output::Open(leg) => {
                    let connected = Input::Connected { leg: leg.id, local };
                    self.exchange.handle_input(connected, Moment::START);
                }
                Output::Transmit { leg, to, bytes } => {
                    self.asked.push_back(Asked { leg, to, query: Query::read(&bytes) });
                }
                Output::Close(leg) => {
                    self.closed.insert(leg);
                }
                Output::Intend(_) => {}
                Output::Wait { .. } => return,
                Output::Done(outcome) => {
                    self.outcome = Some(outcome);
                    return;
                }
            }
        }
    }
}

impl World {
    /// What the server that was asked says.
    pub(crate) fn truth(&self, asked: &Asked) -> Answer {
        self.honest(asked.to.ip(), &asked.query).expect("there is a host")
    }
}
