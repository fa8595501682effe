//! A branch office in a few lines: what was asked, what came back, what the vendor says.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use branchline::check::{Check, CheckId, Whom};
use branchline::correlation::{Evidence, Memory};
use branchline::diagnosis::{Diagnosis, Finding, Rule, diagnose};
use branchline::profile::Profile;
use branchline::rules::RULES;
use branchline::sight::{Compare, Shows, Sight, View, Watched};
use branchline::telephony::{ApiProblem, Snapshot};
use branchline_probes::dns_query::{
    ANSWER_COUNT, ANSWER_RRS, ANSWERS, AUTHORITATIVE, NEGATIVE_TTL, QUESTION, RCODE,
    RECURSION_AVAILABLE, SERIAL, TTL,
};
use branchline_probes::sip_register::MODE;
use branchline_probes::{
    Chance, Exchange, Fact, FactKey, Facts, Failure, Foreign, Module, Observation, Outcome, PROBES,
    Phase, Refusal, Target, TlsProblem, Transport, TrustedBy, Unresolved, Weakness,
};

pub(crate) use super::telephony::{
    edge, edge_group, failed, late, named, phone, read, refused_client, trunk, unreachable,
};

/// When the first cycle runs.
pub(crate) const BEGIN: SystemTime = SystemTime::UNIX_EPOCH;
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(8);

/// Two relays, a registrar and two nameservers, each a host of its own.
pub(crate) const RELAY: &str = "192.0.2.10:3478";
pub(crate) const RELAY_2: &str = "192.0.2.11:3478";
pub(crate) const REGISTRAR: &str = "192.0.2.20:5060";
pub(crate) const NS: &str = "192.0.2.30:53";
pub(crate) const NS_2: &str = "192.0.2.31:53";

/// What every nameserver is asked.
pub(crate) const NAME: &str = "lyon.example.net A";

/// One check at one address.
#[derive(Clone)]
pub(crate) struct Asked {
    probe: &'static str,
    module: &'static str,
    target: &'static str,
    pub(crate) host: String,
    address: SocketAddr,
    required: bool,
    trunk: Option<&'static str>,
    edge_group: Option<&'static str>,
    sight: Option<Sight>,
    facts: Facts,
    transport: Transport,
    /// The phases that were answered, and the one in which a failure comes.
    answered: Vec<Phase>,
    stage: Phase,
    /// A phase that takes longer than the others.
    takes: Option<(Phase, Duration)>,
    left_behind: bool,
    fingerprint: String,
}

fn asked(probe: &'static str, module: &'static str, target: &'static str, at: &str) -> Asked {
    let address: SocketAddr = at.parse().expect("an address");
    Asked {
        probe,
        module,
        target,
        host: address.ip().to_string(),
        address,
        required: true,
        trunk: None,
        edge_group: None,
        sight: None,
        facts: Facts::default(),
        transport: Transport::Udp,
        answered: Vec::new(),
        stage: Phase::Request,
        takes: None,
        left_behind: false,
        fingerprint: String::new(),
    }
}

/// The relay that listens at this address.
pub(crate) fn stun(at: &'static str) -> Asked {
    asked("stun-binding", "stun", if at == RELAY { "relay" } else { "relay-2" }, at)
}

/// TURN at the relay that listens at this address: the account is asked for first.
pub(crate) fn turn(at: &'static str) -> Asked {
    let target = if at == RELAY { "relay" } else { "relay-2" };
    Asked { stage: Phase::Challenge, ..asked("turn-allocation", "turn", target, at) }
}

/// A stream of voice-shaped packets through the relay.
pub(crate) fn media() -> Asked {
    let stage = Phase::Media;
    Asked { stage, ..asked("turn-media", "media", "relay", RELAY) }
}

/// The NAT on the way to the relay.
pub(crate) fn nat() -> Asked {
    asked("nat-behavior", "nat", "relay", RELAY)
}

/// The registrar, which has an account for us.
pub(crate) fn register() -> Asked {
    let register = asked("sip-register", "register", "registrar", REGISTRAR);
    register.stating(&MODE, "credentials")
}

/// The registrar's server, asked for no more than whether it is there.
pub(crate) fn options() -> Asked {
    asked("sip-options", "alive", "registrar", REGISTRAR)
}

/// The nameserver that listens at this address, asked for [`NAME`].
pub(crate) fn dns(at: &'static str) -> Asked {
    let mut dns = asked("dns-query", "record", if at == NS { "ns" } else { "ns-2" }, at);
    dns.facts.state(&QUESTION, Foreign::new(NAME));
    dns
}

/// The way from this nameserver down to the zone of [`NAME`].
pub(crate) fn delegation(at: &'static str) -> Asked {
    asked("dns-delegation", "servers", "root", at)
}

/// The nameserver at this address, as one view of the watched name of [`NAME`].
pub(crate) fn watched(view: View, at: &str) -> Asked {
    let (name, kind) = NAME.split_once(' ').expect("a name and a type");
    let record = Watched {
        name: name.to_owned(),
        kind,
        expect: Vec::new(),
        compare: Compare::Records,
        required: true,
    };
    let sight = Sight { view, shows: Shows::Record, name: Arc::new(record) };
    let mut watched = asked("dns-query", NAME, view.label(), at);
    watched.facts.state(&QUESTION, Foreign::new(NAME));
    watched.facts.state(&AUTHORITATIVE, view == View::Authoritative);
    watched.facts.state(&RECURSION_AVAILABLE, view != View::Authoritative);
    Asked { required: view == View::Site, sight: Some(sight), ..watched }
}

/// The delegation of the watched name of [`NAME`], by a walk from the root at this address.
pub(crate) fn walk_of_name(at: &str) -> Asked {
    let record = watched(View::Authoritative, at).showing(Shows::Delegation, "delegation");
    let facts = Facts::default();
    Asked { probe: "dns-delegation", target: "root", stage: Phase::Delegation, facts, ..record }
}

impl Asked {
    /// The same of a watched name that is declared otherwise.
    pub(crate) fn declared(mut self, change: impl FnOnce(&mut Watched)) -> Self {
        let sight = self.sight.as_mut().expect("a watched name");
        let mut name = (*sight.name).clone();
        change(&mut name);
        sight.name = Arc::new(name);
        self
    }

    /// It shows something else of the watched name than its record.
    pub(crate) fn showing(mut self, shows: Shows, module: &'static str) -> Self {
        let sight = self.sight.as_mut().expect("a watched name");
        sight.shows = shows;
        Self { module, required: false, ..self }
    }

    /// The answer has these records, for so long.
    pub(crate) fn with_records(mut self, records: &[&str], ttl: u64) -> Self {
        let texts: Vec<Foreign> = records.iter().map(Foreign::new).collect();
        self.facts.state(&ANSWER_COUNT, texts.len() as u64);
        self.facts.state(&ANSWER_RRS, texts.len() as u64);
        self.facts.state(&ANSWERS, texts);
        self.facts.state(&RCODE, "NOERROR");
        self.with_ttl_of(ttl)
    }

    fn with_ttl_of(mut self, ttl: u64) -> Self {
        self.facts.state(&TTL, Duration::from_secs(ttl));
        self
    }

    /// There is no such name, for so long.
    pub(crate) fn absent_for(mut self, ttl: u64) -> Self {
        self.facts.state(&ANSWERS, Vec::new());
        self.facts.state(&ANSWER_RRS, 0);
        self.facts.state(&RCODE, "NXDOMAIN");
        self.with_negative_ttl(Duration::from_secs(ttl))
    }

    /// It does not decide between go and no-go.
    pub(crate) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(crate) fn of_trunk(self, trunk: &'static str) -> Self {
        Self { trunk: Some(trunk), ..self }
    }

    pub(crate) fn of_edge_group(self, edge_group: &'static str) -> Self {
        Self { edge_group: Some(edge_group), ..self }
    }

    /// The same by a module of another name.
    pub(crate) fn of_module(mut self, module: &'static str) -> Self {
        self.module = module;
        self
    }

    /// The same of a target of another name.
    pub(crate) fn of_target(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    /// Over TCP or TLS, by a module of that name.
    pub(crate) fn over(mut self, transport: Transport, port: u16) -> Self {
        self.module = match (self.probe, transport) {
            ("turn-allocation", Transport::Tcp) => "turn-tcp",
            ("turn-allocation", Transport::Tls) => "turn-tls",
            ("sip-register", Transport::Tcp) => "register-tcp",
            ("sip-register", Transport::Tls) => "register-tls",
            ("sip-options", Transport::Tcp) => "alive-tcp",
            ("sip-options", Transport::Tls) => "alive-tls",
            (_, Transport::Tcp) => "stun-tcp",
            (_, Transport::Tls) => "stun-tls",
            (_, Transport::Udp) => self.module,
        };
        self.address.set_port(port);
        Self { transport, ..self }
    }

    /// With the account of this user, among other options.
    pub(crate) fn of_user(self, user: &str) -> Self {
        let (module, transport) = (self.module, self.transport.label());
        let fingerprint = format!(
            "probe = \"turn-allocation\"\ntimeout = \"{module}\"\ntransport = \"{transport}\"\n\
             username = \"{user}\"\n"
        );
        Self { fingerprint, ..self }
    }

    /// By a module of these options.
    pub(crate) fn of_fingerprint(self, text: &str) -> Self {
        Self { fingerprint: text.to_owned(), ..self }
    }

    /// These phases are answered, and a failure comes in `stage`.
    pub(crate) fn until(self, answered: &[Phase], stage: Phase) -> Self {
        Self { answered: answered.to_vec(), stage, ..self }
    }

    /// Every exchange spends so long in this phase.
    pub(crate) fn taking(self, phase: Phase, time: Duration) -> Self {
        Self { takes: Some((phase, time)), ..self }
    }

    /// The peer may hold something of ours when the exchange is over.
    pub(crate) fn leaving_something(self) -> Self {
        Self { left_behind: true, ..self }
    }

    /// The target's name has this other address, too.
    pub(crate) fn also_at(self, at: &str) -> Self {
        Self { address: at.parse().expect("an address"), ..self }
    }

    pub(crate) fn authoritative(mut self) -> Self {
        self.facts.state(&AUTHORITATIVE, true);
        self
    }

    pub(crate) fn with_ttl(mut self, ttl: Duration) -> Self {
        self.facts.state(&TTL, ttl);
        self.facts.state(&ANSWER_COUNT, 1);
        self
    }

    pub(crate) fn with_negative_ttl(mut self, ttl: Duration) -> Self {
        self.facts.state(&NEGATIVE_TTL, ttl);
        self
    }

    pub(crate) fn with_serial(mut self, serial: u64) -> Self {
        self.facts.state(&SERIAL, serial);
        self
    }

    /// The exchange states these facts.
    pub(crate) fn knowing(self, facts: &Facts) -> Self {
        Self { facts: facts.clone(), ..self }
    }

    /// The exchange states this fact.
    pub(crate) fn stating<T: Fact>(mut self, key: &FactKey<T>, value: T) -> Self {
        self.facts.state(key, value);
        self
    }

    pub(crate) fn check(&self) -> Check {
        Check {
            site: "lyon".into(),
            target: self.target.into(),
            host: self.host.as_str().into(),
            port: self.address.port(),
            whom: Whom::Host,
            module_name: self.module.into(),
            // No check is run here, so no probe is asked.
            probe: PROBES[0],
            module: Arc::new(NeverRun),
            fingerprint: self.fingerprint.as_str().into(),
            interval: INTERVAL,
            required: self.required,
            trunk: self.trunk.map(Into::into),
            edge_group: self.edge_group.map(Into::into),
            sight: self.sight.clone(),
        }
    }

    pub(crate) fn observation(&self, said: Said, started: SystemTime) -> Observation {
        let failure = said.failure(&self.host, self.address);
        // A name that did not resolve has no address.
        let address = match &failure {
            Some(Failure::Unresolved { .. }) => None,
            Some(_) | None => Some(self.address),
        };
        Observation {
            probe: self.probe,
            module: self.module.to_owned(),
            target: self.target.to_owned(),
            site: "lyon".to_owned(),
            address,
            transport: self.transport,
            started,
            elapsed: Duration::from_millis(12),
            outcome: Outcome {
                facts: self.facts.clone(),
                phases: self.phases(failure.is_some()),
                failure: failure.map(|failure| (self.stage, failure)),
                left_behind: self.left_behind,
                ..Outcome::default()
            },
        }
    }

    /// 10 ms for each phase; the one that failed took its time, too.
    fn phases(&self, has_failed: bool) -> Vec<(Phase, Duration)> {
        let handshakes: &[Phase] = match self.transport {
            Transport::Udp => &[],
            Transport::Tcp => &[Phase::Connect],
            Transport::Tls => &[Phase::Connect, Phase::Tls],
        };
        let last = (has_failed || self.answered.is_empty()).then_some(&self.stage);
        let all = handshakes.iter().chain(&self.answered).chain(last);
        let usual = Duration::from_millis(10);
        let took = |phase| self.takes.filter(|it| it.0 == phase).map_or(usual, |it| it.1);
        all.map(|phase| (*phase, took(*phase))).collect()
    }
}

/// A module whose exchanges nobody begins: the observations are written by hand.
struct NeverRun;

impl Module for NeverRun {
    fn transport(&self) -> Transport {
        Transport::Udp
    }

    fn default_port(&self) -> u16 {
        0
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    fn begin(&self, target: &Target, _: Chance) -> Box<dyn Exchange> {
        panic!("nobody probes {} here", target.name)
    }
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    Works,
    /// Nothing, to so many requests.
    Silence(u32),
    /// Nothing until the module's timeout, to so many requests.
    Deadline(u32),
    /// An error of the protocol.
    Rejects(u16),
    /// "Nobody listens here", from this host.
    Closed(Option<&'static str>),
    /// A TCP reset.
    Resets,
    /// "It is forbidden", from this router.
    Forbidden(Option<&'static str>),
    /// "No way there", from a router.
    NoWay,
    /// An answer that nobody expects.
    Unexpected,
    /// An answer that breaks the protocol.
    Nonsense,
    /// So many messages, and none that is the answer.
    Unusable(u64),
    /// A challenge for another realm.
    OtherRealm,
    /// A challenge that is too weak.
    Weak,
    /// A TLS handshake that proves nothing, and who vouches for the certificate all the same.
    Unproven(TlsProblem, Option<TrustedBy>),
    /// A challenge from which something was taken.
    Downgraded,
    /// The name did not give an address.
    Unresolved(Unresolved),
    /// This host could not send.
    Local,
    /// The exchange was called off.
    Cancelled,
    /// This program failed.
    Internal,
}

impl Said {
    fn failure(self, host: &str, peer: SocketAddr) -> Option<Failure> {
        let waited = Duration::from_secs(8);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        Some(match self {
            Self::Works => return None,
            Self::Silence(transmissions) if transmissions >= 7 => {
                Failure::NoResponse { peer, transmissions, waited }
            }
            Self::Silence(transmissions) | Self::Deadline(transmissions) => {
                Failure::Deadline { peer, awaited: "the answer", transmissions, waited }
            }
            Self::Rejects(code) => Failure::Rejected { peer, code, reason: Foreign::new("No") },
            Self::Closed(by) => Failure::Refused { peer, by: by.map(ip), refusal: Refusal::Port },
            Self::Resets => Failure::Refused { peer, by: None, refusal: Refusal::Reset },
            Self::Forbidden(by) => Failure::Refused {
                peer,
                by: by.map(ip),
                refusal: Refusal::Prohibited { icmp_type: 3, code: 13 },
            },
            Self::NoWay => Failure::Refused {
                peer,
                by: Some(ip("203.0.113.1")),
                refusal: Refusal::Unreachable { network: true, icmp_type: 3, code: 0 },
            },
            Self::Unexpected => Failure::UnexpectedAnswer {
                peer,
                found: Foreign::new("198.51.100.66"),
                expected: "198.51.100.7".to_owned(),
            },
            Self::Unusable(messages) => Failure::Unusable { peer, messages, transmissions: 7 },
            Self::Nonsense => Failure::Misbehaved { peer, rule: "RFC 3261 §8", what: "nonsense" },
            Self::OtherRealm => Failure::AuthRealm {
                peer,
                found: Foreign::new("elsewhere"),
                expected: "lyon".to_owned(),
            },
            Self::Unproven(problem, trusted_by) => {
                let issuer = Some(Foreign::new("CN=Elsewhere"));
                Failure::TlsFailed { peer, problem, issuer, trusted_by }
            }
            Self::Weak => {
                Failure::AuthWeak { peer, weakness: Weakness::Offered(Foreign::new("MD5")) }
            }
            Self::Downgraded => Failure::AuthWeak { peer, weakness: Weakness::Downgraded },
            Self::Unresolved(problem) => Failure::Unresolved { host: host.to_owned(), problem },
            Self::Local => Failure::Local { peer, problem: ErrorKind::NetworkUnreachable },
            Self::Cancelled => Failure::Cancelled,
            Self::Internal => Failure::Internal,
        })
    }
}

/// A branch office.
#[derive(Default)]
pub(crate) struct Site {
    checks: Vec<Check>,
    memory: Memory,
    cycles: BTreeMap<CheckId, u32>,
    profile: Arc<Profile>,
    state: Option<Snapshot>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One cycle of a check; the same words once more are its next cycle.
    pub(crate) fn saw(self, asked: &Asked, said: Said) -> Self {
        self.saw_each(&[(asked, said)])
    }

    /// One cycle of a check whose target has several addresses.
    pub(crate) fn saw_each(mut self, addresses: &[(&Asked, Said)]) -> Self {
        let (first, _) = addresses[0];
        self = self.planned(first);
        let id = first.check().id();
        let cycle = self.cycles.entry(id.clone()).or_default();
        let started = BEGIN + INTERVAL * *cycle;
        *cycle += 1;
        let seen = addresses.iter().map(|(asked, said)| asked.observation(*said, started));
        self.memory.record(&id, seen);
        self
    }

    /// A check of the plan, whether it has run or not.
    pub(crate) fn planned(mut self, asked: &Asked) -> Self {
        let check = asked.check();
        if !self.checks.iter().any(|it| it.id() == check.id()) {
            self.checks.push(check);
        }
        self
    }

    /// The site is held to this profile.
    pub(crate) fn held_to(mut self, profile: Profile) -> Self {
        self.profile = Arc::new(profile);
        self
    }

    /// The vendor was read of this office alone, and all that it says beyond `change` is that there
    /// is nothing.
    pub(crate) fn vendor(mut self, change: impl FnOnce(&mut Snapshot)) -> Self {
        let nothing = || Snapshot {
            interval: INTERVAL,
            location: Some("Lyon office".to_owned()),
            edges: read([]),
            edge_groups: read([]),
            trunks: read([]),
            phones: read([]),
            ..Snapshot::default()
        };
        change(self.state.get_or_insert_with(nothing));
        self
    }

    /// The vendor is asked, and was never read.
    pub(crate) fn vendor_unread(mut self) -> Self {
        self.state = Some(Snapshot::default());
        self
    }

    /// Every part of the vendor's state was never read for this reason.
    pub(crate) fn vendor_fails(mut self, problem: &ApiProblem) -> Self {
        self.state = Some(Snapshot {
            interval: INTERVAL,
            location: Some("Lyon office".to_owned()),
            edges: failed(problem),
            edge_groups: failed(problem),
            trunks: failed(problem),
            phones: failed(problem),
            ..Snapshot::default()
        });
        self
    }

    /// What is known a second after the latest cycle began.
    pub(crate) fn evidence(&self) -> Evidence {
        let cycles = self.cycles.values().max().copied().unwrap_or(1);
        let now = BEGIN + INTERVAL * (cycles - 1) + Duration::from_secs(1);
        self.evidence_at(now)
    }

    pub(crate) fn evidence_at(&self, now: SystemTime) -> Evidence {
        let state = self.state.clone().map(Arc::new);
        self.memory.evidence(&self.checks, &self.profile, state.as_ref(), now)
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        diagnose(&self.evidence(), RULES)
    }

    /// What one rule says by itself.
    pub(crate) fn judged_by(&self, id: &str) -> Vec<Finding> {
        (rule(id).judge)(&self.evidence())
    }

    /// The ids of all findings, in order.
    pub(crate) fn found(&self) -> Vec<&'static str> {
        self.diagnosis().findings.iter().map(|finding| finding.rule).collect()
    }
}

pub(crate) fn rule(id: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.id == id).expect("the rule is listed")
}
