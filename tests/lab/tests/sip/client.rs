//! A SIP client that shares nothing with the registrar, over UDP, TCP and TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use branchline_lab::Cloud;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const PATIENCE: Duration = Duration::from_secs(5);

/// How a client reaches the registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    /// Over which the registrar proves to be this host or domain.
    Tls(&'static str),
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

enum Path {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

/// One client.
pub(crate) struct Client {
    path: Path,
    pub(crate) address: SocketAddr,
    protocol: &'static str,
    password: String,
    sequence: u32,
}

impl Client {
    pub(crate) fn new(cloud: &Cloud, transport: Transport) -> Self {
        let addresses = cloud.addresses();
        let (path, address, protocol) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
                socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
                socket.connect(addresses.registrar).expect("a peer");
                let address = socket.local_addr().expect("its address");
                (Path::Datagrams(socket), address, "UDP")
            }
            Transport::Tcp => {
                let stream = connect(addresses.registrar);
                let address = stream.local_addr().expect("its address");
                (Path::Stream(Box::new(stream)), address, "TCP")
            }
            Transport::Tls(name) => {
                let stream = connect(addresses.registrar_tls);
                let address = stream.local_addr().expect("its address");
                let stream = secure(stream, &read(cloud, "relay-ca.pem"), name);
                (Path::Stream(Box::new(stream)), address, "TLS")
            }
        };
        Self { path, address, protocol, password: read(cloud, "sip-password"), sequence: 0 }
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:1001@{}>", self.address)
    }

    /// A request of a new transaction.
    pub(crate) fn request(&mut self, method: &str, more: &str) -> String {
        self.sequence += 1;
        format!(
            "{method} sip:sip.lyon.example SIP/2.0\r\n\
             Via: SIP/2.0/{} {};branch=z9hG4bK{2};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:1001@sip.lyon.example>;tag=1\r\nTo: <sip:1001@sip.lyon.example>\r\n\
             Call-ID: call\r\nCSeq: {2} {method}\r\n{more}Content-Length: 0\r\n\r\n",
            self.protocol, self.address, self.sequence
        )
    }

    /// A REGISTER with the credentials that its challenge asks for.
    pub(crate) fn register(&mut self, more: &str) -> String {
        let request = self.request("REGISTER", more);
        let challenged = self.exchange(&request);
        assert!(challenged.starts_with("SIP/2.0 401 "), "{challenged}");
        let (_, nonce) = challenged.split_once("nonce=\"").expect("a challenge");
        let (nonce, _) = nonce.split_once('"').expect("it ends");
        let secret = hash(&format!("1001:sip.lyon.example:{}", self.password));
        let about = hash("REGISTER:sip:sip.lyon.example");
        let response = hash(&format!("{secret}:{nonce}:00000001:abc:auth:{about}"));
        let request = self.request(
            "REGISTER",
            &format!(
                "Authorization: Digest username=\"1001\", realm=\"sip.lyon.example\", \
                 nonce=\"{nonce}\", uri=\"sip:sip.lyon.example\", algorithm=SHA-256, qop=auth, \
                 nc=00000001, cnonce=\"abc\", response=\"{response}\"\r\n{more}"
            ),
        );
        self.exchange(&request)
    }

    pub(crate) fn exchange(&mut self, request: &str) -> String {
        self.send(request.as_bytes());
        self.receive().expect("a response")
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match &mut self.path {
            Path::Datagrams(socket) => {
                socket.send(bytes).expect("loopback takes it");
            }
            Path::Stream(stream) => {
                stream.write_all(bytes).expect("it is open");
                stream.flush().expect("it is open");
            }
        }
    }

    /// The next response, all of which have no body.
    pub(crate) fn receive(&mut self) -> std::io::Result<String> {
        let bytes = match &mut self.path {
            Path::Datagrams(socket) => {
                let mut buffer = vec![0; 65_536];
                let length = socket.recv(&mut buffer)?;
                buffer.truncate(length);
                buffer
            }
            Path::Stream(stream) => {
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\r\n\r\n") {
                    bytes.push(read_byte(stream)?);
                }
                bytes
            }
        };
        Ok(String::from_utf8(bytes).expect("it is text"))
    }

    /// The next bytes of a stream.
    pub(crate) fn bytes<const N: usize>(&mut self) -> std::io::Result<[u8; N]> {
        let Path::Stream(stream) = &mut self.path else { panic!("datagrams are no stream") };
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn read_byte(stream: &mut dyn Read) -> std::io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn read(cloud: &Cloud, name: &str) -> String {
    std::fs::read_to_string(cloud.config().with_file_name(name)).expect("the lab writes it")
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn connect(registrar: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(registrar).expect("the registrar is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
}

fn secure(
    stream: TcpStream,
    authority: &str,
    name: &'static str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("a PEM");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(connection, stream)
}
