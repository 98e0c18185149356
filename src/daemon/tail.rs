//! Reads the daemon's log files: the newest lines, and the new ones as they come, across the change of files.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::log::{PREFIX, SUFFIX};
use crate::control::handler::LogLines;

/// The most lines that are read back.
const MOST_LINES: usize = 10_000;

/// How often it is looked for new lines.
const LOOK: Duration = Duration::from_millis(250);

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// The newest `lines` lines of the log in `folder`, oldest first, and then, if asked, each new one.
///
/// # Errors
/// When the folder or a file cannot be read.
pub(super) async fn read(folder: PathBuf, lines: usize, follow: bool) -> io::Result<LogLines> {
    let start = blocking({
        let folder = folder.clone();
        move || newest(&folder, lines.min(MOST_LINES))
    });
    let (lines, place) = start.await?;
    let lines = futures_util::stream::iter(lines);
    if !follow {
        return Ok(Box::pin(lines));
    }
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(pass_on(folder, place, sender));
    Ok(Box::pin(lines.chain(ReceiverStream::new(receiver))))
}

/// Passes new lines on until nobody takes them.
async fn pass_on(folder: PathBuf, mut place: Place, sender: mpsc::Sender<String>) {
    loop {
        let read = blocking({
            let (folder, mut place) = (folder.clone(), place.clone());
            move || place.read_on(&folder).map(|lines| (lines, place))
        });
        match read.await {
            Ok((lines, next)) => {
                place = next;
                for line in lines {
                    if sender.send(line).await.is_err() {
                        return;
                    }
                }
            }
            Err(cause) => tracing::warn!("cannot read the log: {cause}"),
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Where the reading stands: always behind a whole line.
#[derive(Clone, Debug, Default)]
struct Place {
    /// `None` before the first file is there.
    file: Option<PathBuf>,
    offset: u64,
}

impl Place {
    /// The lines that were completed since, of this file or the next.
    fn read_on(&mut self, folder: &Path) -> io::Result<Vec<String>> {
        let lines = match &self.file {
            Some(file) => match from(file, self.offset) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(), // its days are over
                read => {
                    let (lines, offset) = read?;
                    self.offset = offset;
                    lines
                }
            },
            None => Vec::new(),
        };
        if lines.is_empty()
            && let Some(next) = files(folder)?.into_iter().find(|file| Some(file) > self.file.as_ref())
        {
            self.file = Some(next);
            self.offset = 0;
        }
        Ok(lines)
    }
}

/// The log files, oldest first: the day in the name sorts them.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The newest lines, oldest first, and the place behind them.
fn newest(folder: &Path, count: usize) -> io::Result<(Vec<String>, Place)> {
    let mut lines = Vec::new();
    let mut place = Place::default();
    let found = match files(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
        found => found?,
    };
    for file in found.into_iter().rev() {
        let (mut older, end) = last(&file, count - lines.len())?;
        if place.file.is_none() {
            place = Place {
                file: Some(file),
                offset: end,
            };
        }
        older.append(&mut lines);
        lines = older;
        if lines.len() == count {
            break;
        }
    }
    Ok((lines, place))
}

/// The last whole lines of a file, and the place behind them.
fn last(path: &Path, count: usize) -> io::Result<(Vec<String>, u64)> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut start = length;
    let mut bytes = Vec::new();
    while start > 0 && bytes.iter().filter(|byte| **byte == b'\n').count() <= count {
        let block = start.min(BLOCK as u64);
        start -= block;
        file.seek(SeekFrom::Start(start))?;
        let mut older = Vec::new();
        file.by_ref().take(block).read_to_end(&mut older)?;
        older.append(&mut bytes);
        bytes = older;
    }
    let whole = whole_lines(&bytes);
    let mut lines = split(whole);
    lines.drain(..lines.len().saturating_sub(count));
    Ok((lines, start + whole.len() as u64))
}

/// The whole lines from that offset on, at most a block of them, and the offset behind them.
fn from(path: &Path, offset: u64) -> io::Result<(Vec<String>, u64)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(BLOCK as u64).read_to_end(&mut bytes)?;
    let whole = match whole_lines(&bytes) {
        [] if bytes.len() == BLOCK => &bytes, // a line longer than a block comes in pieces
        whole => whole,
    };
    Ok((split(whole), offset + whole.len() as u64))
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

fn split(whole: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(whole).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(folder: &Path, day: &str, text: &str) {
        use std::io::Write as _;
        let path = folder.join(format!("modsyncd.{day}.log"));
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    async fn collect(folder: &Path, lines: usize) -> Vec<String> {
        read(folder.to_owned(), lines, false).await.unwrap().collect().await
    }

    #[tokio::test]
    async fn the_newest_lines_come_oldest_first_and_across_files() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), "2026-01-01", "1\n2\n");
        append(folder.path(), "2026-01-02", "3\n4\nhalf");
        fs::write(folder.path().join("other.log"), "no\n").unwrap();
        assert_eq!(collect(folder.path(), 1).await, ["4"]);
        assert_eq!(collect(folder.path(), 0).await, [""; 0]);
        assert_eq!(collect(folder.path(), 3).await, ["2", "3", "4"]);
        assert_eq!(collect(folder.path(), 100).await, ["1", "2", "3", "4"]);
    }

    #[tokio::test]
    async fn a_file_of_many_blocks_is_read_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        append(folder.path(), "2026-01-01", &text);
        let lines = collect(folder.path(), 10_000).await;
        assert_eq!((lines.len(), lines[0].as_str()), (10_000, "line 10000"));
        assert_eq!(lines[9_999], "line 19999");
    }

    #[tokio::test]
    async fn no_log_yet_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(collect(&folder.path().join("logs"), 5).await, [""; 0]);
    }

    #[tokio::test]
    async fn following_goes_on_into_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), "2026-01-01", "old\nha");
        let mut lines = read(folder.path().to_owned(), 5, true).await.unwrap();
        let mut next = async || {
            tokio::time::timeout(Duration::from_secs(20), lines.next())
                .await
                .expect("a line in time")
        };
        assert_eq!(next().await.as_deref(), Some("old"));
        append(folder.path(), "2026-01-01", "lf\n");
        assert_eq!(next().await.as_deref(), Some("half"));
        append(folder.path(), "2026-01-02", "new\n");
        assert_eq!(next().await.as_deref(), Some("new"));
    }
}
