//! The server's side: a connection of its own, one script for the facts, one session with the database.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use super::{database, facts, files};
use crate::config::ssh_config::SshTarget;
use crate::config::{Config, EngineChoice};
use crate::doctor::findings::{Opened, Server, Way};
use crate::model::Side;
use crate::ssh::known_hosts::{self, HostKey, KnownHosts, LookupName, Verdict};
use crate::ssh::{ConnectOptions, Connection, Link, SessionOptions, TransportErrorKind, scan_host_key};

/// Limit of each step of reaching the server, unless the config has a shorter one.
const STEP: Duration = Duration::from_millis(2500);

/// How long a second look at a host key that is not trusted may take.
const SECOND_LOOK: Duration = Duration::from_millis(1000);

/// How long is left for tidying up.
const TIDY: Duration = Duration::from_millis(300);

/// Logs in and looks around.
pub(in crate::doctor) async fn look(config: &Config, target: &SshTarget, until: Instant) -> Way {
    let target = SshTarget {
        connect_timeout: target.connect_timeout.min(STEP),
        ..target.clone()
    };
    let connection = match Connection::open(&target, &ConnectOptions::default()).await {
        Ok(connection) => Arc::new(connection),
        Err(error) if error.kind == TransportErrorKind::HostKey => {
            let shown = timeout(SECOND_LOOK, scan_host_key(&target, &ConnectOptions::default())).await;
            let shown = shown.ok().and_then(Result::ok);
            return Way::Barred(error, shown.and_then(|key| verdict(&target, &key)));
        }
        Err(error) => return Way::Barred(error, None),
    };
    let until = until.checked_sub(TIDY).unwrap_or(until);
    Way::In(Box::new(look_around(&connection, config, &target, until).await))
}

fn verdict(target: &SshTarget, key: &HostKey) -> Option<(LookupName, Verdict)> {
    let known = KnownHosts::parse(&known_hosts::read(&target.known_hosts).ok()?);
    let name = LookupName::new(&target.host, target.port, target.host_key_alias.as_deref());
    let verdict = known.verify(&name, key);
    Some((name, verdict))
}

async fn look_around(connection: &Arc<Connection>, config: &Config, target: &SshTarget, until: Instant) -> Server {
    let path = &config.remote.database;
    let asked = Timestamp::now();
    if config.remote.engine == EngineChoice::Sftp {
        return Server {
            asked: [asked, Timestamp::now()],
            facts: Some(None),
            session: None,
            files: Some(timeout_at(until, files::look(&**connection, path)).await.ok()),
        };
    }
    let ask = async {
        let said = timeout_at(until, facts::ask(&**connection, path, &target.host))
            .await
            .ok();
        (said.map(|said| said.ok().flatten()), Timestamp::now())
    };
    let open = timeout_at(until, open(connection, config, until));
    let ((facts, answered), session) = tokio::join!(ask, open);
    Server {
        asked: [asked, answered],
        facts,
        session: session.ok(),
        files: None,
    }
}

/// Opens a session of its own beside the daemon's. What the launch script makes for it is taken away again.
async fn open(connection: &Arc<Connection>, config: &Config, until: Instant) -> Opened {
    let options = SessionOptions {
        busy_timeout: database::BUSY,
        ..SessionOptions::new(
            &config.remote.database,
            config.remote.engine,
            format!("doctor-{}.db", std::process::id()),
        )
    };
    let (session, hello) = connection.open_session(&options).await?;
    let seen = database::look(session, Side::Server, until).await;
    let sidecar = crate::cycle::advice::word(&hello.sidecar);
    if let Ok(removal) = connection.exec(&format!("rm -f -- {sidecar}")).await {
        let mut end = removal.stdout;
        let _ = timeout(TIDY, tokio::io::copy(&mut end, &mut tokio::io::sink())).await; // it is empty, and in nobody's way
    }
    Ok((hello, seen))
}
