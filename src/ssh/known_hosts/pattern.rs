//! The first field of a line: which hosts it is about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The hosts of a line.
#[derive(Clone, Debug)]
pub(super) enum Hosts {
    /// Patterns, in lower case, each with whether it is negated by `!`.
    Patterns(Vec<(bool, String)>),
    /// One name, known only by its HMAC-SHA1 under a salt: `|1|salt|hash`.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl Hosts {
    pub(super) fn parse(field: &str) -> Result<Self, String> {
        if let Some(hashed) = field.strip_prefix('|') {
            return Self::parse_hashed(hashed).ok_or_else(|| "the hashed host name cannot be read".to_owned());
        }
        let patterns = field.split(',').map(|pattern| match pattern.strip_prefix('!') {
            Some(negated) => (true, negated.to_lowercase()),
            None => (false, pattern.to_lowercase()),
        });
        Ok(Self::Patterns(patterns.collect()))
    }

    fn parse_hashed(field: &str) -> Option<Self> {
        let (salt, hash) = field.strip_prefix("1|")?.split_once('|')?;
        let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
        (hash.len() == 20).then_some(Self::Hashed { salt, hash })
    }

    /// Whether the line is about `name`, which is in lower case. A negated pattern that matches overrules the others.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => {
                let mut matching = patterns
                    .iter()
                    .filter(|(_, pattern)| matches_pattern(pattern, name))
                    .peekable();
                matching.peek().is_some() && matching.all(|(negated, _)| !negated)
            }
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
        }
    }
}

/// Whether `text` is what `pattern` describes: `*` stands for any run of characters, `?` for one.
pub(in crate::ssh) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on from when the text after the last `*` does not fit: that `*`, and one character more under it.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                retry = Some((p, t));
                p += 1;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if *wanted == b'?' || wanted == found => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, covered)) if covered < text.len() => {
                    retry = Some((star, covered + 1));
                    p = star + 1;
                    t = covered + 1;
                }
                _ => return false,
            },
        }
    }
}
