//! A backup of a side's database: taken, looked through, and held against the live tables. It is attached read-only and as a
//! file that nobody changes, so SQLite writes nothing, to it or beside it.

use std::collections::BTreeMap;
use std::path::Path;

use super::answer::{self, Fields, missing, nothing};
use super::opening::DAMAGE;
use super::push::{ASSERT_FILE, explain};
use super::schema::affinity;
use super::sqlite::unchanging;
use super::statements::TableSql;
use super::wire::{encode_sql, literal};
use super::{Replica, Script, SqlError};
use crate::model::{Row, Table, Value};

/// The tables of a backup, by name in lower case, with the columns that are stored and their declared types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(BTreeMap<String, Vec<(String, String)>>);

/// What a look through a backup found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The first damage, in SQLite's words.
    pub damage: Option<String>,
    /// By synced table, how many rows it has; `None` where it is not in the backup.
    pub rows: Vec<Option<u64>>,
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// By table of the layout, which of its columns the backup has; `None`: nothing of that table is asked for.
    pub tables: &'a [Option<Vec<bool>>],
    /// The row alone whose key is that text.
    pub key: Option<&'a str>,
    /// Kinds of rows to tell: `I` those that the live table lacks, `U` those that are otherwise, `D` those that the backup lacks.
    pub kinds: &'a str,
    /// How many rows of a table are told at most.
    pub most: Option<u64>,
    /// By table and column, what a row gets in a column that the backup lacks.
    pub defaults: &'a [Vec<Value>],
}

/// How one table of the backup differs from the live one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Rows of the live table.
    pub now: u64,
    /// Rows of the backup's.
    pub backup: u64,
    /// Rows that the live table lacks.
    pub missing: u64,
    /// Rows that are otherwise.
    pub changed: u64,
    /// Rows that the backup lacks.
    pub added: u64,
    /// Rows of the backup with NULL in their key.
    pub unkeyed: u64,
    /// Keys that several rows of the backup share.
    pub doubled: u64,
    /// Stands for exactly this difference.
    pub digest: Vec<u8>,
    /// The rows that were asked for, as they are and as the backup has them, with today's values in columns that it lacks.
    pub rows: Vec<(Option<Row>, Option<Row>)>,
}

impl Shape {
    /// Which of a table's columns the backup has.
    ///
    /// # Errors
    /// Why the table cannot be restored from it.
    pub fn fit(&self, table: &Table) -> Result<Vec<bool>, String> {
        let Some(columns) = self.0.get(&table.name.to_ascii_lowercase()) else {
            return Err("the backup has no such table".to_owned());
        };
        let mut has = Vec::with_capacity(table.columns.len());
        for (index, column) in table.columns.iter().enumerate() {
            let kept = columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            match kept {
                None if table.key.contains(&index) => {
                    return Err(format!("the backup's table lacks the key column \"{}\"", column.name));
                }
                Some((_, declared))
                    if !declared.eq_ignore_ascii_case(&column.declared) && affinity(declared) != column.affinity =>
                {
                    return Err(format!(
                        "column \"{}\" is {} now and {declared} in the backup",
                        column.name, column.declared
                    ));
                }
                kept => has.push(kept.is_some()),
            }
        }
        Ok(has)
    }

    /// Columns of the backup's table that the table has no more.
    #[must_use]
    pub fn dropped(&self, table: &Table) -> Vec<String> {
        let columns = self.0.get(&table.name.to_ascii_lowercase()).into_iter().flatten();
        let names = columns.map(|(name, _)| name);
        names.filter(|name| table.column(name).is_none()).cloned().collect()
    }

    fn take(&mut self, row: Vec<super::Field>) -> Result<(), SqlError> {
        let mut fields = Fields::new("read the backup", row);
        let (table, column, declared) = (fields.text()?, fields.text()?, fields.text()?);
        fields.end()?;
        let columns = self.0.entry(table.to_ascii_lowercase()).or_default();
        columns.push((column, declared));
        Ok(())
    }
}

impl Replica {
    /// Writes a backup into a file that must not exist: one round trip.
    ///
    /// # Errors
    /// When it exists, the disk is full, or the session or SQLite fails.
    pub async fn back_up(&mut self, path: &str) -> Result<(), SqlError> {
        let mut script = Script::new();
        script.step(ASSERT_FILE);
        script.backup(path);
        self.sql
            .run(&script, &mut nothing("take a backup"))
            .await
            .map_err(explain)
    }

    /// Attaches a backup and reads what tables it has: one round trip.
    ///
    /// # Errors
    /// When it cannot be opened or is no database, or the session fails.
    pub async fn attach_backup(&mut self, path: &str) -> Result<Shape, SqlError> {
        let mut script = Script::new();
        let uri = unchanging(Path::new(path));
        script.step(format!("ATTACH {} AS backup;", literal(&Value::text(uri))));
        let fields = ["m.name", "x.name", "x.type"].map(encode_sql).join(",");
        script.step(format!(
            "SELECT {fields} FROM backup.sqlite_master m JOIN pragma_table_xinfo(m.name,'backup') x \
             WHERE m.type='table' AND m.rootpage>0 AND x.hidden=0 ORDER BY m.name,x.cid;"
        ));
        let mut shape = Shape::default();
        self.sql.run(&script, &mut |row| shape.take(row)).await?;
        Ok(shape)
    }

    /// Lets go of the backup: one round trip.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn detach_backup(&mut self) -> Result<(), SqlError> {
        let mut script = Script::new();
        script.step("DETACH backup;");
        self.sql.run(&script, &mut nothing("let go of the backup")).await
    }

    /// Looks through the attached backup from end to end, and counts its rows of the synced tables: one round trip.
    ///
    /// # Errors
    /// When SQLite cannot read it at all, or the session fails.
    pub async fn check_backup(&mut self, shape: &Shape) -> Result<Checked, SqlError> {
        let mut script = Script::new();
        // From 3.33 on, quick_check takes the name of a table, and newer versions take nothing else before the schema's.
        script.step(format!(
            "SELECT 'tdamage',{} FROM (SELECT name FROM backup.sqlite_master WHERE type='table' AND rootpage>0 AND {BY_TABLE} \
             UNION ALL SELECT CASE WHEN {BY_TABLE} THEN 'sqlite_master' ELSE '100' END) m \
             JOIN pragma_quick_check(m.name,'backup') WHERE {DAMAGE} LIMIT 1;",
            encode_sql("quick_check")
        ));
        for (sql, table) in self.statements().iter().zip(&self.tables) {
            if shape.0.contains_key(&table.name.to_ascii_lowercase()) {
                script.step(sql.count_in_backup());
            }
        }
        let mut checked = Checked {
            damage: None,
            rows: vec![None; self.tables.len()],
        };
        let mut take = |row| {
            let mut fields = Fields::new("look through the backup", row);
            if fields.text()? == "damage" {
                let damage = fields.text()?;
                return answer::once(&mut checked.damage, damage, &fields);
            }
            let table = fields.index(checked.rows.len())?;
            let rows = fields.count()?;
            fields.end()?;
            answer::once(&mut checked.rows[table], rows, &fields)
        };
        self.sql.run(&script, &mut take).await?;
        Ok(checked)
    }

    /// Holds the attached backup against the live tables in one read transaction, and answers with what differs: one round trip.
    /// `None` for tables that are not asked for.
    ///
    /// # Errors
    /// When the session or SQLite fails.
    pub async fn hold_against_backup(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Option<Apart>>, SqlError> {
        let statements = self.statements();
        let asked: Vec<(&TableSql<'_>, &Vec<bool>)> = statements
            .iter()
            .zip(wanted.tables)
            .filter_map(|(sql, has)| Some((sql, has.as_ref()?)))
            .collect();
        let each = |step: &dyn Fn(&TableSql<'_>, &[bool]) -> String| -> Vec<String> {
            asked.iter().map(|(sql, has)| step(sql, has)).collect()
        };
        let mut script = Script::new();
        // Into temporary tables first: no lock is held while the answer crosses the network.
        let aside = each(&|sql, has| sql.set_apart(has, wanted.key)).concat();
        script.step(format!("BEGIN;{aside}COMMIT;"));
        for step in each(&|sql, has| sql.report_apart(has, wanted.key)) {
            script.step(step);
        }
        for step in each(&|sql, has| sql.rows_apart(has, wanted.kinds, wanted.most)) {
            script.step(step);
        }
        script.step(each(&|sql, _| sql.forget_apart()).concat() + ";");
        let mut found: Vec<Option<Apart>> = vec![None; wanted.tables.len()];
        let tables = &self.tables;
        self.sql
            .run(&script, &mut |row| take_apart(tables, wanted, &mut found, row))
            .await?;
        let complete = found
            .iter()
            .zip(wanted.tables)
            .all(|(found, has)| found.is_some() == has.is_some());
        if complete {
            Ok(found)
        } else {
            Err(missing("the comparison with the backup"))
        }
    }
}

/// Whether this SQLite's quick_check takes the name of a table.
const BY_TABLE: &str = "CAST(substr(sqlite_version(),3) AS INTEGER)>=33";

fn take_apart(
    tables: &[Table],
    wanted: &Wanted<'_>,
    found: &mut [Option<Apart>],
    row: Vec<super::Field>,
) -> Result<(), SqlError> {
    let mut fields = Fields::new("compare with the backup", row);
    let tag = fields.text()?;
    let index = fields.index(found.len())?;
    if tag == "apart" {
        let apart = Apart {
            now: fields.count()?,
            backup: fields.count()?,
            missing: fields.count()?,
            changed: fields.count()?,
            added: fields.count()?,
            unkeyed: fields.count()?,
            doubled: fields.count()?,
            digest: fields.blob()?,
            rows: Vec::new(),
        };
        fields.end()?;
        return answer::once(&mut found[index], apart, &fields);
    }
    let op = fields.text()?;
    let width = tables[index].columns.len();
    let mut cells = fields.cells(2 * width)?;
    let kept = cells.split_off(width);
    let before: Option<Row> = cells.into_iter().collect();
    let after = |fill: &dyn Fn(usize) -> Option<Value>| -> Option<Row> {
        let cells = kept
            .iter()
            .enumerate()
            .map(|(i, cell)| cell.clone().or_else(|| fill(i)));
        cells.collect()
    };
    let default = |i: usize| wanted.defaults.get(index).and_then(|row| row.get(i)).cloned();
    let (before, after) = match (op.as_str(), before) {
        ("I", None) => (None, after(&default)),
        ("U", Some(before)) => {
            let after = after(&|i| before.get(i).cloned());
            (Some(before), after)
        }
        ("D", Some(before)) => (Some(before), None),
        _ => return Err(fields.wrong()),
    };
    if (op == "D") != after.is_none() || !wanted.kinds.contains(&op) {
        return Err(fields.wrong());
    }
    let null_key = |row: &Row| tables[index].key_of(row).iter().any(Value::is_null);
    match &mut found[index] {
        Some(apart) if !before.iter().chain(&after).any(null_key) => apart.rows.push((before, after)),
        _ => return Err(fields.wrong()),
    }
    Ok(())
}
