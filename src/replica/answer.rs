//! Takes the fields of an answer row one by one. What the far end says is data: checked, never trusted.

use super::sql::{Field, SqlError, SqlErrorKind};
use crate::model::{Row, Value};

/// The fields of one row, and what was being done, for the error.
pub struct Fields {
    action: &'static str,
    rest: std::vec::IntoIter<Field>,
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

    fn wrong(&self) -> SqlError {
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
            Value::Blob(bytes) => Ok(bytes),
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

    /// All that is left, as values.
    pub fn values(&mut self) -> Result<Row, SqlError> {
        let mut values = Row::with_capacity(self.rest.len());
        while self.rest.len() > 0 {
            values.push(self.value()?);
        }
        Ok(values)
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
