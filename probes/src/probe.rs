//! The one shape: `Probe`, `Module`, `Exchange`, `Input`, `Output`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::FactSpec;
use crate::failure::Refusal;
use crate::leg::{Certificate, Handshake, Leg, LegId, TlsProblem, TrustedBy};
use crate::locate::Locator;
use crate::moment::Moment;
use crate::observation::Outcome;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::target::{Target, Transport};

/// A kind of conversation.
pub trait Probe: Sync {
    /// The name: `protocol-act`, in kebab case.
    fn name(&self) -> &'static str;

    /// The question that it answers, in one line.
    fn about(&self) -> &'static str;

    /// A module and a target that use it, as a configuration would write them.
    fn sample(&self) -> &'static str;

    /// What its modules can be told, besides [`TIMEOUT`].
    fn options(&self) -> &'static [OptionSpec];

    /// How long an exchange may take where the configuration does not say: the whole schedule of
    /// its protocol and the time to clean up.
    fn timeout(&self) -> Duration;

    /// What its exchanges can state.
    fn facts(&self) -> &'static [FactSpec];

    /// A module with these options.
    ///
    /// # Errors
    ///
    /// [`BadOption`] names the first option that cannot be meant so, and the way out.
    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption>;
}

/// How long an exchange may take in all, clean-up included: every probe has this option.
pub const TIMEOUT: OptionKey<Duration> =
    OptionKey::new("timeout", Kind::Duration, "when an exchange ends, clean-up included");

/// A probe with its options.
pub trait Module: Send + Sync {
    /// What carries the first leg.
    fn transport(&self) -> Transport;

    /// The port where a target names none.
    fn default_port(&self) -> u16;

    /// When an exchange ends at the latest.
    fn timeout(&self) -> Duration;

    /// Whether two exchanges with one target may not overlap: they would undo each other's work
    /// on the server.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// What only one exchange at a time may work on, whichever check it is of: an account, say.
    fn claim(&self) -> Option<&str> {
        None
    }

    /// How long is to pass between two runs of one check, at least.
    fn shortest_interval(&self) -> Duration {
        Duration::ZERO
    }

    /// How to find out whom to ask, where a target names `host` and no port; `None` where the
    /// addresses of the host are all there is.
    fn locator(&self, host: &str, chance: Chance) -> Option<Box<dyn Locator>> {
        let _ = (host, chance);
        None
    }

    /// Whether only the first address that is of use is wanted: as long as a failure
    /// [`moves_on`](crate::locate::moves_on), the next one is asked, and all of that is one
    /// observation.
    fn fails_over(&self) -> bool {
        false
    }

    /// Begins one exchange with one address.
    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange>;

    /// Takes back what an exchange of an earlier process may have left with the target; `None`
    /// where there is nothing to take back.
    fn undo(&self, target: &Target, intent: &Intent, chance: Chance) -> Option<Box<dyn Exchange>> {
        let _ = (target, intent, chance);
        None
    }
}

/// What is needed, besides the module and the target, to find again what an exchange was about to
/// leave with a peer. It holds no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Intent {
    /// The leg on which it was asked for.
    pub leg: LegId,
    /// From where.
    pub local: SocketAddr,
    /// Of whom.
    pub peer: SocketAddr,
    /// By what it can be told from what others have left there; where its address does that, by
    /// nothing more.
    pub mark: Option<[u8; 8]>,
}

/// One run of one module against one target: no socket, no clock, no chance of its own.
///
/// Call [`Exchange::poll_output`] until it says `Wait` or `Done`; then bring it the next input,
/// an [`Input::Timeout`] when the wait is over, and poll again.
pub trait Exchange: Send {
    /// Takes in what happened at `now`.
    fn handle_input(&mut self, input: Input<'_>, now: Moment);

    /// Says what to do next.
    fn poll_output(&mut self) -> Output;
}

/// Whose clock read the moment of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The kernel's, when the packet passed it.
    Kernel,
    /// The program's, when it came to look.
    Program,
}

impl Stamp {
    /// The word that facts use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Program => "program",
        }
    }

    /// The stamp of a span between two moments: the kernel's only where both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Kernel { other } else { self }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A leg is open: its socket is there, a stream's connection stands. One over TLS has its
    /// handshake still before it.
    Connected {
        /// Which leg.
        leg: LegId,
        /// The address from which it speaks.
        local: SocketAddr,
    },
    /// The TLS handshake of a leg is done, and the peer is whom the leg asked for.
    Secured {
        /// Which leg.
        leg: LegId,
        /// What the handshake showed.
        handshake: &'a Handshake,
    },
    /// The TLS handshake of a leg failed. A peer may say so after [`Input::Secured`]: in TLS 1.3
    /// the client is done before the peer has seen its certificate (RFC 8446 §4.4.2.4).
    Insecure {
        /// Which leg.
        leg: LegId,
        /// Why.
        problem: TlsProblem,
        /// The certificate that the peer showed, where it came to that.
        certificate: Option<&'a Certificate>,
        /// Who vouches for it, where nobody does who was asked for.
        trusted_by: Option<TrustedBy>,
    },
    /// A transmission left this host.
    Sent {
        /// On which leg.
        leg: LegId,
        /// Counted from zero on this leg.
        number: u32,
        /// Whose clock read the moment.
        stamp: Stamp,
    },
    /// Bytes arrived: one datagram, or what a stream has brought so far.
    Received {
        /// On which leg.
        leg: LegId,
        /// From where.
        from: SocketAddr,
        /// A datagram whole; of a stream, the next piece.
        bytes: &'a [u8],
        /// Whose clock read the moment.
        stamp: Stamp,
        /// The DSCP that a datagram carried when it arrived, where the kernel told.
        dscp: Option<u8>,
    },
    /// Somebody on the way, or the peer's kernel, said no: news, not an error of the program.
    Refused {
        /// On which leg.
        leg: LegId,
        /// To whom the packet was sent that nobody takes.
        to: SocketAddr,
        /// Who said so, where the packet tells.
        by: Option<IpAddr>,
        /// How.
        refusal: Refusal,
    },
    /// The peer closed a stream.
    Closed {
        /// Which leg.
        leg: LegId,
    },
    /// This host could not open a leg or send on it.
    Failed {
        /// Which leg.
        leg: LegId,
        /// What its kernel said.
        problem: io::ErrorKind,
    },
    /// The moment that a `Wait` named has come.
    Timeout,
    /// The exchange is called off: what it created is to be removed, then it is done.
    Cancelled,
}

/// What to do next.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open this leg; [`Input::Connected`] tells when it is open.
    Open(Leg),
    /// Send these bytes.
    Transmit {
        /// On which leg.
        leg: LegId,
        /// To whom: the leg's peer, unless the leg hears anyone.
        to: SocketAddr,
        /// A datagram whole, or the next piece of a stream.
        bytes: Vec<u8>,
    },
    /// Close this leg; nothing is heard on it any more.
    Close(LegId),
    /// What follows may leave something with the peer that has to be taken back: remember it, so
    /// that it is, should this process die before the exchange is done.
    Intend(Intent),
    /// Nothing to do before this moment, unless something happens.
    Wait {
        /// Until when.
        until: Moment,
        /// What for: "the STUN response".
        reason: &'static str,
    },
    /// The exchange is over.
    Done(Outcome),
}
