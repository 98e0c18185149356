//! The keys that can be offered, and in which order.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::{self, Certificate, PrivateKey, PublicKey};

/// What OpenSSH's server allows by default (`MaxAuthTries`) before it hangs up.
const TRIES: usize = 6;

/// A key file of the user's.
#[derive(Clone)]
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    /// The public half, if it can be had without a passphrase.
    pub(super) public: Option<PublicKey>,
    pub(super) private: Private,
    /// The certificate beside it, in `…-cert.pub`.
    pub(super) certificate: Option<Certificate>,
}

/// The private half of a key file.
#[derive(Clone)]
pub(super) enum Private {
    /// Ready for use.
    Open(Arc<PrivateKey>),
    /// Needs a passphrase.
    Encrypted,
    /// Not to be had from this file, and why.
    Unusable(String),
}

/// Something to offer to the server.
#[derive(Clone)]
pub(super) enum Offer {
    /// A key or certificate that the agent signs for.
    Agent(AgentIdentity),
    /// A key file.
    File(KeyFile),
}

impl KeyFile {
    /// Reads what a key file holds without asking for a passphrase.
    pub(super) fn load(path: &Path) -> Self {
        let private = open(path, None);
        let public = match &private {
            Private::Open(key) => Some(key.public_key().clone()),
            _ => public_half(path),
        };
        let certificate = keys::load_openssh_certificate(beside(path, "-cert.pub")).ok();
        Self {
            path: path.to_owned(),
            public,
            private,
            certificate,
        }
    }
}

/// Reads the private half of a key file.
pub(super) fn open(path: &Path, passphrase: Option<&str>) -> Private {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Private::Unusable("no such file".to_owned()),
        Err(error) => return Private::Unusable(error.to_string()),
        Ok(about) if about.mode() & 0o077 != 0 => {
            return Private::Unusable(format!(
                "others may read it (mode {:04o}), so it counts as stolen; `chmod 600` it",
                about.mode() & 0o7777
            ));
        }
        Ok(_) => {}
    }
    match keys::load_secret_key(path, passphrase) {
        Ok(key) => Private::Open(Arc::new(key)),
        Err(keys::Error::KeyIsEncrypted) => Private::Encrypted,
        Err(_) if passphrase.is_some() => Private::Unusable("the passphrase does not open it".to_owned()),
        Err(error) => Private::Unusable(format!("it cannot be read as a private key ({error})")),
    }
}

fn public_half(path: &Path) -> Option<PublicKey> {
    let from_private = || {
        std::fs::read(path)
            .ok()
            .and_then(|text| PrivateKey::from_openssh(text).ok())
    };
    keys::load_public_key(beside(path, ".pub"))
        .ok()
        .or_else(|| from_private().map(|key| key.public_key().clone()))
        // An identity file may be a public key whose private half only the agent has.
        .or_else(|| keys::load_public_key(path).ok())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts the keys in OpenSSH's order: the agent's keys that are among the files, the agent's other keys, the files that
/// the agent does not have.
///
/// A server hangs up after a few keys that it does not know, so the agent's other keys come before the files only as
/// far as the files still fit into the usual number of tries; the rest of them comes last.
pub(super) fn in_order(agent: Vec<AgentIdentity>, files: &[KeyFile], only_files: bool) -> Vec<Offer> {
    let in_files = |identity: &AgentIdentity| {
        let key = identity.public_key();
        files.iter().any(|file| {
            file.public
                .as_ref()
                .is_some_and(|public| public.key_data() == key.key_data())
        })
    };
    let (named, mut others): (Vec<_>, Vec<_>) = agent.into_iter().partition(in_files);
    if only_files {
        others.clear();
    }
    let in_agent = |file: &KeyFile| {
        file.public.as_ref().is_some_and(|public| {
            named
                .iter()
                .any(|identity| identity.public_key().key_data() == public.key_data())
        })
    };
    let files: Vec<KeyFile> = files
        .iter()
        .filter(|file| file.certificate.is_some() || !in_agent(file))
        .cloned()
        .collect();
    let usable = files
        .iter()
        .filter(|file| !matches!(file.private, Private::Unusable(_)))
        .count();
    let room = TRIES.saturating_sub(named.len() + usable).min(others.len());
    let last = others.split_off(room);
    let agents = |identities: Vec<AgentIdentity>| identities.into_iter().map(Offer::Agent);
    agents(named)
        .chain(agents(others))
        .chain(files.into_iter().map(Offer::File))
        .chain(agents(last))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::random(&mut keys::key::safe_rng(), keys::Algorithm::Ed25519).unwrap()
    }

    fn file(name: &str, key: &PrivateKey) -> KeyFile {
        KeyFile {
            path: PathBuf::from(name),
            public: Some(key.public_key().clone()),
            private: Private::Open(Arc::new(key.clone())),
            certificate: None,
        }
    }

    fn agent_key(key: &PrivateKey, name: &str) -> AgentIdentity {
        AgentIdentity::PublicKey {
            key: key.public_key().clone(),
            comment: name.to_owned(),
        }
    }

    fn names(offers: &[Offer]) -> Vec<String> {
        let name = |offer: &Offer| match offer {
            Offer::Agent(identity) => identity.comment().to_owned(),
            Offer::File(file) => file.path.display().to_string(),
        };
        offers.iter().map(name).collect()
    }

    #[test]
    fn keys_of_the_agent_that_are_files_come_first_and_are_offered_once() {
        let (a, b, c) = (key(), key(), key());
        let agent = vec![agent_key(&a, "agent a"), agent_key(&b, "agent b")];
        let files = [file("file b", &b), file("file c", &c)];
        assert_eq!(
            names(&in_order(agent.clone(), &files, false)),
            ["agent b", "agent a", "file c"]
        );
        assert_eq!(names(&in_order(agent, &files, true)), ["agent b", "file c"]);
    }

    #[test]
    fn files_are_tried_before_the_server_hangs_up() {
        let agent: Vec<_> = (0..8).map(|n| agent_key(&key(), &format!("agent {n}"))).collect();
        let mut unusable = file("unusable", &key());
        unusable.private = Private::Unusable("no such file".to_owned());
        let files = [file("file", &key()), unusable];
        let order = names(&in_order(agent, &files, false));
        assert_eq!(order[..5], ["agent 0", "agent 1", "agent 2", "agent 3", "agent 4"]);
        assert_eq!(order[5..], ["file", "unusable", "agent 5", "agent 6", "agent 7"]);
    }

    #[test]
    fn a_file_with_a_certificate_is_offered_although_the_agent_has_its_key() {
        let (a, authority) = (key(), key());
        let mut builder = keys::ssh_key::certificate::Builder::new_with_random_nonce(
            &mut keys::key::safe_rng(),
            a.public_key(),
            0,
            1,
        )
        .unwrap();
        builder.valid_principal("user").unwrap();
        let mut certified = file("certified", &a);
        certified.certificate = Some(builder.sign(&authority).unwrap());
        assert_eq!(
            names(&in_order(vec![agent_key(&a, "agent a")], &[certified], false)),
            ["agent a", "certified"]
        );
    }
}
