//! What a cycle needs of an open connection, whatever carries it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt as _;

use super::by_file::FileSql;
use super::sftp::Sftp;
use super::{Connection, Hello, Process, Session, SessionError, SessionOptions, Traffic, Transport, TransportError};
use crate::config::EngineChoice;
use crate::replica::{Sql, SqlErrorKind};

/// How long a server that runs commands takes to say a word.
const A_WORDS_TIME: Duration = Duration::from_secs(5);
/// How much a server's greeting and one word may come to, in bytes.
const MAX_SAID: u64 = 64 * 1024;

/// A session with the server's database, and what was found there.
pub type Opened = (Box<dyn Sql>, Hello);

/// An open way to the server. [`Connection`] is the real one; a trial of the cycle has one without a network.
pub trait Link: Send + Sync {
    /// Opens the server's database: see [`Session::open`].
    ///
    /// # Errors
    /// See [`SessionError`].
    fn open_session<'a>(&'a self, options: &'a SessionOptions) -> BoxFuture<'a, Result<Opened, SessionError>>;

    /// Runs a command line, as the login shell there reads it.
    ///
    /// # Errors
    /// When the connection is gone or the server refuses the channel.
    fn exec<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<Process, TransportError>>;

    /// Opens an SFTP session.
    ///
    /// # Errors
    /// When the connection is gone, or the server offers no SFTP.
    fn sftp(&self) -> BoxFuture<'_, Result<Sftp, TransportError>>;

    /// What went over the line so far.
    fn traffic(&self) -> Arc<Traffic>;

    /// Whether it is known to have ended.
    fn is_closed(&self) -> bool;
}

impl Link for Connection {
    fn open_session<'a>(&'a self, options: &'a SessionOptions) -> BoxFuture<'a, Result<Opened, SessionError>> {
        Box::pin(async move {
            if options.engine == EngineChoice::Sftp {
                let (session, hello) = FileSql::open(self.sftp().await?, self.server(), options).await?;
                return Ok((Box::new(session) as Box<dyn Sql>, hello));
            }
            match Session::open(self, options).await {
                Ok((session, hello)) => Ok((Box::new(session) as Box<dyn Sql>, hello)),
                Err(error) => Err(self.or_files_alone(error).await),
            }
        })
    }

    fn exec<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<Process, TransportError>> {
        Box::pin(Transport::exec(self, command))
    }

    fn sftp(&self) -> BoxFuture<'_, Result<Sftp, TransportError>> {
        Box::pin(Connection::sftp(self))
    }

    fn traffic(&self) -> Arc<Traffic> {
        Transport::traffic(self)
    }

    fn is_closed(&self) -> bool {
        Connection::is_closed(self)
    }
}

impl Connection {
    /// Says what to do where the server runs no command, but serves files.
    async fn or_files_alone(&self, error: SessionError) -> SessionError {
        let silent = matches!(&error, SessionError::Sql(sql) if sql.kind == SqlErrorKind::Lost);
        let may_serve_files = silent && !Connection::is_closed(self) && !self.runs_commands().await;
        if !may_serve_files || Connection::sftp(self).await.is_err() {
            return error;
        }
        SessionError::Setup {
            hello: Box::default(),
            message: format!(
                "cannot run a command on {}, which serves files alone: give the user a login shell, or set engine = \"sftp\", \
                 the second best ({error})",
                self.server()
            ),
        }
    }
    /// Whether a command says what it is told to say: a session that ended without a word may also have been killed.
    async fn runs_commands(&self) -> bool {
        const WORD: &str = "modsync-was-here";
        let Ok(process) = Transport::exec(self, &format!("echo {WORD}")).await else {
            return false;
        };
        let mut said = String::new();
        let mut stdout = process.stdout.take(MAX_SAID);
        // One that serves files alone waits for requests.
        let read = tokio::time::timeout(A_WORDS_TIME, stdout.read_to_string(&mut said));
        matches!(read.await, Ok(Ok(_))) && said.contains(WORD)
    }
}
