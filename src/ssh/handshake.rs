//! The key exchange with one host, and the check of its host key.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle};
use russh::keys::{Algorithm, PublicKeyOrCertificate};
use russh::{Preferred, compression};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::ConnectOptions;
use super::fault::{said, within};
use super::host_check::HostCheck;
use super::known_hosts::HostKey;
use super::{Traffic, TransportError};
use crate::config::ssh_config::SshTarget;

/// Keepalives that may stay unanswered; the next one that is due ends the connection.
const KEEPALIVES_UNANSWERED: usize = 2;

/// An SSH session with one host, its host key checked and nobody logged in yet.
pub(super) struct Greeted {
    pub(super) handle: Handle<Client>,
    pub(super) farewell: Farewell,
}

/// Why the session ended, once it has.
#[derive(Clone, Default)]
pub(super) struct Farewell(Arc<Mutex<Option<Ending>>>);

/// The end of a session.
#[derive(Clone)]
pub(super) struct Ending {
    /// For people.
    pub(super) reason: String,
    /// Whether the server meant it, in contrast to a line that broke.
    pub(super) by_server: bool,
}

impl Farewell {
    pub(super) fn ending(&self) -> Option<Ending> {
        self.lock().clone()
    }

    fn set(&self, reason: String, by_server: bool) {
        self.lock().get_or_insert(Ending { reason, by_server });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is done with the host key that the server shows.
enum Purpose {
    /// Go on only if it is trusted.
    Connect(Box<HostCheck>),
    /// Keep it and end the connection.
    Look(Arc<Mutex<Option<HostKey>>>),
}

/// What russh calls back.
pub(super) struct Client {
    purpose: Purpose,
    farewell: Farewell,
}

/// Why a handshake ended early.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The host key is not trusted.
    Refused(TransportError),
    /// The protocol failed.
    Protocol(russh::Error),
}

impl From<russh::Error> for HandshakeError {
    fn from(error: russh::Error) -> Self {
        Self::Protocol(error)
    }
}

impl client::Handler for Client {
    type Error = HandshakeError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, HandshakeError> {
        match &self.purpose {
            Purpose::Connect(check) => check.accept(shown).map(|()| true).map_err(HandshakeError::Refused),
            Purpose::Look(seen) => {
                let key = HostKey::from(shown.public_key().key_data());
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
                Ok(false)
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<HandshakeError>) -> Result<(), HandshakeError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.farewell
                    .set(format!("the server said {}", said(&info.message)), true);
            }
            DisconnectReason::Error(HandshakeError::Protocol(error)) => {
                self.farewell
                    .set(error.to_string(), matches!(error, russh::Error::NoAuthMethod));
            }
            DisconnectReason::Error(HandshakeError::Refused(error)) => self.farewell.set(error.message, false),
        }
        Ok(())
    }
}

/// Exchanges keys with `target` over `stream` and stops unless its host key is trusted.
pub(super) async fn greet<S>(
    stream: S,
    target: &SshTarget,
    options: &ConnectOptions,
    traffic: &Traffic,
) -> Result<Greeted, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let check = HostCheck::load(target)?;
    let config = Arc::new(settings(
        options,
        check.preferred_algorithms(),
        check.certificate_algorithms(),
    ));
    let farewell = Farewell::default();
    let client = Client {
        purpose: Purpose::Connect(Box::new(check)),
        farewell: farewell.clone(),
    };
    // The algorithms and greetings of both sides, then the keys.
    traffic.add_round_trip();
    traffic.add_round_trip();
    let handle = exchange(stream, target, config, client).await?;
    Ok(Greeted { handle, farewell })
}

/// Exchanges keys with `target` over `stream` only to see its host key.
pub(super) async fn look<S>(stream: S, target: &SshTarget, options: &ConnectOptions) -> Result<HostKey, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seen = Arc::new(Mutex::new(None));
    let config = Arc::new(settings(options, Preferred::DEFAULT.key.into_owned(), Vec::new()));
    let client = Client {
        purpose: Purpose::Look(Arc::clone(&seen)),
        farewell: Farewell::default(),
    };
    let ended = exchange(stream, target, config, client).await;
    let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (key, ended) {
        (Some(key), _) => Ok(key),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(TransportError::unreachable(format!(
            "{} showed no host key",
            at(target)
        ))),
    }
}

async fn exchange<S>(
    stream: S,
    target: &SshTarget,
    config: Arc<client::Config>,
    client: Client,
) -> Result<Handle<Client>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let step = format!("exchange keys with {}", at(target));
    within(target.connect_timeout, &step, async {
        client::connect_stream(config, stream, client)
            .await
            .map_err(|error| match error {
                HandshakeError::Refused(refused) => refused,
                HandshakeError::Protocol(error) => explain(&step, &error),
            })
    })
    .await
}

/// `host:port`, for messages.
pub(super) fn at(target: &SshTarget) -> String {
    format!("{}:{}", target.host, target.port)
}

fn explain(step: &str, error: &russh::Error) -> TransportError {
    let message = format!("cannot {step}: {error}");
    match error {
        russh::Error::NoCommonAlgo { .. } => TransportError::setup(format!("{message}; update the server's OpenSSH")),
        russh::Error::Version => {
            TransportError::setup(format!("{message}; is it really an SSH server that listens there?"))
        }
        _ => TransportError::unreachable(message),
    }
}

fn settings(options: &ConnectOptions, keys: Vec<Algorithm>, certificates: Vec<Algorithm>) -> client::Config {
    let compression: &'static [compression::Name] = if options.compression {
        &[compression::ZLIB_LEGACY, compression::ZLIB, compression::NONE]
    } else {
        &[compression::NONE]
    };
    client::Config {
        keepalive_interval: Some(options.keepalive),
        keepalive_max: KEEPALIVES_UNANSWERED,
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(keys),
            host_key_certificates: Cow::Owned(certificates),
            compression: Cow::Borrowed(compression),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// How long a line may take no byte before it counts as dead: as long as unanswered keepalives are waited for.
pub(super) fn stall_limit(options: &ConnectOptions) -> Duration {
    options
        .keepalive
        .saturating_mul(u32::try_from(KEEPALIVES_UNANSWERED + 1).unwrap_or(u32::MAX))
}
