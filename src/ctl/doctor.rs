//! `modsyncctl doctor`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::exit::Exit;
use super::out::Failure;
use super::style::{Style, Tone};
use super::{Context, text};
use crate::control::doctor::Verdict;
use crate::control::types::{Check, DoctorReport, ErrorBody, ErrorCode, Level};

/// Test each thing that can go wrong, and say what to do about it
///
/// Config, daemon, both databases, key, host key, login, the server's folder as the website meets it, clocks, disks,
/// backups. Takes less than five seconds, waits for no cycle and changes nothing. When the daemon does not run,
/// `modsyncd doctor` is asked instead. Exits 4 when something needs a person, 5 when only the server cannot be reached.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The config file to go by when the daemon does not run [default: ~/.config/modsync/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  modsyncctl doctor
  modsyncctl doctor --json | jq -r '.checks[] | select(.ok == false) | .fix'";

/// How long a daemon that runs may take to say that it does.
const A_WORD: Duration = Duration::from_secs(1);

/// How long `modsyncd doctor` may take.
const BESIDE: Duration = Duration::from_secs(8);

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let report = match timeout(A_WORD, context.client.status()).await {
        Ok(Ok(_)) => context.client.doctor().await?,
        _ => ask_beside(args, context.name.as_deref()).await?,
    };
    context.out.answer(&report, render)?;
    Ok(report.verdict().into())
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Well => Self::Done,
            Verdict::Attention => Self::Attention,
            Verdict::Offline => Self::Offline,
        }
    }
}

/// Asks the other program, where no daemon answers: the one beside this one, else the one on PATH.
async fn ask_beside(args: &Args, name: Option<&str>) -> Result<DoctorReport, ErrorBody> {
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join("modsyncd")));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| "modsyncd".into());
    let fail = |cause: String| ErrorBody {
        code: ErrorCode::NotRunning,
        error: format!(
            "run {} doctor, as the daemon does not answer: {cause}",
            program.display()
        ),
        hint: Some("modsyncd is needed on PATH or beside modsyncctl; `modsyncd doctor` says more".to_owned()),
    };
    let mut command = Command::new(&program);
    command
        .args(["doctor", "--json"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(file) = &args.config {
        command.arg("--config").arg(file);
    } else if let Some(name) = name {
        command.args(["--name", name]);
    }
    let output = match timeout(BESIDE, command.output()).await {
        Ok(output) => output.map_err(|cause| fail(cause.to_string()))?,
        Err(_) => return Err(fail(format!("no answer within {} s", BESIDE.as_secs()))),
    };
    serde_json::from_slice(&output.stdout).map_err(|cause| fail(format!("its answer cannot be read: {cause}")))
}

/// The report as text.
pub(crate) fn render(report: &DoctorReport, style: &Style) -> String {
    let width = report
        .checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or_default();
    let mut lines: Vec<String> = report
        .checks
        .iter()
        .flat_map(|check| check_lines(check, width, style))
        .collect();
    lines.push(String::new());
    lines.push(match report.verdict() {
        Verdict::Well => style.paint(Tone::Good, "all is well"),
        Verdict::Offline => style.paint(
            Tone::Busy,
            "the server cannot be reached; the daemon tries again by itself",
        ),
        Verdict::Attention => {
            let wrong = report.checks.iter().filter(|check| check.ok == Some(false)).count();
            let needs = if wrong == 1 { "needs" } else { "need" };
            style.paint(
                Tone::Bad,
                &format!("{} {needs} a person", text::count(wrong as u64, "check")),
            )
        }
    });
    lines.join("\n") + "\n"
}

fn check_lines(check: &Check, width: usize, style: &Style) -> Vec<String> {
    let (mark, tone) = match check.level {
        Level::Ok => ("ok", Tone::Good),
        Level::Note => ("note", Tone::Busy),
        Level::Unknown => ("?", Tone::Dim),
        Level::Warning => ("warn", Tone::Bad),
        Level::Failure => ("FAIL", Tone::Bad),
    };
    let name = text::safe(&check.name);
    let indent = " ".repeat(6 + width + 2);
    let mut detail = check.detail.lines();
    let first = format!(
        "{}  {name:width$}  {}",
        style.paint(tone, &format!("{mark:4}")),
        text::safe(detail.next().unwrap_or_default())
    );
    let mut lines = vec![first];
    lines.extend(detail.map(|line| format!("{indent}{}", text::safe(line))));
    let fix = check.fix.as_deref().unwrap_or_default().lines();
    lines.extend(fix.map(|line| format!("{indent}{} {}", style.paint(Tone::Dim, "$"), text::safe(line))));
    lines
}
