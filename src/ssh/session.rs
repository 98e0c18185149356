//! A SQL conversation with the server over one channel: steps in, rows out. `docs/protocol.md` has the wire form.

mod failure;
mod hello;
mod launch;
mod lines;
mod outgoing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

pub use hello::{DatabaseState, Engine, FileFacts, Hello, Space};

use self::failure::Stderr;
use self::lines::Lines;
use self::outgoing::{Outgoing, lines_of};
use super::{Traffic, Transport, TransportError};
use crate::config::EngineChoice;
use crate::random;
use crate::replica::{Answer, Script, Sql, SqlError, SqlErrorKind, sqlite, wire};

/// How much may come before the first answer: banners and what the launch script says, in bytes.
const MAX_HELLO: usize = 64 * 1024;

/// Longest row, in bytes as it travels. A blob travels as twice its length in hexadecimal digits: 128 MB of blobs in one
/// row is more than anybody keeps in a row that is to be synced, and a row is in memory as a whole.
const MAX_LINE: usize = 256 * 1024 * 1024;
/// Memory that one answer may take, in bytes. The largest honest answer is a first comparison, which tells all rows: a
/// database of 250 MB takes some 300 MB.
const MAX_ANSWER: usize = 1024 * 1024 * 1024;

/// What a session opens, and its limits.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Path of the database on the server, as the user wrote it. A relative one starts at the home folder.
    pub database: String,
    /// Which program runs the SQL.
    pub engine: EngineChoice,
    /// File name of this laptop's sidecar within the state folder on the server.
    pub sidecar: String,
    /// Where an engine that works on copies keeps them on this machine.
    pub copies: PathBuf,
    /// How long a statement waits for another program's lock.
    pub busy_timeout: Duration,
    /// How long nothing may come before an engine has greeted: login shells and launch scripts are quick.
    pub greeting: Duration,
    /// How long an engine may work on a request without a sign of life: comparing or copying a large database takes
    /// minutes. It says nothing of the line; that one is dead is noticed by what carries the session.
    pub patience: Duration,
    /// Longest row of an answer, in bytes as they travel.
    pub max_line: usize,
    /// How much memory the rows of one answer may take, in bytes. Whoever asks keeps them, so this is what keeps a
    /// server that answers without end from taking all there is.
    pub max_answer: usize,
}

impl SessionOptions {
    /// Options with the usual limits: 5 s for locks, 30 s for the greeting, 15 min for a request, 256 MiB a row, 1 GiB an
    /// answer.
    #[must_use]
    pub fn new(database: impl Into<String>, engine: EngineChoice, sidecar: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            engine,
            sidecar: sidecar.into(),
            copies: PathBuf::new(),
            busy_timeout: Duration::from_secs(5),
            greeting: Duration::from_secs(30),
            patience: Duration::from_secs(15 * 60),
            max_line: MAX_LINE,
            max_answer: MAX_ANSWER,
        }
    }
}

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The server cannot be reached or refuses the channel.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// There is no database that could be opened; the hello says why in `state`.
    #[error("{message}")]
    NoDatabase {
        /// What was found instead.
        hello: Box<Hello>,
        /// What is wrong with the path, and what to do.
        message: String,
    },
    /// None of the allowed engines works, or the state folder cannot be written.
    #[error("{message}")]
    Setup {
        /// What was found.
        hello: Box<Hello>,
        /// What is missing, and what to do.
        message: String,
    },
    /// The engine, or whatever spoke in its place, failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// An engine at the far end with the database open. Dropping it ends the engine.
pub struct Session {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    lines: Lines,
    stderr: Stderr,
    traffic: Arc<Traffic>,
    /// Begins every marker. No row of an answer can equal a marker, since rows do not begin with its first letter.
    token: String,
    requests: u64,
    /// How long nothing may come while an answer is awaited and nothing can be sent.
    patience: Duration,
    max_answer: usize,
    /// For messages: the engine and the database.
    engine: String,
    database: String,
    /// An answer was not read to its end, so nothing that comes can be told apart any more.
    broken: bool,
}

impl Session {
    /// Starts an engine on the database and waits for its first sign of life: one round trip. The database is never
    /// created.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn open<T: Transport>(transport: &T, options: &SessionOptions) -> Result<(Self, Hello), SessionError> {
        let token = token().map_err(|error| lost(format!("cannot read random bytes: {error}")))?;
        let process = transport.exec(&launch::command(options, &token)).await?;
        let mut session = Self {
            stdin: process.stdin,
            lines: Lines::new(process.stdout, MAX_HELLO),
            stderr: Stderr::drain(process.stderr),
            traffic: transport.traffic(),
            token,
            requests: 0,
            patience: options.greeting,
            max_answer: options.max_answer,
            engine: "the launch script".to_owned(),
            database: options.database.clone(),
            broken: false,
        };
        let (mut hello, mut banner) = (Hello::default(), String::new());
        let greeted = session.greet(&mut hello, &mut banner).await;
        if let Some(engine) = &hello.engine {
            session.engine = engine.to_string();
            session.database.clone_from(&hello.database);
        }
        session.lines.allow(options.max_line);
        session.patience = options.patience;
        match greeted {
            Ok(()) => Ok((session, hello)),
            Err(stop) => Err(explain(session.error(stop).await, hello, &banner, options)),
        }
    }

    /// Whatever the login shell says is passed over, its last line kept for messages; the lines of the launch script
    /// carry the token.
    async fn greet(&mut self, hello: &mut Hello, banner: &mut String) -> Result<(), Stop> {
        let mut setup = Script::new();
        setup.step(sqlite::SETUP);
        let mark = format!("{} ", self.token).into_bytes();
        let mut seen = 0;
        self.request(&setup, &mut |line| {
            seen += line.len() + 1;
            if seen > MAX_HELLO {
                return Err(protocol("too much came before an engine spoke"));
            }
            if let Some(said) = line.strip_prefix(mark.as_slice()) {
                return hello
                    .take(said)
                    .ok_or_else(|| protocol("the launch script's words are damaged"));
            }
            if !line.trim_ascii().is_empty() {
                *banner = failure::quote(&String::from_utf8_lossy(line));
            }
            Ok(())
        })
        .await
    }

    /// Sends a script and takes the lines of its answer. Sending and receiving go on side by side: an engine that
    /// cannot get rid of its rows takes no further steps.
    async fn request(&mut self, script: &Script<'_>, take: &mut TakeLine<'_>) -> Result<(), Stop> {
        if self.broken {
            return Err(lost("the session ended with an earlier error".to_owned()).into());
        }
        // Also when the caller gives up waiting.
        self.broken = true;
        let marker = format!("{} {}", self.token, self.requests);
        let mut outgoing = Outgoing::new(lines_of(script, &marker));
        let mut deadline = Instant::now() + self.patience;
        loop {
            tokio::select! {
                () = outgoing.send_some(&mut self.stdin), if !outgoing.done => {}
                filled = self.lines.fill() => {
                    match filled {
                        Ok(1..) => {}
                        Ok(0) => return Err(Stop::Ended),
                        Err(error) => return Err(lost(format!("{} on {}: {error}", self.engine, self.database)).into()),
                    }
                    if self.take_lines(marker.as_bytes(), take)? {
                        break;
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Err(self.silent().into()),
            }
            deadline = Instant::now() + self.patience;
        }
        self.requests += 1;
        self.traffic.add_round_trip();
        // Nothing of ours can answer a marker that was not sent. A flush that is still to come would change nothing.
        self.broken = !outgoing.is_sent();
        Ok(())
    }

    /// Takes the whole lines that have come; true when the last one was the marker.
    fn take_lines(&mut self, marker: &[u8], take: &mut TakeLine<'_>) -> Result<bool, SqlError> {
        let too_long = |_| protocol("a row is longer than allowed");
        while let Some(line) = self.lines.next().map_err(too_long)? {
            if line == marker {
                return Ok(true);
            }
            take(&line)?;
        }
        Ok(false)
    }

    fn silent(&self) -> SqlError {
        let seconds = self.patience.as_secs_f32();
        lost(format!(
            "{} on {} said nothing for {seconds} s: it hangs, or its disk does",
            self.engine, self.database
        ))
    }

    async fn error(&mut self, stop: Stop) -> SqlError {
        match stop {
            Stop::Ended => failure::describe(&self.engine, &self.database, &self.stderr.last_words().await),
            Stop::Error(error) => error,
        }
    }
}

impl Sql for Session {
    fn run<'a>(
        &'a mut self,
        script: &'a Script<'_>,
        answer: &'a mut Answer<'a>,
    ) -> BoxFuture<'a, Result<(), SqlError>> {
        Box::pin(async move {
            let (limit, mut kept) = (self.max_answer, 0_usize);
            let taken = self
                .request(script, &mut |line| {
                    let row = wire::decode_row(line).map_err(|error| protocol(&error.to_string()))?;
                    kept = kept.saturating_add(wire::memory_of(&row));
                    if kept > limit {
                        let limit = limit / (1024 * 1024);
                        return Err(protocol(&format!(
                            "its rows take more than {limit} MiB of memory ([safety] max_answer)"
                        )));
                    }
                    answer(row)
                })
                .await;
            match taken {
                Ok(()) => Ok(()),
                Err(stop) => Err(self.error(stop).await),
            }
        })
    }

    fn is_open(&self) -> bool {
        !self.broken
    }
}

/// Takes one line of an answer.
type TakeLine<'a> = dyn FnMut(&[u8]) -> Result<(), SqlError> + Send + 'a;

/// Why a request came to no end.
enum Stop {
    /// The engine's output ended; its standard error may say why.
    Ended,
    /// What came was refused, or nothing came.
    Error(SqlError),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Self::Error(error)
    }
}

/// Data in a database cannot foresee it.
fn token() -> std::io::Result<String> {
    Ok(format!("modsync-{}", random::name()?))
}

fn lost(message: String) -> SqlError {
    SqlError {
        kind: SqlErrorKind::Lost,
        message,
    }
}

fn protocol(message: &str) -> SqlError {
    SqlError {
        kind: SqlErrorKind::Protocol,
        message: format!("the server's answer cannot be used: {message}"),
    }
}

/// The error of a launch that came to no engine, told by what the script found.
fn explain(error: SqlError, hello: Hello, banner: &str, options: &SessionOptions) -> SessionError {
    if hello.engine.is_some() || error.kind == SqlErrorKind::Protocol {
        return error.into();
    }
    let (path, user) = (&hello.database, &hello.user);
    if path.is_empty() {
        if banner.is_empty() {
            return error.into();
        }
        let message = format!(
            "cannot run a command on the server, which says \"{banner}\": give the user a login shell, or set \
             engine = \"sftp\" where only SFTP is allowed ({error})"
        );
        return SessionError::Setup {
            hello: Box::new(hello),
            message,
        };
    }
    let wrong = match hello.state {
        DatabaseState::Present => {
            let message = no_engine(&hello, options);
            return SessionError::Setup {
                hello: Box::new(hello),
                message,
            };
        }
        DatabaseState::Missing => "there is no such file".to_owned(),
        DatabaseState::Denied => format!("user {user} may not enter a folder on the way: give it execute permission"),
        DatabaseState::NotAFile => "this is no file".to_owned(),
        DatabaseState::Unreadable => {
            format!("user {user} may not read it: give it permission, or connect as another user")
        }
    };
    let message = format!("cannot open the server's database {path}: {wrong}");
    SessionError::NoDatabase {
        hello: Box::new(hello),
        message,
    }
}

fn no_engine(hello: &Hello, options: &SessionOptions) -> String {
    if let Some(folder) = &hello.no_sidecar {
        let user = &hello.user;
        return format!("cannot write in the state folder {folder} on the server: make it a folder of user {user}");
    }
    if options.engine == EngineChoice::Sftp {
        return "cannot run SQL on the server: engine = \"sftp\" moves files alone".to_owned();
    }
    let reasons: Vec<String> = hello
        .unusable
        .iter()
        .map(|(name, reason)| format!("{name} {reason}"))
        .collect();
    format!(
        "cannot run SQL on the server: {}. Install one of them there",
        reasons.join("; ")
    )
}
