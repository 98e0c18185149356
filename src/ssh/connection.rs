//! An SSH connection to the server, through any number of jump hosts, that stays open.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{Channel, ChannelOpenFailure, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};

use super::fault::within;
use super::handshake::{self, Client, Ending, Farewell, Greeted, at, stall_limit};
use super::known_hosts::HostKey;
use super::line::Line;
use super::{Process, Traffic, Transport, TransportError, auth, process};
use crate::config::ssh_config::SshTarget;

/// How connections are kept.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Whether to compress, if the server can.
    pub compression: bool,
    /// Silence after which the server is asked for a sign of life. Three of these without one, and the line is dead.
    pub keepalive: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            compression: true,
            keepalive: Duration::from_secs(10),
        }
    }
}

/// A connection with a user logged in.
///
/// Programs that run on it keep it open after it is dropped, until they end; [`Connection::close`] ends them all.
/// They share its buffers: a program whose standard output is not read holds up the others after a few megabytes.
pub struct Connection {
    handle: Handle<Client>,
    farewell: Farewell,
    /// The connections to the jump hosts that this one runs through, the outermost first.
    jumps: Vec<Handle<Client>>,
    traffic: Arc<Traffic>,
    server: String,
    limit: Duration,
}

/// A stream on which SSH can be spoken: the network, or a tunnel through a jump host.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// A stream that reaches the server, and the jump hosts behind it.
struct Reached {
    wire: Box<dyn Wire>,
    jumps: Vec<Handle<Client>>,
}

impl Connection {
    /// Connects to a server, checks its host key and logs in; the same for each jump host before it.
    ///
    /// # Errors
    /// With the host, the step that failed, the cause and what to do. Each step has the target's `connect_timeout`.
    pub async fn open(target: &SshTarget, options: &ConnectOptions) -> Result<Self, TransportError> {
        let traffic = Arc::new(Traffic::default());
        Self::log_in(dial(target, &traffic).await?, target, options, traffic).await
    }

    /// The same over a stream that already reaches the first host: the first jump host if there are any.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn over<S>(stream: S, target: &SshTarget, options: &ConnectOptions) -> Result<Self, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::log_in(stream, target, options, Arc::default()).await
    }

    async fn log_in<S>(
        stream: S,
        target: &SshTarget,
        options: &ConnectOptions,
        traffic: Arc<Traffic>,
    ) -> Result<Self, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let reached = reach(stream, target, options, &traffic).await?;
        let Greeted { handle, farewell } = log_in(reached.wire, target, options, &traffic).await?;
        Ok(Self {
            handle,
            farewell,
            jumps: reached.jumps,
            traffic,
            server: at(target),
            limit: target.connect_timeout,
        })
    }

    /// Whether the connection is known to have ended. A line that died silently is noticed after three keepalives.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Ends the connection and every program on it.
    pub async fn close(self) {
        for handle in [&self.handle].into_iter().chain(self.jumps.iter().rev()) {
            // Fails only where the connection has ended by itself.
            let _ = handle.disconnect(Disconnect::ByApplication, "", "en").await;
        }
    }

    /// Opens a session channel.
    pub(super) async fn channel(&self) -> Result<Channel<Msg>, TransportError> {
        let step = format!("open a channel to {}", self.server);
        self.traffic.add_round_trip();
        within(self.limit, &step, async {
            self.handle
                .channel_open_session()
                .await
                .map_err(|error| self.lost(&step, &error))
        })
        .await
    }

    /// `host:port`, for messages.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The limit of one step.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// An error that carries why the connection ended, if that is known.
    pub(super) fn lost(&self, step: &str, error: &russh::Error) -> TransportError {
        match self.farewell.ending() {
            Some(Ending { reason, .. }) => {
                TransportError::unreachable(format!("cannot {step}: the connection ended: {reason}"))
            }
            None => TransportError::unreachable(format!("cannot {step}: {error}")),
        }
    }
}

impl Transport for Connection {
    /// The request is sent without waiting for its answer, which saves a round trip: a server that refuses it makes
    /// the first read of standard output fail.
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let channel = self.channel().await?;
        let requested = channel.exec(true, command).await;
        requested.map_err(|error| self.lost(&format!("run a command on {}", self.server), &error))?;
        Ok(process::attach(channel, self.farewell.clone()))
    }

    fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}

/// Asks a server for its host key and trusts nothing about it. Jump hosts before it are checked and logged in to.
///
/// # Errors
/// When the server cannot be reached or does not speak SSH.
pub async fn scan_host_key(target: &SshTarget, options: &ConnectOptions) -> Result<HostKey, TransportError> {
    let traffic = Arc::new(Traffic::default());
    let reached = reach(dial(target, &traffic).await?, target, options, &traffic).await?;
    handshake::look(reached.wire, target, options).await
}

/// Connects to the first host on the way to `target`, trying each of its addresses.
async fn dial(target: &SshTarget, traffic: &Traffic) -> Result<TcpStream, TransportError> {
    let first = target.jumps.first().unwrap_or(target);
    let step = format!("connect to {}", at(first));
    traffic.add_round_trip();
    within(first.connect_timeout, &step, async {
        let failed = |error| TransportError::unreachable(format!("cannot {step}: {error}; will be tried again"));
        let addresses: Vec<_> = lookup_host((first.host.as_str(), first.port))
            .await
            .map_err(failed)?
            .collect();
        // One address that swallows packets must not use up the time of those after it.
        let share = first.connect_timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => {
                    last = std::io::Error::new(std::io::ErrorKind::TimedOut, format!("{address} does not answer"));
                }
            }
        }
        Err(failed(last))
    })
    .await
}

/// Goes through the jump hosts to a stream that ends at `target`.
async fn reach<S>(
    stream: S,
    target: &SshTarget,
    options: &ConnectOptions,
    traffic: &Arc<Traffic>,
) -> Result<Reached, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut wire: Box<dyn Wire> = Box::new(Line::new(stream, Arc::clone(traffic), stall_limit(options)));
    let mut jumps = Vec::with_capacity(target.jumps.len());
    for (jump, next) in target.jumps.iter().zip(target.jumps.iter().skip(1).chain([target])) {
        let Greeted { handle, .. } = log_in(wire, jump, options, traffic).await?;
        wire = tunnel(&handle, jump, next).await?;
        jumps.push(handle);
    }
    Ok(Reached { wire, jumps })
}

async fn log_in(
    wire: Box<dyn Wire>,
    target: &SshTarget,
    options: &ConnectOptions,
    traffic: &Traffic,
) -> Result<Greeted, TransportError> {
    let mut greeted = handshake::greet(wire, target, options, traffic).await?;
    auth::log_in(&mut greeted, target, traffic).await?;
    Ok(greeted)
}

/// A stream through a jump host to the next host.
async fn tunnel(handle: &Handle<Client>, jump: &SshTarget, next: &SshTarget) -> Result<Box<dyn Wire>, TransportError> {
    let step = format!("go from the jump host {} to {}", at(jump), at(next));
    within(next.connect_timeout, &step, async {
        let opened = handle
            .channel_open_direct_tcpip(next.host.as_str(), next.port.into(), "127.0.0.1", 0)
            .await;
        let channel = opened.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited) => TransportError::setup(
                format!("cannot {step}: the jump host forbids it; its sshd_config needs `AllowTcpForwarding yes`"),
            ),
            error => TransportError::unreachable(format!("cannot {step}: {error}; will be tried again")),
        })?;
        Ok(Box::new(channel.into_stream()) as Box<dyn Wire>)
    })
    .await
}
