//! The seam: SQL lines in, rows out. See `docs/protocol.md` for the wire form.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::wire::literal;
use crate::model::Value;

/// Steps to run in order. The first error ends the script *and the session*: nothing after it runs, an open
/// transaction is rolled back. That is what makes it safe to send a whole transaction, or a backup and the push that
/// must not happen without it, in one request.
#[derive(Clone, Default)]
pub struct Script<'a> {
    parts: Vec<Part<'a>>,
    /// The part that makes a backup, and the backup's path.
    backup: Option<(usize, String)>,
}

#[derive(Clone)]
enum Part<'a> {
    Step(String),
    /// Steps that are made one by one while the script runs.
    Steps(Arc<dyn Fn() -> Steps<'a> + Send + Sync + 'a>),
}

type Steps<'a> = Box<dyn Iterator<Item = String> + Send + 'a>;

impl<'a> Script<'a> {
    /// An empty script.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one step: either exactly one `SELECT` (whose rows become answer rows; every column must be wire-encoded
    /// text) or any number of other statements, which must print nothing. Ends with `;`.
    pub fn step(&mut self, sql: impl Into<String>) -> &mut Self {
        self.parts.push(Part::Step(sql.into()));
        self
    }

    /// Adds any number of such steps, each made when its turn comes: the statements of many rows are several times as large
    /// as the rows, and are never in memory together.
    pub fn steps_of<I>(&mut self, steps: impl Fn() -> I + Send + Sync + 'a) -> &mut Self
    where
        I: Iterator<Item = String> + Send + 'a,
    {
        self.parts.push(Part::Steps(Arc::new(move || Box::new(steps()))));
        self
    }

    /// Adds the step that copies the database into a new file beside it. At most one to a script.
    pub fn backup(&mut self, path: &str) -> &mut Self {
        self.backup = Some((self.parts.len(), path.to_owned()));
        self.step(format!("VACUUM main INTO {};", literal(&Value::text(path))))
    }

    /// The steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'_, str>> + Send {
        self.parts
            .iter()
            .flat_map(|part| -> Box<dyn Iterator<Item = Cow<'_, str>> + Send> {
                match part {
                    Part::Step(sql) => Box::new(std::iter::once(Cow::Borrowed(sql.as_str()))),
                    Part::Steps(make) => Box::new(make().map(Cow::Owned)),
                }
            })
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The script without its backup, and the backup's path: for a carrier that runs the steps elsewhere than beside
    /// the database.
    #[must_use]
    pub fn apart_from_backup(&self) -> (Self, Option<&str>) {
        let mut rest = self.clone();
        let Some((step, path)) = &self.backup else {
            return (rest, None);
        };
        rest.backup = None;
        rest.parts.remove(*step);
        (rest, Some(path))
    }
}

/// A field of an answer row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `=`: the cell is as in the base.
    Same,
    /// A value.
    Value(Value),
}

/// Takes the rows of an answer as they come, so that a large answer need not be held. An error ends the run.
pub type Answer<'a> = dyn FnMut(Vec<Field>) -> Result<(), SqlError> + Send + 'a;

/// Runs scripts against one open database.
pub trait Sql: Send {
    /// Runs a script: one round trip where there is a wire.
    ///
    /// # Errors
    /// See [`SqlError`]. After any error the session is gone, and the caller has to open a new one.
    fn run<'a>(&'a mut self, script: &'a Script<'_>, answer: &'a mut Answer<'a>)
    -> BoxFuture<'a, Result<(), SqlError>>;

    /// Whether it can be used: not after an error, nor after a run that was cut off.
    fn is_open(&self) -> bool;
}

/// Why a script failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// What kind of failure.
    pub kind: SqlErrorKind,
    /// The engine's own words, or ours: what was done, to what, and why it failed.
    pub message: String,
}

/// Kinds of failure that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// Another program holds the lock for longer than the time limit.
    Busy,
    /// The database or its folder cannot be written.
    ReadOnly,
    /// No space.
    Full,
    /// The system refused to read or write: a disk that fails, or a quota that is used up, which SQLite does not tell apart.
    Io,
    /// The file is damaged or is no database.
    Corrupt,
    /// The file is not there or cannot be opened.
    CannotOpen,
    /// A constraint refused a write.
    Constraint,
    /// The schema, the base or the file is not the one any more that was read.
    MovedOn,
    /// The connection or the engine is gone, or was silent for too long.
    Lost,
    /// The far end answered what no engine of ours answers, or more than was allowed.
    Protocol,
    /// The database is of a kind that cannot be synced.
    Unsuitable,
    /// Anything else that SQLite says.
    Other,
}
