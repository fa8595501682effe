//! STUN and TURN over a stream, TCP or TLS: one client, whose allocation ends with its connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use turn_server_proto::types::TransportType;

use super::desk::{Desk, Terms};
use crate::stun;

/// The header of a STUN message, in bytes (RFC 8489 §5).
const STUN_HEADER: usize = 20;
/// The header of a ChannelData message, in bytes (RFC 8656 §12.4).
const CHANNEL_HEADER: usize = 4;

/// Takes connections until the task is dropped.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, terms: Arc<Terms>) {
    loop {
        // A client that gave up before it was taken; the next may come.
        let Ok((stream, from)) = listener.accept().await else { continue };
        let (tls, terms) = (tls.clone(), Arc::clone(&terms));
        // How a connection ends is the client's affair.
        tokio::spawn(async move { welcome(stream, from, tls, terms).await });
    }
}

async fn welcome(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    terms: Arc<Terms>,
) -> io::Result<()> {
    let here = stream.local_addr()?;
    stream.set_nodelay(true)?;
    match tls {
        Some(acceptor) => converse(acceptor.accept(stream).await?, from, here, terms).await,
        None => converse(stream, from, here, terms).await,
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    from: SocketAddr,
    here: SocketAddr,
    terms: Arc<Terms>,
) -> io::Result<()> {
    let mut desk = Desk::new(TransportType::Tcp, here, terms);
    let mut buffer = Vec::new();
    loop {
        let replies = tokio::select! {
            length = stream.read_buf(&mut buffer) => {
                if length? == 0 {
                    return Ok(());
                }
                let mut replies = Vec::new();
                while let Some(message) = take_message(&mut buffer)? {
                    match stun::answer(&message, from) {
                        Some(response) => replies.push((from, response)),
                        None => replies.extend(desk.receive(message, from)),
                    }
                }
                replies
            }
            replies = desk.relayed() => replies,
        };
        for (_, mut reply) in replies {
            // A STUN message has this length anyhow, ChannelData must be given it (RFC 8656 §12.5).
            reply.resize(reply.len().next_multiple_of(4), 0);
            stream.write_all(&reply).await?;
        }
        stream.flush().await?;
    }
}

/// Takes the first whole message off what has arrived, its padding left out.
fn take_message(buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let &[kind, _, high, low, ..] = buffer.as_slice() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    // The first two bits tell them apart (RFC 8656 §12).
    let length = match kind >> 6 {
        0b00 => STUN_HEADER + length,
        0b01 => CHANNEL_HEADER + length,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let padded = length.next_multiple_of(4);
    if buffer.len() < padded {
        return Ok(None);
    }
    let mut message: Vec<u8> = buffer.drain(..padded).collect();
    message.truncate(length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::take_message;

    #[test]
    fn messages_are_taken_one_by_one_and_without_their_padding() {
        let stun = [&[0, 1, 0, 4][..], &[7; 20]].concat();
        let channel = [0x40, 0, 0, 2, b'h', b'i', 0, 0];
        let mut buffer = [&stun[..], &channel, &[0x40, 0, 0, 1, b'x']].concat();

        assert_eq!(take_message(&mut buffer).unwrap(), Some(stun));
        assert_eq!(take_message(&mut buffer).unwrap(), Some(channel[..6].to_vec()));
        assert_eq!(take_message(&mut buffer).unwrap(), None);
        buffer.extend([0; 3]);
        assert_eq!(take_message(&mut buffer).unwrap(), Some(vec![0x40, 0, 0, 1, b'x']));
        assert_eq!(take_message(&mut buffer).unwrap(), None);
    }

    #[test]
    fn what_is_neither_stun_nor_channel_data_ends_the_connection() {
        assert!(take_message(&mut vec![0x80; 64]).is_err());
    }
}
