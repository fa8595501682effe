//! A TURN server of these tests: every byte by hand, every fault by order.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use branchline_probes::LegId;
use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::desk::{self, LOCAL, News, Reply, Wanted, millis};

pub(crate) const USER: &str = "probe";
pub(crate) const PASSWORD: &str = "hunter2";
pub(crate) const REALM: &str = "branch.test";
pub(crate) const RELAYED: &str = "203.0.113.9:50000";

pub(crate) const ALLOCATE: u16 = 0x003;
pub(crate) const REFRESH: u16 = 0x004;
pub(crate) const SEND: u16 = 0x006;
pub(crate) const CREATE_PERMISSION: u16 = 0x008;
pub(crate) const CHANNEL_BIND: u16 = 0x009;
/// How the log calls `ChannelData`, which has no method.
pub(crate) const CHANNEL_DATA: u16 = 0x400;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// What it does, and what it holds.
pub(crate) struct Turn {
    /// Whether it asks for credentials.
    pub(crate) is_open: bool,
    pub(crate) user: String,
    pub(crate) password: String,
    /// The realm of the next challenges; the last one stays.
    pub(crate) realms: VecDeque<&'static str>,
    /// Before the nonce's own text: a nonce cookie with its security features.
    pub(crate) cookie: &'static str,
    /// PASSWORD-ALGORITHMS of the next challenges; the last one stays.
    pub(crate) algorithms: VecDeque<Option<Vec<u8>>>,
    /// How many signed requests are told that their nonce is stale.
    pub(crate) stale: usize,
    /// The errors that signed requests get, by method, and whether they are proven.
    pub(crate) errors: BTreeMap<u16, (u16, bool)>,
    /// The error that every request gets without being looked at.
    pub(crate) first_error: Option<(u16, Option<SocketAddr>)>,
    pub(crate) lifetime: Option<u32>,
    /// What a Refresh success says instead, unless it was asked for the end.
    pub(crate) refreshed: Option<u32>,
    /// How many echoes get lost.
    pub(crate) lost_echoes: usize,
    /// Whether it binds channels and carries nothing on them.
    pub(crate) is_channel_lost: bool,
    /// Whether what comes out of the relay is not what went in.
    pub(crate) is_spoiling: bool,
    /// How many times a success of this method is not told.
    pub(crate) untold: BTreeMap<u16, usize>,
    /// What comes before each answer: made of the request.
    pub(crate) before: Option<Forgery>,
    /// Into how small pieces a stream is cut.
    pub(crate) piece: Option<usize>,
    /// What it holds, by leg and server.
    pub(crate) allocations: BTreeMap<(LegId, SocketAddr), Held>,
    /// Every message: its method, whether it was signed, to whom it went.
    pub(crate) log: Vec<(u16, bool, SocketAddr)>,
    /// Every request.
    pub(crate) requests: Vec<Request>,
    /// How many nonces it gave out.
    pub(crate) nonces: u32,
}

/// Messages that are made of a request.
pub(crate) type Forgery = fn(&Request) -> Vec<Vec<u8>>;

/// One allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) user: Vec<u8>,
    transaction: Vec<u8>,
    permissions: Vec<IpAddr>,
    channels: Vec<(u16, SocketAddr)>,
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: u16,
    pub(crate) transaction: Vec<u8>,
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    fn read(bytes: &[u8]) -> Self {
        let pair = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(bytes.len(), 20 + usize::from(pair(2)), "its length is not its length");
        assert_eq!(bytes[4..8], COOKIE);
        let mut attributes = Vec::new();
        let mut at = 20;
        while at < bytes.len() {
            let length = usize::from(pair(at + 2));
            attributes.push((pair(at), bytes[at + 4..at + 4 + length].to_vec()));
            at += 4 + length.next_multiple_of(4);
        }
        let (kind, transaction) = (pair(0), bytes[8..20].to_vec());
        Self { kind, transaction, attributes, bytes: bytes.to_vec() }
    }

    pub(crate) fn value(&self, kind: u16) -> Option<&[u8]> {
        self.attributes.iter().find(|(it, _)| *it == kind).map(|(_, value)| value.as_slice())
    }

    /// XOR-PEER-ADDRESS over IPv4.
    pub(crate) fn peer(&self) -> SocketAddr {
        let value = self.value(0x0012).expect("it names a peer");
        assert_eq!(value[..2], [0, 1], "a peer of IPv4");
        let port = u16::from_be_bytes([value[2] ^ 0x21, value[3] ^ 0x12]);
        let ip: [u8; 4] = std::array::from_fn(|index| value[4 + index] ^ COOKIE[index]);
        SocketAddr::from((ip, port))
    }

    /// Whether it proves that its sender knows this key.
    fn is_proven_by(&self, key: &[u8], is_sha256: bool) -> bool {
        let kind = if is_sha256 { 0x001C } else { 0x0008 };
        let mut at = 20;
        for (it, value) in &self.attributes {
            if *it == kind {
                let length = u16::try_from(at - 20 + 4 + value.len()).expect("it is short");
                let mut covered = self.bytes[..at].to_vec();
                covered[2..4].copy_from_slice(&length.to_be_bytes());
                return *value == code(key, is_sha256, &covered);
            }
            at += 4 + value.len().next_multiple_of(4);
        }
        false
    }
}

fn code(key: &[u8], is_sha256: bool, covered: &[u8]) -> Vec<u8> {
    if is_sha256 {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
        mac.update(covered);
        mac.finalize().into_bytes().to_vec()
    } else {
        let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("any length will do");
        mac.update(covered);
        mac.finalize().into_bytes().to_vec()
    }
}

pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("it is short");
    let mut bytes = [kind.to_be_bytes(), length.to_be_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn xored(kind: u16, address: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address.ip() else { panic!("these tests speak IPv4") };
    let mut value = vec![0, 1];
    value.extend((address.port() ^ 0x2112).to_be_bytes());
    value.extend(ip.octets().iter().zip(COOKIE).map(|(byte, mask)| byte ^ mask));
    attribute(kind, &value)
}

/// A message, with the integrity attribute of this key where there is one.
pub(crate) fn message(
    kind: u16,
    transaction: &[u8],
    attributes: &[Vec<u8>],
    key: Option<(&[u8], bool)>,
) -> Vec<u8> {
    let mut body = attributes.concat();
    let more = key.map_or(0, |(_, is_sha256)| if is_sha256 { 36 } else { 24 });
    let length = u16::try_from(body.len() + more).expect("it is short");
    let header = [&kind.to_be_bytes(), &length.to_be_bytes(), &COOKIE[..], transaction].concat();
    if let Some((key, is_sha256)) = key {
        let covered = [&header[..], &body].concat();
        let kind = if is_sha256 { 0x001C } else { 0x0008 };
        body.extend(attribute(kind, &code(key, is_sha256, &covered)));
    }
    [header, body].concat()
}

pub(crate) fn error(code: u16, reason: &str) -> Vec<u8> {
    let [class, number] = [code / 100, code % 100].map(|it| u8::try_from(it).expect("a code"));
    attribute(0x0009, &[&[0, 0, class, number], reason.as_bytes()].concat())
}

impl Turn {
    /// As RFC 5389 knows it: long-term credentials with MD5 and HMAC-SHA1.
    pub(crate) fn new() -> Self {
        Self {
            is_open: false,
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            realms: [REALM].into(),
            cookie: "",
            algorithms: [None].into(),
            stale: 0,
            errors: BTreeMap::new(),
            first_error: None,
            lifetime: Some(600),
            refreshed: None,
            lost_echoes: 0,
            is_channel_lost: false,
            is_spoiling: false,
            untold: BTreeMap::new(),
            before: None,
            piece: None,
            allocations: BTreeMap::new(),
            log: Vec::new(),
            requests: Vec::new(),
            nonces: 0,
        }
    }

    /// As RFC 8489 knows it: the algorithms by number, and perhaps users without a name.
    pub(crate) fn modern(algorithms: &[u16], hides_user: bool) -> Self {
        let list = algorithms.iter().flat_map(|it| [&it.to_be_bytes()[..], &[0, 0]].concat());
        // Bits 0 and 1 of 24, in base64: 1000 0000 is "gAAA", 1100 0000 is "wAAA".
        let cookie = if hides_user { "obMatJos2wAAA" } else { "obMatJos2gAAA" };
        Self { cookie, algorithms: [Some(list.collect())].into(), ..Self::new() }
    }

    /// The methods of all that it heard, in order.
    pub(crate) fn heard(&self) -> Vec<u16> {
        self.log.iter().map(|(method, ..)| *method).collect()
    }

    /// How many signed requests of this method it heard.
    pub(crate) fn signed(&self, method: u16) -> usize {
        self.log.iter().filter(|(it, is_signed, _)| *it == method && *is_signed).count()
    }

    /// Every leg opens, and each answer is there 20 ms later.
    pub(crate) fn respond(&mut self, wanted: Wanted<'_>) -> Reply {
        match wanted {
            Wanted::Open(_) => vec![(desk::OPENING, News::Connected)],
            Wanted::Bytes(leg, to, bytes) => self
                .answer(leg, to, bytes)
                .into_iter()
                .flat_map(|bytes| match self.piece {
                    Some(size) => bytes.chunks(size).map(<[u8]>::to_vec).collect(),
                    None => vec![bytes],
                })
                .map(|bytes| (millis(20), News::Heard { from: to, bytes }))
                .collect(),
        }
    }

    /// What it says to one message.
    pub(crate) fn answer(&mut self, leg: LegId, to: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
        let key = (leg, to);
        if bytes[0] & 0xC0 == 0x40 {
            self.log.push((CHANNEL_DATA, false, to));
            let number = u16::from_be_bytes([bytes[0], bytes[1]]);
            let held = self.allocations.get(&key);
            let is_bound = held.is_some_and(|it| it.channels.iter().any(|it| it.0 == number));
            let is_lost = self.is_channel_lost || self.loses_echo();
            return if is_bound && !is_lost { vec![bytes.to_vec()] } else { Vec::new() };
        }
        let request = Request::read(bytes);
        let method = request.kind;
        let is_signed = request.value(0x0006).or(request.value(0x001E)).is_some();
        self.log.push((method & 0x0FEF, is_signed, to));
        self.requests.push(request.clone());
        if method == SEND | 0x10 {
            return self.relay(&request, key);
        }
        let mut answers = self.before.map(|before| before(&request)).unwrap_or_default();
        if let Some(answer) = self.judge(&request, is_signed, key) {
            answers.push(answer);
        }
        answers
    }

    fn loses_echo(&mut self) -> bool {
        let is_lost = self.lost_echoes > 0;
        self.lost_echoes = self.lost_echoes.saturating_sub(1);
        is_lost
    }

    fn relay(&mut self, request: &Request, key: (LegId, SocketAddr)) -> Vec<Vec<u8>> {
        let peer = request.peer();
        let held = self.allocations.get(&key);
        let is_let = held.is_some_and(|it| it.permissions.contains(&peer.ip()));
        if !is_let || self.loses_echo() {
            return Vec::new();
        }
        let mut data = request.value(0x0013).expect("it has data").to_vec();
        data[0] ^= u8::from(self.is_spoiling);
        let data = attribute(0x0013, &data);
        vec![message(0x0017, &[9; 12], &[xored(0x0012, peer), data], None)]
    }

    fn judge(
        &mut self,
        request: &Request,
        is_signed: bool,
        key: (LegId, SocketAddr),
    ) -> Option<Vec<u8>> {
        let (method, transaction) = (request.kind, &request.transaction);
        if let Some((code, alternate)) = self.first_error {
            let mut attributes = vec![error(code, "No")];
            if let Some(alternate) = alternate {
                let IpAddr::V4(ip) = alternate.ip() else { panic!("these tests speak IPv4") };
                let value = [&[0, 1], &alternate.port().to_be_bytes()[..], &ip.octets()].concat();
                attributes.push(attribute(0x8023, &value));
            }
            return Some(message(method | 0x110, transaction, &attributes, None));
        }
        let (secret, is_sha256) = self.key(request);
        if !self.is_open {
            if !is_signed {
                return Some(self.challenge(request, 401));
            }
            if !request.is_proven_by(&secret, is_sha256) || !self.knows(request) {
                return Some(self.challenge(request, 401));
            }
            if self.stale > 0 {
                self.stale -= 1;
                return Some(self.challenge(request, 438));
            }
        }
        let proof = is_signed.then_some((&secret[..], is_sha256));
        if let Some(&(code, is_proven)) = self.errors.get(&method) {
            let proof = proof.filter(|_| is_proven);
            return Some(message(method | 0x110, transaction, &[error(code, "No")], proof));
        }
        let user = request.value(0x0006).or(request.value(0x001E)).unwrap_or_default().to_vec();
        let attributes = match self.act(request, &user, key) {
            Ok(attributes) => attributes,
            Err(code) => {
                return Some(message(method | 0x110, transaction, &[error(code, "No")], proof));
            }
        };
        if let Some(count) = self.untold.get_mut(&method).filter(|count| **count > 0) {
            *count -= 1;
            return None;
        }
        Some(message(method | 0x100, transaction, &attributes, proof))
    }

    fn act(
        &mut self,
        request: &Request,
        user: &[u8],
        key: (LegId, SocketAddr),
    ) -> Result<Vec<Vec<u8>>, u16> {
        let lifetime: Vec<Vec<u8>> =
            self.lifetime.iter().map(|it| attribute(0x000D, &it.to_be_bytes())).collect();
        if request.kind == ALLOCATE {
            assert_eq!(request.value(0x0019), Some(&[17, 0, 0, 0][..]), "it asks for UDP");
            if self.allocations.get(&key).is_some_and(|it| it.transaction != request.transaction) {
                return Err(437);
            }
            let transaction = request.transaction.clone();
            let held = Held { user: user.to_vec(), transaction, ..Held::default() };
            self.allocations.insert(key, held);
            let relayed = xored(0x0016, RELAYED.parse().expect("an address"));
            let mapped = xored(0x0020, LOCAL.parse().expect("an address"));
            return Ok([vec![relayed, mapped], lifetime].concat());
        }
        let held = self.allocations.get_mut(&key).ok_or(437_u16)?;
        if held.user != user {
            return Err(441);
        }
        match request.kind {
            REFRESH if request.value(0x000D) == Some(&[0; 4]) => {
                self.allocations.remove(&key);
                Ok(vec![attribute(0x000D, &[0; 4])])
            }
            REFRESH => {
                if self.refreshed == Some(0) {
                    self.allocations.remove(&key);
                }
                let seconds = self.refreshed.or(self.lifetime);
                Ok(seconds.iter().map(|it| attribute(0x000D, &it.to_be_bytes())).collect())
            }
            CREATE_PERMISSION => {
                held.permissions.push(request.peer().ip());
                Ok(Vec::new())
            }
            CHANNEL_BIND => {
                let value = request.value(0x000C).expect("it has a number");
                assert_eq!(value[2..], [0, 0], "RFFU is zero");
                held.channels.push((u16::from_be_bytes([value[0], value[1]]), request.peer()));
                Ok(Vec::new())
            }
            method => panic!("an unknown method {method:#x}"),
        }
    }

    /// A challenge of its own making.
    fn challenge(&mut self, request: &Request, code: u16) -> Vec<u8> {
        self.nonces += 1;
        let nonce = format!("{}nonce-{}", self.cookie, self.nonces);
        let realm = next(&mut self.realms);
        let mut attributes = vec![
            error(code, if code == 401 { "Unauthorized" } else { "Stale nonce\0" }),
            attribute(0x0014, realm.as_bytes()),
            attribute(0x0015, nonce.as_bytes()),
        ];
        if let Some(list) = next(&mut self.algorithms) {
            attributes.push(attribute(0x8002, &list));
        }
        message(request.kind | 0x110, &request.transaction, &attributes, None)
    }

    /// The key that proves this request, and the answers to it.
    fn key(&self, request: &Request) -> (Vec<u8>, bool) {
        let realm = request.value(0x0014).unwrap_or_default();
        let text = [self.user.as_bytes(), b":", realm, b":", self.password.as_bytes()].concat();
        let algorithm = request.value(0x001D);
        let key = match algorithm {
            Some([0, 2, ..]) => Sha256::digest(&text).to_vec(),
            _ => Md5::digest(&text).to_vec(),
        };
        (key, algorithm.is_some())
    }

    fn knows(&self, request: &Request) -> bool {
        let realm = request.value(0x0014).unwrap_or_default();
        let text = [self.user.as_bytes(), b":", realm].concat();
        request.value(0x0006) == Some(self.user.as_bytes())
            || request.value(0x001E) == Some(&Sha256::digest(&text)[..])
    }
}

fn next<T: Clone>(queue: &mut VecDeque<T>) -> T {
    if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }.expect("it has one")
}
