//! `Legs`: the sockets that an exchange opens and closes as it goes.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::leg::{Leg, LegId};
use crate::probe::Output;
use crate::target::Transport;

/// The legs of an exchange, and what is still to be done with them.
#[derive(Default)]
pub(super) struct Legs {
    locals: Vec<Option<SocketAddr>>,
    outputs: VecDeque<Output>,
}

impl Legs {
    /// Opens one more, from a port of its own.
    pub(super) fn open(&mut self, peer: SocketAddr) -> LegId {
        let id = LegId(u8::try_from(self.locals.len()).unwrap_or(u8::MAX));
        self.locals.push(None);
        let leg = Leg::new(id, Transport::Udp, peer).hearing_anyone();
        self.outputs.push_back(Output::Open(leg));
        id
    }

    pub(super) fn close(&mut self, leg: LegId) {
        if let Some(place) = self.locals.get_mut(usize::from(leg.0)) {
            *place = None;
        }
        self.outputs.push_back(Output::Close(leg));
    }

    /// Notes that a leg is open, and from where it speaks.
    pub(super) fn opened(&mut self, leg: LegId, local: SocketAddr) {
        if let Some(place) = self.locals.get_mut(usize::from(leg.0)) {
            *place = Some(local);
        }
    }

    /// From where a leg speaks, once it is open.
    pub(super) fn local(&self, leg: LegId) -> Option<SocketAddr> {
        self.locals.get(usize::from(leg.0)).copied().flatten()
    }

    /// From where all open legs speak.
    pub(super) fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        self.locals.iter().copied().flatten()
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
