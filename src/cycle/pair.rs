//! Both databases, and the way to the far one: opened when needed, dropped when broken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::health::Health;
use super::history::History;
use super::layout::Layout;
use super::reach::{OverSsh, Reach};
use super::schema::{Change, Drift};
use super::{CycleError, client, first, history};
use crate::config::{Config, EngineChoice};
use crate::control::types::{MovedRows, Phase, PhaseEvent, SideCounts, SyncRequest};
use crate::merge::Zones;
use crate::model::{Schema, Side};
use crate::random;
use crate::replica::{Head, Replica, Sql};
use crate::ssh::{DatabaseState, Hello, Link, SessionError, SessionOptions, Traffic};

/// How long a statement waits for another program's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The laptop's base, in the state folder.
const BASE: &str = "base.db";
/// The folder with copies of the server's files, where the engine works on such, in the state folder.
const SERVER: &str = "server";

/// The laptop's database, the server's, and what was done between them.
pub struct Pair {
    pub(super) config: Config,
    pub(super) reach: Box<dyn Reach>,
    pub(super) history: History,
    /// Names this laptop's sidecar on the server.
    client: String,
    pub(super) local: Option<Replica>,
    pub(super) server: Option<Server>,
    pub(super) layout: Layout,
    /// What became of the two schemas.
    pub(super) drift: Drift,
    /// Additions to a schema that a side's SQLite refused, with its words.
    pub(super) refused: Vec<(Change, String)>,
    /// Whether additions are made one by one, to find the one that is refused.
    pub(super) one_by_one: bool,
    /// Additions that were made and stand in no cycle's record yet.
    pub(super) carried: Vec<Change>,
    /// The backup that this cycle has taken.
    pub(super) backed_up: Option<String>,
    /// The backup that is being restored: it stays, whatever the rule says.
    pub(super) restored_from: Option<Timestamp>,
    /// What the server held when the last cycle had pushed.
    pub(super) counted: Option<SideCounts>,
    /// The rows that the last cycle moved.
    pub(super) moved: MovedRows,
    /// Whether another laptop had given a backup the name that ours was to get.
    pub(super) name_taken: bool,
    pub(super) health: Health,
    /// What the record of the next cycle has to tell besides.
    pub(super) notes: Vec<String>,
    /// The file that is attached as the laptop's base.
    base_inode: String,
    /// When the record was last looked through for what may be forgotten.
    pub(super) tidied: Option<Instant>,
    /// Whether what is open was opened by a look after a failure: a cycle opens it anew. What failed may have been
    /// put right since, and SQLite goes on without the rights that it did not find when it opened.
    after_failure: bool,
}

/// An open session with the server's database.
pub(super) struct Server {
    pub link: Arc<dyn Link>,
    pub replica: Replica,
    pub hello: Hello,
    /// What goes on behind a backup.
    pub tidying: Option<tokio::task::JoinHandle<()>>,
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
        if config.remote.engine == EngineChoice::Sftp {
            tracing::warn!(
                "engine = \"sftp\" is the second best: the server's database file is exchanged whole, which any other engine \
                 avoids; docs/configuration.md says what it cannot promise"
            );
        }
        let folder = &config.daemon.state_dir;
        private_folder(folder)
            .map_err(|error| CycleError::failed(format!("make the state folder {}: {error}", folder.display())))?;
        let path = folder.join(history::FILE);
        private_file(&path)?;
        let (history, note) = History::open(&path)?;
        let (client, copied) = client::name(&history, &path).await?;
        let mut pair = Self {
            config,
            reach,
            history,
            client,
            local: None,
            server: None,
            layout: Layout::default(),
            drift: Drift::default(),
            refused: Vec::new(),
            one_by_one: false,
            carried: Vec::new(),
            backed_up: None,
            restored_from: None,
            counted: None,
            moved: MovedRows::default(),
            name_taken: false,
            health: Health::default(),
            notes: note.into_iter().chain(copied).collect(),
            base_inode: String::new(),
            tidied: None,
            after_failure: false,
        };
        pair.remember_carried().await?;
        Ok(pair)
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
        self.tidied().await;
        // A person took the base away, as the hints advise: what is still open is no file of ours any more.
        let base_is_gone = inode(&self.base_file()) != self.base_inode;
        if std::mem::take(&mut self.after_failure) || base_is_gone {
            self.local = None;
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
            let path = self.path_of(Side::Local);
            self.must_be_first(Side::Local, &path).await?;
        }
        let (link, session, hello) = self.open_session(local_missing, progress).await?;
        if local_missing && !self.config.local.database.exists() {
            first::fetch(&self.config, &*link, session, &hello, progress).await?;
            return Box::pin(self.connect(progress)).await;
        }
        let (server, server_schema) = self.open_replica_there(&link, session, &hello).await?;
        let local_schema = self.open_local().await?;
        self.server = Some(Server {
            link,
            replica: server,
            hello,
            tidying: None,
        });
        self.must_be_ours([&local_schema, &server_schema]).await?;
        self.lay_out(&local_schema, &server_schema).await
    }

    async fn open_session(
        &mut self,
        local_missing: bool,
        progress: &super::Progress<'_>,
    ) -> Result<(Arc<dyn Link>, Box<dyn Sql>, Hello), CycleError> {
        let link = self.reach.dial(&self.config).await?;
        let options = self.session_options();
        let error = match link.open_session(&options).await {
            Ok((session, hello)) => return Ok((link, session, hello)),
            Err(error) => error,
        };
        let (hello, message) = match error {
            SessionError::NoDatabase { hello, message } if hello.state == DatabaseState::Missing => (hello, message),
            error => return Err(self.no_session(error).await),
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
        self.must_be_first(Side::Server, &hello.database).await?;
        first::send(&self.config, &*link, &hello, progress).await?;
        let (session, hello) = link.open_session(&options).await?;
        Ok((link, session, hello))
    }

    /// What a session with the server's database is opened with.
    pub(super) fn session_options(&self) -> SessionOptions {
        SessionOptions {
            busy_timeout: BUSY,
            copies: self.config.daemon.state_dir.join(SERVER),
            max_answer: usize::try_from(self.config.safety.max_answer).unwrap_or(usize::MAX),
            ..SessionOptions::new(
                &self.config.remote.database,
                self.config.remote.engine,
                format!("{}.db", self.client),
            )
        }
    }

    /// The laptop's base.
    pub(super) fn base_file(&self) -> PathBuf {
        self.config.daemon.state_dir.join(BASE)
    }

    /// Opens the laptop's database if it is not open; its schema is read anew in any case.
    async fn open_local(&mut self) -> Result<Schema, CycleError> {
        if let Some(local) = &mut self.local {
            let schema = local.schema().await;
            return schema.map_err(|error| CycleError::of_sql(Side::Local, error));
        }
        let (local, schema) = self.open_replica_here().await?;
        self.base_inode = inode(&self.base_file());
        self.local = Some(local);
        Ok(schema)
    }

    pub(super) fn make_base_file(&self) -> Result<(), CycleError> {
        private_file(&self.base_file())
    }

    /// The laptop's replica, opened without the server if need be: then with all its tables, until the server's schema
    /// says which of them are synced.
    pub(super) async fn local_alone(&mut self) -> Result<&mut Replica, CycleError> {
        if self.local.is_none() {
            let schema = self.open_local().await?;
            self.layout = self.layout_of(&schema, &schema, &Drift::default());
            let tables = self.layout.local.clone();
            let local = self.local.as_mut().ok_or_else(closed_meanwhile)?;
            local.count_these(tables);
        }
        self.local.as_mut().ok_or_else(closed_meanwhile)
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
        self.must_be_ours([&local_schema, &server_schema]).await?;
        self.lay_out(&local_schema, &server_schema).await
    }

    /// The versions of the two schemas that were read, the laptop's and the server's.
    pub(super) fn schema_versions(&self) -> Option<[i64; 2]> {
        let (local, server) = self.local.as_ref().zip(self.server.as_ref())?;
        Some([local.schema_version(), server.replica.schema_version()])
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
            self.after_failure = true;
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
pub(super) fn inode(path: &Path) -> String {
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
pub(super) fn private_file(path: &Path) -> Result<(), CycleError> {
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
