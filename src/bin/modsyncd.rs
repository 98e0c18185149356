//! The daemon and its set-up verbs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "modsyncd", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs SQL from standard input: the far end of a session with a server where modsync is installed.
    #[command(hide = true)]
    Engine {
        /// The database file; it is never created.
        #[arg(long)]
        database: PathBuf,
        /// How long a statement waits for a lock, in milliseconds.
        #[arg(long, default_value_t = 5000)]
        busy_timeout: u64,
    },
}

fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Engine { database, busy_timeout } => engine(&database, busy_timeout),
    }
}

fn engine(database: &std::path::Path, busy_timeout: u64) -> ExitCode {
    let (input, output) = (
        std::io::stdin().lock(),
        std::io::BufWriter::new(std::io::stdout().lock()),
    );
    match modsync::replica::engine::serve(database, Duration::from_millis(busy_timeout), input, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            // The session may be gone; then nobody reads this.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
