//! The way to the server: connection, authentication, known hosts, the SQL session and its engines, SFTP.

mod transport;

pub use transport::{Process, Traffic, Transport, TransportError, TransportErrorKind};
