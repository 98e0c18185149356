//! Values as SQLite holds them, to the bit, and the times that programs write.

use std::fmt;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde_json::Value as Json;

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Int(i64),
    /// The bits of a float.
    Real(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    pub fn real(real: f64) -> Self {
        Self::Real(real.to_bits())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn read(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(integer) => Self::Int(integer),
            ValueRef::Real(real) => Self::real(real),
            ValueRef::Text(bytes) => Self::Text(bytes.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    /// As `docs/format.md` says that the history writes it.
    pub fn of_json(json: &Json) -> Self {
        let hex = |name: &str| json.get(name).and_then(Json::as_str).map(unhex);
        match json {
            Json::Null => Self::Null,
            Json::Number(number) => Self::Int(number.as_i64().unwrap()),
            Json::String(text) => Self::text(text.clone()),
            _ => hex("text")
                .map(Self::Text)
                .or_else(|| hex("blob").map(Self::Blob))
                .or_else(|| {
                    let bits: [u8; 8] = hex("real")?.try_into().unwrap();
                    Some(Self::Real(u64::from_be_bytes(bits)))
                })
                .unwrap(),
        }
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(integer) => ValueRef::Integer(*integer),
            Self::Real(bits) => ValueRef::Real(f64::from_bits(*bits)),
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |bytes: &[u8]| match bytes.len() {
            0..=60 => String::from_utf8_lossy(bytes).into_owned(),
            length => format!("{}… ({length} bytes)", String::from_utf8_lossy(&bytes[..20])),
        };
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Int(integer) => write!(f, "{integer}"),
            Self::Real(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Self::Text(bytes) => write!(f, "{:?}", short(bytes)),
            Self::Blob(bytes) => write!(f, "x{:?}", short(bytes)),
        }
    }
}

/// What a stored time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Time {
    Absent,
    Unreadable,
    /// Milliseconds since 1970.
    At(i64),
}

/// The moment at which the clocks of the simulation stand at 0: 2026-01-01 00:00:00 UTC, in seconds since 1970.
const BEGIN: i64 = 1_767_225_600;

/// A moment as one of the programs writes it: `second` on the clock of the simulation, `zone` in seconds east of
/// Greenwich, the form by number. Forms 0 to 2 name no zone.
pub fn write_time(second: i64, zone: i64, form: usize) -> Cell {
    let at = BEGIN + second;
    let civil = |zone: i64, separator: char| {
        let local = at + zone;
        let (day, rest) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, date) = civil_of(day);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        format!("{year:04}-{month:02}-{date:02}{separator}{hour:02}:{minute:02}:{second:02}")
    };
    match form {
        0 => Cell::text(civil(zone, ' ')),
        1 => Cell::text(civil(zone, 'T') + ".123456"),
        2 => Cell::text(civil(zone, 'T')),
        3 => Cell::text(civil(0, 'T') + "Z"),
        4 => Cell::text(civil(3 * 3600, 'T') + "+03:00"),
        5 => Cell::text(at.to_string()),
        6 => Cell::text((at * 1000).to_string()),
        7 => Cell::text("some time ago"),
        8 => Cell::text(""),
        _ => Cell::Null,
    }
}

/// The date of a day since 1970.
fn civil_of(day: i64) -> (i64, i64, i64) {
    let mut rest = day;
    let mut year = 1970;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    loop {
        let days = if leap(year) { 366 } else { 365 };
        if rest < days {
            break;
        }
        rest -= days;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    for (month, days) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        .into_iter()
        .enumerate()
    {
        if rest < days {
            return (year, month as i64 + 1, rest + 1);
        }
        rest -= days;
    }
    unreachable!()
}

/// Reads what [`write_time`] writes, on a side of that zone.
pub fn read_time(cell: &Cell, zone: i64) -> Time {
    let Cell::Text(bytes) = cell else {
        return if cell.is_null() { Time::Absent } else { Time::Unreadable };
    };
    let text = std::str::from_utf8(bytes).unwrap_or("?");
    if text.is_empty() {
        return Time::Absent;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Time::At(if number < 100_000_000_000 {
            number * 1000
        } else {
            number
        });
    }
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i64>().ok());
    let parts = [0..4, 5..7, 8..10, 11..13, 14..16, 17..19].map(number);
    let [
        Some(year),
        Some(month),
        Some(date),
        Some(hour),
        Some(minute),
        Some(second),
    ] = parts
    else {
        return Time::Unreadable;
    };
    let mut day = (year - 1970) * 365;
    while civil_of(day) < (year, month, date) {
        day += 1;
    }
    let (fraction, offset) = match text.get(19..).unwrap_or_default() {
        "" => (0, zone),
        ".123456" => (123, zone),
        "Z" => (0, 0),
        "+03:00" => (0, 3 * 3600),
        _ => return Time::Unreadable,
    };
    Time::At((day * 86_400 + hour * 3600 + minute * 60 + second - offset) * 1000 + fraction)
}

#[test]
fn times_are_read_as_they_were_written() {
    for second in [0, 86_399, 86_400 * 59, 86_400 * 364 + 5, -1] {
        for form in 0..=6 {
            let fraction = if form == 1 { 123 } else { 0 };
            let written = write_time(second, 7200, form);
            assert_eq!(
                read_time(&written, 7200),
                Time::At((BEGIN + second) * 1000 + fraction),
                "{written:?}"
            );
        }
    }
}
