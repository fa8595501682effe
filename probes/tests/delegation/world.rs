//! A virtual Internet of nameservers: zones as people write them, answers as bytes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use branchline_probes::{
    Chance, Exchange, LegId, Module, OptionValue, Outcome, Refusal, Target, Transport,
};

use crate::desk::{self, News, Reply, Run, Wanted, millis};

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const AAAA: u16 = 28;

pub(crate) const AA: u8 = 0x04;
pub(crate) const TC: u8 = 0x02;
const QR: u8 = 0x80;

/// The root, from where every way begins.
pub(crate) const ROOT: &str = "192.0.2.10";
/// The server of `com`.
pub(crate) const COM: &str = "192.0.2.30";
/// The server of `net`.
pub(crate) const NET: &str = "192.0.2.31";

/// What a zone's file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    apex: &'static str,
    serial: u32,
    nameservers: Vec<&'static str>,
    hosts: Vec<(&'static str, &'static str)>,
    aliases: Vec<(&'static str, &'static str)>,
    cuts: Vec<(&'static str, &'static str, Option<&'static str>)>,
}

impl Zone {
    pub(crate) fn new(apex: &'static str) -> Self {
        Self { apex, serial: 2026, ..Self::default() }
    }

    pub(crate) fn serial(mut self, serial: u32) -> Self {
        self.serial = serial;
        self
    }

    /// Its own NS record.
    pub(crate) fn ns(mut self, name: &'static str) -> Self {
        self.nameservers.push(name);
        self
    }

    pub(crate) fn host(mut self, name: &'static str, address: &'static str) -> Self {
        self.hosts.push((name, address));
        self
    }

    pub(crate) fn alias(mut self, name: &'static str, target: &'static str) -> Self {
        self.aliases.push((name, target));
        self
    }

    /// A zone below is served by `name`, which is at `address`.
    pub(crate) fn cut(
        mut self,
        zone: &'static str,
        name: &'static str,
        address: &'static str,
    ) -> Self {
        self.cuts.push((zone, name, Some(address)));
        self
    }

    /// A zone below is served by `name`, wherever that is.
    pub(crate) fn glueless(mut self, zone: &'static str, name: &'static str) -> Self {
        self.cuts.push((zone, name, None));
        self
    }

    fn answer(&self, query: &Query) -> Answer {
        let mut answer = Answer::to(query);
        let below = self.cuts.iter().filter(|(zone, ..)| is_within(&query.name, zone));
        if let Some((zone, ..)) = below.max_by_key(|(zone, ..)| zone.len()) {
            for (_, name, address) in self.cuts.iter().filter(|(it, ..)| it == zone) {
                answer.authorities.push(record(zone, NS, 172_800, &labels(name)));
                answer.additionals.extend(address.map(|it| address_record(name, 3_600, it)));
            }
            return answer;
        }
        answer.flags |= AA;
        if let Some((_, target)) = self.aliases.iter().find(|(name, _)| *name == query.name) {
            answer.answers.push(record(&query.name, CNAME, 60, &labels(target)));
            return answer;
        }
        let is_apex = query.name == self.apex;
        match query.kind {
            SOA if is_apex => answer.answers.push(soa(self.apex, self.serial)),
            NS if is_apex => {
                let names = self.nameservers.iter();
                answer.answers.extend(names.map(|it| record(self.apex, NS, 7_200, &labels(it))));
            }
            A | AAAA => {
                let hosts = self.hosts.iter().filter(|(name, address)| {
                    *name == query.name && (query.kind == AAAA) == address.contains(':')
                });
                answer.answers.extend(hosts.map(|(name, it)| address_record(name, 300, it)));
            }
            _ => {}
        }
        if answer.answers.is_empty() {
            let is_there = is_apex || self.hosts.iter().any(|(name, _)| *name == query.name);
            answer.rcode = if is_there { 0 } else { 3 };
            answer.authorities.push(soa(self.apex, self.serial));
        }
        answer
    }
}

/// A question as it arrived, its name in lower case; the bytes have it as it was spelled.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) id: [u8; 2],
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) bytes: Vec<u8>,
}

impl Query {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let (mut at, mut names) = (12, Vec::new());
        while bytes[at] != 0 {
            let length = usize::from(bytes[at]);
            names.push(String::from_utf8_lossy(&bytes[at + 1..][..length]).to_ascii_lowercase());
            at += 1 + length;
        }
        let name = if names.is_empty() { ".".to_owned() } else { names.join(".") };
        let kind = u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]);
        Self { id: [bytes[0], bytes[1]], name, kind, bytes: bytes.to_vec() }
    }
}

/// A response, field by field.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) id: [u8; 2],
    pub(crate) flags: u8,
    pub(crate) rcode: u8,
    pub(crate) question: Vec<u8>,
    pub(crate) answers: Vec<Vec<u8>>,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) additionals: Vec<Vec<u8>>,
}

impl Answer {
    pub(crate) fn to(query: &Query) -> Self {
        let end = 12 + labels(&query.name).len() + 4;
        Self {
            id: query.id,
            flags: QR,
            rcode: 0,
            question: query.bytes[12..end].to_vec(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        }
    }

    pub(crate) fn error(query: &Query, rcode: u8) -> Self {
        Self { rcode, ..Self::to(query) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = |records: &[Vec<u8>]| u16::try_from(records.len()).expect("few").to_be_bytes();
        let sections = [&self.answers, &self.authorities, &self.additionals];
        let [answers, authorities, additionals] = sections.map(|it| count(it));
        let head = [&self.id[..], &[self.flags, self.rcode], &[0, 1]].concat();
        let counts = [answers, authorities, additionals].concat();
        [head, counts, self.question.clone(), sections.map(|it| it.concat()).concat()].concat()
    }

    /// As a datagram brings it, after the usual time.
    pub(crate) fn heard(&self, from: SocketAddr) -> Reply {
        vec![(millis(20), News::Heard { from, bytes: self.bytes() })]
    }
}

pub(crate) fn record(owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("it is short");
    let fixed = [&kind.to_be_bytes()[..], &[0, 1], &ttl.to_be_bytes(), &length.to_be_bytes()];
    [labels(owner), fixed.concat(), data.to_vec()].concat()
}

pub(crate) fn address_record(owner: &str, ttl: u32, address: &str) -> Vec<u8> {
    match address.parse().expect("an IP address") {
        IpAddr::V4(ip) => record(owner, A, ttl, &ip.octets()),
        IpAddr::V6(ip) => record(owner, AAAA, ttl, &ip.octets()),
    }
}

pub(crate) fn soa(apex: &str, serial: u32) -> Vec<u8> {
    let mut data = [labels("ns"), labels("host")].concat();
    for number in [serial, 7200, 900, 86_400, 300] {
        data.extend(number.to_be_bytes());
    }
    record(apex, SOA, 3_600, &data)
}

pub(crate) fn labels(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).expect("it is short"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn is_within(name: &str, zone: &str) -> bool {
    zone == "." || name == zone || name.ends_with(&format!(".{zone}"))
}

/// What comes back for a question: the honest answer is there to be spoilt.
type Twist = Box<dyn FnMut(&Query, &Answer, Transport) -> Option<Reply>>;

/// Every nameserver there is.
#[derive(Default)]
pub(crate) struct World {
    zones: BTreeMap<IpAddr, Vec<Zone>>,
    twists: BTreeMap<IpAddr, Twist>,
    unreachable: Vec<fn(&IpAddr) -> bool>,
    legs: BTreeMap<LegId, Transport>,
    /// Every question, with whom it went to.
    pub(crate) asked: Vec<(IpAddr, String, u16)>,
}

impl World {
    /// The root and two zones below it; `com` is what is given.
    pub(crate) fn with_com(com: Zone) -> Self {
        let mut world = Self::default();
        let root = Zone::new(".").cut("com", "a.nic.com", COM).cut("net", "a.nic.net", NET);
        world.serve(ROOT, root);
        world.serve(COM, com);
        world
    }

    /// `address` serves a zone, perhaps beside others.
    pub(crate) fn serve(&mut self, address: &str, zone: Zone) {
        self.zones.entry(address.parse().expect("an IP address")).or_default().push(zone);
    }

    /// What `address` answers, where the twist does not leave that to its zones.
    pub(crate) fn twist(
        &mut self,
        address: &str,
        twist: impl FnMut(&Query, &Answer, Transport) -> Option<Reply> + 'static,
    ) {
        self.twists.insert(address.parse().expect("an IP address"), Box::new(twist));
    }

    /// `address` does not answer.
    pub(crate) fn silence(&mut self, address: &str) {
        self.twist(address, |_, _, _| Some(Vec::new()));
    }

    /// `address` answers so.
    pub(crate) fn answers(
        &mut self,
        address: &'static str,
        answer: impl Fn(&Query, &Answer) -> Answer + 'static,
    ) {
        let from = at(address);
        self.twist(address, move |query, honest, _| Some(answer(query, honest).heard(from)));
    }

    /// `address` is a host on which nobody listens.
    pub(crate) fn refuse(&mut self, address: &'static str) {
        let by = Some(at(address).ip());
        let refused = News::Refused { by, refusal: Refusal::Port };
        self.twist(address, move |_, _, _| Some(vec![(millis(5), refused.clone())]));
    }

    /// This host cannot send to such addresses.
    pub(crate) fn cannot_reach(&mut self, which: fn(&IpAddr) -> bool) {
        self.unreachable.push(which);
    }

    /// Whether `address` was spoken to.
    pub(crate) fn was_asked(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().expect("an IP address");
        self.asked.iter().any(|(it, ..)| *it == address)
    }

    fn respond(&mut self, wanted: Wanted<'_>) -> Reply {
        match wanted {
            Wanted::Open(leg) => {
                self.legs.insert(leg.id, leg.transport);
                let is_out_of_reach = self.unreachable.iter().any(|which| which(&leg.peer.ip()));
                let news = if is_out_of_reach { News::Failed } else { News::Connected };
                vec![(desk::OPENING, news)]
            }
            Wanted::Bytes(leg, to, bytes) => {
                let transport = self.legs[&leg];
                let is_stream = transport == Transport::Tcp;
                let query = Query::read(if is_stream { &bytes[2..] } else { bytes });
                self.asked.push((to.ip(), query.name.clone(), query.kind));
                let Some(honest) = self.honest(to.ip(), &query) else { return Vec::new() };
                let twist = self.twists.get_mut(&to.ip());
                if let Some(reply) = twist.and_then(|it| it(&query, &honest, transport)) {
                    return reply;
                }
                let bytes = if is_stream { framed(&honest.bytes()) } else { honest.bytes() };
                vec![(millis(20), News::Heard { from: to, bytes })]
            }
        }
    }

    /// What the zones of an address say; nothing where there is no host.
    pub(crate) fn honest(&self, address: IpAddr, query: &Query) -> Option<Answer> {
        let Some(zones) = self.zones.get(&address) else {
            return self.twists.contains_key(&address).then(|| Answer::error(query, 5));
        };
        let holding = zones.iter().filter(|zone| is_within(&query.name, zone.apex));
        let zone = holding.max_by_key(|zone| zone.apex.trim_matches('.').len());
        Some(zone.map_or_else(|| Answer::error(query, 5), |zone| zone.answer(query)))
    }

    /// Looks for the servers of `name`, from the root on.
    pub(crate) fn walk(&mut self, name: &str) -> Run {
        self.walk_with(name, ROOT, &[], 7)
    }

    pub(crate) fn walk_with(
        &mut self,
        name: &str,
        start: &str,
        set: &[(&'static str, OptionValue)],
        seed: u8,
    ) -> Run {
        let mut exchange = begin(&*module(name, set), start, Chance::from_seed([seed; 32]));
        desk::run(exchange.as_mut(), &mut |wanted| self.respond(wanted))
    }
}

/// A module that looks for the servers of `name`.
pub(crate) fn module(name: &str, set: &[(&'static str, OptionValue)]) -> Box<dyn Module> {
    let name = ("name", OptionValue::Text(name.to_owned()));
    desk::module("dns-delegation", &[&[name], set].concat())
}

/// A walk from `start`.
pub(crate) fn begin(module: &dyn Module, start: &str, chance: Chance) -> Box<dyn Exchange> {
    let target = Target {
        name: "a-target".into(),
        site: "a-site".into(),
        host: "host.example".into(),
        address: at(start),
        transport: None,
        started: desk::STARTED,
    };
    module.begin(&target, chance)
}

/// An address with the port of every target of the desk.
pub(crate) fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an IP address"), desk::peer().port())
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("it is short");
    [&length.to_be_bytes(), message].concat()
}

/// A fact that is a list of texts.
pub(crate) fn texts(
    outcome: &Outcome,
    key: &branchline_probes::FactKey<Vec<branchline_probes::Foreign>>,
) -> Vec<String> {
    let texts = outcome.facts.read(key).unwrap_or_default();
    texts.iter().map(|text| text.as_str().to_owned()).collect()
}

/// The addresses that are worth asking, without their port.
pub(crate) fn servers(outcome: &Outcome) -> Vec<String> {
    let servers = outcome.facts.read(&branchline_probes::dns_delegation::SERVERS);
    servers.unwrap_or_default().iter().map(|it| it.ip().to_string()).collect()
}

/// What went wrong, in the words for people.
pub(crate) fn message(outcome: &Outcome) -> String {
    outcome.failure.as_ref().map(|(_, failure)| failure.to_string()).unwrap_or_default()
}

/// A time that no exchange of these tests takes.
pub(crate) const SECONDS: Duration = Duration::from_secs(1);
