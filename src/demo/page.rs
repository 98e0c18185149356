//! Where the story is written: headings, lines with a label, checks. 80 columns, colour on a terminal alone.

use std::io::{self, Write};

use crate::ctl::style::{Style, Tone};

/// Columns of a line of text.
const WIDTH: usize = 80;
/// Columns before the text of a labelled line.
const LABEL: usize = 12;

/// Writes the story.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    style: Style,
    chapter: u32,
}

impl<'a> Page<'a> {
    pub fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self { out, style, chapter: 0 }
    }

    /// Running text.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        for line in wrap(text, WIDTH) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    /// A line as it is, such as a command to copy: never broken.
    pub fn raw(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// A line that stands out.
    pub fn title(&mut self, text: &str) -> io::Result<()> {
        let text = self.style.paint(Tone::Head, text);
        self.raw(&text)
    }

    /// The heading of the next chapter.
    pub fn chapter(&mut self, title: &str) -> io::Result<()> {
        self.chapter += 1;
        let heading = format!("{}. {title}", self.chapter);
        writeln!(self.out)?;
        self.title(&heading)
    }

    /// A word on the table above, and a blank line.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        let note = self.style.paint(Tone::Dim, &format!("  {text}"));
        writeln!(self.out, "{note}\n")?;
        self.out.flush()
    }

    /// What somebody did or says.
    pub fn line(&mut self, who: &str, text: &str) -> io::Result<()> {
        self.labelled(Tone::Dim, who, text)
    }

    /// A result: the good news of a chapter.
    pub fn result(&mut self, text: &str) -> io::Result<()> {
        self.labelled(Tone::Good, "=>", text)
    }

    /// A claim, whether it is true, and if not what speaks against it.
    pub fn check(&mut self, claim: &str, problems: &[String]) -> io::Result<()> {
        let (tone, word) = match problems {
            [] => (Tone::Good, "ok"),
            _ => (Tone::Bad, "FAILED"),
        };
        self.labelled(tone, word, claim)?;
        problems.iter().try_for_each(|problem| self.labelled(tone, "", problem))
    }

    /// A table: its head stands out.
    pub fn table(&mut self, head: usize, lines: &[String]) -> io::Result<()> {
        for (index, line) in lines.iter().enumerate() {
            match index < head {
                true => writeln!(self.out, "  {}", self.style.paint(Tone::Dim, line))?,
                false => writeln!(self.out, "  {line}")?,
            }
        }
        self.out.flush()
    }

    fn labelled(&mut self, tone: Tone, label: &str, text: &str) -> io::Result<()> {
        let label = self.style.paint(tone, &format!("  {label:width$}", width = LABEL - 2));
        for (index, line) in wrap(text, WIDTH - LABEL).iter().enumerate() {
            match index {
                0 => writeln!(self.out, "{label}{line}")?,
                _ => writeln!(self.out, "{:LABEL$}{line}", "")?,
            }
        }
        self.out.flush()
    }
}

/// The text in lines of at most so many characters, broken at spaces; a word that is longer has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_hang_under_their_text() {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out, Style::plain());
        page.chapter("Home").unwrap();
        page.line("phone", &["word"; 20].join(" ")).unwrap();
        page.check("all is well", &[]).unwrap();
        page.check("all is well", &["one row is gone".to_owned()]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["", "1. Home"]);
        assert_eq!(lines[2], format!("  phone     {}", ["word"; 13].join(" ")));
        assert_eq!(lines[3], format!("            {}", ["word"; 7].join(" ")));
        assert_eq!(lines[4], "  ok        all is well");
        assert_eq!(lines[5..], ["  FAILED    all is well", "            one row is gone"]);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        assert_eq!(wrap("see /a/long/path now", 6), ["see", "/a/long/path", "now"]);
    }
}
