//! The outermost byte stream of a connection: counts what goes over it and notices when nothing is taken any more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Traffic;

/// A stream that counts its bytes.
///
/// Keepalives find a dead line only while the SSH session gets to send them. Once the kernel's send buffer is full the
/// session waits inside a write, so the write itself has a limit: with no byte taken for that long, the line is dead.
pub(super) struct Line<S> {
    inner: S,
    traffic: Arc<Traffic>,
    stall_limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Line<S> {
    pub(super) fn new(inner: S, traffic: Arc<Traffic>, stall_limit: Duration) -> Self {
        Self {
            inner,
            traffic,
            stall_limit,
            stalled: None,
        }
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.stall_limit;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(cx).map(|()| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the network took no byte for {} s", limit.as_secs()),
            ))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.traffic.add_received((buf.filled().len() - before) as u64);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, buf) {
            Poll::Pending => self.poll_stalled(cx),
            Poll::Ready(result) => {
                self.stalled = None;
                if let Ok(written) = result {
                    self.traffic.add_sent(written as u64);
                }
                Poll::Ready(result)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_both_ways_and_notices_a_line_that_takes_nothing() {
        let (near, mut far) = tokio::io::duplex(8);
        let traffic = Arc::new(Traffic::default());
        let mut line = Line::new(near, Arc::clone(&traffic), Duration::from_secs(30));
        line.write_all(b"12345678").await.unwrap();
        far.write_all(b"abc").await.unwrap();
        let mut got = [0; 3];
        line.read_exact(&mut got).await.unwrap();
        assert_eq!((traffic.sent(), traffic.received()), (8, 3));

        let stalled = line.write_all(b"9").await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        assert_eq!(traffic.sent(), 8);
    }
}
