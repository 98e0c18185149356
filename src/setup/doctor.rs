//! `modsyncd doctor`: the examination without the daemon, or beside it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{LoadOptions, find_socket};
use crate::control::client::Client;
use crate::control::doctor::Verdict;
use crate::control::types::ErrorCode;
use crate::ctl;
use crate::doctor::{DaemonLook, Subject, examine};

/// How long the daemon may take to say a word.
const A_WORD: Duration = Duration::from_secs(1);

/// Examines the pair, writes the report, and gives the exit code: 0 when all is well, 4 when something needs a person, 5
/// when only the server cannot be reached.
///
/// # Errors
/// When the report cannot be written.
pub(super) fn doctor(options: &LoadOptions, json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(async {
        let daemon = look_at_daemon(options).await;
        examine(Subject::load(options, None, daemon)).await
    });
    // A probe that hangs must not keep the process.
    runtime.shutdown_background();
    if json {
        serde_json::to_writer(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(ctl::doctor::render(&report, &ctl::style::Style::usual()).as_bytes())?;
    }
    Ok(match report.verdict() {
        Verdict::Well => ExitCode::SUCCESS,
        Verdict::Attention => ExitCode::from(4),
        Verdict::Offline => ExitCode::from(5),
    })
}

async fn look_at_daemon(options: &LoadOptions) -> DaemonLook {
    let Ok(socket) = find_socket(None, options) else {
        return DaemonLook::Stopped;
    };
    match Client::new(socket, Some(A_WORD)).status().await {
        Ok(status) => DaemonLook::Runs(Box::new(status)),
        Err(error) if error.code == ErrorCode::NotRunning => DaemonLook::Stopped,
        Err(error) => DaemonLook::Mute(error.error),
    }
}
