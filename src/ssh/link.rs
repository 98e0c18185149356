//! What a cycle needs of an open connection, whatever carries it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::sftp::Sftp;
use super::{Connection, Hello, Process, Session, SessionError, SessionOptions, Traffic, Transport, TransportError};
use crate::replica::Sql;

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
            let (session, hello) = Session::open(self, options).await?;
            Ok((Box::new(session) as Box<dyn Sql>, hello))
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
