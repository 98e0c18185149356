//! Durations, shares and sizes as people write them: always with a unit.

use std::time::Duration;

/// The units of a duration, the largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads `2s`, `15m`, `1h30m`, `500ms`: whole numbers with a unit each, the larger unit first.
///
/// # Errors
/// Says what is wrong and what is allowed; a number without a unit is refused.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty: write a duration such as \"2s\" or \"1h30m\"".to_owned());
    }
    let mut millis = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if number.is_empty() {
            return Err(format!(
                "\"{text}\" is not a duration: write for example \"2s\", \"15m\" or \"1h30m\""
            ));
        }
        if unit.is_empty() {
            return Err(format!(
                "\"{text}\" needs a unit: ms, s, m, h or d, as in \"{number}s\""
            ));
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("\"{text}\": \"{unit}\" is no unit: ms, s, m, h and d are"));
        }
        let (_, factor) = units
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| format!("\"{text}\": write each unit once, the larger one first"))?;
        let part = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor));
        millis = part
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(|| format!("\"{text}\" is too long"))?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(millis))
}

/// The shortest form that [`parse_duration`] reads back; parts of a millisecond are dropped.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, factor) in UNITS {
        if millis >= factor {
            out.push_str(&format!("{}{unit}", millis / factor));
            millis %= factor;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Reads `25%` or `0.5%` as a share from 0.0 to 1.0.
///
/// # Errors
/// Says what is wrong and what is allowed; a number without the percent sign is refused.
pub(super) fn parse_percent(text: &str) -> Result<f64, String> {
    let Some(number) = text.trim().strip_suffix('%') else {
        return Err(format!("\"{text}\" needs a percent sign, as in \"25%\""));
    };
    let number = number.trim();
    let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    match number.parse::<f64>() {
        Ok(percent) if plain && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(format!("\"{text}\" is not allowed: \"0%\" to \"100%\"")),
    }
}

/// The units of a size, the largest first, in bytes.
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads `512MiB` or `1GiB`: a whole number with one unit, in bytes.
///
/// # Errors
/// Says what is wrong and what is allowed; a number without a unit is refused.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let written = text.trim();
    let read = SIZES.iter().find_map(|(unit, factor)| {
        let number = written.strip_suffix(unit)?.trim_end();
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(*factor)
    });
    read.ok_or_else(|| format!("\"{text}\" is not a size: write a whole number with KiB, MiB or GiB, as in \"512MiB\""))
}

/// As [`parse_size`] reads it, in the largest unit that leaves a whole number.
pub(super) fn format_size(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(_, factor)| bytes.is_multiple_of(*factor));
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, factor)| format!("{}{unit}", bytes / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit() {
        for (text, bytes) in [("1KiB", 1024), ("512MiB", 512 << 20), (" 1 GiB ", 1 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "5",
            "GiB",
            "1.5GiB",
            "-1MiB",
            "+1MiB",
            "1MB",
            "1 gib",
            "99999999999GiB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_with_units_are_read() {
        for (text, millis) in [
            ("500ms", 500),
            ("2s", 2000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            (" 2 s ", 2000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
            ("90s", 90_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_durations_are_refused_with_a_reason() {
        for (text, expected) in [
            ("", "is empty: write a duration such as \"2s\" or \"1h30m\""),
            ("2", "\"2\" needs a unit: ms, s, m, h or d, as in \"2s\""),
            ("1h30", "\"1h30\" needs a unit: ms, s, m, h or d, as in \"30s\""),
            ("2 sec", "\"2 sec\": \"sec\" is no unit: ms, s, m, h and d are"),
            ("2S", "\"2S\": \"S\" is no unit: ms, s, m, h and d are"),
            ("30m1h", "\"30m1h\": write each unit once, the larger one first"),
            ("1s1s", "\"1s1s\": write each unit once, the larger one first"),
            (
                "-2s",
                "\"-2s\" is not a duration: write for example \"2s\", \"15m\" or \"1h30m\"",
            ),
            ("1.5h", "\"1.5h\" needs a unit: ms, s, m, h or d, as in \"1s\""),
            (
                "soon",
                "\"soon\" is not a duration: write for example \"2s\", \"15m\" or \"1h30m\"",
            ),
            ("99999999999999999999s", "\"99999999999999999999s\" is too long"),
            ("999999999999999999d", "\"999999999999999999d\" is too long"),
        ] {
            assert_eq!(parse_duration(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 999, 1000, 61_001, 86_400_000, 93_784_005] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
    }

    #[test]
    fn percents() {
        assert_eq!(parse_percent("25%"), Ok(0.25));
        assert_eq!(parse_percent(" 0.5 %"), Ok(0.005));
        assert_eq!(parse_percent("100%"), Ok(1.0));
        assert_eq!(
            parse_percent("25"),
            Err("\"25\" needs a percent sign, as in \"25%\"".to_owned())
        );
        for text in ["101%", "-1%", "NaN%", "inf%", "%", "1e1%"] {
            assert_eq!(
                parse_percent(text),
                Err(format!("\"{text}\" is not allowed: \"0%\" to \"100%\"")),
                "{text}"
            );
        }
    }
}
