//! The list of backups.

use super::super::style::{Style, Tone};
use super::super::{counts, status, text};
use crate::control::types::{BackupInfo, BackupList, BackupRule};

pub(super) const EXAMPLES: &str = "\
Examples:
  modsyncctl backups list
  modsyncctl backups list --json | jq '.backups[] | select(.verified == null).name'";

pub(super) const CREATE_EXAMPLES: &str = "\
Examples:
  modsyncctl backups create
  modsyncctl backups create --json | jq -r .name";

pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  modsyncctl backups verify products.db.backup_20261123_103507
  modsyncctl backups verify --all";

/// The list as text.
pub(super) fn render(list: &BackupList, style: &Style) -> String {
    if list.backups.is_empty() {
        return format!(
            "the server has no backups{}\n{}\n`modsyncctl backups create` takes one\n",
            status::as_of(list.as_of, style),
            rule(&list.rule)
        );
    }
    let heading = ["", "taken", "size", "state", "kept"].map(str::to_owned).to_vec();
    let cells = list.backups.iter().map(|backup| cells(backup, &list.rule, style));
    let mut table = counts::columns(heading, cells.collect()).into_iter();
    let mut lines: Vec<String> = table
        .next()
        .map(|head| style.paint(Tone::Head, &head))
        .into_iter()
        .collect();
    lines.extend(table);
    lines.extend(list.backups.iter().filter_map(|backup| {
        let damage = text::short(backup.damage.as_ref()?, 300);
        let words = format!("{} is damaged: {damage}", text::safe(&backup.name));
        Some(style.paint(Tone::Bad, &words))
    }));
    lines.push(String::new());
    lines.push(style.paint(Tone::Dim, &rule(&list.rule)));
    lines.join("\n") + "\n"
}

fn cells(backup: &BackupInfo, rule: &BackupRule, style: &Style) -> Vec<String> {
    vec![
        text::safe(&backup.name).into_owned(),
        backup
            .time
            .map_or_else(|| "?".to_owned(), |time| text::when(time, style)),
        text::bytes(backup.size),
        state(backup, style),
        kept(backup, rule),
    ]
}

fn state(backup: &BackupInfo, style: &Style) -> String {
    match (backup.whole, &backup.damage, backup.verified) {
        (false, ..) => "unfinished".to_owned(),
        (true, Some(_), _) => "DAMAGED".to_owned(),
        (true, None, Some(time)) => format!("verified {}", text::clock(time, style)),
        (true, None, None) => "whole, not verified".to_owned(),
    }
}

fn kept(backup: &BackupInfo, rule: &BackupRule) -> String {
    match backup.kept.as_deref() {
        Some("last") => format!("newest {}", rule.keep_last),
        Some("daily") => "newest of its day".to_owned(),
        Some("unfinished") => "may be under way".to_owned(),
        Some(other) => text::safe(other).into_owned(),
        None => "until the next".to_owned(),
    }
}

/// "kept: the newest 10, and the newest of each of the last 7 days with one; …".
fn rule(rule: &BackupRule) -> String {
    let taken = match rule.enabled {
        true => format!(
            "taken by cycles that write to the server, {} apart at least",
            text::duration(rule.min_interval_ms)
        ),
        false => "cycles take none ([backup] enabled = false)".to_owned(),
    };
    let daily = match rule.keep_daily {
        0 => String::new(),
        days => format!(
            ", and the newest of each of the last {} with one",
            text::count(days.into(), "day")
        ),
    };
    format!("{taken}; kept: the newest {}{daily}", rule.keep_last)
}

/// "backup products.db.backup_20261123_103507, 4.4 MB".
pub(super) fn render_created(backup: &BackupInfo, style: &Style) -> String {
    let name = style.paint(Tone::Good, &text::safe(&backup.name));
    format!("backup {name}, {}\n", text::bytes(backup.size))
}
