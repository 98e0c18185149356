//! The way to the server: connection, authentication, known hosts, the SQL session and its engines, SFTP.

mod auth;
mod by_file;
mod connection;
mod fault;
mod handshake;
mod host_check;
pub mod known_hosts;
mod line;
mod link;
mod process;
mod session;
pub mod sftp;
pub mod shell;
mod transport;

pub use by_file::lasting_base;
pub use connection::{ConnectOptions, Connection, scan_host_key};
pub use link::{Link, Opened};
pub use session::{DatabaseState, Engine, FileFacts, Hello, Session, SessionError, SessionOptions, Space};
pub use transport::{Process, Traffic, Transport, TransportError, TransportErrorKind};
