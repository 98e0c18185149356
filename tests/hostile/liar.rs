//! The server's database without a network: a real SQLite in this process, and a liar between it and the cycle.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use modsync::config::Config;
use modsync::cycle::{CycleError, OverSsh, Pair, Reach};
use modsync::replica::sqlite::OpenMode;
use modsync::replica::{Answer, Field, LocalSql, Script, Sql, SqlError, SqlErrorKind, wire};
use modsync::ssh::sftp::Sftp;
use modsync::ssh::{
    DatabaseState, Hello, Link, Opened, Process, SessionError, SessionOptions, Traffic, TransportError,
};

/// What is done to the answer of one step: its lines, each with its end.
type Twist = Box<dyn Fn(String) -> String + Send + Sync>;

/// A lie about the steps that contain a text.
pub struct Lie {
    on: &'static str,
    /// Whether the step is run at all.
    run: bool,
    /// What is run before it.
    before: &'static str,
    /// Whether the step ends with its first transaction.
    stop_early: bool,
    twist: Twist,
}

impl Lie {
    fn of(on: &'static str, run: bool, twist: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        let twist = Box::new(twist);
        Self {
            on,
            run,
            before: "",
            stop_early: false,
            twist,
        }
    }

    /// Something else than the answer.
    pub fn say(on: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::of(on, false, move |_| text.clone())
    }

    /// The answer, and something more.
    pub fn also(on: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::of(on, true, move |told| told + &text)
    }

    /// The answer, changed.
    pub fn twist(on: &'static str, twist: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self::of(on, true, twist)
    }

    /// The answer with some of its fields, counted from 0 in every line, replaced.
    pub fn field(on: &'static str, index: usize, text: &'static str) -> Self {
        Self::of(on, true, move |told| {
            let line = |line: &str| {
                let mut fields: Vec<&str> = line.split('\t').collect();
                fields[index] = text;
                fields.join("\t") + "\n"
            };
            told.lines().map(line).collect()
        })
    }

    /// The answer, after something that nobody sent. It is run inside the step, behind its first statement.
    pub fn before(on: &'static str, sql: &'static str) -> Self {
        Self {
            before: sql,
            ..Self::of(on, true, |told| told)
        }
    }

    /// The answer, though only the step's first transaction is run.
    pub fn stop_early(on: &'static str) -> Self {
        Self {
            stop_early: true,
            ..Self::of(on, true, |told| told)
        }
    }

    /// Nothing: the step is not run.
    pub fn skip(on: &'static str) -> Self {
        Self::of(on, false, |_| String::new())
    }
}

/// What the server lies at present. All clones are one.
#[derive(Clone, Default)]
pub struct Lies(Arc<Mutex<Vec<Lie>>>);

impl Lies {
    pub fn tell(&self, lies: Vec<Lie>) {
        *self.0.lock().unwrap() = lies;
    }

    pub fn be_honest(&self) {
        self.tell(Vec::new());
    }
}

/// A pair whose server lies so.
pub async fn pair(config: Config, server: &Path, lies: &Lies) -> Pair {
    let reach = Way {
        server: server.to_owned(),
        sidecar: config.daemon.state_dir.with_extension("sidecar.db"),
        lies: lies.clone(),
    };
    Pair::reached_by(config, Box::new(reach)).await.unwrap()
}

#[derive(Clone)]
struct Way {
    server: PathBuf,
    sidecar: PathBuf,
    lies: Lies,
}

impl Reach for Way {
    fn open_local<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Box<dyn Sql>, SqlError>> {
        OverSsh.open_local(path)
    }

    fn dial<'a>(&'a self, _: &'a Config) -> BoxFuture<'a, Result<Arc<dyn Link>, CycleError>> {
        Box::pin(async { Ok(Arc::new(self.clone()) as Arc<dyn Link>) })
    }
}

impl Link for Way {
    fn open_session<'a>(&'a self, _: &'a SessionOptions) -> BoxFuture<'a, Result<Opened, SessionError>> {
        Box::pin(async {
            let engine = LocalSql::open(&self.server, OpenMode::ReadWrite, Duration::from_secs(5)).await?;
            let hello = Hello {
                database: self.server.display().to_string(),
                state: DatabaseState::Present,
                sidecar: self.sidecar.display().to_string(),
                ..Hello::default()
            };
            let lies = self.lies.clone();
            Ok((
                Box::new(Liar {
                    engine,
                    lies,
                    open: true,
                }) as Box<dyn Sql>,
                hello,
            ))
        })
    }

    fn exec<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Process, TransportError>> {
        unreachable!("no command is run")
    }

    fn sftp(&self) -> BoxFuture<'_, Result<Sftp, TransportError>> {
        unreachable!("no file is copied")
    }

    fn traffic(&self) -> Arc<Traffic> {
        Arc::default()
    }

    fn is_closed(&self) -> bool {
        false
    }
}

struct Liar {
    engine: LocalSql,
    lies: Lies,
    open: bool,
}

impl Sql for Liar {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(async move {
            for step in script.steps() {
                let told = self.answer(&step).await;
                let taken = told.and_then(|told| take(&told, answer));
                if taken.is_err() {
                    self.open = false;
                    return taken;
                }
            }
            Ok(())
        })
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

impl Liar {
    fn meddled_with(&self, step: &str) -> String {
        let lies = self.lies.0.lock().unwrap();
        let Some(lie) = lies.iter().find(|lie| step.contains(lie.on)) else {
            return step.to_owned();
        };
        let first = step.split_inclusive("COMMIT;").next().unwrap_or_default();
        let step = if lie.stop_early { first } else { step };
        step.replacen(';', &format!(";{}", lie.before), 1)
    }

    /// The lines that are told for one step.
    async fn answer(&mut self, step: &str) -> Result<String, SqlError> {
        let run = self
            .lies
            .0
            .lock()
            .unwrap()
            .iter()
            .all(|lie| lie.run || !step.contains(lie.on));
        let mut told = String::new();
        if run {
            let mut script = Script::new();
            script.step(self.meddled_with(step));
            let mut keep = |row: Vec<Field>| {
                told += &line(&row);
                Ok(())
            };
            self.engine.run(&script, &mut keep).await?;
        }
        let lies = self.lies.0.lock().unwrap();
        let lie = lies.iter().find(|lie| step.contains(lie.on));
        Ok(lie.map_or(told.clone(), |lie| (lie.twist)(told)))
    }
}

fn line(row: &[Field]) -> String {
    let field = |field: &Field| match field {
        Field::Same => "=".to_owned(),
        Field::Value(value) => wire::encode(value),
    };
    row.iter().map(field).collect::<Vec<_>>().join("\t") + "\n"
}

/// What a session does with the lines of an answer.
fn take(told: &str, answer: &mut Answer<'_>) -> Result<(), SqlError> {
    for line in told.lines() {
        let row = wire::decode_row(line.as_bytes()).map_err(|error| SqlError {
            kind: SqlErrorKind::Protocol,
            message: error.to_string(),
        })?;
        answer(row)?;
    }
    Ok(())
}
