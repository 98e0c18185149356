//! What is at hand to log in with, looked at without the network and without asking anybody for a secret.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::keys::agent::client::AgentClient;

use super::identity::{KeyFile, Private};
use super::{apart, limited};
use crate::config::ssh_config::SshTarget;

/// What there is to log in with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The key files, in the order in which they are tried.
    pub files: Vec<KeyLook>,
    /// The agent.
    pub agent: AgentLook,
}

/// One key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLook {
    /// Where it is, or should be.
    pub path: PathBuf,
    /// What it is good for.
    pub state: KeyState,
}

/// What a key file is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Ready for use.
    Ready,
    /// The agent signs for it.
    InAgent,
    /// Needs a passphrase, and the agent does not have it.
    Encrypted,
    /// There is no such file.
    Missing,
    /// Others may read it, with this mode.
    Exposed(u32),
    /// Not to be used, and why.
    Unusable(String),
}

/// The agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AgentLook {
    /// None is named: no `SSH_AUTH_SOCK`, no `IdentityAgent`.
    #[default]
    None,
    /// One is named, and nobody answers there.
    Silent(PathBuf, String),
    /// It holds so many keys.
    Holds(usize),
}

/// Looks at the keys that a login would offer. `limit`: how long the agent may take to answer.
pub async fn look_at_keys(target: &SshTarget, limit: Duration) -> Keys {
    let (agent, held) = match &target.identity_agent {
        None => (AgentLook::None, Vec::new()),
        Some(socket) => match limited(limit, held_by_agent(socket)).await {
            Ok(held) => (AgentLook::Holds(held.len()), held),
            Err(why) => (AgentLook::Silent(socket.clone(), why), Vec::new()),
        },
    };
    let paths = target.identity_files.clone();
    let look = move || {
        let look = |path: PathBuf| KeyLook {
            state: state_of(&path, &held),
            path,
        };
        paths.into_iter().map(look).collect()
    };
    Keys {
        files: apart(look).await.unwrap_or_default(),
        agent,
    }
}

async fn held_by_agent(socket: &Path) -> Result<Vec<PublicKey>, russh::keys::Error> {
    let mut agent = AgentClient::connect_uds(socket).await?;
    let identities = agent.request_identities().await?;
    Ok(identities.iter().map(|it| it.public_key().into_owned()).collect())
}

fn state_of(path: &Path, held: &[PublicKey]) -> KeyState {
    let mode = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return KeyState::Missing,
        Err(error) => return KeyState::Unusable(error.to_string()),
        Ok(about) => about.mode() & 0o7777,
    };
    let file = KeyFile::load(path);
    let of_file = |public: &PublicKey| held.iter().any(|key| key.key_data() == public.key_data());
    match file.private {
        _ if file.public.as_ref().is_some_and(of_file) => KeyState::InAgent,
        Private::Open(_) => KeyState::Ready,
        Private::Encrypted => KeyState::Encrypted,
        Private::Unusable(_) if mode & 0o077 != 0 => KeyState::Exposed(mode),
        Private::Unusable(why) => KeyState::Unusable(why),
    }
}
