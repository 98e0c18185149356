//! What the laptop keeps of the server's database, in a folder of its state.
//!
//! | file | what |
//! |---|---|
//! | `record.json` | [`Record`]: which file `seen.db` is, and which old files are still watched |
//! | `seen.db` | the server's file, byte for byte; replaced whole, never written |
//! | `agreed.db` | the server's base, as of the last exchange that went through; replaced whole |
//! | `copy.db`, `base.db` | both of them for one session, which runs its scripts here; thrown away |
//! | `next.db`, `fresh.db`, `late.db` | on their way up or down |
//! | `before-N.db` | the server's file as it was before exchange N, while the file that was replaced is watched |

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::Progress;
use rusqlite::{Connection, OpenFlags};

use super::record::{Record, Watch};
use super::stamp::{HEADER, Stamp, set_counter};
use crate::random;
use crate::replica::late::{self, Taken};
use crate::replica::{SqlError, SqlErrorKind, sqlite};

const RECORD: &str = "record.json";
const AGREED: &str = "agreed.db";
/// How long one of the session's connections waits for another one.
const BUSY: Duration = Duration::from_secs(5);

/// The folder.
pub(super) struct Copies {
    folder: PathBuf,
    pub record: Record,
    /// The copy's schema, with its number.
    schema: (i64, Vec<String>),
    turn: Turn,
}

/// Held by work that goes on apart. Work that was given up goes on nevertheless, and the next session must not begin
/// in the same folder before it has ended: dropping this waits for it.
#[derive(Default)]
struct Turn(Arc<tokio::sync::Mutex<()>>);

impl Drop for Turn {
    fn drop(&mut self) {
        while self.0.try_lock().is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Copies {
    /// Opens the folder for a database at that place, and throws away what the last session left.
    pub(super) async fn open(folder: &Path, place: String) -> Result<Self, SqlError> {
        let mut copies = Self {
            folder: folder.to_owned(),
            record: Record::default(),
            schema: (0, Vec::new()),
            turn: Turn::default(),
        };
        copies.apart(|copies| copies.set_up(place)).await?;
        Ok(copies)
    }

    fn set_up(&mut self, place: String) -> Result<(), SqlError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.folder)
            .map_err(|error| failed("make", &self.folder, &error))?;
        let known = fs::read(self.path(RECORD)).ok();
        let known: Option<Record> = known.and_then(|text| serde_json::from_slice(&text).ok());
        self.record = match known.filter(|record| record.place == place) {
            Some(record) => record,
            None => Record {
                place,
                identity: number()?,
                ..Record::default()
            },
        };
        let seen = self.stamp_of("seen.db");
        if !self
            .record
            .seen
            .as_ref()
            .zip(seen.as_ref())
            .is_some_and(|(known, seen)| known.is_like(seen))
        {
            self.record.seen = None;
        }
        self.clear()?;
        match self.path(AGREED).exists() {
            true => self.duplicate(AGREED, "base.db")?,
            false => drop(self.create("base.db")?),
        }
        if self.record.seen.is_some() {
            self.duplicate("seen.db", "copy.db")?;
            self.note_schema()?;
        }
        self.save()
    }

    /// The paths, on the server, of the files that are watched.
    pub(super) fn watched(&self) -> Vec<&str> {
        self.record.watched.iter().map(|watch| &*watch.path).collect()
    }

    /// Does what may take a while on a thread where nobody waits for it.
    pub(super) async fn apart<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let turn = Arc::clone(&self.turn.0).lock_owned().await;
        let mut twin = Self {
            folder: self.folder.clone(),
            record: self.record.clone(),
            schema: self.schema.clone(),
            turn: Turn::default(),
        };
        let worked = tokio::task::spawn_blocking(move || {
            let done = work(&mut twin);
            drop(turn);
            (done, twin)
        });
        let (done, twin) = worked.await.map_err(|error| SqlError {
            kind: SqlErrorKind::Other,
            message: format!("work on the copies of the server's database: {error}"),
        })?;
        (self.record, self.schema) = (twin.record.clone(), twin.schema.clone());
        done
    }

    /// Carries what came into `late.db` after its image was made over to the session's copy.
    pub(super) fn take_late_writes(&self, number: u64) -> Result<Taken, SqlError> {
        let late = self.path("late.db");
        late::must_be_whole(&late)?;
        late::take_over(&self.path("copy.db"), &self.image(number), &late)
    }

    fn clear(&self) -> Result<(), SqlError> {
        let listed = fs::read_dir(&self.folder).map_err(|error| failed("list", &self.folder, &error))?;
        for entry in listed.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let watched = self.record.watched.iter().any(|watch| image(watch.number) == name);
            let lasting = matches!(&*name, RECORD | "seen.db" | AGREED) || name.contains(".damaged-");
            if !watched && !lasting {
                fs::remove_file(entry.path()).map_err(|error| failed("remove", &entry.path(), &error))?;
            }
        }
        Ok(())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// An empty file in place of what has that name.
    pub(super) fn create(&self, name: &str) -> Result<File, SqlError> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        options.open(&path).map_err(|error| failed("make", &path, &error))
    }

    /// Writes the record down, on the disk.
    pub(super) fn save(&self) -> Result<(), SqlError> {
        let text = serde_json::to_vec(&self.record).map_err(|error| SqlError {
            kind: SqlErrorKind::Other,
            message: format!("write {RECORD}: {error}"),
        })?;
        let mut file = self.create("record.new")?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(|error| failed("write", &self.path("record.new"), &error))?;
        self.put("record.new", RECORD)
    }

    /// Renames a file over another one, on the disk.
    fn put(&self, from: &str, to: &str) -> Result<(), SqlError> {
        let put = fs::rename(self.path(from), self.path(to)).and_then(|()| File::open(&self.folder)?.sync_all());
        put.map_err(|error| failed("put in place", &self.path(to), &error))
    }

    fn duplicate(&self, from: &str, to: &str) -> Result<(), SqlError> {
        let done = File::open(self.path(from)).and_then(|mut source| {
            let mut target = self.create(to).map_err(|error| std::io::Error::other(error.message))?;
            std::io::copy(&mut source, &mut target)?;
            target.sync_all()
        });
        done.map_err(|error| failed("make a copy at", &self.path(to), &error))
    }

    /// Takes what was downloaded into `fresh.db` for the server's file, if it is a whole database.
    pub(super) fn take(&mut self, stamp: Stamp, unsure: bool) -> Result<(), SqlError> {
        late::must_be_whole(&self.path("fresh.db"))?;
        if self.record.seen.as_ref().is_some_and(|before| stamp.is_before(before)) {
            tracing::warn!("the server's database is an older file than the last one seen: beginning anew with it");
            self.record.identity = number()?;
            // The session that is open sees that its file is another one, and is opened anew.
            self.duplicate("fresh.db", "copy.new")?;
            self.put("copy.new", "copy.db")?;
        }
        self.put("fresh.db", "seen.db")?;
        self.record.seen = Some(stamp);
        self.record.unsure = unsure;
        self.save()?;
        self.load()
    }

    /// Notes, on the disk, that we have no lock among laptops any more.
    pub(super) fn without_lock(&mut self) -> Result<(), SqlError> {
        self.record.locked = false;
        self.save()
    }

    /// Makes `copy.db` what `seen.db` is. SQLite counts that as a change of the schema; where it is none the number is set
    /// back, so that what the session has prepared, and asserts, goes on to hold.
    pub(super) fn load(&mut self) -> Result<(), SqlError> {
        let told = |error: rusqlite::Error| sqlite::describe(&error, "refill copy.db");
        if !self.path("copy.db").exists() {
            self.duplicate("seen.db", "copy.db")?;
            return self.note_schema();
        }
        self.refill("seen.db", "copy.db").map_err(told)?;
        let (version, before) = std::mem::take(&mut self.schema);
        let connection = self.open_copy().map_err(told)?;
        if schema(&connection).map_err(told)?.1 == before {
            connection
                .pragma_update(None, "schema_version", version)
                .map_err(told)?;
        }
        drop(connection);
        self.note_schema()
    }

    /// Makes `base.db` again what it was before a script that did not go through.
    pub(super) fn unload_base(&self) -> Result<(), SqlError> {
        let refilled = self.refill(AGREED, "base.db");
        refilled.map_err(|error| sqlite::describe(&error, "refill base.db"))
    }

    /// Puts the contents of one database into another, which a session has open.
    fn refill(&self, from: &str, to: &str) -> rusqlite::Result<()> {
        let source = Connection::open_with_flags(self.path(from), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        source.backup("main", self.path(to), None::<fn(Progress)>)
    }

    /// Remembers the schema of the copy as the session finds it.
    pub(super) fn note_schema(&mut self) -> Result<(), SqlError> {
        let noted = self.open_copy().and_then(|connection| schema(&connection));
        self.schema = noted.map_err(|error| sqlite::describe(&error, "read the schema of copy.db"))?;
        Ok(())
    }

    fn open_copy(&self) -> rusqlite::Result<Connection> {
        sqlite::open(&self.path("copy.db"), sqlite::OpenMode::ReadWrite, BUSY)
    }

    /// The change counters of the session's two files: they tell what a script has written.
    pub(super) fn counters(&self) -> [u32; 2] {
        ["copy.db", "base.db"].map(|name| self.stamp_of(name).map_or(0, |stamp| stamp.counter()))
    }

    /// Takes the session's base for the one that was agreed.
    pub(super) fn publish_base(&self) -> Result<(), SqlError> {
        self.duplicate("base.db", "agreed.new")?;
        self.put("agreed.new", AGREED)
    }

    /// Makes `next.db` of the session's copy. Its change counter is one that no commit on the server's file reaches, so
    /// that the file can be told from one that the site wrote.
    pub(super) fn make_next(&self, seen: &Stamp) -> Result<Stamp, SqlError> {
        self.duplicate("copy.db", "next.db")?;
        let jump = 0x1000 + (number()? & 0xffff) as u32;
        let path = self.path("next.db");
        let patched = || {
            let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
            let mut header = [0; HEADER];
            file.read_exact(&mut header)?;
            set_counter(&mut header, seen.counter().wrapping_add(jump));
            file.rewind()?;
            file.write_all(&header)?;
            file.sync_all()?;
            Ok((header.to_vec(), file.metadata()?.len()))
        };
        let (header, size) = patched().map_err(|error: std::io::Error| failed("make", &path, &error))?;
        Ok(Stamp { size, mtime: 0, header })
    }

    /// Notes, on the disk, that the lock among laptops is about to be taken, and the server's file, of which `seen.db` is
    /// a copy, to be replaced, which gives it another name.
    pub(super) fn expect_exchange(&mut self, path: impl FnOnce(u64) -> String) -> Result<Watch, SqlError> {
        let stamp = self.record.seen.clone().ok_or_else(nothing_seen)?;
        self.record.exchanges += 1;
        let number = self.record.exchanges;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let watch = Watch {
            number,
            path: path(number),
            stamp,
            since: since.map(|since| since.as_secs()).unwrap_or_default(),
            backup: false,
        };
        let image = self.path(&image(number));
        // A second name: `seen.db` is only ever replaced.
        fs::hard_link(self.path("seen.db"), &image).map_err(|error| failed("keep", &image, &error))?;
        self.record.watched.push(watch.clone());
        self.record.locked = true;
        self.save()?;
        Ok(watch)
    }

    /// `next.db` is the server's file by now.
    pub(super) fn exchanged(&mut self, stamp: Stamp) -> Result<(), SqlError> {
        self.put("next.db", "seen.db")?;
        self.record.seen = Some(stamp);
        self.record.unsure = false;
        self.save()?;
        self.note_schema()
    }

    /// The copy of a watched file, as it was when it was last dealt with.
    fn image(&self, number: u64) -> PathBuf {
        self.path(&image(number))
    }

    /// What came late into a watched file, now in `late.db`, has been dealt with.
    pub(super) fn dealt_with(&mut self, number: u64, stamp: &Stamp) -> Result<(), SqlError> {
        self.put("late.db", &image(number))?;
        for watch in self.record.watched.iter_mut().filter(|watch| watch.number == number) {
            watch.stamp = stamp.clone();
        }
        self.save()
    }

    /// Stops watching.
    pub(super) fn forget(&mut self, number: u64) -> Result<(), SqlError> {
        self.record.watched.retain(|watch| watch.number != number);
        self.save()?;
        let image = self.image(number);
        match fs::remove_file(&image) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", &image, &error)),
            _ => Ok(()),
        }
    }

    fn stamp_of(&self, name: &str) -> Option<Stamp> {
        let mut file = File::open(self.path(name)).ok()?;
        let mut header = Vec::new();
        (&mut file).take(HEADER as u64).read_to_end(&mut header).ok()?;
        let size = file.metadata().ok()?.len();
        Some(Stamp { size, mtime: 0, header })
    }
}

/// The file, on this machine, that a session's base is made of: what to put aside when the base cannot be used.
#[must_use]
pub fn lasting_base(sidecar: &str) -> String {
    Path::new(sidecar).with_file_name(AGREED).to_string_lossy().into_owned()
}

fn image(number: u64) -> String {
    format!("before-{number}.db")
}

/// The schema's version, and the schema itself with the places of its tables.
fn schema(connection: &Connection) -> rusqlite::Result<(i64, Vec<String>)> {
    let version = connection.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
    let mut statement = connection.prepare(
        "SELECT quote(type)||quote(name)||quote(tbl_name)||quote(rootpage)||quote(sql) FROM main.sqlite_master ORDER BY rowid",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok((version, rows))
}

pub(super) fn nothing_seen() -> SqlError {
    SqlError {
        kind: SqlErrorKind::Other,
        message: "the server's database has not been read yet".to_owned(),
    }
}

/// A number that nobody can foresee, and that fits SQLite's integers.
fn number() -> Result<u64, SqlError> {
    let name = random::name().map_err(|error| failed("read random bytes for", Path::new(RECORD), &error))?;
    let digits = name.get(..15).unwrap_or_default();
    Ok(u64::from_str_radix(digits, 16).unwrap_or_default())
}

pub(super) fn failed(verb: &str, path: &Path, error: &std::io::Error) -> SqlError {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => SqlErrorKind::Full,
        _ => SqlErrorKind::Other,
    };
    SqlError {
        kind,
        message: format!("cannot {verb} {} on this machine: {error}", path.display()),
    }
}
