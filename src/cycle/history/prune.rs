//! What the record forgets, and when.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::History;
use crate::cycle::CycleError;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Cycles that started before this are forgotten.
    pub since: Timestamp,
    /// So are the oldest when the file has more bytes than this.
    pub max_size: u64,
}

/// How many cycles are looked at in one go, so that no cycle waits long for it; the next go takes the rest.
const AT_ONCE: i64 = 2000;

/// A record without the means to give room back is made anew when so many bytes of it are free.
const WORTH_IT: i64 = 1 << 20;

impl History {
    /// Forgets old cycles with what they wrote and the conflicts that somebody has seen, and gives the room back to the
    /// disk. Kept are, however old: the newest cycle, conflicts that nobody has seen and the cycles that met them (without
    /// the rows that they wrote), the journal, and what the next cycle needs. Says how many cycles were forgotten.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(in crate::cycle) async fn prune(&self, keep: Keep) -> Result<usize, CycleError> {
        self.call("tidy up the history", move |connection| {
            let mut forgotten = by_age(connection, keep.since)?;
            forgotten += by_size(connection, keep.max_size)?;
            give_room_back(connection)?;
            Ok(forgotten)
        })
        .await
    }
}

fn by_age(connection: &mut Connection, since: Timestamp) -> rusqlite::Result<usize> {
    let last: Option<i64> = {
        let mut statement = connection.prepare(
            "SELECT cycle,json_extract(summary,'$.started') FROM cycle WHERE json_valid(summary) ORDER BY cycle LIMIT ?1",
        )?;
        let mut rows = statement.query([AT_ONCE])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let started: Option<String> = row.get(1)?;
            let started = started.and_then(|text| text.parse::<Timestamp>().ok());
            match started {
                Some(started) if started >= since => break,
                _ => last = Some(row.get(0)?),
            }
        }
        last
    };
    last.map_or(Ok(0), |last| forget_up_to(connection, last))
}

fn by_size(connection: &mut Connection, max_size: u64) -> rusqlite::Result<usize> {
    let mut forgotten = 0;
    while used(connection)? > max_size {
        // A tenth of the rows at a time.
        let tenth = connection.query_row(
            "SELECT cycle FROM move ORDER BY cycle LIMIT 1 OFFSET (SELECT count(*)/10 FROM move)",
            [],
            |row| row.get(0),
        );
        let before = rows(connection)?;
        forgotten += tenth.or(Ok(i64::MAX)).and_then(|last| forget_up_to(connection, last))?;
        if rows(connection)? == before {
            break; // the newest cycle, and conflicts that nobody has seen
        }
    }
    Ok(forgotten)
}

/// How many bytes are in use.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT (p.page_count-f.freelist_count)*s.page_size \
               FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s";
    connection
        .query_row(sql, [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

fn rows(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT (SELECT count(*) FROM move)+(SELECT count(*) FROM conflict)+(SELECT count(*) FROM cycle)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Forgets these cycles and those before them, all but the newest of the record.
fn forget_up_to(connection: &mut Connection, last: i64) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let old = "cycle<=?1 AND cycle<(SELECT max(cycle) FROM cycle) AND cycle NOT IN (SELECT cycle FROM journal)";
    transaction.execute(&format!("DELETE FROM move WHERE {old}"), [last])?;
    let conflicts = transaction.execute(&format!("DELETE FROM conflict WHERE seen AND {old}"), [last])?;
    let forgotten = transaction.execute(
        &format!("DELETE FROM cycle WHERE {old} AND cycle NOT IN (SELECT cycle FROM conflict)"),
        params![last],
    )?;
    transaction.commit()?;
    if forgotten > 0 {
        tracing::info!(
            cycles = forgotten,
            conflicts,
            "forgot cycles of the record that are older than [history] keeps"
        );
    }
    Ok(forgotten)
}

fn give_room_back(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT f.freelist_count*s.page_size,a.auto_vacuum \
               FROM pragma_freelist_count f, pragma_page_size s, pragma_auto_vacuum a";
    let (free, mode): (i64, i64) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match mode {
        _ if free == 0 => return Ok(()),
        0 if free < WORTH_IT => return Ok(()),
        0 => connection.execute_batch("PRAGMA auto_vacuum=INCREMENTAL; VACUUM;")?,
        _ => {
            // Each step gives one page back.
            let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
            let mut steps = statement.query([])?;
            while steps.next()?.is_some() {}
        }
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
