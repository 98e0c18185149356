//! Takes the fields of an answer row one by one. What the far end says is data: checked, never trusted.
//!
//! A row has exactly the fields that were asked for, of the kind that was asked for; what is answered once is refused the
//! second time. How much an answer may hold in all is the session's to watch.

use super::sql::{Field, SqlError, SqlErrorKind};
use crate::model::{Key, Row, Value};

/// More rows than this no database holds: the largest has less than 2^48 bytes. So counts can be added up.
const MAX_COUNT: u64 = 1 << 48;

/// The fields of one row, and what was being done, for the error.
pub struct Fields {
    action: &'static str,
    rest: std::vec::IntoIter<Field>,
}

/// Takes the answer of a script that asks nothing: none.
pub fn nothing(action: &'static str) -> impl FnMut(Vec<Field>) -> Result<(), SqlError> + Send {
    move |row| Err(Fields::new(action, row).wrong())
}

/// Keeps what is answered once, and refuses it the second time.
pub fn once<T>(slot: &mut Option<T>, value: T, fields: &Fields) -> Result<(), SqlError> {
    match slot.replace(value) {
        Some(_) => Err(fields.wrong()),
        None => Ok(()),
    }
}

/// The answer lacks what it must have.
pub fn missing(what: &str) -> SqlError {
    SqlError {
        kind: SqlErrorKind::Protocol,
        message: format!("{what} is missing in the engine's answer"),
    }
}

impl Fields {
    pub fn new(action: &'static str, row: Vec<Field>) -> Self {
        Self {
            action,
            rest: row.into_iter(),
        }
    }

    /// The error of a row that is not what was asked for.
    pub fn wrong(&self) -> SqlError {
        let message = format!(
            "{}: the engine's answer has another shape than was asked for",
            self.action
        );
        SqlError {
            kind: SqlErrorKind::Protocol,
            message,
        }
    }

    pub fn value(&mut self) -> Result<Value, SqlError> {
        match self.rest.next() {
            Some(Field::Value(value)) => Ok(value),
            _ => Err(self.wrong()),
        }
    }

    pub fn text(&mut self) -> Result<String, SqlError> {
        self.value()?.as_str().map(str::to_owned).ok_or_else(|| self.wrong())
    }

    pub fn integer(&mut self) -> Result<i64, SqlError> {
        self.value()?.as_integer().ok_or_else(|| self.wrong())
    }

    pub fn blob(&mut self) -> Result<Vec<u8>, SqlError> {
        match self.value()? {
            Value::Blob(bytes) => Ok(bytes.to_vec()),
            _ => Err(self.wrong()),
        }
    }

    /// A tag that must stand here.
    pub fn expect(&mut self, tag: &str) -> Result<(), SqlError> {
        if self.text()? == tag { Ok(()) } else { Err(self.wrong()) }
    }

    /// An index below `end`.
    pub fn index(&mut self, end: usize) -> Result<usize, SqlError> {
        let index = usize::try_from(self.integer()?).ok().filter(|index| *index < end);
        index.ok_or_else(|| self.wrong())
    }

    /// How many of something there are: never fewer than none, nor more than a database can hold.
    pub fn count(&mut self) -> Result<u64, SqlError> {
        let count = u64::try_from(self.integer()?).ok().filter(|count| *count <= MAX_COUNT);
        count.ok_or_else(|| self.wrong())
    }

    /// All that is left, as values; there must be `count` of them.
    pub fn row(&mut self, count: usize) -> Result<Row, SqlError> {
        if self.rest.len() != count {
            return Err(self.wrong());
        }
        (0..count).map(|_| self.value()).collect()
    }

    /// All that is left, as a key of `count` columns. A row with NULL in its key is never told of.
    pub fn key(&mut self, count: usize) -> Result<Key, SqlError> {
        let key = self.row(count)?;
        if key.iter().any(Value::is_null) {
            return Err(self.wrong());
        }
        Ok(key)
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), SqlError> {
        if self.rest.len() > 0 { Err(self.wrong()) } else { Ok(()) }
    }

    /// All that is left, `None` where a cell is as in the base; there must be `count` of them.
    pub fn cells(&mut self, count: usize) -> Result<Vec<Option<Value>>, SqlError> {
        if self.rest.len() != count {
            return Err(self.wrong());
        }
        let cells = self.rest.by_ref().map(|field| match field {
            Field::Same => None,
            Field::Value(value) => Some(value),
        });
        Ok(cells.collect())
    }
}
