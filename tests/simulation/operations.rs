//! What the programs on both ends do to their databases.

use rusqlite::{Connection, TransactionBehavior, params_from_iter};

use super::cell::Cell;
use super::scenario::{Change, Scenario, What};
use super::schema::{Role, Schema, Table};
use super::values::Hand;

/// One program at work: what its clock and its zone are.
pub struct Program<'a> {
    pub schema: &'a Schema,
    pub second: i64,
    pub zone: i64,
}

/// Carries out a transaction. What its constraints refuse, or another program's lock, undoes all of it.
pub fn write(connection: &mut Connection, program: &Program<'_>, changes: &[Change]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for change in changes {
        program.carry_out(&transaction, change)?;
    }
    transaction.commit()
}

impl Program<'_> {
    fn carry_out(&self, connection: &Connection, change: &Change) -> rusqlite::Result<()> {
        let mut random = Scenario::random_of(change);
        let table = &self.schema.tables[change.table];
        let mut hand = Hand {
            random: &mut random,
            number: change.number,
            second: self.second,
            zone: self.zone,
        };
        match change.what {
            What::Insert => self.insert(connection, table, &mut hand),
            What::Update { row } => self.update(connection, table, row, &mut hand),
            What::Delete { row } => {
                let Some(rowid) = pick_row(connection, table, row)? else {
                    return Ok(());
                };
                run(
                    connection,
                    &format!("DELETE FROM {} WHERE {}", table.name, rowid.0),
                    &rowid.1,
                )
            }
            What::Rekey { row } => self.rekey(connection, table, row, &mut hand),
        }
    }

    fn cell(
        &self,
        connection: &Connection,
        table: &Table,
        column: usize,
        hand: &mut Hand<'_>,
    ) -> rusqlite::Result<Cell> {
        let (parent, role) = match table.columns[column].role {
            Role::RefKey(parent) => (parent, Role::Key),
            Role::RefId(parent) => (parent, Role::Id),
            _ => return Ok(hand.value(table, column)),
        };
        let parent = &self.schema.tables[parent];
        let name = &parent.columns[parent.find(role).unwrap()].name;
        let count = count(connection, parent)?;
        if count == 0 || (!table.columns[column].required && hand.random.percent(15)) {
            return Ok(Cell::Null);
        }
        let offset = hand.random.below(count);
        let sql = format!(
            "SELECT {name} FROM {} ORDER BY {name} LIMIT 1 OFFSET {offset}",
            parent.name
        );
        connection.query_row(&sql, [], |row| Ok(Cell::read(row.get_ref(0)?)))
    }

    fn insert(&self, connection: &Connection, table: &Table, hand: &mut Hand<'_>) -> rusqlite::Result<()> {
        let mut names = Vec::new();
        let mut cells = Vec::new();
        for (index, column) in table.columns.iter().enumerate() {
            // Wide tables stay mostly empty, as the real ones do.
            let wanted = column.required || column.role != Role::Plain || hand.random.percent(60);
            if column.role != Role::Id && wanted {
                names.push(column.name.as_str());
                cells.push(self.cell(connection, table, index, hand)?);
            }
        }
        let marks = vec!["?"; cells.len()].join(",");
        // A key that only the configuration knows is kept apart by its programs.
        let key = table
            .identity()
            .first()
            .map(|&column| table.columns[column].name.as_str());
        if let (true, Some(key)) = (table.name.starts_with("declared"), key) {
            let twin = format!("SELECT count(*) FROM {} WHERE {key}=?", table.name);
            let place = names.iter().position(|name| *name == key).unwrap();
            if connection.query_row(&twin, [&cells[place]], |row| row.get::<_, i64>(0))? > 0 {
                return Ok(());
            }
        }
        let sql = format!(
            "INSERT OR IGNORE INTO {}({}) VALUES({marks})",
            table.name,
            names.join(",")
        );
        run(connection, &sql, &cells)
    }

    fn update(&self, connection: &Connection, table: &Table, row: usize, hand: &mut Hand<'_>) -> rusqlite::Result<()> {
        let Some((found, key)) = pick_row(connection, table, row)? else {
            return Ok(());
        };
        let mut sets = Vec::new();
        let mut cells = Vec::new();
        let share = hand.random.pick(&[20, 40, 90]);
        let decided = hand.random.percent(50);
        for (index, column) in table.columns.iter().enumerate() {
            let touched = match column.role {
                Role::Id | Role::Key | Role::Tag => false,
                Role::Group => decided && hand.random.percent(60),
                Role::GroupTime => decided && hand.random.percent(85),
                Role::Updated => hand.random.percent(75),
                _ => hand.random.percent(share),
            };
            if touched {
                sets.push(format!("{}=?", column.name));
                cells.push(self.cell(connection, table, index, hand)?);
            }
        }
        if sets.is_empty() {
            return Ok(());
        }
        cells.extend(key);
        run(
            connection,
            &format!("UPDATE OR IGNORE {} SET {} WHERE {found}", table.name, sets.join(",")),
            &cells,
        )
    }

    fn rekey(&self, connection: &Connection, table: &Table, row: usize, hand: &mut Hand<'_>) -> rusqlite::Result<()> {
        let Some((found, key)) = pick_row(connection, table, row)? else {
            return Ok(());
        };
        if table.name.starts_with("declared") {
            return Ok(());
        }
        // Where an id is all there is, it moves out of the way: to a number that SQLite would hand out next but one.
        let (name, cell) = match (table.find(Role::Key), table.find(Role::Id)) {
            (Some(column), _) => (&table.columns[column].name, hand.value(table, column)),
            (None, Some(id)) => {
                let name = &table.columns[id].name;
                let sql = format!("SELECT max({name})+2 FROM {}", table.name);
                let next: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
                (name, Cell::Int(next))
            }
            (None, None) => return Ok(()),
        };
        let cells = [vec![cell], key].concat();
        run(
            connection,
            &format!("UPDATE OR IGNORE {} SET {name}=? WHERE {found}", table.name),
            &cells,
        )
    }
}

fn run(connection: &Connection, sql: &str, cells: &[Cell]) -> rusqlite::Result<()> {
    connection
        .prepare_cached(sql)?
        .execute(params_from_iter(cells))
        .map(drop)
}

fn count(connection: &Connection, table: &Table) -> rusqlite::Result<usize> {
    let count: i64 = connection.query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap())
}

/// Row number `row` of those that are there, in the order of what tells them apart: a condition and its parameters.
fn pick_row(connection: &Connection, table: &Table, row: usize) -> rusqlite::Result<Option<(String, Vec<Cell>)>> {
    let rows = count(connection, table)?;
    if rows == 0 {
        return Ok(None);
    }
    let identity: Vec<&str> = table
        .identity()
        .iter()
        .map(|&column| table.columns[column].name.as_str())
        .collect();
    let list = identity.join(",");
    let sql = format!(
        "SELECT {list} FROM {} ORDER BY {list} LIMIT 1 OFFSET {}",
        table.name,
        row % rows
    );
    let key = connection.query_row(&sql, [], |row| {
        (0..identity.len())
            .map(|index| Ok(Cell::read(row.get_ref(index)?)))
            .collect::<rusqlite::Result<Vec<Cell>>>()
    })?;
    let condition: Vec<String> = identity.iter().map(|name| format!("{name} IS ?")).collect();
    Ok(Some((condition.join(" AND "), key)))
}
