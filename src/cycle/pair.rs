//! Both databases, and the way to the far one: opened when needed, dropped when broken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::history::History;
use super::layout::Layout;
use super::{CycleError, first};
use crate::config::{self, Config};
use crate::control::types::{Phase, PhaseEvent, SideCounts};
use crate::merge::Zones;
use crate::model::{Schema, Side, to_hex};
use crate::replica::sqlite::OpenMode;
use crate::replica::{Head, LocalSql, Replica, SqlError};
use crate::ssh::{
    ConnectOptions, Connection, DatabaseState, Hello, Session, SessionError, SessionOptions, Traffic, Transport as _,
};

/// How long a statement waits for another program's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The laptop's database, the server's, and what was done between them.
pub struct Pair {
    pub(super) config: Config,
    pub(super) history: History,
    /// Names this laptop's sidecar on the server.
    client: String,
    pub(super) local: Option<Replica<LocalSql>>,
    pub(super) server: Option<Server>,
    pub(super) layout: Layout,
    /// What the server held when the last cycle had pushed.
    pub(super) counted: Option<SideCounts>,
}

/// An open session with the server's database.
pub(super) struct Server {
    pub connection: Arc<Connection>,
    pub replica: Replica<Session>,
    pub hello: Hello,
}

impl Pair {
    /// Opens the state folder. Neither database is touched yet.
    ///
    /// # Errors
    /// When the state folder cannot be made or its files cannot be opened.
    pub async fn open(config: Config) -> Result<Self, CycleError> {
        let folder = &config.daemon.state_dir;
        private_folder(folder)
            .map_err(|error| CycleError::failed(format!("make the state folder {}: {error}", folder.display())))?;
        let history = History::open(&folder.join("history.db"))?;
        let client = match history.fact("client").await? {
            Some(client) => client,
            None => {
                let client = random_name()?;
                history.keep_fact("client", client.clone()).await?;
                client
            }
        };
        Ok(Self {
            config,
            history,
            client,
            local: None,
            server: None,
            layout: Layout::default(),
            counted: None,
        })
    }

    /// The record of past cycles.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn zones(&self) -> Zones {
        Zones {
            local: self.config.local.timezone.clone(),
            server: self.config.remote.timezone.clone(),
        }
    }

    /// The counters of the open connection.
    pub(super) fn traffic(&self) -> Option<Arc<Traffic>> {
        self.server.as_ref().map(|server| server.connection.traffic())
    }

    /// Opens whatever of the two sides is not open.
    pub(super) async fn connect(&mut self, progress: &super::Progress<'_>) -> Result<(), CycleError> {
        if self.server.as_ref().is_some_and(|server| server.connection.is_closed()) {
            self.server = None;
        }
        if self.local.is_some() && self.server.is_some() {
            return Ok(());
        }
        progress(PhaseEvent {
            phase: Phase::Connect,
            done: None,
            total: None,
        });
        let local_missing = !self.config.local.database.exists();
        let (connection, session, hello) = self.open_session(local_missing, progress).await?;
        if local_missing && !self.config.local.database.exists() {
            first::fetch(&self.config, &connection, session, &hello, progress).await?;
            return Box::pin(self.connect(progress)).await;
        }
        let identity = hello.file.map(|file| file.inode.to_string()).unwrap_or_default();
        let opened = Replica::open(session, Side::Server, &hello.sidecar, &identity).await;
        let (server, server_schema) = opened.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let local_schema = self.open_local().await?;
        self.server = Some(Server {
            connection,
            replica: server,
            hello,
        });
        self.lay_out(&local_schema, &server_schema).await
    }

    async fn open_session(
        &mut self,
        local_missing: bool,
        progress: &super::Progress<'_>,
    ) -> Result<(Arc<Connection>, Session, Hello), CycleError> {
        let connection = Arc::new(dial(&self.config).await?);
        let options = SessionOptions {
            busy_timeout: BUSY,
            ..SessionOptions::new(
                &self.config.remote.database,
                self.config.remote.engine,
                format!("{}.db", self.client),
            )
        };
        let error = match Session::open(&*connection, &options).await {
            Ok((session, hello)) => return Ok((connection, session, hello)),
            Err(error) => error,
        };
        let (hello, message) = match error {
            SessionError::NoDatabase { hello, message } if hello.state == DatabaseState::Missing => (hello, message),
            error => return Err(error.into()),
        };
        if local_missing {
            return Err(CycleError::attention(
                format!(
                    "neither {} nor the server's database is there: {message}",
                    self.config.local.database.display()
                ),
                "check both paths in the config; one of the two databases must exist",
            ));
        }
        first::send(&self.config, &connection, &hello, progress).await?;
        let (session, hello) = Session::open(&*connection, &options).await?;
        Ok((connection, session, hello))
    }

    /// Opens the laptop's database if it is not open; its schema is read anew in any case.
    async fn open_local(&mut self) -> Result<Schema, CycleError> {
        let fail = |error: SqlError| CycleError::of_sql(Side::Local, error);
        if let Some(local) = &mut self.local {
            return local.schema().await.map_err(fail);
        }
        let path = &self.config.local.database;
        let sql = LocalSql::open(path, OpenMode::ReadWrite, BUSY).await.map_err(fail)?;
        let sidecar = self.config.daemon.state_dir.join("base.db");
        let (local, schema) = Replica::open(sql, Side::Local, &sidecar.to_string_lossy(), &inode(path))
            .await
            .map_err(fail)?;
        self.local = Some(local);
        Ok(schema)
    }

    async fn lay_out(&mut self, local: &Schema, server: &Schema) -> Result<(), CycleError> {
        let declared = &self.config.tables;
        self.layout = Layout::new(local, server, |table| config::rules_for(table, declared));
        let (ours, theirs) = (self.layout.local.clone(), self.layout.server.clone());
        let (local, server) = self.both()?;
        let (ours, theirs) = tokio::join!(local.prepare(ours), server.replica.prepare(theirs));
        ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        theirs.map_err(|error| CycleError::of_sql(Side::Server, error))
    }

    /// Reads both schemas anew, after one of them changed.
    pub(super) async fn lay_out_again(&mut self) -> Result<(), CycleError> {
        let local_schema = self.open_local().await?;
        let (_, server) = self.both()?;
        let server_schema = server
            .replica
            .schema()
            .await
            .map_err(|error| CycleError::of_sql(Side::Server, error))?;
        self.lay_out(&local_schema, &server_schema).await
    }

    /// Both replicas, when both are open.
    pub(super) fn both(&mut self) -> Result<(&mut Replica<LocalSql>, &mut Server), CycleError> {
        match (&mut self.local, &mut self.server) {
            (Some(local), Some(server)) => Ok((local, server)),
            _ => Err(CycleError::failed(
                "use the databases: the connection was closed meanwhile",
            )),
        }
    }

    /// Takes note that a cycle has dealt with all changes up to these heads, the laptop's and the server's.
    pub(super) fn acknowledge(&mut self, [local, server]: &[Head; 2]) {
        if let Ok((ours, theirs)) = self.both() {
            ours.acknowledge(local);
            theirs.replica.acknowledge(server);
        }
    }

    /// After an error no one knows what state a session is in: both are opened anew.
    pub(super) fn close(&mut self) {
        self.server = None;
        self.local = None;
    }
}

async fn dial(config: &Config) -> Result<Connection, CycleError> {
    let environment = config::Environment::of_process();
    let user = environment.get("USER").unwrap_or("root").to_owned();
    let target = config::ssh_config::resolve(&config.remote, environment.home(), &user)
        .map_err(|error| CycleError::attention(error.to_string(), "run `modsyncd check-config`"))?;
    Ok(Connection::open(&target, &ConnectOptions::default()).await?)
}

/// The inode tells a file that was replaced from one that was changed. The device's number may change with a reboot.
fn inode(path: &std::path::Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path)
        .map(|metadata| metadata.ino().to_string())
        .unwrap_or_default()
}

fn private_folder(folder: &PathBuf) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// 128 random bits in hexadecimal digits.
pub(super) fn random_name() -> Result<String, CycleError> {
    use std::io::Read as _;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| CycleError::failed(format!("read random bytes from /dev/urandom: {error}")))?;
    Ok(to_hex(&bytes))
}
