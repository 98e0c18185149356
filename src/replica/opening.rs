//! Opens a side: looks at the live file, attaches the base's, reads the schema.

use super::answer::Fields;
use super::sql::{Field, Script, Sql, SqlError, SqlErrorKind};
use super::wire::{encode_sql, literal};
use super::{Replica, schema};
use crate::model::{Schema, Side, Value};

/// What a side is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Which side it is.
    pub side: Side,
    /// Path of the base's file, on that side.
    pub sidecar: &'a str,
    /// Identity of the live file, which the base is bound to.
    pub file: &'a str,
    /// Whether both files are looked through from end to end, which reads all of them.
    pub look_through: bool,
}

/// Why a side cannot be opened, and whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The live file holds nothing: it has no bytes.
    Empty,
    /// The live file is damaged: SQLite's verdict.
    Damaged(String),
    /// The base's file cannot be used as one: why. The live file is not concerned.
    Base(String),
    /// Anything else that the session or SQLite says.
    Sql(SqlError),
}

impl OpenError {
    /// What a session or SQLite says of the live file.
    #[must_use]
    pub fn of(error: SqlError) -> Self {
        match error.kind {
            SqlErrorKind::Corrupt => Self::Damaged(error.message),
            _ => Self::Sql(error),
        }
    }
}

impl From<SqlError> for OpenError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// Constraints that rows do not keep are no damage of the file. SQLite tells them in these forms, after all damage.
pub(super) const DAMAGE: &str =
    "quick_check<>'ok' AND quick_check NOT LIKE 'CHECK constraint failed in %' AND quick_check NOT LIKE '% value in %'";

/// Asks SQLite for the first damage of all files that are open, but for the mark's, which is looked at when it is opened. It
/// names the one: `*** in database base ***`. (One file alone cannot be asked for: a limit of lines has to stand before its
/// name, and newer versions take that for a table's.)
fn quick_check() -> String {
    format!(
        "SELECT 'tdamage',{} FROM pragma_quick_check WHERE {DAMAGE} AND quick_check NOT LIKE '%in database mark%' LIMIT 1;",
        encode_sql("quick_check")
    )
}

/// Whether it is the base's file that SQLite speaks of.
fn speaks_of_base(verdict: &str) -> bool {
    verdict.contains("in database base")
}

/// Reads the schema of a database that is no side of a pair yet: one round trip.
///
/// # Errors
/// When the session or SQLite fails.
pub async fn schema_of(sql: &mut dyn Sql) -> Result<Schema, SqlError> {
    let mut reader = schema::Reader::default();
    sql.run(&schema::script(), &mut |row| reader.take(row)).await?;
    Ok(reader.finish())
}

impl Replica {
    /// Takes a fresh session, attaches the base's file and reads the schema: two round trips.
    ///
    /// # Errors
    /// See [`OpenError`]; among others when the database's text encoding is not UTF-8.
    pub async fn open(mut sql: Box<dyn Sql>, opening: &Opening<'_>) -> Result<(Self, Schema), OpenError> {
        live_file(&mut *sql).await?;
        let reader = both_files(&mut *sql, opening).await?;
        let replica = Self {
            sql,
            side: opening.side,
            file: opening.file.to_owned(),
            tables: Vec::new(),
            schema_version: reader.version(),
            seen: None,
            locked: false,
        };
        Ok((replica, reader.finish()))
    }

    /// Looks through both files from end to end: one round trip.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] or [`OpenError::Base`] when one of them is not whole, or when the session or SQLite fails.
    pub async fn look_through(&mut self) -> Result<(), OpenError> {
        let mut script = Script::new();
        script.step(quick_check());
        let mut damage = None;
        let mut take = |row| {
            let mut fields = Fields::new("look through", row);
            fields.expect("damage")?;
            damage = Some(fields.text()?);
            Ok(())
        };
        self.sql.run(&script, &mut take).await.map_err(OpenError::of)?;
        match damage {
            None => Ok(()),
            Some(verdict) if speaks_of_base(&verdict) => Err(OpenError::Base(verdict)),
            Some(verdict) => Err(OpenError::Damaged(verdict)),
        }
    }
}

async fn live_file(sql: &mut dyn Sql) -> Result<(), OpenError> {
    let mut script = Script::new();
    script.step(schema::ENCODING);
    script.step("SELECT 'tpages','i'||page_count FROM pragma_page_count;");
    let (mut encoding, mut pages) = (None, 0);
    sql.run(&script, &mut |row| {
        let mut fields = Fields::new("open", row);
        match fields.text()?.as_str() {
            "pages" => pages = fields.integer()?,
            other => encoding = Some(other.to_owned()),
        }
        Ok(())
    })
    .await
    .map_err(OpenError::of)?;
    match pages {
        0 => Err(OpenError::Empty),
        _ => Ok(schema::check_encoding(encoding.as_deref().unwrap_or_default())?),
    }
}

/// Attaches the base's file, looks through both if that is wanted, and reads the live schema. Nothing is made in a file that
/// is not a base or empty.
async fn both_files(sql: &mut dyn Sql, opening: &Opening<'_>) -> Result<schema::Reader, OpenError> {
    let (mut reader, mut damage) = (schema::Reader::default(), None);
    let mut take = |row: Vec<Field>| {
        if row.first() != Some(&Field::Value(Value::text("damage"))) {
            return reader.take(row);
        }
        let mut fields = Fields::new("open", row);
        fields.expect("damage")?;
        let verdict = fields.text()?;
        damage = Some(verdict.clone());
        // Nothing more is to be done with these files.
        Err(SqlError {
            kind: SqlErrorKind::Corrupt,
            message: verdict,
        })
    };
    let ran = sql.run(&base_script(opening), &mut take).await;
    match (ran, damage) {
        (Ok(()), _) => Ok(reader),
        (_, Some(verdict)) if !speaks_of_base(&verdict) => Err(OpenError::Damaged(verdict)),
        // The live file has been read before.
        (Err(error), _) if error.kind == SqlErrorKind::Corrupt => Err(OpenError::Base(error.message)),
        (Err(error), _) if error.message.contains("modsync_base") => {
            Err(OpenError::Base("it holds tables that are not modsync's".to_owned()))
        }
        (Err(error), _) if error.message.contains("same text encoding") => Err(OpenError::Base(error.message)),
        (Err(error), _) => Err(error.into()),
    }
}

fn base_script(opening: &Opening<'_>) -> Script<'static> {
    let mut script = Script::new();
    script.step(format!("ATTACH {} AS base;", literal(&Value::text(opening.sidecar))));
    script.step(
        "CREATE TEMP TABLE modsync_base(holds CONSTRAINT modsync_base CHECK(holds));\
         INSERT INTO temp.modsync_base SELECT 0 FROM base.sqlite_master \
         WHERE type IN('table','view') AND name<>'meta' AND name NOT GLOB 't_*' AND name NOT GLOB 'sqlite_*' \
         UNION ALL SELECT 0 FROM pragma_table_info('meta','base') WHERE name NOT IN('id','format','lineage','number','file') LIMIT 1;",
    );
    if opening.look_through {
        script.step(quick_check());
    }
    script.step(
        "PRAGMA base.synchronous=NORMAL;\
         CREATE TABLE IF NOT EXISTS base.meta(id INTEGER PRIMARY KEY CHECK(id=1),format INTEGER,lineage TEXT,number INTEGER,file TEXT);\
         CREATE TEMP TABLE modsync_head(schema_version,data_version,lineage,number,file,moved);\
         CREATE TEMP TABLE modsync_proof(tbl,digest);\
         CREATE TEMP TABLE modsync_assert(holds CONSTRAINT modsync_assert CHECK(holds));",
    );
    for step in schema::script().steps() {
        script.step(step);
    }
    script
}
