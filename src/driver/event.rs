//! `Event`: what happened on a leg, with the bytes that came.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use branchline_probes::{Input, LegId, Refusal, Stamp};

/// Something that happened on a leg, with the bytes that came.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) leg: LegId,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    Connected { local: SocketAddr },
    Sent { number: u32, stamp: Stamp },
    Received { from: SocketAddr, bytes: Vec<u8>, stamp: Stamp },
    Refused { to: SocketAddr, by: Option<IpAddr>, refusal: Refusal },
    Closed,
    Failed { problem: io::ErrorKind },
}

impl Event {
    /// The same, as an exchange hears it.
    pub(super) fn input(&self) -> Input<'_> {
        let leg = self.leg;
        match &self.what {
            What::Connected { local } => Input::Connected { leg, local: *local },
            What::Sent { number, stamp } => Input::Sent { leg, number: *number, stamp: *stamp },
            What::Received { from, bytes, stamp } => {
                Input::Received { leg, from: *from, bytes, stamp: *stamp, dscp: None }
            }
            What::Refused { to, by, refusal } => {
                Input::Refused { leg, to: *to, by: *by, refusal: *refusal }
            }
            What::Closed => Input::Closed { leg },
            What::Failed { problem } => Input::Failed { leg, problem: *problem },
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Connected { local } => write!(formatter, "open from {local}"),
            What::Sent { stamp, .. } => write!(formatter, "sent ({} time)", stamp.label()),
            What::Received { from, bytes, stamp } => {
                write!(formatter, "{} bytes from {from} ({} time)", bytes.len(), stamp.label())
            }
            What::Refused { by: Some(by), refusal, .. } => {
                write!(formatter, "{by} says: {refusal}")
            }
            What::Refused { by: None, refusal, .. } => write!(formatter, "refused: {refusal}"),
            What::Closed => write!(formatter, "the peer closed the connection"),
            What::Failed { problem } => write!(formatter, "this host failed: {problem}"),
        }
    }
}
