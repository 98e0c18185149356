//! Which tables both sides can sync, and how: what the schemas and the config come to.

use super::schema::{Drift, default_of, unlike};
use crate::config::TableSetup;
use crate::merge::TableRules;
use crate::model::{Column, ForeignKey, ObjectKind, Schema, Skipped, Table, Value};

/// The tables that are synced, as each side has them, in one order of tables and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// As the laptop has them.
    pub local: Vec<Table>,
    /// As the server has them, columns in the laptop's order.
    pub server: Vec<Table>,
    /// How their rows merge.
    pub rules: Vec<TableRules>,
    /// By table and column, the value that a row has in a column that was added behind it: the default that both sides
    /// declare, NULL where there is none.
    pub defaults: Vec<Vec<Value>>,
    /// What is left out, with the reason.
    pub left_out: Vec<Skipped>,
    /// Those of them that were synced before: somebody changed a schema, and should know.
    pub held: Vec<Skipped>,
}

impl Layout {
    /// Finds the tables that both schemas have alike. `drift` tells what became of the schemas; `setup` what the config
    /// says of a table: an error leaves it out with that reason.
    pub fn new(
        local: &Schema,
        server: &Schema,
        drift: &Drift,
        setup: impl Fn(&Table) -> Result<TableSetup, String>,
    ) -> Self {
        let mut layout = Self {
            left_out: local.skipped.clone(),
            ..Self::default()
        };
        for skipped in &server.skipped {
            if !layout
                .left_out
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(&skipped.name))
            {
                layout.left_out.push(skipped.clone());
            }
        }
        for table in &local.tables {
            if let Err(reason) = layout.add(table, [local, server], drift, &setup) {
                layout.left_out.push(Skipped {
                    name: table.name.clone(),
                    reason,
                });
            }
        }
        let lonely = server.tables.iter().filter(|table| local.table(&table.name).is_none());
        let lonely = lonely.filter(|table| !local.skipped.iter().any(|s| s.name.eq_ignore_ascii_case(&table.name)));
        layout.left_out.extend(lonely.map(|table| {
            Skipped {
                name: table.name.clone(),
                reason: match setup(table) {
                    Ok(setup) if !setup.sync => BY_CONFIG.into(),
                    _ => drift
                        .bar(&table.name)
                        .map_or("only on the server", |barred| &barred.reason)
                        .into(),
                },
            }
        }));
        for note in drift.notes.iter().cloned().chain(drift.stuck_notes()) {
            layout
                .left_out
                .retain(|known| !known.name.eq_ignore_ascii_case(&note.name));
            layout.left_out.push(note);
        }
        layout
    }

    fn add(
        &mut self,
        local: &Table,
        schemas: [&Schema; 2],
        drift: &Drift,
        setup: &impl Fn(&Table) -> Result<TableSetup, String>,
    ) -> Result<(), String> {
        let server = schemas[1];
        let left_out = || setup(local).is_ok_and(|setup| !setup.sync);
        if let Some(barred) = drift.bar(&local.name).filter(|_| !left_out()) {
            return Err(barred.reason.clone());
        }
        let Some(theirs) = server.table(&local.name) else {
            let skipped = server
                .skipped
                .iter()
                .find(|skipped| skipped.name.eq_ignore_ascii_case(&local.name));
            return Err(skipped.map_or("only on the laptop".into(), |s| format!("on the server: {}", s.reason)));
        };
        let setup = setup(local)?;
        if !setup.sync {
            return Err(BY_CONFIG.into());
        }
        if let Some(reason) = unlike(local, theirs, &drift.before) {
            return Err(reason);
        }
        let mut ours = local.clone();
        let mut theirs = aligned(theirs, &ours)?;
        if let Some(names) = &setup.key {
            let missing = |name: &String| format!("key column \"{name}\" is not in the table");
            ours.key = names
                .iter()
                .map(|name| ours.column(name).ok_or_else(|| missing(name)))
                .collect::<Result<_, _>>()?;
        }
        if ours.key.is_empty() {
            return Err("no key: declare one with [[table]] key = […] in the config".into());
        }
        theirs.key.clone_from(&ours.key);
        let [local, server] = schemas.map(|schema| schema.object(ObjectKind::Table, &ours.name));
        let default = |column: &Column| {
            let [local, server] = [local, server].map(|table| default_of(&table?.sql, &column.name));
            local
                .filter(|default| server.as_ref() == Some(default))
                .unwrap_or(Value::Null)
        };
        self.defaults.push(ours.columns.iter().map(default).collect());
        self.local.push(ours);
        self.server.push(theirs);
        self.rules.push(setup.rules);
        Ok(())
    }
}

/// What is said of a table that the config leaves out.
pub(super) const BY_CONFIG: &str = "left out by the config (sync = false)";

/// The table with its columns in the other's order.
fn aligned(table: &Table, like: &Table) -> Result<Table, String> {
    // A column that a side lacks altogether has barred the table before.
    let computed = |name: &str, side: &str| format!("column \"{name}\" is computed from others on the {side} alone");
    if let Some(column) = table.columns.iter().find(|column| like.column(&column.name).is_none()) {
        return Err(computed(&column.name, "laptop"));
    }
    let mut order = Vec::with_capacity(like.columns.len());
    for column in &like.columns {
        let index = table
            .column(&column.name)
            .ok_or_else(|| computed(&column.name, "server"))?;
        order.push(index);
    }
    if let Some(index) =
        (0..like.columns.len()).find(|&i| like.columns[i].collation != table.columns[order[i]].collation)
    {
        let name = &like.columns[index].name;
        return Err(format!(
            "the unique column \"{name}\" has another collation on the server"
        ));
    }
    Ok(in_order(table, like, &order))
}

/// The table with the columns in this order.
fn in_order(table: &Table, like: &Table, order: &[usize]) -> Table {
    let moved = |index: usize| order.iter().position(|&from| from == index);
    let set = |indexes: &Vec<usize>| {
        indexes
            .iter()
            .map(|&index| moved(index))
            .collect::<Option<Vec<usize>>>()
    };
    let foreign_keys = table.foreign_keys.iter().filter_map(|foreign| {
        let columns = set(&foreign.columns)?;
        Some(ForeignKey {
            columns,
            parent: foreign.parent.clone(),
            parent_columns: foreign.parent_columns.clone(),
        })
    });
    Table {
        name: table.name.clone(),
        columns: order.iter().map(|&index| table.columns[index].clone()).collect(),
        key: like.key.clone(),
        rowid: table.rowid.and_then(moved),
        autoincrement: table.autoincrement,
        strict: table.strict,
        unique: table.unique.iter().filter_map(set).collect(),
        foreign_keys: foreign_keys.collect(),
        triggers: table.triggers.clone(),
    }
}
