//! An SSH server inside this process, for `modsyncd demo` and for tests: real SSH, one account, nothing to install.
//!
//! It serves loopback alone, takes one key that it makes itself, and runs commands as the user who started it, with a
//! home folder of its own. It is no server for the world.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Config, run_stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::shell::{Account, Connection};

/// How a [`DemoServer`] is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the keys are: `host_key`, the client's `id_ed25519`, and the `known_hosts` that names the server. Made if
    /// missing, taken as they are otherwise, so that a server can come back as the same host.
    pub keys: PathBuf,
    /// The account's home: commands start there, `HOME` is it and `XDG_STATE_HOME` is `.local/state` in it. Made if
    /// missing.
    pub home: PathBuf,
    /// The `PATH` of commands.
    pub path: OsString,
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
}

impl Options {
    /// Keys and home inside `folder`, this process's `PATH`, any free port.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            keys: folder.join("keys"),
            home: folder.join("home"),
            path: std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            port: 0,
        }
    }
}

/// A running server. Dropping it cuts every connection and kills every command that runs.
pub struct DemoServer {
    address: SocketAddr,
    host_key_line: String,
    keys: PathBuf,
    session: SessionSetup,
    runtime: Handle,
    /// Dropped to end the server.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What each connection is served with.
#[derive(Clone)]
struct SessionSetup {
    config: Arc<Config>,
    account: Arc<Account>,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoServerError {
    /// A folder, key file or socket.
    #[error("start the demo server: {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A key could not be made, read or written.
    #[error("start the demo server: key {}: {source}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// Why it failed.
        source: russh::keys::ssh_key::Error,
    },
}

impl DemoServer {
    /// Starts a server in a thread of its own, with a runtime of its own: callers need none, and may be in one. It
    /// listens when this returns.
    ///
    /// # Errors
    /// When a folder or key cannot be written, or the port is taken.
    pub fn start(options: Options) -> Result<Self, DemoServerError> {
        make_folder(&options.keys)?;
        make_folder(&options.home)?;
        let host_key = load_or_make_key(&options.keys.join("host_key"))?;
        let client_key = load_or_make_key(&options.keys.join("id_ed25519"))?;
        let listen = |source| DemoServerError::Io {
            action: "listen on",
            path: format!("127.0.0.1:{}", options.port).into(),
            source,
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(listen)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let host_key_line = known_hosts_line(address, &host_key, &options.keys.join("host_key"))?;
        let known_hosts = options.keys.join("known_hosts");
        std::fs::write(&known_hosts, format!("{host_key_line}\n")).map_err(|source| DemoServerError::Io {
            action: "write",
            path: known_hosts,
            source,
        })?;

        let session = SessionSetup {
            config: Arc::new(config(host_key)),
            account: Arc::new(Account {
                key: client_key.public_key().key_data().clone(),
                state: options.home.join(".local/state"),
                home: options.home,
                path: options.path,
            }),
        };
        let (stop, stopped) = oneshot::channel();
        let handle = runtime.handle().clone();
        let accepted = session.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, accepted) => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime here drops every connection with its tasks, and those kill their commands.
        });
        Ok(Self {
            address,
            host_key_line,
            keys: options.keys,
            session,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The server's line for a known_hosts file, without a line end.
    #[must_use]
    pub fn host_key_line(&self) -> &str {
        &self.host_key_line
    }

    /// A known_hosts file with this server alone.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.keys.join("known_hosts")
    }

    /// The private key that the server takes, in OpenSSH's format, without a passphrase. Any user name will do.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.keys.join("id_ed25519")
    }

    /// Serves one connection over any stream, such as one end of `tokio::io::duplex`: the seam for delays and faults.
    pub fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.runtime.spawn(serve(stream, self.session.clone()));
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic in it was reported there.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, session: SessionSetup) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "demo server: listen"),
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it a small answer waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, session.clone()));
            }
            // Out of descriptors, or a client that went away again: the next one may do better.
            Err(error) => {
                tracing::debug!(%error, "demo server: accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve<S>(stream: S, session: SessionSetup)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ended = match run_stream(session.config, stream, Connection::new(session.account)).await {
        Ok(running) => running.await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "demo server: a connection ended");
    }
}

fn config(host_key: PrivateKey) -> Config {
    Config {
        keys: vec![host_key],
        // The pauses are there against guessing; here they would only slow the client's first question down.
        auth_rejection_time: Duration::from_millis(10),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

fn make_folder(path: &Path) -> Result<(), DemoServerError> {
    std::fs::create_dir_all(path).map_err(|source| DemoServerError::Io {
        action: "make the folder",
        path: path.to_owned(),
        source,
    })
}

fn load_or_make_key(path: &Path) -> Result<PrivateKey, DemoServerError> {
    let damaged = |source| DemoServerError::Key {
        path: path.to_owned(),
        source,
    };
    if path.exists() {
        return PrivateKey::read_openssh_file(path).map_err(damaged);
    }
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(damaged)?;
    // Writes it readable by its owner alone, as ssh asks.
    key.write_openssh_file(path, LineEnding::LF).map_err(damaged)?;
    Ok(key)
}

fn known_hosts_line(address: SocketAddr, key: &PrivateKey, path: &Path) -> Result<String, DemoServerError> {
    let public = key.public_key().to_openssh().map_err(|source| DemoServerError::Key {
        path: path.to_owned(),
        source,
    })?;
    Ok(format!("[{}]:{} {}", address.ip(), address.port(), public.trim_end()))
}
