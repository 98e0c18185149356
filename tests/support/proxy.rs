//! A TCP proxy on loopback that behaves like a long, narrow and unreliable line.
//!
//! What comes in is stamped with the moment at which it is due at the other end and let go then, so that delay does not
//! eat bandwidth: many bytes are on the way at once, as on a real line.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What one write of the sender is cut into at most: about ten packets of Ethernet.
const CHUNK: usize = 16 * 1024;
/// Chunks that may be on the way in one direction; then the sender has to wait, as for a full TCP window.
const ON_THE_WAY: usize = 256;

/// How much transmission time may wait in the sender's buffer.
const SEND_BUFFER: Duration = Duration::from_millis(50);

/// A direction of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// The line's properties. They may be changed while it is in use; what is on the way keeps its due time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// One way, each way.
    pub delay: Duration,
    /// Bits a second from the client to the server; `None`: no limit.
    pub up: Option<u64>,
    /// Bits a second from the server to the client; `None`: no limit.
    pub down: Option<u64>,
}

impl Line {
    /// The line that the figures are told for: 50 ms there and back, 20 Mbit/s each way.
    pub fn far() -> Self {
        Self {
            delay: Duration::from_millis(25),
            up: Some(20_000_000),
            down: Some(20_000_000),
        }
    }
}

/// A proxy that forwards to one address. Its connections end when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    line: watch::Sender<Line>,
    stalled: watch::Sender<bool>,
    /// Counts the cuts: a connection ends when it changes.
    cuts: watch::Sender<u64>,
    up: AtomicU64,
    down: AtomicU64,
    round_trips: AtomicU64,
    last: Mutex<Option<Direction>>,
}

impl Proxy {
    /// Starts a proxy to a port of this machine.
    pub async fn to(port: u16, line: Line) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            line: watch::Sender::new(line),
            stalled: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            last: Mutex::new(None),
        });
        let accepting = tokio::spawn(accept(listener, port, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the line.
    pub fn set(&self, line: Line) {
        self.shared.line.send_replace(line);
    }

    /// Ends all connections at once, as when the network says that the other side is gone.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets nothing through any more, and says nothing: what a laptop meets in a tunnel.
    pub fn stall(&self) {
        self.shared.stalled.send_replace(true);
    }

    /// Lets everything through again, what waited first.
    pub fn resume(&self) {
        self.shared.stalled.send_replace(false);
    }

    /// Bytes that the client sent.
    pub fn sent(&self) -> u64 {
        self.shared.up.load(Ordering::SeqCst)
    }

    /// Bytes that the server sent.
    pub fn received(&self) -> u64 {
        self.shared.down.load(Ordering::SeqCst)
    }

    /// How often the server answered: how often bytes from it followed bytes from the client. Meaningful with a
    /// delay (which keeps one question's packets together) and one connection at a time.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn count(&self, direction: Direction, bytes: usize) {
        let counter = if direction == Direction::Up {
            &self.up
        } else {
            &self.down
        };
        counter.fetch_add(bytes as u64, Ordering::SeqCst);
        let before = self.last.lock().unwrap().replace(direction);
        if before == Some(Direction::Up) && direction == Direction::Down {
            self.round_trips.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn accept(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // The client sees a connection that ends when the server cannot be reached.
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
                return;
            };
            serve(client, server, &shared).await;
        });
    }
}

async fn serve(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cuts = shared.cuts.subscribe();
    tokio::select! {
        _ = cuts.changed() => {}
        ((), ()) = async {
            tokio::join!(
                carry(from_client, to_server, Direction::Up, shared),
                carry(from_server, to_client, Direction::Down, shared),
            )
        } => {}
    }
}

/// Carries one direction: a reader that stamps, a queue that is the line, a writer that waits for the stamp.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, direction: Direction, shared: &Arc<Shared>) {
    let (line, arriving) = mpsc::channel(ON_THE_WAY);
    tokio::join!(stamp(from, line, direction, shared), release(to, arriving, shared));
}

async fn stamp(mut from: OwnedReadHalf, line: mpsc::Sender<(Instant, Vec<u8>)>, direction: Direction, shared: &Shared) {
    let mut free_at = Instant::now();
    loop {
        // The sender's buffer is small: a sender is not told that bytes are gone which have not yet left.
        if let Some(early) = free_at.checked_sub(SEND_BUFFER) {
            tokio::time::sleep_until(early).await;
        }
        let mut chunk = vec![0; CHUNK];
        let Ok(length @ 1..) = from.read(&mut chunk).await else {
            return;
        };
        chunk.truncate(length);
        shared.count(direction, length);
        let Line { delay, up, down } = *shared.line.borrow();
        let rate = if direction == Direction::Up { up } else { down };
        // The sender's end of the line is busy for as long as the bytes take; then they travel.
        let transmit = rate.map_or(Duration::ZERO, |bits| {
            Duration::from_secs_f64(length as f64 * 8.0 / bits as f64)
        });
        free_at = free_at.max(Instant::now()) + transmit;
        if line.send((free_at + delay, chunk)).await.is_err() {
            return;
        }
    }
}

async fn release(mut to: OwnedWriteHalf, mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>, shared: &Shared) {
    let mut stalled = shared.stalled.subscribe();
    while let Some((due, chunk)) = arriving.recv().await {
        tokio::time::sleep_until(due).await;
        if stalled.wait_for(|stalled| !stalled).await.is_err() || to.write_all(&chunk).await.is_err() {
            return;
        }
    }
    // The peer may be gone by now.
    let _ = to.shutdown().await;
}
