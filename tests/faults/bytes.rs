//! The line is cut after each count of bytes of a two-way cycle, up and down.
//!
//! The engine's own streams are cut, without SSH around them, so that one trial takes milliseconds: what SSH adds is that
//! bytes arrive in packets, which are counts among these. `scripts/test` takes some of the counts; all of them take an hour:
//! `MODSYNC_CUT_EVERY=1 cargo test --test faults bytes -- --nocapture`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use modsync::config::Config;
use modsync::control::types::{Outcome, SyncRequest};
use modsync::cycle::{CycleError, OverSsh, Pair, Reach};
use modsync::replica::{Sql, SqlError};
use modsync::ssh::sftp::Sftp;
use modsync::ssh::{Link, Opened, Process, Session, SessionError, SessionOptions, Traffic, Transport, TransportError};
use rstest::rstest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::rows::assert_one_base;
use crate::support::local_transport::LocalTransport;
use crate::support::world::{World, dump, open, rows, try_sync};

/// A line that carries so many bytes each way, and then nothing more in either.
struct Line {
    left: [AtomicUsize; 2],
    cut: AtomicBool,
}

const UP: usize = 0;
const DOWN: usize = 1;

impl Line {
    fn new(up: usize, down: usize) -> Arc<Self> {
        Arc::new(Self {
            left: [AtomicUsize::new(up), AtomicUsize::new(down)],
            cut: AtomicBool::new(false),
        })
    }

    /// How many of these bytes are still carried; none of them when the line is cut.
    fn room(&self, way: usize, wanted: usize) -> usize {
        let room = self.left[way].load(Ordering::SeqCst).min(wanted);
        if room == 0 && wanted > 0 {
            self.cut.store(true, Ordering::SeqCst);
        }
        if self.is_cut() { 0 } else { room }
    }

    fn carried(&self, way: usize, bytes: usize) {
        self.left[way].fetch_sub(bytes, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

/// The server on this machine, at the far end of a line.
#[derive(Clone)]
struct Far {
    server: Arc<LocalTransport>,
    line: Arc<Line>,
}

impl Transport for Far {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let Process { stdin, stdout, stderr } = Transport::exec(&*self.server, command).await?;
        Ok(Process {
            stdin: Box::new(Cut {
                stream: Some(stdin),
                line: Arc::clone(&self.line),
            }),
            stdout: Box::new(Cut {
                stream: Some(stdout),
                line: Arc::clone(&self.line),
            }),
            stderr,
        })
    }

    fn traffic(&self) -> Arc<Traffic> {
        Transport::traffic(&*self.server)
    }
}

impl Link for Far {
    fn open_session<'a>(&'a self, options: &'a SessionOptions) -> BoxFuture<'a, Result<Opened, SessionError>> {
        Box::pin(async move {
            let (session, hello) = Session::open(self, options).await?;
            Ok((Box::new(session) as Box<dyn Sql>, hello))
        })
    }

    fn exec<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<Process, TransportError>> {
        Box::pin(Transport::exec(self, command))
    }

    fn sftp(&self) -> BoxFuture<'_, Result<Sftp, TransportError>> {
        panic!("no file is moved in these trials")
    }

    fn traffic(&self) -> Arc<Traffic> {
        Transport::traffic(self)
    }

    fn is_closed(&self) -> bool {
        self.line.is_cut()
    }
}

impl Reach for Far {
    fn open_local<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Box<dyn Sql>, SqlError>> {
        OverSsh.open_local(path)
    }

    fn dial<'a>(&'a self, _config: &'a Config) -> BoxFuture<'a, Result<Arc<dyn Link>, CycleError>> {
        let link: Arc<dyn Link> = Arc::new(self.clone());
        Box::pin(async move { Ok(link) })
    }
}

/// One way of a process's streams over the line. The far end sees its input end where the line is cut.
struct Cut<S> {
    stream: Option<S>,
    line: Arc<Line>,
}

fn broken<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = self.line.room(UP, bytes.len());
        if room == 0 {
            self.stream = None;
        }
        let Some(stream) = &mut self.stream else {
            return broken();
        };
        let written = Pin::new(stream).poll_write(context, &bytes[..room]);
        if let Poll::Ready(Ok(count)) = written {
            self.line.carried(UP, count);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = self.line.room(DOWN, buf.remaining());
        let Some(stream) = self.stream.as_mut().filter(|_| room > 0) else {
            return broken();
        };
        let mut bytes = vec![0; room.min(16 * 1024)];
        let mut part = ReadBuf::new(&mut bytes);
        let read = Pin::new(stream).poll_read(context, &mut part);
        buf.put_slice(part.filled());
        self.line.carried(DOWN, part.filled().len());
        read
    }
}

/// Files that belong to a world, as they were at some moment when nobody had them open.
struct Snapshot {
    root: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Snapshot {
    const FOLDERS: [&str; 4] = ["laptop", "site", "state", "remote/modsync"];

    fn of(world: &World) -> Self {
        let root = world.path("");
        let files = Self::files(&root)
            .map(|file| (file.clone(), std::fs::read(&file).unwrap()))
            .collect();
        Self { root, files }
    }

    fn restore(&self) {
        for file in Self::files(&self.root).filter(|file| !self.files.contains_key(file)) {
            std::fs::remove_file(file).unwrap();
        }
        // Into the same files: a base is the base of this very inode.
        for (file, bytes) in &self.files {
            std::fs::write(file, bytes).unwrap();
        }
    }

    fn files(root: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        let folders = Self::FOLDERS.map(|folder| root.join(folder));
        let files = folders
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap());
        files.map(|file| file.unwrap().path()).filter(|path| path.is_file())
    }
}

/// A cycle over a line that is cut somewhere, or not. The engine is waited for: it may go on with what it has received.
async fn cycle(world: &World, line: &Arc<Line>) -> Result<Outcome, CycleError> {
    let server = LocalTransport::default()
        .env("HOME", world.path("home"))
        .env("XDG_STATE_HOME", world.path("remote"));
    let server = Arc::new(server);
    let far = Far {
        server: Arc::clone(&server),
        line: Arc::clone(line),
    };
    let mut pair = Pair::reached_by(world.config(), Box::new(far)).await.unwrap();
    let request = SyncRequest {
        no_backup: true,
        ..SyncRequest::default()
    };
    let done = try_sync(&mut pair, &request).await;
    drop(pair);
    server.until_all_ended().await;
    done.map(|summary| summary.outcome)
}

fn endless() -> Arc<Line> {
    Line::new(usize::MAX, usize::MAX)
}

/// Few tables, for few bytes; of both kinds of key.
const TABLES: &str = "CREATE TABLE item(k TEXT PRIMARY KEY, laptop, server);
    CREATE TABLE named(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
    INSERT INTO item VALUES('both',0,0),('laptop',0,0),('server',0,0),('laptop leaves',0,0),('server leaves',0,0);";

/// A side's updates of a row of its own and of one that both change, inserts (the ids collide), and a delete.
fn edits(side: &str) -> String {
    format!(
        "BEGIN; UPDATE item SET {side}=1 WHERE k IN('both','{side}'); INSERT INTO item VALUES('{side} new',1,1);
         INSERT INTO named(name) VALUES('{side}'); DELETE FROM item WHERE k='{side} leaves'; COMMIT;"
    )
}

/// What the history tells, whatever the cycles.
const MOVES: &str = "SELECT side,tbl,before,after FROM move UNION ALL SELECT 'conflict',tbl,body,record FROM conflict";

#[rstest]
#[case::up(UP)]
#[case::down(DOWN)]
#[tokio::test(flavor = "multi_thread")]
async fn cut_after_each_count_of_bytes(#[case] way: usize) {
    let every = std::env::var("MODSYNC_CUT_EVERY").map_or(311, |every| every.parse().unwrap());
    let world = World::with_schema(TABLES);
    std::fs::create_dir_all(world.remote_state()).unwrap();
    cycle(&world, &endless()).await.unwrap();
    world.open_local().execute_batch(&edits("laptop")).unwrap();
    world.open_remote().execute_batch(&edits("server")).unwrap();
    let before = Snapshot::of(&world);

    let whole = endless();
    assert_eq!(cycle(&world, &whole).await.unwrap(), Outcome::Synced);
    let total = usize::MAX - whole.left[way].load(Ordering::SeqCst);
    let expected = dump(&world.open_local());
    let moves = rows(&open(&world.path("state/history.db")), MOVES);
    assert_eq!(moves.len(), 11, "{moves:#?}");

    let (mut trials, mut ended) = (0, 0);
    for count in (0..total).step_by(every).chain([total - 1]) {
        before.restore();
        let line = match way {
            UP => Line::new(count, usize::MAX),
            _ => Line::new(usize::MAX, count),
        };
        let cut = cycle(&world, &line).await;
        assert!(line.is_cut(), "{count}: {cut:?}");
        // A cycle that has its answers may end before it misses the line.
        ended += usize::from(cut.is_ok());
        let next = cycle(&world, &endless()).await.unwrap();
        assert!(
            matches!(next, Outcome::Synced | Outcome::Unchanged),
            "{count}: {next:?}"
        );
        world.assert_equal();
        assert!(
            expected == dump(&world.open_local()),
            "after {count} bytes the outcome differs"
        );
        assert_one_base(&world);
        let history = open(&world.path("state/history.db"));
        assert_eq!(rows(&history, MOVES), moves, "after {count} bytes");
        trials += 1;
    }
    let way = ["up", "down"][way];
    println!("{total} bytes {way}, cut after {trials} of the counts; {ended} of the cycles ended all the same");
}
