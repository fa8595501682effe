//! `Event`: what happened on a leg, with the bytes that came.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use branchline_probes::{
    Certificate, Handshake, Input, LegId, Refusal, Stamp, TlsProblem, TrustedBy,
};

/// Something that happened on a leg, with the bytes that came.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) leg: LegId,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    Connected {
        local: SocketAddr,
    },
    Secured {
        handshake: Box<Handshake>,
    },
    Insecure {
        problem: TlsProblem,
        certificate: Option<Box<Certificate>>,
        trusted_by: Option<TrustedBy>,
    },
    Sent {
        number: u32,
        stamp: Stamp,
    },
    Received {
        from: SocketAddr,
        bytes: Vec<u8>,
        stamp: Stamp,
        dscp: Option<u8>,
    },
    Refused {
        to: SocketAddr,
        by: Option<IpAddr>,
        refusal: Refusal,
    },
    Closed,
    Failed {
        problem: io::ErrorKind,
    },
}

impl Event {
    /// The same, as an exchange hears it.
    pub(super) fn input(&self) -> Input<'_> {
        let leg = self.leg;
        match &self.what {
            What::Connected { local } => Input::Connected { leg, local: *local },
            What::Sent { number, stamp } => Input::Sent { leg, number: *number, stamp: *stamp },
            What::Secured { handshake } => Input::Secured { leg, handshake },
            What::Insecure { problem, certificate, trusted_by } => {
                let (problem, trusted_by) = (*problem, *trusted_by);
                Input::Insecure { leg, problem, certificate: certificate.as_deref(), trusted_by }
            }
            What::Received { from, bytes, stamp, dscp } => {
                Input::Received { leg, from: *from, bytes, stamp: *stamp, dscp: *dscp }
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
            What::Secured { handshake } => {
                let Handshake { version, cipher, certificate, .. } = &**handshake;
                let Certificate { subject, issuer, .. } = certificate;
                write!(formatter, "TLS {version}, {cipher}, with {subject} (issued by {issuer})")
            }
            What::Insecure { problem, certificate: None, .. } => {
                write!(formatter, "no TLS with the peer: {problem}")
            }
            What::Insecure { problem, certificate: Some(certificate), .. } => {
                let Certificate { subject, issuer, .. } = &**certificate;
                write!(formatter, "no TLS with the peer: {problem}: {subject} (issued by {issuer})")
            }
            What::Received { from, bytes, stamp, dscp } => {
                write!(formatter, "{} bytes from {from} ({} time)", bytes.len(), stamp.label())?;
                match dscp {
                    Some(dscp) if *dscp != 0 => write!(formatter, " with DSCP {dscp}"),
                    Some(_) | None => Ok(()),
                }
            }
            What::Refused { to, by: Some(by), refusal } => {
                write!(formatter, "{by} says of {to}: {refusal}")
            }
            What::Refused { to, by: None, refusal } => {
                write!(formatter, "{to} refused: {refusal}")
            }
            What::Closed => write!(formatter, "the peer closed the connection"),
            What::Failed { problem } => write!(formatter, "this host failed: {problem}"),
        }
    }
}
