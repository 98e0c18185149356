//! The daemon as a process: log, lock, socket and signals around the loop.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::harden::harden;
use super::lock::Lock;
use super::log::Logging;
use super::{FatalError, Handle, Machine, Pairs, launch};
use crate::config::{self, Config, LoadOptions};
use crate::control::server;

/// Keeps a pair of databases in sync until SIGTERM or SIGINT. `options`: how the config was read, and is again, on SIGHUP.
///
/// # Errors
/// When the daemon cannot start, or cannot go on: see [`FatalError`].
pub async fn run<P: Pairs>(config: Config, options: LoadOptions, pairs: P) -> Result<(), FatalError> {
    let refused = harden();
    let _lock = Lock::take(&config.daemon.state_dir)?;
    let logging = Logging::init(&config.log, &super::log_dir(&config))?;
    tracing::info!(
        "modsyncd {} starts, process {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    for refusal in refused {
        tracing::warn!("{refusal}");
    }
    let mut signals = Signals::catch()?;
    let socket = config.daemon.socket.clone();
    let listener = server::bind(&socket).await?;
    let (handle, mut end) = launch(config, options.clone(), pairs, Machine).await?;

    let (ended, mut over) = watch::channel(false);
    let server = tokio::spawn(server::serve(listener, Arc::new(handle.clone()), async move {
        let _ = over.wait_for(|over| *over).await; // a sender that is gone means the same
    }));
    let result = loop {
        tokio::select! {
            end = &mut end => break end.unwrap_or(Err(FatalError::Worker)),
            _ = signals.terminate.recv() => handle.stop(),
            _ = signals.interrupt.recv() => handle.stop(),
            _ = signals.hang_up.recv() => reload(&handle, &logging, &options).await,
        }
    };
    // While somebody listens on it nobody takes its place: the file is ours.
    if let Err(cause) = std::fs::remove_file(&socket) {
        tracing::debug!("cannot remove {}: {cause}", socket.display());
    }
    ended.send_replace(true);
    let _ = server.await; // it ends by itself and has nothing to say
    if let Err(error) = &result {
        tracing::error!("{error}");
    }
    result
}

async fn reload(handle: &Handle, logging: &Logging, options: &LoadOptions) {
    let config = config::load(options)
        .map_err(|cause| cause.to_string())
        .and_then(|config| logging.set_level(&config.log.level).map(|()| config));
    handle.reload(config).await;
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn catch() -> Result<Self, FatalError> {
        let catch = |kind| signal(kind).map_err(FatalError::Signals);
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }
}
