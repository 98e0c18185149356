//! Logging in: keys of the agent, key files, certificates, then a password, in OpenSSH's order.

mod identity;
mod inspect;
mod secret;
mod signer;

use std::time::Duration;

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};

use self::identity::{KeyFile, Offer, Private};
pub use self::inspect::{AgentLook, KeyLook, KeyState, Keys, look_at_keys};
use self::secret::PATIENCE;
use self::signer::FileSigner;
use super::fault::said;
use super::handshake::{Ending, Greeted, at};
use super::{Traffic, TransportError};
use crate::config::ssh_config::SshTarget;

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// How often a server may ask in one keyboard-interactive conversation.
const MAX_QUESTIONS: usize = 8;

/// Logs in as the target's user.
///
/// # Errors
/// With everything that was tried, why it did not do, and what to do.
pub(super) async fn log_in(greeted: &mut Greeted, target: &SshTarget, traffic: &Traffic) -> Result<(), TransportError> {
    // Before the first offer, the server is asked for its user authentication service (RFC 4253, section 10).
    traffic.add_round_trip();
    let mut login = Login {
        greeted,
        target,
        traffic,
        tried: Vec::new(),
        open_methods: None,
    };
    if login.with_keys().await || login.with_nothing().await || login.with_password().await {
        Ok(())
    } else {
        Err(login.failure())
    }
}

/// One attempt to log in, with its memory.
struct Login<'a> {
    greeted: &'a mut Greeted,
    target: &'a SshTarget,
    traffic: &'a Traffic,
    /// What did not do, and why; one line each.
    tried: Vec<String>,
    /// What the server said it would still take; `None` before it was asked.
    open_methods: Option<MethodSet>,
}

impl Login<'_> {
    async fn with_keys(&mut self) -> bool {
        let mut agent = self.agent().await;
        let identities = match &mut agent {
            Some(agent) => self.identities(agent).await,
            None => Vec::new(),
        };
        let paths = self.target.identity_files.clone();
        let load = move || paths.iter().map(|path| KeyFile::load(path)).collect();
        let files: Vec<KeyFile> = apart(load).await.unwrap_or_default();
        let mut passphrase = None;
        for offer in identity::in_order(identities, &files, self.target.identities_only) {
            if !self.takes(MethodKind::PublicKey) {
                break;
            }
            let done = match (offer, &mut agent) {
                (Offer::Agent(identity), Some(agent)) => self.offer_agent(agent, identity).await,
                (Offer::Agent(_), None) => false,
                (Offer::File(file), _) => self.offer_file(file, &mut passphrase).await,
            };
            if done {
                // A key is first shown and then, if it would do, signed with.
                self.traffic.add_round_trip();
                return true;
            }
        }
        false
    }

    async fn agent(&mut self) -> Option<Agent> {
        let path = self.target.identity_agent.as_ref()?;
        match limited(self.target.connect_timeout, AgentClient::connect_uds(path)).await {
            Ok(agent) => Some(agent.dynamic()),
            Err(why) => {
                self.note(format!("agent {}: nobody answers there ({why})", path.display()));
                None
            }
        }
    }

    async fn identities(&mut self, agent: &mut Agent) -> Vec<AgentIdentity> {
        let problem = match limited(self.target.connect_timeout, agent.request_identities()).await {
            Ok(identities) if identities.is_empty() => "agent: it holds no key; add one with `ssh-add`".to_owned(),
            Ok(identities) => return identities,
            Err(why) => format!("agent: it does not tell its keys ({why})"),
        };
        self.note(problem);
        Vec::new()
    }

    async fn offer_agent(&mut self, agent: &mut Agent, identity: AgentIdentity) -> bool {
        let public = identity.public_key().into_owned();
        let what = format!("agent key {} {}", fingerprint(&public), said(identity.comment()));
        let Some(hash) = self.rsa_hash(&public, &what).await else {
            return false;
        };
        let user = self.target.user.clone();
        let handle = &mut self.greeted.handle;
        let result = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                limited(PATIENCE, handle.authenticate_publickey_with(user, key, hash, agent)).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                limited(
                    PATIENCE,
                    handle.authenticate_certificate_with(user, certificate, hash, agent),
                )
                .await
            }
        };
        self.judge(&what, result)
    }

    async fn offer_file(&mut self, file: KeyFile, passphrase: &mut Option<Result<SecretString, String>>) -> bool {
        let what = format!("key {}", file.path.display());
        let private = match file.private {
            Private::Encrypted => self.decrypt(&file, passphrase).await,
            other => other,
        };
        let key = match private {
            Private::Open(key) => key,
            Private::Unusable(why) => return self.note(format!("{what}: {why}")),
            Private::Encrypted => {
                return self.note(format!(
                    "{what}: it needs a passphrase; add it to the agent with `ssh-add`, or set `passphrase_command`"
                ));
            }
        };
        let what = format!("{what} ({})", fingerprint(key.public_key()));
        let Some(hash) = self.rsa_hash(key.public_key(), &what).await else {
            return false;
        };
        let (user, limit) = (self.target.user.clone(), self.target.connect_timeout);
        if let Some(certificate) = file.certificate {
            let mut signer = FileSigner(key.clone());
            let handle = &mut self.greeted.handle;
            let attempt = handle.authenticate_certificate_with(user.clone(), certificate, hash, &mut signer);
            let result = limited(limit, attempt).await;
            if self.judge(&format!("{what} with its certificate"), result) {
                return true;
            }
        }
        let attempt = self
            .greeted
            .handle
            .authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash));
        let result = limited(limit, attempt).await;
        self.judge(&what, result)
    }

    /// Opens an encrypted key with the passphrase, which is asked for once.
    async fn decrypt(&self, file: &KeyFile, asked: &mut Option<Result<SecretString, String>>) -> Private {
        let Some(command) = &self.target.passphrase_command else {
            return Private::Encrypted;
        };
        if asked.is_none() {
            *asked = Some(secret::ask(command).await);
        }
        match asked {
            Some(Ok(passphrase)) => {
                let (path, passphrase) = (file.path.clone(), passphrase.clone());
                // The key derivation is slow on purpose.
                apart(move || identity::open(&path, Some(passphrase.expose_secret())))
                    .await
                    .unwrap_or_else(|| Private::Unusable("the thread that opens it broke down".to_owned()))
            }
            Some(Err(why)) => Private::Unusable(format!("`passphrase_command`: {why}")),
            None => Private::Encrypted,
        }
    }

    /// Asks what the server would take, when there was nothing to offer. Some take a user without any proof.
    async fn with_nothing(&mut self) -> bool {
        if self.open_methods.is_some() || self.target.password_command.is_some() || self.greeted.handle.is_closed() {
            return false;
        }
        let attempt = self.greeted.handle.authenticate_none(self.target.user.clone());
        let result = limited(self.target.connect_timeout, attempt).await;
        self.traffic.add_round_trip();
        match result {
            Ok(AuthResult::Success) => true,
            Ok(AuthResult::Failure { remaining_methods, .. }) => {
                self.open_methods = Some(remaining_methods);
                false
            }
            Err(why) => self.note(why),
        }
    }

    async fn with_password(&mut self) -> bool {
        if !self.takes(MethodKind::Password) && !self.takes(MethodKind::KeyboardInteractive) {
            return false;
        }
        let Some(command) = &self.target.password_command else {
            return self.note("password: no `password_command` is set");
        };
        let password = match secret::ask(command).await {
            Ok(password) => password,
            Err(why) => return self.note(format!("`password_command`: {why}")),
        };
        if self.takes(MethodKind::Password) {
            let attempt = self
                .greeted
                .handle
                .authenticate_password(self.target.user.clone(), password.expose_secret());
            let result = limited(self.target.connect_timeout, attempt).await;
            if self.judge("password", result) {
                return true;
            }
        }
        self.takes(MethodKind::KeyboardInteractive) && self.converse(&password).await
    }

    /// Keyboard-interactive: answers the one question that a password answers.
    async fn converse(&mut self, password: &SecretString) -> bool {
        let limit = self.target.connect_timeout;
        let start = self
            .greeted
            .handle
            .authenticate_keyboard_interactive_start(self.target.user.clone(), None::<String>);
        let mut reply = limited(limit, start).await;
        let mut answered = false;
        for _ in 0..MAX_QUESTIONS {
            self.traffic.add_round_trip();
            let prompts = match reply {
                Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) => prompts,
                Ok(KeyboardInteractiveAuthResponse::Success) => return true,
                Ok(KeyboardInteractiveAuthResponse::Failure {
                    remaining_methods,
                    partial_success,
                }) => {
                    let result = AuthResult::Failure {
                        remaining_methods,
                        partial_success,
                    };
                    return self.judge("keyboard-interactive", Ok(result));
                }
                Err(why) => return self.note(format!("keyboard-interactive: {why}")),
            };
            if let Some(prompt) = prompts.iter().find(|prompt| prompt.echo || answered) {
                let prompt = said(&prompt.prompt);
                return self.note(format!(
                    "keyboard-interactive: the server asks {prompt}, which no setting answers"
                ));
            }
            answered |= !prompts.is_empty();
            let answers = prompts.iter().map(|_| password.expose_secret().to_owned()).collect();
            reply = limited(
                limit,
                self.greeted.handle.authenticate_keyboard_interactive_respond(answers),
            )
            .await;
        }
        self.note("keyboard-interactive: the server does not stop asking")
    }

    /// The hash that the server wants RSA signatures over (`Some(None)` for other keys); `None` if only SHA-1 would do.
    async fn rsa_hash(&mut self, key: &PublicKey, what: &str) -> Option<Option<HashAlg>> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Some(None);
        }
        match self.greeted.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => Some(Some(hash)),
            Ok(Some(None)) => {
                self.note(format!(
                    "{what}: the server takes RSA signatures over SHA-1 alone; use an ed25519 key"
                ));
                None
            }
            // A server that does not say takes this one, or is older than 2016.
            Ok(None) | Err(_) => Some(Some(HashAlg::Sha512)),
        }
    }

    /// Takes the server's answer to an offer: whether the user is in.
    fn judge(&mut self, what: &str, result: Result<AuthResult, String>) -> bool {
        self.traffic.add_round_trip();
        match result {
            Ok(AuthResult::Success) => return true,
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            }) => {
                let how = if partial_success {
                    "taken, but the server wants more"
                } else {
                    "refused"
                };
                self.note(format!("{what}: {how}"));
                self.open_methods = Some(remaining_methods);
            }
            Err(why) => {
                self.note(format!("{what}: {why}"));
            }
        }
        false
    }

    /// Whether the server may still take a method.
    fn takes(&self, method: MethodKind) -> bool {
        !self.greeted.handle.is_closed() && self.open_methods.as_ref().is_none_or(|open| open.contains(&method))
    }

    /// Remembers why something did not do; always false, as the answer to "is the user in?".
    fn note(&mut self, line: impl Into<String>) -> bool {
        self.tried.push(line.into());
        false
    }

    fn failure(&self) -> TransportError {
        let who = format!("{}@{}", self.target.user, at(self.target));
        let tried: String = self.tried.iter().map(|line| format!("\n  - {line}")).collect();
        match self.greeted.farewell.ending() {
            Some(Ending {
                reason,
                by_server: false,
            }) => TransportError::unreachable(format!("cannot log in as {who}: the connection ended: {reason}{tried}")),
            Some(Ending {
                reason,
                by_server: true,
            }) => TransportError::authentication(format!(
                "cannot log in as {who}: {reason}. Tried:{tried}\nName the right key in `[remote] identity_file` \
                 and set `IdentitiesOnly yes` for the host in ~/.ssh/config, so that no other keys are offered."
            )),
            None => TransportError::authentication(format!(
                "cannot log in as {who}: the server takes {}, and nothing that was at hand would do:{tried}\n\
                 Add a public key to ~/.ssh/authorized_keys on the server (`ssh-copy-id {}`), or set `identity_file`, \
                 `passphrase_command` or `password_command` in `[remote]`.",
                self.methods(),
                self.target.alias
            )),
        }
    }

    fn methods(&self) -> String {
        let names: Vec<&str> = self
            .open_methods
            .iter()
            .flat_map(|open| open.iter().map(Into::into))
            .collect();
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    }
}

/// Does something on a thread of its own, and wipes its stack; `None` if that breaks down. Reading a key leaves copies of it
/// there.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, done) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("key".to_owned())
        .spawn(move || {
            let done = work();
            wipe_stack();
            answer.send(done).is_ok()
        })
        .ok()?;
    done.await.ok()
}

/// Writes over what calls before this one have left on the stack.
#[inline(never)]
fn wipe_stack() {
    std::hint::black_box([0_u8; 256 * 1024]);
}

async fn limited<T, E: std::fmt::Display>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs_f32())),
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
