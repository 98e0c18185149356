//! `modsyncd check-config`.

use modsync::config::check;

use crate::{Home, MINIMAL};

fn run(home: &Home, variables: &[(&str, &str)]) -> (u8, String) {
    let mut out = Vec::new();
    let code = check(&home.options(variables, &[]), &mut out);
    (
        code,
        String::from_utf8(out)
            .unwrap()
            .replace(&home.path().display().to_string(), "~"),
    )
}

#[test]
fn what_is_in_effect_is_shown_without_secrets() {
    let home = Home::with_config(&format!(
        "{MINIMAL}password_command = \"echo hunter2\"\nproxy_jump = \"bastion\"\nssh_config = \"~/ssh_config\"\n\
         [safety]\nmax_delete = \"7%\"\n\
         [[table]]\nname = \"notes\"\nsync = false\n\
         [[table]]\nname = \"products\"\nkey = [\"url\"]\n[[table.group]]\ncolumns = [\"a\"]\nnewest_by = \"at\"\n"
    ));
    home.write(
        "ssh_config",
        "Match exec true\nUser nobody\nHost assess\nHostName assess.example.org\nUser root\n",
    );
    let (code, out) = run(&home, &[("USER", "ann"), ("MODSYNC_FOO", "1")]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r#"
    warning: MODSYNC_FOO is not a setting and is ignored
    warning: ~/ssh_config:1: Match exec is not evaluated, so its block is left out
    ~/.config/modsync/config.toml: no mistakes. In effect:
      local.database          ~/products.db
      local.timezone          UTC
      remote.host             assess
      remote.proxy_jump       bastion
      remote.database         /srv/products.db
      remote.engine           auto
      remote.timezone         UTC
      remote.password_command (a command, not shown)
      remote.ssh_config       ~/ssh_config
      remote.connect_timeout  10s
      sync.watch              true
      sync.debounce           2s
      sync.max_delay          30s
      sync.schedule           0 */15 * * * *
      sync.poll               2s
      safety.max_delete       7%
      safety.max_answer       1GiB
      backup.enabled          true
      backup.min_interval     15m
      backup.keep_last        10
      backup.keep_daily       7
      history.keep_days       365
      history.max_size        256MiB
      daemon.state_dir        ~/.local/state/modsync
      daemon.socket           ~/.local/state/modsync/modsyncd.sock
      log.level               info
      log.keep_days           14
      table notes             left out
      table products          key url; a together, newest by at
      connection              root@assess.example.org:22 through ann@bastion:22
    "#);
}

#[test]
fn mistakes_are_listed_and_fail() {
    let home = Home::with_config(&MINIMAL.replace("host", "hots"));
    let (code, out) = run(&home, &[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(out, @r#"
    ~/.config/modsync/config.toml: remote.host: is missing: the server's name, or its name in ~/.ssh/config
    ~/.config/modsync/config.toml:4:1: remote.hots: is not a known key; did you mean "remote.host"?
    "#);
}

#[test]
fn an_ssh_config_that_cannot_be_followed_fails() {
    let home = Home::with_config(MINIMAL);
    home.write(".ssh/config", "Host assess\n  Port many\n");
    let (code, out) = run(&home, &[]);
    assert_eq!(
        (code, out.as_str()),
        (1, "~/.ssh/config:2: Port \"many\" is not a port: 1 to 65535\n")
    );
}

#[test]
fn every_key_is_in_the_reference_and_in_the_example() {
    let home = Home::with_config(&format!(
        "{MINIMAL}user = \"u\"\nport = 1\nidentity_file = \"/i\"\nproxy_jump = \"j\"\nknown_hosts = \"/k\"\n\
         password_command = \"p\"\npassphrase_command = \"p\"\nssh_config = \"/dev/null\"\n"
    ));
    let (code, out) = run(&home, &[]);
    assert_eq!(code, 0, "{out}");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let example = std::fs::read_to_string(root.join("config/modsync.example.toml")).unwrap();
    let words = out
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let keys: Vec<&str> = words
        .filter_map(|word| word.split_once('.'))
        .map(|(_, key)| key)
        .collect();
    assert_eq!(keys.len(), 30);
    for key in keys {
        assert!(
            reference.contains(&format!("| `{key}` |")),
            "docs/configuration.md lacks {key}"
        );
        assert!(
            example.contains(&format!("{key} = ")),
            "config/modsync.example.toml lacks {key}"
        );
    }
}
