//! Probe: which address does the server see us from?

mod burst;
mod exchange;

use std::net::SocketAddr;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::{FactKey, FactSpec};
use crate::foreign::Foreign;
use crate::joined::joined;
use crate::leg::LegId;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::probe::{Exchange, Module, Probe, TIMEOUT};
use crate::target::{Target, Transport};
use crate::way::{self, Way};

use self::burst::Plan;
use self::exchange::StunExchange;

/// How many requests follow the first one.
const BURST: OptionKey<u64> = OptionKey::new(
    "burst",
    Kind::Count,
    "how many paced requests follow the first, over UDP, to measure loss and jitter: 25 for a look, \
     100 or more to be judged",
)
.default("0");
/// How far apart they leave.
const PACE: OptionKey<Duration> =
    OptionKey::new("pace", Kind::Duration, "how far apart the requests of a burst leave")
        .default("20ms");

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
/// The address from which the exchange spoke.
pub const LOCAL_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("local_address", "the address from which we asked");
/// From where the server says that it answers (RFC 5780 §7.3).
pub const RESPONSE_ORIGIN: FactKey<SocketAddr> =
    FactKey::new("response_origin", "the address from which the server says that it answers");
/// The server's second address (RFC 5780 §7.4).
pub const OTHER_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("other_address", "the second address that the server says it has; not asked");
/// Whether an address that the server claims cannot be one.
pub const BOGUS: FactKey<bool> = FactKey::new(
    "bogus",
    "whether an address that the server told cannot be true, such as 0.0.0.0 or a multicast group",
)
.metric("probe_stun_bogus_address");
/// The server's name for itself.
pub const SOFTWARE: FactKey<Foreign> = FactKey::new("software", "what the server calls itself");
/// Where the server wants its clients to go.
pub const ALTERNATE_SERVER: FactKey<SocketAddr> =
    FactKey::new("alternate_server", "where the server sends its clients; not followed");
/// The server's error code.
pub const ERROR_CODE: FactKey<u64> =
    FactKey::new("error_code", "the STUN error code of the answer").metric("probe_stun_error_code");

/// How many requests of the burst were sent.
pub const BURST_SENT: FactKey<u64> =
    FactKey::new("burst_sent", "requests of the burst that were sent, each once")
        .metric("probe_stun_burst_sent");
/// How many of them were answered.
pub const BURST_RECEIVED: FactKey<u64> =
    FactKey::new("burst_received", "requests of the burst that were answered in time")
        .metric("probe_stun_burst_received");
/// The share of the burst that was not answered.
pub const LOSS_RATIO: FactKey<f64> = FactKey::new(
    "loss_ratio",
    "share of the burst's requests without an answer, 0 to 1: lost on the way there or back",
)
.metric("probe_stun_loss_ratio");
/// The jitter of the burst's round trips.
pub const JITTER: FactKey<Duration> = FactKey::new(
    "jitter_seconds",
    "jitter of the burst's round trips, as RFC 3550 computes it; both directions together",
)
.metric("probe_stun_jitter_seconds");
/// The shortest round trip of the burst.
pub const RTT_MIN: FactKey<Duration> =
    FactKey::new("rtt_min_seconds", "shortest round trip of the burst")
        .labelled("probe_stun_burst_rtt_seconds", &[("statistic", "min")]);
/// The mean round trip of the burst.
pub const RTT_MEAN: FactKey<Duration> =
    FactKey::new("rtt_mean_seconds", "mean round trip of the burst")
        .labelled("probe_stun_burst_rtt_seconds", &[("statistic", "mean")]);
/// The median round trip of the burst.
pub const RTT_P50: FactKey<Duration> =
    FactKey::new("rtt_p50_seconds", "median round trip of the burst")
        .labelled("probe_stun_burst_rtt_seconds", &[("statistic", "p50")]);
/// The 95th percentile.
pub const RTT_P95: FactKey<Duration> =
    FactKey::new("rtt_p95_seconds", "95 of a hundred round trips of the burst were not longer")
        .labelled("probe_stun_burst_rtt_seconds", &[("statistic", "p95")]);
/// The 99th percentile.
pub const RTT_P99: FactKey<Duration> =
    FactKey::new("rtt_p99_seconds", "99 of a hundred round trips of the burst were not longer")
        .labelled("probe_stun_burst_rtt_seconds", &[("statistic", "p99")]);
/// The longest round trip of the burst.
pub const RTT_MAX: FactKey<Duration> =
    FactKey::new("rtt_max_seconds", "longest round trip of the burst")
        .labelled("probe_stun_burst_rtt_seconds", &[("statistic", "max")]);

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
        const { &joined::<_, 6, 2, 8>(way::OPTIONS, [BURST.spec(), PACE.spec()]) }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(39_500)
    }

    fn facts(&self) -> &'static [FactSpec] {
        const {
            &joined::<_, 23, 8, 31>(
                [
                    RTT.spec(),
                    CLOCK.spec(),
                    MAPPED_ADDRESS.spec(),
                    NAT.spec(),
                    REWRITTEN.spec(),
                    TRANSMISSIONS.spec(),
                    LOCAL_ADDRESS.spec(),
                    RESPONSE_ORIGIN.spec(),
                    OTHER_ADDRESS.spec(),
                    BOGUS.spec(),
                    SOFTWARE.spec(),
                    ALTERNATE_SERVER.spec(),
                    ERROR_CODE.spec(),
                    BURST_SENT.spec(),
                    BURST_RECEIVED.spec(),
                    LOSS_RATIO.spec(),
                    JITTER.spec(),
                    RTT_MIN.spec(),
                    RTT_MEAN.spec(),
                    RTT_P50.spec(),
                    RTT_P95.spec(),
                    RTT_P99.spec(),
                    RTT_MAX.spec(),
                ],
                way::TLS_FACTS,
            )
        }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let timeout = options.read(&TIMEOUT).unwrap_or(self.timeout());
        let way = Way::read(options, PORT, TLS_PORT)?;
        let burst = Plan::read(options, way.transport, timeout)?;
        Ok(Box::new(StunModule { timeout, way, burst }))
    }
}

struct StunModule {
    timeout: Duration,
    way: Way,
    burst: Option<Plan>,
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

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(StunExchange::new(self, target, chance))
    }
}
