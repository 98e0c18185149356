//! How text looks: colour, and the moment and the zone that times are told in.

use std::io::{self, IsTerminal};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::ColorWhen;

/// What rendering has to know besides the data, so that it stays a pure function.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// Whether to colour.
    pub color: bool,
    /// The moment of rendering: "12 s ago" counts from it.
    pub now: Timestamp,
    /// The zone of absolute times.
    pub zone: TimeZone,
}

/// A colour, or a weight, by what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// All is well.
    Good,
    /// Something is going on, or unknown.
    Busy,
    /// A person is needed.
    Bad,
    /// A heading.
    Head,
    /// Less important.
    Dim,
    /// Nothing special.
    Plain,
}

impl Style {
    /// For standard output as it is: coloured on a terminal, unless NO_COLOR is set.
    pub(crate) fn usual() -> Self {
        Self::for_stdout(ColorWhen::Auto)
    }

    /// For standard output, coloured when that is wanted.
    pub(super) fn for_stdout(when: ColorWhen) -> Self {
        let wanted = || io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            color: match when {
                ColorWhen::Auto => wanted(),
                ColorWhen::Always => true,
                ColorWhen::Never => false,
            },
            zone: TimeZone::system(),
            ..Self::plain()
        }
    }

    /// Without colour, now, in UTC.
    pub(crate) fn plain() -> Self {
        Self {
            color: false,
            now: Timestamp::now(),
            zone: TimeZone::UTC,
        }
    }

    /// The same, a moment later.
    pub(super) fn at_this_moment(&self) -> Self {
        Self {
            now: Timestamp::now(),
            ..self.clone()
        }
    }

    /// The text in that tone.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Head => "1",
            Tone::Dim => "2",
            Tone::Plain => return text.to_owned(),
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A field's name, dim and padded to `width`.
    pub(super) fn label(&self, name: &str, width: usize) -> String {
        self.paint(Tone::Dim, &format!("{name:width$}"))
    }
}
