//! `Mapping`: under which address a STUN server sees the very socket that SIP speaks from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::conversation::{Request, Step};
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::Phase;
use crate::probe::{Input, Output};
use crate::transaction::{Retransmission, STUN_RTO};
use crate::wire::stun::{self, Class, Method, TransactionId};

/// One Binding on somebody else's leg.
pub(crate) struct Mapping {
    server: SocketAddr,
    transaction: TransactionId,
    request: Request,
    mapped: Option<SocketAddr>,
    end: Moment,
    is_over: bool,
}

impl Mapping {
    pub(crate) fn new(
        leg: LegId,
        server: SocketAddr,
        transaction: TransactionId,
        now: Moment,
        end: Moment,
    ) -> Self {
        let timer = Retransmission::stun_brief(now, STUN_RTO);
        let bytes = stun::binding_request(&transaction);
        let request = Request::new(leg, Phase::Mapping, timer, bytes, "the STUN response", now);
        Self { server, transaction, request, mapped: None, end, is_over: false }
    }

    /// Takes in what happened; whether the wait is over.
    pub(crate) fn hear(&mut self, input: &Input<'_>, now: Moment) -> bool {
        match *input {
            Input::Sent { stamp, .. } => self.request.sent(now, stamp),
            Input::Received { from, bytes, .. } if from == self.server => {
                let Ok(message) = stun::read(bytes) else { return false };
                let is_answer = message.transaction == self.transaction
                    && message.method == Method::Binding
                    && message.class != Class::Request;
                if is_answer {
                    self.mapped = message
                        .xor_mapped
                        .or(message.mapped)
                        .filter(|mapped| message.class == Class::Success && is_somebody(*mapped));
                    self.is_over = true;
                }
            }
            // Without it there is one thing less to compare with.
            Input::Refused { to, .. } if to == self.server => self.is_over = true,
            Input::Failed { .. } => self.is_over = true,
            Input::Connected { .. }
            | Input::Secured { .. }
            | Input::Insecure { .. }
            | Input::Received { .. }
            | Input::Refused { .. }
            | Input::Closed { .. }
            | Input::Timeout
            | Input::Cancelled => {}
        }
        self.is_over
    }

    /// What is to be done; `None` where nothing more is waited for.
    pub(crate) fn poll(&mut self, now: Moment, deadline: Moment) -> Option<Output> {
        match self.request.poll(self.server, now, deadline.min(self.end)) {
            Step::Output(output) if !self.is_over => Some(output),
            Step::Output(_) | Step::Over(_) => None,
        }
    }

    pub(crate) const fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }
}

/// Whether an address can be one host's.
fn is_somebody(address: SocketAddr) -> bool {
    let ip = address.ip();
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}
