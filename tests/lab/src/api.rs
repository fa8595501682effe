//! The vendor's API on loopback, in both profiles, with faults on request.
//!
//! [`Api::start`] brings it up alone, for a test or a bench that wants nothing else of the cloud:
//!
//! ```no_run
//! use branchline_lab::api::{Api, Fault, Inventory, On, Profile};
//!
//! let api = Api::start(Profile::Platform, Inventory::BRANCH)?;
//! api.set_fault(On::Path("/api/v2/telephony/providers/edges/phones"), Fault::Throttled(Some(1)));
//! println!("{} {}", api.api_url(), api.login_url());
//! # std::io::Result::Ok(())
//! ```

mod answer;
mod audits;
mod channels;
mod fault;
mod guide;
mod listing;
mod platform;
mod request;
mod server;
mod state;
mod tokens;
mod wire;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

pub use fault::{Fault, On};
pub use request::Request;
pub(crate) use server::Server;
pub(crate) use state::{EDGE_GROUP, LOCATION, TRUNK};
pub use state::{Inventory, State};

use crate::cloud::secret;
use crate::scenario::{Api as Reachable, Faults, Scenario};
use crate::sockets;
use crate::tls::Authority;

/// Whose paths, fields and words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The published API.
    Platform,
    /// The vendor's guide.
    Guide,
}

/// What a lock holds, also where somebody panicked with it.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The API of a scenario; trunks name `registrar` as their proxy.
pub(crate) fn of_scenario(
    faults: &Faults,
    registrar: SocketAddr,
    client: (&str, &str),
    listener: &TcpListener,
) -> io::Result<Arc<Server>> {
    let state = State::new(faults, registrar);
    let address = listener.local_addr()?;
    let server = Server::new(faults.profile, state, client, secret()?, address);
    let fault = match faults.api {
        Reachable::Answers | Reachable::Refuses => None,
        Reachable::Forbids => Some((On::Path(PHONES), Fault::Forbidden(&["telephony:plugin:all"]))),
        Reachable::Throttles => Some((On::Path(PHONES), Fault::Throttled(Some(120)))),
    };
    if let Some((on, fault)) = fault {
        held(&server.faults).plan(on, fault, None);
    }
    Ok(server)
}

const PHONES: &str = "/api/v2/telephony/providers/edges/phones";
const CLIENT_ID: &str = "lab";
/// Nobody probes it: the trunks of an API alone lead nowhere.
const REGISTRAR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);

/// The API alone; dropping it closes every socket.
#[derive(Debug)]
pub struct Api {
    runtime: Option<Runtime>,
    server: Arc<Server>,
    client_secret: String,
    authority: Option<String>,
}

impl Api {
    /// Starts it with so much to tell, in which nothing is broken.
    ///
    /// # Errors
    ///
    /// When no socket can be bound.
    pub fn start(profile: Profile, inventory: Inventory) -> io::Result<Self> {
        Self::start_as(profile, inventory, None)
    }

    /// The same over TLS, with a certificate for this name.
    ///
    /// # Errors
    ///
    /// When no socket can be bound.
    pub fn start_with_tls(profile: Profile, inventory: Inventory, name: &str) -> io::Result<Self> {
        Self::start_as(profile, inventory, Some(name))
    }

    fn start_as(profile: Profile, inventory: Inventory, name: Option<&str>) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lab")
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let state = match inventory == Inventory::BRANCH {
            true => State::new(&Faults::NONE, REGISTRAR),
            false => State::sized(inventory, REGISTRAR),
        };
        let listener = sockets::tcp(Ipv4Addr::LOCALHOST, 0)?;
        let client_secret = secret()?;
        let client = (CLIENT_ID, client_secret.as_str());
        let server = Server::new(profile, state, client, secret()?, listener.local_addr()?);
        let authority = name.map(|_| Authority::new()).transpose()?;
        let tls = match (&authority, name) {
            (Some(authority), Some(name)) => Some(authority.vouch(name, &[name.to_owned()])?),
            _ => None,
        };
        tokio::spawn(server.clone().serve(listener, tls));
        drop(entered);
        let authority = authority.map(|authority| authority.pem());
        Ok(Self { runtime: Some(runtime), server, client_secret, authority })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What stands before `/api/v2`.
    #[must_use]
    pub fn api_url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// What stands before `/oauth/token`.
    #[must_use]
    pub fn login_url(&self) -> String {
        self.api_url()
    }

    /// Who is let in.
    #[must_use]
    pub const fn client_id(&self) -> &str {
        CLIENT_ID
    }

    /// With what.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// Who vouches for the certificate, as PEM, where there is one.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// What was asked, in its order; of very many the latest.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        held(&self.server.requests).iter().cloned().collect()
    }

    /// Plays this fault there until [`Api::heal`].
    pub fn set_fault(&self, on: On, fault: Fault) {
        held(&self.server.faults).plan(on, fault, None);
    }

    /// Plays this fault there so many times.
    pub fn set_fault_times(&self, on: On, fault: Fault, times: usize) {
        held(&self.server.faults).plan(on, fault, Some(times));
    }

    /// From now on everything is answered as it should.
    pub fn heal(&self) {
        held(&self.server.faults).heal();
    }

    /// Tells from now on what it would tell in this scenario.
    pub fn play(&self, scenario: &Scenario) {
        self.change(|state| *state = State::new(&scenario.faults, REGISTRAR));
    }

    /// Changes what there is.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut held(&self.server.state))
    }

    /// No token that was given out holds any longer.
    pub fn revoke_tokens(&self) {
        held(&self.server.tokens).revoke();
    }

    /// Tells every socket whose channel is subscribed to the topic, and how many those were.
    pub fn push_event(&self, topic: &str, body: &Value) -> usize {
        self.server.channels.push(topic, body)
    }

    /// Says `v2.system.socket_closing` on every socket.
    pub fn announce_closing(&self) -> usize {
        self.push_event("v2.system.socket_closing", &json!({ "message": "Closing" }))
    }

    /// Closes every socket; the channels and what they are subscribed to stay.
    pub fn close_sockets(&self) -> usize {
        self.server.channels.close()
    }

    /// Forgets every channel, as after its 24 hours.
    pub fn forget_channels(&self) {
        self.server.channels.forget();
    }

    /// From now on what is pushed is lost, or is not.
    pub fn lose_events(&self, loses: bool) {
        self.server.channels.lose(loses);
    }

    /// From now on nothing is said on any socket, not even a heartbeat, or is.
    pub fn mute(&self, is_mute: bool) {
        self.server.channels.mute(is_mute);
    }

    /// How many sockets are open.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.server.channels.sockets()
    }

    /// What is subscribed to.
    #[must_use]
    pub fn topics(&self) -> BTreeSet<String> {
        self.server.channels.topics()
    }

    /// The webhooks that were asked for, by the guide.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Value> {
        held(&self.server.webhooks).clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Does not wait: a runtime that waits may not be dropped within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
