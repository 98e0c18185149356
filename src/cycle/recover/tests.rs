use super::*;
use crate::control::types::ConflictRecord;
use crate::merge::{Conflict, Reason};
use crate::model::{Affinity, Collation, Column, Value};
use crate::replica::Generation;

/// A row of the table `item(k, v)`.
fn row(key: &str, value: i64) -> Row {
    vec![Value::text(key), Value::Integer(value)]
}

fn item() -> Table {
    let column = |name: &str| Column {
        name: name.to_owned(),
        declared: String::new(),
        affinity: Affinity::Text,
        not_null: true,
        collation: Collation::Binary,
    };
    Table {
        name: "item".to_owned(),
        columns: vec![column("k"), column("v")],
        key: vec![0],
        rowid: None,
        autoincrement: false,
        strict: false,
        unique: vec![vec![0]],
        foreign_keys: Vec::new(),
        triggers: Vec::new(),
    }
}

fn write(side: Side, before: Option<Row>, after: Option<Row>) -> Written {
    Written { side, before, after }
}

fn journal(writes: Vec<Written>, conflicts: Vec<Conflict>) -> Journal {
    let generation = Generation {
        lineage: "line".to_owned(),
        number: 7,
    };
    let record = |conflict: &Conflict| ConflictRecord {
        id: None,
        cycle: None,
        table: "item".to_owned(),
        key: BTreeMap::new(),
        winner: conflict.winner,
        reason: String::new(),
        columns: Vec::new(),
        at: None,
        seen: false,
        resolved: None,
    };
    let table = JournalTable {
        table: "item".to_owned(),
        columns: vec!["k".to_owned(), "v".to_owned()],
        key: vec!["k".to_owned()],
        keys: Vec::new(),
        at_server: Vec::new(),
        writes,
        records: conflicts.iter().map(record).collect(),
        conflicts,
    };
    Journal {
        to: generation.next(),
        from: generation,
        summary: CycleSummary::default(),
        tables: vec![table],
    }
}

/// What stays of the journal of a cycle that was cut off before it pushed, when the sides hold this.
fn kept_of_begun(journal: Journal, here: &[Row], there: &[Row]) -> Journal {
    kept(journal, here, there, false)
}

/// What stays of the journal of a cycle that pushed, when the laptop and the base hold this.
fn kept_of_pushed(journal: Journal, here: &[Row], base: &[Row]) -> Journal {
    kept(journal, here, base, true)
}

fn kept(mut journal: Journal, here: &[Row], there: &[Row], pushed: bool) -> Journal {
    let tables = [item()];
    let rows = |rows: &[Row]| by_key(&tables, vec![rows.to_vec()]);
    let (here, there) = (rows(here), rows(there));
    Happened::new(&tables, &here, &there, pushed, None, &journal).keep_in(&mut journal);
    journal
}

/// The rows as [`three`] expects to find them.
fn old() -> Vec<Row> {
    vec![row("a", 1), row("c", 1)]
}

/// One write of each kind for a side: an update of `a`, an insert of `b`, a delete of `c`.
fn three(side: Side) -> Vec<Written> {
    vec![
        write(side, Some(row("a", 1)), Some(row("a", 2))),
        write(side, None, Some(row("b", 1))),
        write(side, Some(row("c", 1)), None),
    ]
}

fn told(journal: &Journal) -> (u64, u64, u64) {
    (journal.summary.pulled, journal.summary.pushed, journal.summary.deleted)
}

#[test]
fn a_push_that_went_through_is_told_as_the_base_has_it() {
    let writes = three(Side::Server);
    let done = kept_of_pushed(journal(writes.clone(), vec![]), &[], &[row("a", 2), row("b", 1)]);
    assert_eq!(done.tables[0].writes, writes);
    assert_eq!(told(&done), (0, 2, 1));
}

#[test]
fn writes_that_the_servers_guards_refused_are_not_told() {
    // The base then has what the server had reported.
    let refused = kept_of_pushed(journal(three(Side::Server), vec![]), &[], &[row("a", 1), row("c", 1)]);
    assert_eq!(refused.tables[0].writes, []);
    assert_eq!(told(&refused), (0, 0, 0));
    let one = kept_of_pushed(journal(three(Side::Server), vec![]), &[], &[row("a", 2), row("c", 1)]);
    assert_eq!(one.tables[0].writes, three(Side::Server)[..1]);
}

#[test]
fn a_row_that_waits_on_both_sides_is_not_told_though_its_base_is_older_than_what_the_server_had() {
    let planned = vec![write(Side::Server, Some(row("a", 5)), Some(row("a", 6)))];
    assert_eq!(
        kept_of_pushed(journal(planned, vec![]), &[], &[row("a", 1)]).tables[0].writes,
        []
    );
}

#[test]
fn nothing_reached_the_server_where_no_base_moved() {
    let writes = [three(Side::Local), three(Side::Server)].concat();
    let live = [row("a", 2), row("b", 1)];
    let done = kept_of_begun(journal(writes, vec![]), &live, &old());
    assert_eq!(done.tables[0].writes, three(Side::Local));
    assert_eq!(told(&done), (2, 0, 1));
}

#[test]
fn a_push_whose_base_did_not_move_any_more_is_told_by_the_servers_rows() {
    let writes = three(Side::Server);
    let there = [row("a", 2), row("b", 1)];
    assert_eq!(
        kept_of_begun(journal(writes.clone(), vec![]), &[], &there).tables[0].writes,
        writes
    );
}

#[test]
fn a_row_that_the_server_changed_before_its_delete_could_reach_it_is_not_told_as_deleted() {
    let there = [row("a", 1), row("c", 9)];
    assert_eq!(
        kept_of_begun(journal(three(Side::Server), vec![]), &[], &there).tables[0].writes,
        []
    );
}

#[test]
fn nothing_is_told_where_the_laptop_is_as_it_was() {
    let live = [row("a", 1), row("c", 1)];
    let done = kept_of_begun(journal(three(Side::Local), vec![]), &live, &old());
    assert_eq!((done.tables[0].writes.as_slice(), told(&done)), (&[][..], (0, 0, 0)));
}

#[test]
fn a_row_that_was_edited_again_since_was_written_all_the_same() {
    let live = [row("a", 9), row("b", 1)];
    let done = kept_of_begun(journal(three(Side::Local), vec![]), &live, &old());
    assert_eq!(
        done.tables[0].writes,
        three(Side::Local),
        "the others tell of the transaction"
    );
    let gone = [row("a", 9)];
    let done = kept_of_pushed(journal(three(Side::Local), vec![]), &gone, &[row("a", 2), row("b", 1)]);
    assert_eq!(done.tables[0].writes, three(Side::Local), "the base tells");
}

#[test]
fn a_row_that_a_constraint_of_the_laptop_barred_is_not_told() {
    let live = [row("a", 1), row("b", 1)];
    let done = kept_of_begun(journal(three(Side::Local), vec![]), &live, &old());
    assert_eq!(done.tables[0].writes, three(Side::Local)[1..]);
}

#[test]
fn without_a_push_a_conflict_counts_only_where_the_servers_version_was_taken() {
    let conflict = |key: &str, winner: Side| Conflict {
        key: vec![Value::text(key)],
        columns: vec![1],
        base: Some(row(key, 0)),
        local: Some(row(key, 1)),
        server: Some(row(key, 2)),
        winner,
        reason: Reason::NewerRow,
    };
    let conflicts = vec![conflict("a", Side::Server), conflict("b", Side::Local)];
    let writes = vec![
        write(Side::Local, Some(row("a", 1)), Some(row("a", 2))),
        write(Side::Server, Some(row("b", 2)), Some(row("b", 1))),
    ];
    let live = [row("a", 2), row("b", 1)];
    let server = [row("a", 2), row("b", 2)];
    let cut = kept_of_begun(journal(writes.clone(), conflicts.clone()), &live, &server);
    assert_eq!(cut.tables[0].conflicts, conflicts[..1]);
    assert_eq!((cut.tables[0].records.len(), cut.summary.conflicts), (1, 1));
    let untouched = kept_of_begun(
        journal(writes.clone(), conflicts.clone()),
        &[row("a", 1), row("b", 1)],
        &server,
    );
    assert_eq!(untouched.tables[0].conflicts, []);
    let pushed = kept_of_pushed(journal(writes, conflicts.clone()), &live, &live);
    assert_eq!(pushed.tables[0].conflicts, conflicts);
}

#[test]
fn a_table_whose_columns_have_changed_since_is_told_as_planned() {
    let mut planned = journal(three(Side::Server), vec![]);
    planned.tables[0].columns.pop();
    assert_eq!(
        kept_of_begun(planned, &[], &old()).tables[0].writes,
        three(Side::Server)
    );
}

/// What the server held of `a` when the laptop took its row, as the next merge has it; `None` where it is not known.
fn ancestor_of_a(writes: Vec<Written>, here: &[Row], taken: Option<&KeptOut>) -> Option<Option<Row>> {
    ancestor_where_the_server_held(Vec::new(), writes, here, taken)
}

/// The same where the journal has other rows at the server than those that both were to hold.
fn ancestor_where_the_server_held(
    at_server: Vec<(Key, Option<Row>)>,
    writes: Vec<Written>,
    here: &[Row],
    taken: Option<&KeptOut>,
) -> Option<Option<Row>> {
    let tables = [item()];
    let rows = |rows: &[Row]| by_key(&tables, vec![rows.to_vec()]);
    let (here, there) = (rows(here), rows(&[]));
    let mut journal = journal(writes, Vec::new());
    journal.tables[0].at_server = at_server;
    let happened = Happened::new(&tables, &here, &there, false, taken, &journal);
    let known = happened.ancestors(&journal, Ancestors::default());
    known
        .of(&item())
        .and_then(|rows| rows.get(&vec![Value::text("a")]).cloned())
}

#[test]
fn what_the_server_held_is_remembered_where_the_laptop_took_it() {
    let pulled = || vec![write(Side::Local, Some(row("a", 1)), Some(row("a", 2)))];
    assert_eq!(ancestor_of_a(pulled(), &[row("a", 2)], None), Some(Some(row("a", 2))));
    assert_eq!(ancestor_of_a(pulled(), &[row("a", 1)], None), None, "it was not taken");
    let merged = vec![
        write(Side::Local, Some(row("a", 1)), Some(row("a", 3))),
        write(Side::Server, Some(row("a", 2)), Some(row("a", 3))),
    ];
    let a = || vec![Value::text("a")];
    let held = |row: Option<Row>| vec![(a(), row)];
    assert_eq!(
        ancestor_where_the_server_held(held(Some(row("a", 2))), merged, &[row("a", 3)], None),
        Some(Some(row("a", 2)))
    );
    // A cycle that only pulls gives the server nothing, and it has less than both are to hold all the same.
    let moved = vec![write(Side::Local, None, Some(row("a", 3)))];
    assert_eq!(
        ancestor_where_the_server_held(held(None), moved, &[row("a", 3)], None),
        Some(None)
    );
    let deleted = vec![write(Side::Local, Some(row("a", 1)), None)];
    assert_eq!(ancestor_of_a(deleted, &[], None), Some(None));
}

#[test]
fn a_row_that_is_neither_as_it_was_nor_as_it_should_be_was_taken_only_where_that_is_written_down() {
    // What the server deleted is gone here too, which a program may have done.
    let writes = || {
        vec![
            write(Side::Local, None, Some(row("a", 2))),
            write(Side::Local, Some(row("c", 1)), None),
        ]
    };
    let here = [row("a", 7)];
    assert_eq!(ancestor_of_a(writes(), &here, None), None, "a program's own");
    let all = KeptOut::new();
    assert_eq!(ancestor_of_a(writes(), &here, Some(&all)), Some(Some(row("a", 2))));
}

#[test]
fn a_row_that_came_and_was_deleted_again_was_taken_where_that_is_written_down() {
    let came = || vec![write(Side::Local, None, Some(row("a", 1)))];
    assert_eq!(ancestor_of_a(came(), &[], None), None, "nothing tells");
    let all = KeptOut::new();
    assert_eq!(ancestor_of_a(came(), &[], Some(&all)), Some(Some(row("a", 1))));
    let barred = KeptOut::from([("item".to_owned(), vec![vec![Value::text("a")]])]);
    assert_eq!(ancestor_of_a(came(), &[], Some(&barred)), None);
}
