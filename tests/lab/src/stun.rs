//! A STUN server: Binding (RFC 8489 §12), over UDP from four sockets, so that a NAT's behaviour can
//! be found out (RFC 5780).

use std::io;
use std::net::SocketAddr;

use stun_types::attribute::{AttributeType, MappedSocketAddr, Software, XorMappedAddress};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec, StunWriteError,
};
use tokio::net::UdpSocket;

/// Which address and port the client wants the response from (RFC 5780 §7.2).
const CHANGE_REQUEST: AttributeType = AttributeType::new(0x0003);
/// Where the response is sent from (RFC 5780 §7.3).
const RESPONSE_ORIGIN: AttributeType = AttributeType::new(0x802B);
/// Where the response would come from if both address and port were changed (RFC 5780 §7.4).
const OTHER_ADDRESS: AttributeType = AttributeType::new(0x802C);

/// The number of corners.
pub(crate) const CORNERS: usize = 4;

/// Two addresses with the same two ports each.
///
/// In the number of a corner, bit 0 stands for the other port and bit 1 for the other address.
#[derive(Debug)]
pub(crate) struct Corners {
    sockets: [UdpSocket; CORNERS],
    addresses: [SocketAddr; CORNERS],
}

impl Corners {
    /// Takes the four sockets, which must belong to the runtime that is entered.
    pub(crate) fn new(sockets: [UdpSocket; CORNERS]) -> io::Result<Self> {
        let [first, port, address, both] = &sockets;
        let addresses =
            [first.local_addr()?, port.local_addr()?, address.local_addr()?, both.local_addr()?];
        Ok(Self { sockets, addresses })
    }

    /// The socket and the address of a corner.
    pub(crate) fn at(&self, here: usize) -> (&UdpSocket, SocketAddr) {
        (&self.sockets[here], self.addresses[here])
    }

    /// Answers what reaches one corner until the task is dropped.
    pub(crate) async fn serve(&self, here: usize) {
        let mut buffer = [0; 2048];
        loop {
            // A client that is gone already reaches us as an error of the socket; the next may come.
            let Ok((length, from)) = self.sockets[here].recv_from(&mut buffer).await else {
                continue;
            };
            self.respond(&buffer[..length], from, here).await;
        }
    }

    /// Answers a Binding request; says whether it was one.
    pub(crate) async fn respond(&self, bytes: &[u8], from: SocketAddr, here: usize) -> bool {
        let Some((corner, response)) = answer_at(&self.addresses, bytes, from, here) else {
            return false;
        };
        let _ = self.sockets[corner].send_to(&response, from).await;
        true
    }
}

/// The response to what arrived from `from` where there are no other corners; none to what is not
/// a Binding request.
pub(crate) fn answer(bytes: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let request = binding_request(bytes)?;
    refusal(&request, &[]).or_else(|| success(&request, from, None).ok())
}

/// The response to what arrived from `from` at one corner, and the corner that sends it; none to
/// what is not a Binding request.
fn answer_at(
    corners: &[SocketAddr; CORNERS],
    bytes: &[u8],
    from: SocketAddr,
    here: usize,
) -> Option<(usize, Vec<u8>)> {
    let request = binding_request(bytes)?;
    if let Some(refusal) = refusal(&request, &[CHANGE_REQUEST]) {
        return Some((here, refusal));
    }
    // Flag 0x04 is the address and 0x02 the port, so they are a corner's bits, one place up.
    let flags = request.raw_attribute(CHANGE_REQUEST).and_then(|raw| raw.value.last().copied());
    let corner = here ^ usize::from((flags.unwrap_or(0) >> 1) & 0b11);
    let addresses = [corners[corner], corners[here ^ 0b11]];
    Some((corner, success(&request, from, Some(addresses)).ok()?))
}

fn binding_request(bytes: &[u8]) -> Option<Message<'_>> {
    let message = Message::from_bytes(bytes).ok()?;
    let is_ours = message.has_class(MessageClass::Request) && message.has_method(BINDING);
    is_ours.then_some(message)
}

/// The 420 to a request with an attribute that we would have to know (RFC 8489 §6.3.1).
fn refusal(request: &Message<'_>, known: &[AttributeType]) -> Option<Vec<u8>> {
    Message::check_attribute_types(request, known, &[], MessageWriteVec::new())
        .map(MessageWrite::finish)
}

/// `addresses` are the response's origin, and the other address.
fn success(
    request: &Message<'_>,
    from: SocketAddr,
    addresses: Option<[SocketAddr; 2]>,
) -> Result<Vec<u8>, StunWriteError> {
    let mut response = Message::builder_success(request, MessageWriteVec::new());
    response.add_attribute(&XorMappedAddress::new(from, request.transaction_id()))?;
    if let Some([origin, other]) = addresses {
        response.add_attribute(&MappedSocketAddr::new(origin).to_raw(RESPONSE_ORIGIN))?;
        response.add_attribute(&MappedSocketAddr::new(other).to_raw(OTHER_ADDRESS))?;
    }
    response.add_attribute(&Software::new("branchline-lab")?)?;
    response.add_fingerprint()?;
    Ok(response.finish())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use stun_types::attribute::{ErrorCode, RawAttribute};

    use super::{
        AttributeType, BINDING, CORNERS, Message, MessageWrite, MessageWriteExt, MessageWriteVec,
        XorMappedAddress, answer, answer_at,
    };

    fn from() -> SocketAddr {
        "127.0.0.1:40112".parse().unwrap()
    }

    fn corners() -> [SocketAddr; CORNERS] {
        ["127.0.0.1:10", "127.0.0.1:20", "127.0.0.2:10", "127.0.0.2:20"]
            .map(|address| address.parse().unwrap())
    }

    fn request(change: Option<u8>) -> Vec<u8> {
        let mut request = Message::builder_request(BINDING, MessageWriteVec::new());
        if let Some(flags) = change {
            let value = [0, 0, 0, flags];
            let attribute = RawAttribute::new(AttributeType::new(0x0003), &value);
            request.add_attribute(&attribute).unwrap();
        }
        request.finish()
    }

    /// The address in an attribute that is written as MAPPED-ADDRESS is (RFC 8489 §14.1).
    fn address(response: &Message<'_>, kind: u16) -> SocketAddr {
        let raw = response.raw_attribute(AttributeType::new(kind)).unwrap();
        let [0, 1, high, low, a, b, c, d] = *raw.value else { panic!("{raw:?}") };
        SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
    }

    #[test]
    fn a_binding_request_is_told_its_address() {
        let (_, over_udp) = answer_at(&corners(), &request(None), from(), 0).unwrap();
        let over_tcp = answer(&request(None), from()).unwrap();

        for response in [over_udp, over_tcp] {
            let response = Message::from_bytes(&response).unwrap();
            let mapped: XorMappedAddress = response.attribute().unwrap();
            assert_eq!(mapped.addr(response.transaction_id()), from());
        }
    }

    #[test]
    fn a_response_says_where_it_is_from_and_where_else_it_could_be_from() {
        for (here, other) in [(0, 3), (1, 2), (2, 1), (3, 0)] {
            let (corner, response) = answer_at(&corners(), &request(None), from(), here).unwrap();

            assert_eq!(corner, here);
            let response = Message::from_bytes(&response).unwrap();
            assert_eq!(address(&response, 0x802B), corners()[here]);
            assert_eq!(address(&response, 0x802C), corners()[other]);
        }
    }

    #[test]
    fn a_response_comes_from_where_it_is_wanted() {
        let wanted = [(0, 0, 0), (0, 2, 1), (0, 4, 2), (0, 6, 3), (3, 2, 2), (3, 6, 0)];
        for (here, flags, corner) in wanted {
            let request = request(Some(flags));
            let (sender, response) = answer_at(&corners(), &request, from(), here).unwrap();

            assert_eq!(sender, corner, "{flags} at {here}");
            let response = Message::from_bytes(&response).unwrap();
            assert_eq!(address(&response, 0x802B), corners()[corner]);
        }
    }

    #[test]
    fn what_would_have_to_be_known_is_refused() {
        let response = answer(&request(Some(6)), from()).unwrap();

        let response = Message::from_bytes(&response).unwrap();
        assert_eq!(response.attribute::<ErrorCode>().unwrap().code(), 420);
    }

    #[test]
    fn what_is_no_request_is_dropped() {
        let indication = Message::builder_indication(BINDING, MessageWriteVec::new()).finish();

        for bytes in [indication.as_slice(), b"", &[0xff; 64]] {
            assert_eq!(answer(bytes, from()), None);
            assert_eq!(answer_at(&corners(), bytes, from(), 0), None);
        }
    }
}
