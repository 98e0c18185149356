//! A program at the far end of a channel, as three byte streams.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, ReadBuf};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Process;
use super::handshake::Farewell;

/// What may wait unsent on the way to the program. One packet of OpenSSH's size.
const STDIN_BUFFER: usize = 32 * 1024;
/// Packets of at most 32 KiB that may wait unread. When the reader is that far behind, the server is made to wait.
const STDOUT_PACKETS: usize = 16;
/// The same of its standard error; what comes on top is dropped, for nobody may be reading it, and the program and
/// its standard output must not wait for that.
const STDERR_PACKETS: usize = 64;
/// `SSH_EXTENDED_DATA_STDERR` of RFC 4254, section 5.2.
const EXTENDED_DATA_STDERR: u32 = 1;

/// Turns a channel on which `exec` was requested into the streams of a process.
pub(super) fn attach(channel: Channel<Msg>, farewell: Farewell) -> Process {
    let (stdin, to_program) = tokio::io::duplex(STDIN_BUFFER);
    let (stdout, from_stdout) = mpsc::channel(STDOUT_PACKETS);
    let (stderr, from_stderr) = mpsc::channel(STDERR_PACKETS);
    let (holder, mut held) = mpsc::channel(1);
    tokio::spawn(async move {
        let (from_program, program) = channel.split();
        let feed = feed(to_program, program.make_writer());
        tokio::select! {
            () = deliver(from_program, &stdout, &stderr, &farewell) => {}
            _ = held.recv() => {}
            () = async { feed.await; std::future::pending().await } => {}
        }
        // Nothing to be done when the connection is gone already.
        let _ = program.close().await;
    });
    Process {
        stdin: Box::new(Stdin {
            pipe: stdin,
            _holder: holder.clone(),
        }),
        stdout: Box::new(Packets {
            packets: from_stdout,
            current: Bytes::new(),
            _holder: Some(holder),
        }),
        stderr: Box::new(Packets {
            packets: from_stderr,
            current: Bytes::new(),
            _holder: None,
        }),
    }
}

/// Kept by those streams that keep the channel open: when the last one is dropped, the receiver hears of it.
type Holder = Sender<Infallible>;

/// Carries standard input to the program, and its end.
async fn feed(from: DuplexStream, mut to: impl AsyncWrite + Unpin) {
    let mut from = BufReader::with_capacity(STDIN_BUFFER, from);
    loop {
        let Ok(waiting) = from.fill_buf().await else { return };
        let length = waiting.len();
        // An error here means that the channel is closed, which `deliver` sees as well and tells.
        if length == 0 {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(waiting).await.is_err() {
            return;
        }
        from.consume(length);
    }
}

/// Sorts what comes from the program until its channel closes.
async fn deliver(
    mut from: ChannelReadHalf,
    stdout: &Sender<io::Result<Bytes>>,
    stderr: &Sender<io::Result<Bytes>>,
    farewell: &Farewell,
) {
    while let Some(message) = from.wait().await {
        match message {
            // A send fails when the reader was dropped: the rest is of no interest.
            ChannelMsg::Data { data } => drop(stdout.send(Ok(data)).await),
            ChannelMsg::ExtendedData {
                data,
                ext: EXTENDED_DATA_STDERR,
            } => drop(stderr.try_send(Ok(data))),
            ChannelMsg::Failure => {
                let refused = io::Error::new(io::ErrorKind::PermissionDenied, "the server refused to run the command");
                return drop(stdout.send(Err(refused)).await);
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
    let reason = farewell
        .ending()
        .map_or_else(|| "it was closed".to_owned(), |ending| ending.reason);
    let lost = io::Error::new(
        io::ErrorKind::ConnectionAborted,
        format!("the SSH connection ended: {reason}"),
    );
    drop(stdout.send(Err(lost)).await);
}

/// Standard input, as its user has it.
struct Stdin {
    pipe: DuplexStream,
    _holder: Holder,
}

impl AsyncWrite for Stdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// Packets as a byte stream.
struct Packets {
    packets: Receiver<io::Result<Bytes>>,
    current: Bytes,
    _holder: Option<Holder>,
}

impl AsyncRead for Packets {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.packets.poll_recv(cx)) {
                Some(packet) => self.current = packet?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current.split_to(length));
        Poll::Ready(Ok(()))
    }
}
