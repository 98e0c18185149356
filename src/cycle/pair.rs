//! Both databases, and the way to the far one: opened when needed, dropped when broken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::history::History;
use super::layout::Layout;
use super::reach::{OverSsh, Reach};
use super::{CycleError, first};
use crate::config::{self, Config};
use crate::control::types::{Phase, PhaseEvent, SideCounts, SyncRequest};
use crate::merge::Zones;
use crate::model::{Schema, Side, Skipped};
use crate::random;
use crate::replica::{self, BaseTable, Head, Replica, Sql, SqlError};
use crate::ssh::{DatabaseState, Hello, Link, SessionError, SessionOptions, Traffic};

/// How long a statement waits for another program's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The laptop's base, in the state folder.
const BASE: &str = "base.db";

/// The laptop's database, the server's, and what was done between them.
pub struct Pair {
    pub(super) config: Config,
    reach: Box<dyn Reach>,
    pub(super) history: History,
    /// Names this laptop's sidecar on the server.
    client: String,
    pub(super) local: Option<Replica>,
    pub(super) server: Option<Server>,
    pub(super) layout: Layout,
    /// What the server held when the last cycle had pushed.
    pub(super) counted: Option<SideCounts>,
    /// The time of a backup whose name was another laptop's already.
    pub(super) name_taken: Option<Timestamp>,
}

/// An open session with the server's database.
pub(super) struct Server {
    pub link: Arc<dyn Link>,
    pub replica: Replica,
    pub hello: Hello,
}

impl Pair {
    /// Opens the state folder. Neither database is touched yet.
    ///
    /// # Errors
    /// When the state folder cannot be made or its files cannot be opened.
    pub async fn open(config: Config) -> Result<Self, CycleError> {
        Self::reached_by(config, Box::new(OverSsh)).await
    }

    /// As [`Pair::open`], with another way to the two databases.
    ///
    /// # Errors
    /// As there.
    pub async fn reached_by(config: Config, reach: Box<dyn Reach>) -> Result<Self, CycleError> {
        let folder = &config.daemon.state_dir;
        private_folder(folder)
            .map_err(|error| CycleError::failed(format!("make the state folder {}: {error}", folder.display())))?;
        let history = folder.join("history.db");
        private_file(&history)?;
        let history = History::open(&history)?;
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
            reach,
            history,
            client,
            local: None,
            server: None,
            layout: Layout::default(),
            counted: None,
            name_taken: None,
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
        self.server.as_ref().map(|server| server.link.traffic())
    }

    /// Opens whatever of the two sides is not open.
    pub(super) async fn connect(&mut self, progress: &super::Progress<'_>) -> Result<(), CycleError> {
        if self.server.as_ref().is_some_and(|server| server.link.is_closed()) {
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
        if local_missing {
            self.must_be_first("laptop's", &self.config.local.database.to_string_lossy())?;
        }
        let (link, session, hello) = self.open_session(local_missing, progress).await?;
        if local_missing && !self.config.local.database.exists() {
            first::fetch(&self.config, &*link, session, &hello, progress).await?;
            return Box::pin(self.connect(progress)).await;
        }
        let identity = hello.file.map(|file| file.inode.to_string()).unwrap_or_default();
        let opened = Replica::open(session, Side::Server, &hello.sidecar, &identity).await;
        let (server, server_schema) = opened.map_err(|error| CycleError::of_sql(Side::Server, error))?;
        let local_schema = self.open_local().await?;
        self.server = Some(Server {
            link,
            replica: server,
            hello,
        });
        self.lay_out(&local_schema, &server_schema).await
    }

    async fn open_session(
        &mut self,
        local_missing: bool,
        progress: &super::Progress<'_>,
    ) -> Result<(Arc<dyn Link>, Box<dyn Sql>, Hello), CycleError> {
        let link = self.reach.dial(&self.config).await?;
        let options = SessionOptions {
            busy_timeout: BUSY,
            ..SessionOptions::new(
                &self.config.remote.database,
                self.config.remote.engine,
                format!("{}.db", self.client),
            )
        };
        let error = match link.open_session(&options).await {
            Ok((session, hello)) => return Ok((link, session, hello)),
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
        self.must_be_first("server's", &hello.database)?;
        first::send(&self.config, &*link, &hello, progress).await?;
        let (session, hello) = link.open_session(&options).await?;
        Ok((link, session, hello))
    }

    /// A database that is missing is made from the other one, but only where the two never met: one that was there and
    /// is gone may be on a disk that is not mounted.
    fn must_be_first(&self, whose: &str, path: &str) -> Result<(), CycleError> {
        let base = self.base_file();
        let synced = replica::generation_of(&base).is_some_and(|number| number > 0);
        if !synced {
            return Ok(());
        }
        Err(CycleError::attention(
            format!("open the {whose} database {path}: it was there at the last sync and is gone"),
            format!(
                "put it back, from a backup if need be; to have it made anew from the other side, remove {}",
                base.display()
            ),
        ))
    }

    /// The laptop's base.
    fn base_file(&self) -> PathBuf {
        self.config.daemon.state_dir.join(BASE)
    }

    /// Opens the laptop's database if it is not open; its schema is read anew in any case.
    async fn open_local(&mut self) -> Result<Schema, CycleError> {
        let fail = |error: SqlError| CycleError::of_sql(Side::Local, error);
        if let Some(local) = &mut self.local {
            return local.schema().await.map_err(fail);
        }
        let path = &self.config.local.database;
        let sql = self.reach.open_local(path).await.map_err(fail)?;
        let sidecar = self.base_file();
        private_file(&sidecar)?;
        let (local, schema) = Replica::open(sql, Side::Local, &sidecar.to_string_lossy(), &inode(path))
            .await
            .map_err(fail)?;
        self.local = Some(local);
        Ok(schema)
    }

    /// The laptop's replica, opened without the server if need be: then with all its tables, until the server's schema
    /// says which of them are synced.
    pub(super) async fn local_alone(&mut self) -> Result<&mut Replica, CycleError> {
        if self.local.is_none() {
            let schema = self.open_local().await?;
            self.layout = self.layout_of(&schema, &schema);
            let tables = self.layout.local.clone();
            let local = self.local.as_mut().ok_or_else(closed_meanwhile)?;
            local.count_these(tables);
        }
        self.local.as_mut().ok_or_else(closed_meanwhile)
    }

    fn layout_of(&self, local: &Schema, server: &Schema) -> Layout {
        Layout::new(local, server, |table| config::rules_for(table, &self.config.tables))
    }

    async fn lay_out(&mut self, local: &Schema, server: &Schema) -> Result<(), CycleError> {
        let known = self.must_have_kept_its_tables([local, server]).await?;
        self.layout = self.layout_of(local, server);
        self.layout.held = self.held_tables(&known);
        if self.layout.local.is_empty() {
            return Err(CycleError::attention(
                "compare the schemas: the two databases have no table in common that can be synced",
                "check that both paths name the databases that belong together",
            ));
        }
        let (ours, theirs) = (self.layout.local.clone(), self.layout.server.clone());
        let (local, server) = self.both()?;
        let (ours, theirs) = tokio::join!(local.prepare(ours), server.replica.prepare(theirs));
        ours.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        theirs.map_err(|error| CycleError::of_sql(Side::Server, error))
    }

    /// A table that the base knows and one side lacks was dropped there, or the file is another one: a cycle that left
    /// it out would look as if all were well.
    async fn must_have_kept_its_tables(&mut self, schemas: [&Schema; 2]) -> Result<Vec<BaseTable>, CycleError> {
        let (local, _) = self.both()?;
        let known = local
            .base_tables()
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        for BaseTable { name, .. } in &known {
            let [on_laptop, on_server] = schemas.map(|schema| schema.has(name));
            let side = match (on_laptop, on_server) {
                (false, true) => Side::Local,
                (true, false) => Side::Server,
                _ => continue,
            };
            if self.is_left_out_by_config(name) {
                continue;
            }
            return Err(CycleError::attention(
                format!("table \"{name}\" was synced before and is gone from the {side} database; nothing was written"),
                format!(
                    "put it back; or drop it on the other side too; or leave it out with [[table]] name = \"{name}\", sync = false"
                ),
            ));
        }
        Ok(known)
    }

    /// Tables that were synced before and cannot be as they are now, with the reason.
    fn held_tables(&self, known: &[BaseTable]) -> Vec<Skipped> {
        let was_synced = |table: &&Skipped| known.iter().any(|copy| copy.name.eq_ignore_ascii_case(&table.name));
        let held = self.layout.left_out.iter().filter(was_synced);
        held.filter(|table| !self.is_left_out_by_config(&table.name))
            .cloned()
            .collect()
    }

    fn is_left_out_by_config(&self, name: &str) -> bool {
        let mut tables = self.config.tables.iter();
        tables.any(|table| !table.sync && table.name.eq_ignore_ascii_case(name))
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
    pub(super) fn both(&mut self) -> Result<(&mut Replica, &mut Server), CycleError> {
        match (&mut self.local, &mut self.server) {
            (Some(local), Some(server)) => Ok((local, server)),
            _ => Err(closed_meanwhile()),
        }
    }

    /// Takes note that a cycle has dealt with all changes up to these heads, the laptop's and the server's. One that went
    /// one way only has not: what it left is a change still.
    pub(super) fn acknowledge_unless_limited(&mut self, request: &SyncRequest, [local, server]: &[Head; 2]) {
        if request.pull_only || request.skip_pull {
            return;
        }
        if let Ok((ours, theirs)) = self.both() {
            ours.acknowledge(local);
            theirs.replica.acknowledge(server);
        }
    }

    /// After an error no one knows what state a session is in, and a cycle may hold the laptop's write lock: both are
    /// opened anew. Only where the server was not even reached can the laptop's go on.
    pub(super) fn close(&mut self) {
        let reached = self.server.take().is_some();
        if reached || self.local.as_ref().is_some_and(|local| !local.is_open()) {
            self.local = None;
        }
    }

    /// Opens both sides anew: what is open is not, or may not be, what the paths name.
    pub(super) async fn reopen(&mut self, progress: &super::Progress<'_>) -> Result<(), CycleError> {
        self.server = None;
        self.local = None;
        self.connect(progress).await
    }
}

fn closed_meanwhile() -> CycleError {
    CycleError::failed("use the databases: the connection was closed meanwhile")
}

/// The inode tells a file that was replaced from one that was changed. The device's number may change with a reboot.
fn inode(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path)
        .map(|metadata| metadata.ino().to_string())
        .unwrap_or_default()
}

fn private_folder(folder: &PathBuf) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// An empty file is an empty database. SQLite would make one that everybody may read; what it makes beside it takes over
/// its permissions. One that is there is not even opened: closing it again would drop SQLite's locks on it.
fn private_file(path: &Path) -> Result<(), CycleError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(CycleError::failed(format!("make the file {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// A name that no file here has yet.
pub(super) fn random_name() -> Result<String, CycleError> {
    random::name().map_err(|error| CycleError::failed(format!("read random bytes from /dev/urandom: {error}")))
}
