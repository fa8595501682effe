//! Probe: which address does the server see us from?

use std::net::SocketAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::conversation::{Conversation, Request, Step};
use crate::fact::{FactKey, FactSpec};
use crate::failure::Failure;
use crate::foreign::Foreign;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::{Ignored, Phase};
use crate::options::{BadOption, OptionSpec, Options};
use crate::probe::{Exchange, Input, Module, Output, Probe, Stamp, TIMEOUT};
use crate::target::{Target, Transport};
use crate::transaction::Retransmission;
use crate::way::{self, Opening, Way};
use crate::wire::stun::{self, Class, Malformed, Message, Method, TransactionId};

/// From the request to its response.
pub const RTT: FactKey<Duration> =
    FactKey::new("rtt_seconds", "round trip of the Binding, where no request was repeated")
        .metric("probe_stun_rtt_seconds");
/// Whose clock measured [`RTT`].
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured the round trip: kernel or program");
/// The reflexive transport address.
pub const MAPPED_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("mapped_address", "the address from which the server saw us");
/// Whether [`MAPPED_ADDRESS`] differs from the local address.
pub const NAT: FactKey<bool> =
    FactKey::new("nat", "whether the server saw us from another address than our own")
        .metric("probe_stun_nat_present");
/// Whether MAPPED-ADDRESS and XOR-MAPPED-ADDRESS differ.
pub const REWRITTEN: FactKey<bool> =
    FactKey::new("rewritten", "whether a device on the way rewrote the address in the answer")
        .metric("probe_stun_rewritten");
/// How many requests were sent.
pub const TRANSMISSIONS: FactKey<u64> =
    FactKey::new("transmissions", "requests sent; more than 1 means that some were lost or late")
        .metric("probe_stun_transmissions");
/// The server's name for itself.
pub const SOFTWARE: FactKey<Foreign> = FactKey::new("software", "what the server calls itself");
/// Where the server wants its clients to go.
pub const ALTERNATE_SERVER: FactKey<SocketAddr> =
    FactKey::new("alternate_server", "where the server sends its clients; not followed");
/// The server's error code.
pub const ERROR_CODE: FactKey<u64> =
    FactKey::new("error_code", "the STUN error code of the answer").metric("probe_stun_error_code");

/// RFC 8489 §6.2.1: "it SHOULD be 500 ms or greater".
const RTO: Duration = Duration::from_millis(500);
/// RFC 8489 §6.2.2: over a stream there is one transmission, and Ti = 39.5 s of patience.
const PATIENCE: Duration = Duration::from_millis(39_500);
/// RFC 8489 §18.6.
const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;
const LEG: LegId = LegId(0);

/// The probe `stun-binding`.
pub struct StunBinding;

impl Probe for StunBinding {
    fn name(&self) -> &'static str {
        "stun-binding"
    }

    fn about(&self) -> &'static str {
        "which address does a STUN server see us from?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.stun-udp]
probe = "stun-binding"
timeout = "8s"

[[targets]]
name = "relay"
address = "turn.example.net:3478"
modules = ["stun-udp"]
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const { &way::OPTIONS }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(39_500)
    }

    fn facts(&self) -> &'static [FactSpec] {
        const {
            &[
                RTT.spec(),
                CLOCK.spec(),
                MAPPED_ADDRESS.spec(),
                NAT.spec(),
                REWRITTEN.spec(),
                TRANSMISSIONS.spec(),
                SOFTWARE.spec(),
                ALTERNATE_SERVER.spec(),
                ERROR_CODE.spec(),
                way::TLS_FACTS[0],
                way::TLS_FACTS[1],
                way::TLS_FACTS[2],
                way::TLS_FACTS[3],
                way::TLS_FACTS[4],
            ]
        }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let timeout = options.read(&TIMEOUT).unwrap_or(self.timeout());
        let way = Way::read(options, PORT, TLS_PORT)?;
        Ok(Box::new(StunModule { timeout, way }))
    }
}

struct StunModule {
    timeout: Duration,
    way: Way,
}

impl Module for StunModule {
    fn transport(&self) -> Transport {
        self.way.transport
    }

    fn default_port(&self) -> u16 {
        self.way.port
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn begin(&self, target: &Target, mut chance: Chance) -> Box<dyn Exchange> {
        Box::new(StunExchange {
            transaction: chance.bytes(),
            local: None,
            state: State::Opening(Opening::new(self.way.leg(LEG, target), Moment::START)),
            is_stream: self.way.transport.is_stream(),
            conversation: Conversation::new(target.address, self.timeout),
        })
    }
}

struct StunExchange {
    conversation: Conversation,
    transaction: TransactionId,
    local: Option<SocketAddr>,
    state: State,
    is_stream: bool,
}

enum State {
    Opening(Opening),
    AwaitingResponse(Request),
    Done,
}

impl Exchange for StunExchange {
    fn handle_input(&mut self, input: Input<'_>, now: Moment) {
        self.conversation.at(now);
        if let Some(failure) = self.conversation.failure_of(&input) {
            return self.finish(Err(failure));
        }
        match (&mut self.state, input) {
            (State::Opening(opening), input) => {
                if let Some(local) = opening.hear(&input, &mut self.conversation) {
                    self.local = Some(local);
                    self.ask();
                }
            }
            (State::AwaitingResponse(request), Input::Sent { stamp, .. }) => {
                request.sent(now, stamp);
            }
            (State::AwaitingResponse(_), Input::Closed { .. }) => {
                let (peer, awaited) = (self.conversation.peer, "the Binding request");
                self.finish(Err(Failure::Closed { peer, awaited }));
            }
            (State::AwaitingResponse(_), Input::Received { from, bytes, stamp, .. }) => {
                match self.accept(from, bytes) {
                    Ok(response) => self.learn(&response, now, stamp),
                    Err(reason) => self.conversation.ignore(reason),
                }
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Output {
        let Conversation { peer, now, deadline, .. } = self.conversation;
        match &mut self.state {
            State::Opening(opening) => match opening.poll(now, deadline) {
                Step::Output(output) => output,
                Step::Over(failure) => {
                    self.finish(Err(failure));
                    Output::Done(self.conversation.outcome.clone())
                }
            },
            State::AwaitingResponse(request) => match request.poll(peer, now, deadline) {
                Step::Output(output) => output,
                Step::Over(failure) => {
                    let failure = self.conversation.end_of_wait(failure);
                    self.finish(Err(failure));
                    Output::Done(self.conversation.outcome.clone())
                }
            },
            State::Done => Output::Done(self.conversation.outcome.clone()),
        }
    }
}

impl StunExchange {
    fn ask(&mut self) {
        let now = self.conversation.now;
        self.state = State::AwaitingResponse(Request::new(
            LEG,
            Phase::Request,
            if self.is_stream {
                Retransmission::reliable(now, PATIENCE)
            } else {
                Retransmission::stun(now, RTO)
            },
            stun::binding_request(&self.transaction),
            "the STUN response",
            now,
        ));
    }

    /// Whether this is the answer to our request (RFC 8489 §6.3.3, §6.3.4).
    fn accept(&self, from: SocketAddr, bytes: &[u8]) -> Result<Message, Ignored> {
        if from != self.conversation.peer {
            return Err(Ignored::Stranger);
        }
        let message = stun::read(bytes).map_err(|malformed| match malformed {
            Malformed::NotStun => Ignored::Malformed,
            Malformed::Fingerprint => Ignored::Unproven,
        })?;
        let is_response = matches!(message.class, Class::Success | Class::Error);
        if !is_response || message.method != Method::Binding {
            return Err(Ignored::Unasked);
        }
        if message.transaction != self.transaction {
            return Err(Ignored::Mismatch);
        }
        if message.has_unknown_required {
            return Err(Ignored::Malformed);
        }
        Ok(message)
    }

    fn learn(&mut self, response: &Message, now: Moment, stamp: Stamp) {
        if let State::AwaitingResponse(request) = &self.state
            && let Some((rtt, stamp)) = request.round_trip(now, stamp)
        {
            self.conversation.state(&RTT, rtt);
            self.conversation.state(&CLOCK, stamp.label());
        }
        let peer = self.conversation.peer;
        if let Some(software) = &response.software {
            self.conversation.state(&SOFTWARE, Foreign::new(software));
        }
        if let Some(alternate) = response.alternate_server {
            self.conversation.state(&ALTERNATE_SERVER, alternate);
        }
        if response.class == Class::Error {
            let Some((code, reason)) = response.error.clone() else {
                let rule = "RFC 8489 §6.3.4";
                let what = "an error response without ERROR-CODE";
                return self.finish(Err(Failure::Misbehaved { peer, rule, what }));
            };
            self.conversation.state(&ERROR_CODE, u64::from(code));
            let reason = Foreign::new(reason);
            return self.finish(Err(Failure::Rejected { peer, code, reason }));
        }
        if let (Some(clear), Some(xored)) = (response.mapped, response.xor_mapped) {
            self.conversation.state(&REWRITTEN, clear != xored);
        }
        let Some(mapped) = response.xor_mapped.or(response.mapped) else {
            let rule = "RFC 8489 §6.3.3";
            let what = "a Binding success without XOR-MAPPED-ADDRESS";
            return self.finish(Err(Failure::Misbehaved { peer, rule, what }));
        };
        self.conversation.state(&MAPPED_ADDRESS, mapped);
        if let Some(local) = self.local {
            self.conversation.state(&NAT, mapped != local);
        }
        self.finish(Ok(()));
    }

    fn finish(&mut self, result: Result<(), Failure>) {
        match &self.state {
            State::Done => return,
            State::AwaitingResponse(request) => {
                self.conversation.state(&TRANSMISSIONS, request.transmissions());
                self.conversation.ended(request.phase, request.began);
            }
            State::Opening(_) => {}
        }
        if let Err(failure) = result {
            let phase = match &self.state {
                State::Opening(opening) => opening.phase(),
                State::AwaitingResponse(_) | State::Done => Phase::Request,
            };
            self.conversation.fail(phase, failure);
        }
        self.state = State::Done;
    }
}
