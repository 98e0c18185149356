use super::super::amend::Amendment;
use super::super::history::Written;
use super::*;
use crate::model::{Affinity, Collation, Column, Side, Table, Value};

/// `item(k, a, b)`.
fn layout(columns: &[&str]) -> Layout {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        declared: String::new(),
        affinity: Affinity::Text,
        not_null: false,
        collation: Collation::Binary,
    };
    let table = Table {
        name: "item".to_owned(),
        columns: columns.iter().map(column).collect(),
        key: vec![0],
        rowid: None,
        autoincrement: false,
        strict: false,
        unique: vec![vec![0]],
        foreign_keys: Vec::new(),
        triggers: Vec::new(),
    };
    Layout {
        defaults: vec![vec![Value::Null, Value::Null, Value::text("new")]],
        local: vec![table],
        ..Layout::default()
    }
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| Value::text(*cell)).collect()
}

fn moved(side: Side, before: Option<&[&str]>, after: Option<&[&str]>) -> Moved {
    let width = before.or(after).map_or(0, <[&str]>::len);
    Moved {
        table: "item".to_owned(),
        columns: ["k", "a", "b"][..width].iter().map(|name| (*name).to_owned()).collect(),
        key: vec!["k".to_owned()],
        written: Written {
            side,
            before: before.map(row),
            after: after.map(row),
        },
    }
}

/// What an undo of these writes comes to, with these rows there: amendments, and reasons why rows are left.
fn undone(layout: &Layout, now: &[Row], writes: &[Moved]) -> (Vec<Amendment>, Vec<String>) {
    let (rows, lost) = by_row(layout, writes);
    let now = now.iter().map(|row| ((0, vec![row[0].clone()]), row.clone())).collect();
    let mut wanted = Wanted::new(now);
    let mut left: Vec<String> = lost.into_iter().map(|(_, reason)| reason).collect();
    for (place, writes) in &rows {
        left.extend(take_back(layout, &mut wanted, place, writes).err());
    }
    (wanted.amendments(layout), left)
}

#[test]
fn where_both_sides_were_written_each_cell_gets_the_value_that_was_replaced() {
    let layout = layout(&["k", "a", "b"]);
    // The laptop had changed `a`, the server `b`: each side was written the other's.
    let writes = [
        moved(Side::Local, Some(&["1", "mine", "old"]), Some(&["1", "mine", "yours"])),
        moved(
            Side::Server,
            Some(&["1", "old", "yours"]),
            Some(&["1", "mine", "yours"]),
        ),
    ];
    let (amendments, left) = undone(&layout, &[row(&["1", "mine", "yours"])], &writes);
    assert_eq!(left, [""; 0]);
    assert_eq!(amendments[0].from, Some(row(&["1", "mine", "yours"])));
    assert_eq!(amendments[0].to, Some(row(&["1", "old", "old"])));
}

#[test]
fn of_one_cell_that_was_written_on_both_sides_the_servers_old_value_counts() {
    let writes = [
        moved(Side::Local, Some(&["1", "mine", "b"]), Some(&["1", "both", "b"])),
        moved(Side::Server, Some(&["1", "yours", "b"]), Some(&["1", "both", "b"])),
    ];
    let (amendments, _) = undone(&layout(&["k", "a", "b"]), &[row(&["1", "both", "b"])], &writes);
    assert_eq!(amendments[0].to, Some(row(&["1", "yours", "b"])));
}

#[test]
fn cells_that_the_cycle_did_not_write_are_left_alone_and_moved_ones_leave_the_row() {
    let layout = layout(&["k", "a", "b"]);
    let writes = [moved(Side::Server, Some(&["1", "old", "b"]), Some(&["1", "new", "b"]))];
    let (amendments, left) = undone(&layout, &[row(&["1", "new", "later"])], &writes);
    assert_eq!(
        (amendments[0].to.clone(), left.len()),
        (Some(row(&["1", "old", "later"])), 0)
    );
    let (amendments, left) = undone(&layout, &[row(&["1", "newer", "b"])], &writes);
    assert_eq!(
        (amendments.len(), &left[..]),
        (0, &["a has changed since".to_owned()][..])
    );
    let (amendments, left) = undone(&layout, &[row(&["1", "old", "b"])], &writes);
    assert_eq!((amendments.len(), left.len()), (0, 0), "it is so already");
    let (amendments, left) = undone(&layout, &[], &writes);
    assert_eq!(
        (amendments.len(), &left[..]),
        (0, &["it has been deleted since".to_owned()][..])
    );
}

#[test]
fn a_row_that_came_goes_only_as_it_came_and_one_that_went_comes_only_into_its_free_place() {
    let layout = layout(&["k", "a", "b"]);
    let came = [moved(Side::Server, None, Some(&["1", "a", "b"]))];
    let as_it_came = row(&["1", "a", "b"]);
    assert_eq!(undone(&layout, std::slice::from_ref(&as_it_came), &came).0[0].to, None);
    assert_eq!(undone(&layout, &[row(&["1", "a", "later"])], &came).0, []);
    let went = [moved(Side::Local, Some(&["1", "a", "b"]), None)];
    assert_eq!(undone(&layout, &[], &went).0[0].to, Some(as_it_came.clone()));
    assert_eq!(undone(&layout, &[row(&["1", "another", "b"])], &went).1.len(), 1);
    assert_eq!(undone(&layout, &[as_it_came], &went), (Vec::new(), Vec::new()));
}

#[test]
fn a_record_of_other_columns_is_read_with_those_of_today() {
    // `b` came later, and gave "new" to the rows that were there.
    let (layout, mut narrow) = (layout(&["k", "a", "b"]), layout(&["k", "a"]));
    let went = [moved(Side::Local, Some(&["1", "a"]), None)];
    assert_eq!(undone(&layout, &[], &went).0[0].to, Some(row(&["1", "a", "new"])));
    let came = [moved(Side::Local, None, Some(&["1", "a"]))];
    assert_eq!(undone(&layout, &[row(&["1", "a", "whatever"])], &came).0[0].to, None);
    // `b` is gone.
    narrow.defaults = vec![vec![Value::Null; 2]];
    let writes = [moved(Side::Server, Some(&["1", "a", "old"]), Some(&["1", "a", "new"]))];
    assert_eq!(
        undone(&narrow, &[row(&["1", "a"])], &writes).1,
        ["its column b is gone"]
    );
    // The table is not synced any more.
    let mut other = moved(Side::Server, Some(&["1", "a", "b"]), None);
    other.table = "gone".to_owned();
    assert_eq!(undone(&layout, &[], &[other]).1, ["its table is not synced"]);
}
