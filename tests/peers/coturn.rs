//! coturn as a STUN and TURN server: what it is told, and what it still holds.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::process::Command;
use std::time::Duration;

use crate::certificates::Identity;
use crate::process::{Server, ask_over_udp_inside, free_port, listens, program, run_well, words};
use crate::wait::eventually;

/// A coturn that has answered on each of its addresses; gone when this value is.
pub(crate) struct Coturn {
    /// Where it answers over UDP and TCP; the port above is its second one (RFC 5780).
    pub(crate) port: u16,
    /// Where it answers over TLS, if it does.
    pub(crate) tls_port: Option<u16>,
    /// Its process, for who must read its log.
    pub(crate) server: Server,
    wrapper: Vec<String>,
    relay_ports: RangeInclusive<u16>,
}

impl Coturn {
    /// What can be told to a coturn before it starts. It listens at these addresses, on port 3478,
    /// and relays from them; as long as nobody gave it credentials, it is a plain STUN server.
    pub(crate) fn at(addresses: &[&str]) -> Setup {
        Setup {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            wrapper: Vec::new(),
            port: 3478,
            tls_port: None,
            relay_ports: 50_000..=50_999,
            udp: true,
            fingerprint: true,
            behavior: false,
            lines: Vec::new(),
        }
    }

    /// The relayed transport addresses that it holds, as the kernel knows them: those of its relay
    /// range on which this coturn has a socket. A port that EVEN-PORT reserved (RFC 8656 §7.2)
    /// is among them.
    #[track_caller]
    pub(crate) fn relayed(&self) -> BTreeSet<SocketAddr> {
        let pid = fs::read_to_string(self.server.folder().join(PID)).expect("coturn wrote its pid");
        let owner = format!("pid={},", pid.trim());
        let sockets = run_well(&words(&self.wrapper, &["ss", "-Hantup"]));
        sockets
            .lines()
            .filter(|line| line.contains(&owner))
            .filter_map(|line| line.split_whitespace().nth(LOCAL)?.parse::<SocketAddr>().ok())
            .filter(|local| self.relay_ports.contains(&local.port()))
            .collect()
    }

    /// How many relayed transport addresses it holds.
    #[track_caller]
    pub(crate) fn allocations(&self) -> usize {
        self.relayed().len()
    }

    /// Waits until it holds no relayed transport address any more.
    ///
    /// # Panics
    ///
    /// When it still does after `patience`; with what it holds.
    #[track_caller]
    pub(crate) fn await_no_allocation(&self, patience: Duration) {
        eventually("a coturn without allocations", patience, || {
            let held = self.relayed();
            if held.is_empty() { Ok(()) } else { Err(format!("it holds {held:?}")) }
        });
    }

    /// Waits until it holds this many relayed transport addresses.
    #[track_caller]
    pub(crate) fn await_allocations(&self, count: usize, patience: Duration) {
        eventually(&format!("a coturn with {count} allocations"), patience, || {
            let held = self.relayed();
            if held.len() == count { Ok(()) } else { Err(format!("it holds {held:?}")) }
        });
    }
}

/// A coturn that has not been started.
pub(crate) struct Setup {
    addresses: Vec<String>,
    wrapper: Vec<String>,
    port: u16,
    tls_port: Option<u16>,
    relay_ports: RangeInclusive<u16>,
    udp: bool,
    fingerprint: bool,
    behavior: bool,
    lines: Vec<String>,
}

impl Setup {
    /// Runs it inside of `wrapper`: the words that enter a namespace.
    pub(crate) fn inside(mut self, wrapper: &[String]) -> Self {
        self.wrapper = wrapper.to_vec();
        self
    }

    /// Listens on this port for UDP and TCP.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Listens on a port that is free at `address` now, and so is the one above it.
    pub(crate) fn free_port(self, address: IpAddr) -> Self {
        self.port(free_port(address))
    }

    /// Answers over TLS and DTLS on `port` with this certificate.
    pub(crate) fn tls(mut self, port: u16, identity: &Identity) -> Self {
        self.tls_port = Some(port);
        self.line(&format!("tls-listening-port={port}"))
            .line(&format!("cert={}", identity.certificate.display()))
            .line(&format!("pkey={}", identity.key.display()))
    }

    /// Knows this user by a long-term credential (RFC 8489 §9.2); may be said more than once.
    pub(crate) fn user(self, name: &str, password: &str) -> Self {
        self.line("lt-cred-mech").line(&format!("user={name}:{password}"))
    }

    /// Takes time-limited credentials made with this secret: the user is `EXPIRY:NAME`, the
    /// password the base64 of the HMAC-SHA1 of the user under the secret.
    pub(crate) fn shared_secret(self, secret: &str) -> Self {
        self.line("use-auth-secret").line(&format!("static-auth-secret={secret}"))
    }

    /// Gives out nonces that are good for this many seconds; 438 afterwards.
    pub(crate) fn stale_nonce(self, seconds: u32) -> Self {
        self.line(&format!("stale-nonce={seconds}"))
    }

    /// Allows a user this many allocations at a time; 486 for one more.
    pub(crate) fn user_quota(self, allocations: u32) -> Self {
        self.line(&format!("user-quota={allocations}"))
    }

    /// Relays nothing to this address, or range `FIRST-LAST`; 403 for who asks.
    pub(crate) fn deny_peer(self, addresses: &str) -> Self {
        self.line(&format!("denied-peer-ip={addresses}"))
    }

    /// Relays to loopback addresses, too.
    pub(crate) fn allow_loopback_peers(self) -> Self {
        self.line("allow-loopback-peers")
    }

    /// Sends everybody to another server, `ADDRESS:PORT`; 300 for who asks for an allocation.
    pub(crate) fn alternate_server(self, server: &str) -> Self {
        self.line(&format!("alternate-server={server}"))
    }

    /// Relays from these ports; 508 when none is left.
    pub(crate) fn relay_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.relay_ports = ports;
        self
    }

    /// Relays from this address rather than from the one that it was asked at.
    pub(crate) fn relay_at(self, address: &str) -> Self {
        self.line(&format!("relay-ip={address}"))
    }

    /// Grants no lifetime above this many seconds.
    pub(crate) fn longest_lifetime(self, seconds: u32) -> Self {
        self.line(&format!("max-allocate-lifetime={seconds}"))
    }

    /// Answers CHANGE-REQUEST and names its other address (RFC 5780); takes two addresses.
    pub(crate) fn nat_behavior(mut self) -> Self {
        self.behavior = true;
        self
    }

    /// Adds no FINGERPRINT to its messages.
    pub(crate) fn without_fingerprint(mut self) -> Self {
        self.fingerprint = false;
        self
    }

    /// Listens to TCP (and TLS) only.
    pub(crate) fn without_udp(mut self) -> Self {
        self.udp = false;
        self.line("no-udp")
    }

    /// Adds a line of turnserver.conf.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it, and waits until it answers at every address and on every port.
    #[track_caller]
    pub(crate) fn start(self) -> Coturn {
        let folder = tempfile::tempdir().expect("a folder for coturn");
        let config = folder.path().join("turnserver.conf");
        fs::write(&config, self.config(&folder.path().display().to_string()))
            .expect("the folder is ours to write to");
        let mut command = Command::new(program("turnserver", "coturn"));
        command.arg("-c").arg(config);
        let mut server = Server::start_through(&self.wrapper, "coturn", folder, &command);
        for address in &self.addresses {
            let address: IpAddr = address.parse().expect("coturn listens at an address");
            if self.udp {
                let at = SocketAddr::new(address, self.port);
                server.await_ready(|| ask_over_udp_inside(&self.wrapper, at, BINDING_REQUEST));
            }
            for port in [Some(self.port), self.tls_port].into_iter().flatten() {
                let at = SocketAddr::new(address, port);
                server.await_ready(|| listens(&self.wrapper, at));
            }
        }
        Coturn {
            port: self.port,
            tls_port: self.tls_port,
            server,
            wrapper: self.wrapper,
            relay_ports: self.relay_ports,
        }
    }

    fn config(&self, folder: &str) -> String {
        let mut config = format!(
            "listening-port={}\nmin-port={}\nmax-port={}\nrealm={REALM}\n\
             userdb={folder}/users.db\npidfile={folder}/{PID}\nlog-file=stdout\nsimple-log\n\
             no-cli\nno-multicast-peers\n",
            self.port,
            self.relay_ports.start(),
            self.relay_ports.end(),
        );
        for address in &self.addresses {
            config += &format!("listening-ip={address}\n");
        }
        let switches = [
            ("fingerprint\n", self.fingerprint),
            ("no-rfc5780\n", !self.behavior),
            ("no-tls\nno-dtls\n", self.tls_port.is_none()),
        ];
        config.extend(switches.iter().filter(|(_, wanted)| *wanted).map(|(line, _)| *line));
        config.extend(self.lines.iter().map(|line| format!("{line}\n")));
        config
    }
}

/// The realm of every coturn of these tests.
pub(crate) const REALM: &str = "branch.test";

/// A Binding request of 20 bytes (RFC 8489 §5): type, length, magic cookie, transaction id.
const BINDING_REQUEST: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42branch-test!";

/// Where coturn writes its process id, in its folder.
const PID: &str = "turnserver.pid";

/// The column of the local address in what `ss -Hantup` prints: network, state, two queues, local.
const LOCAL: usize = 4;
