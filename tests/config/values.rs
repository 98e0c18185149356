//! What is wrong with single values, with the exact words.

use modsync::config::load;

use crate::{Home, MINIMAL};

/// The report on a file, without the path of the file.
pub fn report(home: &Home, variables: &[(&str, &str)], overrides: &[(&str, &str)]) -> String {
    let errors = load(&home.options(variables, overrides)).unwrap_err();
    errors
        .to_string()
        .replace(&home.config().display().to_string(), "F")
        .replace(&home.path().display().to_string(), "~")
}

/// What is wrong with one key added to a section of its own. MINIMAL has five lines.
pub fn one(section: &str, line: &str) -> String {
    let text = match section {
        "remote" => format!("{MINIMAL}{line}\n"),
        _ => format!("{MINIMAL}[{section}]\n{line}\n"),
    };
    report(&Home::with_config(&text), &[], &[])
}

/// A section and a line in it, and below it what is said of that line.
const SINGLE: &str = r#"
remote | port = 0
    F:6:1: remote.port: 0 is not allowed: 1 to 65535
remote | port = 65536
    F:6:1: remote.port: 65536 is not allowed: 1 to 65535
remote | port = "22"
    F:6:1: remote.port: must be a number without quotes, 1 to 65535
remote | user = 7
    F:6:1: remote.user: must be text in quotes, not a number
remote | user = ""
    F:6:1: remote.user: is empty
remote | user = ["a"]
    F:6:1: remote.user: must be text in quotes, not a list
remote | timezone = "Europe/Berln"
    F:6:1: remote.timezone: "Europe/Berln" is not a time zone: write an IANA name such as "UTC" or "Europe/Berlin"; did you mean "Europe/Berlin"?
remote | identity_file = "id"
    F:6:1: remote.identity_file: "id" is relative: begin it with / or ~/
remote | known_hosts = "$NOPE/k"
    F:6:1: remote.known_hosts: "$NOPE/k": the variable $NOPE is not set
remote | proxy_jump = "a:b"
    F:6:1: remote.proxy_jump: "a:b" is not a jump host: [user@]host[:port], several with commas between, or none
remote | connect_timeout = "0s"
    F:6:1: remote.connect_timeout: "0s" is not allowed: 1s to 10m
remote | debounce = "2s"
    F:6:1: remote.debounce: is not a known key; did you mean "sync.debounce"?
remote | colour = "red"
    F:6:1: remote.colour: is not a known key
sync | watch = "yes"
    F:7:1: sync.watch: must be true or false without quotes
sync | watch = 1
    F:7:1: sync.watch: must be true or false, not a number
sync | debounce = "2 sec"
    F:7:1: sync.debounce: "2 sec": "sec" is no unit: ms, s, m, h and d are
sync | debounce = "30s"
    F:7:1: sync.debounce: sync.debounce, which is 30s, must be shorter than sync.max_delay, which is 30s
sync | max_delay = "2s"
    F:7:1: sync.max_delay: sync.debounce, which is 2s, must be shorter than sync.max_delay, which is 2s
sync | max_delay = "1"
    F:7:1: sync.max_delay: "1" needs a unit: ms, s, m, h or d, as in "1s"
sync | poll = "199ms"
    F:7:1: sync.poll: "199ms" is not allowed: 200ms to 1d
sync | schedule = "* * *"
    F:7:1: sync.schedule: "* * *" has 3 fields: a cron expression has 5, or 6 with seconds first
sync | schedule = "@hourl"
    F:7:1: sync.schedule: "@hourl" is not allowed: @hourly, @daily, @weekly, @monthly, @yearly, @annually, a cron expression or "off"; did you mean "@hourly"?
sync | schedule = "0 0 30 2 *"
    F:7:1: sync.schedule: "0 0 30 2 *" never comes: no day has that date
safety | max_delete = 25
    F:7:1: safety.max_delete: a bare 25 has no unit: write for example "25%" with the percent sign
safety | max_delete = 0.25
    F:7:1: safety.max_delete: a bare number has no unit: write for example "25%"
safety | max_delete = "101%"
    F:7:1: safety.max_delete: "101%" is not allowed: "0%" to "100%"
safety | max_answer = 1024
    F:7:1: safety.max_answer: a bare 1024 has no unit: write for example "1024MiB" (KiB, MiB or GiB)
safety | max_answer = "1KiB"
    F:7:1: safety.max_answer: "1KiB" is not allowed: 1MiB to 1024GiB
safety | max_answer = "1GB"
    F:7:1: safety.max_answer: "1GB" is not a size: write a whole number with KiB, MiB or GiB, as in "512MiB"
backup | keep_last = 0
    F:7:1: backup.keep_last: 0 is not allowed: 1 to 10000
backup | keep_daily = -1
    F:7:1: backup.keep_daily: -1 is not allowed: 0 to 10000
backup | keep_last = 2.5
    F:7:1: backup.keep_last: must be a whole number, 1 to 10000, not a number
history | keep_days = 0
    F:7:1: history.keep_days: 0 is not allowed: 1 to 36500
history | keep_days = "90d"
    F:7:1: history.keep_days: must be a number, 1 to 36500, not text
history | max_size = 256
    F:7:1: history.max_size: a bare 256 has no unit: write for example "256MiB" (KiB, MiB or GiB)
history | max_size = "512KiB"
    F:7:1: history.max_size: "512KiB" is not allowed: 1MiB to 1024GiB
log | keep_days = true
    F:7:1: log.keep_days: must be a number, 1 to 3650, not true or false
log | level = "verbose"
    F:7:1: log.level: "verbose" is not allowed: one of error, warn, info, debug, trace, off, or a filter such as "info,modsync::ssh=debug"
"#;

#[test]
fn single_values() {
    let lines: Vec<&str> = SINGLE.trim().lines().collect();
    for case in lines.chunks(2) {
        let [written, expected] = case else {
            panic!("two lines a case: {case:?}")
        };
        let (section, line) = written.split_once(" | ").unwrap();
        assert_eq!(one(section, line), expected.trim(), "{line}");
    }
}

#[test]
fn hosts_and_paths_that_cannot_be_meant() {
    for (host, database, expected) in [
        (
            "root@assess",
            "/p.db",
            "F:4:1: remote.host: \"root@assess\" names a user too: write host = \"assess\" and user = \"root\"",
        ),
        (
            "-oProxyCommand=x",
            "/p.db",
            "F:4:1: remote.host: \"-oProxyCommand=x\" is not a host name, an address, or a name in ~/.ssh/config",
        ),
        (
            "a b",
            "/p.db",
            "F:4:1: remote.host: \"a b\" is not a host name, an address, or a name in ~/.ssh/config",
        ),
        (
            "assess",
            "~/p.db",
            "F:5:1: remote.database: \"~/p.db\": nothing is expanded on the server, write the path in full",
        ),
        (
            "assess",
            "/srv/",
            "F:5:1: remote.database: \"/srv/\" is a folder: write the path of the database file",
        ),
        (
            "assess",
            "/srv/\\n",
            "F:5:1: remote.database: must be one line without control characters",
        ),
    ] {
        let text = format!("[local]\ndatabase = \"~/p.db\"\n[remote]\nhost = \"{host}\"\ndatabase = \"{database}\"\n");
        assert_eq!(report(&Home::with_config(&text), &[], &[]), expected);
    }
}
