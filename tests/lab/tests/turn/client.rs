//! A TURN client that shares nothing with the server but the codec of STUN's header: attributes
//! are written and read here byte by byte (RFC 8656 §18).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use branchline_lab::Cloud;
use sha2::{Digest as _, Sha256};
use stun_types::attribute::{AttributeType, RawAttribute};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass,
    MessageIntegrityCredentials, MessageType, MessageWrite as _, MessageWriteExt as _,
    MessageWriteVec, Method, TransactionId,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const PATIENCE: Duration = Duration::from_secs(5);

/// The magic cookie (RFC 8489 §5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

pub(crate) const ALLOCATE: Method = Method::new(0x003);
pub(crate) const REFRESH: Method = Method::new(0x004);
pub(crate) const SEND: Method = Method::new(0x006);
pub(crate) const DATA: Method = Method::new(0x007);
pub(crate) const CREATE_PERMISSION: Method = Method::new(0x008);
pub(crate) const CHANNEL_BIND: Method = Method::new(0x009);

/// Protocol numbers of IP.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// REQUESTED-ADDRESS-FAMILY and ADDITIONAL-ADDRESS-FAMILY.
pub(crate) const REQUESTED_FAMILY: u16 = 0x0017;
pub(crate) const ADDITIONAL_FAMILY: u16 = 0x8000;

const USERNAME: u16 = 0x0006;
const ERROR_CODE: u16 = 0x0009;
const CHANNEL_NUMBER: u16 = 0x000C;
const LIFETIME: u16 = 0x000D;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_ATTRIBUTE: u16 = 0x0013;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const PASSWORD_ALGORITHM: u16 = 0x001D;
const USERHASH: u16 = 0x001E;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PASSWORD_ALGORITHMS: u16 = 0x8002;
const SOFTWARE: u16 = 0x8022;

/// How a client reaches the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

enum Path {
    Datagrams(UdpSocket),
    /// The stream, and the connection under it.
    Stream(Box<dyn Stream>, TcpStream),
}

/// One client, which signs its requests once it has been challenged.
pub(crate) struct Client {
    path: Path,
    pub(crate) address: SocketAddr,
    password: String,
    realm: String,
    nonce: String,
    algorithm: IntegrityAlgorithm,
    /// The password algorithms of the challenge, as it wrote them.
    offered: Vec<u8>,
}

/// What a response says.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) is_success: bool,
    pub(crate) error: Option<u16>,
    pub(crate) lifetime: Option<u32>,
    pub(crate) mapped: Option<SocketAddr>,
    pub(crate) relayed: Option<SocketAddr>,
    pub(crate) software: String,
}

/// A peer's data, and how it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    Indication { peer: SocketAddr, data: Vec<u8> },
    Channel { number: u16, data: Vec<u8> },
}

pub(crate) fn secret(cloud: &Cloud) -> String {
    read(cloud, "turn-password")
}

fn read(cloud: &Cloud, name: &str) -> String {
    std::fs::read_to_string(cloud.config().with_file_name(name)).expect("the lab writes it")
}

impl Client {
    pub(crate) fn new(cloud: &Cloud, transport: Transport) -> Self {
        let addresses = cloud.addresses();
        let (path, address) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
                socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
                socket.connect(addresses.relay).expect("a peer");
                let address = socket.local_addr().expect("its address");
                (Path::Datagrams(socket), address)
            }
            Transport::Tcp => {
                let stream = connect(addresses.relay);
                let address = stream.local_addr().expect("its address");
                let under = stream.try_clone().expect("a handle");
                (Path::Stream(Box::new(stream), under), address)
            }
            Transport::Tls => {
                let stream = connect(addresses.relay_tls);
                let address = stream.local_addr().expect("its address");
                let under = stream.try_clone().expect("a handle");
                let stream = secure(stream, &read(cloud, "relay-ca.pem"));
                (Path::Stream(Box::new(stream), under), address)
            }
        };
        let password = secret(cloud);
        Self {
            path,
            address,
            password,
            realm: String::new(),
            nonce: String::new(),
            algorithm: IntegrityAlgorithm::Sha1,
            offered: Vec::new(),
        }
    }

    /// The same with SHA-256 and a hashed name, as RFC 8489 would have it.
    pub(crate) const fn of_today(mut self) -> Self {
        self.algorithm = IntegrityAlgorithm::Sha256;
        self
    }

    pub(crate) fn bind(&mut self) -> Response {
        self.request(BINDING, &[])
    }

    pub(crate) fn allocate(&mut self) -> Response {
        self.allocate_with(UDP, &[])
    }

    /// Asks for an allocation that relays a protocol (by its number), first without credentials,
    /// which only brings the challenge.
    pub(crate) fn allocate_with(&mut self, protocol: u8, more: &[(u16, Vec<u8>)]) -> Response {
        let transport = (REQUESTED_TRANSPORT, vec![protocol, 0, 0, 0]);
        let attributes = [&[transport], more].concat();
        assert_eq!(self.request(ALLOCATE, &attributes).error, Some(401));
        self.request(ALLOCATE, &attributes)
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) -> Response {
        self.request(CREATE_PERMISSION, &[(XOR_PEER_ADDRESS, xor(peer))])
    }

    pub(crate) fn bind_channel(&mut self, number: u16, peer: SocketAddr) -> Response {
        let [high, low] = number.to_be_bytes();
        let number = (CHANNEL_NUMBER, vec![high, low, 0, 0]);
        self.request(CHANNEL_BIND, &[number, (XOR_PEER_ADDRESS, xor(peer))])
    }

    pub(crate) fn free(&mut self) -> Response {
        self.request(REFRESH, &[(LIFETIME, vec![0; 4])])
    }

    pub(crate) fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let id = TransactionId::generate();
        let kind = MessageType::from_class_method(MessageClass::Indication, SEND);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        add(&mut message, XOR_PEER_ADDRESS, &xor(peer));
        add(&mut message, DATA_ATTRIBUTE, data);
        self.write(message.finish());
    }

    pub(crate) fn send_on_channel(&mut self, number: u16, data: &[u8]) {
        let length = u16::try_from(data.len()).expect("it is small");
        let message = [&number.to_be_bytes()[..], &length.to_be_bytes(), data].concat();
        self.write(message);
    }

    pub(crate) fn relayed(&mut self) -> Relayed {
        let bytes = self.read();
        if bytes[0] >> 6 == 0b01 {
            let number = u16::from_be_bytes([bytes[0], bytes[1]]);
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            return Relayed::Channel { number, data: bytes[4..4 + length].to_vec() };
        }
        let message = Message::from_bytes(&bytes).expect("a message");
        assert!(message.has_class(MessageClass::Indication) && message.has_method(DATA));
        let peer = address(&message, XOR_PEER_ADDRESS).expect("a peer");
        Relayed::Indication { peer, data: value(&message, DATA_ATTRIBUTE).expect("data") }
    }

    /// Says no more, and waits until the relay has gone, too.
    pub(crate) fn hang_up(mut self) {
        let Path::Stream(stream, under) = &mut self.path else { panic!("over a stream only") };
        under.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(stream.read(&mut [0; 64]).expect("an end"), 0);
    }

    /// A Binding request whose response, if any, is not waited for.
    pub(crate) fn knock(&mut self) {
        self.send_request(BINDING, &[]);
    }

    /// Whether nothing has arrived that was not read, not even a refusal.
    pub(crate) fn is_left_alone(&self) -> bool {
        let Path::Datagrams(socket) = &self.path else { panic!("over UDP only") };
        socket.set_nonblocking(true).expect("it can");
        let received = socket.recv(&mut [0; 2048]);
        socket.set_nonblocking(false).expect("it can");
        received.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request, signed where there has been a challenge, and checks who answers.
    fn request(&mut self, method: Method, attributes: &[(u16, Vec<u8>)]) -> Response {
        self.send_request(method, attributes);
        let bytes = self.read();
        let response = Message::from_bytes(&bytes).expect("a message");
        assert!(response.is_response() && response.has_method(method), "{response}");
        let error = value(&response, ERROR_CODE)
            .map(|value| u16::from(value[2] & 0b111) * 100 + u16::from(value[3]));
        let is_signed = method != BINDING && error != Some(401);
        if is_signed {
            let theirs = response.validate_integrity(&self.credentials());
            assert_eq!(theirs.expect("the response is the relay's"), self.algorithm);
        }
        let text =
            |kind| value(&response, kind).map(|value| String::from_utf8(value).expect("text"));
        if error == Some(401) {
            self.realm = text(REALM).expect("a challenge has a realm");
            self.nonce = text(NONCE).expect("a challenge has a nonce");
            self.offered = value(&response, PASSWORD_ALGORITHMS).unwrap_or_default();
        }
        Response {
            is_success: response.has_class(MessageClass::Success),
            error,
            lifetime: value(&response, LIFETIME)
                .map(|value| u32::from_be_bytes(value.try_into().expect("32 bits"))),
            mapped: address(&response, XOR_MAPPED_ADDRESS),
            relayed: address(&response, XOR_RELAYED_ADDRESS),
            software: text(SOFTWARE).unwrap_or_default(),
        }
    }

    fn send_request(&mut self, method: Method, attributes: &[(u16, Vec<u8>)]) {
        let id = TransactionId::generate();
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        for (kind, value) in attributes {
            add(&mut message, *kind, value);
        }
        if method != BINDING && !self.nonce.is_empty() {
            match self.algorithm {
                IntegrityAlgorithm::Sha1 => add(&mut message, USERNAME, b"lyon"),
                IntegrityAlgorithm::Sha256 => add(&mut message, USERHASH, &self.userhash()),
            }
            add(&mut message, REALM, self.realm.as_bytes());
            add(&mut message, NONCE, self.nonce.as_bytes());
            if self.algorithm == IntegrityAlgorithm::Sha256 {
                add(&mut message, PASSWORD_ALGORITHMS, &self.offered);
                // SHA-256 without parameters (RFC 8489 §18.5.1.2).
                add(&mut message, PASSWORD_ALGORITHM, &[0, 2, 0, 0]);
            }
            let credentials = self.credentials();
            message.add_message_integrity(&credentials, self.algorithm).expect("it fits");
        }
        message.add_fingerprint().expect("it fits");
        self.write(message.finish());
    }

    /// What stands for the name (RFC 8489 §14.4).
    fn userhash(&self) -> Vec<u8> {
        Sha256::digest(format!("lyon:{}", self.realm)).to_vec()
    }

    fn credentials(&self) -> MessageIntegrityCredentials {
        let (password, realm) = (self.password.clone(), self.realm.clone());
        LongTermKeyCredentials::new("lyon".to_owned(), password, realm).into()
    }

    fn write(&mut self, mut message: Vec<u8>) {
        match &mut self.path {
            Path::Datagrams(socket) => {
                socket.send(&message).expect("it leaves");
            }
            Path::Stream(stream, _) => {
                message.resize(message.len().next_multiple_of(4), 0);
                stream.write_all(&message).expect("it leaves");
                stream.flush().expect("it leaves");
            }
        }
    }

    /// Reads one whole message.
    fn read(&mut self) -> Vec<u8> {
        match &mut self.path {
            Path::Datagrams(socket) => {
                let mut buffer = vec![0; 2048];
                let length = socket.recv(&mut buffer).expect("an answer");
                buffer.truncate(length);
                buffer
            }
            Path::Stream(stream, _) => {
                let mut message = vec![0; 4];
                stream.read_exact(&mut message).expect("an answer");
                let header = if message[0] >> 6 == 0b01 { 4 } else { 20 };
                let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
                message.resize((header + length).next_multiple_of(4), 0);
                stream.read_exact(&mut message[4..]).expect("the rest of it");
                message
            }
        }
    }
}

fn connect(relay: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(relay).expect("the relay is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
}

fn secure(stream: TcpStream, authority: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("a PEM");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(connection, stream)
}

fn add(message: &mut MessageWriteVec, kind: u16, value: &[u8]) {
    message.add_attribute(&RawAttribute::new(AttributeType::new(kind), value)).expect("it fits");
}

fn value(message: &Message<'_>, kind: u16) -> Option<Vec<u8>> {
    message.raw_attribute(AttributeType::new(kind)).map(|raw| raw.value.to_vec())
}

/// An IPv4 address as RFC 8489 §14.2 writes it.
fn xor(address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(address) = address else { panic!("{address}") };
    let mut value = vec![0, 1];
    let bytes = [&address.port().to_be_bytes()[..], &address.ip().octets()].concat();
    let mask = [&COOKIE[..2], &COOKIE].concat();
    value.extend(bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    value
}

fn address(message: &Message<'_>, kind: u16) -> Option<SocketAddr> {
    let value = value(message, kind)?;
    assert_eq!((value.len(), value[1]), (8, 1), "IPv4");
    let mask = [&COOKIE[..2], &COOKIE].concat();
    let plain: Vec<u8> = value[2..].iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let port = u16::from_be_bytes([plain[0], plain[1]]);
    Some(SocketAddr::from(([plain[2], plain[3], plain[4], plain[5]], port)))
}
