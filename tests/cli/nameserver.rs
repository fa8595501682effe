//! A nameserver on loopback that answers as its script says.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A nameserver that has the zone.
    Authority,
    /// One that asks others for it.
    Resolver,
}

/// What it says of the one name that exists, or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// These addresses, for so many seconds.
    Has(&'static [&'static str], u32),
    /// That there is no such name, for so many seconds.
    Absent(u32),
    /// Nothing.
    Nothing,
}

/// Answers until it is dropped.
pub(crate) struct Nameserver {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Nameserver {
    /// A nameserver that says of `name` what `script` makes of how often it was asked before.
    pub(crate) fn start(
        role: Role,
        name: &str,
        script: impl Fn(usize) -> Says + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        let address = socket.local_addr().expect("it is bound");
        let name = Name::from_ascii(format!("{name}.")).expect("a name");
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let server = std::thread::spawn(move || {
            let (mut buffer, mut before) = ([0; 4096], 0);
            loop {
                let (length, from) = socket.recv_from(&mut buffer).expect("loopback is there");
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let query = Message::from_vec(&buffer[..length]).expect("a query");
                let is_it = *query.queries[0].name() == name;
                let says = if is_it { script(before) } else { Says::Absent(60) };
                before += usize::from(is_it);
                if let Some(response) = response(role, &query, says) {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&response, from);
                }
            }
        });
        Self { address, stop, server: Some(server) }
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let waker = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        waker.send_to(b"", self.address).expect("loopback is there");
        if let Some(server) = self.server.take() {
            assert!(server.join().is_ok() || std::thread::panicking(), "a script failed");
        }
    }
}

fn response(role: Role, query: &Message, says: Says) -> Option<Vec<u8>> {
    let question = &query.queries[0];
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.authoritative = role == Role::Authority;
    response.metadata.recursion_available = role == Role::Resolver;
    response.queries.push(question.clone());
    let absence = match says {
        Says::Nothing => return None,
        Says::Has(addresses, ttl) => {
            let data = addresses.iter().map(|text| match text.parse().expect("an address") {
                IpAddr::V4(ip) => (RecordType::A, RData::A(A(ip))),
                IpAddr::V6(ip) => (RecordType::AAAA, RData::AAAA(AAAA(ip))),
            });
            let data = data.filter(|(kind, _)| *kind == question.query_type());
            response.answers.extend(
                data.map(|(_, data)| Record::from_rdata(question.name().clone(), ttl, data)),
            );
            response.answers.is_empty().then_some(60)
        }
        Says::Absent(ttl) => {
            response.metadata.response_code = ResponseCode::NXDomain;
            Some(ttl)
        }
    };
    if let Some(ttl) = absence {
        let zone = question.name().base_name();
        let soa = SOA::new(zone.clone(), zone.clone(), 7, 3600, 600, 86_400, ttl);
        response.authorities.push(Record::from_rdata(zone, ttl, RData::SOA(soa)));
    }
    response.to_vec().ok()
}
