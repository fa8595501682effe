//! stund: the STUN server of RFC 3489, with the two addresses and two ports that its tests take.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use crate::process::{Server, ask_over_udp_inside, program};

/// A stund that has answered on both of its addresses and ports; gone when this value is.
pub(crate) struct Stund {
    _server: Server,
}

impl Stund {
    /// Starts it inside of `wrapper`: the words that enter a namespace. It answers at both
    /// addresses, on 3478 and 3479.
    #[track_caller]
    pub(crate) fn start(wrapper: &[String], addresses: [&str; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for stund");
        let [first, second] = addresses;
        let mut command = Command::new(program("stund", "stun-server"));
        command.args(["-h", first, "-a", second, "-p", "3478", "-o", "3479"]);
        let mut server = Server::start_through(wrapper, "stund", folder, &command);
        for (address, port) in [(first, 3478), (first, 3479), (second, 3478), (second, 3479)] {
            let address: IpAddr = address.parse().expect("stund listens at an address");
            let at = SocketAddr::new(address, port);
            server.await_ready(|| ask_over_udp_inside(wrapper, at, BINDING_REQUEST));
        }
        Self { _server: server }
    }
}

/// A Binding request of 20 bytes (RFC 3489 §11.1): type, length, transaction id.
const BINDING_REQUEST: &[u8] = b"\x00\x01\x00\x00branch-test-3489";
