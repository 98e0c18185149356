//! The log: to standard error, for a person or the journal, and to one file a day.

use std::fs::{self, Permissions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use super::{FatalError, lock};
use crate::config::Log;

/// What the names of the files begin and end with; the day stands between.
pub(super) const PREFIX: &str = "modsyncd";
pub(super) const SUFFIX: &str = "log";

/// Keeps the log going. What was logged last is written when it is dropped.
pub(super) struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    _guard: WorkerGuard,
}

impl Logging {
    /// Begins to log, for the whole process.
    ///
    /// # Errors
    /// When the folder cannot be used, the level is none, or the process logs already.
    pub fn init(log: &Log, folder: &Path) -> Result<Self, FatalError> {
        let failed = |cause: String| FatalError::Log {
            path: folder.to_owned(),
            cause,
        };
        lock::prepare(folder).map_err(|cause| failed(cause.to_string()))?;
        let files = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix(PREFIX)
            .filename_suffix(SUFFIX)
            .max_log_files(usize::try_from(log.keep_days.max(1)).unwrap_or(usize::MAX))
            .build(folder)
            .map_err(|cause| failed(cause.to_string()))?;
        let (files, guard) = tracing_appender::non_blocking(Private {
            inner: files,
            folder: folder.to_owned(),
            day: None,
        });
        let (filter, handle) = reload::Layer::new(filter(&log.level).map_err(failed)?);
        let console = fmt::layer().with_writer(io::stderr).with_ansi(colour());
        // The journal has a clock of its own.
        let console = if std::env::var_os("JOURNAL_STREAM").is_some() {
            console.without_time().boxed()
        } else {
            console.boxed()
        };
        tracing_subscriber::registry()
            .with(filter)
            .with(console)
            .with(fmt::layer().with_writer(files).with_ansi(false))
            .try_init()
            .map_err(|cause| failed(cause.to_string()))?;
        Ok(Self {
            filter: handle,
            _guard: guard,
        })
    }

    /// From now on this level.
    ///
    /// # Errors
    /// When it is none.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        let filter = filter(level)?;
        self.filter.reload(filter).map_err(|cause| cause.to_string())
    }
}

/// A single word is modsync's own level, and the libraries speak from warnings on; anything else is a filter as
/// `tracing` reads it.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let directives = if level.chars().all(|letter| letter.is_ascii_alphabetic()) {
        format!("warn,modsync={level}")
    } else {
        level.to_owned()
    };
    EnvFilter::try_new(directives).map_err(|cause| format!("[log] level '{level}' is none: {cause}"))
}

fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Closes each day's file to others; the library makes it as the umask says.
struct Private<W> {
    inner: W,
    folder: PathBuf,
    /// The day whose file was closed last, in days of the epoch: files change at midnight UTC.
    day: Option<i64>,
}

impl<W: Write> Write for Private<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let today = Timestamp::now().as_second().div_euclid(24 * 60 * 60);
        if self.day != Some(today) {
            close_to_others(&self.folder)?;
            self.day = Some(today);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn close_to_others(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(file.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_our_level_and_the_rest_a_filter() {
        assert_eq!(filter("debug").unwrap().to_string(), "modsync=debug,warn");
        assert_eq!(filter("russh=trace").unwrap().to_string(), "russh=trace");
        assert!(filter("loud").unwrap_err().contains("'loud'"));
    }
}
