//! How `doctor` and `self-test` read, as snapshots (`snapshots/`).

use super::style::Style;
use super::{doctor, self_test};
use crate::control::types::{Check, DoctorReport, Level, SelfTestReport, TestStep};

/// A text as a hostile server could send it.
const HOSTILE: &str = "Dress\x1b[2J\x1b]0;owned\x07\r\nfake line\u{202e}";

type Told<'a> = (&'a str, Level, Option<bool>, &'a str, Option<&'a str>);

fn examined(checks: &[Told<'_>]) -> DoctorReport {
    let check = |(name, level, ok, detail, fix): &Told<'_>| Check {
        name: (*name).to_owned(),
        ok: *ok,
        level: *level,
        detail: (*detail).to_owned(),
        fix: fix.map(str::to_owned),
    };
    DoctorReport {
        checks: checks.iter().map(check).collect(),
        ..DoctorReport::default()
    }
}

#[test]
fn doctor_shows_each_check_with_what_to_paste() {
    let report = examined(&[
        ("config", Level::Ok, Some(true), "no mistakes", None),
        (
            "engine",
            Level::Note,
            Some(true),
            "an old SQLite",
            Some("apt-get upgrade"),
        ),
        (
            "key",
            Level::Failure,
            Some(false),
            "others may read it\nmode 0644",
            Some("chmod 600 k\nssh-add k"),
        ),
        ("web_root", Level::Warning, Some(false), HOSTILE, Some(HOSTILE)),
        ("login", Level::Unknown, None, "not tested", None),
    ]);
    insta::assert_snapshot!(doctor::render(&report, &Style::plain()));
    let away = examined(&[(
        "server",
        Level::Failure,
        Some(false),
        "cannot connect",
        Some("ssh -v h true"),
    )]);
    insta::assert_snapshot!(doctor::render(&away, &Style::plain()));
}

#[test]
fn a_self_test_tells_its_steps_and_what_is_left() {
    let step = |step: u8, name: &str, ok: bool| TestStep {
        step,
        name: name.to_owned(),
        ok,
        detail: if ok { "seen".to_owned() } else { HOSTILE.to_owned() },
        duration_ms: 120 * u64::from(step),
    };
    let failed = SelfTestReport {
        table: Some("products".to_owned()),
        key: Some("modsync-self-test:1".to_owned()),
        steps: vec![
            step(1, "create", true),
            step(2, "push", false),
            step(7, "remove", false),
        ],
        hint: Some("`modsyncctl sync-now`".to_owned()),
        ..SelfTestReport::default()
    };
    insta::assert_snapshot!(self_test::render(&failed, &Style::plain()));
    let good = SelfTestReport {
        ok: true,
        clean: true,
        steps: vec![step(1, "create", true)],
        ..SelfTestReport::default()
    };
    insta::assert_snapshot!(self_test::render(&good, &Style::plain()));
}
