//! `modsyncd demo`: a day on the train, played on one machine with no set-up and no network.
//!
//! - `story` tells it, from top to bottom.
//! - `stage` is what it is played on: a folder, two databases ([`data`]), an SSH server ([`server`]), and the daemon,
//!   a real process (`resident`) that knows nothing of the demo.
//! - `hand` is what the other programs do to the databases, `witness` and `contents` remember what was there, and
//!   `tally` says what came of it. They ask SQLite alone.
//! - `page` and `table` are what it looks like.

mod content;
mod contents;
pub mod data;
mod error;
mod hand;
mod page;
mod resident;
pub mod server;
mod shell;
mod stage;
mod story;
mod table;
mod tally;
mod witness;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::ctl::style::Style;
use crate::ctl::text;
pub use error::DemoError;
use page::Page;
use stage::{Places, Stage};

/// Tells the story. `keep` leaves the folder; on a terminal everything also goes on running until Enter, so that one
/// can look around. Whatever happens, no process is left behind.
///
/// # Errors
/// When a part of the story cannot be played, or is not true in the end.
pub fn run(keep: bool, out: &mut dyn Write) -> Result<(), DemoError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async {
        let interrupted = interruption()?;
        let mut page = Page::new(out, Style::usual());
        tokio::select! {
            told = play(keep, &mut page) => told,
            () = interrupted => Err(DemoError::Interrupted),
        }
    });
    // A thread that still waits for Enter must not hold the end up.
    runtime.shutdown_timeout(Duration::ZERO);
    told
}

async fn play(keep: bool, page: &mut Page<'_>) -> Result<(), DemoError> {
    let began = Instant::now();
    page.title("modsync: a day on the train")?;
    page.text(
        "This machine plays both sides: a laptop, and a web server that a phone speaks to. The SSH between them and the \
         daemon that keeps them in sync are real.",
    )?;
    let mut stage = Stage::set(keep).await?;
    let told = story::tell(&mut stage, page).await;
    if told.is_ok() {
        page.text("")?;
        let took = text::duration(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        page.title(&format!("Nothing was lost. The whole day took {took}."))?;
    }
    if keep {
        look_around(&stage.places, page).await?;
    }
    told.and(stage.close())
}

/// What there is to see. On a terminal it returns once the person has seen it.
async fn look_around(places: &Places, page: &mut Page<'_>) -> Result<(), DemoError> {
    let stay = io::stdin().is_terminal() && io::stdout().is_terminal();
    let text = |path: PathBuf| path.display().to_string();
    page.text("")?;
    page.text("The folder stays:")?;
    page.raw(&command(&["sqlite3", &text(places.laptop_database())]))?;
    page.raw(&command(&["sqlite3", &text(places.site_database())]))?;
    page.raw(&command(&["ls", &text(places.logs())]))?;
    if !stay {
        return Ok(());
    }
    page.text("")?;
    page.text("All still runs. In another window, write to either database and ask the daemon:")?;
    let (client, socket) = (places.client(), text(places.socket()));
    page.raw(&command(&[&client, "--socket", &socket, "status"]))?;
    page.raw(&command(&[&client, "--socket", &socket, "verify"]))?;
    page.text("")?;
    page.text("Press Enter to end the daemon and the server.")?;
    BufReader::new(tokio::io::stdin()).read_line(&mut String::new()).await?;
    Ok(())
}

/// A command line to copy: words that need it are quoted.
fn command(words: &[&str]) -> String {
    let quoted = shlex::try_join(words.iter().copied());
    format!("  {}", quoted.unwrap_or_else(|_| words.join(" ")))
}

/// Ends when the person or the system wants the demo to end. Without it the daemon would outlive it.
fn interruption() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}
