//! Which tables both sides can sync, and how: what the schemas and the config come to.

use crate::config::TableSetup;
use crate::merge::TableRules;
use crate::model::{ForeignKey, Schema, Skipped, Table};

/// The tables that are synced, as each side has them, in one order of tables and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// As the laptop has them.
    pub local: Vec<Table>,
    /// As the server has them, columns in the laptop's order.
    pub server: Vec<Table>,
    /// How their rows merge.
    pub rules: Vec<TableRules>,
    /// What is left out, with the reason.
    pub left_out: Vec<Skipped>,
    /// Those of them that were synced before: somebody changed a schema, and should know.
    pub held: Vec<Skipped>,
}

impl Layout {
    /// Finds the tables that both schemas have alike. `setup` tells what the config says of a table; an error leaves it
    /// out with that reason.
    pub fn new(local: &Schema, server: &Schema, setup: impl Fn(&Table) -> Result<TableSetup, String>) -> Self {
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
            if let Err(reason) = layout.add(table, server, &setup) {
                layout.left_out.push(Skipped {
                    name: table.name.clone(),
                    reason,
                });
            }
        }
        let lonely = server.tables.iter().filter(|table| local.table(&table.name).is_none());
        let lonely = lonely.filter(|table| !local.skipped.iter().any(|s| s.name.eq_ignore_ascii_case(&table.name)));
        layout.left_out.extend(lonely.map(|table| Skipped {
            name: table.name.clone(),
            reason: "only on the server".into(),
        }));
        layout
    }

    fn add(
        &mut self,
        local: &Table,
        server: &Schema,
        setup: &impl Fn(&Table) -> Result<TableSetup, String>,
    ) -> Result<(), String> {
        let Some(theirs) = server.table(&local.name) else {
            let skipped = server
                .skipped
                .iter()
                .find(|skipped| skipped.name.eq_ignore_ascii_case(&local.name));
            return Err(skipped.map_or("only on the laptop".into(), |s| format!("on the server: {}", s.reason)));
        };
        let setup = setup(local)?;
        if !setup.sync {
            return Err("left out by the config (sync = false)".into());
        }
        if theirs.strict != local.strict {
            let side = if local.strict { "laptop" } else { "server" };
            return Err(format!(
                "it is STRICT on the {side} alone, which refuses values that the other side takes"
            ));
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
        self.local.push(ours);
        self.server.push(theirs);
        self.rules.push(setup.rules);
        Ok(())
    }
}

/// The table with its columns in the other's order.
fn aligned(table: &Table, like: &Table) -> Result<Table, String> {
    for column in &table.columns {
        if like.column(&column.name).is_none() {
            return Err(format!("column \"{}\" is only on the server", column.name));
        }
    }
    let mut order = Vec::with_capacity(like.columns.len());
    for column in &like.columns {
        let index = table
            .column(&column.name)
            .ok_or_else(|| format!("column \"{}\" is only on the laptop", column.name))?;
        let other = &table.columns[index];
        if other.affinity != column.affinity || other.not_null != column.not_null {
            let not_null = |yes| if yes { " NOT NULL" } else { "" };
            return Err(format!(
                "column \"{}\" is {}{} on the laptop and {}{} on the server",
                column.name,
                column.declared,
                not_null(column.not_null),
                other.declared,
                not_null(other.not_null)
            ));
        }
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
    Ok(Table {
        name: table.name.clone(),
        columns: order.iter().map(|&index| table.columns[index].clone()).collect(),
        key: like.key.clone(),
        rowid: table.rowid.and_then(moved),
        autoincrement: table.autoincrement,
        strict: table.strict,
        unique: table.unique.iter().filter_map(set).collect(),
        foreign_keys: foreign_keys.collect(),
        triggers: table.triggers.clone(),
    })
}
