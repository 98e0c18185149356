//! One of the two databases, opened by SQLite as a cycle would open it, and only read.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::doctor::findings::{Database, Whole};
use crate::model::{Side, Value};
use crate::replica::sqlite::OpenMode;
use crate::replica::{Field, LocalSql, OpenError, Opening, Replica, Script, Sql};

/// How long a statement waits for another program's lock.
pub(super) const BUSY: Duration = Duration::from_millis(800);

/// The largest file that is read through in passing, in bytes: reading keeps programs from writing in rollback mode.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Opens the laptop's database and looks through it, as far as the time allows.
///
/// # Errors
/// Why it cannot be used.
pub(in crate::doctor) async fn local(path: &Path, until: Instant) -> Result<Database, OpenError> {
    let sql = LocalSql::open(path, OpenMode::ReadWrite, BUSY).await;
    look(Box::new(sql.map_err(OpenError::of)?), Side::Local, until).await
}

/// The same for a session that is open. The base that is attached is in memory: nothing is written.
///
/// # Errors
/// As there.
pub(super) async fn look(mut sql: Box<dyn Sql>, side: Side, until: Instant) -> Result<Database, OpenError> {
    let mut script = Script::new();
    script.step("SELECT 't'||journal_mode FROM pragma_journal_mode;");
    script.step("SELECT 'i'||(page_count*page_size) FROM pragma_page_count,pragma_page_size;");
    let (mut journal, mut bytes) = (String::new(), 0);
    let mut take = |row: Vec<Field>| {
        match row.first() {
            Some(Field::Value(Value::Text(text))) => journal = String::from_utf8_lossy(text).into_owned(),
            Some(Field::Value(Value::Integer(size))) => bytes = u64::try_from(*size).unwrap_or_default(),
            _ => {}
        }
        Ok(())
    };
    sql.run(&script, &mut take).await.map_err(OpenError::of)?;
    let opening = Opening {
        side,
        sidecar: ":memory:",
        file: "",
        look_through: false,
    };
    let (mut replica, schema) = Replica::open(sql, &opening).await?;
    let began = Instant::now();
    let whole = match bytes > LARGEST {
        true => Whole::TooLarge,
        false => match timeout_at(until, replica.look_through()).await {
            Ok(Ok(())) => Whole::Yes,
            Ok(Err(error)) => Whole::No(error),
            Err(_) => Whole::Slow(began.elapsed()),
        },
    };
    Ok(Database {
        schema,
        journal,
        bytes,
        whole,
    })
}
