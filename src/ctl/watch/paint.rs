//! Colours, by what they mean; and text that fits.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::ctl::style::Tone;
use crate::ctl::text;

/// Whether there is colour. Without it nothing is painted at all: every mark says by itself what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    color: bool,
}

impl Paint {
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    #[cfg(test)]
    pub fn plain() -> Self {
        Self::new(false)
    }

    /// How a tone looks.
    pub fn tone(self, tone: Tone) -> Style {
        if !self.color {
            return Style::default();
        }
        match tone {
            Tone::Good => Style::default().fg(Color::Green),
            Tone::Busy => Style::default().fg(Color::Yellow),
            Tone::Bad => Style::default().fg(Color::Red),
            Tone::Head => Style::default().add_modifier(Modifier::BOLD),
            Tone::Dim => Style::default().add_modifier(Modifier::DIM),
            Tone::Plain => Style::default(),
        }
    }

    /// Text in that tone, with nothing in it that a terminal obeys.
    pub fn span(self, tone: Tone, content: &str) -> Span<'static> {
        Span::styled(text::safe(content).into_owned(), self.tone(tone))
    }

    /// A line of one tone.
    pub fn line(self, tone: Tone, content: &str) -> Line<'static> {
        Line::from(self.span(tone, content))
    }

    /// A text as lines of at most `width` columns, broken between words where that is possible; at most `lines` of them.
    pub fn wrapped(self, tone: Tone, content: &str, width: usize, lines: usize) -> Vec<Line<'static>> {
        let mut broken = wrap(&text::safe(content), width);
        if broken.len() > lines {
            broken.truncate(lines);
            if let Some(last) = broken.last_mut() {
                *last = format!("{}…", fit(last, width.saturating_sub(1)));
            }
        }
        broken.iter().map(|line| self.line(tone, line)).collect()
    }
}

/// The beginning of a text that takes at most `width` columns.
fn fit(content: &str, width: usize) -> &str {
    let mut taken = 0;
    for (at, c) in content.char_indices() {
        taken += columns(c);
        if taken > width {
            return content.get(..at).unwrap_or_default();
        }
    }
    content
}

fn columns(c: char) -> usize {
    Span::raw(c.to_string()).width()
}

fn wrap(content: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for mut word in content.split_whitespace() {
        loop {
            let Some(line) = lines.last_mut() else { return lines };
            let taken = Span::raw(line.as_str()).width();
            let gap = usize::from(taken > 0);
            if taken + gap + Span::raw(word).width() <= width {
                line.extend((gap > 0).then_some(' '));
                line.push_str(word);
                break;
            }
            if taken == 0 {
                // A word that is longer than a line.
                let head = match fit(word, width) {
                    "" => word,
                    head => head,
                };
                line.push_str(head);
                word = word.get(head.len()..).unwrap_or_default();
                if word.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_between_words_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("裙裙裙", 4), ["裙裙", "裙"]);
        assert_eq!(wrap("裙", 1), ["裙"], "it ends, even where nothing fits");
    }

    #[test]
    fn what_does_not_fit_ends_with_an_ellipsis_and_commands_are_data() {
        let lines = |text: &str, width, lines| -> Vec<String> {
            let wrapped = Paint::plain().wrapped(Tone::Bad, text, width, lines);
            wrapped.iter().map(ToString::to_string).collect()
        };
        assert_eq!(lines("one two three four", 7, 2), ["one two", "three…"]);
        assert_eq!(lines("a\x1b[2Jb", 20, 1), ["a\\u{1b}[2Jb"]);
    }

    #[test]
    fn without_colour_nothing_is_painted() {
        for tone in [Tone::Good, Tone::Busy, Tone::Bad, Tone::Head, Tone::Dim] {
            assert_eq!(Paint::plain().tone(tone), Style::default());
            assert_ne!(Paint::new(true).tone(tone), Style::default());
        }
    }
}
