//! Probe: how would a call sound through the relay?
//!
//! Two allocations of our own on one server, and voice from the one to the other: every packet
//! crosses one uplink and one downlink. One clock sees both ends. What that can tell is the sum of
//! both ways, as loss, jitter and round trip; in which of them a packet was lost it cannot tell.
//! A real call crosses one way for each direction, so loss, and what is estimated of it, is the
//! worse of what a caller would notice.
//!
//! The stream has 50 packets a second of 204 bytes over IPv4: 160 of sound, 12 of RTP, 4 of
//! ChannelData, and 28 of UDP and IP. That is 81.6 kbit/s up and 81.6 kbit/s down, 89.6 kbit/s each
//! over IPv6, for as long as the option `duration` says and never for more than a minute.

mod bindings;
mod exchange;
mod facts;
mod notes;
mod side;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use crate::chance::Chance;
use crate::fact::FactSpec;
use crate::joined::joined;
use crate::media::rtp::{FRAME, PayloadType};
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options, show_duration};
use crate::probe::{Exchange, Intent, Module, Probe, TIMEOUT};
use crate::relay::{self, Credentials, Family, Undo};
use crate::target::{Target, Transport};
use crate::way::{self, Way};

pub use crate::relay::{ERROR_CAUSE, ERROR_CODE, FREED};
pub use facts::*;

use exchange::MediaExchange;
use facts::FACTS;

const DURATION: OptionKey<Duration> =
    OptionKey::new("duration", Kind::Duration, "how long voice is sent: at most 60s")
        .default("15s");
const CODEC: OptionKey<&'static str> =
    OptionKey::new("codec", Kind::Word(&["pcma", "pcmu"]), "the sound of the packets: G.711")
        .default("pcma");
const JITTER_BUFFER: OptionKey<Duration> = OptionKey::new(
    "jitter_buffer",
    Kind::Duration,
    "how much longer than the fastest a packet may take to be played: at most 500ms",
)
.default("60ms");
const DSCP: OptionKey<u64> = OptionKey::new(
    "dscp",
    Kind::Count,
    "the mark of the packets, 0 to 63: 46 is EF, 0 leaves them unmarked",
)
.default("46");

const LONGEST: Duration = Duration::from_secs(60);
/// More is no conversation.
const LONGEST_BUFFER: Duration = Duration::from_millis(500);
/// RFC 2474 §3: six bits.
const HIGHEST_DSCP: u8 = 63;
/// A silent request's 39.5 s (RFC 8489 §6.2.1), 15 s of voice, 1 s for the last packet, and 8 s to
/// give everything back.
const WHOLE_SCHEDULE: Duration = Duration::from_secs(65);
/// All of that but the voice and its last packet.
const AROUND: Duration = Duration::from_secs(49);

/// The probe `turn-media`.
pub struct TurnMedia;

impl Probe for TurnMedia {
    fn name(&self) -> &'static str {
        "turn-media"
    }

    fn about(&self) -> &'static str {
        "how would a call sound through the relay?"
    }

    fn sample(&self) -> &'static str {
        r#"[modules.voice]
probe = "turn-media"
username = "probe-lyon"
password = { credential = "turn-password" }
duration = "5s"

[[targets]]
name = "relay"
address = "turn.example.net:3478"
modules = ["voice"]
interval = "15m"
"#
    }

    fn options(&self) -> &'static [OptionSpec] {
        const {
            &joined::<_, 6, 9, 15>(
                way::OPTIONS,
                [
                    relay::USERNAME.spec(),
                    relay::PASSWORD.spec(),
                    relay::SHARED_SECRET.spec(),
                    relay::REALM.spec(),
                    relay::FAMILY.spec(),
                    DURATION.spec(),
                    CODEC.spec(),
                    JITTER_BUFFER.spec(),
                    DSCP.spec(),
                ],
            )
        }
    }

    fn timeout(&self) -> Duration {
        WHOLE_SCHEDULE
    }

    fn facts(&self) -> &'static [FactSpec] {
        const { &joined::<_, 46, 8, 54>(FACTS, way::TLS_FACTS) }
    }

    fn module(&self, options: &Options) -> Result<Box<dyn Module>, BadOption> {
        let way = Way::read(options, relay::PORT, relay::TLS_PORT)?;
        let Some(credentials) = Credentials::read(options)? else {
            return Err(BadOption {
                option: relay::USERNAME.spec().name,
                problem: "is missing".to_owned(),
                hint: Some(
                    "no relay carries voice without credentials: set username and password, or \
                     shared_secret"
                        .to_owned(),
                ),
            });
        };
        let duration = at_most(&DURATION, LONGEST, options)?;
        if duration < FRAME {
            return Err(BadOption {
                option: DURATION.spec().name,
                problem: "is shorter than one packet".to_owned(),
                hint: Some("a packet carries 20ms; write 15s for what a call would be".to_owned()),
            });
        }
        let jitter_buffer = at_most(&JITTER_BUFFER, LONGEST_BUFFER, options)?;
        let dscp = options.require(&DSCP)?;
        let Some(dscp) = u8::try_from(dscp).ok().filter(|dscp| *dscp <= HIGHEST_DSCP) else {
            return Err(BadOption {
                option: DSCP.spec().name,
                problem: format!("is {dscp}, and has six bits"),
                hint: Some("46 is EF, 0 leaves the packets unmarked".to_owned()),
            });
        };
        let is_mu_law = options.require(&CODEC)? == "pcmu";
        let module = MediaModule {
            way,
            credentials,
            family: options.read(&relay::FAMILY).and_then(Family::named),
            payload_type: if is_mu_law { PayloadType::Pcmu } else { PayloadType::Pcma },
            duration,
            jitter_buffer,
            dscp,
            timeout: WHOLE_SCHEDULE,
        };
        let whole = duration + module.drain();
        let timeout = options.read(&TIMEOUT).unwrap_or(WHOLE_SCHEDULE.max(whole + AROUND));
        if exchange::end_of_work(timeout).elapsed() < whole {
            let enough = show_duration(whole + LITTLE_AROUND);
            return Err(BadOption {
                option: TIMEOUT.spec().name,
                problem: format!("leaves no room for {} of voice", show_duration(duration)),
                hint: Some(format!("set it to {enough} or more, or shorten duration")),
            });
        }
        Ok(Box::new(Shared(Arc::new(MediaModule { timeout, ..module }))))
    }
}

/// What is needed around the voice where nothing gets lost: 8 s to give everything back at most,
/// and some round trips.
const LITTLE_AROUND: Duration = Duration::from_secs(14);

fn at_most(
    key: &OptionKey<Duration>,
    most: Duration,
    options: &Options,
) -> Result<Duration, BadOption> {
    let value = options.require(key)?;
    if value > most {
        return Err(BadOption {
            option: key.spec().name,
            problem: format!("is longer than {}", show_duration(most)),
            hint: Some(key.spec().help.to_owned()),
        });
    }
    Ok(value)
}

/// How many packets carry so much sound.
fn packets_in(duration: Duration) -> u32 {
    let packets = duration.as_nanos() / FRAME.as_nanos();
    u32::try_from(packets).unwrap_or(u32::MAX)
}

/// What every exchange of one module shares.
struct MediaModule {
    way: Way,
    credentials: Credentials,
    family: Option<Family>,
    payload_type: PayloadType,
    duration: Duration,
    jitter_buffer: Duration,
    dscp: u8,
    timeout: Duration,
}

impl MediaModule {
    /// How long the last packet may be under way until it is lost.
    fn drain(&self) -> Duration {
        (self.jitter_buffer + Duration::from_millis(500)).max(Duration::from_secs(1))
    }
}

struct Shared(Arc<MediaModule>);

impl Module for Shared {
    fn transport(&self) -> Transport {
        self.0.way.transport
    }

    fn default_port(&self) -> u16 {
        self.0.way.port
    }

    fn timeout(&self) -> Duration {
        self.0.timeout
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn begin(&self, target: &Target, chance: Chance) -> Box<dyn Exchange> {
        Box::new(MediaExchange::new(Arc::clone(&self.0), target, chance))
    }

    fn undo(&self, target: &Target, intent: &Intent, chance: Chance) -> Option<Box<dyn Exchange>> {
        // A journal may be older than the configuration, which says who gets the credentials.
        let is_left = !self.transport().is_stream() && intent.peer == target.address;
        let (credentials, timeout) = (Some(&self.0.credentials), self.0.timeout);
        let undo = || Box::new(Undo::new(credentials, timeout, target, intent, chance));
        is_left.then(|| undo() as Box<dyn Exchange>)
    }
}
