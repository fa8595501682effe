//! SIP over a stream, TCP or TLS: one client, whose requests are answered on its connection.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::frames::{Frame, Frames, PONG};
use super::registry::Registry;

/// How long a message may be, in bytes: no less than a datagram.
const LONGEST_MESSAGE: usize = 65_535;

/// Takes connections until the task is dropped.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, registry: Registry) {
    loop {
        // A client that gave up before it was taken; the next may come.
        let Ok((stream, from)) = listener.accept().await else { continue };
        let (tls, registry) = (tls.clone(), registry.clone());
        // How a connection ends is the client's affair.
        tokio::spawn(async move { welcome(stream, from, tls, registry).await });
    }
}

async fn welcome(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    registry: Registry,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        Some(acceptor) => converse(acceptor.accept(stream).await?, from, &registry).await,
        None => converse(stream, from, &registry).await,
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    from: SocketAddr,
    registry: &Registry,
) -> io::Result<()> {
    let mut frames = Frames::new(LONGEST_MESSAGE);
    while let Some(frame) = frames.next(&mut stream).await? {
        let reply = match frame {
            Frame::Ping => Some(PONG.to_vec()),
            Frame::Message(message) => registry.answer(&message, from),
        };
        if let Some(reply) = reply {
            stream.write_all(&reply).await?;
            stream.flush().await?;
        }
    }
    Ok(())
}
