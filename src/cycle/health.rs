//! Whether the files can be relied on: looked at when a side is opened, and again when a read met damage.
//!
//! SQLite's `quick_check` reads a whole file. So it runs once for each file that this process opens (the first
//! comparison reads all of it anyway), once more when a statement failed with SQLITE_CORRUPT, and on the side that lost
//! rows before its deletions are carried to the other: damage can look like a deletion.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::aside::Base;
use super::pair::BUSY;
use super::{CycleError, Pair};
use crate::model::{Delta, Schema, Side, TableDelta};
use crate::replica::{self, Answer, OpenError, Opening, Replica, Script, Sql, SqlError, SqlErrorKind};
use crate::ssh::{Hello, Link, SessionError};

/// What is known of the files.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The live files that were looked through and found whole, by identity: the laptop's and the server's.
    whole: [Option<String>; 2],
    /// Whether a statement met damage since.
    damage: Arc<AtomicBool>,
}

impl Health {
    fn is_unknown(&self, side: Side, file: &str) -> bool {
        self.whole[side.index()].as_deref() != Some(file)
    }

    fn is_whole(&mut self, side: Side, file: &str) {
        self.whole[side.index()] = Some(file.to_owned());
    }

    /// Whether a statement met damage since this was asked last. Then nothing is known any more.
    pub fn met_damage(&mut self) -> bool {
        let met = self.damage.swap(false, Ordering::Relaxed);
        if met {
            self.whole = [None, None];
        }
        met
    }

    /// Notices damage that statements of this session meet.
    fn watch(&self, sql: Box<dyn Sql>) -> Box<dyn Sql> {
        Box::new(Watched {
            sql,
            damage: Arc::clone(&self.damage),
        })
    }
}

/// A session that remembers whether it met damage.
struct Watched {
    sql: Box<dyn Sql>,
    damage: Arc<AtomicBool>,
}

impl Sql for Watched {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(async move {
            let ran = self.sql.run(script, answer).await;
            if matches!(&ran, Err(error) if error.kind == SqlErrorKind::Corrupt) {
                self.damage.store(true, Ordering::Relaxed);
            }
            ran
        })
    }

    fn is_open(&self) -> bool {
        self.sql.is_open()
    }
}

impl Pair {
    /// Opens the laptop's side. A base that cannot be used is put aside, once.
    pub(super) async fn open_replica_here(&mut self) -> Result<(Replica, Schema), CycleError> {
        let (path, base) = (self.config.local.database.clone(), self.base_file());
        let (shown, sidecar) = (path.to_string_lossy().into_owned(), base.to_string_lossy().into_owned());
        let mut put_aside = false;
        loop {
            let sql = self.reach.open_local(&path).await;
            let sql = match sql {
                Ok(sql) => self.health.watch(sql),
                Err(error) => return Err(self.cannot_open(Side::Local, &shown, OpenError::of(error)).await),
            };
            self.make_base_file()?;
            let file = super::pair::inode(&path);
            match Replica::open(sql, &self.opening(Side::Local, &sidecar, &file)).await {
                Ok((mut replica, schema)) => {
                    self.health.is_whole(Side::Local, &file);
                    self.open_mark(&mut replica).await?;
                    return Ok((replica, schema));
                }
                Err(OpenError::Base(cause)) if !put_aside => {
                    self.put_base_aside(Base::Here, &sidecar, &cause).await?;
                    put_aside = true;
                }
                Err(error) => return Err(self.cannot_open(Side::Local, &shown, error).await),
            }
        }
    }

    /// Opens the server's side on a fresh session. A base that cannot be used is put aside, once.
    pub(super) async fn open_replica_there(
        &mut self,
        link: &Arc<dyn Link>,
        mut session: Box<dyn Sql>,
        hello: &Hello,
    ) -> Result<(Replica, Schema), CycleError> {
        let file = hello.file.map(|file| file.inode.to_string()).unwrap_or_default();
        let mut put_aside = false;
        loop {
            let sql = self.health.watch(session);
            match Replica::open(sql, &self.opening(Side::Server, &hello.sidecar, &file)).await {
                Ok((replica, schema)) => {
                    self.health.is_whole(Side::Server, &file);
                    return Ok((replica, schema));
                }
                Err(OpenError::Base(cause)) if !put_aside => {
                    self.put_base_aside(Base::There(&**link), &hello.sidecar, &cause)
                        .await?;
                    put_aside = true;
                    (session, _) = link.open_session(&self.session_options()).await?;
                }
                Err(error) => return Err(self.cannot_open(Side::Server, &hello.database, error).await),
            }
        }
    }

    fn opening<'a>(&self, side: Side, sidecar: &'a str, file: &'a str) -> Opening<'a> {
        Opening {
            side,
            sidecar,
            file,
            look_through: self.health.is_unknown(side, file),
        }
    }

    async fn cannot_open(&mut self, side: Side, path: &str, error: OpenError) -> CycleError {
        let (what, may_mean) = match error {
            OpenError::Sql(error) if error.kind == SqlErrorKind::Busy => return self.locked(side, path),
            OpenError::Sql(error) => return CycleError::of_sql(side, error),
            OpenError::Base(cause) => {
                return CycleError::failed(format!("make the {} base anew: {cause}", side.whose()));
            }
            OpenError::Empty => (
                "is empty, it has no bytes".to_owned(),
                "a copy that was cut off, or a program that made it anew? Put the right file back.".to_owned(),
            ),
            OpenError::Damaged(verdict) if verdict.contains("not a database") => (
                "is no SQLite database".to_owned(),
                "another program's file, or a path that is wrong in the config? Put the right file back.".to_owned(),
            ),
            OpenError::Damaged(verdict) => {
                let verdict = verdict.split_whitespace().collect::<Vec<_>>().join(" ");
                let known = verdict.find("database disk image is malformed");
                let verdict = known.and_then(|at| verdict.get(at..)).unwrap_or(&verdict);
                let may_mean = format!(
                    "a file that was cut short, a copy made while it was written, or a disk error? To save what can be \
                     read: `{}`.",
                    self.salvage(side, path)
                );
                (format!("is damaged: {verdict}"), may_mean)
            }
        };
        self.unusable(side, path, &what, &may_mean).await
    }

    fn locked(&self, side: Side, path: &str) -> CycleError {
        let message = format!(
            "the {} database {path} is locked by another program for more than {} s; nothing was written",
            side.whose(),
            BUSY.as_secs()
        );
        CycleError {
            hint: Some(format!(
                "a program that began to write and waits? `{}` names those that have it open. It is tried again by \
                 itself, and at once by `modsyncctl sync-now`",
                self.who_has_it(side, path)
            )),
            ..CycleError::failed(message)
        }
    }

    /// Why no session with the server's database could be opened.
    pub(super) async fn no_session(&mut self, error: SessionError) -> CycleError {
        match error {
            SessionError::Sql(error) => {
                let path = self.path_of(Side::Server);
                self.cannot_open(Side::Server, &path, OpenError::of(error)).await
            }
            error => error.into(),
        }
    }

    async fn unusable(&mut self, side: Side, path: &str, what: &str, may_mean: &str) -> CycleError {
        let bring_back = self.bring_back(side, path).await;
        CycleError::attention(
            format!("the {} database {path} {what}; nothing was written", side.whose()),
            format!("{may_mean} {bring_back}"),
        )
    }

    /// A database that is missing is made from the other one, but only where the two never met: one that was there and
    /// is gone may be on a disk that is not mounted.
    pub(super) async fn must_be_first(&mut self, side: Side, path: &str) -> Result<(), CycleError> {
        let synced = replica::generation_of(&self.base_file()).is_some_and(|number| number > 0);
        if !synced {
            return Ok(());
        }
        let backup = match side {
            Side::Local => String::new(),
            Side::Server => format!("{}. ", self.bring_back(side, path).await),
        };
        Err(CycleError::attention(
            format!(
                "the {} database {path} was there at the last sync and is gone; nothing was written",
                side.whose()
            ),
            format!(
                "a disk that is not mounted, or a file that was moved? Put it back. {backup}To have it made anew from the {}: `{}`",
                side.other().whose(),
                self.start_over()
            ),
        ))
    }

    /// A side without a table, or with none of those that were synced, is no database of this pair.
    pub(super) async fn must_be_ours(&mut self, schemas: [&Schema; 2]) -> Result<(), CycleError> {
        let (local, _) = self.both()?;
        let known = local.base_tables().await;
        let known = known.map_err(|error| CycleError::of_sql(Side::Local, error))?;
        for (side, schema) in Side::BOTH.into_iter().zip(schemas) {
            let (what, may_mean) = if schema.tables.is_empty() && schema.skipped.is_empty() {
                (
                    "has no tables".to_owned(),
                    "a program that made it anew, or a path that is wrong in the config? Put the right file back.",
                )
            } else if !known.is_empty() && !known.iter().any(|table| schema.has(&table.name)) {
                (
                    format!(
                        "is another database: it has none of the {} tables that were synced",
                        known.len()
                    ),
                    "a path that is wrong in the config, or another file in its place? Put the right one back.",
                )
            } else {
                continue;
            };
            let path = self.path_of(side);
            return Err(self.unusable(side, &path, &what, may_mean).await);
        }
        Ok(())
    }

    /// A file in the place of the one that was synced must hold most of its rows; `delta` is what it lacks and has against
    /// the base of the other file.
    pub(super) fn must_hold_what_was_synced(&self, side: Side, delta: &Delta) -> Result<(), CycleError> {
        let strange = |table: &TableDelta| {
            let whole_rows = table.changed.iter().filter(|row| row.cells.iter().all(Option::is_some));
            whole_rows.count() as u64
        };
        let kept: u64 = delta
            .tables
            .iter()
            .map(|table| table.rows.saturating_sub(strange(table)))
            .sum();
        let lacking: u64 = delta.tables.iter().map(|table| table.deleted.len() as u64).sum();
        if lacking < 2 || lacking <= kept {
            return Ok(());
        }
        Err(CycleError::attention(
            format!(
                "the {} database {} is another file than at the last sync, and {lacking} of the {} rows that were synced are \
                 not in it; nothing was written",
                side.whose(),
                self.path_of(side),
                kept + lacking
            ),
            format!(
                "an old copy, or a database that belongs elsewhere? Put the right file back. If it is the right one: \
                 `modsyncctl sync-now --allow-deletes` compares all rows, deletes none, and brings it what it lacks from \
                 the {}",
                side.other().whose()
            ),
        ))
    }

    /// Where a side's database lies, as far as is known.
    pub(super) fn path_of(&self, side: Side) -> String {
        match (side, &self.server) {
            (Side::Local, _) => self.config.local.database.to_string_lossy().into_owned(),
            (Side::Server, Some(server)) => server.hello.database.clone(),
            (Side::Server, None) => self.config.remote.database.clone(),
        }
    }

    /// Looks through the side that lost rows, before its deletions are carried over.
    pub(super) async fn must_be_whole(&mut self, side: Side) -> Result<(), CycleError> {
        let path = self.path_of(side);
        let (local, server) = self.both()?;
        let looked = match side {
            Side::Local => local.look_through().await,
            Side::Server => server.replica.look_through().await,
        };
        match looked {
            Ok(()) => Ok(()),
            Err(OpenError::Base(cause)) => {
                // It is made anew when the sides are opened again.
                self.health.damage.store(true, Ordering::Relaxed);
                Err(CycleError::failed(format!("read the {} base: {cause}", side.whose())))
            }
            Err(error) => Err(self.cannot_open(side, &path, error).await),
        }
    }
}
