//! Words for people: counts, durations, sizes, times; and data made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::style::Style;

/// Whether a terminal could take this character for a command, or let it reorder what is around it: the C0 and C1
/// controls, DEL, and the bidirectional and line-breaking marks of Unicode.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Data as one line that a terminal shows and does not obey: unsafe characters are escaped as in Rust.
#[must_use]
pub fn safe(data: &str) -> Cow<'_, str> {
    if !data.contains(is_unsafe) {
        return Cow::Borrowed(data);
    }
    let mut escaped = String::with_capacity(data.len() + 8);
    for c in data.chars() {
        if is_unsafe(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// As [`safe`], and cut to `max` characters with an ellipsis.
#[must_use]
pub fn short(data: &str, max: usize) -> String {
    let data = safe(data);
    if data.chars().count() <= max {
        return data.into_owned();
    }
    data.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// As [`safe`], and cut to the last `max` characters: paths and addresses differ at their end.
#[must_use]
pub fn tail(data: &str, max: usize) -> String {
    let data = safe(data);
    let length = data.chars().count();
    if length <= max {
        return data.into_owned();
    }
    let end = data.chars().skip(length - max.saturating_sub(1));
    ['…'].into_iter().chain(end).collect()
}

/// "1 row", "3 rows".
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// "0.15 s", "12 s", "3 min", "2 h 5 min", "3 d 4 h".
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let two = |big: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{big} {one}"),
        _ => format!("{big} {one} {small} {other}"),
    };
    match seconds {
        0..10 => format!("{:.2} s", ms as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// "812 B", "4.1 kB", "3.0 MB": powers of 1000.
#[must_use]
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    if number < 1000 {
        return format!("{number} B");
    }
    for unit in ["kB", "MB", "GB"] {
        value /= 1000.0;
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} TB", value / 1000.0)
}

/// "12 s ago, 10:35:00" or "in 14 min, 10:50:00"; the date where it is not today's.
pub(super) fn when(time: Timestamp, style: &Style) -> String {
    let apart = style.now.as_second().abs_diff(time.as_second());
    let about = match apart {
        0..60 => format!("{apart} s"),
        60..3600 => format!("{} min", apart / 60),
        3600..86_400 => format!("{} h", apart / 3600),
        _ => format!("{} d", apart / 86_400),
    };
    let relative = match style.now.as_second() < time.as_second() {
        true => format!("in {about}"),
        false => format!("{about} ago"),
    };
    format!("{relative}, {}", clock(time, style))
}

/// "10:35:00", or "2026-11-22 10:35:00" on another day than today.
pub(super) fn clock(time: Timestamp, style: &Style) -> String {
    let (there, today) = (
        time.to_zoned(style.zone.clone()),
        style.now.to_zoned(style.zone.clone()),
    );
    let format = if there.date() == today.date() {
        "%H:%M:%S"
    } else {
        "%F %T"
    };
    there.strftime(format).to_string()
}

/// "3 rows pulled, 7 pushed": the parts that are not zero; `None` when all are.
pub(super) fn parts(noun: &str, parts: &[(u64, &str)]) -> Option<String> {
    let mut text = String::new();
    for (number, verb) in parts.iter().filter(|(number, _)| *number > 0) {
        if text.is_empty() {
            let _ = write!(text, "{} {verb}", count(*number, noun));
        } else {
            let _ = write!(text, ", {number} {verb}");
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let durations = [
            (0, "0.00 s"),
            (154, "0.15 s"),
            (9_990, "9.99 s"),
            (12_000, "12 s"),
            (60_000, "1 min"),
        ];
        let longer = [
            (75_000, "1 min 15 s"),
            (7_500_000, "2 h 5 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, text) in durations.into_iter().chain(longer) {
            assert_eq!(duration(ms), text);
        }
        let sizes = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
        ];
        for (number, text) in sizes.into_iter().chain([(u64::MAX, "18446744.1 TB")]) {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(
            (count(0, "row"), count(1, "row")),
            ("0 rows".to_owned(), "1 row".to_owned())
        );
        assert_eq!(
            parts("row", &[(0, "to pull"), (7, "to push")]).as_deref(),
            Some("7 rows to push")
        );
        assert_eq!(parts("row", &[(0, "to pull")]), None);
    }

    #[test]
    fn data_is_escaped_and_cut_by_characters() {
        assert_eq!(safe("Kleid, grün 裙 \u{1f457}"), "Kleid, grün 裙 \u{1f457}");
        assert_eq!(safe("a\x1b[31m\u{9b}b\u{7f}\t\n"), "a\\u{1b}[31m\\u{9b}b\\u{7f}\\t\\n");
        assert_eq!(safe("\u{202e}\u{2066}"), "\\u{202e}\\u{2066}");
        assert_eq!(short("grüner", 4), "grü…");
        assert_eq!(tail("grüner", 4), "…ner");
        assert_eq!(tail("grün", 4), "grün");
        assert_eq!(short("\x1b\x1b", 4), "\\u{…", "what is cut is the escaped form");
    }
}
