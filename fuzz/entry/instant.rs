//! Times, as text, as an integer and as a real.
//!
//! Properties: spaces around a time do not matter; a naive time is the same in UTC and with a `Z`; an integer is the same
//! as its digits.

use jiff::tz::TimeZone;
use modsync::model::{Instant, Value};

pub fn run(data: &[u8]) {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let text = Value::Text(data.into());
    let read = Instant::parse(&text, &TimeZone::UTC);
    let _ = Instant::parse(&text, &berlin);
    assert_eq!(Instant::parse(&Value::Blob(data.into()), &berlin), None);
    if read.is_some() {
        let spaced = [b" ", data, b"\n"].concat();
        assert_eq!(Instant::parse(&Value::Text(spaced.into()), &TimeZone::UTC), read);
        let zulu = [data.trim_ascii(), b"Z"].concat();
        if let Some(zulu) = Instant::parse(&Value::Text(zulu.into()), &berlin) {
            assert_eq!(Some(zulu), read);
        }
    }
    if let Some(bytes) = data.first_chunk::<8>() {
        let integer = i64::from_le_bytes(*bytes);
        for integer in [integer, integer >> 16, integer >> 24, integer >> 32] {
            let read = Instant::parse(&Value::Integer(integer), &berlin);
            assert_eq!(Instant::parse(&Value::text(integer.to_string()), &TimeZone::UTC), read);
        }
        let _ = Instant::parse(&Value::real(f64::from_bits(integer.cast_unsigned())), &berlin);
    }
}
