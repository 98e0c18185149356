//! Proves, in a scratch database in memory, that a statement of one side makes its one object on the other and does nothing else.
//!
//! A statement that comes from a schema is data of that side, and is to be run on the other one. The scratch database is given
//! the schema that the other side has. There SQLite itself compiles the statement, alone, under an authorizer that allows
//! nothing but the making of that object, and the schema afterwards must have that object and no other more. What SQLite
//! finds wrong with a statement it says here, and not in the middle of a cycle.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::plan::{Change, Drift};
use crate::model::{Affinity, Object, ObjectKind, Schema, Side};
use crate::replica::ident;

/// The longest value and statement in the scratch database, in bytes: a schema must not make it eat up memory.
const LONGEST: i32 = 1_000_000;

/// Functions of SQLite's own that reach beyond the database.
const REACHING_OUT: [&str; 3] = ["load_extension", "fts3_tokenizer", "writefile"];

/// Keeps those changes that are proved harmless, and gives the others up with the reason.
pub fn prove(drift: &mut Drift, schemas: [&Schema; 2]) {
    for (side, schema) in Side::BOTH.into_iter().zip(schemas) {
        let mine: Vec<Change> = drift
            .changes
            .iter()
            .filter(|change| change.to == side)
            .cloned()
            .collect();
        if mine.is_empty() {
            continue;
        }
        let scratch = match Scratch::new(schema) {
            Ok(scratch) => scratch,
            Err(error) => {
                mine.iter().for_each(|change| drift.give_up(change, &error.to_string()));
                continue;
            }
        };
        prove_on(&scratch, drift, &mine);
    }
}

fn prove_on(scratch: &Scratch, drift: &mut Drift, changes: &[Change]) {
    for change in changes {
        // One that was given up may have taken others with it.
        if !drift.changes.contains(change) {
            continue;
        }
        if let Err(reason) = scratch.make(change) {
            drift.give_up(change, &reason);
        }
    }
    // A view is not compiled before it is used, and may use another one.
    loop {
        let views = drift
            .changes
            .iter()
            .filter(|change| change.kind == ObjectKind::View && changes.contains(change));
        let broken = views
            .filter_map(|view| Some((view.clone(), scratch.use_view(view).err()?)))
            .next();
        let Some((view, reason)) = broken else { return };
        scratch.forget_view(&view);
        drift.give_up(&view, &reason);
    }
}

/// A database in memory with one side's schema.
struct Scratch {
    connection: std::cell::RefCell<Connection>,
}

impl Scratch {
    fn new(schema: &Schema) -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection
            .execute_batch("PRAGMA foreign_keys=OFF; PRAGMA trusted_schema=OFF; PRAGMA ignore_check_constraints=ON;")?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0)?;
        let scratch = Self {
            connection: std::cell::RefCell::new(connection),
        };
        for object in &schema.objects {
            // What cannot be made here (a virtual table, a collation of its programs) is not there for what may use it.
            let kinds = [ObjectKind::Table, ObjectKind::Index, ObjectKind::View];
            let sql = super::text::in_main(&object.sql).filter(|_| kinds.contains(&object.kind));
            if let Some(sql) = sql {
                let _ = scratch.run(&sql, object.kind, &object.table, &object.name);
            }
            if object.kind == ObjectKind::Table {
                scratch.put_a_row(schema, object);
            }
        }
        Ok(scratch)
    }

    /// A row for the table: some columns cannot be added to a table that has rows. Where none can be made up, the other
    /// side's own SQLite has the last word.
    fn put_a_row(&self, schema: &Schema, table: &Object) {
        let Some(known) = schema.table(&table.name) else { return };
        let columns: Vec<String> = known.columns.iter().map(|column| ident(&column.name)).collect();
        let values: Vec<&str> = known
            .columns
            .iter()
            .map(|column| match column.affinity {
                Affinity::Text => "'x'",
                Affinity::Blob => "x'00'",
                _ => "1",
            })
            .collect();
        let sql = format!(
            "INSERT OR IGNORE INTO main.{}({}) VALUES({})",
            ident(&table.name),
            columns.join(","),
            values.join(",")
        );
        let _ = self.connection.borrow().execute(&sql, []);
    }

    /// Makes the object under guard, and looks whether it and nothing else has come.
    fn make(&self, change: &Change) -> Result<(), String> {
        let before = self.everything()?;
        let columns = |scratch: &Self| match change.kind {
            ObjectKind::Column => scratch.columns(&change.table),
            _ => Ok(Vec::new()),
        };
        let had = columns(self)?;
        self.run(&change.sql, change.kind, &change.table, &change.name)
            .map_err(|error| words(&error))?;
        let (mut after, mut has) = (self.everything()?, columns(self)?);
        let expected = match change.kind {
            ObjectKind::Column => {
                has.retain(|name| !had.contains(name));
                has == [change.name.clone()] && after == before
            }
            _ => {
                after.retain(|object| !before.contains(object));
                let kind = change.kind.to_string();
                after == [(kind, change.name.clone(), change.table.clone())]
            }
        };
        if !expected {
            return Err("its statement does something else than to make it".to_owned());
        }
        if matches!(change.kind, ObjectKind::Table | ObjectKind::Column) {
            self.use_defaults(change)?;
        }
        Ok(())
    }

    fn run(&self, sql: &str, kind: ObjectKind, table: &str, name: &str) -> rusqlite::Result<()> {
        self.guarded(Guard::new(Doing::Make(kind), table, name), |connection| {
            connection.execute(sql, []).map(drop)
        })
    }

    /// Defaults are compiled when a row is written.
    fn use_defaults(&self, change: &Change) -> Result<(), String> {
        let sql = format!("INSERT INTO main.{} DEFAULT VALUES", ident(&change.table));
        let guard = Guard::new(Doing::Write, &change.table, &change.name);
        self.guarded(guard, |connection| connection.prepare(&sql).map(drop))
            .map_err(|error| words(&error))
    }

    fn use_view(&self, view: &Change) -> Result<(), String> {
        let sql = format!("SELECT * FROM main.{}", ident(&view.name));
        let guard = Guard::new(Doing::Read, &view.table, &view.name);
        self.guarded(guard, |connection| connection.prepare(&sql).map(drop))
            .map_err(|error| words(&error))
    }

    fn forget_view(&self, view: &Change) {
        let _ = self
            .connection
            .borrow()
            .execute_batch(&format!("DROP VIEW main.{}", ident(&view.name)));
    }

    fn guarded<T>(&self, guard: Guard, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut connection = self.connection.borrow_mut();
        connection.authorizer(Some(move |context: AuthContext<'_>| guard.judge(context)))?;
        let done = work(&connection);
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        done
    }

    /// Kind, name and table of all that a statement made.
    fn everything(&self) -> Result<Vec<(String, String, String)>, String> {
        self.rows(
            "SELECT type,name,tbl_name FROM main.sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             UNION ALL SELECT 'temp '||type,name,tbl_name FROM temp.sqlite_master ORDER BY 1,2",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
    }

    fn columns(&self, table: &str) -> Result<Vec<String>, String> {
        self.rows("SELECT name FROM pragma_table_xinfo(?1,'main')", [table], |row| {
            row.get(0)
        })
    }

    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, String> {
        let connection = self.connection.borrow();
        let rows = || connection.prepare(sql)?.query_map(parameters, read)?.collect();
        let rows: rusqlite::Result<Vec<T>> = rows();
        rows.map_err(|error| words(&error))
    }
}

fn words(error: &rusqlite::Error) -> String {
    match crate::replica::sqlite::reason(error).as_str() {
        "not authorized" => "its statement does something else than to make it".to_owned(),
        reason => reason.to_owned(),
    }
}

/// What a statement is compiled for.
#[derive(Clone, Copy, PartialEq)]
enum Doing {
    /// Making an object.
    Make(ObjectKind),
    /// Writing a row into a table.
    Write,
    /// Reading a view.
    Read,
}

/// What a statement may do.
struct Guard {
    doing: Doing,
    table: String,
    name: String,
}

impl Guard {
    fn new(doing: Doing, table: &str, name: &str) -> Self {
        Self {
            doing,
            table: table.to_owned(),
            name: name.to_owned(),
        }
    }

    fn judge(&self, context: AuthContext<'_>) -> Authorization {
        let elsewhere = context.database_name.is_some_and(|name| name != "main");
        if !elsewhere && self.allows(context.action) {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }

    fn allows(&self, action: AuthAction<'_>) -> bool {
        let own = |name: &str| name.eq_ignore_ascii_case(&self.name);
        // What ALTER TABLE calls the table while it adds a column.
        let in_work = |name: &str| name.strip_prefix("sqlite_altertab_").unwrap_or(name).to_owned();
        let of_table = |name: &str| in_work(name).eq_ignore_ascii_case(&self.table);
        let makes = |kind| self.doing == Doing::Make(kind);
        let kept = |name: &str| matches!(name, "sqlite_master" | "sqlite_sequence");
        match action {
            AuthAction::Function { function_name } => {
                !REACHING_OUT.iter().any(|name| name.eq_ignore_ascii_case(function_name))
            }
            AuthAction::Read { table_name, .. } => {
                // With `quick_check` it looks at the rows that are there.
                let looked_through = makes(ObjectKind::Column) && table_name == "pragma_quick_check";
                kept(table_name) || of_table(table_name) || self.doing == Doing::Read || looked_through
            }
            AuthAction::Pragma { pragma_name, .. } => makes(ObjectKind::Column) && pragma_name == "quick_check",
            AuthAction::Insert { table_name } => kept(table_name) || self.doing == Doing::Write && of_table(table_name),
            AuthAction::Update { table_name, .. } => table_name == "sqlite_master",
            AuthAction::CreateTable { table_name } => {
                makes(ObjectKind::Table) && (own(table_name) || table_name == "sqlite_sequence")
            }
            AuthAction::CreateIndex { index_name, table_name } => match self.doing {
                Doing::Make(ObjectKind::Table) => of_table(table_name) && index_name.starts_with("sqlite_autoindex_"),
                // SQLite refuses such a column later, in words of its own.
                Doing::Make(ObjectKind::Column) => index_name.starts_with("sqlite_autoindex_"),
                Doing::Make(ObjectKind::Index) => of_table(table_name) && own(index_name),
                _ => false,
            },
            AuthAction::Reindex { index_name } => makes(ObjectKind::Index) && own(index_name),
            AuthAction::CreateView { view_name } => makes(ObjectKind::View) && own(view_name),
            AuthAction::AlterTable { table_name, .. } => makes(ObjectKind::Column) && of_table(table_name),
            AuthAction::Select | AuthAction::Recursive => {
                self.doing == Doing::Read || makes(ObjectKind::View) || makes(ObjectKind::Column)
            }
            _ => false,
        }
    }
}
