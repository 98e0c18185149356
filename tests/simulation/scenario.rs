//! What happens in one run: data, made from the seed before anything runs, so that it can be printed and shortened.
//!
//! Nothing in it names a row or a value: an operation says "row number 3 of those that are there" and draws its values
//! from its own number. So what is left of a scenario means the same when a part of it is taken away.

use std::fmt;

use super::random::Random;
use super::schema::Schema;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The server's database: the site, or a person with a SQL shell.
    Server,
    /// A laptop's database: its programs.
    Laptop(usize),
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub schema: Schema,
    pub laptops: usize,
    /// By place, the server first: whether its file is in WAL mode.
    pub wal: Vec<bool>,
    /// The zone of naive times, in hours east: the laptops', the server's.
    pub zones: [i64; 2],
    /// By place, the server first: how far its clock is from the right time, in seconds.
    pub skew: Vec<i64>,
    /// Whether deletions are braked as they are by default.
    pub brakes: bool,
    /// Whether cycles take backups.
    pub backups: bool,
    /// Whether all sides have agreed before it begins.
    pub agreed: bool,
    /// What all databases hold when they are made.
    pub first: Vec<Change>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub enum Event {
    Write(Write),
    Cycle {
        laptop: usize,
        kind: Kind,
        faults: Vec<Fault>,
    },
    /// The daemon is ended and started again.
    Restart(usize),
    /// A laptop's base is deleted, or its sidecar on the server.
    LoseBase {
        laptop: usize,
        sidecar: bool,
    },
    /// The server's file is replaced by a copy of itself.
    ReplaceFile,
    /// Something is added to the schema of one side.
    Add {
        place: Place,
        addition: Addition,
    },
}

/// What can be added to a schema.
#[derive(Clone, Debug)]
pub enum Addition {
    Column { table: usize, number: u64 },
    Table { number: u64 },
    Index { table: usize, number: u64 },
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Write {
    pub place: Place,
    /// When, in seconds on the right clock.
    pub second: i64,
    pub changes: Vec<Change>,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its values are drawn from it; no other change has it.
    pub number: u64,
    pub table: usize,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Insert,
    /// Changes some columns of a row.
    Update {
        row: usize,
    },
    Delete {
        row: usize,
    },
    /// Gives a row another key.
    Rekey {
        row: usize,
    },
}

/// What a cycle is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Whole,
    PullOnly,
    SkipPull,
    DryRun,
    /// `verify`, which only reads.
    Verify,
}

#[derive(Clone, Debug)]
pub struct Fault {
    pub moment: Moment,
    pub what: Harm,
}

/// A moment between two steps of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The how many-eth of all steps, on whichever side.
    Step(usize),
    /// The same, counting only steps that begin or end a transaction, when both sides are open.
    Transaction(usize),
}

#[derive(Clone, Debug)]
pub enum Harm {
    /// The daemon dies.
    Crash,
    /// The session ends and the rest of the request is not run.
    Lost,
    /// The session ends when that many rows of the next answer have come.
    LostInAnswer(usize),
    /// The session ends; the server runs the rest of the request, at once or only that many moments later.
    LostButRun(usize),
    /// Another program holds the lock of the step's database while the step runs.
    Locked,
    /// The disk is full from here on: the user's database, or the base.
    Full { base: bool },
    /// Somebody writes.
    Write(Write),
    /// Another laptop runs a cycle.
    Cycle(usize),
    /// The server cannot be reached when a session is to be opened.
    Unreachable,
}

impl Scenario {
    /// How many things are in it that could be taken away.
    pub fn size(&self) -> usize {
        let of = |event: &Event| match event {
            Event::Write(write) => write.changes.len(),
            Event::Cycle { faults, .. } => {
                1 + faults.len() + event.writes().iter().map(|it| it.changes.len()).sum::<usize>()
            }
            _ => 1,
        };
        self.first.len() + self.events.iter().map(of).sum::<usize>()
    }

    /// Values of a change: the same in every run.
    pub fn random_of(change: &Change) -> Random {
        Random::new(change.number ^ 0x5eed)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.schema.ddl.trim_end())?;
        writeln!(
            f,
            "{} laptop(s); WAL {:?}; zones {:?} h; clocks {:?} s off; brakes {}; agreed before: {}",
            self.laptops, self.wal, self.zones, self.skew, self.brakes, self.agreed
        )?;
        for change in &self.first {
            writeln!(f, "  at first: {}", change.describe(&self.schema))?;
        }
        for (number, event) in self.events.iter().enumerate() {
            write!(f, "  {number}. ")?;
            match event {
                Event::Write(write) => writeln!(f, "{}", write.describe(&self.schema))?,
                Event::Cycle { laptop, kind, faults } => {
                    writeln!(f, "laptop {laptop}: cycle ({kind:?})")?;
                    for fault in faults {
                        writeln!(f, "       at {:?}: {}", fault.moment, fault.what.describe(&self.schema))?;
                    }
                }
                other => writeln!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

impl Change {
    pub fn describe(&self, schema: &Schema) -> String {
        format!("{:?} {} (#{})", self.what, schema.tables[self.table].name, self.number)
    }
}

impl Write {
    pub fn describe(&self, schema: &Schema) -> String {
        let changes: Vec<String> = self.changes.iter().map(|change| change.describe(schema)).collect();
        format!("{:?} at {} s: {}", self.place, self.second, changes.join("; "))
    }
}

impl Harm {
    fn describe(&self, schema: &Schema) -> String {
        match self {
            Self::Write(write) => write.describe(schema),
            other => format!("{other:?}"),
        }
    }
}

impl Addition {
    /// The table that it changes.
    pub fn table(&self) -> Option<usize> {
        match self {
            Self::Column { table, .. } | Self::Index { table, .. } => Some(*table),
            Self::Table { .. } => None,
        }
    }
}

impl Event {
    /// The transactions of programs in it.
    pub fn writes(&self) -> Vec<&Write> {
        match self {
            Self::Write(write) => vec![write],
            Self::Cycle { faults, .. } => {
                let writes = faults.iter().filter_map(|fault| match &fault.what {
                    Harm::Write(write) => Some(write),
                    _ => None,
                });
                writes.collect()
            }
            _ => Vec::new(),
        }
    }
}
