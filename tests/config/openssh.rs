//! Holds our reading of ssh_config against the real client's: `ssh -G -F FILE HOST` prints what is in effect.

use std::path::{Path, PathBuf};
use std::process::Command;

use modsync::config::ssh_config::{SshTarget, resolve_noting};

use crate::Home;
use crate::ssh_config::remote;

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Effective {
    host: String,
    user: String,
    port: String,
    identity_files: Vec<String>,
    identities_only: bool,
    jump: Option<String>,
    user_known_hosts: Vec<String>,
    host_key_alias: Option<String>,
}

/// The real client's answer. It takes the home folder from the user database, so its paths are given with `~`.
fn of_openssh(file: &Path, host: &str) -> Effective {
    let output = Command::new("ssh")
        .arg("-G")
        .arg("-F")
        .arg(file)
        .arg(host)
        .output()
        .expect("the OpenSSH client");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let values = |name: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .map(str::to_owned)
            .collect()
    };
    let one = |name: &str| values(name).first().cloned();
    let known_hosts = one("userknownhostsfile").unwrap_or_default();
    let known_hosts = known_hosts
        .split(' ')
        .filter(|file| !file.is_empty() && *file != "none");
    let jump = one("proxyjump").filter(|jump| jump != "none");
    Effective {
        host: one("hostname").unwrap(),
        user: one("user").unwrap(),
        port: one("port").unwrap(),
        identity_files: values("identityfile")
            .into_iter()
            .filter(|file| file != "none")
            .collect(),
        identities_only: one("identitiesonly").as_deref() == Some("yes"),
        jump,
        user_known_hosts: known_hosts.map(with_tilde).collect(),
        host_key_alias: one("hostkeyalias"),
    }
}

/// A path below the real home folder as `~/…`; the real client expands some of its answers and some not.
fn with_tilde(path: &str) -> String {
    let home = real_home();
    path.strip_prefix(&home)
        .map_or_else(|| path.to_owned(), |rest| format!("~{rest}"))
}

fn real_home() -> String {
    let output = Command::new("ssh")
        .args(["-G", "-F", "/dev/null", "x"])
        .output()
        .expect("the OpenSSH client");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("userknownhostsfile "))
        .unwrap();
    line.split(' ')
        .next()
        .unwrap()
        .strip_suffix("/.ssh/known_hosts")
        .unwrap()
        .to_owned()
}

fn local_user() -> String {
    let output = Command::new("ssh")
        .args(["-G", "-F", "/dev/null", "x"])
        .output()
        .expect("the OpenSSH client");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("user "))
        .unwrap()
        .to_owned()
}

fn of_modsync(home: &Home, file: &Path, host: &str) -> Effective {
    let mut remote = remote(host);
    remote.ssh_config = Some(file.to_owned());
    let (target, _) = resolve_noting(&remote, home.path(), &local_user(), &home.environment(&[])).unwrap();
    let tilde = |path: &PathBuf| {
        let rest = path.strip_prefix(home.path());
        rest.map_or_else(|_| path.display().to_string(), |rest| format!("~/{}", rest.display()))
    };
    let known_hosts = target
        .known_hosts
        .iter()
        .filter(|file| !file.starts_with("/etc/ssh"))
        .map(tilde);
    Effective {
        user_known_hosts: known_hosts.collect(),
        identity_files: target.identity_files.iter().map(tilde).collect(),
        jump: (!target.jumps.is_empty()).then(|| target.jumps.iter().map(hop).collect::<Vec<_>>().join(",")),
        port: target.port.to_string(),
        host: target.host,
        user: target.user,
        identities_only: target.identities_only,
        host_key_alias: target.host_key_alias,
    }
}

/// A jump host as the tables below write it: user and port where they are not the defaults.
fn hop(target: &SshTarget) -> String {
    let user = if target.user == local_user() {
        String::new()
    } else {
        format!("{}@", target.user)
    };
    let port = if target.port == 22 {
        String::new()
    } else {
        format!(":{}", target.port)
    };
    format!("{user}{}{port}", target.alias)
}

const KEY: &str = "IdentityFile ~/.ssh/key\n";

/// Compares on a file to which a last `Host *` with a key is added: the default keys differ, on purpose.
fn compare(config: &str, hosts: &[&str]) {
    let home = Home::empty();
    let file = home.write("ssh_config", &format!("{config}\nHost *\n{KEY}"));
    for host in hosts {
        assert_eq!(
            of_modsync(&home, &file, host),
            of_openssh(&file, host),
            "{host} in\n{config}"
        );
    }
}

#[test]
fn the_first_value_wins() {
    compare(
        "Host assess\n  HostName assess.example.org\n  User root\n  Port 2222\n\
         Host a*\n  User ann\n  IdentitiesOnly yes\n  HostKeyAlias key-name\n\
         Host *\n  User nobody\n  Port 22\n  UserKnownHostsFile ~/kh1 /srv/kh2\n",
        &["assess", "alpha", "beta"],
    );
}

#[test]
fn settings_before_the_first_host_count_for_all() {
    compare(
        "User first\nPort=2200\nHost a\nUser second\nHostName = a.example.org\n",
        &["a", "b"],
    );
}

#[test]
fn patterns_wildcards_and_negation() {
    compare(
        "Host *.example.org !bad.example.org\n  User good\n\
         Host !a *\n  Port 1\n\
         Host web? \"quoted name\" c\n  Port 2\n\
         Host !x\n  Port 3\n",
        &["a.example.org", "bad.example.org", "a", "web1", "web", "c", "x", "y"],
    );
}

#[test]
fn letters_of_a_host_name() {
    compare(
        "Host assess\n  User small\nHost ASSESS\n  User large\n",
        &["assess", "ASSESS", "Assess"],
    );
    compare("Host *\n  HostName %h.Example.ORG\n", &["Web"]);
}

#[test]
fn host_name_with_tokens() {
    compare("Host *\n  HostName %h.example.org\n", &["a"]);
    compare("Host *\n  HostName %%x%h\n", &["a"]);
    compare("HostName first.example.org\nHostName second.example.org\n", &["a"]);
}

#[test]
fn identity_files_add_up_and_none_clears() {
    compare(
        "Host a\n IdentityFile ~/k1\n IdentityFile /k2\n IdentityFile ~/k1\nHost *\n IdentityFile \"~/my key\"\n",
        &["a", "b"],
    );
    compare("IdentityFile none\n", &["a"]);
}

#[test]
fn comments_quotes_and_cases_of_keywords() {
    compare(
        "# comment\n\n  hOsT a # not b\n\tUSER\t\"ann\"\n  port 2 # two\n",
        &["a", "b", "#", "not"],
    );
    compare("User=ann\r\nPort = 7\r\n", &["a"]);
}

#[test]
fn known_hosts_none() {
    compare("UserKnownHostsFile none\n", &["a"]);
    compare("UserKnownHostsFile \"~/a\" /b\nUserKnownHostsFile ~/c\n", &["plain"]);
}

#[test]
fn jump_hosts() {
    compare(
        "Host a\n ProxyJump bastion\nHost b\n ProxyJump ann@one:2200\nHost c\n ProxyJump none\n",
        &["a", "b", "c", "d"],
    );
    compare(
        "Host c\n ProxyJump none\nHost c d\n ProxyJump bastion\nHost *\n ProxyCommand none\n",
        &["c", "d"],
    );
    compare("Host a\n ProxyCommand none\nHost a\n ProxyJump bastion\n", &["a"]);
}

#[test]
fn match_blocks() {
    compare(
        "Match originalhost A\n  HostName a.example.org\n\
         Match host *.EXAMPLE.org\n  User by-host\n\
         Match host a\n  Port 9\n\
         Match user by-host\n  HostKeyAlias by-user\n\
         Match !originalhost a,b host *\n  Port 10\n\
         Match all\n  Port 11\n",
        &["a", "b", "c"],
    );
    let me = local_user();
    compare(
        &format!("Match localuser {me}\n Port 5\nMatch localuser !{me}\n Port 6\n"),
        &["a"],
    );
}

#[test]
fn includes() {
    let home = Home::empty();
    home.write("conf.d/10-a.conf", "Host a\n  User from-a\n");
    home.write("conf.d/20-b.conf", "Port 2000\nHost b\n  User from-b\n");
    home.write("conf.d/30.txt", "User never\n");
    home.write(
        "inner.conf",
        "Port 3000\nHost c\n  User inner-c\nHost *\n  HostKeyAlias inner\n",
    );
    let folder = home.path().display();
    let file = home.write(
        "ssh_config",
        &format!(
            "Include {folder}/conf.d/*.conf {folder}/missing.conf\nUser outside\n\
             Host c\n  Include \"{folder}/inner.conf\"\n  Port 1\nHost *\n{KEY}"
        ),
    );
    for host in ["a", "b", "c", "d"] {
        assert_eq!(of_modsync(&home, &file, host), of_openssh(&file, host), "{host}");
    }
}
