//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A place in the file; line and column count from 1, the column in characters.
    Place {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The file as a whole: something is missing in it, or it cannot be read.
    File(PathBuf),
    /// An environment variable, by name.
    Variable(String),
    /// An override on the command line.
    Override,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Override => write!(f, "command line"),
        }
    }
}

/// One mistake. Shown as `config.toml:12:1: remote.engine: "sqlite" is not allowed: …; did you mean "sqlite3"?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub origin: Origin,
    /// The dotted key, `None` for what is wrong with the file itself.
    pub key: Option<String>,
    /// What is wrong and what is allowed. Never holds a secret.
    pub message: String,
    /// The nearest name that is allowed, if there is one near.
    pub suggestion: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean \"{suggestion}\"?"),
            None => Ok(()),
        }
    }
}

/// Every mistake of a configuration, in the file's order, then those of the environment and the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors {
    /// Never empty.
    pub mistakes: Vec<Mistake>,
}

/// What is wrong with one value, before it is known where the value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub message: String,
    pub suggestion: Option<String>,
}

impl Fault {
    /// The fault as a mistake in that place.
    pub fn at(self, origin: Origin, key: impl Into<String>) -> Mistake {
        Mistake {
            origin,
            key: Some(key.into()),
            message: self.message,
            suggestion: self.suggestion,
        }
    }

    /// The same fault with a better name, if there is one.
    pub fn suggest(mut self, suggestion: Option<&str>) -> Self {
        self.suggestion = suggestion.map(str::to_owned);
        self
    }
}

impl<S: Into<String>> From<S> for Fault {
    fn from(message: S) -> Self {
        Self {
            message: message.into(),
            suggestion: None,
        }
    }
}

/// The candidate that a person most likely meant: at most a third of its letters differ, or the one begins the other.
pub(super) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wrong, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= candidate.chars().count().div_ceil(3)
                || (wrong.len() >= 3 && candidate.to_lowercase().starts_with(&wrong))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
