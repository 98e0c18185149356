//! What the process was given: variables and the home folder, as a value, so that tests need not change the process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Environment variables and the home folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    home: PathBuf,
}

impl Environment {
    /// This process's own. Variables that are not UTF-8 are left out. Without `HOME` the home folder is the one of
    /// the user database, and `/` if that has none, as for a shell.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            home: std::env::home_dir().unwrap_or_else(|| PathBuf::from("/")),
        }
    }

    /// One made up of its parts.
    pub fn new<N: Into<String>, V: Into<String>>(
        home: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            variables,
            home: home.into(),
        }
    }

    /// A variable; an empty one counts as unset, as the XDG specification has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The local user's name, as `USER` or `LOGNAME` has it; where a service manager sets neither, the home folder's.
    #[must_use]
    pub fn login_user(&self) -> String {
        let home = || self.home.file_name().and_then(|name| name.to_str());
        self.get("USER")
            .or_else(|| self.get("LOGNAME"))
            .or_else(home)
            .unwrap_or("root")
            .to_owned()
    }

    /// A folder that a variable of the XDG specification names; relative ones have to be ignored.
    pub(super) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// All variables that are set, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Expands a leading `~`, and `$NAME`, `${NAME}` and `$$` anywhere, in a local path. The result is absolute.
    ///
    /// # Errors
    /// Says what is wrong, when a variable is not set, a brace is not closed, or the path is empty or relative.
    pub fn expand(&self, path: &str) -> Result<PathBuf, String> {
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!("{}{}", self.home.display(), self.substitute(rest)?)
            }
            Some(_) => {
                return Err(format!(
                    "\"{path}\": only ~/ is expanded, not another user's home folder"
                ));
            }
            None => self.substitute(path)?,
        };
        if path.is_empty() {
            return Err("is empty: a path is needed".to_owned());
        }
        if path.contains('\0') {
            return Err("holds a NUL character".to_owned());
        }
        if !path.starts_with('/') {
            return Err(format!("\"{path}\" is relative: begin it with / or ~/"));
        }
        Ok(PathBuf::from(path))
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let (name, after) = variable_name(after).ok_or_else(|| {
                format!("\"{text}\": after $ a variable's name is needed; write $$ for the character itself")
            })?;
            out.push_str(
                self.get(name)
                    .ok_or_else(|| format!("\"{text}\": the variable ${name} is not set"))?,
            );
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Splits `NAME…` or `{NAME}…` into the name and what follows.
fn variable_name(text: &str) -> Option<(&str, &str)> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (name, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at(
            text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(text.len()),
        ),
    };
    is_name(name).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::new("/home/ann", [("SCRAPER", "/srv/scraper"), ("EMPTY", ""), ("A1_b", "x")])
    }

    #[test]
    fn expands_home_and_variables() {
        for (written, expected) in [
            ("~", "/home/ann"),
            ("~/products.db", "/home/ann/products.db"),
            ("$SCRAPER/products.db", "/srv/scraper/products.db"),
            ("${SCRAPER}s/products.db", "/srv/scrapers/products.db"),
            ("~/$A1_b/p", "/home/ann/x/p"),
            ("/a/$$HOME", "/a/$HOME"),
            ("/a~/~b", "/a~/~b"),
        ] {
            assert_eq!(environment().expand(written), Ok(PathBuf::from(expected)), "{written}");
        }
    }

    #[test]
    fn says_what_cannot_be_expanded() {
        for (written, expected) in [
            ("", "is empty: a path is needed"),
            ("products.db", "\"products.db\" is relative: begin it with / or ~/"),
            (
                "~bob/p",
                "\"~bob/p\": only ~/ is expanded, not another user's home folder",
            ),
            ("/a/$NOPE/p", "\"/a/$NOPE/p\": the variable $NOPE is not set"),
            ("/a/$EMPTY/p", "\"/a/$EMPTY/p\": the variable $EMPTY is not set"),
            (
                "/a/${SCRAPER",
                "\"/a/${SCRAPER\": after $ a variable's name is needed; write $$ for the character itself",
            ),
            (
                "/a/$/b",
                "\"/a/$/b\": after $ a variable's name is needed; write $$ for the character itself",
            ),
            (
                "/a/$1",
                "\"/a/$1\": after $ a variable's name is needed; write $$ for the character itself",
            ),
            ("/a\0b", "holds a NUL character"),
        ] {
            assert_eq!(environment().expand(written), Err(expected.to_owned()), "{written}");
        }
    }
}
