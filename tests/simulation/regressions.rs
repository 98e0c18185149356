//! What the simulation has found, each as a small scenario of its own.

use super::heal::run;
use super::random::Random;
use super::scenario::{Change, Event, Fault, Harm, Kind, Moment, Place, Scenario, What, Write};
use super::schema::Schema;

fn write(place: Place, number: u64) -> Write {
    let change = |number| Change {
        number,
        table: 0,
        what: What::Update { row: 0 },
    };
    Write {
        place,
        second: 700,
        changes: (number..number + 4).map(change).collect(),
    }
}

/// A whole cycle, with something happening at the beginnings and ends of its transactions.
fn cycle(faults: Vec<(usize, Harm)>) -> Event {
    cycle_of(Kind::Whole, faults)
}

fn cycle_of(kind: Kind, faults: Vec<(usize, Harm)>) -> Event {
    let faults = faults.into_iter().map(|(moment, what)| Fault {
        moment: Moment::Transaction(moment),
        what,
    });
    Event::Cycle {
        laptop: 0,
        kind,
        faults: faults.collect(),
    }
}

/// One row, on which both sides have agreed, and what happens to it.
fn one_row(events: Vec<Event>) -> Scenario {
    let mut schema = Schema::empty();
    schema.add_decided(&mut Random::new(1));
    let first = Change {
        number: 1,
        table: 0,
        what: What::Insert,
    };
    Scenario {
        seed: 1,
        schema,
        laptops: 1,
        wal: vec![true, true],
        zones: [0, 0],
        skew: vec![0, 0],
        brakes: false,
        backups: false,
        agreed: true,
        first: vec![first],
        events,
    }
}

/// Every way for a cycle to be cut off, at every moment.
fn cuts() -> impl Iterator<Item = (usize, Harm)> {
    let harms = || [Harm::Crash, Harm::Lost, Harm::LostButRun(0), Harm::LostButRun(9)];
    (0..14).flat_map(move |moment| harms().into_iter().map(move |harm| (moment, harm)))
}

/// A cycle that is cut off at any moment keeps the record of what lost. It did not where the server had committed and
/// its base had not moved: then both sides were equal, and the next cycle met nothing.
#[test]
fn a_conflict_stays_on_record_wherever_its_cycle_is_cut_off() {
    let folder = tempfile::tempdir_in(super::scratch()).unwrap();
    for cut in cuts() {
        let meanwhile = Harm::Write(write(Place::Server, 20));
        let scenario = one_row(vec![
            Event::Write(write(Place::Laptop(0), 10)),
            cycle(vec![(0, meanwhile), cut]),
        ]);
        let verdict = run(&scenario, folder.path());
        assert_eq!(verdict.wrong, [""; 0], "{scenario}");
        assert!(verdict.tally["conflict on record"] > 0, "{scenario}");
    }
}

/// A row of the server that the laptop took in a cycle that was cut off is no change of the laptop's own. It was taken for
/// one where the server's row had moved on by the next cycle.
#[test]
fn nobody_disagrees_where_only_the_server_writes_wherever_a_cycle_is_cut_off() {
    let folder = tempfile::tempdir_in(super::scratch()).unwrap();
    for cut in cuts() {
        let scenario = one_row(vec![
            Event::Write(write(Place::Server, 10)),
            cycle(vec![cut]),
            Event::Write(write(Place::Server, 20)),
        ]);
        let verdict = run(&scenario, folder.path());
        assert_eq!(verdict.wrong, [""; 0], "{scenario}");
        assert_eq!(verdict.tally.get("conflict on record"), Some(&0), "{scenario}");
    }
}

/// A row of the server that the laptop took in a cycle that was cut off, and that a program there changed before the next one,
/// is that program's change of the server's row. Where the daemon died right after its commit it was taken for a change of the
/// row as it had been before, and disagreed with the server's.
#[test]
fn what_the_laptop_took_is_known_though_its_rows_have_changed_since_wherever_a_cycle_is_cut_off() {
    let folder = tempfile::tempdir_in(super::scratch()).unwrap();
    for cut in cuts() {
        let scenario = one_row(vec![
            Event::Write(write(Place::Server, 10)),
            cycle(vec![cut]),
            Event::Write(write(Place::Laptop(0), 20)),
        ]);
        let verdict = run(&scenario, folder.path());
        assert_eq!(verdict.wrong, [""; 0], "{scenario}");
    }
}

/// A row that yields its id in a cycle that only pulls stays the laptop's own, wherever that cycle is cut off. Where it died
/// after the laptop's commit, the next one took the row for one that the server had deleted.
#[test]
fn a_row_that_yielded_its_id_is_not_deleted_wherever_a_cycle_that_only_pulls_is_cut_off() {
    let folder = tempfile::tempdir_in(super::scratch()).unwrap();
    for cut in cuts() {
        let mut schema = Schema::empty();
        schema.add_numbered(&mut Random::new(1));
        let insert = |place, number| {
            let changes = vec![Change {
                number,
                table: 0,
                what: What::Insert,
            }];
            let second = 700;
            Event::Write(Write { place, second, changes })
        };
        let scenario = Scenario {
            schema,
            ..one_row(vec![
                insert(Place::Server, 10),
                insert(Place::Laptop(0), 20),
                cycle_of(Kind::PullOnly, vec![cut]),
            ])
        };
        let verdict = run(&scenario, folder.path());
        assert_eq!(verdict.wrong, [""; 0], "{scenario}");
    }
}
