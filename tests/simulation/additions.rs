//! What somebody adds to the schema of one database: modsync carries it over to the others.

use rusqlite::Connection;

use super::cell::Cell;
use super::scenario::Addition;
use super::schema::Schema;

/// The name of what an addition makes, if it makes an object of its own.
pub fn name(addition: &Addition) -> Option<String> {
    match addition {
        Addition::Column { .. } => None,
        Addition::Table { number } => Some(format!("late{number}")),
        Addition::Index { number, .. } => Some(format!("late_index{number}")),
    }
}

/// Makes it, and puts something into it.
pub fn make(connection: &Connection, schema: &Schema, addition: &Addition) -> rusqlite::Result<()> {
    let table = |index: usize| &schema.tables[index].name;
    connection.execute_batch(&match addition {
        Addition::Column { table: index, number } => {
            let table = table(*index);
            format!(
                "ALTER TABLE {table} ADD COLUMN late{number} TEXT DEFAULT 'not said';\
                 UPDATE {table} SET late{number}='late {number}';"
            )
        }
        Addition::Table { number } => format!(
            "CREATE TABLE late{number}(k TEXT NOT NULL PRIMARY KEY,v);INSERT INTO late{number} VALUES('a',1),('b',x'00ff'),('c',NULL);"
        ),
        Addition::Index { table: index, number } => {
            let column = &schema.tables[*index].columns.last().unwrap().name;
            // The same index under another name would be one that the other side has.
            format!(
                "CREATE INDEX late_index{number} ON {}({column}) WHERE {column} IS NOT 'late {number}';",
                table(*index)
            )
        }
    })
}

/// Everything in all tables that are synced, whatever they have become: by table, each row by its columns' names.
pub fn everything(connection: &Connection, schema: &Schema) -> Vec<String> {
    let left_out = |name: &String| schema.tables.iter().any(|table| table.name == *name && !table.synced);
    let names = "SELECT name FROM main.sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(names).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap);
    let mut all = Vec::new();
    for name in names.filter(|name| !left_out(name)) {
        let mut statement = connection.prepare(&format!("SELECT * FROM main.{name}")).unwrap();
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement.query_map([], |row| {
            let mut cells: Vec<(&str, Cell)> = Vec::new();
            for (index, column) in columns.iter().enumerate() {
                cells.push((column, Cell::read(row.get_ref(index)?)));
            }
            cells.sort();
            Ok(format!("{name}: {cells:?}"))
        });
        all.extend(rows.unwrap().map(Result::unwrap));
    }
    all.sort();
    all
}
