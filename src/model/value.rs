//! A SQLite value, exactly as stored: every integer, every bit of a float, every byte of a text.

use std::fmt;
use std::sync::Arc;

/// A stored value. Two values are equal when SQLite stores the same thing for both: `1` is not `1.0`,
/// `-0.0` is not `0.0`, and the text `1` is not the integer `1`.
///
/// A copy shares the bytes: a row stands in the delta, the plan, the journal and the base's move of one cycle, and is in
/// memory once.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// An IEEE 754 double, compared by its bits.
    Real(Real),
    /// Text by its bytes: SQLite does not check that it is UTF-8, so neither may we.
    Text(Arc<[u8]>),
    /// A blob.
    Blob(Arc<[u8]>),
}

/// The bits of a double. Its order is that of the bits: good for maps, not for arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Real(u64);

impl Real {
    /// From a double, bit for bit.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    /// From IEEE 754 bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The double.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// Its IEEE 754 bits.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0
    }
}

/// The values of a row, in the order of [`Table::columns`](super::Table::columns).
pub type Row = Vec<Value>;

/// The values of a row's key columns, in the order of [`Table::key`](super::Table::key).
pub type Key = Vec<Value>;

impl Value {
    /// A text value.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes().into())
    }

    /// A real value.
    #[must_use]
    pub fn real(value: f64) -> Self {
        Self::Real(Real::new(value))
    }

    /// Whether this is SQL NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, when this is one and it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The integer, when this is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            _ => None,
        }
    }
}

/// For people: text as it reads, NULL and blobs named. Long values are not shortened here.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Real(real) => write!(f, "{:?}", real.get()),
            Self::Text(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Blob(bytes) => write!(f, "<blob of {} bytes>", bytes.len()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.len()),
            other => write!(f, "{other}"),
        }
    }
}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get())
    }
}
/// The values of some columns of a row; `None` if one of them is NULL: then neither a unique index nor a foreign key looks
/// at it.
#[must_use]
pub fn pick_not_null(row: &Row, columns: &[usize]) -> Option<Vec<Value>> {
    columns
        .iter()
        .map(|&column| row.get(column).filter(|value| !value.is_null()).cloned())
        .collect()
}
