//! The test row: in which table, with which values. Pure.

use crate::cycle::layout::Layout;
use crate::model::{Affinity, Real, Row, Table, Value};

/// Begins the key of every test row, so that people know it when they meet one.
pub const MARK: &str = "modsync-self-test";

/// A row to make and what to change in it: values by column, in the laptop's order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    /// The table's place in the layout.
    pub index: usize,
    /// What the laptop inserts; columns that are not named get their defaults.
    pub created: Vec<(usize, Value)>,
    /// What the server changes.
    pub assessed: Vec<(usize, Value)>,
}

/// What a product is made with, and assessed with, as the laptop's programs and the site do.
const CREATED: [(&str, &str); 4] = [
    ("title", "modsync self-test (removed by itself)"),
    ("retailer", MARK),
    ("lifecycle_stage", "pending_assessment"),
    ("assessment_status", "queued"),
];
const ASSESSED: [(&str, &str); 4] = [
    ("lifecycle_stage", "assessed_rejected"),
    ("modesty_status", "not_modest"),
    ("shopify_status", "draft"),
    ("assessment_status", "assessed"),
];

/// Why a table is not tried.
pub(super) fn unfit(layout: &Layout, index: usize, rows: u64) -> Option<&'static str> {
    let (local, server) = (&layout.local[index], &layout.server[index]);
    let refers = |column: &usize| {
        local
            .foreign_keys
            .iter()
            .any(|foreign| foreign.columns.contains(column))
    };
    if !local.triggers.is_empty() || !server.triggers.is_empty() {
        Some("it has triggers, whose effects nobody could take back")
    } else if local.key.iter().any(refers) {
        Some("its key refers to another table")
    } else if rows == 0 && local.rowid.is_some() && !local.autoincrement {
        Some("it is empty, and the site's next id would follow the test row's")
    } else {
        None
    }
}

/// The tables in the order in which they are tried: the products of the preset, then those whose key is text.
pub(super) fn order(layout: &Layout) -> Vec<usize> {
    let mut order: Vec<usize> = (0..layout.local.len()).collect();
    order.sort_by_key(|&index| {
        let table = &layout.local[index];
        (!is_products(table), table.keyed_by_rowid(), index)
    });
    order
}

fn is_products(table: &Table) -> bool {
    let has = |name: &str| table.column(name).is_some();
    table.name.eq_ignore_ascii_case("products") && has("url") && has("lifecycle_stage") && has("assessed_at")
}

/// The rows to try in a table, the most natural first. `random` makes them this test's own; `now` is the site's time;
/// `like` a row that is there.
pub(super) fn rows(layout: &Layout, index: usize, random: &str, now: &str, like: Option<&Row>) -> Vec<Subject> {
    let table = &layout.local[index];
    let own = own_values(table, random);
    let with = |more: Vec<(usize, Value)>| {
        let mut created = own.clone();
        created.extend(
            more.into_iter()
                .filter(|(column, _)| own.iter().all(|(known, _)| known != column)),
        );
        created
    };
    let product = if is_products(table) {
        named(table, &CREATED)
    } else {
        Vec::new()
    };
    let mut filled = product.clone();
    filled.extend(required(table).filter(|(column, _)| product.iter().all(|(known, _)| known != column)));
    let mut makings = vec![with(product)];
    makings.push(with(filled));
    makings.extend(like.map(|row| with(row.iter().cloned().enumerate().collect())));
    let changes = changes(table, now);
    let subjects = makings.iter().flat_map(|created| {
        changes.iter().map(|assessed| Subject {
            index,
            created: created.clone(),
            assessed: assessed.clone(),
        })
    });
    subjects.collect()
}

fn named(table: &Table, values: &[(&str, &str)]) -> Vec<(usize, Value)> {
    let place = |(name, value): &(&str, &str)| Some((table.column(name)?, Value::text(*value)));
    values.iter().filter_map(place).collect()
}

/// The values that no other row has: of the key, of the id and of what is unique. Ids are below zero, where no counter
/// comes: `AUTOINCREMENT` goes on as if the row had never been.
fn own_values(table: &Table, random: &str) -> Vec<(usize, Value)> {
    let id = i64::from_str_radix(random.get(..12).unwrap_or("1"), 16).unwrap_or(1);
    let refers = |column: &usize| {
        table
            .foreign_keys
            .iter()
            .any(|foreign| foreign.columns.contains(column))
    };
    let unique = table.unique.iter().flatten().copied().filter(|column| !refers(column));
    let mut columns: Vec<usize> = table.key.iter().copied().chain(table.rowid).chain(unique).collect();
    columns.sort_unstable();
    columns.dedup();
    let value = |column: usize| match table.columns[column].affinity {
        Affinity::Text | Affinity::Blob => Value::text(format!("{MARK}:{random}")),
        affinity => number(affinity, -1 - id),
    };
    columns.into_iter().map(|column| (column, value(column))).collect()
}

/// A number as a column of this affinity stores it.
#[allow(clippy::cast_precision_loss)] // of 48 bits
fn number(affinity: Affinity, number: i64) -> Value {
    match affinity {
        Affinity::Real => Value::Real(Real::new(number as f64)),
        _ => Value::Integer(number),
    }
}

/// A value for each column that refuses NULL.
fn required(table: &Table) -> impl Iterator<Item = (usize, Value)> + '_ {
    let columns = table.columns.iter().enumerate().filter(|(_, column)| column.not_null);
    columns.map(|(index, column)| {
        let value = match column.affinity {
            Affinity::Text | Affinity::Blob => Value::text(MARK),
            affinity => number(affinity, 0),
        };
        (index, value)
    })
}

/// What the server could change: the assessment of a product, else one column that is neither key nor reference.
fn changes(table: &Table, now: &str) -> Vec<Vec<(usize, Value)>> {
    let mut changes = Vec::new();
    if is_products(table) {
        let mut assessment = named(table, &ASSESSED);
        assessment.extend(named(table, &[("assessed_at", now)]));
        changes.push(assessment);
    }
    let refers = |column: usize| {
        table
            .foreign_keys
            .iter()
            .any(|foreign| foreign.columns.contains(&column))
    };
    let unique = |column: usize| table.unique.iter().any(|set| set.contains(&column));
    let free =
        (0..table.columns.len()).filter(|&column| !table.key.contains(&column) && !refers(column) && !unique(column));
    let mut free: Vec<usize> = free.filter(|&column| table.rowid != Some(column)).collect();
    // Text takes a value that people know again.
    free.sort_by_key(|&column| table.columns[column].affinity != Affinity::Text);
    changes.extend(free.into_iter().map(|column| {
        let value = match table.columns[column].affinity {
            Affinity::Text | Affinity::Blob => Value::text(format!("{MARK}: assessed")),
            affinity => number(affinity, 1),
        };
        vec![(column, value)]
    }));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Collation, Column, ForeignKey, Trigger};

    fn table(name: &str, columns: &[(&str, Affinity)]) -> Table {
        let column = |(name, affinity): &(&str, Affinity)| Column {
            name: (*name).to_owned(),
            declared: String::new(),
            affinity: *affinity,
            not_null: false,
            collation: Collation::Binary,
        };
        Table {
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
            key: vec![0],
            rowid: None,
            autoincrement: false,
            strict: false,
            unique: vec![vec![0]],
            foreign_keys: Vec::new(),
            triggers: Vec::new(),
        }
    }

    fn layout(tables: Vec<Table>) -> Layout {
        Layout {
            server: tables.clone(),
            local: tables,
            ..Layout::default()
        }
    }

    #[test]
    fn products_come_first_and_ids_last_and_ids_are_below_zero() {
        let mut queue = table("queue", &[("id", Affinity::Integer), ("note", Affinity::Text)]);
        queue.rowid = Some(0);
        let columns = [
            ("url", Affinity::Text),
            ("lifecycle_stage", Affinity::Text),
            ("assessed_at", Affinity::Text),
        ];
        let layout = layout(vec![queue, table("other", &columns), table("products", &columns)]);
        assert_eq!(order(&layout), [2, 1, 0]);

        let product = &rows(&layout, 2, "00000000000a", "NOW", None)[0];
        assert_eq!(product.created[0].1, Value::text("modsync-self-test:00000000000a"));
        assert_eq!(product.created[1].1, Value::text("pending_assessment"));
        assert!(product.assessed.contains(&(2, Value::text("NOW"))), "{product:?}");
        assert_eq!(
            rows(&layout, 0, "00000000000a", "", None)[0].created,
            [(0, Value::Integer(-11))]
        );
    }

    #[test]
    fn tables_that_would_keep_a_trace_are_unfit() {
        let mut plain = table("t", &[("id", Affinity::Integer)]);
        plain.rowid = Some(0);
        let mut with_trigger = table("t", &[("a", Affinity::Text)]);
        with_trigger.triggers.push(Trigger {
            name: "log".to_owned(),
            sql: String::new(),
        });
        let mut child = table("t", &[("a", Affinity::Text)]);
        child.foreign_keys.push(ForeignKey {
            columns: vec![0],
            parent: "p".to_owned(),
            parent_columns: vec!["a".to_owned()],
        });
        let layout = layout(vec![plain, with_trigger, child]);
        assert!(unfit(&layout, 0, 0).is_some() && unfit(&layout, 0, 1).is_none());
        assert!(unfit(&layout, 1, 5).unwrap().contains("triggers"));
        assert!(unfit(&layout, 2, 5).unwrap().contains("refers"));
    }
}
