//! Reads single values: each function takes what was written and gives what is meant, or what is wrong with it.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;

use super::layers::Raw;
use super::mistake::{Fault, nearest};
use super::quantity::{format_duration, format_size, parse_duration, parse_percent, parse_size};

/// The words for a log level.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// The words for a schedule that are no cron fields.
const NICKNAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

/// Text, possibly empty. The value is never quoted in the message: it may be a secret in the wrong place.
pub(super) fn text(raw: &Raw) -> Result<&str, Fault> {
    match raw {
        Raw::Text(text) | Raw::Word(text) => Ok(text),
        Raw::Boolean(_) => Err("must be text in quotes, not true or false".into()),
        Raw::Integer(_) => Err("must be text in quotes, not a number".into()),
        Raw::Other(name) => Err(format!("must be text in quotes, not {name}").into()),
    }
}

/// Text that is not empty and on one line.
pub(super) fn line(raw: &Raw) -> Result<&str, Fault> {
    let text = text(raw)?;
    if text.trim().is_empty() {
        return Err("is empty".into());
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err("must be one line without control characters".into());
    }
    Ok(text)
}

/// `true` or `false`.
pub(super) fn boolean(raw: &Raw) -> Result<bool, Fault> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Word(word) if word == "true" => Ok(true),
        Raw::Word(word) if word == "false" => Ok(false),
        Raw::Word(word) => Err(format!("\"{word}\" is not allowed: true or false").into()),
        Raw::Text(_) => Err("must be true or false without quotes".into()),
        Raw::Integer(_) => Err("must be true or false, not a number".into()),
        Raw::Other(name) => Err(format!("must be true or false, not {name}").into()),
    }
}

/// A whole number within bounds.
pub(super) fn count(raw: &Raw, bounds: RangeInclusive<u32>) -> Result<u32, Fault> {
    let (low, high) = (bounds.start(), bounds.end());
    let number = match raw {
        Raw::Integer(number) => Some(*number),
        Raw::Word(word) => word.parse().ok(),
        Raw::Text(_) => return Err(format!("must be a number without quotes, {low} to {high}").into()),
        Raw::Boolean(_) => return Err(format!("must be a number, {low} to {high}, not true or false").into()),
        Raw::Other(name) => return Err(format!("must be a whole number, {low} to {high}, not {name}").into()),
    };
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| match raw {
            Raw::Integer(number) => format!("{number} is not allowed: {low} to {high}").into(),
            _ => format!("must be a whole number, {low} to {high}").into(),
        })
}

/// A duration within bounds.
pub(super) fn duration(raw: &Raw, bounds: RangeInclusive<Duration>) -> Result<Duration, Fault> {
    if let Raw::Integer(number) = raw {
        return Err(format!("a bare {number} has no unit: write for example \"{number}s\" (ms, s, m, h or d)").into());
    }
    let written = text(raw)?;
    let duration = parse_duration(written)?;
    if !bounds.contains(&duration) {
        let (low, high) = (format_duration(*bounds.start()), format_duration(*bounds.end()));
        return Err(format!("\"{written}\" is not allowed: {low} to {high}").into());
    }
    Ok(duration)
}

/// A share.
pub(super) fn percent(raw: &Raw) -> Result<f64, Fault> {
    match raw {
        Raw::Integer(number) => {
            Err(format!("a bare {number} has no unit: write for example \"25%\" with the percent sign").into())
        }
        Raw::Other("a number") => Err("a bare number has no unit: write for example \"25%\"".into()),
        _ => Ok(parse_percent(text(raw)?)?),
    }
}

/// A size within bounds, in bytes.
pub(super) fn size(raw: &Raw, bounds: RangeInclusive<u64>) -> Result<u64, Fault> {
    if let Raw::Integer(number) = raw {
        return Err(format!("a bare {number} has no unit: write for example \"{number}MiB\" (KiB, MiB or GiB)").into());
    }
    let written = text(raw)?;
    let size = parse_size(written)?;
    if !bounds.contains(&size) {
        let (low, high) = (format_size(*bounds.start()), format_size(*bounds.end()));
        return Err(format!("\"{written}\" is not allowed: {low} to {high}").into());
    }
    Ok(size)
}

/// One of some words.
pub(super) fn choice<T: Copy>(raw: &Raw, choices: &[(&'static str, T)]) -> Result<T, Fault> {
    let written = text(raw)?;
    choices
        .iter()
        .find(|(name, _)| *name == written)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Fault::from(format!("\"{written}\" is not allowed: one of {}", names.join(", ")))
                .suggest(nearest(written, names))
        })
}

/// A zone by its IANA name.
pub(super) fn zone(raw: &Raw) -> Result<TimeZone, Fault> {
    let name = line(raw)?;
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        Fault::from(format!(
            "\"{name}\" is not a time zone: write an IANA name such as \"UTC\" or \"Europe/Berlin\""
        ))
        .suggest(nearest(name, known.iter().map(String::as_str)))
    })
}

/// A schedule; `None` for an empty one or "off".
pub(super) fn schedule(raw: &Raw) -> Result<Option<String>, Fault> {
    let written = text(raw)?.trim();
    if written.is_empty() || written == "off" {
        return Ok(None);
    }
    if written.starts_with('@') {
        if NICKNAMES.contains(&written) {
            return Ok(Some(written.to_owned()));
        }
        let message = format!(
            "\"{written}\" is not allowed: {}, a cron expression or \"off\"",
            NICKNAMES.join(", ")
        );
        return Err(Fault::from(message).suggest(nearest(written, NICKNAMES)));
    }
    let fields = written.split_whitespace().count();
    if !(5..=6).contains(&fields) {
        let message = format!("\"{written}\" has {fields} fields: a cron expression has 5, or 6 with seconds first");
        return Err(message.into());
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    match parser.parse(written) {
        Ok(cron) if cron.find_next_occurrence(&chrono::DateTime::UNIX_EPOCH, false).is_err() => {
            Err(format!("\"{written}\" never comes: no day has that date").into())
        }
        Ok(_) => Ok(Some(written.to_owned())),
        Err(error) => Err(format!("\"{written}\" is not a cron expression: {error}").into()),
    }
}

/// A level, or a filter as tracing writes it (`info,modsync::ssh=debug`).
pub(super) fn level(raw: &Raw) -> Result<String, Fault> {
    let written = line(raw)?;
    // A single word that is no level would be taken for a module's name, and so silence everything else.
    let is_filter = written.contains(['=', ',']) && EnvFilter::from_str(written).is_ok();
    if is_filter || LEVELS.contains(&written) {
        return Ok(written.to_owned());
    }
    let message = format!(
        "\"{written}\" is not allowed: one of {}, or a filter such as \"info,modsync::ssh=debug\"",
        LEVELS.join(", ")
    );
    Err(Fault::from(message).suggest(nearest(written, LEVELS)))
}

/// A host's name, without user and port.
pub(super) fn host(raw: &Raw) -> Result<String, Fault> {
    let written = line(raw)?;
    if let Some((user, host)) = written.split_once('@') {
        // Behind a colon somebody may have written a password.
        let user = user.rsplit('/').next().unwrap_or(user);
        let user = user.split(':').next().unwrap_or(user);
        let written = format!("{user}@{host}");
        return Err(format!("\"{written}\" names a user too: write host = \"{host}\" and user = \"{user}\"").into());
    }
    if written.starts_with('-') || written.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(format!("\"{written}\" is not a host name, an address, or a name in ~/.ssh/config").into());
    }
    Ok(written.to_owned())
}

/// A path on the server. Nothing is expanded in it, there or here.
pub(super) fn server_path(raw: &Raw) -> Result<String, Fault> {
    let written = line(raw)?;
    if written.starts_with('~') || written.starts_with('$') {
        return Err(format!("\"{written}\": nothing is expanded on the server, write the path in full").into());
    }
    if written.ends_with('/') {
        return Err(format!("\"{written}\" is a folder: write the path of the database file").into());
    }
    Ok(written.to_owned())
}
