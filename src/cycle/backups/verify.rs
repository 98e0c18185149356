//! Backups looked through by the server's SQLite, and what was found remembered.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use super::super::backup::{file_name, path};
use super::super::{CycleError, Pair};
use super::shelf::{Kept, of_files};
use crate::config::EngineChoice;
use crate::control::types::BackupList;
use crate::model::Side;
use crate::replica::{Checked, Shape, SqlError, SqlErrorKind};

/// The fact that remembers what was found.
const LOOKED: &str = "backups_looked_through";

/// What was found, by name.
pub(super) type Looked = BTreeMap<String, Look>;

/// What a look through one backup found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    size: u64,
    changed: i64,
    pub at: Timestamp,
    pub damage: Option<String>,
    pub rows: BTreeMap<String, u64>,
}

impl Look {
    /// Whether the file is still the one that was looked through.
    pub fn is_of(&self, kept: &Kept) -> bool {
        (self.size, self.changed) == (kept.size, kept.changed)
    }
}

/// Where the server's SQLite finds a backup. A copy on this machine goes when this is dropped.
pub(super) struct Place {
    pub path: String,
    copy: Option<PathBuf>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            // The next one is written over it.
            let _ = std::fs::remove_file(copy);
        }
    }
}

impl Pair {
    /// What is known of the backups that are there; of others nothing is known any more.
    pub(super) async fn looked_through(&mut self, database: &str, shelf: &[Kept]) -> Result<Looked, CycleError> {
        let text = self.history.fact(LOOKED).await?.unwrap_or_default();
        let mut looked: Looked = serde_json::from_str(&text).unwrap_or_default();
        let names: BTreeMap<String, &Kept> = shelf
            .iter()
            .map(|kept| (file_name(&path(database, kept.time)).to_owned(), kept))
            .collect();
        looked.retain(|name, look| names.get(name).is_some_and(|kept| look.is_of(kept)));
        Ok(looked)
    }

    async fn remember(&mut self, looked: &Looked) -> Result<(), CycleError> {
        let text = serde_json::to_string(looked)
            .map_err(|error| CycleError::failed(format!("remember what was looked through: {error}")))?;
        self.history.keep_fact(LOOKED, text).await
    }

    /// Looks through one backup, or all that came to their end.
    pub(super) async fn verify_backups(&mut self, name: Option<&str>) -> Result<BackupList, CycleError> {
        let some = match name {
            Some(name) => vec![self.backup_named(name, "look through").await?],
            None => self.shelf().await?,
        };
        for kept in some.iter().filter(|kept| kept.whole) {
            self.look_through_backup(kept).await?;
        }
        let (shelf, database) = (self.shelf().await?, self.database_there()?);
        let looked = self.looked_through(&database, &shelf).await?;
        let some: Vec<Kept> = shelf
            .iter()
            .filter(|kept| some.iter().any(|asked| asked.time == kept.time))
            .copied()
            .collect();
        Ok(self.described(&database, &shelf, &some, &looked))
    }

    /// Looks through one backup and remembers what was found.
    pub(super) async fn look_through_backup(&mut self, kept: &Kept) -> Result<Look, CycleError> {
        let checked = match self.check(kept).await? {
            Ok(checked) => checked,
            Err(damage) => Checked {
                damage: Some(damage),
                rows: Vec::new(),
            },
        };
        let names = self.layout.server.iter().map(|table| table.name.clone());
        let rows = names.zip(checked.rows).filter_map(|(name, rows)| Some((name, rows?)));
        let look = Look {
            size: kept.size,
            changed: kept.changed,
            at: Timestamp::now(),
            damage: checked.damage,
            rows: rows.collect(),
        };
        let (shelf, database) = (self.shelf().await?, self.database_there()?);
        let mut looked = self.looked_through(&database, &shelf).await?;
        looked.insert(file_name(&path(&database, kept.time)).to_owned(), look.clone());
        self.remember(&looked).await?;
        Ok(look)
    }

    /// What SQLite finds in a backup; the inner error is what keeps it from reading the file at all.
    async fn check(&mut self, kept: &Kept) -> Result<Result<Checked, String>, CycleError> {
        let place = self.place_of(kept).await?;
        let checked = async {
            let (_, server) = self.both()?;
            let shape = match server.replica.attach_backup(&place.path).await {
                Ok(shape) => shape,
                Err(error) => return Ok(Err(error)),
            };
            let checked = match server.replica.check_backup(&shape).await {
                Ok(checked) => checked,
                Err(error) => return Ok(Err(error)),
            };
            server.replica.detach_backup().await.map_err(of_server)?;
            Ok::<_, CycleError>(Ok(checked))
        };
        match checked.await? {
            Ok(checked) => Ok(Ok(checked)),
            Err(error) if is_of_the_file(&error) => {
                // The error has ended the session, and says nothing against the databases.
                self.close();
                self.connect(&|_| ()).await?;
                Ok(Err(error.message))
            }
            Err(error) => Err(of_backup(error)),
        }
    }

    /// Attaches a backup that was looked through.
    pub(super) async fn attach(&mut self, place: &Place) -> Result<Shape, CycleError> {
        let (_, server) = self.both()?;
        server.replica.attach_backup(&place.path).await.map_err(of_backup)
    }

    /// Makes a backup readable for what runs the SQL. Where that runs on this machine the file is brought here.
    pub(super) async fn place_of(&mut self, kept: &Kept) -> Result<Place, CycleError> {
        let there = path(&self.database_there()?, kept.time);
        if self.config.remote.engine != EngineChoice::Sftp {
            return Ok(Place {
                path: there,
                copy: None,
            });
        }
        let folder = &self.config.daemon.state_dir;
        let copy = folder.join("backup.db");
        let free = fs4::available_space(folder).unwrap_or(u64::MAX);
        if free < kept.size {
            return Err(CycleError::attention(
                format!(
                    "bring the backup here: the disk of the state folder has {free} bytes free, and it has {}",
                    kept.size
                ),
                "free some space there, then try again",
            ));
        }
        let place = Place {
            path: copy.to_string_lossy().into_owned(),
            copy: Some(copy.clone()),
        };
        let fail = |error: std::io::Error| CycleError::failed(format!("make {}: {error}", copy.display()));
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&copy)
            .await
            .map_err(fail)?;
        let sftp = self.link()?.sftp().await?;
        sftp.download(&there, 0..kept.size, &mut file, |_| ())
            .await
            .map_err(of_files)?;
        file.flush().await.map_err(fail)?;
        Ok(place)
    }
}

/// Whether it is the backup's file that is wrong, and not the session.
fn is_of_the_file(error: &SqlError) -> bool {
    error.kind == SqlErrorKind::Corrupt || error.message.contains("same text encoding")
}

fn of_backup(error: SqlError) -> CycleError {
    match error.kind {
        SqlErrorKind::CannotOpen | SqlErrorKind::ReadOnly => CycleError::attention(
            format!("read the backup: {}", error.message),
            "the SSH user must be able to read it: see its owner and permissions on the server",
        ),
        _ => of_server(error),
    }
}

fn of_server(error: SqlError) -> CycleError {
    CycleError::of_sql(Side::Server, error)
}
