//! A connection that can be reset, and bodies that come slowly or unpack without end.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection that says RST instead of FIN when it was told to.
#[derive(Debug)]
pub(super) struct Wired {
    pub(super) stream: TcpStream,
    pub(super) resets: Arc<AtomicBool>,
}

impl Drop for Wired {
    fn drop(&mut self) {
        if self.resets.load(Relaxed) {
            // A socket that is closed with a linger of zero is reset; one that cannot is closed.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wired {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wired {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A body of which one byte comes a second.
pub(super) fn slowly(bytes: Vec<u8>) -> Body {
    let bytes = bytes.into_iter();
    Body::from_stream(futures_util::stream::unfold(bytes, |mut bytes| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let byte = bytes.next()?;
        Some((Ok::<_, Infallible>(Bytes::from(vec![byte])), bytes))
    }))
}

/// White space that fits in a few kilobytes and becomes 64 MiB.
pub(super) fn bomb() -> Bytes {
    static BOMB: OnceLock<Bytes> = OnceLock::new();
    BOMB.get_or_init(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let chunk = vec![b' '; 1 << 20];
        for _ in 0..64 {
            // Writing to a Vec cannot fail.
            let _ = encoder.write_all(&chunk);
        }
        encoder.finish().unwrap_or_default().into()
    })
    .clone()
}
