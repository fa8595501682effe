//! Sockets on loopback: those that answer, and those that only hold a port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use tokio::net::TcpSocket;

/// How often a port that is free for UDP may turn out to be taken for TCP.
const ATTEMPTS: usize = 16;

/// A UDP socket on a free port.
pub(crate) fn udp(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A TCP listener on a port, or on a free one for port 0.
pub(crate) fn tcp(ip: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((ip, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// UDP and TCP on the same free port, as a nameserver has them.
pub(crate) fn udp_and_tcp(ip: Ipv4Addr) -> io::Result<(UdpSocket, TcpListener)> {
    udp_and_tcp_at(SocketAddr::from((ip, 0)))
}

/// UDP and TCP on the same port of any address; on a free one for port 0.
pub(crate) fn udp_and_tcp_at(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempt = 1;
    loop {
        let udp = UdpSocket::bind(address)?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && address.port() == 0
                    && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// UDP on two addresses, with the same two free ports each, and TCP on the first of each.
///
/// In the order of the sockets, the port changes first.
pub(crate) fn corners(ips: [Ipv4Addr; 2]) -> io::Result<([UdpSocket; 4], TcpListener)> {
    let [here, there] = ips;
    let mut attempt = 1;
    loop {
        let (first, tcp) = udp_and_tcp(here)?;
        let port = udp(here)?;
        let beside = |socket: &UdpSocket| {
            let socket = UdpSocket::bind((there, socket.local_addr()?.port()))?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        match (beside(&first), beside(&port)) {
            (Ok(address), Ok(both)) => return Ok(([first, port, address, both], tcp)),
            (Err(error), _) | (_, Err(error))
                if error.kind() != io::ErrorKind::AddrInUse || attempt == ATTEMPTS =>
            {
                return Err(error);
            }
            _ => attempt += 1,
        }
    }
}

/// A UDP port that is ours and that answers with "port unreachable".
///
/// The socket is connected to itself, so the kernel delivers nobody else's datagrams to it; a port
/// that is merely unused could be taken by another process in the meantime.
pub(crate) fn closed_udp(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = udp(ip)?;
    socket.connect(socket.local_addr()?)?;
    Ok(socket)
}

/// A TCP port that is ours and that refuses connections: bound, never listening.
pub(crate) fn closed_tcp(ip: Ipv4Addr, port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((ip, port)))?;
    Ok(socket)
}

/// A port that is closed for UDP and for TCP.
pub(crate) fn closed_udp_and_tcp(ip: Ipv4Addr) -> io::Result<(UdpSocket, TcpSocket)> {
    let mut attempt = 1;
    loop {
        let udp = closed_udp(ip)?;
        match closed_tcp(ip, udp.local_addr()?.port()) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The address on which the daemon can serve: the usual port where it is free.
///
/// Nothing holds it until the daemon binds it, which is soon enough on a machine of one's own.
pub(crate) fn web() -> io::Result<SocketAddr> {
    const USUAL: u16 = 9377;
    tcp(Ipv4Addr::LOCALHOST, USUAL).or_else(|_| tcp(Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, TcpStream, UdpSocket};
    use std::time::Duration;

    use super::{closed_tcp, closed_udp};

    const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

    #[test]
    fn a_closed_udp_port_says_so() {
        let closed = closed_udp(HOST).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.connect(closed.local_addr().unwrap()).unwrap();
        client.send(b"anyone?").unwrap();

        let error = client.recv(&mut [0; 16]).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_closed_tcp_port_refuses() {
        let closed = closed_tcp(HOST, 0).unwrap();

        let error = TcpStream::connect(closed.local_addr().unwrap()).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
