//! Which host keys are trusted, by the rules of OpenSSH: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", and ssh(1),
//! "VERIFYING HOST KEYS".
//!
//! Written here because a missed `@revoked` line or a false alarm over a second key would both be worse than no sync.
//! Everything but [`read`] and [`add`] is a pure function of the files' text.

mod entry;
mod file;
mod pattern;

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use entry::{Entry, Marker};
pub use file::{add, read};
pub(super) use pattern::matches_pattern;

/// A server's public host key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// Its type, as known_hosts writes it: "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa".
    pub algorithm: String,
    /// Its fingerprint, as `ssh-keygen -lf` shows it: "SHA256:…".
    pub fingerprint_sha256: String,
    /// The key as a public key file has it: type and base64.
    pub openssh_line: String,
}

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What the files say of a host's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A line has this key for this host.
    Known,
    /// No line has any key for this host.
    Unknown,
    /// The host is known by other keys alone; the place is of one of the same type if there is one.
    Changed(Place),
    /// A `@revoked` line has this key.
    Revoked(Place),
}

/// A line that could not be read, and was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub problem: String,
}

/// The name under which a host's keys are looked up: the alias if there is one, else the host, with its port unless
/// that is 22.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupName {
    name: String,
    /// The host alone, where `name` carries a port: OpenSSH accepts a key that is known for the host without a port.
    bare: Option<String>,
}

impl LookupName {
    /// The name for a host, its port and its `HostKeyAlias`. Case does not matter in any of them.
    #[must_use]
    pub fn new(host: &str, port: u16, alias: Option<&str>) -> Self {
        let host = alias.unwrap_or(host).to_lowercase();
        if alias.is_some() || port == 22 {
            Self { name: host, bare: None }
        } else {
            Self {
                name: format!("[{host}]:{port}"),
                bare: Some(host),
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [Some(self.name.as_str()), self.bare.as_deref()].into_iter().flatten()
    }
}

impl fmt::Display for LookupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The lines of one or more known_hosts files, in order.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    warnings: Vec<Warning>,
}

impl KnownHosts {
    /// Reads the text of files. Lines that make no sense are skipped and reported by [`KnownHosts::warnings`].
    #[must_use]
    pub fn parse(files: &[(PathBuf, String)]) -> Self {
        let mut known = Self::default();
        for (file, text) in files {
            for (index, line) in text.lines().enumerate() {
                let place = Place {
                    file: file.clone(),
                    line: index + 1,
                };
                match Entry::parse(line, &place) {
                    Ok(Some(entry)) => known.entries.push(entry),
                    Ok(None) => {}
                    Err(problem) => known.warnings.push(Warning { place, problem }),
                }
            }
        }
        known
    }

    /// The lines that were skipped because they make no sense.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether `key` may be trusted as the key of `host`.
    ///
    /// Any line with the key will do; a key of another type alone counts as changed, as in OpenSSH, because a host
    /// that suddenly has no key of the known type is as suspect as one with another key.
    #[must_use]
    pub fn verify(&self, host: &LookupName, key: &HostKey) -> Verdict {
        if let Some(place) = self.revocation(host, key) {
            return Verdict::Revoked(place);
        }
        let verdict = self.look_up(&host.name, key);
        match &host.bare {
            Some(bare) if verdict == Verdict::Unknown && self.look_up(bare, key) == Verdict::Known => Verdict::Known,
            _ => verdict,
        }
    }

    /// Where `key` is revoked for `host`, if it is. Also asked for the key of a certificate's authority.
    #[must_use]
    pub fn revocation(&self, host: &LookupName, key: &HostKey) -> Option<Place> {
        let mut revoked = host.names().flat_map(|name| self.of(name, Marker::Revoked));
        revoked.find(|entry| entry.key == *key).map(|entry| entry.place.clone())
    }

    /// The keys of the authorities whose certificates are trusted for `host`.
    #[must_use]
    pub fn authorities(&self, host: &LookupName) -> Vec<HostKey> {
        self.of(&host.name, Marker::Authority)
            .map(|entry| entry.key.clone())
            .collect()
    }

    /// The types of the keys that are known for `host`, in the files' order: the ones to ask the server for first.
    #[must_use]
    pub fn algorithms(&self, host: &LookupName) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for entry in host.names().flat_map(|name| self.of(name, Marker::None)) {
            if !found.contains(&entry.key.algorithm) {
                found.push(entry.key.algorithm.clone());
            }
        }
        found
    }

    fn look_up(&self, name: &str, key: &HostKey) -> Verdict {
        let lines: Vec<&Entry> = self.of(name, Marker::None).collect();
        if lines.iter().any(|entry| entry.key == *key) {
            return Verdict::Known;
        }
        let same_type = lines.iter().find(|entry| entry.key.algorithm == key.algorithm);
        match same_type.or(lines.first()) {
            Some(entry) => Verdict::Changed(entry.place.clone()),
            None => Verdict::Unknown,
        }
    }

    fn of<'a>(&'a self, name: &'a str, marker: Marker) -> impl Iterator<Item = &'a Entry> + 'a {
        self.entries
            .iter()
            .filter(move |entry| entry.marker == marker && entry.hosts.matches(name))
    }
}

impl HostKey {
    /// A key from its type and its base64 blob, as files have them.
    fn from_parts(algorithm: &str, base64: &str) -> Result<Self, String> {
        let blob = STANDARD
            .decode(base64)
            .map_err(|_| "the key is not valid base64".to_owned())?;
        let named = blob
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?));
        if named != Some(algorithm.as_bytes()) {
            return Err(format!("the key is not of the type {algorithm} that the line names"));
        }
        let key = russh::keys::PublicKey::from_bytes(&blob).map_err(|e| format!("the key cannot be read: {e}"))?;
        Ok(Self {
            algorithm: algorithm.to_owned(),
            fingerprint_sha256: key.fingerprint(russh::keys::HashAlg::Sha256).to_string(),
            openssh_line: format!("{algorithm} {base64}"),
        })
    }
}

impl From<&russh::keys::ssh_key::public::KeyData> for HostKey {
    fn from(key: &russh::keys::ssh_key::public::KeyData) -> Self {
        use russh::keys::PublicKeyBase64;
        let public = russh::keys::PublicKey::from(key.clone());
        let algorithm = public.algorithm().as_str().to_owned();
        Self {
            openssh_line: format!("{algorithm} {}", public.public_key_base64()),
            fingerprint_sha256: public.fingerprint(russh::keys::HashAlg::Sha256).to_string(),
            algorithm,
        }
    }
}

#[cfg(test)]
mod tests;
