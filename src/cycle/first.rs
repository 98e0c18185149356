//! The first sync of a side that is missing: the other side's database goes over whole.
//!
//! A copy is made by SQLite, carried over beside the place it is meant for, checked there, and put in place only if
//! nothing has appeared there meanwhile.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::pair::random_name;
use super::{CycleError, Progress};
use crate::config::{Config, EngineChoice};
use crate::control::types::{Phase, PhaseEvent};
use crate::model::{Side, Value};
use crate::replica::sqlite::{self, OpenMode};
use crate::replica::wire::literal;
use crate::replica::{Field, LocalSql, Script, Sql, SqlError};
use crate::ssh::sftp::{Sftp, SftpError, SftpErrorKind};
use crate::ssh::{Hello, Link, SessionOptions};

/// What a fetched database leaves free on the laptop's disk, in bytes, for other programs and for the first cycle.
const KEEP_FREE: u64 = 64 * 1024 * 1024;

/// What SQLite keeps beside a database.
const JOURNALS: [&str; 2] = ["-wal", "-journal"];

/// SQLite would take a journal that another database left for the new one's own, and damage it.
fn orphan(path: &str) -> CycleError {
    CycleError::attention(
        format!("put a database in place: {path} is there without its database"),
        "find the database that it belongs to, or move it away",
    )
}

/// Brings the server's database to the laptop, which has none.
pub(super) async fn fetch(
    config: &Config,
    link: &dyn Link,
    mut session: Box<dyn Sql>,
    hello: &Hello,
    progress: &Progress<'_>,
) -> Result<(), CycleError> {
    let target = &config.local.database;
    let leftovers = JOURNALS.map(|suffix| format!("{}{suffix}", target.display()));
    if let Some(leftover) = leftovers.iter().find(|path| Path::new(path).exists()) {
        return Err(orphan(leftover));
    }
    tracing::info!(to = %target.display(), from = hello.database, "the laptop has no database: fetching the server's");
    let remote_copy = format!("{}.copy-{}", hello.sidecar, random_name()?);
    copy_into(&mut *session, &remote_copy)
        .await
        .map_err(|error| CycleError::of_sql(Side::Server, error))?;
    drop(session);
    let beside = name_beside(target)?;
    let fetched = match config.remote.engine {
        // Its session works on this machine, and so the copy is here already.
        EngineChoice::Sftp => bring_near(Path::new(&remote_copy), &beside),
        _ => bring(link, &remote_copy, &beside, progress).await,
    };
    let placed = match fetched {
        Ok(()) => check(&beside).await.and_then(|()| place(&beside, target)),
        Err(error) => Err(error),
    };
    // Whatever came of it, the name beside the target is done with.
    let _ = std::fs::remove_file(&beside);
    placed
}

/// Brings the laptop's database to the server, which has none.
pub(super) async fn send(
    config: &Config,
    link: &dyn Link,
    hello: &Hello,
    progress: &Progress<'_>,
) -> Result<(), CycleError> {
    let source = &config.local.database;
    tracing::info!(from = %source.display(), to = hello.database, "the server has no database: sending the laptop's");
    let copy = config.daemon.state_dir.join(format!("copy-{}.db", random_name()?));
    let mut local = LocalSql::open(source, OpenMode::ReadOnly, super::pair::BUSY)
        .await
        .map_err(|error| CycleError::of_sql(Side::Local, error))?;
    let copied = copy_into(&mut local, &copy.to_string_lossy()).await;
    let sent = match copied {
        Ok(()) => match check(&copy).await {
            Ok(()) => upload(config, link, hello, &copy, progress).await,
            damaged => damaged,
        },
        Err(error) => Err(CycleError::of_sql(Side::Local, error)),
    };
    // Our own file in our own folder; a leftover is only in the way of the disk.
    let _ = std::fs::remove_file(&copy);
    sent
}

async fn copy_into(sql: &mut dyn Sql, path: &str) -> Result<(), SqlError> {
    let mut script = Script::new();
    script.step(format!("VACUUM main INTO {};", literal(&Value::text(path))));
    sql.run(&script, &mut |_| Ok(())).await
}

/// Brings a copy on the server beside the place that it is meant for, and removes it there.
async fn bring(link: &dyn Link, from: &str, beside: &Path, progress: &Progress<'_>) -> Result<(), CycleError> {
    let sftp = link.sftp().await?;
    let fetched = download(&sftp, from, beside, progress).await;
    if let Err(error) = sftp.remove(from).await {
        tracing::warn!(%error, from, "the copy on the server could not be removed");
    }
    fetched
}

/// The same with a copy on this machine, which may be on another disk.
fn bring_near(from: &Path, beside: &Path) -> Result<(), CycleError> {
    let copied = std::fs::copy(from, beside).and_then(|_| {
        std::fs::set_permissions(beside, std::fs::Permissions::from_mode(0o600))?;
        std::fs::File::open(beside)?.sync_all()?;
        std::fs::remove_file(from)
    });
    copied.map_err(|error| {
        CycleError::failed(format!(
            "fetch the server's database: copy it to {}: {error}",
            beside.display()
        ))
    })
}

fn name_beside(target: &Path) -> Result<PathBuf, CycleError> {
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    Ok(folder.join(format!(".{}.modsync-{}", name_of(target), random_name()?)))
}

async fn download(sftp: &Sftp, from: &str, beside: &Path, progress: &Progress<'_>) -> Result<(), CycleError> {
    let failed = |action: &str, error: std::io::Error| {
        CycleError::failed(format!(
            "fetch the server's database: {action} {}: {error}",
            beside.display()
        ))
    };
    let total = sftp.stat(from).await.map_err(of_sftp)?.size;
    must_have_room(beside, total)?;
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)
        .await
        .map_err(|error| failed("make", error))?;
    let tell = |done: u64| {
        progress(PhaseEvent {
            phase: Phase::Copy,
            done: Some(done),
            total: Some(total),
        });
    };
    sftp.download(from, 0..total, &mut file, tell).await.map_err(of_sftp)?;
    file.sync_all().await.map_err(|error| failed("write", error))
}

/// The server says how large the copy is, and may say anything: a disk is not filled on its word.
fn must_have_room(beside: &Path, total: u64) -> Result<(), CycleError> {
    let folder = beside.parent().unwrap_or(Path::new("/"));
    let Ok(free) = fs4::available_space(folder) else {
        return Ok(());
    };
    if total <= free.saturating_sub(KEEP_FREE) {
        return Ok(());
    }
    Err(CycleError::attention(
        format!(
            "fetch the server's database: the server says that it has {total} bytes, and {} has {free} bytes of room",
            folder.display()
        ),
        "make room there, or see whether the server's file is what it should be",
    ))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Opens what was fetched and has SQLite look through it.
async fn check(path: &Path) -> Result<(), CycleError> {
    let owned = path.to_owned();
    let checked = tokio::task::spawn_blocking(move || {
        let connection = sqlite::open(&owned, OpenMode::ReadOnly, super::pair::BUSY)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    });
    match checked.await {
        Ok(Ok(verdict)) if verdict == "ok" => Ok(()),
        Ok(Ok(verdict)) => Err(damaged(&verdict)),
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(error) => Err(CycleError::failed(format!("check the fetched copy: {error}"))),
    }
}

fn damaged(verdict: &str) -> CycleError {
    CycleError::attention(
        format!("check the copy of the database: {verdict}; it was not put in place"),
        "check the database it was made of with `sqlite3 FILE 'PRAGMA integrity_check'`",
    )
}

/// A hard link is made only where nothing is: nobody's file is overwritten.
fn place(beside: &Path, target: &Path) -> Result<(), CycleError> {
    std::fs::hard_link(beside, target).map_err(|error| {
        CycleError::failed(format!(
            "put the fetched database in place at {}: {error}",
            target.display()
        ))
    })
}

async fn upload(
    config: &Config,
    link: &dyn Link,
    hello: &Hello,
    copy: &Path,
    progress: &Progress<'_>,
) -> Result<(), CycleError> {
    let failed = |error: std::io::Error| CycleError::failed(format!("read {}: {error}", copy.display()));
    let (folder, name) = hello.database.rsplit_once('/').unwrap_or((".", &hello.database));
    let beside = format!("{folder}/.{name}.modsync-{}", random_name()?);
    let total = tokio::fs::metadata(copy).await.map_err(failed)?.len();
    let file = tokio::fs::File::open(copy).await.map_err(failed)?;
    let sftp = link.sftp().await?;
    for suffix in JOURNALS {
        let leftover = format!("{}{suffix}", hello.database);
        if sftp.stat(&leftover).await.is_ok() {
            return Err(orphan(&leftover));
        }
    }
    let tell = |done: u64| {
        progress(PhaseEvent {
            phase: Phase::Copy,
            done: Some(done),
            total: Some(total),
        });
    };
    let uploaded = sftp.upload(file, &beside, 0o600, tell).await.map_err(of_sftp);
    let placed = match uploaded {
        Ok(_) => put_in_place(config, link, &sftp, hello, &beside).await,
        Err(error) => Err(error),
    };
    if placed.is_err() && sftp.stat(&beside).await.is_ok() {
        // The error that is told is the first one.
        let _ = sftp.remove(&beside).await;
    }
    placed
}

async fn put_in_place(
    config: &Config,
    link: &dyn Link,
    sftp: &Sftp,
    hello: &Hello,
    beside: &str,
) -> Result<(), CycleError> {
    if config.remote.engine == EngineChoice::Sftp {
        return put_in_place_by_files(sftp, hello, beside).await;
    }
    let options = SessionOptions::new(beside, config.remote.engine, format!("check-{}.db", random_name()?));
    let (mut session, checking) = link.open_session(&options).await?;
    let mut script = Script::new();
    script.step("SELECT 't'||quick_check FROM pragma_quick_check LIMIT 1;");
    let mut verdict = Vec::new();
    session
        .run(&script, &mut |row| {
            verdict.extend(row);
            Ok(())
        })
        .await
        .map_err(|error| CycleError::of_sql(Side::Server, error))?;
    drop(session);
    sftp.remove(&checking.sidecar).await.map_err(of_sftp)?;
    if verdict != [Field::Value(Value::text("ok"))] {
        return Err(damaged(&format!("{verdict:?}")));
    }
    if let Some(folder) = &hello.folder {
        // What the web server may do with the folder it may do with the database in it.
        let mode = 0o600 | (folder.mode & 0o066);
        if hello.uid == 0 {
            sftp.set_owner(beside, folder.uid, folder.gid).await.map_err(of_sftp)?;
        }
        sftp.set_mode(beside, mode).await.map_err(of_sftp)?;
    }
    sftp.rename_if_absent(beside, &hello.database).await.map_err(of_sftp)
}

/// Where nothing runs on the server, nothing there can look through the file: it was looked through here, came over a line
/// that checks what it carries, and was put on the disk.
async fn put_in_place_by_files(sftp: &Sftp, hello: &Hello, beside: &str) -> Result<(), CycleError> {
    if let Some(folder) = &hello.folder {
        let ours = sftp.stat(beside).await.map_err(of_sftp)?;
        if ours.uid == 0 {
            sftp.set_owner(beside, folder.uid, folder.gid).await.map_err(of_sftp)?;
        }
        let mode = 0o600 | (folder.mode & 0o066);
        sftp.set_mode(beside, mode).await.map_err(of_sftp)?;
    }
    sftp.rename_if_absent(beside, &hello.database).await.map_err(of_sftp)
}

fn of_sftp(error: SftpError) -> CycleError {
    let mut failure = CycleError::failed(error.message);
    if error.kind == SftpErrorKind::Lost {
        failure.code = crate::control::types::ErrorCode::Offline;
    }
    failure
}
