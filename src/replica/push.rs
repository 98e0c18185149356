//! Guarded writes, and the base's move that follows them.

use super::answer::{self, Fields, missing, nothing};
use super::statements::{TableSql, statements};
use super::{
    FORMAT, Generation, KEYS_A_QUERY, Mark, Replica, Script, SqlError, SqlErrorKind, counts, names, readback, values,
};
use crate::control::types::SideCounts;
use crate::model::{Key, Row, RowOp, Table, Trigger};

/// Writes for one side, and what goes with them in the same request.
#[derive(Clone, Debug, Default)]
pub struct Push<'a> {
    /// By table, in the layout's order.
    pub ops: Vec<Vec<&'a RowOp>>,
    /// Whether what was written is read back before the transaction ends.
    pub read_back: bool,
    /// A file that takes a backup of the database before anything is written; it must not exist.
    pub backup: Option<&'a str>,
    /// The base's move after the writes.
    pub advance: Option<Advance<'a>>,
    /// Whether the side is counted after all this: so that telling the counts costs no round trip of its own.
    pub count: bool,
}

/// How the base moves: to what this side reported as its changes, and on by the writes whose guards held.
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    /// The generation that the base must have; another one ends the script.
    pub from: &'a Generation,
    /// The generation that it then has.
    pub to: &'a Generation,
    /// Keys, by table, whose reported changes the base does not take.
    pub keep_out: &'a [Vec<Key>],
}

/// What came of a push.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pushed {
    /// By table, the writes (indexes into [`Push::ops`]) whose guards did not hold: another program was there first.
    pub refused: Vec<Vec<usize>>,
    /// By table, those that a constraint of this side's schema refuses.
    pub barred: Vec<Vec<usize>>,
    /// By table, whether what the side read back is what it was given; empty when it was not asked for.
    pub proven: Vec<bool>,
    /// What the side holds now, when [`Push::count`] asked for it.
    pub counts: Option<SideCounts>,
}

impl Push<'_> {
    /// Whether the side tells what it read back. The laptop's own SQLite need not; what moves a base is the server's.
    fn is_proven(&self) -> bool {
        self.read_back && self.advance.is_some() && self.ops.iter().any(|ops| !ops.is_empty())
    }
}

impl Replica {
    /// Carries out guarded writes in one transaction, which goes out in one piece: one round trip.
    ///
    /// # Errors
    /// When the session or SQLite fails. Then either all writes whose guards held are there or none; where the
    /// connection was lost nobody knows which, and the next comparison tells.
    pub async fn push(&mut self, push: &Push<'_>) -> Result<Pushed, SqlError> {
        let script = self.push_script(push, &statements(&self.tables));
        let none = || self.tables.iter().map(|_| Vec::new()).collect::<Vec<Vec<usize>>>();
        let (mut refused, mut barred) = (none(), none());
        let ops: Vec<usize> = push.ops.iter().map(Vec::len).collect();
        let mut counts = push.count.then(SideCounts::default);
        let mut proofs: Vec<Option<Vec<u8>>> = vec![None; ops.len()];
        self.sql
            .run(&script, &mut |row| {
                let mut fields = Fields::new("write", row);
                let tag = fields.text()?;
                match (tag.as_str(), &mut counts) {
                    ("refused", _) => {
                        let table = fields.index(ops.len())?;
                        let seq = fields.index(ops[table])?;
                        let which = match fields.index(2)? {
                            0 => &mut refused[table],
                            _ => &mut barred[table],
                        };
                        fields.end()?;
                        // They are answered in the order of their numbers.
                        if which.last().is_some_and(|last| *last >= seq) {
                            return Err(fields.wrong());
                        }
                        which.push(seq);
                        Ok(())
                    }
                    ("proof", _) => {
                        let table = fields.index(ops.len())?;
                        let digest = fields.blob()?;
                        fields.end()?;
                        answer::once(&mut proofs[table], digest, &fields)
                    }
                    (_, Some(counts)) => counts::take(counts, &self.tables, &tag, fields),
                    _ => Err(fields.wrong()),
                }
            })
            .await
            .map_err(explain)?;
        let counts = counts.map(counts::summed);
        let proven = push.ops.iter().enumerate().map(|(table, ops)| {
            let done = |seq: usize| {
                [&refused, &barred]
                    .iter()
                    .all(|kind| kind[table].binary_search(&seq).is_err())
            };
            ops.is_empty() || proofs[table].as_ref() == Some(&readback::expected(ops, done))
        });
        let proven = if push.is_proven() { proven.collect() } else { Vec::new() };
        Ok(Pushed {
            refused,
            barred,
            proven,
            counts,
        })
    }

    fn push_script<'s>(&self, push: &'s Push<'_>, statements: &[TableSql<'s>]) -> Script<'s> {
        let touched: Vec<&TableSql<'_>> = statements
            .iter()
            .zip(&push.ops)
            .filter(|(_, ops)| !ops.is_empty())
            .map(|(sql, _)| sql)
            .collect();
        let mut script = Script::new();
        // Before the backup, too: it takes long, and one of a file that was replaced is of no use.
        script.step(ASSERT_FILE.to_owned() + &self.assert_base(push));
        for sql in statements {
            script.step(sql.clear());
        }
        for (&sql, ops) in statements.iter().zip(&push.ops) {
            script.steps_of(move || ops.iter().enumerate().map(move |(seq, op)| sql.stage(seq, op)));
        }
        if let Some(backup) = push.backup {
            script.backup(backup);
        }
        // One step, which arrives as a whole or not at all, and which says nothing: an engine whose line is cut dies of its
        // next word. Rows that are written while no base knows of it could not be told from another program's.
        let mut writes = String::new();
        if !touched.is_empty() {
            writes += &self.transaction(statements, push);
        }
        if let Some(advance) = &push.advance {
            writes += &self.advance_step(statements, advance);
        }
        if !writes.is_empty() {
            script.step(writes);
        }
        for sql in &touched {
            script.step(sql.refused());
        }
        if push.is_proven() {
            script.step("SELECT 'tproof','i'||tbl,coalesce('b'||hex(digest),'b') FROM temp.modsync_proof;");
        }
        if push.count {
            counts::ask(&mut script, &self.tables);
        }
        script
    }

    /// From the lock to the commit, in one step: it runs only once all of it has arrived.
    fn transaction(&self, statements: &[TableSql<'_>], push: &Push<'_>) -> String {
        let touched = || {
            statements
                .iter()
                .zip(&self.tables)
                .zip(&push.ops)
                .filter(|(_, ops)| !ops.is_empty())
        };
        let [begin, end] = self.transaction_words();
        let mut sql = begin.to_owned() + &self.assert_base(push);
        // Before anything of the live file is read: who has read already is not made to wait for another writer, but
        // turned away at once, and in WAL mode can never get the lock once that one has written.
        if let Some(((_, table), _)) = touched().next() {
            sql += &take_lock(table);
        }
        sql += ASSERT_FILE;
        sql += &self.assert_schema();
        // The changes carry the effects of the user's triggers already. They come back before anyone can see them gone.
        let triggers = || touched().flat_map(|((_, table), _)| &table.triggers);
        for trigger in triggers() {
            sql += &format!("DROP TRIGGER main.{};", names::ident(&trigger.name));
        }
        touched().for_each(|((table, _), _)| sql += &table.guard());
        touched().for_each(|((table, _), _)| sql += &table.guard_children(statements));
        for index in parents_first(&self.tables) {
            if push.ops.get(index).is_some_and(|ops| !ops.is_empty()) {
                sql += &statements[index].guard_parents(statements);
                sql += &statements[index].write();
            }
        }
        if push.read_back {
            touched().for_each(|((table, _), _)| sql += &table.read_back());
        }
        if push.is_proven() {
            sql += "DELETE FROM temp.modsync_proof;";
            touched().for_each(|((table, _), _)| sql += &table.prove());
        }
        for trigger in triggers() {
            sql += &create(trigger);
        }
        sql + end
    }

    /// Takes the write lock of the live database and keeps it until [`unlock`](Self::unlock). Answers with SQLite's
    /// counter of other connections' commits, which does not move from then on.
    ///
    /// For the laptop alone: no lock may be held across the network.
    ///
    /// # Errors
    /// When another program holds the lock for too long, or SQLite fails.
    pub async fn lock(&mut self) -> Result<i64, SqlError> {
        let mut script = Script::new();
        script.step(format!(
            "BEGIN;{}SAVEPOINT modsync_lock;",
            self.tables.first().map(take_lock).unwrap_or_default()
        ));
        script.step("SELECT 'i'||data_version FROM pragma_data_version;");
        let mut version = None;
        self.locked = true;
        self.sql
            .run(&script, &mut |row| {
                version = Some(Fields::new("lock", row).integer()?);
                Ok(())
            })
            .await?;
        version.ok_or_else(|| missing("lock"))
    }

    /// Takes back what was written since [`lock`](Self::lock), and keeps the lock.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn undo(&mut self) -> Result<(), SqlError> {
        let mut script = Script::new();
        script.step("ROLLBACK TO modsync_lock;");
        self.sql.run(&script, &mut |_| Ok(())).await
    }

    /// Commits what was written since [`lock`](Self::lock), if it was called, and leaves the mark.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn unlock(&mut self, mark: Option<&Mark<'_>>) -> Result<(), SqlError> {
        if !std::mem::take(&mut self.locked) {
            return Ok(());
        }
        let mut script = Script::new();
        script.step("COMMIT;".to_owned() + &mark.map(Mark::write).unwrap_or_default());
        self.sql.run(&script, &mut nothing("unlock")).await
    }

    /// What begins and ends a step's transaction: under the lock it is a part of a larger one.
    pub(super) fn transaction_words(&self) -> [&'static str; 2] {
        match self.locked {
            true => ["SAVEPOINT modsync;", "RELEASE modsync;"],
            false => ["BEGIN;", "COMMIT;"],
        }
    }

    /// Ends the script unless the schema is the one that was read: the statements, and the triggers that are made again,
    /// belong to that one. Inside the write transaction.
    pub(super) fn assert_schema(&self) -> String {
        format!(
            "INSERT INTO temp.modsync_assert SELECT 0 FROM pragma_schema_version WHERE schema_version<>{};",
            self.schema_version
        )
    }

    /// Ends the script unless the base is the one that was compared.
    ///
    /// It stands inside the transactions as well. An engine whose line was cut goes on with what it had received; behind
    /// a long backup it writes when a newer session may have moved base and rows on. What is read of the base here stays
    /// read-locked until the transaction ends, so no other session moves it meanwhile.
    fn assert_base(&self, push: &Push<'_>) -> String {
        let from = push.advance.as_ref().map(|advance| advance.from);
        from.map(|from| self.assert_generation(from)).unwrap_or_default()
    }

    fn assert_generation(&self, generation: &Generation) -> String {
        format!(
            "INSERT INTO temp.modsync_assert SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM base.meta WHERE format={FORMAT} AND lineage={} AND number={});",
            super::literal(&crate::model::Value::text(generation.lineage.as_str())),
            generation.number
        )
    }

    fn advance_step(&self, statements: &[TableSql<'_>], advance: &Advance<'_>) -> String {
        let mut sql = format!("BEGIN;{}", self.assert_generation(advance.from));
        for (table, keys) in statements.iter().zip(advance.keep_out) {
            for chunk in keys.chunks(KEYS_A_QUERY) {
                sql += &table.keep_out(&values(chunk));
            }
        }
        for table in statements {
            sql += &table.advance_to_delta();
            sql += &table.advance_by_patch();
        }
        sql + &self.set_generation(advance.to) + "COMMIT;"
    }

    /// Moves the base, row by row, to what the cycle settled (by table, each key's row): the laptop's way, where sending
    /// rows costs nothing.
    ///
    /// # Errors
    /// When SQLite fails; then the base has not moved.
    pub async fn settle(
        &mut self,
        rows: &[Vec<(&Key, Option<&Row>)>],
        from: &Generation,
        to: &Generation,
    ) -> Result<(), SqlError> {
        let mut script = Script::new();
        let mut moves = format!("BEGIN;{}", self.assert_generation(from));
        for (table, settled) in statements(&self.tables).into_iter().zip(rows) {
            script.step(table.clear());
            let stage = move |(key, agreed): &(&Key, Option<&Row>)| match agreed {
                Some(agreed) => table.stage_settled(agreed),
                None => table.stage_absent(key),
            };
            script.steps_of(move || settled.iter().map(stage));
            moves += &table.advance_by_patch();
        }
        script.step(moves + &self.set_generation(to) + "COMMIT;");
        self.sql.run(&script, &mut nothing("settle")).await
    }
}

/// Ends the script unless the path still leads to the open file.
pub(super) const ASSERT_FILE: &str = "INSERT INTO temp.modsync_assert SELECT 0 FROM modsync_look WHERE moved;";

/// Takes the write lock of the live database alone: BEGIN IMMEDIATE would take the sidecar's too, and a transaction over
/// two files needs a super-journal.
pub(super) fn take_lock(table: &Table) -> String {
    format!("DELETE FROM {} WHERE 0;", names::live(&table.name))
}

/// The tables, each after those that it refers to, where references do not go in a circle.
fn parents_first(tables: &[Table]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(tables.len());
    let mut rest: Vec<usize> = (0..tables.len()).collect();
    while !rest.is_empty() {
        let waits = |index: &usize| {
            let mut parents = tables[*index].foreign_keys.iter().map(|foreign| &foreign.parent);
            parents.any(|parent| {
                let mut others = rest.iter().filter(|other| *other != index);
                others.any(|&other| tables[other].name.eq_ignore_ascii_case(parent))
            })
        };
        let (waiting, mut ready): (Vec<usize>, Vec<usize>) = rest.iter().copied().partition(waits);
        rest = if ready.is_empty() { Vec::new() } else { waiting.clone() };
        if ready.is_empty() {
            ready = waiting;
        }
        order.append(&mut ready);
    }
    order
}

/// The statement that makes a trigger again, to the letter. The schema's text never names the database, and a temporary
/// table might have the name of the trigger's.
fn create(trigger: &Trigger) -> String {
    let sql = trigger.sql.replacen("CREATE TRIGGER ", "CREATE TRIGGER main.", 1);
    // A comment at the text's end must not swallow the semicolon.
    sql + if trigger.sql.contains("--") { "\n;" } else { ";" }
}

/// Our own assertions fail as constraints; say what they mean.
pub(super) fn explain(error: SqlError) -> SqlError {
    if error.kind == SqlErrorKind::Constraint && error.message.contains("modsync_assert") {
        let message =
            "write: the rows do not read back as they were written, or the schema, the base or the database's \
                       file is another one by now; nothing was written"
                .to_owned();
        return SqlError {
            kind: SqlErrorKind::MovedOn,
            message,
        };
    }
    error
}
