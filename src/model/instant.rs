//! Points in time, read from whatever text or number a program stored.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::Value;

/// Numbers below this many are seconds since 1970 (until the year 5138) …
const FIRST_MILLISECOND: u64 = 100_000_000_000;
/// … below this many milliseconds, …
const FIRST_MICROSECOND: u64 = FIRST_MILLISECOND * 1000;
/// … below this many microseconds; anything larger is no time.
const TOO_LARGE: u64 = FIRST_MICROSECOND * 1000;

/// A point in time, to the nanosecond. Orders as time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Timestamp);

impl Instant {
    /// Reads a stored value; naive times are taken to be in `zone`. `None` when it is no time.
    ///
    /// - Text: `YYYY-MM-DD`, alone (midnight) or followed by `T` or spaces and `HH:MM[:SS[.fraction]]`, then nothing
    ///   (naive), `Z`, or an offset `±HH`, `±HHMM`, `±HH:MM`. Letters in either case, spaces around it do not matter,
    ///   digits beyond the nanosecond are cut off. A naive time that a clock change skips is moved forward by the
    ///   gap, one that occurs twice is the first of the two.
    /// - Numbers, also as text: time since 1970-01-01 UTC, in seconds below 10¹¹, milliseconds below 10¹⁴,
    ///   microseconds below 10¹⁷. Reals are read to the microsecond.
    #[must_use]
    pub fn parse(value: &Value, zone: &TimeZone) -> Option<Self> {
        match value {
            Value::Null | Value::Blob(_) => None,
            Value::Integer(number) => from_integer(*number),
            Value::Real(number) => from_real(number.get()),
            Value::Text(bytes) => {
                let text = std::str::from_utf8(bytes).ok()?.trim_ascii();
                from_date_and_time(text, zone).or_else(|| from_number(text))
            }
        }
        .map(Self)
    }
}

fn from_integer(number: i64) -> Option<Timestamp> {
    match number.unsigned_abs() {
        0..FIRST_MILLISECOND => Timestamp::from_second(number).ok(),
        FIRST_MILLISECOND..FIRST_MICROSECOND => Timestamp::from_millisecond(number).ok(),
        FIRST_MICROSECOND..TOO_LARGE => Timestamp::from_microsecond(number).ok(),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // the thresholds are exact, the casts bounded
fn from_real(number: f64) -> Option<Timestamp> {
    let per_unit = match number.abs() {
        size if size < FIRST_MILLISECOND as f64 => 1e6,
        size if size < FIRST_MICROSECOND as f64 => 1e3,
        size if size < TOO_LARGE as f64 => 1.0,
        _ => return None, // too large, infinite or not a number
    };
    Timestamp::from_microsecond((number * per_unit).round() as i64).ok()
}

fn from_number(text: &str) -> Option<Timestamp> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        None if digits(unsigned) => from_integer(text.parse().ok()?),
        Some((whole, fraction)) if digits(whole) && digits(fraction) => from_real(text.parse().ok()?),
        _ => None,
    }
}

fn from_date_and_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let mut rest = Digits(text.as_bytes());
    let date = rest.date()?;
    let (time, offset) = if rest.0.is_empty() {
        (Time::midnight(), None)
    } else {
        rest.separator()?;
        (rest.time()?, rest.offset()?)
    };
    let civil = DateTime::from_parts(date, time);
    match offset {
        Some(offset) => offset.to_timestamp(civil).ok(),
        None => zone.to_timestamp(civil).ok(),
    }
}

/// What is left to read of a text.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn date(&mut self) -> Option<Date> {
        let year = self.number(4)?;
        self.byte(b'-')?;
        let month = self.number(2)?;
        self.byte(b'-')?;
        let day = self.number(2)?;
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    }

    /// One `T`, or spaces.
    fn separator(&mut self) -> Option<()> {
        if self.byte(b'T').or_else(|| self.byte(b't')).is_some() {
            return Some(());
        }
        self.byte(b' ')?;
        while self.byte(b' ').is_some() {}
        Some(())
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.number(2)?;
        self.byte(b':')?;
        let minute = self.number(2)?;
        let (mut second, mut nanosecond) = (0, 0);
        if self.byte(b':').is_some() {
            second = self.number(2)?;
            if self.byte(b'.').is_some() {
                nanosecond = self.fraction()?;
            }
        }
        let part = |number: i16| i8::try_from(number).ok();
        Time::new(part(hour)?, part(minute)?, part(second)?, nanosecond).ok()
    }

    /// What follows the time, to the end of the text: nothing is `Some(None)`, what is no zone is `None`.
    #[allow(clippy::option_option)] // "no offset" and "no time at all" are two things
    fn offset(&mut self) -> Option<Option<Offset>> {
        while self.byte(b' ').is_some() {}
        let seconds_per_minute = match self.0.split_first() {
            None => return Some(None),
            Some((b'Z' | b'z', [])) => return Some(Some(Offset::UTC)),
            Some((b'+', _)) => 60,
            Some((b'-', _)) => -60,
            Some(_) => return None,
        };
        self.0 = self.0.get(1..)?;
        let hours = self.number(2)?;
        let minutes = match self.0 {
            [] => 0,
            _ => {
                let _ = self.byte(b':');
                self.number(2)?
            }
        };
        if !self.0.is_empty() || minutes > 59 {
            return None;
        }
        let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * seconds_per_minute;
        Offset::from_seconds(seconds).ok().map(Some)
    }

    /// Digits after the decimal point as nanoseconds; there has to be one.
    fn fraction(&mut self) -> Option<i32> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self
            .0
            .split_at_checked(length)
            .filter(|(digits, _)| !digits.is_empty())?;
        self.0 = rest;
        let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
        Some(padded.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
    }

    /// Exactly `length` digits (at most four).
    fn number(&mut self, length: usize) -> Option<i16> {
        let (digits, rest) = self.0.split_at_checked(length)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == wanted).then(|| self.0 = rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: impl Into<Value>, zone: &str) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        Instant::parse(&value.into(), &zone).map(|instant| instant.0.to_string())
    }

    impl From<&str> for Value {
        fn from(text: &str) -> Self {
            Self::text(text)
        }
    }

    #[test]
    fn the_forms_that_programs_write() {
        for (text, zone, expected) in [
            ("2025-11-23T10:35:00.123456", "UTC", "2025-11-23T10:35:00.123456Z"),
            ("2025-11-23 10:35:00", "UTC", "2025-11-23T10:35:00Z"),
            ("2025-11-23 10:35:00", "Europe/Berlin", "2025-11-23T09:35:00Z"),
            ("2025-11-23 10:35", "Europe/Berlin", "2025-11-23T09:35:00Z"),
            ("2025-11-23", "Europe/Berlin", "2025-11-22T23:00:00Z"),
            ("2025-11-23T10:35:00Z", "Europe/Berlin", "2025-11-23T10:35:00Z"),
            ("2025-11-23t10:35:00z", "Europe/Berlin", "2025-11-23T10:35:00Z"),
            ("2025-11-23T10:35:00+01:00", "UTC", "2025-11-23T09:35:00Z"),
            ("2025-11-23 10:35:00 +0100", "UTC", "2025-11-23T09:35:00Z"),
            ("2025-11-23 10:35:00.5-03:30", "UTC", "2025-11-23T14:05:00.5Z"),
            ("2025-11-23T10:35+01", "UTC", "2025-11-23T09:35:00Z"),
            (
                " 2025-11-23 10:35:00.1234567891\n",
                "UTC",
                "2025-11-23T10:35:00.123456789Z",
            ),
            ("2025-03-30 02:30:00", "Europe/Berlin", "2025-03-30T01:30:00Z"),
            ("2025-10-26 02:30:00", "Europe/Berlin", "2025-10-26T00:30:00Z"),
            ("1763894100", "Europe/Berlin", "2025-11-23T10:35:00Z"),
            ("1763894100.5", "UTC", "2025-11-23T10:35:00.5Z"),
        ] {
            assert_eq!(read(text, zone).as_deref(), Some(expected), "{text} in {zone}");
        }
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        let seconds = 1_763_894_100;
        for number in [seconds, seconds * 1000, seconds * 1_000_000] {
            let expected = Some("2025-11-23T10:35:00Z".to_owned());
            assert_eq!(read(Value::Integer(number), "UTC"), expected, "{number}");
            #[allow(clippy::cast_precision_loss)]
            let real = Value::real(number as f64);
            assert_eq!(read(real, "UTC"), expected, "{number} as a real");
        }
        assert_eq!(read(Value::Integer(-1), "UTC").as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(read(Value::Integer(i64::MIN), "UTC"), None);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2025-11-23T",
            "2025-13-01",
            "2025-02-30",
            "2025-11-23 24:00",
            "2025-11-23 10:60",
            "2025-11-23 10:35:61",
            "2025-11-23 10:35:00.",
            "2025-11-23 10:35:00 CET",
            "2025-11-23 10:35:00+1",
            "2025-11-23 10:35:00+01:99",
            "2025-11-23 10:35:00Zz",
            "23.11.2025",
            "2025-1-2",
            "1e9",
            ".5",
            "5.",
            "-",
            "inf",
            "NaN",
        ] {
            assert_eq!(read(text, "UTC"), None, "{text}");
        }
        assert_eq!(read(Value::Null, "UTC"), None);
        assert_eq!(read(Value::Blob((*b"2025-11-23").into()), "UTC"), None);
        assert_eq!(read(Value::real(f64::NAN), "UTC"), None);
        assert_eq!(read(Value::real(f64::NEG_INFINITY), "UTC"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, number: i64, bits: u64, text in "[-+0-9TtZz:. ]{0,30}") {
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            for value in [Value::Text(bytes.into()), Value::text(text), Value::Integer(number), Value::real(f64::from_bits(bits))] {
                let _ = Instant::parse(&value, &zone);
            }
        }

        #[test]
        fn the_three_spellings_of_a_second_are_one_instant(second in 0i64..4_000_000_000) {
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let instant = Timestamp::from_second(second).unwrap();
            let naive_utc = instant.strftime("%Y-%m-%d %H:%M:%S").to_string();
            let offset = instant.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            let expected = Some(Instant(instant));
            prop_assert_eq!(Instant::parse(&Value::Integer(second), &zone), expected);
            prop_assert_eq!(Instant::parse(&Value::text(naive_utc), &TimeZone::UTC), expected);
            prop_assert_eq!(Instant::parse(&Value::text(offset), &TimeZone::UTC), expected);
        }
    }
}
