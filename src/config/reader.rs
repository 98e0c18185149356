//! Takes values out of the layers, collects what is wrong with them, and tells at the end what nobody asked for.

use std::collections::BTreeMap;

use super::layers::{Entry, Raw};
use super::mistake::{Fault, Mistake, Origin, nearest};

/// The layers, being read. Every known key is asked for exactly once; what is left over is unknown.
pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    asked: Vec<&'static str>,
    /// The file as a whole: where a missing key is missing.
    whole: Origin,
    /// The file could not be taken apart: nobody knows what is missing in it.
    unreadable: bool,
    /// What was wrong so far.
    pub mistakes: Vec<Mistake>,
    /// What is odd, but no reason not to start.
    pub warnings: Vec<String>,
}

impl Reader {
    pub fn new(entries: BTreeMap<String, Entry>, whole: Origin, mistakes: Vec<Mistake>, unreadable: bool) -> Self {
        Self {
            entries,
            asked: Vec::new(),
            whole,
            unreadable,
            mistakes,
            warnings: Vec::new(),
        }
    }

    /// The value of a key, `None` if it was not written or is wrong.
    pub fn take<T>(&mut self, key: &'static str, parse: impl FnOnce(&Raw) -> Result<T, Fault>) -> Option<T> {
        self.asked.push(key);
        let entry = self.entries.remove(key)?;
        parse(&entry.raw)
            .map_err(|fault| self.mistakes.push(fault.at(entry.origin, key)))
            .ok()
    }

    /// The value of a key that must be there; `what` says what it is.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        what: &str,
        parse: impl FnOnce(&Raw) -> Result<T, Fault>,
    ) -> Option<T> {
        if !self.has(key) {
            self.asked.push(key);
            if !self.unreadable {
                self.mistakes
                    .push(Fault::from(format!("is missing: {what}")).at(self.whole.clone(), key));
            }
            return None;
        }
        self.take(key, parse)
    }

    /// Whether a key was written and not yet taken.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where a key was written, before it is taken.
    pub fn origin(&self, key: &str) -> Origin {
        self.entries
            .get(key)
            .map_or_else(|| self.whole.clone(), |entry| entry.origin.clone())
    }

    /// Names what was written and is no key of ours: an error in the file and on the command line. A variable is
    /// only odd: the environment is not the configuration's own, and another program may use the prefix.
    pub fn refuse_the_rest(&mut self) {
        for (key, entry) in std::mem::take(&mut self.entries) {
            let fault = self.unknown(&key);
            match entry.origin {
                Origin::Variable(ref name) if !holds_secret(&key) => {
                    let wanted = fault
                        .suggestion
                        .map(|key| format!("; did you mean {}?", variable(&key)));
                    self.warnings.push(format!(
                        "{name} is not a setting and is ignored{}",
                        wanted.unwrap_or_default()
                    ));
                }
                origin => self.mistakes.push(fault.at(origin, key)),
            }
        }
    }

    fn unknown(&self, key: &str) -> Fault {
        if holds_secret(key) {
            return "is a secret, and none may stand in the configuration: remove it, and name a command that prints \
                    it in remote.password_command or remote.passphrase_command"
                .into();
        }
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let siblings = self
            .asked
            .iter()
            .filter_map(|known| known.strip_prefix(section)?.strip_prefix('.'));
        if let Some(sibling) = nearest(name, siblings) {
            return Fault::from("is not a known key").suggest(Some(&format!("{section}.{sibling}")));
        }
        let elsewhere = self
            .asked
            .iter()
            .find(|known| known.split_once('.').is_some_and(|(_, other)| other == name));
        Fault::from("is not a known key")
            .suggest(elsewhere.copied().or_else(|| nearest(key, self.asked.iter().copied())))
    }
}

/// The variable of a dotted key.
pub(super) fn variable(key: &str) -> String {
    format!("MODSYNC_{}", key.replacen('.', "_", 1).to_uppercase())
}

/// Whether a key that is not ours looks as if it held a secret.
fn holds_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    ["password", "passwd", "passphrase", "secret"].contains(&name)
}
