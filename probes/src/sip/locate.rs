//! Where to send a SIP request, as RFC 3263 §4 says.
//!
//! A domain without a port is looked up so: where the transport is not fixed, its NAPTR records say
//! which transports it prefers and under which names their servers are; without them, and where the
//! transport is fixed, those names are `_sips._tcp`, `_sip._tcp` and `_sip._udp`. Their SRV records
//! name servers and ports, in an order that is drawn anew each time (RFC 2782); where there are
//! none, the domain itself is the server.
//!
//! Every record is a claim of the DNS. A name in it has to be a host name; an address is never one
//! that is no server's, and this host itself only where this host's own resolver says so. What is
//! left out is told. Whoever is found, a certificate has to be for the domain.

mod order;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::admission::{Reach, reach};
use crate::chance::Chance;
use crate::failure::Unresolved;
use crate::locate::{
    Answer, Candidate, Located, Locating, Locator, Naptr, Question, RecordKind, Records, Srv,
};
use crate::options::{Kind, OptionKey};
use crate::target::Transport;

use order::in_order;
use tree::{Tree, bare, quoted};

/// Whether the candidates are asked in turn, as a phone does.
pub(crate) const FAILOVER: OptionKey<bool> = OptionKey::new(
    "failover",
    Kind::Flag,
    "ask one address after the other, at most 4, as a phone does, until one answers; else each is \
     asked for itself",
)
.default("false");

/// Where to send a SIP request.
pub struct SipLocator {
    domain: String,
    /// `None` where the DNS decides.
    transport: Option<Transport>,
    is_secure: bool,
    chance: Chance,
    services: Vec<Node>,
    stage: Stage,
    next: Locating,
    /// The resolver's first fault, which keeps the domain itself from being taken for a server.
    fault: Option<Unresolved>,
    is_not_offered: bool,
}

/// What was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Naptr,
    Srv,
    Hosts,
    Over,
}

/// What the tree shows, in its order.
enum Node {
    /// A line of its own.
    Note(String),
    /// A service, and what became of it.
    Service(Service),
}

/// One name under which servers are offered, all by one transport.
struct Service {
    /// Which records told of it.
    by: &'static str,
    /// Lines before those of its servers.
    lines: Vec<String>,
    /// Whose SRV records are asked for; `None` where the servers are known without.
    owner: Option<String>,
    transport: Transport,
    servers: Vec<Server>,
}

/// One server of a service.
struct Server {
    line: Option<String>,
    host: String,
    port: u16,
    /// Whether this host's search list applies to its name, as to what a person wrote.
    is_written: bool,
}

impl SipLocator {
    /// Begins to look for the servers of `domain`; without a transport the DNS decides. With
    /// `is_secure`, as for a sips URI, only TLS counts.
    #[must_use]
    pub fn new(
        domain: &str,
        transport: Option<Transport>,
        is_secure: bool,
        chance: Chance,
    ) -> Self {
        let domain = bare(domain).to_owned();
        let mut locator = Self {
            transport: if is_secure { Some(Transport::Tls) } else { transport },
            domain,
            is_secure,
            chance,
            services: Vec::new(),
            stage: Stage::Naptr,
            next: Locating::Ask(Vec::new()),
            fault: None,
            is_not_offered: false,
        };
        if let Ok(ip) = locator.domain.parse::<IpAddr>() {
            locator.found_itself(ip);
        } else if transport.is_some() {
            locator.ask_services();
        } else {
            let name = absolute(&locator.domain);
            locator.next = Locating::Ask(vec![Question { name, kind: RecordKind::Naptr }]);
        }
        locator
    }

    /// RFC 3263 §4.2: a numeric host is the server, at the default port.
    fn found_itself(&mut self, ip: IpAddr) {
        let transport = self.usual_transport();
        let address = SocketAddr::new(ip, default_port(transport));
        let mut tree = Tree::new(ADDRESS);
        tree.candidate(Candidate {
            address,
            host: self.domain.clone(),
            transport: Some(transport),
        });
        self.end(tree);
    }

    /// What is used where the DNS says nothing of it: RFC 3263 §4.1.
    fn usual_transport(&self) -> Transport {
        let preferred = self.services.iter().find_map(|node| match node {
            Node::Service(service) if service.by == NAPTR => Some(service.transport),
            Node::Service(_) | Node::Note(_) => None,
        });
        self.transport.or(preferred).unwrap_or(Transport::Udp)
    }

    fn hear_naptr(&mut self, said: Result<Records, Unresolved>) {
        let domain = self.domain.clone();
        let mut records = match said {
            Ok(Records::Naptr(records)) => records,
            Ok(Records::Srv(_) | Records::Addresses(_)) => Vec::new(),
            // Some routers drop what they do not know. Who has NAPTR records has SRV records
            // under the usual names as well.
            Err(problem) => {
                self.services.push(Node::Note(tree::nothing(&domain, "NAPTR", problem)));
                return self.ask_services();
            }
        };
        records.sort_by_key(|record| (record.order, record.preference));
        let more = records.len().saturating_sub(MOST_NAPTR);
        for record in records.into_iter().take(MOST_NAPTR) {
            let node = self.read(&domain, &record);
            self.services.push(node);
        }
        if more > 0 {
            self.services.push(Node::Note(tree::more(&domain, "NAPTR", more)));
        }
        self.ask_services();
    }

    /// What a NAPTR record leads to.
    fn read(&self, domain: &str, record: &Naptr) -> Node {
        let replacement = bare(&record.replacement);
        let Naptr { order, preference, flags, services, regexp, .. } = record;
        let rewriting =
            if regexp.is_empty() { String::new() } else { format!(" {}", quoted(regexp)) };
        let line = format!(
            "{domain} NAPTR {order} {preference} {} {}{rewriting} {}",
            quoted(flags),
            quoted(services),
            if replacement.is_empty() { "." } else { replacement },
        );
        let left_out = |why: &str| Node::Note(tree::left_out(&line, why));
        // RFC 3403 §4.1: neither depends on the case.
        let transport = match &*services.to_ascii_uppercase() {
            b"SIPS+D2T" => Transport::Tls,
            b"SIP+D2T" | b"SIP+D2U" if self.is_secure => return left_out("it is not secure"),
            b"SIP+D2T" => Transport::Tcp,
            b"SIP+D2U" => Transport::Udp,
            _ => return left_out("it is no service for SIP over UDP, TCP or TLS"),
        };
        if !regexp.is_empty() {
            return left_out("it rewrites the name (RFC 3263 §4.1 has none of that)");
        }
        if !is_host_name(replacement) {
            return left_out("its replacement is no host name");
        }
        match &*flags.to_ascii_lowercase() {
            b"s" => {
                let (lines, owner) = (vec![line], Some(replacement.to_owned()));
                let servers = Vec::new();
                Node::Service(Service { by: NAPTR, lines, owner, transport, servers })
            }
            b"a" => {
                let server = Server {
                    line: None,
                    host: replacement.to_owned(),
                    port: default_port(transport),
                    is_written: false,
                };
                let (lines, servers) = (vec![line], vec![server]);
                Node::Service(Service { by: NAPTR, lines, owner: None, transport, servers })
            }
            _ => left_out("its flag is neither s nor a"),
        }
    }

    /// Asks for the SRV records of every service; without any, of those that have the usual names.
    fn ask_services(&mut self) {
        if !self.services.iter().any(|node| matches!(node, Node::Service(_))) {
            let supported: &[Transport] = match &self.transport {
                Some(transport) => std::slice::from_ref(transport),
                None if self.is_secure => &[Transport::Tls],
                None => &[Transport::Tls, Transport::Tcp, Transport::Udp],
            };
            let usual = supported.iter().map(|transport| {
                let owner = format!("{}.{}", usual_name(*transport), self.domain);
                let (owner, transport) = (Some(owner), *transport);
                let (lines, servers) = (Vec::new(), Vec::new());
                Node::Service(Service { by: SRV, lines, owner, transport, servers })
            });
            self.services.extend(usual);
        }
        let owners = self.services.iter().filter_map(|node| match node {
            Node::Service(service) => service.owner.as_deref(),
            Node::Note(_) => None,
        });
        let questions: Vec<Question> =
            owners.map(|owner| Question { name: absolute(owner), kind: RecordKind::Srv }).collect();
        self.stage = Stage::Srv;
        if questions.is_empty() { self.ask_hosts() } else { self.next = Locating::Ask(questions) }
    }

    fn hear_srv(&mut self, answers: Vec<Answer>) {
        let mut answers = answers.into_iter().map(|answer| answer.said);
        let mut room = MOST_SRV;
        for node in &mut self.services {
            let Node::Service(service) = node else { continue };
            let Some(owner) = service.owner.clone() else { continue };
            let said = answers.next().unwrap_or(Err(Unresolved::NoAnswer));
            let records = match said {
                Ok(Records::Srv(records)) => records,
                Ok(Records::Naptr(_) | Records::Addresses(_)) => Vec::new(),
                Err(problem) => {
                    service.lines.push(tree::nothing(&owner, "SRV", problem));
                    if problem != Unresolved::NoAddress {
                        self.fault = self.fault.or(Some(problem));
                    }
                    continue;
                }
            };
            let more = records.len().saturating_sub(room);
            for record in in_order(records, &mut self.chance).into_iter().take(room) {
                room -= 1;
                let Srv { priority, weight, port, target } = record;
                let host = bare(&target);
                let shown = if host.is_empty() { "." } else { host };
                let line = format!("{owner} SRV {priority} {weight} {port} {shown}");
                let why = if host.is_empty() {
                    self.is_not_offered = true;
                    "nobody offers this"
                } else if port == 0 {
                    "it has no port"
                } else if is_host_name(host) {
                    let (host, line) = (host.to_owned(), Some(line));
                    service.servers.push(Server { line, host, port, is_written: false });
                    continue;
                } else {
                    "its target is no host name"
                };
                service.lines.push(tree::left_out(&line, why));
            }
            if more > 0 {
                service.lines.push(tree::more(&owner, "SRV", more));
            }
        }
        self.ask_hosts();
    }

    /// Asks for the addresses of every server; without any, of the domain itself.
    fn ask_hosts(&mut self) {
        self.stage = Stage::Hosts;
        if self.servers().next().is_none() {
            // RFC 2782: with the target ".", the service is decidedly not there. And where the
            // resolver failed, nobody knows whether the domain itself is the server.
            let problem =
                if self.is_not_offered { Some(Unresolved::NotOffered) } else { self.fault };
            if let Some(problem) = problem {
                return self.nowhere(problem);
            }
            let transport = self.usual_transport();
            let (host, port) = (self.domain.clone(), default_port(transport));
            let servers = vec![Server { line: None, host, port, is_written: true }];
            let owner = None;
            let lines = Vec::new();
            let itself = Service { by: ADDRESS, lines, owner, transport, servers };
            self.services.push(Node::Service(itself));
        }
        let mut seen = BTreeSet::new();
        let questions = self
            .servers()
            .filter(|server| seen.insert(server.host.to_ascii_lowercase()))
            .map(|server| {
                let is_written = server.is_written;
                let name = if is_written { server.host.clone() } else { absolute(&server.host) };
                Question { name, kind: RecordKind::Addresses }
            })
            .collect();
        self.next = Locating::Ask(questions);
    }

    fn hear_addresses(&mut self, answers: Vec<Answer>) {
        let Locating::Ask(questions) = &self.next else { return };
        let names = questions.iter().map(|question| bare(&question.name).to_ascii_lowercase());
        let answers: BTreeMap<String, Answer> = names.zip(answers).collect();
        let mut tree = Tree::new(self.located_by());
        for node in std::mem::take(&mut self.services) {
            let Service { lines, transport, servers, .. } = match node {
                Node::Note(line) => {
                    tree.line(line);
                    continue;
                }
                Node::Service(service) => service,
            };
            lines.into_iter().for_each(|line| tree.line(line));
            for Server { line, host, port, .. } in servers {
                line.into_iter().for_each(|line| tree.line(line));
                let answer = answers.get(&host.to_ascii_lowercase());
                let said = answer.map_or(&Err(Unresolved::NoAnswer), |answer| &answer.said);
                let ips = match said {
                    Ok(Records::Addresses(ips)) => ips,
                    Ok(Records::Naptr(_) | Records::Srv(_)) => continue,
                    Err(problem) => {
                        tree.line(tree::nothing(&host, RecordKind::Addresses.label(), *problem));
                        if *problem != Unresolved::NoAddress {
                            self.fault = self.fault.or(Some(*problem));
                        }
                        continue;
                    }
                };
                let is_near = answer.is_some_and(|answer| answer.is_by_this_host)
                    || is_this_host(&self.domain);
                for ip in ips {
                    match reach(*ip) {
                        Reach::Host if !is_near => tree.refused(&host, *ip, "it is this host"),
                        Reach::Nowhere => tree.refused(&host, *ip, "it is no server's address"),
                        Reach::Host | Reach::Beyond => {
                            let address = SocketAddr::new(*ip, port);
                            let (host, transport) = (host.clone(), Some(transport));
                            tree.candidate(Candidate { address, host, transport });
                        }
                    }
                }
            }
        }
        self.end(tree);
    }

    fn end(&mut self, tree: Tree) {
        self.stage = Stage::Over;
        let (candidates, facts) = tree.into_facts();
        self.next = if candidates.is_empty() {
            let problem = self.fault.unwrap_or(Unresolved::NoAddress);
            Locating::Nowhere { problem, facts }
        } else {
            Locating::Found(Located { candidates, facts })
        };
    }

    fn nowhere(&mut self, problem: Unresolved) {
        self.fault = Some(problem);
        let mut tree = Tree::new(self.located_by());
        for node in std::mem::take(&mut self.services) {
            match node {
                Node::Note(line) => tree.line(line),
                Node::Service(service) => {
                    service.lines.into_iter().for_each(|line| tree.line(line));
                }
            }
        }
        self.end(tree);
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        self.services.iter().flat_map(|node| match node {
            Node::Service(service) => &*service.servers,
            Node::Note(_) => &[],
        })
    }

    /// The records that told.
    fn located_by(&self) -> &'static str {
        let mut told = self.services.iter().filter_map(|node| match node {
            Node::Service(service) if !service.servers.is_empty() => Some(service),
            Node::Service(_) | Node::Note(_) => None,
        });
        told.next().map_or(ADDRESS, |service| service.by)
    }
}

impl Locator for SipLocator {
    fn poll(&mut self) -> Locating {
        self.next.clone()
    }

    fn hear(&mut self, answers: Vec<Answer>) {
        match self.stage {
            Stage::Naptr => {
                let said = answers.into_iter().next().map(|answer| answer.said);
                self.hear_naptr(said.unwrap_or(Err(Unresolved::NoAnswer)));
            }
            Stage::Srv => self.hear_srv(answers),
            Stage::Hosts => self.hear_addresses(answers),
            Stage::Over => {}
        }
    }
}

/// RFC 3261 §19.1.2.
const fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
    }
}

/// RFC 3263 §4.1.
const fn usual_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    }
}

fn absolute(name: &str) -> String {
    format!("{name}.")
}

/// Whether a name stands for this host wherever it is asked for (RFC 6761 §6.3).
fn is_this_host(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

/// Whether a name, without its last dot, is one that a host, or a service of it, can have; no
/// address, whose last label would be a number.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

const NAPTR: &str = "naptr";
const SRV: &str = "srv";
const ADDRESS: &str = "address";
/// NAPTR records of a domain that are looked at.
const MOST_NAPTR: usize = 16;
/// SRV records that are looked at, of all services together.
const MOST_SRV: usize = 32;
