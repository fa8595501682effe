//! What every module that speaks SIP can be told.

use std::net::SocketAddr;

use crate::options::{BadOption, Kind, OptionKey, OptionSpec, Options};
use crate::target::Transport;
use crate::way::Way;

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

/// Every option of this file.
pub(crate) const OPTIONS: [OptionSpec; 3] = [STUN_SERVER.spec(), MIRROR.spec(), LARGE.spec()];

/// Those options, read.
pub(crate) struct Settings {
    pub(crate) way: Way,
    pub(crate) stun_server: Option<SocketAddr>,
    pub(crate) is_mirror: bool,
    pub(crate) is_large: bool,
}

impl Settings {
    /// # Errors
    ///
    /// As [`Way::read`], and where an option is about datagrams and the transport has none.
    pub(crate) fn read(options: &Options) -> Result<Self, BadOption> {
        let way = Way::read(options, PORT, TLS_PORT)?;
        let (stun_server, is_large) = (options.read(&STUN_SERVER), options.require(&LARGE)?);
        for (option, is_set) in
            [(STUN_SERVER.spec().name, stun_server.is_some()), (LARGE.spec().name, is_large)]
        {
            if is_set && way.transport != Transport::Udp {
                return Err(BadOption {
                    option,
                    problem: format!("has no meaning over {}", way.transport.label()),
                    hint: Some("it belongs to transport = \"udp\"".to_owned()),
                });
            }
        }
        Ok(Self { way, stun_server, is_mirror: options.require(&MIRROR)?, is_large })
    }
}

/// RFC 3261 §19.1.2.
const PORT: u16 = 5060;
const TLS_PORT: u16 = 5061;
