//! turnutils_peer: a peer of a TURN client that sends back every datagram.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use crate::process::{Server, ask_over_udp_inside, program};

/// A peer that has sent back a datagram; gone when this value is.
pub(crate) struct Echo {
    _server: Server,
}

impl Echo {
    /// Starts it at `address` inside of `wrapper`: the words that enter a namespace. It takes the
    /// port above `port`, too.
    #[track_caller]
    pub(crate) fn start(wrapper: &[String], address: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the echo");
        let mut command = Command::new(program("turnutils_peer", "coturn"));
        command.args(["-L", address, "-p", &port.to_string()]);
        let mut server = Server::start_through(wrapper, "turnutils_peer", folder, &command);
        let address: IpAddr = address.parse().expect("it listens at an address");
        server.await_ready(|| {
            let said = ask_over_udp_inside(wrapper, SocketAddr::new(address, port), b"echo")?;
            if said == b"echo" { Ok(()) } else { Err(format!("it said {said:?}")) }
        });
        Self { _server: server }
    }
}
