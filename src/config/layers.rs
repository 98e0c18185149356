//! Gathers what was written, by dotted key: the file, over it the environment, over that the command line.

use std::collections::BTreeMap;
use std::path::Path;

use toml_edit::{Document, Item, Key, TableLike};

use super::mistake::nearest;
use super::{Environment, Mistake, Origin};

/// The sections of the file, each a table of plain keys.
const SECTIONS: [&str; 8] = [
    "local", "remote", "sync", "safety", "backup", "history", "daemon", "log",
];
/// Variables that mean something else: which file, which socket, which pair.
const RESERVED: [&str; 3] = ["MODSYNC_CONFIG", "MODSYNC_SOCKET", "MODSYNC_NAME"];

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// Text in the file.
    Text(String),
    /// Characters of a variable or an override: what they are depends on the key.
    Word(String),
    /// `true` or `false` in the file.
    Boolean(bool),
    /// A whole number in the file.
    Integer(i64),
    /// Anything else, named by its type.
    Other(&'static str),
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub raw: Raw,
    pub origin: Origin,
}

/// Everything that was written.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// The winning value of each dotted key, known or not.
    pub entries: BTreeMap<String, Entry>,
    /// What `[[table]]` says, still to be read.
    pub tables: Option<(Item, Origin)>,
    /// What is wrong with the file's form.
    pub mistakes: Vec<Mistake>,
}

impl Layers {
    /// Reads the file's text.
    pub fn add_file(&mut self, source: &Source<'_>) {
        let document = match Document::parse(source.text) {
            Ok(document) => document,
            Err(error) => {
                let origin = source.place(error.span().map_or(0, |span| span.start));
                // The message alone: the full form quotes the line, which may hold what is no one's business.
                let message = format!("is not TOML: {}", error.message().replace('\n', ", "));
                self.mistakes.push(Mistake {
                    origin,
                    key: None,
                    message,
                    suggestion: None,
                });
                return;
            }
        };
        for (name, _) in document.iter() {
            let Some((key, item)) = document.as_table().get_key_value(name) else {
                continue;
            };
            let origin = source.of_key(key, item);
            match item.as_table_like() {
                _ if name == "table" => self.tables = Some((item.clone(), origin)),
                Some(section) if SECTIONS.contains(&name) => self.add_section(name, section, source),
                section => self.mistakes.push(outside(name, section.is_some(), origin)),
            }
        }
    }

    fn add_section(&mut self, section: &str, table: &dyn TableLike, source: &Source<'_>) {
        for (name, _) in table.iter() {
            if let Some((key, item)) = table.get_key_value(name) {
                let entry = Entry {
                    raw: raw(item),
                    origin: source.of_key(key, item),
                };
                self.entries.insert(format!("{section}.{name}"), entry);
            }
        }
    }

    /// Reads `MODSYNC_SECTION_KEY` variables. No section's name holds an underscore, so the first one divides.
    pub fn add_environment(&mut self, environment: &Environment) {
        for (variable, value) in environment.iter() {
            let Some(rest) = variable
                .strip_prefix("MODSYNC_")
                .filter(|_| !RESERVED.contains(&variable))
            else {
                continue;
            };
            let key = rest.to_lowercase().replacen('_', ".", 1);
            self.entries.insert(
                key,
                Entry {
                    raw: Raw::Word(value.to_owned()),
                    origin: Origin::Variable(variable.to_owned()),
                },
            );
        }
    }

    /// Takes `(dotted key, value)` pairs of the command line.
    pub fn add_overrides(&mut self, overrides: &[(String, String)]) {
        for (key, value) in overrides {
            let entry = Entry {
                raw: Raw::Word(value.clone()),
                origin: Origin::Override,
            };
            self.entries.insert(key.clone(), entry);
        }
    }
}

/// The mistake of a key that stands at the top of the file, or of a section that is none.
fn outside(name: &str, is_section: bool, origin: Origin) -> Mistake {
    let message = if is_section {
        let sections = SECTIONS.map(|section| format!("[{section}]")).join(", ");
        format!("is not a section: {sections} and [[table]] are")
    } else if SECTIONS.contains(&name) {
        format!("is a section: write [{name}] and its keys below it")
    } else {
        "stands outside a section: write it below [local], [remote] or where it belongs".to_owned()
    };
    let suggestion = nearest(name, SECTIONS.into_iter().chain(["table"]))
        .filter(|_| is_section)
        .map(str::to_owned);
    Mistake {
        origin,
        key: Some(name.to_owned()),
        message,
        suggestion,
    }
}

fn raw(item: &Item) -> Raw {
    match item.as_value() {
        Some(toml_edit::Value::String(text)) => Raw::Text(text.value().clone()),
        Some(toml_edit::Value::Boolean(boolean)) => Raw::Boolean(*boolean.value()),
        Some(toml_edit::Value::Integer(integer)) => Raw::Integer(*integer.value()),
        _ => Raw::Other(type_name(item)),
    }
}

/// What an item is, in the words of the messages.
pub(super) fn type_name(item: &Item) -> &'static str {
    match item.type_name() {
        "string" => "text",
        "integer" | "float" => "a number",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a table",
    }
}

/// The file's text, to tell lines and columns.
pub(super) struct Source<'a> {
    pub file: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    /// The place of a byte.
    pub fn place(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// The place of a key, or of its item where the key has none.
    pub fn of_key(&self, key: &Key, item: &Item) -> Origin {
        self.place(key.span().or_else(|| item.span()).map_or(0, |span| span.start))
    }
}
