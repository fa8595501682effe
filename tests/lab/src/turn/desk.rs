//! The desk at which TURN clients are served: turn-server-proto thinks, this acts for it, and is at
//! fault where it must be.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stun_types::attribute::{AttributeStaticType as _, ErrorCode, MessageIntegritySha256};
use stun_types::message::{
    IntegrityAlgorithm, LongTermCredentials, Message, MessageClass, MessageType, MessageWrite as _,
    MessageWriteExt as _, MessageWriteVec, StunWriteError,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use turn_server_proto::api::{SocketAllocateError, TurnServerApi as _, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::agent::Transmit;
use turn_server_proto::types::message::{CHANNEL_BIND, CREATE_PERMISSION};
use turn_server_proto::types::transmit::TransmitBuild;
use turn_server_proto::types::{AddressFamily, Instant, TransportType};

use crate::scenario::Relay;
use crate::sockets;

/// Where relayed transport addresses are.
const RELAYED: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// How many allocations a relay holds.
const CAPACITY: usize = 64;
/// How many datagrams from peers wait for their client.
const ARRIVALS: usize = 64;
/// How many of a hundred datagrams a lossy relay loses.
const LOSS_PERCENT: u64 = 8;
/// How often it is looked for what has expired.
const EXPIRY: Duration = Duration::from_secs(1);

/// Responses and relayed data, and the clients that they are for.
pub(super) type Replies = Vec<(SocketAddr, Vec<u8>)>;

/// What every desk of one relay keeps to.
#[derive(Debug)]
pub(super) struct Terms {
    credentials: LongTermCredentials,
    realm: &'static str,
    fault: Relay,
    capacity: usize,
    free: Arc<Semaphore>,
    /// How many datagrams clients have sent to peers.
    sent: AtomicU64,
}

impl Terms {
    /// The terms for the one account.
    pub(super) fn new(user: &str, realm: &'static str, password: String, fault: Relay) -> Self {
        let capacity = if fault == Relay::Quota { 0 } else { CAPACITY };
        Self {
            credentials: LongTermCredentials::new(user.to_owned(), password),
            realm,
            fault,
            capacity,
            free: Arc::new(Semaphore::new(capacity)),
            sent: AtomicU64::new(0),
        }
    }

    /// How many allocations there are, at all desks.
    pub(super) fn allocations(&self) -> usize {
        self.capacity - self.free.available_permits()
    }

    /// Whether the next datagram to a peer disappears.
    fn is_lost(&self) -> bool {
        match self.fault {
            Relay::MediaSilent | Relay::PeersForbidden => true,
            Relay::LossyMedia => {
                let sent = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
                sent.wrapping_mul(LOSS_PERCENT) % 100 < LOSS_PERCENT
            }
            Relay::Answers | Relay::UdpSilent | Relay::OtherPassword | Relay::Quota => false,
        }
    }

    /// The error to send in place of a response.
    fn refusal(&self, response: &Message<'_>, code: u16) -> Result<Vec<u8>, StunWriteError> {
        let kind = MessageType::from_class_method(MessageClass::Error, response.method());
        let transaction = response.transaction_id();
        let mut error = Message::builder(kind, transaction, MessageWriteVec::new());
        error.add_attribute(&ErrorCode::builder(code).build()?)?;
        let algorithm = if response.has_attribute(MessageIntegritySha256::TYPE) {
            IntegrityAlgorithm::Sha256
        } else {
            IntegrityAlgorithm::Sha1
        };
        let key = self.credentials.to_key(self.realm.to_owned()).make_key(algorithm);
        error.add_message_integrity_with_key(&key, algorithm)?;
        Ok(error.finish())
    }
}

/// A TURN server for all clients of a UDP port, or for the one of a connection.
#[derive(Debug)]
pub(super) struct Desk {
    server: TurnServer,
    terms: Arc<Terms>,
    opened: std::time::Instant,
    relayed: BTreeMap<SocketAddr, Relayed>,
    arrivals: mpsc::Receiver<Transmit<Vec<u8>>>,
    arrival: mpsc::Sender<Transmit<Vec<u8>>>,
    expiry: Interval,
}

/// A relayed transport address.
#[derive(Debug)]
struct Relayed {
    socket: UdpSocket,
    reader: AbortHandle,
    _place: OwnedSemaphorePermit,
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Desk {
    /// A desk at the address to which its clients send.
    pub(super) fn new(transport: TransportType, here: SocketAddr, terms: Arc<Terms>) -> Self {
        let mut server = TurnServer::new(transport, here, terms.realm.to_owned());
        let credentials = &terms.credentials;
        server.add_user(credentials.username().to_owned(), credentials.password().to_owned());
        let (arrival, arrivals) = mpsc::channel(ARRIVALS);
        let mut expiry = interval(EXPIRY);
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let opened = std::time::Instant::now();
        Self { server, terms, opened, relayed: BTreeMap::new(), arrivals, arrival, expiry }
    }

    /// Takes one whole message of a client's, and gives what is to be sent to clients.
    pub(super) fn receive(&mut self, message: Vec<u8>, from: SocketAddr) -> Replies {
        let here = self.server.listen_address();
        let transmit = Transmit::new(message, self.server.transport(), from, here);
        quietly(|| self.take(transmit))
    }

    /// Waits for what peers send, or for something to expire, and gives what is to be sent to
    /// clients. Nothing is lost when it is given up.
    pub(super) async fn relayed(&mut self) -> Replies {
        tokio::select! {
            Some(transmit) = self.arrivals.recv() => quietly(|| self.take(transmit)),
            _ = self.expiry.tick() => quietly(|| self.settle(None)),
        }
    }

    fn take(&mut self, transmit: Transmit<Vec<u8>>) -> Replies {
        let answer = self.server.recv(transmit, self.now()).map(TransmitBuild::build);
        self.settle(answer)
    }

    /// Does what the server wants to be done, and sends what it wants to be sent to peers.
    fn settle(&mut self, answer: Option<Transmit<Vec<u8>>>) -> Replies {
        let now = self.now();
        let refusal = self.act(now);
        let mut replies = Vec::new();
        let mut next = answer.or_else(|| self.server.poll_transmit(now));
        while let Some(transmit) = next {
            if transmit.from == self.server.listen_address() {
                let data = self.as_at_fault(transmit.data, refusal);
                replies.push((transmit.to, data));
            } else if let Some(relayed) = self.relayed.get(&transmit.from)
                && !self.terms.is_lost()
            {
                let _ = relayed.socket.send_to(&transmit.data, transmit.to);
            }
            next = self.server.poll_transmit(now);
        }
        replies
    }

    /// Opens and closes sockets; gives the error code for the Allocate request that was refused.
    fn act(&mut self, now: Instant) -> Option<u16> {
        let mut refusal = None;
        loop {
            match self.server.poll(now) {
                TurnServerPollRet::AllocateSocket {
                    transport,
                    listen_addr,
                    client_addr,
                    allocation_transport,
                    family,
                } => {
                    let opened = self.open(allocation_transport, family).map_err(|code| {
                        refusal = Some(code);
                        if code == ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED {
                            SocketAllocateError::AddressFamilyNotSupported
                        } else {
                            SocketAllocateError::InsufficientCapacity
                        }
                    });
                    self.server.allocated_socket(
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                        opened,
                        now,
                    );
                }
                TurnServerPollRet::SocketClose { listen_addr, .. } => {
                    self.relayed.remove(&listen_addr);
                }
                // Both belong to allocations that relay TCP, and there are none.
                TurnServerPollRet::TcpConnect { .. } | TurnServerPollRet::TcpClose { .. } => {}
                TurnServerPollRet::WaitUntil(_) => return refusal,
            }
        }
    }

    /// Opens a relayed transport address, or gives the error code to refuse it with.
    fn open(&mut self, transport: TransportType, family: AddressFamily) -> Result<SocketAddr, u16> {
        if transport != TransportType::Udp {
            return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL);
        }
        if family != AddressFamily::IPV4 {
            return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
        }
        let place = Arc::clone(&self.terms.free).try_acquire_owned();
        let place = place.map_err(|_| ErrorCode::ALLOCATION_QUOTA_REACHED)?;
        let opened = open(self.arrival.clone());
        let (address, socket, reader) = opened.map_err(|_| ErrorCode::INSUFFICIENT_CAPACITY)?;
        self.relayed.insert(address, Relayed { socket, reader, _place: place });
        Ok(address)
    }

    /// What the client is sent in place of `data`, which may be `data`.
    fn as_at_fault(&self, data: Vec<u8>, refusal: Option<u16>) -> Vec<u8> {
        let refused = {
            let Ok(message) = Message::from_bytes(&data) else { return data };
            let is_permission =
                message.has_method(CREATE_PERMISSION) || message.has_method(CHANNEL_BIND);
            let is_forbidden = self.terms.fault == Relay::PeersForbidden && is_permission;
            let code = match message.class() {
                MessageClass::Success => is_forbidden.then_some(ErrorCode::FORBIDDEN),
                // The server knows fewer reasons to refuse than there are.
                MessageClass::Error => refusal,
                MessageClass::Request | MessageClass::Indication => None,
            };
            code.and_then(|code| self.terms.refusal(&message, code).ok())
        };
        refused.unwrap_or(data)
    }

    fn now(&self) -> Instant {
        let elapsed = self.opened.elapsed().as_nanos();
        Instant::from_nanos(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

/// Runs something of which nothing is logged: the program under test shares our process and its
/// log, and to the server each challenge is an error.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    with_default(&Dispatch::none(), act)
}

/// Opens a socket whose datagrams become arrivals.
fn open(
    arrivals: mpsc::Sender<Transmit<Vec<u8>>>,
) -> io::Result<(SocketAddr, UdpSocket, AbortHandle)> {
    let socket = sockets::udp(RELAYED)?;
    let address = socket.local_addr()?;
    let receiver = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            // A peer that is gone already reaches us as an error of the socket; the next may come.
            let Ok((length, peer)) = receiver.recv_from(&mut buffer).await else { continue };
            let bytes = buffer[..length].to_vec();
            // A client that is too slow loses data, as over any network.
            let _ = arrivals.try_send(Transmit::new(bytes, TransportType::Udp, peer, address));
        }
    });
    Ok((address, socket, reader.abort_handle()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use stun_types::attribute::ErrorCode;
    use stun_types::message::{Message, MessageWrite as _, MessageWriteVec};
    use tokio::runtime::Builder;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};
    use turn_server_proto::types::message::ALLOCATE;

    use super::{Desk, Relay, Terms, TransportType};

    /// A log that counts its lines.
    #[derive(Clone, Default)]
    struct Log(Arc<AtomicUsize>);

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_challenge_leaves_no_line_in_the_log() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let terms = Terms::new("user", "realm", "password".to_owned(), Relay::Answers);
        let here = "127.0.0.1:3478".parse().unwrap();
        let mut desk = Desk::new(TransportType::Udp, here, Arc::new(terms));
        let request = Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish();
        let log = Log::default();

        let replies = tracing::subscriber::with_default(log.clone(), || {
            desk.receive(request, "127.0.0.1:40112".parse().unwrap())
        });

        let [(_, reply)] = replies.as_slice() else { panic!("{replies:?}") };
        let reply = Message::from_bytes(reply).unwrap();
        assert_eq!(reply.attribute::<ErrorCode>().unwrap().code(), 401);
        assert_eq!(log.0.load(Ordering::Relaxed), 0);
    }
}
