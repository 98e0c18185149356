//! Reads a database's schema through SQL, so that both sides are read by the same text.

mod bounds;
mod reader;

use super::sql::{Script, SqlError, SqlErrorKind};
use super::wire::encode_sql;

pub use reader::{Reader, affinity};

/// The steps that read the schema.
#[must_use]
pub fn script() -> Script<'static> {
    let ordinary = "m.type='table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.sql NOT LIKE 'CREATE VIRTUAL%'";
    let select = |tag: &str, columns: &[&str], from: String| {
        let fields: Vec<String> = columns.iter().map(|column| encode_sql(column)).collect();
        format!("SELECT 't{tag}',{} FROM {from};", fields.join(","))
    };
    let mut script = Script::new();
    script.step("SELECT 'tversion','i'||schema_version,'t'||sqlite_version() FROM pragma_schema_version;");
    script.step(select(
        "object",
        &["m.name", "m.type", "m.tbl_name", "m.sql"],
        // Triggers fire in the order in which they were made, so they have to come back in it.
        // The indexes that belong to constraints have no statement of their own.
        "main.sqlite_master m WHERE m.type IN ('table','view','trigger','index') AND m.sql IS NOT NULL \
         ORDER BY CASE m.type WHEN 'trigger' THEN m.rowid ELSE 0 END,m.name"
            .into(),
    ));
    script.step(select(
        "column",
        &["m.name", "x.name", "x.type", "x.\"notnull\"", "x.pk", "x.hidden"],
        format!("main.sqlite_master m JOIN pragma_table_xinfo(m.name,'main') x WHERE {ordinary} ORDER BY m.name,x.cid"),
    ));
    script.step(select(
        "index",
        &[
            "m.name",
            "i.name",
            "i.\"unique\"",
            "i.origin",
            "i.partial",
            "k.coll",
            "k.name",
        ],
        format!(
            "main.sqlite_master m JOIN pragma_index_list(m.name,'main') i JOIN pragma_index_xinfo(i.name,'main') k \
             WHERE {ordinary} AND k.key ORDER BY m.name,i.name,k.seqno"
        ),
    ));
    script.step(select(
        "foreign",
        &["m.name", "f.id", "f.\"table\"", "f.\"from\"", "f.\"to\""],
        format!("main.sqlite_master m JOIN pragma_foreign_key_list(m.name,'main') f WHERE {ordinary} ORDER BY m.name,f.id,f.seq"),
    ));
    script
}

/// The step that asks for the encoding of texts. It comes before anything else is done with a database.
pub const ENCODING: &str = "SELECT 't'||encoding FROM pragma_encoding;";

/// Judges the answer to [`ENCODING`].
///
/// # Errors
/// When it is another one than UTF-8: the same text would have other bytes there.
pub fn check_encoding(encoding: &str) -> Result<(), SqlError> {
    if encoding == "UTF-8" {
        return Ok(());
    }
    Err(SqlError {
        kind: SqlErrorKind::Unsuitable,
        message: format!(
            "open: the database stores text as {encoding}, modsync syncs UTF-8 databases only; \
             copy it into a new one with `sqlite3 OLD .dump | sqlite3 NEW`"
        ),
    })
}
