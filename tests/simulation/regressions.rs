//! What the simulation has found, each as a small scenario of its own.

use super::heal::run;
use super::random::Random;
use super::scenario::{Change, Event, Fault, Harm, Kind, Moment, Place, Scenario, What, Write};
use super::schema::Schema;

/// One row, changed on the laptop, and on the server while a cycle runs, which something happens to.
fn contested(harm: Harm, moment: usize) -> Scenario {
    let mut schema = Schema::empty();
    schema.add_decided(&mut Random::new(1));
    let change = |number, what| Change { number, table: 0, what };
    let write = |place, number| Write {
        place,
        second: 700,
        changes: (0..4_u64)
            .map(|more| change(number + more, What::Update { row: 0 }))
            .collect(),
    };
    let at = |moment, what| Fault {
        moment: Moment::Transaction(moment),
        what,
    };
    let faults = vec![at(0, Harm::Write(write(Place::Server, 20))), at(moment, harm)];
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
        first: vec![change(1, What::Insert)],
        events: vec![
            Event::Write(write(Place::Laptop(0), 10)),
            Event::Cycle {
                laptop: 0,
                kind: Kind::Whole,
                faults,
            },
        ],
    }
}

/// A cycle that is cut off at any moment keeps the record of what lost. It did not where the server had committed and
/// its base had not moved: then both sides were equal, and the next cycle met nothing.
#[test]
fn a_conflict_stays_on_record_wherever_its_cycle_is_cut_off() {
    let folder = tempfile::tempdir_in(super::scratch()).unwrap();
    for moment in 0..14 {
        for harm in [Harm::Crash, Harm::Lost, Harm::LostButRun(0), Harm::LostButRun(9)] {
            let scenario = contested(harm, moment);
            let verdict = run(&scenario, folder.path());
            assert_eq!(verdict.wrong, [""; 0], "{scenario}");
            assert!(verdict.tally["conflict on record"] > 0, "{scenario}");
        }
    }
}
