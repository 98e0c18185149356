//! Whether the disks have room for what a cycle is about to write. SQLite undoes a transaction that runs out of it, but a
//! cycle that ends half-way leaves the rest for later, and a full disk hurts other programs first.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::backup::{command, quoted};
use super::exchange::Exchange;
use super::{CycleError, Pair, Trigger};
use crate::control::types::SyncRequest;
use crate::model::{Row, RowOp, Side, Value};
use crate::ssh::Space;

/// A page and its copy in the rollback journal, of a table and of an index.
const A_ROW: u64 = 4 * 4096;

/// What small transactions take however little they write.
const LEAST: u64 = 256 * 1024;

/// A server that had this much more than is needed when the session was opened is not asked again.
const AMPLE: u64 = 256 * 1024 * 1024;

/// The folder of a database, in messages.
const DATABASE: &str = "database";

/// What a cycle will write, in bytes, estimated from above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    to_local: u64,
    to_server: u64,
    /// Each base, and the record of the cycle besides.
    base: u64,
    record: u64,
}

impl Need {
    fn of(exchange: &Exchange, sizes: [u64; 2]) -> Self {
        let [to_local, to_server] = Side::BOTH.map(|side| {
            let ops = exchange.tables.iter().flat_map(|table| table.ops(side));
            ops.fold((0, 0), |(rows, bytes), op| (rows + 1, bytes + bytes_of(op)))
        });
        let agreed = exchange.tables.iter().flat_map(|table| &table.settled);
        let base: u64 = agreed.filter_map(|settled| settled.agreed.as_ref()).map(size).sum();
        let pages = |(rows, bytes): (u64, u64), size: u64| match rows {
            0 => 0,
            // No journal is larger than what it keeps.
            _ => 2 * bytes + (rows * A_ROW).min(2 * size) + LEAST,
        };
        Self {
            to_local: pages(to_local, sizes[0]),
            to_server: pages(to_server, sizes[1]),
            base: 2 * base + LEAST,
            record: 4 * (to_local.1 + to_server.1) + LEAST,
        }
    }
}

fn bytes_of(op: &RowOp) -> u64 {
    op.before().map_or(0, size) + op.after().map_or(0, size)
}

fn size(row: &Row) -> u64 {
    let cell = |value: &Value| match value {
        Value::Text(bytes) | Value::Blob(bytes) => bytes.len() as u64 + 4,
        _ => 9,
    };
    row.iter().map(cell).sum()
}

/// One folder, what is free there and what it has to take.
struct Room {
    side: Side,
    what: &'static str,
    folder: String,
    free: u64,
    need: u64,
}

impl Room {
    fn must_do(&self) -> Result<(), CycleError> {
        if self.need <= self.free {
            return Ok(());
        }
        Err(CycleError::attention(
            format!(
                "the disk of the {} {} ({}) has {} free, and this cycle needs about {}; nothing was written",
                self.side.whose(),
                self.what,
                self.folder,
                megabytes(self.free),
                megabytes(self.need)
            ),
            match (self.side, self.what) {
                (Side::Server, DATABASE) => {
                    "free some space there, then `modsyncctl sync-now`; with `--no-backup` it needs less, and the oldest \
                     of the backups beside the database may go"
                }
                _ => "free some space there, then `modsyncctl sync-now`",
            },
        ))
    }
}

#[allow(clippy::cast_precision_loss)] // for people
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl Pair {
    /// Stops a cycle that some disk has no room for.
    pub(super) async fn must_have_room(
        &mut self,
        exchange: &Exchange,
        request: &SyncRequest,
        trigger: Trigger,
    ) -> Result<(), CycleError> {
        let local_size = std::fs::metadata(&self.config.local.database).map_or(0, |file| file.len());
        let space = self.both()?.1.hello.space;
        let need = Need::of(exchange, [local_size, space.map_or(0, |space| space.database)]);
        for room in self.rooms_here(&need) {
            room.must_do()?;
        }
        let Some(space) = space else { return Ok(()) };
        let backup = match need.to_server > 0 && self.backup_is_due(request, trigger).await? {
            true => space.database,
            false => 0,
        };
        let (beside_database, beside_sidecar) = (need.to_server + backup, need.base);
        let known_ample = |free: u64, need: u64| free > 4 * need + AMPLE;
        if known_ample(space.beside_database, beside_database) && known_ample(space.beside_sidecar, beside_sidecar) {
            return Ok(());
        }
        self.must_have_room_there([beside_database, beside_sidecar]).await
    }

    /// Refuses a backup that the server's disk has no room for.
    pub(super) async fn must_have_room_for_backup(&mut self) -> Result<(), CycleError> {
        match self.both()?.1.hello.space {
            Some(space) => self.must_have_room_there([space.database, 0]).await,
            None => Ok(()),
        }
    }

    /// The laptop's folders; what is free in one that cannot be asked is no reason to stop.
    fn rooms_here(&self, need: &Need) -> Vec<Room> {
        let parent = self
            .config
            .local
            .database
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let (database, state) = (parent.unwrap_or(Path::new(".")), self.config.daemon.state_dir.as_path());
        let ours = need.base + need.record;
        let one_disk = device(database).is_some_and(|disk| Some(disk) == device(state));
        let room = |what, folder: &Path, need| {
            Some(Room {
                side: Side::Local,
                what,
                folder: folder.display().to_string(),
                free: fs4::available_space(folder).ok()?,
                need,
            })
        };
        let beside_database = need.to_local + if one_disk { ours } else { 0 };
        [
            room(DATABASE, database, beside_database),
            room("state folder", state, ours),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Asks the server anew: what it said when the session was opened may be long ago.
    async fn must_have_room_there(&mut self, [beside_database, beside_sidecar]: [u64; 2]) -> Result<(), CycleError> {
        let server = self.both()?.1;
        let folder = |path: &str| path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
        let (database, sidecar) = (folder(&server.hello.database), folder(&server.hello.sidecar));
        let free = |folder: &str| {
            let folder = quoted(folder)?;
            Ok::<_, CycleError>(format!(
                "$(df -Pk -- {folder} | sed -n '$s/.* \\([0-9][0-9]*\\)  *[0-9][0-9]*% .*/\\1/p')"
            ))
        };
        let script = format!("echo 0 {} {}", free(&database)?, free(&sidecar)?);
        let said = command(&*server.link, &script).await?;
        let Some(space) = Space::read(&said) else { return Ok(()) };
        for (what, folder, free, need) in [
            (DATABASE, database, space.beside_database, beside_database),
            ("state folder", sidecar, space.beside_sidecar, beside_sidecar),
        ] {
            let side = Side::Server;
            Room {
                side,
                what,
                folder,
                free,
                need,
            }
            .must_do()?;
        }
        Ok(())
    }
}

fn device(folder: &Path) -> Option<u64> {
    std::fs::metadata(folder).ok().map(|metadata| metadata.dev())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cycle::exchange::TableExchange;
    use crate::merge::Settled;

    fn inserts(rows: usize) -> Exchange {
        let row = |key: usize| vec![Value::text(format!("{key:096}"))];
        Exchange {
            tables: vec![TableExchange {
                to_server: (0..rows).map(|key| RowOp::Insert(row(key))).collect(),
                settled: (0..rows)
                    .map(|key| Settled {
                        key: row(key),
                        server: None,
                        agreed: Some(row(key)),
                    })
                    .collect(),
                ..TableExchange::default()
            }],
            ..Exchange::default()
        }
    }

    #[test]
    fn a_side_that_gets_nothing_needs_nothing() {
        let need = Need::of(&inserts(1), [1 << 20, 1 << 20]);
        assert_eq!((need.to_local, need.to_server), (0, 200 + A_ROW + LEAST));
        assert_eq!((need.base, need.record), (200 + LEAST, 400 + LEAST));
    }

    #[test]
    fn many_rows_of_a_small_database_share_their_pages() {
        let need = Need::of(&inserts(10_000), [0, 1 << 20]);
        assert_eq!(need.to_server, 2 * 1_000_000 + (2 << 20) + LEAST);
    }
}
