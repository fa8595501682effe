//! A STUN server: Binding over UDP (RFC 8489 §12), nothing else.

use std::io;
use std::net::SocketAddr;

use stun_types::attribute::{Software, XorMappedAddress};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec, StunWriteError,
};
use tokio::net::UdpSocket;

/// Answers until the task is dropped.
pub(crate) async fn serve(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        // A client that is gone already reaches us as an error of the socket; the next may come.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(response) = answer(&buffer[..length], from) {
            let _ = socket.send_to(&response, from).await;
        }
    }
}

/// The response to what arrived from `from`; none to what is not a Binding request.
fn answer(bytes: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let request = Message::from_bytes(bytes).ok()?;
    let is_binding = request.has_class(MessageClass::Request) && request.has_method(BINDING);
    is_binding.then(|| success(&request, from).ok())?
}

fn success(request: &Message<'_>, from: SocketAddr) -> Result<Vec<u8>, StunWriteError> {
    let mut response = Message::builder_success(request, MessageWriteVec::new());
    response.add_attribute(&XorMappedAddress::new(from, request.transaction_id()))?;
    response.add_attribute(&Software::new("branchline-lab")?)?;
    response.add_fingerprint()?;
    Ok(response.finish())
}

#[cfg(test)]
mod tests {
    use super::{BINDING, Message, MessageWrite, MessageWriteVec, XorMappedAddress, answer};

    #[test]
    fn a_binding_request_is_told_its_address() {
        let from = "127.0.0.1:40112".parse().unwrap();
        let request = Message::builder_request(BINDING, MessageWriteVec::new()).finish();

        let response = answer(&request, from).unwrap();

        let response = Message::from_bytes(&response).unwrap();
        let mapped: XorMappedAddress = response.attribute().unwrap();
        assert_eq!(mapped.addr(response.transaction_id()), from);
    }

    #[test]
    fn what_is_no_request_is_dropped() {
        let from = "127.0.0.1:40112".parse().unwrap();
        let indication = Message::builder_indication(BINDING, MessageWriteVec::new()).finish();

        assert_eq!(answer(&indication, from), None);
        assert_eq!(answer(b"", from), None);
        assert_eq!(answer(&[0xff; 64], from), None);
    }
}
