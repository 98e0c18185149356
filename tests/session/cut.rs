//! The line is cut in the middle of a request: the server's database has all of a step or nothing of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use modsync::config::EngineChoice::{self, Modsyncd, Php, Python3, Sqlite3};
use modsync::ssh::{Process, Session, Traffic, Transport, TransportError};
use rstest::rstest;
use tokio::io::{self, AsyncWrite};

use super::support::local_transport::LocalTransport;
use super::{Server, run};

/// Carries so many bytes to the server and then breaks.
struct Cut<'a> {
    whole: &'a LocalTransport,
    after: usize,
}

struct CutWriter {
    whole: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    left: usize,
}

impl Transport for Cut<'_> {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let process = self.whole.exec(command).await?;
        let stdin = Box::new(CutWriter {
            whole: Some(process.stdin),
            left: self.after,
        });
        Ok(Process { stdin, ..process })
    }

    fn traffic(&self) -> Arc<Traffic> {
        self.whole.traffic()
    }
}

impl AsyncWrite for CutWriter {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.left.min(bytes.len());
        let Some(whole) = self.whole.as_mut().filter(|_| left > 0) else {
            self.whole = None;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = Pin::new(whole).poll_write(context, &bytes[..left]);
        if let Poll::Ready(Ok(count)) = written {
            self.left -= count;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[rstest]
#[tokio::test]
async fn a_cut_leaves_all_or_nothing(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    const STEP: &str = "BEGIN IMMEDIATE; UPDATE t SET v=2 WHERE k=1 AND v=1; DELETE FROM t WHERE k=2 AND v=9; COMMIT;";
    // The setup and its marker: "SELECT 'modsync-<32 digits> 0';".
    let greeting = modsync::replica::sqlite::SETUP.len() + 1 + "SELECT '';\n".len() + "modsync- 0".len() + 32;
    for cut in (1..STEP.len())
        .step_by(9)
        .chain([STEP.len() - 1, STEP.len() + 1, STEP.len() + 9])
    {
        let server = Server::new();
        server
            .other()
            .execute_batch("INSERT INTO t VALUES(1,1),(2,2);")
            .unwrap();
        let line = Cut {
            whole: &server.transport,
            after: greeting + cut,
        };
        let (mut session, _) = Session::open(&line, &server.options(engine)).await.unwrap();
        run(&mut session, &[STEP]).await.unwrap_err();
        let sum: i64 = server
            .other()
            .query_row("SELECT sum(v) FROM t", [], |row| row.get(0))
            .unwrap();
        // The shell also runs a last line that lacks nothing but its end.
        let whole = cut > STEP.len() || (engine == Sqlite3 && cut >= STEP.len() - 1);
        assert_eq!(sum, if whole { 4 } else { 3 }, "after {cut} bytes");
    }
}
