//! The reversible test on the real pair: a row is made on the laptop, pushed, changed on the server as the site would,
//! pulled and merged, and removed from both sides.
//!
//! The row is made and changed over sessions of the test's own, as other programs do it; what moves it are ordinary
//! cycles, and what removes it is an amendment. Which row it is stands in the record before there is one.

mod subject;
mod text;
mod trace;

use std::time::Instant;

use jiff::Timestamp;

use super::{CycleError, Pair, Progress, Trigger};
use crate::config::EngineChoice;
use crate::control::types::{CycleSummary, Outcome, SelfTestReport, SyncRequest, TestStep};
use crate::cycle::pair::{BUSY, random_name};
use crate::model::{Row, Side, Table, Value};
use crate::replica::sqlite::OpenMode;
use crate::replica::wire::encode_sql;
use crate::replica::{Field, LocalSql, Script, Sql, SqlError, ident};
use subject::Subject;
use text::{attempt, changed, insert, is_assessed, shown, trace_of, update};
use trace::{Trace, quietly};

/// How many rows are tried on the server, where each refusal costs a session.
const TRIES_THERE: usize = 8;

/// The steps, by number.
const STEPS: [&str; 7] = ["create", "push", "assess", "pending", "pull", "merged", "remove"];

/// Why a step failed, for people, and what to do.
type Failed = (String, Option<String>);

impl Pair {
    /// Runs the test. A step that fails ends it, and the row is removed all the same. It can be asked for at any time:
    /// what an earlier one left is removed first.
    ///
    /// # Errors
    /// When nothing was begun because a cycle would not come through.
    pub async fn test_itself(&mut self, progress: &Progress<'_>) -> Result<SelfTestReport, CycleError> {
        self.remove_leftover(progress).await;
        let first = self
            .cycle(&SyncRequest::default(), &[], Trigger::SelfTest, progress)
            .await?
            .cycle;
        if first.outcome == Outcome::Stopped {
            let why = first.reason.unwrap_or_default();
            return Err(CycleError {
                hint: first.hint,
                ..CycleError::attention(
                    format!("test the pair: a brake stops the cycle that goes before it: {why}"),
                    "",
                )
            });
        }
        let mut test = Test {
            report: SelfTestReport {
                clean: true,
                cycle: Some(first),
                ..SelfTestReport::default()
            },
            since: Instant::now(),
        };
        match self.choose().await? {
            Ok((subject, trace)) => self.run_test(&mut test, &subject, &trace, progress).await,
            Err(why) => test.fail(
                1,
                (
                    why,
                    Some("nothing was made; `modsyncctl verify` proves that both sides are equal".to_owned()),
                ),
            ),
        }
        test.report.ok = test.report.clean && test.report.reason.is_none();
        Ok(test.report)
    }

    async fn run_test(&mut self, test: &mut Test, subject: &Subject, trace: &Trace, progress: &Progress<'_>) {
        test.report.table = Some(trace.table.clone());
        test.report.key = Some(shown(&trace.key));
        test.report.clean = false;
        if let Err((number, failed)) = self.six_steps(test, subject, trace, progress).await {
            test.fail(number, failed);
            // Nobody knows what state a session is in.
            self.close();
        }
        let before = test.report.reason.clone();
        match self.remove_test_row(trace, progress).await {
            Ok(removed) => {
                test.report.cycle = removed.cycle.or(test.report.cycle.take());
                match removed.left {
                    None => {
                        test.report.clean = true;
                        test.pass(7, "removed from both sides".to_owned());
                    }
                    Some(why) => test.fail(7, (why, None)),
                }
            }
            Err(error) => {
                test.fail(7, (error.message, error.hint));
            }
        }
        if !test.report.clean {
            let later = "the row is removed after the next cycle that comes through: `modsyncctl sync-now`";
            test.report.hint = Some(later.to_owned());
        }
        test.report.reason = before.or(test.report.reason.take());
    }

    /// The steps up to the removal; the number of the one that failed, and why.
    async fn six_steps(
        &mut self,
        test: &mut Test,
        subject: &Subject,
        trace: &Trace,
        progress: &Progress<'_>,
    ) -> Result<(), (u8, Failed)> {
        let at = |number: u8| move |error: CycleError| (number, (error.message, error.hint));
        let table = self.layout.local[subject.index].clone();
        self.remember_test_row(trace).await.map_err(at(1))?;
        self.write_here(&insert(&table, subject)).await.map_err(at(1))?;
        let created = self.test_rows(trace).await.map_err(at(1))?[0].clone();
        let created = created.ok_or((1, ("the row that was made is not there".to_owned(), None)))?;
        test.pass(1, format!("a test row in {} on the laptop", trace.table));

        let pushed = self.one_cycle(test, progress).await.map_err(at(2))?;
        must(
            self.test_rows(trace).await.map_err(at(2))?[1].as_ref() == Some(&created),
            2,
            &pushed,
            "the server does not have the row",
        )?;
        test.pass(2, format!("the server has the same row{}", cost(&pushed)));

        let theirs = self.layout.server[subject.index].clone();
        let change = update(&theirs, subject, trace);
        self.write_there(&change).await.map_err(at(3))?;
        let [local, server] = self.test_rows(trace).await.map_err(at(3))?;
        must(
            is_assessed(server.as_ref(), subject),
            3,
            &pushed,
            "the change is not to be seen on the server",
        )?;
        test.pass(3, format!("changed on the server: {}", changed(&table, subject)));

        must(
            local.as_ref() == Some(&created),
            4,
            &pushed,
            "the laptop's row changed before it was pulled",
        )?;
        test.pass(4, "the laptop's row is as it was made".to_owned());

        let pulled = self.one_cycle(test, progress).await.map_err(at(5))?;
        test.pass(5, format!("a cycle brought it{}", cost(&pulled)));

        let [local, server] = self.test_rows(trace).await.map_err(at(6))?;
        must(
            is_assessed(local.as_ref(), subject),
            6,
            &pulled,
            "the laptop does not have the server's change",
        )?;
        must(local == server, 6, &pulled, "the two sides do not hold the same row")?;
        must(
            pulled.conflicts == 0,
            6,
            &pulled,
            "a conflict was met where there was none",
        )?;
        test.pass(6, "both sides hold the changed row, without a conflict".to_owned());
        Ok(())
    }

    async fn one_cycle(&mut self, test: &mut Test, progress: &Progress<'_>) -> Result<CycleSummary, CycleError> {
        let done = self.cycle(&quietly(), &[], Trigger::SelfTest, progress).await?.cycle;
        test.report.cycle = Some(done.clone());
        Ok(done)
    }

    /// Finds a table in which a row can be made, changed and removed, by trying it in transactions that are rolled back;
    /// or says why there is none.
    async fn choose(&mut self) -> Result<Result<(Subject, Trace), String>, CycleError> {
        self.connect(&|_| ()).await?;
        let random = random_name()?;
        let now = Timestamp::now().to_zoned(self.config.remote.timezone.clone());
        let now = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let (mut reasons, mut tries) = (Vec::new(), 0);
        for index in subject::order(&self.layout) {
            let table = self.layout.local[index].clone();
            let like = self.any_row(&table).await?;
            if let Some(why) = subject::unfit(&self.layout, index, u64::from(like.is_some())) {
                reasons.push(format!("{}: {why}", table.name));
                continue;
            }
            let mut refusal = "it has no column that could be changed".to_owned();
            for subject in subject::rows(&self.layout, index, &random, &now, like.as_ref()) {
                let Some(trace) = trace_of(&table, &subject) else {
                    continue;
                };
                if let Err(error) = self.write_here(&attempt(&table, &subject, &trace)).await {
                    refusal = error.message;
                    continue;
                }
                tries += 1;
                let theirs = self.layout.server[index].clone();
                match self.write_there(&attempt(&theirs, &subject, &trace)).await {
                    Ok(()) => return Ok(Ok((subject, trace))),
                    Err(error) if tries >= TRIES_THERE => return Err(error),
                    Err(error) => refusal = error.message,
                }
                self.connect(&|_| ()).await?;
            }
            reasons.push(format!("{}: {refusal}", table.name));
        }
        Ok(Err(format!("no table takes a test row: {}", reasons.join("; "))))
    }

    /// Some row of a table, if it has one.
    async fn any_row(&mut self, table: &Table) -> Result<Option<Row>, CycleError> {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| encode_sql(&ident(&column.name)))
            .collect();
        let mut script = Script::new();
        script.step(format!(
            "SELECT {} FROM main.{} LIMIT 1;",
            columns.join(","),
            ident(&table.name)
        ));
        let mut found = None;
        let mut sql = self.own_session().await?;
        let mut take = |row: Vec<Field>| {
            let value = |field| match field {
                Field::Value(value) => value,
                Field::Same => Value::Null,
            };
            found = Some(row.into_iter().map(value).collect());
            Ok(())
        };
        sql.run(&script, &mut take)
            .await
            .map_err(|error| CycleError::of_sql(Side::Local, error))?;
        Ok(found)
    }

    async fn own_session(&mut self) -> Result<LocalSql, CycleError> {
        let opened = LocalSql::open(&self.config.local.database, OpenMode::ReadWrite, BUSY).await;
        opened.map_err(|error| CycleError::of_sql(Side::Local, error))
    }

    /// Runs statements on the laptop as another program would, on a connection of its own.
    async fn write_here(&mut self, statements: &str) -> Result<(), CycleError> {
        let mut sql = self.own_session().await?;
        let done = run(&mut sql, statements).await;
        done.map_err(|error| CycleError::of_sql(Side::Local, error))
    }

    /// The same on the server, over a session of its own.
    async fn write_there(&mut self, statements: &str) -> Result<(), CycleError> {
        let options = self.session_options();
        let link = std::sync::Arc::clone(&self.both()?.1.link);
        if self.config.remote.engine == EngineChoice::Sftp {
            // Its copies of the server's files serve one session at a time.
            self.server = None;
        }
        let (mut sql, _) = link.open_session(&options).await?;
        let done = run(&mut *sql, statements).await;
        done.map_err(|error| CycleError::of_sql(Side::Server, error))
    }
}

/// A test under way.
struct Test {
    report: SelfTestReport,
    /// When the present step began.
    since: Instant,
}

impl Test {
    fn pass(&mut self, number: u8, detail: String) {
        self.step(number, true, detail);
    }

    fn fail(&mut self, number: u8, (why, hint): Failed) {
        self.step(number, false, why.clone());
        self.report.reason.get_or_insert(why);
        self.report.hint = self.report.hint.take().or(hint);
    }

    fn step(&mut self, number: u8, ok: bool, detail: String) {
        let name = STEPS
            .get(usize::from(number).saturating_sub(1))
            .copied()
            .unwrap_or_default();
        self.report.steps.push(TestStep {
            step: number,
            name: name.to_owned(),
            ok,
            detail,
            duration_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        self.since = Instant::now();
    }
}

fn must(holds: bool, number: u8, cycle: &CycleSummary, otherwise: &str) -> Result<(), (u8, Failed)> {
    if holds {
        return Ok(());
    }
    let why = match &cycle.reason {
        Some(reason) => format!("{otherwise}; the cycle before says: {reason}"),
        None => otherwise.to_owned(),
    };
    Err((number, (why, cycle.hint.clone())))
}

fn cost(cycle: &CycleSummary) -> String {
    match cycle.cycle {
        Some(number) => format!(" (cycle {number}, {} ms)", cycle.duration_ms),
        None => String::new(),
    }
}

async fn run(sql: &mut dyn Sql, statements: &str) -> Result<(), SqlError> {
    let mut script = Script::new();
    script.step(statements);
    sql.run(&script, &mut |_| Ok(())).await
}
