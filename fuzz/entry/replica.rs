//! The rows that a server answers to each thing a replica asks, in the wire form, as they reach the readers behind the
//! session. An empty line ends an answer. The first byte says whether the schema is the input's too or an honest one.
//!
//! Properties: what is read can be merged and written; no reader keeps more rows than came.

use std::collections::{BTreeSet, VecDeque};

use futures_util::future::BoxFuture;
use modsync::model::{Key, Row, RowOp, Schema, Side, Table};
use modsync::replica::{
    Advance, Answer, Changes, Generation, OpenError, Opening, Push, Replica, Script, Sql, SqlError, SqlErrorKind, wire,
};

/// The answers of an honest server to what opening asks: its encoding and its schema.
const HONEST: &[u8] = b"tUTF-8\ntpages\ti2\n\ntversion\ti7\tt3.40.1\n\
    tobject\ttp\tttable\ttp\ttCREATE TABLE p(url TEXT PRIMARY KEY NOT NULL, a, last_updated TEXT)\n\
    tobject\ttq\tttable\ttq\ttCREATE TABLE q(id INTEGER PRIMARY KEY, p REFERENCES p(url), n TEXT)\n\
    tcolumn\ttp\tturl\ttTEXT\ti1\ti1\ti0\n\
    tcolumn\ttp\tta\tt\ti0\ti0\ti0\n\
    tcolumn\ttp\ttlast_updated\ttTEXT\ti0\ti0\ti0\n\
    tcolumn\ttq\ttid\ttINTEGER\ti0\ti1\ti0\n\
    tcolumn\ttq\ttp\tt\ti0\ti0\ti0\n\
    tcolumn\ttq\ttn\ttTEXT\ti0\ti0\ti0\n\
    tindex\ttp\ttsqlite_autoindex_p_1\ti1\ttpk\ti0\ttBINARY\tturl\n\
    tforeign\ttq\ti0\ttp\ttp\tturl\n\n";

pub fn run(data: &[u8]) {
    let Some((choice, rest)) = super::choice(data, 2) else {
        return;
    };
    let all = if choice == 0 {
        [HONEST, rest].concat()
    } else {
        rest.to_vec()
    };
    // Nothing in here waits: the answers are there.
    if let Err(error) = super::block_on(ask_everything(&all)) {
        super::assert_message(&error.message);
    }
}

async fn ask_everything(answers: &[u8]) -> Result<(), SqlError> {
    let opening = Opening {
        side: Side::Server,
        sidecar: "/base.db",
        file: "1",
        look_through: true,
    };
    let rows = answers.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let (mut replica, schema) = Replica::open(Box::new(Answers::new(answers)), &opening)
        .await
        .map_err(said)?;
    let tables = synced(&schema, rows);
    let no_renames = vec![Vec::new(); tables.len()];
    replica.prepare(tables.clone(), &no_renames, &BTreeSet::new()).await?;
    let changes = replica.changes().await?;
    let kept = changes
        .delta
        .tables
        .iter()
        .map(|table| table.changed.len() + table.deleted.len());
    assert!(kept.sum::<usize>() <= rows);
    let keys = keys(&changes);
    let base = replica.base_rows(&keys).await?;
    check_rows(&tables, &base);
    replica.look().await?;
    replica.counts().await?;
    replica.digests().await?;
    replica.row_digests(0).await?;
    check_rows(&tables, &replica.live_rows(&keys).await?);
    push(&mut replica, &tables, changes, &base).await
}

fn said(error: OpenError) -> SqlError {
    let kind = SqlErrorKind::Protocol;
    let message = match error {
        OpenError::Sql(error) => return error,
        OpenError::Empty => "it is empty".to_owned(),
        OpenError::Damaged(verdict) | OpenError::Base(verdict) => verdict,
    };
    SqlError { kind, message }
}

/// The tables that a layout would take: those with a key.
fn synced(schema: &Schema, rows: usize) -> Vec<Table> {
    assert!(schema.tables.len() + schema.skipped.len() <= rows);
    for table in &schema.tables {
        let sets = table.unique.iter().chain([&table.key]);
        let sets = sets.chain(table.foreign_keys.iter().map(|foreign| &foreign.columns));
        let mut columns = sets.flatten().chain(table.rowid.as_ref());
        assert!(columns.all(|&column| column < table.columns.len()), "{table:?}");
    }
    let keyed = schema.tables.iter().filter(|table| !table.key.is_empty());
    keyed.cloned().collect()
}

fn keys(changes: &Changes) -> Vec<Vec<Key>> {
    let tables = changes.delta.tables.iter();
    tables
        .map(|table| {
            let changed = table.changed.iter().map(|row| row.key.clone());
            changed.chain(table.deleted.iter().cloned()).collect()
        })
        .collect()
}

/// Rows have a cell for each column: everything behind the readers counts on it.
fn check_rows(tables: &[Table], rows: &[Vec<Row>]) {
    assert_eq!(tables.len(), rows.len());
    for (table, rows) in tables.iter().zip(rows) {
        assert!(rows.iter().all(|row| row.len() == table.columns.len()), "{table:?}");
    }
}

/// Sends what was answered back as writes.
async fn push(replica: &mut Replica, tables: &[Table], changes: Changes, base: &[Vec<Row>]) -> Result<(), SqlError> {
    let mut ops: Vec<Vec<RowOp>> = Vec::new();
    for ((table, delta), base) in tables.iter().zip(changes.delta.tables).zip(base) {
        let rows = delta.changed.into_iter().filter_map(|row| {
            let before = base.iter().find(|base| table.key_of(base) == row.key);
            let after = row.complete(before)?;
            Some(match before {
                Some(before) => RowOp::Update {
                    before: before.clone(),
                    after,
                },
                None => RowOp::Insert(after),
            })
        });
        ops.push(rows.collect());
    }
    let generation = Generation {
        lineage: "a".to_owned(),
        number: 1,
    };
    let keep_out = vec![Vec::new(); tables.len()];
    let push = Push {
        ops: ops.iter().map(|ops| ops.iter().collect()).collect(),
        read_back: true,
        backup: None,
        advance: Some(Advance {
            from: &generation,
            to: &generation.next(),
            keep_out: &keep_out,
        }),
        count: true,
    };
    let pushed = replica.push(&push).await?;
    for (seqs, ops) in pushed.refused.iter().chain(&pushed.barred).zip(ops.iter().chain(&ops)) {
        assert!(seqs.iter().all(|&seq| seq < ops.len()));
    }
    Ok(())
}

/// Plays the engine: each run gets the next answer.
struct Answers(VecDeque<Vec<u8>>);

impl Answers {
    fn new(text: &[u8]) -> Self {
        let (mut answers, mut answer) = (VecDeque::new(), Vec::new());
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            if line == b"\n" {
                answers.push_back(std::mem::take(&mut answer));
            } else {
                answer.extend_from_slice(line);
            }
        }
        answers.push_back(answer);
        Self(answers)
    }
}

impl Sql for Answers {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(async move { self.play(script, answer) })
    }

    fn is_open(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Answers {
    fn play(&mut self, script: &Script<'_>, answer: &mut Answer<'_>) -> Result<(), SqlError> {
        let broken = |message: &str| SqlError {
            kind: SqlErrorKind::Protocol,
            message: message.to_owned(),
        };
        assert!(script.steps().all(|step| step.ends_with(';')));
        let rows = self.0.pop_front().ok_or_else(|| broken("the input ended"))?;
        for line in rows.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            answer(wire::decode_row(line).map_err(|error| broken(&error.to_string()))?)?;
        }
        Ok(())
    }
}
