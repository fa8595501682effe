//! An application layer gateway as many routers have it: it rewrites requests and restores nothing.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::message::{Request, long_name, split_list, uri_of};
use crate::sockets;

/// Where its other side is, with a port for each client.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// How many clients it remembers; the oldest is forgotten.
const CLIENTS: usize = 64;

/// A client, and the port that it has outside.
#[derive(Debug)]
struct Client {
    inside: SocketAddr,
    outside: Arc<UdpSocket>,
    /// Brings back what comes to that port.
    back: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.back.abort();
    }
}

/// Stands before a registrar as long as the runtime lives.
pub(super) fn start(inside: std::net::UdpSocket, registrar: SocketAddr) -> io::Result<()> {
    let inside = Arc::new(UdpSocket::from_std(inside)?);
    tokio::spawn(serve(inside, registrar));
    Ok(())
}

async fn serve(inside: Arc<UdpSocket>, registrar: SocketAddr) {
    let mut clients: VecDeque<Client> = VecDeque::new();
    let mut buffer = vec![0; 65_536];
    loop {
        // A client that is gone already reaches us as an error; the next may come.
        let Ok((length, from)) = inside.recv_from(&mut buffer).await else { continue };
        if !clients.iter().any(|client| client.inside == from) {
            // Without a port to spare it is lost, as it would be in a router.
            let Ok(client) = welcome(Arc::clone(&inside), from, registrar).await else { continue };
            if clients.len() == CLIENTS {
                clients.pop_front();
            }
            clients.push_back(client);
        }
        let Some(client) = clients.iter().find(|client| client.inside == from) else { continue };
        if let Ok(outside) = client.outside.local_addr() {
            let _ = client.outside.send(&rewrite(&buffer[..length], outside)).await;
        }
    }
}

async fn welcome(
    socket: Arc<UdpSocket>,
    inside: SocketAddr,
    registrar: SocketAddr,
) -> io::Result<Client> {
    let outside = Arc::new(UdpSocket::from_std(sockets::udp(OUTSIDE)?)?);
    outside.connect(registrar).await?;
    let from = Arc::clone(&outside);
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok(length) = from.recv(&mut buffer).await else { continue };
            let _ = socket.send_to(&buffer[..length], inside).await;
        }
    });
    Ok(Client { inside, outside, back })
}

/// A request with the address of the outside in its top Via and in its contacts; anything else as
/// it is.
fn rewrite(datagram: &[u8], outside: SocketAddr) -> Vec<u8> {
    let (true, Ok(text)) = (Request::read(datagram).is_some(), str::from_utf8(datagram)) else {
        return datagram.to_vec();
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut is_top = true;
    let lines = head.split("\r\n").map(|line| {
        let Some((name, value)) = line.split_once(':') else { return line.to_owned() };
        match long_name(name.trim()) {
            "Via" if std::mem::take(&mut is_top) => format!("{name}: {}", via(value, outside)),
            "Contact" => {
                let contacts = split_list(value).into_iter().map(|it| contact(it, outside));
                format!("{name}: {}", contacts.collect::<Vec<_>>().join(", "))
            }
            _ => line.to_owned(),
        }
    });
    format!("{}\r\n\r\n{body}", lines.collect::<Vec<_>>().join("\r\n")).into_bytes()
}

/// `SIP/2.0/UDP host:port;…` with another host and port.
fn via(value: &str, outside: SocketAddr) -> String {
    let value = value.trim();
    let start = value.find(' ').map_or(0, |space| space + 1);
    let end = value[start..].find([';', ',']).map_or(value.len(), |end| start + end);
    format!("{}{outside}{}", &value[..start], &value[end..])
}

/// A contact whose URI has another host and port; `*` has none.
fn contact(value: &str, outside: SocketAddr) -> String {
    let uri = uri_of(value);
    let Some(before) = uri.find('@').or_else(|| uri.find(':')) else { return value.to_owned() };
    let start = before + 1;
    let end = uri[start..].find([';', '?']).map_or(uri.len(), |end| start + end);
    let rewritten = format!("{}{outside}{}", &uri[..start], &uri[end..]);
    value.replacen(uri, &rewritten, 1)
}

#[cfg(test)]
mod tests {
    use super::{contact, rewrite};

    const INSIDE: &str = "REGISTER sip:x SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.168.1.7:40112;branch=z9hG4bK1;rport\r\n\
        v: SIP/2.0/UDP 192.168.1.8:5060;branch=z9hG4bK0\r\n\
        From: <sip:a@192.168.1.7:40112>;tag=1\r\nTo: <sip:a@x>\r\nCall-ID: 192.168.1.7\r\n\
        CSeq: 1 REGISTER\r\nm: <sip:a@192.168.1.7:40112;transport=udp>;expires=60\r\n\r\n\
        192.168.1.7:40112";

    fn rewritten(message: &str) -> String {
        let outside = "203.0.113.9:1024".parse().unwrap();
        String::from_utf8(rewrite(message.as_bytes(), outside)).unwrap()
    }

    #[test]
    fn a_request_leaves_with_another_top_via_and_contact_and_nothing_else_changed() {
        assert_eq!(
            rewritten(INSIDE),
            "REGISTER sip:x SIP/2.0\r\n\
             Via: SIP/2.0/UDP 203.0.113.9:1024;branch=z9hG4bK1;rport\r\n\
             v: SIP/2.0/UDP 192.168.1.8:5060;branch=z9hG4bK0\r\n\
             From: <sip:a@192.168.1.7:40112>;tag=1\r\nTo: <sip:a@x>\r\n\
             Call-ID: 192.168.1.7\r\nCSeq: 1 REGISTER\r\n\
             m: <sip:a@203.0.113.9:1024;transport=udp>;expires=60\r\n\r\n\
             192.168.1.7:40112"
        );
    }

    #[test]
    fn what_is_no_request_passes_as_it_is() {
        let response = INSIDE.replace("REGISTER sip:x SIP/2.0", "SIP/2.0 200 OK");

        assert_eq!(rewritten(&response), response);
        assert_eq!(rewritten("\r\n\r\n"), "\r\n\r\n");
    }

    #[test]
    fn a_contact_is_rewritten_however_it_is_spelled() {
        let outside = "203.0.113.9:1024".parse().unwrap();

        assert_eq!(contact("sip:h;q=1", outside), "sip:203.0.113.9:1024;q=1");
        assert_eq!(contact("\"a\" <sips:a@h?b=c>", outside), "\"a\" <sips:a@203.0.113.9:1024?b=c>");
        assert_eq!(contact("*", outside), "*");
    }
}
