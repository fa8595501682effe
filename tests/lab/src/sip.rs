//! A SIP registrar over UDP, TCP and TLS, and the ways in which it, or what is before it, can fail.

mod datagrams;
mod digest;
mod frames;
mod gateway;
mod message;
mod registry;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use crate::scenario::Registrar;
use crate::sockets;
use crate::tls::Authority;
use datagrams::Road;
use registry::Registry;

pub(crate) use digest::hex;
pub(crate) use frames::{Frame, Frames, PONG};
pub(crate) use message::Request;

/// The registrar's domain, which is also its realm.
pub(crate) const DOMAIN: &str = "sip.lyon.example";
/// The one account.
pub(crate) const USER: &str = "1001";

const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// A contact that the registrar holds for an address-of-record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// For whom.
    pub address_of_record: String,
    /// Where they are reached.
    pub contact: String,
    /// How long it lives from now.
    pub remaining: Duration,
}

/// A running registrar.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    tls_address: SocketAddr,
    registry: Registry,
    _mute: Mute,
}

/// Sockets that only hold their ports.
#[derive(Debug)]
struct Mute {
    _udp: Option<UdpSocket>,
    _tcp: Vec<TcpSocket>,
}

impl Server {
    /// Starts a registrar that knows this password for its one account, on the runtime that is
    /// entered.
    pub(crate) fn start(
        fault: Registrar,
        password: String,
        authority: &Authority,
    ) -> io::Result<Self> {
        let registry = Registry::new(password, fault == Registrar::Overloaded)?;
        if fault == Registrar::Closed {
            return Self::closed(registry);
        }
        let (udp, tcp) = sockets::udp_and_tcp(HOST)?;
        let over_tls = sockets::tcp(HOST, 0)?;
        let (address, tls_address) = (udp.local_addr()?, over_tls.local_addr()?);
        let names = [HOST.to_string(), DOMAIN.to_owned()];
        let acceptor = authority.vouch("branchline-lab registrar", &names)?;

        let udp = match fault {
            Registrar::Silent => Some(udp),
            Registrar::Rewritten => {
                let behind = sockets::udp(HOST)?;
                let registrar = behind.local_addr()?;
                datagrams::start(behind, Road::Clear, registry.clone())?;
                gateway::start(udp, registrar)?;
                None
            }
            Registrar::Answers
            | Registrar::OtherPassword
            | Registrar::Closed
            | Registrar::Overloaded
            | Registrar::LargeDropped
            | Registrar::Lossy => {
                datagrams::start(udp, Road::to(fault), registry.clone())?;
                None
            }
        };
        for (listener, tls) in [(tcp, None), (over_tls, Some(acceptor))] {
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(stream::serve(listener, tls, registry.clone()));
        }
        let mute = Mute { _udp: udp, _tcp: Vec::new() };
        Ok(Self { address, tls_address, registry, _mute: mute })
    }

    /// A host on which nobody listens, and which says so.
    fn closed(registry: Registry) -> io::Result<Self> {
        let (udp, tcp) = sockets::closed_udp_and_tcp(HOST)?;
        let over_tls = sockets::closed_tcp(HOST, 0)?;
        let (address, tls_address) = (udp.local_addr()?, over_tls.local_addr()?);
        let mute = Mute { _udp: Some(udp), _tcp: vec![tcp, over_tls] };
        Ok(Self { address, tls_address, registry, _mute: mute })
    }

    /// Where it is, over UDP and TCP.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, over TLS.
    pub(crate) const fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// The contacts that it holds now.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        self.registry.bindings()
    }
}
