//! Passwords and passphrases, which come from a command of the user's and are kept nowhere.

use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How long a command may take that asks a person, like an agent or `pass` with a pinentry.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Longer is no password.
const MAX_LENGTH: u64 = 4096;

/// Runs `command` with `sh -c` and takes the first line that it prints.
///
/// # Errors
/// The reason, without anything that the command printed.
pub(super) async fn ask(command: &str) -> Result<SecretString, String> {
    tokio::time::timeout(PATIENCE, run(command))
        .await
        .unwrap_or_else(|_| Err(format!("the command took longer than {} s", PATIENCE.as_secs())))
}

async fn run(command: &str) -> Result<SecretString, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the command could not be started: {error}"))?;
    let mut printed = Zeroizing::new(Vec::with_capacity(4096));
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MAX_LENGTH).read_to_end(&mut printed).await;
        read.map_err(|error| format!("the command's output could not be read: {error}"))?;
    }
    let status = child
        .wait()
        .await
        .map_err(|error| format!("the command was lost: {error}"))?;
    if !status.success() {
        return Err(format!("the command failed ({status}); run it by hand to see why"));
    }
    let line = printed.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err("the command printed nothing".to_owned()),
        Ok(secret) => Ok(SecretString::from(secret)),
        Err(_) => Err("the command printed something that is not UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[tokio::test]
    async fn takes_the_first_line_alone() {
        let secret = ask("printf 'open sesame\\r\\nuser: ali\\n'").await.unwrap();
        assert_eq!(secret.expose_secret(), "open sesame");
        assert!(!format!("{secret:?}").contains("sesame"));
    }

    #[tokio::test]
    async fn says_why_there_is_none_but_not_what_was_printed() {
        let failed = ask("echo hunter2; exit 3").await.unwrap_err();
        assert!(
            failed.contains("exit status: 3") && !failed.contains("hunter2"),
            "{failed}"
        );
        assert!(ask("true").await.unwrap_err().contains("nothing"));
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_wait_for_ever() {
        assert!(ask("exec sleep 1000").await.unwrap_err().contains("longer than 60 s"));
    }
}
