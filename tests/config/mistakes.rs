//! Each kind of mistake, with its exact words.

use modsync::config::{LoadOptions, load};

use crate::values::{one, report};
use crate::{Home, MINIMAL};

#[test]
fn every_mistake_is_named_at_once_in_the_file_s_order() {
    let home = Home::with_config(
        "[local]\n\
         databse = \"/p.db\"\n\
         [remote]\n\
         host = \"assess\"\n\
         engine = \"sqlite\"\n\
         password = \"hunter2\"\n\
         [sync]\n\
         debounce = 2\n\
         \x20 pol = \"2s\"\n\
         [snyc]\n\
         watch = true\n\
         [log]\n\
         level = \"inof\"\n",
    );
    insta::assert_snapshot!(report(&home, &[("MODSYNC_BACKUP_KEEP_LAST", "many")], &[("sync.poll", "1ms")]), @r#"
    F: local.database: is missing: the path of the local database file
    F: remote.database: is missing: the path of the database on the server
    F:2:1: local.databse: is not a known key; did you mean "local.database"?
    F:5:1: remote.engine: "sqlite" is not allowed: one of auto, sqlite3, python3, php, modsyncd, sftp; did you mean "sqlite3"?
    F:6:1: remote.password: is a secret, and none may stand in the configuration: remove it, and name a command that prints it in remote.password_command or remote.passphrase_command
    F:8:1: sync.debounce: a bare 2 has no unit: write for example "2s" (ms, s, m, h or d)
    F:9:3: sync.pol: is not a known key; did you mean "sync.poll"?
    F:10:2: snyc: is not a section: [local], [remote], [sync], [safety], [backup], [history], [notify], [daemon], [log] and [[table]] are; did you mean "sync"?
    F:13:1: log.level: "inof" is not allowed: one of error, warn, info, debug, trace, off, or a filter such as "info,modsync::ssh=debug"; did you mean "info"?
    MODSYNC_BACKUP_KEEP_LAST: backup.keep_last: must be a whole number, 1 to 10000
    command line: sync.poll: "1ms" is not allowed: 200ms to 1d
    "#);
}

#[test]
fn a_secret_is_never_repeated() {
    for text in [
        format!("{MINIMAL}password = \"hunter2\"\n"),
        format!("{MINIMAL}password_command = [\"hunter2\"]\n"),
        format!("{MINIMAL}password_command = \"hunter2\n"),
        format!("{MINIMAL}password = hunter2\n"),
    ] {
        let report = report(&Home::with_config(&text), &[], &[]);
        assert!(report.starts_with("F:6:"), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
    let home = Home::with_config(MINIMAL);
    let report = report(&home, &[("MODSYNC_REMOTE_PASSWORD", "hunter2")], &[]);
    assert!(
        report.starts_with("MODSYNC_REMOTE_PASSWORD: remote.password: is a secret"),
        "{report}"
    );
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn a_file_that_is_not_toml() {
    insta::assert_snapshot!(one("sync", "watch = = true"), @"F:7:9: is not TOML: extra `=`, expected nothing");
    insta::assert_snapshot!(one("sync", "poll = \"2s\"\npoll = \"3s\""), @"F:8:1: is not TOML: duplicate key");
}

#[test]
fn what_stands_outside_a_section() {
    let home = Home::with_config(&format!("database = \"/p\"\nsync = true\n{MINIMAL}"));
    insta::assert_snapshot!(report(&home, &[], &[]), @r#"
    F:1:1: database: stands outside a section: write it below [local], [remote] or where it belongs
    F:2:1: sync: is a section: write [sync] and its keys below it
    "#);
}

#[test]
fn tables() {
    let home = Home::with_config(&format!(
        "{MINIMAL}\
         [[table]]\n\
         key = \"url\"\n\
         [[table]]\n\
         name = \"products\"\n\
         keys = [\"url\"]\n\
         sync = \"no\"\n\
         key = [\"url\", \"URL\"]\n\
         [[table.group]]\n\
         columns = []\n\
         [[table.group]]\n\
         columns = [\"a\", 1]\n\
         newest_by = 5\n\
         [[table]]\n\
         name = \"PRODUCTS\"\n\
         [[table]]\n\
         name = \"queue\"\n\
         key = [\"a\"]\n\
         [[table.group]]\n\
         columns = [\"a\", \"b\"]\n\
         newest_by = \"t\"\n\
         [[table.group]]\n\
         columns = [\"B\"]\n\
         newest_by = \"u\"\n"
    ));
    insta::assert_snapshot!(report(&home, &[], &[]), @r#"
    F:6:1: table.name: is missing: the table's name as the database has it
    F:7:1: table.key: must be a list of column names, as in ["url"], not text
    F:10:1: table.keys: is not a known key; did you mean "table.key"?
    F:11:1: table.sync: must be true or false
    F:12:1: table.key: names the column "URL" twice
    F:13:1: table.group.newest_by: is missing: the column with the time of the decision
    F:14:1: table.group.columns: is empty: name at least one column
    F:16:1: table.group.columns: must hold nothing but column names in quotes
    F:17:1: table.group.newest_by: must be a name in quotes, not a number
    F:18:1: table.name: "PRODUCTS" has a [[table]] already
    F:23:9: table.group: the column "B" is in two groups
    F:23:9: table.group: the key column "a" cannot be in a group: a key never changes
    "#);
}

#[test]
fn a_table_written_with_single_brackets() {
    let home = Home::with_config(&format!("{MINIMAL}[table]\nname = \"products\"\n"));
    assert_eq!(
        report(&home, &[], &[]),
        "F:6:2: table: must be written as [[table]], once for each table"
    );
}

#[test]
fn a_file_that_is_not_there_or_cannot_be_read() {
    let home = Home::empty();
    assert_eq!(
        report(&home, &[], &[]),
        "F: there is no such file: `modsyncd init` writes one"
    );
    insta::assert_snapshot!(report(&home, &[("MODSYNC_REMOTE_HOST", "h")], &[]), @r#"
    F: there is no such file: `modsyncd init` writes one
    F: local.database: is missing: the path of the local database file
    F: remote.database: is missing: the path of the database on the server
    "#);
    let options = LoadOptions {
        file: Some(home.path().join("x.toml")),
        ..home.options(&[], &[])
    };
    let report = load(&options).unwrap_err().to_string();
    assert_eq!(
        report,
        format!(
            "{}/x.toml: there is no such file: `modsyncd init` writes one",
            home.path().display()
        )
    );
    let options = LoadOptions {
        file: Some(home.path().to_owned()),
        ..home.options(&[], &[])
    };
    let report = load(&options).unwrap_err().to_string();
    assert_eq!(
        report,
        format!(
            "{}: cannot be read: Is a directory (os error 21)",
            home.path().display()
        )
    );
}

#[test]
fn a_pair_s_name_and_a_socket_s_length() {
    let home = Home::with_config(MINIMAL);
    let options = LoadOptions {
        name: Some("../x".to_owned()),
        ..home.options(&[], &[])
    };
    let report = load(&options).unwrap_err().to_string();
    assert!(
        report.starts_with("command line: \"../x\" cannot name a pair: "),
        "{report}"
    );
    let report = load(&home.options(&[("MODSYNC_NAME", "a b")], &[]))
        .unwrap_err()
        .to_string();
    assert!(
        report.starts_with("MODSYNC_NAME: \"a b\" cannot name a pair: "),
        "{report}"
    );

    let long = format!("/{}", "x".repeat(120));
    let report = load(&home.options(&[], &[("daemon.socket", &long)]))
        .unwrap_err()
        .to_string();
    assert!(report.starts_with("command line: daemon.socket: "), "{report}");
    assert!(
        report.contains("is 121 bytes long, a socket's path may have "),
        "{report}"
    );
}

#[test]
fn overrides_with_unknown_keys_are_errors() {
    let home = Home::with_config(MINIMAL);
    assert_eq!(
        report(&home, &[], &[("remote.hots", "h")]),
        "command line: remote.hots: is not a known key; did you mean \"remote.host\"?"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_read_or_refused(text in "(\\[{0,2}(local|remote|table|table.group|x)\\]{0,2}\n|(host|key|name|port)? ?=? ?[\"\\[]{0,2}\\PC{0,6}[\"\\]]{0,2}\n){0,12}") {
        let home = Home::with_config(&text);
        if let Err(errors) = load(&home.options(&[], &[])) {
            proptest::prop_assert!(!errors.mistakes.is_empty());
        }
    }
}
