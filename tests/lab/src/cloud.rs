//! `Cloud`: every server of one scenario, up from the start until it is dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rand::TryRng as _;
use rand::rngs::SysRng;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

use crate::config::{CLIENT_ID, Secrets};
use crate::dns::{Role, Zone};
use crate::scenario::{Api, RecordSpread, Registrar, Relay, Scenario};
use crate::sip::{Binding, hex};
use crate::tls::Authority;
use crate::{RECORD_NAME, api, config, dns, sip, sockets, turn};

/// Where the edge group's name points.
pub(crate) const RECORD_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 20);
/// An address that is not the edge group's.
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

const PRIMARY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SECONDARY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const API: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The zone's serial before the record was added, and after.
const SERIALS: [u32; 2] = [2_026_051_501, 2_026_051_502];

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The STUN and TURN server, UDP and TCP.
    pub relay: SocketAddr,
    /// The same, TLS.
    pub relay_tls: SocketAddr,
    /// The primary nameserver, UDP and TCP.
    pub primary: SocketAddr,
    /// The secondary nameserver, UDP and TCP.
    pub secondary: SocketAddr,
    /// The resolver, UDP and TCP.
    pub resolver: SocketAddr,
    /// The SIP registrar, UDP and TCP.
    pub registrar: SocketAddr,
    /// The same, TLS.
    pub registrar_tls: SocketAddr,
    /// The vendor's API, HTTP.
    pub api: SocketAddr,
    /// Where the daemon is told to serve; nobody listens there before.
    pub web: SocketAddr,
}

/// A running cloud; dropping it closes every socket and removes every file.
///
/// It brings a runtime of its own, so that it can be started and dropped from anywhere.
#[derive(Debug)]
pub struct Cloud {
    runtime: Option<Runtime>,
    addresses: Addresses,
    relay: turn::Server,
    registrar: sip::Server,
    config: PathBuf,
    _directory: TempDir,
    /// A socket that only holds its port, which says that it is closed.
    _closed: Option<TcpSocket>,
}

impl Cloud {
    /// Starts the cloud as the scenario has it, and writes the configuration to meet it with.
    ///
    /// # Errors
    ///
    /// When a socket cannot be bound or a file cannot be written.
    pub fn start(scenario: &Scenario) -> io::Result<Self> {
        let faults = &scenario.faults;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .enable_all()
            .build()?;
        // Sockets are handed to the runtime that is entered.
        let entered = runtime.enter();

        let secrets =
            Secrets { sip_password: secret()?, turn_password: secret()?, client_secret: secret()? };
        let authority = Authority::new()?;
        let password = match faults.relay {
            Relay::OtherPassword => secret()?,
            Relay::Answers
            | Relay::UdpSilent
            | Relay::Quota
            | Relay::PeersForbidden
            | Relay::MediaSilent
            | Relay::LossyMedia => secrets.turn_password.clone(),
        };
        let relay = turn::Server::start(faults.relay, password, &authority)?;

        let [on_primary, on_secondary, on_resolver] = nameservers(faults.record)?;
        let primary = start_dns(PRIMARY, on_primary)?;
        let secondary = start_dns(SECONDARY, on_secondary)?;
        let resolver = start_dns(RESOLVER, on_resolver)?;

        let password = match faults.registrar {
            Registrar::OtherPassword => secret()?,
            Registrar::Answers
            | Registrar::Silent
            | Registrar::Closed
            | Registrar::Rewritten
            | Registrar::Overloaded
            | Registrar::LargeDropped
            | Registrar::Lossy => secrets.sip_password.clone(),
        };
        let registrar = sip::Server::start(faults.registrar, password, &authority)?;

        let (api, closed) = match faults.api {
            Api::Answers | Api::Forbids | Api::Throttles => {
                let listener = sockets::tcp(API, 0)?;
                let address = listener.local_addr()?;
                let client = (CLIENT_ID, secrets.client_secret.as_str());
                let api = api::of_scenario(faults, registrar.address(), client, &listener)?;
                tokio::spawn(api.serve(listener, None));
                (address, None)
            }
            Api::Refuses => {
                let closed = sockets::closed_tcp(API, 0)?;
                (closed.local_addr()?, Some(closed))
            }
        };

        let web = sockets::web()?;
        let addresses = Addresses {
            relay: relay.address(),
            relay_tls: relay.tls_address(),
            primary,
            secondary,
            resolver,
            registrar: registrar.address(),
            registrar_tls: registrar.tls_address(),
            api,
            web,
        };
        let directory = tempfile::Builder::new().prefix("branchline-lab-").tempdir()?;
        let config = config::write(
            directory.path(),
            &addresses,
            &secrets,
            &authority.pem(),
            faults.profile,
        )?;
        drop(entered);
        Ok(Self {
            runtime: Some(runtime),
            addresses,
            relay,
            registrar,
            config,
            _directory: directory,
            _closed: closed,
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Where everything is.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How many TURN allocations the relay holds now.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.relay.allocations()
    }

    /// The contacts that the registrar holds now.
    #[must_use]
    pub fn bindings(&self) -> Vec<Binding> {
        self.registrar.bindings()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Does not wait: a runtime that waits may not be dropped within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The primary, the secondary and the resolver, which is nearest to the secondary.
fn nameservers(record: RecordSpread) -> io::Result<[Arc<dns::Server>; 3]> {
    let zone = |serial, address| Zone::new(RECORD_NAME, serial, address);
    let before = || zone(SERIALS[0], None);
    let after = || zone(SERIALS[1], Some(RECORD_ADDRESS));
    let elsewhere = || zone(SERIALS[1], Some(OTHER_ADDRESS));
    let (own, cache) = (Role::Nameserver, Role::Resolver(Instant::now()));
    let all = |zone: Zone, resolver| {
        [(&zone, own), (&zone, own), (&zone, resolver)]
            .map(|(zone, role)| dns::Server::new(zone.clone(), role))
    };
    Ok(match record {
        RecordSpread::Everywhere => all(after()?, cache),
        RecordSpread::Nowhere => all(before()?, cache),
        RecordSpread::Elsewhere => all(elsewhere()?, cache),
        RecordSpread::MadeUp => all(before()?, Role::Liar(OTHER_ADDRESS)),
        RecordSpread::PrimaryOnly => [
            dns::Server::new(after()?, own),
            dns::Server::lagging(before()?, after()?, own),
            dns::Server::lagging(before()?, after()?, cache),
        ],
    })
}

fn start_dns(ip: Ipv4Addr, server: Arc<dns::Server>) -> io::Result<SocketAddr> {
    let (udp, tcp) = sockets::udp_and_tcp(ip)?;
    let address = udp.local_addr()?;
    tokio::spawn(server.clone().serve_udp(tokio::net::UdpSocket::from_std(udp)?));
    tokio::spawn(server.serve_tcp(tokio::net::TcpListener::from_std(tcp)?));
    Ok(address)
}

/// A fresh secret for this cloud alone.
pub(crate) fn secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(hex(&bytes))
}
