//! What a database of the pair can do: tell its changes since the base, apply guarded writes, count, back up.
//!
//! All SQL is made here, and the same text runs on the laptop and on the server. The two sides differ only in the
//! [`Sql`] that carries it: a connection in this process, or an engine at the far end of an SSH channel.

pub mod engine;
mod local_sql;
mod sql;
pub mod sqlite;
pub mod wire;

pub use local_sql::LocalSql;
pub use sql::{Answer, Field, Script, Sql, SqlError, SqlErrorKind};
