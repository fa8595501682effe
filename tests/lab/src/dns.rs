//! Nameservers of one zone, and a resolver that caches what one of them says, over UDP and TCP.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{
    DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::rr::rdata::{A, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long the edge group's record may be cached, in seconds.
const RECORD_TTL: u32 = 60;
/// How long "there is no such record" may be cached, in seconds: the SOA's MINIMUM (RFC 2308 §4).
const NEGATIVE_TTL: u32 = 5;
/// How long a lagging nameserver lags: a whole number of [`NEGATIVE_TTL`]s, so that the resolver
/// behind it turns when it does.
pub(crate) const SPREADS_AFTER: Duration = Duration::from_secs(60);
/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// One copy of the zone, as one nameserver has it.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    origin: Name,
    owner: Name,
    soa: SOA,
    address: Option<Ipv4Addr>,
}

impl Zone {
    /// The zone of `owner`'s parent, in which `owner` has `address`, or does not exist.
    pub(crate) fn new(owner: &str, serial: u32, address: Option<Ipv4Addr>) -> io::Result<Self> {
        let mut owner = Name::from_ascii(owner).map_err(io::Error::other)?;
        // As names on the wire are; a relative name equals none of them.
        owner.set_fqdn(true);
        let origin = owner.base_name();
        let label = |label| origin.prepend_label(label).map_err(io::Error::other);
        let (primary, mailbox) = (label("ns-primary")?, label("hostmaster")?);
        let soa = SOA::new(primary, mailbox, serial, 3600, 600, 86_400, NEGATIVE_TTL);
        Ok(Self { origin, owner, soa, address })
    }

    fn soa(&self) -> Record {
        Record::from_rdata(self.origin.clone(), NEGATIVE_TTL, RData::SOA(self.soa.clone()))
    }

    /// Answers a question about a name in this zone.
    fn answer(&self, query: &Query, response: &mut Message) {
        let exists =
            query.name() == &self.origin || (query.name() == &self.owner && self.address.is_some());
        let kind = query.query_type();
        let answer = if kind == RecordType::SOA && query.name() == &self.origin {
            Some(self.soa())
        } else if kind == RecordType::A && query.name() == &self.owner {
            self.address.map(|address| {
                Record::from_rdata(query.name().clone(), RECORD_TTL, RData::A(A(address)))
            })
        } else {
            None
        };
        match answer {
            Some(record) => response.answers.push(record),
            None => {
                response.authorities.push(self.soa());
                if !exists {
                    response.metadata.response_code = ResponseCode::NXDomain;
                }
            }
        }
    }
}

/// On whose behalf a server answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// On its own: it has the zone.
    Nameserver,
    /// On others': it has had the nameserver's answers since this instant.
    Resolver(Instant),
    /// On others', with this address for every name that does not exist.
    Liar(Ipv4Addr),
}

/// One DNS server.
#[derive(Debug)]
pub(crate) struct Server {
    zone: Zone,
    role: Role,
    /// The zone that it has after [`SPREADS_AFTER`].
    later: Option<(Instant, Zone)>,
}

impl Server {
    pub(crate) fn new(zone: Zone, role: Role) -> Arc<Self> {
        Arc::new(Self { zone, role, later: None })
    }

    /// One that has another zone after [`SPREADS_AFTER`].
    pub(crate) fn lagging(zone: Zone, later: Zone, role: Role) -> Arc<Self> {
        Arc::new(Self { zone, role, later: Some((Instant::now(), later)) })
    }

    fn zone(&self) -> &Zone {
        match &self.later {
            Some((since, later)) if since.elapsed() >= SPREADS_AFTER => later,
            Some(_) | None => &self.zone,
        }
    }

    /// The response to a message; none to what is no query.
    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let request = Message::from_vec(bytes).ok()?;
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut response = Message::response(request.metadata.id, request.metadata.op_code);
        response.metadata = Metadata::response_from_request(&request.metadata);
        response.queries.clone_from(&request.queries);
        if request.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(DEFAULT_MAX_PAYLOAD_LEN);
            response.set_edns(edns);
        }
        response.metadata.recursion_available = !matches!(self.role, Role::Nameserver);
        self.fill(&request, &mut response);
        response.to_vec().ok()
    }

    fn fill(&self, request: &Message, response: &mut Message) {
        if request.metadata.op_code != OpCode::Query {
            response.metadata.response_code = ResponseCode::NotImp;
            return;
        }
        let [query] = request.queries.as_slice() else {
            response.metadata.response_code = ResponseCode::FormErr;
            return;
        };
        if !self.zone().origin.zone_of(query.name()) || query.query_class() != DNSClass::IN {
            response.metadata.response_code = ResponseCode::Refused;
            return;
        }
        self.zone().answer(query, response);
        match self.role {
            Role::Liar(address) => {
                if response.metadata.response_code == ResponseCode::NXDomain {
                    let (name, data) = (query.name().clone(), RData::A(A(address)));
                    response.metadata.response_code = ResponseCode::NoError;
                    response.authorities.clear();
                    response.answers.push(Record::from_rdata(name, RECORD_TTL, data));
                }
            }
            Role::Nameserver => response.metadata.authoritative = true,
            Role::Resolver(since) => {
                for record in response.answers.iter_mut().chain(&mut response.authorities) {
                    record.ttl = remaining(record.ttl, since.elapsed());
                }
            }
        }
    }

    /// Answers over UDP until the task is dropped.
    pub(crate) async fn serve_udp(self: Arc<Self>, socket: UdpSocket) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            // A client that is gone already reaches us as an error; the next may come.
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            if let Some(response) = self.answer(&buffer[..length]) {
                let _ = socket.send_to(&response, from).await;
            }
        }
    }

    /// Answers over TCP until the task is dropped.
    pub(crate) async fn serve_tcp(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(Arc::clone(&self).converse(stream));
        }
    }

    /// Answers one connection's queries, each behind its length (RFC 1035 §4.2.2).
    async fn converse(self: Arc<Self>, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = timeout(IDLE, stream.read_u16()).await??;
            let mut bytes = vec![0; usize::from(length)];
            timeout(IDLE, stream.read_exact(&mut bytes)).await??;
            let Some(response) = self.answer(&bytes) else { return Ok(()) };
            let length = u16::try_from(response.len()).map_err(io::Error::other)?;
            stream.write_u16(length).await?;
            stream.write_all(&response).await?;
        }
    }
}

/// What is left of a TTL in a cache that renews its answer each time that it runs out.
fn remaining(ttl: u32, elapsed: Duration) -> u32 {
    let spent = elapsed.as_secs() % u64::from(ttl.max(1));
    ttl.saturating_sub(u32::try_from(spent).unwrap_or(ttl))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use hickory_proto::op::{Edns, Message, Query, ResponseCode};
    use hickory_proto::rr::{Name, RData, RecordType};

    use super::{Role, Server, Zone, remaining};
    use crate::RECORD_NAME;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 20);

    fn ask(server: &Server, name: &str, kind: RecordType) -> Message {
        let mut request = Message::query();
        request.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        request.set_edns(Edns::new());
        let response = server.answer(&request.to_vec().unwrap()).unwrap();
        let response = Message::from_vec(&response).unwrap();
        assert_eq!(response.metadata.id, request.metadata.id);
        assert!(response.edns.is_some());
        response
    }

    fn server(address: Option<Ipv4Addr>, role: Role) -> std::sync::Arc<Server> {
        Server::new(Zone::new(RECORD_NAME, 7, address).unwrap(), role)
    }

    #[test]
    fn a_nameserver_answers_with_authority_and_keeps_the_case_of_the_question() {
        let server = server(Some(ADDRESS), Role::Nameserver);

        let response = ask(&server, "Lyon-Edge-Group.GenesysCloud.com.", RecordType::A);

        assert!(response.metadata.authoritative && !response.metadata.recursion_available);
        assert_eq!(response.answers.len(), 1);
        assert_eq!(response.answers[0].data, RData::A(ADDRESS.into()));
        assert_eq!(response.queries[0].name().to_ascii(), "Lyon-Edge-Group.GenesysCloud.com.");
    }

    #[test]
    fn a_name_that_is_not_there_comes_with_the_soa() {
        let server = server(None, Role::Nameserver);

        let response = ask(&server, RECORD_NAME, RecordType::A);

        assert_eq!(response.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(response.authorities[0].ttl, 5);
        let RData::SOA(soa) = &response.authorities[0].data else { panic!("no SOA") };
        assert_eq!((soa.serial, soa.minimum), (7, 5));
    }

    #[test]
    fn a_type_that_is_not_there_is_no_missing_name() {
        let server = server(Some(ADDRESS), Role::Nameserver);

        let response = ask(&server, RECORD_NAME, RecordType::AAAA);

        assert_eq!(response.metadata.response_code, ResponseCode::NoError);
        assert!(response.answers.is_empty());
        assert_eq!(response.authorities.len(), 1);
    }

    #[test]
    fn the_serial_is_told_and_a_foreign_name_refused() {
        let server = server(None, Role::Nameserver);

        let soa = ask(&server, "genesyscloud.com", RecordType::SOA);
        let foreign = ask(&server, "example.net", RecordType::A);

        assert_eq!(soa.answers.len(), 1);
        assert_eq!(foreign.metadata.response_code, ResponseCode::Refused);
    }

    #[test]
    fn a_resolver_has_no_authority_and_counts_down() {
        let server = server(Some(ADDRESS), Role::Resolver(Instant::now()));

        let response = ask(&server, RECORD_NAME, RecordType::A);

        assert!(!response.metadata.authoritative && response.metadata.recursion_available);
        assert_eq!(remaining(60, Duration::from_secs(59)), 1);
        assert_eq!(remaining(60, Duration::from_secs(60)), 60);
        assert_eq!(remaining(0, Duration::from_secs(3)), 0);
    }

    #[test]
    fn what_is_no_query_is_dropped() {
        let server = server(None, Role::Nameserver);
        let response = Message::response(1, hickory_proto::op::OpCode::Query).to_vec().unwrap();

        assert_eq!(server.answer(&response), None);
        assert_eq!(server.answer(b""), None);
        assert_eq!(server.answer(&[0xff; 40]), None);
    }
}
