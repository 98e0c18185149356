//! Values as SQL makes them and as SQL takes them: the text forms that every engine carries without change.
//!
//! An engine prints what a `SELECT` gives it, and each prints differently: floats are rounded, control characters
//! escaped, a NUL ends a line. So the SQL itself turns every value into printable ASCII ([`encode_sql`]), and values that
//! are sent are written as literals that stand for exactly that value ([`literal`]). `docs/protocol.md` has the grammar.

use std::fmt::Write as _;

use super::Field;
use crate::model::{Real, Value, from_hex};

/// An answer row that is not in the wire form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {field} of the row is not in the wire form")]
pub struct WireError {
    /// Which field, from 1.
    pub field: usize,
}

/// The SQL expression that turns the value of `column_sql` into a field of the wire form.
///
/// The expression names `column_sql` several times, so it should be a column or something as cheap.
#[must_use]
pub fn encode_sql(column_sql: &str) -> String {
    let c = column_sql;
    format!(
        "CASE typeof({c}) WHEN 'null' THEN 'n' WHEN 'integer' THEN 'i'||{c} \
         WHEN 'real' THEN 'f'||hex(ieee754_to_blob({c})) WHEN 'blob' THEN 'b'||hex({c}) \
         ELSE CASE WHEN length({c})=length(CAST({c} AS BLOB)) AND {c} NOT GLOB '*[^ -~]*' \
         THEN 't'||{c} ELSE 'x'||hex({c}) END END"
    )
}

/// The SQL expression that stands for exactly this value: printable ASCII, one line.
///
/// A NaN, which SQLite cannot store, becomes NULL there as it would in SQLite.
#[must_use]
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        // The digits alone are more than the largest integer, and a number so large would be read as a real.
        Value::Integer(i64::MIN) => "(-9223372036854775807-1)".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("ieee754_from_blob(X'{:016X}')", real.to_bits()),
        Value::Text(bytes) => match printable(bytes) {
            Some(text) => format!("'{}'", text.replace('\'', "''")),
            None => format!("CAST(X'{}' AS TEXT)", upper_hex(bytes)),
        },
        Value::Blob(bytes) => format!("X'{}'", upper_hex(bytes)),
    }
}

/// The field that [`encode_sql`] makes of this value: what an honest engine answers for it.
#[must_use]
pub fn encode(value: &Value) -> String {
    match value {
        Value::Null => "n".to_owned(),
        Value::Integer(integer) => format!("i{integer}"),
        Value::Real(real) => format!("f{:016X}", real.to_bits()),
        Value::Text(bytes) => match printable(bytes) {
            Some(text) => format!("t{text}"),
            None => format!("x{}", upper_hex(bytes)),
        },
        Value::Blob(bytes) => format!("b{}", upper_hex(bytes)),
    }
}

/// The fields of an answer row: a line without its end.
///
/// # Errors
/// When a field is not what [`encode_sql`] makes, nor `=`.
pub fn decode_row(line: &[u8]) -> Result<Vec<Field>, WireError> {
    line.split(|&byte| byte == b'\t')
        .enumerate()
        .map(|(index, field)| decode_field(field).ok_or(WireError { field: index + 1 }))
        .collect()
}

/// How much memory a row takes, in bytes: about what it costs to keep it.
#[must_use]
pub fn memory_of(row: &[Field]) -> usize {
    let cells = row.iter().map(|field| match field {
        Field::Value(Value::Text(bytes) | Value::Blob(bytes)) => bytes.len(),
        _ => 0,
    });
    size_of::<Vec<Field>>() + size_of_val(row) + cells.sum::<usize>()
}

fn decode_field(field: &[u8]) -> Option<Field> {
    let (kind, body) = field.split_first()?;
    let value = match kind {
        b'=' if body.is_empty() => return Some(Field::Same),
        b'n' if body.is_empty() => Value::Null,
        b'i' => Value::Integer(integer(body)?),
        b'f' => Value::Real(real(body)?),
        b't' => Value::Text(printable(body)?.as_bytes().into()),
        b'x' => Value::Text(from_hex(body)?.into()),
        b'b' => Value::Blob(from_hex(body)?.into()),
        _ => return None,
    };
    Some(Field::Value(value))
}

/// Decimal digits as SQLite writes them: no plus sign, no leading zero.
fn integer(body: &[u8]) -> Option<i64> {
    let text = printable(body)?;
    let integer: i64 = text.parse().ok()?;
    (integer.to_string() == text).then_some(integer)
}

/// SQLite stores no NaN, so none can come.
fn real(body: &[u8]) -> Option<Real> {
    let bits = u64::from_be_bytes(from_hex(body)?.try_into().ok()?);
    (!f64::from_bits(bits).is_nan()).then_some(Real::from_bits(bits))
}

fn printable(bytes: &[u8]) -> Option<&str> {
    bytes
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte))
        .then(|| std::str::from_utf8(bytes).ok())?
}

fn upper_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02X}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_field_of_every_kind() {
        let row = decode_row(b"n\ti-12\tf7FF0000000000000\ttit's\tx0A00FF\tb00\t=\tt\tx\tb").unwrap();
        let values = [
            Value::Null,
            Value::Integer(-12),
            Value::real(f64::INFINITY),
            Value::text("it's"),
            Value::Text([10, 0, 255].into()),
            Value::Blob([0].into()),
        ];
        let mut expected: Vec<Field> = values.into_iter().map(Field::Value).collect();
        expected.push(Field::Same);
        expected.extend([Value::text(""), Value::text(""), Value::Blob([].into())].map(Field::Value));
        assert_eq!(row, expected);
    }

    #[test]
    fn what_no_engine_writes_is_refused() {
        let damaged: [&[u8]; 19] = [
            b"",
            b"n\t",
            b"nn",
            b"==",
            b"i",
            b"i+1",
            b"i01",
            b"i-0",
            b"i1.0",
            b"i9223372036854775808",
            b"f",
            b"f7FF",
            b"f7FF8000000000000",
            b"ta\x7f",
            b"ta\xc3\xa4",
            b"xA",
            b"bGG",
            b"q1",
            b"T",
        ];
        for line in damaged {
            assert!(decode_row(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(decode_row(b"n\ti1\tz"), Err(WireError { field: 3 }));
    }

    #[test]
    fn literals_are_printable_and_exact() {
        assert_eq!(literal(&Value::Null), "NULL");
        assert_eq!(literal(&Value::Integer(-5)), "-5");
        assert_eq!(literal(&Value::real(-0.0)), "ieee754_from_blob(X'8000000000000000')");
        assert_eq!(literal(&Value::text("it's; --")), "'it''s; --'");
        assert_eq!(literal(&Value::text("a\nb")), "CAST(X'610A62' AS TEXT)");
        assert_eq!(literal(&Value::Blob([0, 255].into())), "X'00FF'");
    }
}
