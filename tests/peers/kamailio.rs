//! Kamailio as a registrar for one account, without a database: what it is told, what it saw and
//! what it holds.

mod accounts;
mod challenges;
mod leavings;
mod registrar;
mod setup;
mod shutdown;
mod transports;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::agent::{Probe, probe};
use crate::certificates::Authority;
use crate::process::{Server, program, run, run_well, text, words};

pub(crate) use setup::Setup;

/// A Kamailio that has answered; gone when this value is.
pub(crate) struct Kamailio {
    /// Where it answers over UDP and TCP.
    pub(crate) port: u16,
    /// Where it answers over TLS, if it does.
    pub(crate) tls_port: Option<u16>,
    address: IpAddr,
    server: Server,
    kamcmd: PathBuf,
}

/// A REGISTER as the registrar saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What carried it.
    pub(crate) transport: String,
    /// The port from which it came.
    pub(crate) from_port: u16,
    /// The exchange to which it belongs.
    pub(crate) call_id: String,
    /// Its number and method.
    pub(crate) sequence: String,
    /// For how long it asks, in seconds: by its contact, or else by its header.
    pub(crate) expires: String,
    /// The whole header; `<null>` where there was none.
    pub(crate) authorization: String,
}

impl Seen {
    /// Whether it carries credentials.
    pub(crate) fn has_credentials(&self) -> bool {
        self.authorization != "<null>"
    }

    /// A parameter of the credentials, without its quotes.
    pub(crate) fn credential(&self, name: &str) -> Option<&str> {
        let parameters = self.authorization.strip_prefix("Digest ")?.split(',');
        let mut named = parameters.filter_map(|parameter| parameter.trim().split_once('='));
        named.find(|(its, _)| *its == name).map(|(_, value)| value.trim_matches('"'))
    }
}

impl Kamailio {
    /// What can be told to a Kamailio before it starts. It asks for this digest algorithm, and
    /// listens on a free port of loopback.
    pub(crate) fn asking_for(algorithm: &str) -> Setup {
        Setup::asking_for(algorithm)
    }

    /// The branch's probe of this registrar: one account, every consent given but MD5's.
    pub(crate) fn probe(&self) -> Probe {
        self.probe_over("udp")
    }

    /// The same over another transport; over TLS it still has to be told whom to trust.
    pub(crate) fn probe_over(&self, transport: &str) -> Probe {
        probe("sip-register", self.at(transport))
            .option("transport", transport)
            .option("address_of_record", &format!("sip:{USER}@branch.test"))
            .option("username", USER)
            .option("allow_cleartext", if transport == "tls" { "false" } else { "true" })
    }

    /// Where it listens for a transport.
    ///
    /// # Panics
    ///
    /// For TLS, where it has no certificate.
    pub(crate) fn at(&self, transport: &str) -> SocketAddr {
        let port =
            if transport == "tls" { self.tls_port.expect("TLS was asked for") } else { self.port };
        SocketAddr::new(self.address, port)
    }

    /// What the registrar itself says that it holds for the account: contacts by address, each
    /// with what must not change while nobody touches it.
    ///
    /// The location table knows accounts by user (`use_domain` is off), so that sipsak's
    /// `1001@127.0.0.1` and the probe's `1001@branch.test` are one.
    #[track_caller]
    pub(crate) fn bindings(&self) -> BTreeMap<String, String> {
        let control = format!("unix:{}/ctl", self.server.folder().display());
        let kamcmd = self.kamcmd.display().to_string();
        let account = format!("s:{USER}");
        let lookup = [&*kamcmd, "-s", &control, "ul.lookup", "location", &account];
        let said = run_well(&words(&[], &lookup));
        let mut bindings = BTreeMap::new();
        let mut address = String::new();
        for line in said.lines().map(str::trim) {
            match line.split_once(": ") {
                Some(("Address", value)) => value.clone_into(&mut address),
                Some(("Call-ID" | "CSeq" | "Received" | "Socket" | "User-Agent", _)) => {
                    let kept: &mut String = bindings.entry(address.clone()).or_default();
                    *kept += line;
                    *kept += "\n";
                }
                _ => (),
            }
        }
        assert!(
            said.contains("not found") == bindings.is_empty(),
            "kamcmd speaks otherwise than expected:\n{said}"
        );
        bindings
    }

    /// Every REGISTER that arrived, in order.
    pub(crate) fn registers(&self) -> Vec<Seen> {
        self.happenings().into_iter().filter_map(Happening::seen).collect()
    }

    /// Everything that happened to a REGISTER, in order: when it arrived, and when
    /// its answer was due.
    pub(crate) fn happenings(&self) -> Vec<Happening> {
        self.server.log().lines().filter_map(Happening::read).collect()
    }

    /// What Kamailio has written so far.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// Registers a phone for an hour, with a client that is not ours, and gives what is held then.
    #[track_caller]
    pub(crate) fn register_a_phone(&self) -> BTreeMap<String, String> {
        let sipsak = program("sipsak", "sipsak").display().to_string();
        let phone = format!("sip:{USER}@127.0.0.1:5090");
        let account = format!("sip:{USER}@127.0.0.1");
        let port = self.port.to_string();
        #[rustfmt::skip]
        let command = words(&[], &[&sipsak, "-U", "-i", "-C", &phone, "-x", "3600",
            "-a", PASSWORD, "-r", &port, "-s", &account]);
        let output = run(&command);
        assert!(
            output.status.success(),
            "sipsak could not register: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        let held = self.bindings();
        assert_eq!(held.len(), 1, "the phone's: {held:?}");
        held
    }
}

/// What happens to a REGISTER at the registrar.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// It arrived.
    Arrived(Seen),
    /// The one of this Call-ID and this number is about to be answered.
    Answered(String, String),
}

impl Happening {
    fn read(line: &str) -> Option<Self> {
        let (_, said) = line.split_once(": REGISTER ")?;
        let (what, said) = said.split_once(' ')?;
        let mut words = said.splitn(WORDS, '|').map(str::to_owned);
        let mut next = || words.next().expect("the script writes all of them");
        let (call_id, sequence) = (next(), next());
        if what == "answered" {
            return Some(Self::Answered(call_id, sequence));
        }
        let (transport, from_port) = (next(), next().parse().expect("a port is a number"));
        let (header, contact, authorization) = (next(), next(), next());
        let expires = if contact.is_empty() { header } else { contact };
        Some(Self::Arrived(Seen {
            transport,
            from_port,
            call_id,
            sequence,
            expires,
            authorization,
        }))
    }

    fn seen(self) -> Option<Seen> {
        match self {
            Self::Arrived(seen) => Some(seen),
            Self::Answered(..) => None,
        }
    }
}

/// A Kamailio that answers over all three transports, with the authority that vouches for it.
#[track_caller]
pub(crate) fn over_every_transport(algorithm: &str) -> (Kamailio, Authority) {
    let authority = Authority::new();
    let identity = authority.vouch_for(&["127.0.0.1"]);
    (Kamailio::asking_for(algorithm).tls(identity).start(), authority)
}

/// Where every server of these tests listens that is in no namespace.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The account.
pub(crate) const USER: &str = "1001";

/// Its password.
pub(crate) const PASSWORD: &str = "secret1001";

/// Into how many words the line of an arrival is cut; the last may hold anything.
const WORDS: usize = 7;
