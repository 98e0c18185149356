//! Scenarios from seeds.

use super::random::Random;
use super::scenario::{Addition, Change, Event, Fault, Harm, Kind, Moment, Place, Scenario, What, Write};
use super::schema::Schema;

struct Generator {
    random: Random,
    tables: usize,
    laptops: usize,
    number: u64,
    second: i64,
}

/// The scenario of a seed.
pub fn scenario(seed: u64) -> Scenario {
    let mut random = Random::new(seed);
    let schema = Schema::random(&mut random);
    let laptops = random.pick(&[1, 1, 1, 2, 2, 3]);
    let wal = (0..=laptops).map(|_| random.percent(50)).collect();
    let zones = [random.pick(&[0, 0, 2]), random.pick(&[0, 0, 2, -5])];
    let skew = (0..=laptops)
        .map(|_| random.pick(&[0, 0, 0, -4000, 4000, 100_000]))
        .collect();
    let (brakes, backups, agreed) = (random.percent(10), random.percent(10), random.percent(85));
    let mut generator = Generator {
        random,
        tables: schema.tables.len(),
        laptops,
        number: 0,
        second: 0,
    };
    let rows = generator.random.between(0, 5);
    let mut first: Vec<Change> = Vec::new();
    for table in 0..generator.tables {
        first.extend((0..rows).map(|_| generator.change_of(table, What::Insert)));
    }
    let events = generator.random.between(3, 11);
    let events = (0..events).flat_map(|_| generator.happening(seed));
    let events = events.filter(|event| match event {
        // Where nothing was agreed nobody knows an addition from something that the other side has dropped, and what is
        // added to a table that is left out stays where it is.
        Event::Add { addition, .. } => agreed && addition.table().is_none_or(|table| schema.tables[table].synced),
        _ => true,
    });
    let events = events.collect();
    Scenario {
        seed,
        schema,
        laptops,
        wal,
        zones,
        skew,
        brakes,
        backups,
        agreed,
        first,
        events,
    }
}

impl Generator {
    fn happening(&mut self, seed: u64) -> Vec<Event> {
        match self.random.percent(4) {
            true => self.duel(),
            false => vec![self.event(seed)],
        }
    }

    /// A row that a laptop changes, and the server while the laptop's cycle runs: behind its back, where the cycle has read
    /// it and not yet written it.
    fn duel(&mut self) -> Vec<Event> {
        let laptop = self.random.below(self.laptops);
        let (table, row) = (self.random.below(self.tables), self.random.below(6));
        let mut write = |place| Write {
            place,
            changes: vec![self.change_of(table, What::Update { row })],
            ..self.write(Some(place))
        };
        let first = write(Place::Laptop(laptop));
        let fault = Fault {
            what: Harm::Write(write(Place::Server)),
            moment: Moment::Transaction(self.random.below(13)),
        };
        let cycle = Event::Cycle {
            laptop,
            kind: Kind::Whole,
            faults: vec![fault],
        };
        vec![Event::Write(first), cycle]
    }

    fn event(&mut self, seed: u64) -> Event {
        match self.random.below(100) {
            0..=56 => Event::Write(self.write(None)),
            57..=94 => self.cycle(),
            95..=96 => Event::Restart(self.random.below(self.laptops)),
            // A lost base loosens what can be expected, so most runs have none.
            97 if seed.is_multiple_of(4) => Event::LoseBase {
                laptop: self.random.below(self.laptops),
                sidecar: self.random.percent(50),
            },
            98 if seed.is_multiple_of(4) => Event::ReplaceFile,
            99 if seed % 4 == 1 => self.addition(),
            _ => Event::Write(self.write(None)),
        }
    }

    fn addition(&mut self) -> Event {
        self.number += 1;
        let (table, number) = (self.random.below(self.tables), self.number);
        let addition = match self.random.below(3) {
            0 => Addition::Column { table, number },
            1 => Addition::Table { number },
            _ => Addition::Index { table, number },
        };
        let place = match self.random.below(self.laptops + 1) {
            0 => Place::Server,
            laptop => Place::Laptop(laptop - 1),
        };
        Event::Add { place, addition }
    }

    fn cycle(&mut self) -> Event {
        let laptop = self.random.below(self.laptops);
        let kind = match self.random.below(100) {
            0..=84 => Kind::Whole,
            85..=88 => Kind::PullOnly,
            89..=92 => Kind::SkipPull,
            93..=96 => Kind::DryRun,
            _ => Kind::Verify,
        };
        let faults = self.random.pick(&[0, 0, 1, 1, 1, 1, 2, 3]);
        let mut faults: Vec<Fault> = (0..faults).map(|_| self.fault(laptop)).collect();
        faults.sort_by_key(|fault| match fault.moment {
            Moment::Step(step) | Moment::Transaction(step) => step,
        });
        Event::Cycle { laptop, kind, faults }
    }

    fn fault(&mut self, laptop: usize) -> Fault {
        let moment = if self.random.percent(65) {
            Moment::Transaction(self.random.below(13))
        } else {
            let reach = self.random.pick(&[8, 20, 45]);
            Moment::Step(self.random.below(reach))
        };
        let near = [Place::Server, Place::Laptop(laptop)];
        let what = match self.random.below(100) {
            0..=19 => Harm::Crash,
            20..=33 => Harm::Lost,
            34..=38 => Harm::LostInAnswer(self.random.below(3)),
            39..=46 => Harm::LostButRun(self.random.pick(&[0, 0, 3, 10, 30, 60])),
            47..=50 => Harm::Locked,
            51..=56 => Harm::Full {
                base: self.random.percent(60),
            },
            57..=88 => {
                let place = self.random.pick(&near);
                Harm::Write(self.write(Some(place)))
            }
            89..=97 if self.laptops > 1 => Harm::Cycle((laptop + 1) % self.laptops),
            _ => Harm::Unreachable,
        };
        Fault { moment, what }
    }

    fn write(&mut self, place: Option<Place>) -> Write {
        let place = place.unwrap_or_else(|| match self.random.percent(40) {
            true => Place::Server,
            false => Place::Laptop(self.random.below(self.laptops)),
        });
        self.second += self.random.pick(&[0, 1, 5, 700]);
        let changes = self.random.pick(&[1, 1, 1, 1, 2, 3, 5]);
        Write {
            place,
            second: self.second,
            changes: (0..changes).map(|_| self.change()).collect(),
        }
    }

    fn change(&mut self) -> Change {
        let table = self.random.below(self.tables);
        let row = self.random.below(6);
        let what = match self.random.below(100) {
            0..=34 => What::Insert,
            35..=79 => What::Update { row },
            80..=92 => What::Delete { row },
            _ => What::Rekey { row },
        };
        self.change_of(table, what)
    }

    fn change_of(&mut self, table: usize, what: What) -> Change {
        self.number += 1;
        Change {
            number: self.number,
            table,
            what,
        }
    }
}
