//! Which value counts, and what counts when nobody says anything.

use std::path::PathBuf;
use std::time::Duration;

use modsync::config::{Config, EngineChoice, LoadOptions, find_socket, load, load_noting};

use crate::{Home, MINIMAL};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn assert_defaults(config: &Config, home: &Home) {
    assert_eq!(config.local.timezone.iana_name(), Some("UTC"));
    let remote = &config.remote;
    assert_eq!((&remote.user, remote.port, &remote.proxy_jump), (&None, None, &None));
    assert_eq!(
        (&remote.identity_file, &remote.known_hosts, &remote.ssh_config),
        (&None, &None, &None)
    );
    assert_eq!((&remote.password_command, &remote.passphrase_command), (&None, &None));
    assert_eq!(remote.engine, EngineChoice::Auto);
    assert_eq!(remote.timezone.iana_name(), Some("UTC"));
    assert_eq!(remote.connect_timeout, seconds(10));
    assert!(config.sync.watch);
    assert_eq!(
        (config.sync.debounce, config.sync.max_delay, config.sync.poll),
        (seconds(2), seconds(30), seconds(2))
    );
    assert_eq!(config.sync.schedule.as_deref(), Some("0 */15 * * * *"));
    assert!((config.safety.max_delete - 0.25).abs() < f64::EPSILON);
    assert_eq!(config.safety.max_answer, 1 << 30);
    assert_eq!((config.history.keep_days, config.history.max_size), (365, 256 << 20));
    let backup = &config.backup;
    assert_eq!((backup.enabled, backup.min_interval), (true, seconds(900)));
    assert_eq!((backup.keep_last, backup.keep_daily), (10, 7));
    assert_eq!(config.tables, []);
    assert_eq!(config.daemon.state_dir, home.path().join(".local/state/modsync"));
    assert_eq!(
        config.daemon.socket,
        home.path().join(".local/state/modsync/modsyncd.sock")
    );
    assert_eq!((config.log.level.as_str(), config.log.keep_days), ("info", 14));
}

#[test]
fn defaults_fill_what_is_not_written() {
    let home = Home::with_config(MINIMAL);
    let config = load(&home.options(&[], &[])).unwrap();
    assert_eq!(config.local.database, home.path().join("products.db"));
    assert_eq!(
        (config.remote.host.as_str(), config.remote.database.as_str()),
        ("assess", "/srv/products.db")
    );
    assert_defaults(&config, &home);
}

fn example() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/modsync.example.toml");
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn the_example_yields_the_defaults() {
    let home = Home::with_config(&example());
    let loaded = load_noting(&home.options(&[], &[])).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(
        loaded.config.local.database,
        home.path().join("scraper/Shared/products.db")
    );
    assert_defaults(&loaded.config, &home);
}

#[test]
fn the_example_with_everything_switched_on_names_only_known_keys() {
    let on: Vec<String> = example()
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
                .to_owned()
        })
        .collect();
    let home = Home::with_config(&on.join("\n"));
    let config = load(&home.options(&[("XDG_RUNTIME_DIR", "/run/user/1000")], &[])).unwrap();
    assert_eq!(
        config.daemon.socket,
        PathBuf::from("/run/user/1000/modsync/modsyncd.sock")
    );
    assert_eq!(config.daemon.state_dir, home.path().join(".local/state/modsync"));
    assert_eq!(config.remote.password_command.as_deref(), Some("pass show assess"));
    assert_eq!(
        config.remote.passphrase_command.as_deref(),
        Some("pass show assess-key")
    );
    assert_eq!(
        (config.remote.user.as_deref(), config.remote.port),
        (Some("root"), Some(22))
    );
    assert_eq!(config.remote.proxy_jump.as_deref(), Some("bastion"));
    let [table] = config.tables.as_slice() else {
        panic!("one table: {:?}", config.tables)
    };
    assert_eq!(
        (table.name.as_str(), &table.key, table.sync),
        ("products", &vec!["url".to_owned()], true)
    );
    assert_eq!(table.last_updated.as_deref(), Some("last_updated"));
    assert_eq!(table.groups.len(), 1);
    assert_eq!(
        (table.groups[0].columns.len(), table.groups[0].newest_by.as_str()),
        (5, "assessed_at")
    );
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let home = Home::with_config(&format!(
        "{MINIMAL}port = 1\nuser = \"file\"\nengine = \"php\"\n[sync]\ndebounce = \"3s\"\nwatch = false\n"
    ));
    let variables = [
        ("MODSYNC_REMOTE_PORT", "2"),
        ("MODSYNC_REMOTE_USER", "variable"),
        ("MODSYNC_SYNC_MAX_DELAY", "1m"),
        ("MODSYNC_BACKUP_ENABLED", "false"),
        ("MODSYNC_LOG_LEVEL", "debug"),
        ("MODSYNC_LOG_KEEP_DAYS", ""),
        ("MODSYNC_LOCAL_DATABASE", "~/other.db"),
    ];
    let config = load(&home.options(&variables, &[("remote.port", "3"), ("backup.keep_last", "4")])).unwrap();
    assert_eq!(config.remote.port, Some(3), "the flag");
    assert_eq!(config.backup.keep_last, 4, "the flag");
    assert_eq!(config.remote.user.as_deref(), Some("variable"));
    assert_eq!(config.sync.max_delay, seconds(60));
    assert!(!config.backup.enabled);
    assert_eq!(config.log.level, "debug");
    assert_eq!(config.local.database, home.path().join("other.db"));
    assert_eq!(config.remote.engine, EngineChoice::Php, "the file");
    assert_eq!(
        (config.sync.debounce, config.sync.watch),
        (seconds(3), false),
        "the file"
    );
    assert_eq!(config.sync.poll, seconds(2), "the default");
    assert_eq!(config.log.keep_days, 14, "an empty variable is none");
}

#[test]
fn variables_and_flags_can_do_without_a_file() {
    let home = Home::empty();
    let variables = [("MODSYNC_LOCAL_DATABASE", "/p.db"), ("MODSYNC_REMOTE_HOST", "h")];
    let loaded = load_noting(&home.options(&variables, &[("remote.database", "/r.db")])).unwrap();
    assert!(!loaded.from_file);
    assert_eq!(loaded.config.remote.host, "h");
}

#[test]
fn an_unknown_variable_is_only_odd() {
    let home = Home::with_config(MINIMAL);
    let variables = [
        ("MODSYNC_CONFIG", ""),
        ("MODSYNC_SOCKET", "/x.sock"),
        ("MODSYNC_REMOTE_HOSTT", "h"),
        ("MODSYNC_FOO", "secret"),
    ];
    assert_eq!(
        load_noting(&home.options(&variables, &[])).unwrap().warnings,
        [
            "MODSYNC_FOO is not a setting and is ignored",
            "MODSYNC_REMOTE_HOSTT is not a setting and is ignored; did you mean MODSYNC_REMOTE_HOST?",
        ]
    );
}

#[test]
fn a_file_that_anybody_may_write_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with_config(MINIMAL);
    std::fs::set_permissions(home.config(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let warnings = load_noting(&home.options(&[], &[])).unwrap().warnings;
    let file = home.config();
    let expected = format!(
        "{} may be written by anybody, and it names commands that modsync runs: chmod go-w it",
        file.display()
    );
    assert_eq!(warnings, [expected]);
}

#[test]
fn a_named_pair_has_its_own_file_state_and_socket() {
    let home = Home::empty();
    home.write(".config/modsync/shop.toml", MINIMAL);
    for options in [
        LoadOptions {
            name: Some("shop".to_owned()),
            ..home.options(&[], &[])
        },
        home.options(&[("MODSYNC_NAME", "shop")], &[]),
        LoadOptions {
            file: Some(home.path().join(".config/modsync/shop.toml")),
            ..home.options(&[], &[])
        },
    ] {
        let config = load(&options).unwrap();
        assert_eq!(config.daemon.state_dir, home.path().join(".local/state/modsync/shop"));
        assert_eq!(
            config.daemon.socket,
            home.path().join(".local/state/modsync/shop/modsyncd-shop.sock")
        );
        assert_eq!(
            find_socket(None, &options).unwrap(),
            config.daemon.socket,
            "the client finds the same"
        );
    }
}

#[test]
fn schedules() {
    for (written, expected) in [
        ("", None),
        ("off", None),
        ("@hourly", Some("@hourly")),
        ("*/5 * * * *", Some("*/5 * * * *")),
        ("30 */5 * * * MON-FRI", Some("30 */5 * * * MON-FRI")),
    ] {
        let home = Home::with_config(&format!("{MINIMAL}[sync]\nschedule = \"{written}\"\n"));
        assert_eq!(
            load(&home.options(&[], &[])).unwrap().sync.schedule.as_deref(),
            expected,
            "{written}"
        );
    }
}

#[test]
fn the_client_finds_the_socket_as_its_user_expects() {
    let home = Home::with_config(&format!("{MINIMAL}[daemon]\nsocket = \"~/own.sock\"\n[typo]\n"));
    let options = home.options(&[], &[]);
    assert!(load(&options).is_err());
    assert_eq!(
        find_socket(None, &options).unwrap(),
        home.path().join("own.sock"),
        "mistakes elsewhere do not matter"
    );
    let with_variable = home.options(&[("MODSYNC_SOCKET", "/v.sock")], &[]);
    assert_eq!(find_socket(None, &with_variable).unwrap(), PathBuf::from("/v.sock"));
    let flag = PathBuf::from("/f.sock");
    assert_eq!(find_socket(Some(&flag), &with_variable).unwrap(), flag);

    let home = Home::with_config("[daemon]\nstate_dir = \"~/state\"\n");
    assert_eq!(
        find_socket(None, &home.options(&[], &[])).unwrap(),
        home.path().join("state/modsyncd.sock")
    );
    let home = Home::with_config("this is = = not TOML");
    let with_runtime = home.options(&[("XDG_RUNTIME_DIR", "/run/user/7")], &[]);
    assert_eq!(
        find_socket(None, &with_runtime).unwrap(),
        PathBuf::from("/run/user/7/modsync/modsyncd.sock")
    );
}
