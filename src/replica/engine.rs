//! `modsyncd engine`: modsync itself at the far end of a session, where it is installed on the server.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use super::sqlite::{self, OpenMode, StepError};

/// Why the engine ended before its input did. The words go to standard error, where the session reads them.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// What SQLite says, in the words that the sqlite3 shell would use.
    #[error("Error: {0}")]
    Sqlite(String),
    /// The session is gone.
    #[error("Error: cannot talk to the session: {0}")]
    Wire(#[from] io::Error),
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(sqlite::reason(&error))
    }
}

impl From<StepError<io::Error>> for EngineError {
    fn from(error: StepError<io::Error>) -> Self {
        match error {
            StepError::Sqlite(error) => error.into(),
            StepError::Sink(error) => error.into(),
        }
    }
}

/// Runs the steps of `input` against a database that is there, and writes their answers to `output`, until `input` ends.
///
/// # Errors
/// The first error of a step ends it; an open transaction is rolled back.
pub fn serve(
    database: &Path,
    busy_timeout: Duration,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<(), EngineError> {
    let connection = sqlite::open(database, OpenMode::ReadWrite, busy_timeout)?;
    while let Some(step) = read_step(&mut input)? {
        sqlite::run_step(&connection, &step, &mut |line| {
            output.write_all(line)?;
            output.write_all(b"\n")
        })?;
        if sqlite::is_select(&step) {
            output.flush()?;
        }
    }
    Ok(())
}

/// The next step, or `None` when the input ends. A last line without an end was cut on its way and is not run.
fn read_step(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let Some(first) = read_line(input)? else {
        return Ok(None);
    };
    let Some(lines) = first.strip_prefix("--+") else {
        return Ok(Some(first));
    };
    let lines: u32 = lines.trim_end().parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "a step is announced without a number of lines",
        )
    })?;
    let mut step = String::new();
    for _ in 0..lines {
        let Some(line) = read_line(input)? else { return Ok(None) };
        step.push_str(&line);
    }
    Ok(Some(step))
}

fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.ends_with('\n').then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve_text(input: &str) -> (Result<(), EngineError>, String, i64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE t(a)").unwrap();
        let mut output = Vec::new();
        let result = serve(&path, Duration::ZERO, input.as_bytes(), &mut output);
        let rows = database
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        (result, String::from_utf8(output).unwrap(), rows)
    }

    #[test]
    fn a_line_that_was_cut_is_not_run() {
        for cut in ["DELETE FROM t;", "--+2\nDELETE FROM t\n;", "--+2\nDELETE FROM t;\n"] {
            let (result, output, rows) = serve_text(&format!("INSERT INTO t VALUES(1);\nSELECT 'n';\n{cut}"));
            result.unwrap();
            assert_eq!((output.as_str(), rows), ("n\n", 1), "{cut}");
        }
    }

    #[test]
    fn what_is_no_wire_text_is_an_error() {
        let (result, output, _) = serve_text("SELECT 't', 1;\n");
        assert!(result.unwrap_err().to_string().contains("column 2"), "{output}");
        assert!(serve_text("--+x\n").0.is_err());
    }
}
