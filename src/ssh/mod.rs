//! The way to the server: connection, authentication, known hosts, the SQL session and its engines, SFTP.

mod session;
mod transport;

pub use session::{DatabaseState, Engine, FileFacts, Hello, Session, SessionError, SessionOptions};
pub use transport::{Process, Traffic, Transport, TransportError, TransportErrorKind};
