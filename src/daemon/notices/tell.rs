//! The ways to tell a person: the user's command, else the desktop.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Notice;

/// How long a command may run.
const LIMIT: Duration = Duration::from_secs(30);
/// Texts are cut to so many characters.
const LONGEST: usize = 1000;

/// Where it is said how telling went: `true` for a notice that needs no other try.
pub(in crate::daemon) type Tidings = mpsc::Sender<bool>;

/// Tells it, in a task of its own.
pub(in crate::daemon) fn tell(notice: Notice, command: Option<String>, tidings: Tidings) {
    tokio::spawn(async move {
        let success = match run(&notice, command.as_deref(), LIMIT).await {
            Ok(status) if status.success() => {
                tracing::info!(kind = notice.kind.as_str(), "a person was notified");
                true
            }
            Ok(status) => {
                tracing::warn!("cannot notify a person: the command failed ({status})");
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && command.is_none() => {
                tracing::info!(
                    "a person is needed, and there is no desktop to say so on; [notify] command may name a way"
                );
                true
            }
            Err(error) => {
                tracing::warn!("cannot notify a person: {error}");
                false
            }
        };
        let _ = tidings.send(success).await; // the daemon ends
    });
}

async fn run(notice: &Notice, command: Option<&str>, limit: Duration) -> io::Result<ExitStatus> {
    let (title, text) = (harmless(&notice.title), harmless(&notice.text));
    let mut program = match command {
        Some(command) => of_the_user(command),
        None => of_the_desktop(),
    };
    let child = program
        .args([&title, &text])
        .env("NOTIFY_KIND", notice.kind.as_str())
        .env("NOTIFY_TITLE", &title)
        .env("NOTIFY_TEXT", &text)
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    within(child, limit).await
}

/// The shell gets the command as the user wrote it, and what is to be told as arguments and variables: nothing of the
/// data is ever read as a command.
fn of_the_user(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command, "modsync"]);
    shell
}

fn of_the_desktop() -> Command {
    if cfg!(target_os = "macos") {
        let mut script = Command::new("osascript");
        let show = "display notification (item 2 of argv) with title (item 1 of argv)";
        script.args(["-e", "on run argv", "-e", show, "-e", "end run", "--"]);
        return script;
    }
    let mut send = Command::new("notify-send");
    send.args(["--app-name=modsync", "--"]);
    send
}

/// Waits for its end; what takes too long is killed with all that it started.
async fn within(mut child: Child, limit: Duration) -> io::Result<ExitStatus> {
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Ok(ended) = timeout(limit, child.wait()).await {
        return ended;
    }
    if let Some(group) = group {
        // It may have just ended.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    child.wait().await?;
    let seconds = limit.as_secs();
    Err(io::Error::other(format!(
        "the command was still running after {seconds} s and was killed"
    )))
}

/// Lines of text for whatever shows it: no controls, not too long.
fn harmless(text: &str) -> String {
    let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    text.chars().take(LONGEST).map(clean).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Kind;
    use super::*;

    fn notice(text: &str) -> Notice {
        Notice {
            kind: Kind::Conflict,
            title: "a \"title\"".to_owned(),
            text: text.to_owned(),
        }
    }

    #[tokio::test]
    async fn the_command_gets_the_text_as_data() {
        let folder = tempfile::tempdir().unwrap();
        let (out, bait) = (folder.path().join("out"), folder.path().join("bait"));
        let hostile = format!("$(touch {0}); `touch {0}` '; touch {0} \"\0\x1b[2J", bait.display());
        let command = format!(
            "printf '%s|%s|%s|%s|%s' \"$NOTIFY_KIND\" \"$NOTIFY_TITLE\" \"$NOTIFY_TEXT\" \"$1\" \"$2\" > {}",
            out.display()
        );
        let status = run(&notice(&hostile), Some(&command), LIMIT).await.unwrap();
        assert!(status.success());
        let clean = hostile.replace(['\0', '\x1b'], " ");
        let title = "a \"title\"";
        let told = std::fs::read_to_string(out).unwrap();
        assert_eq!(told, format!("conflict|{title}|{clean}|{title}|{clean}"));
        assert!(!bait.exists());
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let command = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let began = Instant::now();
        let error = run(&notice("x"), Some(&command), Duration::from_millis(500))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("still running"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20));
        let child = std::fs::read_to_string(pid).unwrap();
        let state = std::process::Command::new("ps")
            .args(["-o", "stat=", "-p", child.trim()])
            .output()
            .unwrap();
        let state = String::from_utf8(state.stdout).unwrap();
        assert!(state.is_empty() || state.starts_with('Z'), "the child lives: {state}");
    }

    #[tokio::test]
    async fn failures_are_told() {
        let (tidings, mut heard) = mpsc::channel(1);
        tell(notice("x"), Some("exit 3".to_owned()), tidings.clone());
        assert_eq!(heard.recv().await, Some(false));
        tell(notice("x"), Some("exit 0".to_owned()), tidings);
        assert_eq!(heard.recv().await, Some(true));
    }
}
