//! Plain data that every other room speaks of: values, rows, keys, schemas, changes, instants.
//!
//! Nothing here does I/O and nothing here knows of SQLite's library or of SSH.

mod change;
mod instant;
mod schema;
mod value;
mod value_json;

pub use change::{Delta, PartialRow, RowOp, TableDelta};
pub use instant::Instant;
pub use schema::{
    Affinity, Collation, Column, Declared, ForeignKey, Object, ObjectKind, Schema, Skipped, Table, Trigger,
};
pub use value::{Key, Real, Row, Value, pick_not_null};
pub use value_json::{from_hex, to_hex};

/// One of the two databases of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The laptop's database.
    Local,
    /// The server's database.
    Server,
}

impl Side {
    /// Both, in the order of everything that stands in pairs.
    pub const BOTH: [Self; 2] = [Self::Local, Self::Server];

    /// Its place in what stands in pairs.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Local => 0,
            Self::Server => 1,
        }
    }

    /// What it is called in messages that tell where something is.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::Local => "laptop",
            Self::Server => "server",
        }
    }

    /// The same of what belongs to it.
    #[must_use]
    pub fn whose(self) -> &'static str {
        match self {
            Self::Local => "laptop's",
            Self::Server => "server's",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Local => Self::Server,
            Self::Server => Self::Local,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Server => "server",
        })
    }
}
