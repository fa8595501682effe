//! Probe: does the TURN server relay for us, there and back?

mod echo;
mod exchange;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::joined::joined;
use crate::options::{BadOption, OptionSpec, Options};
use crate::probe::{Exchange, Intent, Module, Probe, TIMEOUT};
use crate::relay::{self, Credentials, Family, Undo};
use crate::target::{Target, Transport};
use crate::way::{self, Way};

use exchange::TurnExchange;

pub use crate::relay::{ERROR_CAUSE, ERROR_CODE, FREED};

/// How the server let us in.
pub const MODE: FactKey<&'static str> = FactKey::new(
    "mode",
    "credentials: allocated with them; open: allocated without; challenge: none were configured, \
     and the server asked for them",
);
/// The server's realm.
pub const REALM: FactKey<Foreign> = FactKey::new("realm", "the realm that the server names");
/// The server's name for itself.
pub const SOFTWARE: FactKey<Foreign> = FactKey::new("software", "what the server calls itself");
/// The relayed transport address: a claim of the server's.
pub const RELAYED_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("relayed_address", "the address that the server relays for us, as it says");
/// The reflexive transport address.
pub const MAPPED_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("mapped_address", "the address from which the server saw us");
/// For how long the server granted the allocation.
pub const LIFETIME: FactKey<Duration> =
    FactKey::new("lifetime_seconds", "for how long the server granted the allocation")
        .metric("probe_turn_lifetime_seconds");
/// How often the nonce had grown stale.
pub const NONCE_RENEWALS: FactKey<u64> =
    FactKey::new("nonce_renewals", "how often the server called the nonce stale")
        .metric("probe_turn_nonce_renewals");
/// How messages are proven.
pub const INTEGRITY: FactKey<&'static str> =
    FactKey::new("integrity", "what proves the messages: sha1 or sha256");
/// Which of the offered algorithms made the key.
pub const PASSWORD_ALGORITHM: FactKey<&'static str> = FactKey::new(
    "password_algorithm",
    "the first password algorithm of the server's list that is known: md5 or sha256",
);
/// Whether the user's name was hidden.
pub const USERHASH: FactKey<bool> =
    FactKey::new("userhash", "whether the user's name was sent as a hash, as the server asked");
/// Where the server wants its clients to go.
pub const ALTERNATE_SERVER: FactKey<SocketAddr> =
    FactKey::new("alternate_server", "where the server sends its clients");
/// Whether a Send indication came back.
pub const SEND_ECHO: FactKey<bool> =
    FactKey::new("send_echo", "whether data in a Send indication came back through the relay")
        .metric("probe_turn_send_echo");
/// Whether `ChannelData` came back.
pub const CHANNEL_ECHO: FactKey<bool> =
    FactKey::new("channel_echo", "whether data on a channel came back through the relay")
        .metric("probe_turn_channel_echo");
/// Whether the server refuses to relay to itself.
pub const LOOP_REFUSED: FactKey<bool> = FactKey::new(
    "relay_loop_refused",
    "whether the server refuses to relay to itself, so that nothing was echoed",
)
.metric("probe_turn_relay_loop_refused");
/// From here through the relay and back.
pub const ECHO_RTT: FactKey<Duration> =
    FactKey::new("echo_rtt_seconds", "round trip of the echo, where it was not repeated")
        .metric("probe_turn_echo_rtt_seconds");
/// How many requests were sent, the release apart.
pub const TRANSMISSIONS: FactKey<u64> =
    FactKey::new("transmissions", "requests sent, repeated ones included and the release apart")
        .metric("probe_turn_transmissions");
/// From the first request to its response.
pub const RTT: FactKey<Duration> =
    FactKey::new("rtt_seconds", "round trip of the first request, where it was not repeated")
        .metric("probe_turn_rtt_seconds");
/// Whose clock measured [`RTT`].
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured the round trip: kernel or program");

/// One request's whole schedule over UDP, and 8 s to free what it may have left.
const WHOLE_SCHEDULE: Duration = Duration::from_millis(47_500);

/// The probe `turn-allocation`.
pub struct TurnAllocation;

impl Probe for TurnAllocation {
    fn name(&self) -> &'static str {
        "turn-allocation"
    }

    fn about(&self) -> &'static str {
        "does a TURN server relay for us, there and back?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.turn-udp]
probe = "turn-allocation"
username = "probe-lyon"
password = { credential = "turn-password" }
realm = "example.net"

[[targets]]
name = "relay"
address = "turn.example.net:3478"
modules = ["turn-udp"]
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const { &joined::<_, 6, 7, 13>(way::OPTIONS, relay::OPTIONS) }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const {
            &joined::<_, 21, 8, 29>(
                [
                    MODE.spec(),
                    REALM.spec(),
                    SOFTWARE.spec(),
                    ERROR_CODE.spec(),
                    ERROR_CAUSE.spec(),
                    RELAYED_ADDRESS.spec(),
                    MAPPED_ADDRESS.spec(),
                    LIFETIME.spec(),
                    NONCE_RENEWALS.spec(),
                    INTEGRITY.spec(),
                    PASSWORD_ALGORITHM.spec(),
                    USERHASH.spec(),
                    ALTERNATE_SERVER.spec(),
                    SEND_ECHO.spec(),
                    CHANNEL_ECHO.spec(),
                    LOOP_REFUSED.spec(),
                    ECHO_RTT.spec(),
                    TRANSMISSIONS.spec(),
                    RTT.spec(),
                    CLOCK.spec(),
                    FREED.spec(),
                ],
                way::TLS_FACTS,
            )
        }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let credentials = Credentials::read(options)?;
        let alternate_servers = options.read(&relay::ALTERNATE_SERVERS).unwrap_or_default();
        let may_go_anywhere = credentials.as_ref().is_some_and(|it| !it.has_realm());
        if !alternate_servers.is_empty() && may_go_anywhere {
            return Err(BadOption {
                option: relay::REALM.spec().name,
                problem: "is missing beside alternate_servers".to_owned(),
                hint: Some("no other server gets the credentials but in this realm".to_owned()),
            });
        }
        Ok(Box::new(SharedModule(Arc::new(TurnModule {
            way: Way::read(options, relay::PORT, relay::TLS_PORT)?,
            credentials,
            family: options.read(&relay::FAMILY).and_then(Family::named),
            peer: options.read(&relay::PEER),
            alternate_servers,
            timeout: options.read(&TIMEOUT).unwrap_or(self.timeout()),
        }))))
    }
}

/// What every exchange of one module shares.
struct TurnModule {
    way: Way,
    credentials: Option<Credentials>,
    family: Option<Family>,
    peer: Option<SocketAddr>,
    alternate_servers: Vec<IpAddr>,
    timeout: Duration,
}

struct SharedModule(Arc<TurnModule>);

impl Module for SharedModule {
    fn transport(&self) -> Transport {
        self.0.way.transport
    }

    fn default_port(&self) -> u16 {
        self.0.way.port
    }

    fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(TurnExchange::new(Arc::clone(&self.0), target, chance))
    }

    fn undo(&self, target: &Target, intent: &Intent, chance: Chance) -> Option<Box<dyn Exchange>> {
        // A journal may be older than the configuration, which says who gets the credentials.
        let is_known =
            intent.peer == target.address || self.0.alternate_servers.contains(&intent.peer.ip());
        let is_left = !self.transport().is_stream() && is_known;
        is_left.then(|| {
            Box::new(Undo::new(self.0.credentials.as_ref(), self.0.timeout, target, intent, chance))
                as Box<dyn Exchange>
        })
    }
}
