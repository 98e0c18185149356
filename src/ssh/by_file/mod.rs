//! A session with a database on a server that runs no commands: `engine = "sftp"`.
//!
//! Scripts run here, on a copy of the server's database and of its base. What they write goes up as a whole file that
//! takes the old one's place. It is the second best: docs/architecture.md says what it cannot promise and why it is
//! done this way.

mod copies;
mod den;
mod fetch;
mod greet;
mod push;
mod record;
mod site;
mod stamp;

use std::path::PathBuf;

use futures_util::future::BoxFuture;

pub use self::copies::lasting_base;

use self::copies::Copies;
use self::site::{Journal, Sight, Site};
use super::session::{Hello, SessionError, SessionOptions};
use super::sftp::Sftp;
use crate::model::Value;
use crate::replica::sqlite::OpenMode;
use crate::replica::{Answer, Field, LOOK, LocalSql, Script, Sql, SqlError, SqlErrorKind};

/// How often what was made of one state of the server's file is made anew because the file has moved on.
const TRIES: u32 = 6;
/// What a look adds to the copy's version for each new state of the server's file that it sees.
const TURN: i64 = 1 << 32;

/// The session.
pub(super) struct FileSql {
    site: Site,
    copies: Copies,
    sql: LocalSql,
    /// What the last look saw, and how many different sights there were.
    sight: (Option<Sight>, i64),
    broken: bool,
}

impl FileSql {
    /// Finds the database, brings a copy of it here unless the one from the last time will do, and opens that.
    pub(super) async fn open(
        sftp: Sftp,
        server: &str,
        options: &SessionOptions,
    ) -> Result<(Self, Hello), SessionError> {
        let client = options.sidecar.trim_end_matches(".db").to_owned();
        let (database, mut hello) = greet::find(&sftp, &options.database).await?;
        let mut site = Site::new(sftp, database.clone(), client);
        let mut copies = Copies::open(&options.copies, format!("{server} {database}")).await?;
        site.tidy(&copies.watched(), copies.record.locked).await?;
        copies.without_lock()?;
        refresh(&mut site, &mut copies).await?;
        let sql = LocalSql::open(&copies.path("copy.db"), OpenMode::ReadWrite, options.busy_timeout).await?;
        if let Some(file) = &mut hello.file {
            file.inode = copies.record.identity;
        }
        hello.sidecar = copies.path("base.db").to_string_lossy().into_owned();
        let session = Self {
            site,
            copies,
            sql,
            sight: (None, 0),
            broken: false,
        };
        Ok((session, hello))
    }

    async fn serve(&mut self, script: &Script<'_>, answer: &mut Answer<'_>) -> Result<(), SqlError> {
        if script.steps().eq([LOOK]) {
            return self.look(answer).await;
        }
        let mut sight = self.freshen().await?;
        let (script, backup) = script.apart_from_backup();
        for _ in 0..TRIES {
            let before = self.copies.counters();
            let rows = self.run_here(&script).await?;
            let after = self.copies.counters();
            let wrote = before[0] != after[0];
            let now = match wrote {
                true => self.push(&sight, backup).await?,
                false => self.back_up(&sight, backup).await.map(|()| Some(sight))?,
            };
            if let Some(now) = now {
                if before[1] != after[1] {
                    self.copies.apart(|copies| copies.publish_base()).await?;
                }
                if wrote {
                    self.save_late_writes(now).await?;
                }
                return rows.into_iter().try_for_each(answer);
            }
            tracing::info!("the server's database has moved on meanwhile: nothing was written, trying again");
            self.copies.apart(|copies| copies.unload_base()).await?;
            sight = self.reload().await?;
        }
        Err(self.site.busy(
            "each time that it was to be exchanged a program was writing to it, or keeps a journal beside it (journal_mode \
             must be DELETE); nothing was written",
        ))
    }

    async fn run_here(&mut self, script: &Script<'_>) -> Result<Vec<Vec<Field>>, SqlError> {
        let mut rows = Vec::new();
        let mut keep = |row| {
            rows.push(row);
            Ok(())
        };
        self.sql.run(script, &mut keep).await?;
        Ok(rows)
    }

    /// Answers a look without bringing anything: the copy's version, and more where the server's file is another one.
    async fn look(&mut self, answer: &mut Answer<'_>) -> Result<(), SqlError> {
        let mut sight = self.see().await?;
        if sight.journal == Journal::Den {
            // Left there it would keep the site out.
            (_, sight) = self.site.quiet(&self.copies.watched()).await?;
        }
        let record = &self.copies.record;
        let known = sight.stamp == record.seen && sight.wal == 0 && !record.unsure;
        let news = !known || !self.late(&sight).is_empty();
        if self.sight.0.as_ref() != Some(&sight) {
            self.sight = (Some(sight), self.sight.1 + 1);
        }
        let turn = if news { self.sight.1 * TURN } else { 0 };
        let mut script = Script::new();
        script.step(LOOK);
        for mut row in self.run_here(&script).await? {
            if let Some(Field::Value(Value::Integer(version))) = row.first_mut() {
                *version += turn;
            }
            answer(row)?;
        }
        Ok(())
    }

    /// Looks at the server's file and at those that it replaced.
    async fn see(&mut self) -> Result<Sight, SqlError> {
        let sight = self.site.look(&self.copies.watched()).await?;
        match sight.stamp {
            Some(_) => Ok(sight),
            None => Err(self
                .site
                .failed(SqlErrorKind::CannotOpen, "there is no such file any more")),
        }
    }

    /// Brings the copy up to the server's file, with what came late into files that were replaced.
    async fn freshen(&mut self) -> Result<Sight, SqlError> {
        let sight = refresh(&mut self.site, &mut self.copies).await?;
        self.save_late_writes(sight).await
    }

    /// Makes the copy what the server's file is now, whatever a script has done to it.
    async fn reload(&mut self) -> Result<Sight, SqlError> {
        let sight = refresh(&mut self.site, &mut self.copies).await?;
        self.copies.apart(|copies| copies.load()).await?;
        Ok(sight)
    }
}

/// Brings the server's file here unless it is the one that is here.
async fn refresh(site: &mut Site, copies: &mut Copies) -> Result<Sight, SqlError> {
    let (stamp, sight) = site.quiet(&copies.watched()).await?;
    if copies.record.seen.as_ref() == Some(&stamp) && !copies.record.unsure {
        return Ok(sight);
    }
    let fresh: PathBuf = copies.path("fresh.db");
    let (stamp, unsure) = site.fetch(&fresh).await?;
    tracing::debug!(bytes = stamp.size, "brought the server's database");
    copies.apart(move |copies| copies.take(stamp, unsure)).await?;
    Ok(sight)
}

impl Sql for FileSql {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(async move {
            if self.broken {
                return Err(self
                    .site
                    .failed(SqlErrorKind::Lost, "the session ended with an earlier error"));
            }
            // Also when the caller gives up waiting.
            self.broken = true;
            self.serve(script, answer).await?;
            self.broken = false;
            Ok(())
        })
    }

    fn is_open(&self) -> bool {
        !self.broken && self.sql.is_open()
    }
}
