//! Values as JSON, exact both ways: the form of the journal and the history, and of `--json` output.
//!
//! NULL is null, integers are numbers, text is a string. What JSON cannot say exactly is an object with one field:
//! `{"real": "3ff0000000000000"}` (IEEE 754 bits), `{"text": "ff"}` (bytes that are not UTF-8), `{"blob": "00"}`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Real, Value};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Null(()),
    Integer(i64),
    Text(String),
    Special(Special),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Special {
    Real(String),
    Text(String),
    Blob(String),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => Form::Null(()),
            Self::Integer(integer) => Form::Integer(*integer),
            Self::Real(real) => Form::Special(Special::Real(format!("{:016x}", real.to_bits()))),
            Self::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Form::Text(text.to_owned()),
                Err(_) => Form::Special(Special::Text(to_hex(bytes))),
            },
            Self::Blob(bytes) => Form::Special(Special::Blob(to_hex(bytes))),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bad_hex = || D::Error::custom("a value's hexadecimal digits are damaged");
        Ok(match Form::deserialize(deserializer)? {
            Form::Null(()) => Self::Null,
            Form::Integer(integer) => Self::Integer(integer),
            Form::Text(text) => Self::text(text),
            Form::Special(Special::Real(hex)) => {
                Self::Real(Real::from_bits(u64::from_str_radix(&hex, 16).map_err(|_| bad_hex())?))
            }
            Form::Special(Special::Text(hex)) => Self::Text(from_hex(hex.as_bytes()).ok_or_else(bad_hex)?.into()),
            Form::Special(Special::Blob(hex)) => Self::Blob(from_hex(hex.as_bytes()).ok_or_else(bad_hex)?.into()),
        })
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
        hex.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    hex
}

/// The bytes of hexadecimal digits in either case; `None` if they are none.
#[must_use]
pub fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(nibble(pair[0])? << 4 | nibble(pair[1])?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_json() {
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::real(-0.0),
            Value::real(f64::INFINITY),
            Value::real(f64::from_bits(1)),
            Value::text(""),
            Value::text("a\0b\n\u{1f600}"),
            Value::Text([0xff, 0].into()),
            Value::Blob([].into()),
            Value::Blob([0, 0xff, 0x7f].into()),
        ];
        for value in values {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value, "{json}");
        }
    }

    #[test]
    fn damaged_digits_are_refused() {
        for json in [
            r#"{"blob":"0"}"#,
            r#"{"blob":"0g"}"#,
            r#"{"real":"x"}"#,
            "1.5",
            "[]",
            "true",
        ] {
            assert!(serde_json::from_str::<Value>(json).is_err(), "{json}");
        }
    }
}
