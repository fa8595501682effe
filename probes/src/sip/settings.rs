//! What every module that speaks SIP can be told.

use std::net::SocketAddr;

use super::locate::{FAILOVER, SipLocator};
use crate::chance::Chance;
use crate::locate::Locator;
use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::target::Transport;
use crate::way::{self, Way};
use crate::wire::sip::AddressOfRecord;

/// What carries the requests.
pub(crate) const TRANSPORT: OptionKey<&'static str> = OptionKey::new(
    "transport",
    Kind::Word(&["udp", "tcp", "tls", AUTO]),
    "what carries the requests; auto: what the DNS says of a target without a port (RFC 3263)",
)
.default("udp");

/// A STUN server that sees us as the SIP server does.
pub(crate) const STUN_SERVER: OptionKey<SocketAddr> = OptionKey::new(
    "stun_server",
    Kind::Endpoint,
    "a STUN server beyond the same NATs as the SIP server, to compare what each sees of us",
);
/// Whether the target is a mirror.
pub(crate) const MIRROR: OptionKey<bool> = OptionKey::new(
    "mirror",
    Kind::Flag,
    "the target is a mirror of your own (branchline-lab mirror): tell exactly what the way changes",
)
.default("false");
/// Whether larger requests are tried, too.
pub(crate) const LARGE: OptionKey<bool> = OptionKey::new(
    "large",
    Kind::Flag,
    "send a request that one packet cannot carry as well, over UDP",
)
.default("false");

/// Every option of this file, and of the way.
pub(crate) const OPTIONS: [OptionSpec; 10] = [
    TRANSPORT.spec(),
    way::PORT.spec(),
    way::SERVER_NAME.spec(),
    way::CA_FILE.spec(),
    way::CLIENT_CERTIFICATE.spec(),
    way::CLIENT_KEY.spec(),
    FAILOVER.spec(),
    STUN_SERVER.spec(),
    MIRROR.spec(),
    LARGE.spec(),
];

/// Those options, read.
pub(crate) struct Settings {
    pub(crate) way: Way,
    pub(crate) stun_server: Option<SocketAddr>,
    pub(crate) is_mirror: bool,
    pub(crate) is_large: bool,
    pub(crate) fails_over: bool,
    /// Whether the DNS decides what carries the requests.
    pub(crate) is_open: bool,
    /// Whether the DNS is asked for the port.
    is_located: bool,
}

impl Settings {
    /// # Errors
    ///
    /// As [`Way::read`], and where an option is about datagrams and the transport has none.
    pub(crate) fn read(options: &Options) -> Result<Self, BadOption> {
        let word = options.require(&TRANSPORT)?;
        let is_open = word == AUTO;
        let transport = Transport::named(word).unwrap_or(Transport::Tls);
        let port = if word == Transport::Tls.label() { TLS_PORT } else { PORT };
        let mut way = Way::named(word, transport, options, port)?;
        if is_open {
            // Where nothing is to be looked up (RFC 3263 §4.1); what is looked up says for itself.
            way.transport = Transport::Udp;
        }
        let (stun_server, is_large) = (options.read(&STUN_SERVER), options.require(&LARGE)?);
        for (option, is_set) in
            [(STUN_SERVER.spec().name, stun_server.is_some()), (LARGE.spec().name, is_large)]
        {
            if is_set && !is_open && way.transport != Transport::Udp {
                return Err(BadOption {
                    option,
                    problem: format!("has no meaning over {}", way.transport.label()),
                    hint: Some("it belongs to transport = \"udp\"".to_owned()),
                });
            }
        }
        let is_mirror = options.require(&MIRROR)?;
        if is_mirror && is_large {
            return Err(BadOption {
                option: LARGE.spec().name,
                problem: "has no meaning for a mirror, whose answers are larger still".to_owned(),
                hint: Some("ask the server itself with large = true".to_owned()),
            });
        }
        Ok(Self {
            way,
            stun_server,
            is_mirror,
            is_large,
            fails_over: options.require(&FAILOVER)?,
            is_open,
            is_located: options.read(&way::PORT).is_none(),
        })
    }

    /// Where to send a request to `host`, where its target names no port; a secure URI is for TLS
    /// alone.
    pub(crate) fn locator(
        &self,
        host: &str,
        is_secure: bool,
        chance: Chance,
    ) -> Option<Box<dyn Locator>> {
        let transport = (!self.is_open).then_some(self.way.transport);
        let locator = || SipLocator::new(host, transport, is_secure, chance);
        self.is_located.then(|| Box::new(locator()) as Box<dyn Locator>)
    }
}

/// Whether a text can be the user part of a SIP URI.
pub(crate) fn is_user(text: &str) -> bool {
    AddressOfRecord::read(&format!("sip:{text}@host")).is_ok()
}

const AUTO: &str = "auto";

/// RFC 3261 §19.1.2.
const PORT: u16 = 5060;
const TLS_PORT: u16 = 5061;
