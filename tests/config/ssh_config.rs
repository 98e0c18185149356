//! `[remote]` over ssh_config over the defaults, and what `ssh -G` does not tell: tokens, chains, agents, mistakes.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use modsync::config::ssh_config::{SshTarget, resolve, resolve_noting};
use modsync::config::{EngineChoice, Remote};

use crate::Home;

/// A `[remote]` that says nothing but the host.
pub fn remote(host: &str) -> Remote {
    Remote {
        host: host.to_owned(),
        user: None,
        port: None,
        identity_file: None,
        proxy_jump: None,
        database: "/srv/products.db".to_owned(),
        engine: EngineChoice::Auto,
        timezone: TimeZone::UTC,
        known_hosts: None,
        password_command: None,
        passphrase_command: None,
        ssh_config: None,
        connect_timeout: Duration::from_secs(10),
    }
}

fn resolved(home: &Home, remote: &Remote, variables: &[(&str, &str)]) -> Result<SshTarget, String> {
    resolve_noting(remote, home.path(), "ann", &home.environment(variables))
        .map(|(target, _)| target)
        .map_err(|error| error.to_string().replace(&home.path().display().to_string(), "~"))
}

fn with_ssh_config(text: &str) -> Home {
    let home = Home::empty();
    home.write(".ssh/config", text);
    home
}

fn below(home: &Home, files: &[&str]) -> Vec<PathBuf> {
    files.iter().map(|file| home.path().join(file)).collect()
}

fn places(targets: &[SshTarget]) -> Vec<String> {
    targets
        .iter()
        .map(|target| format!("{}@{}:{}", target.user, target.host, target.port))
        .collect()
}

#[test]
fn openssh_s_defaults() {
    let home = Home::empty();
    let target = resolved(&home, &remote("assess"), &[("SSH_AUTH_SOCK", "/run/agent")]).unwrap();
    assert_eq!((target.alias.as_str(), target.host.as_str()), ("assess", "assess"));
    assert_eq!((target.port, target.user.as_str()), (22, "ann"));
    assert_eq!(
        target.identity_files,
        below(&home, &[".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"])
    );
    let mut known_hosts = below(&home, &[".ssh/known_hosts", ".ssh/known_hosts2"]);
    known_hosts.extend(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from));
    assert_eq!(target.known_hosts, known_hosts);
    assert_eq!(target.identity_agent, Some(PathBuf::from("/run/agent")));
    assert_eq!(
        (target.identities_only, &target.host_key_alias, target.jumps.len()),
        (false, &None, 0)
    );
    assert_eq!(target.connect_timeout, Duration::from_secs(10));
}

#[test]
fn modsync_s_own_settings_win() {
    let home = with_ssh_config(
        "Host assess\n HostName h.example.org\n User u\n Port 1\n IdentityFile ~/k\n ProxyJump wrong\n\
         UserKnownHostsFile ~/kh\n GlobalKnownHostsFile none\n",
    );
    let mut remote = remote("assess");
    remote.user = Some("root".to_owned());
    remote.port = Some(2222);
    remote.identity_file = Some("/own".into());
    remote.proxy_jump = Some("none".to_owned());
    remote.known_hosts = Some("/own_known_hosts".into());
    remote.password_command = Some("pass".to_owned());
    remote.passphrase_command = Some("phrase".to_owned());
    let target = resolve(&remote, home.path(), "ann").unwrap();
    assert_eq!(places(std::slice::from_ref(&target)), ["root@h.example.org:2222"]);
    assert_eq!(target.identity_files, [PathBuf::from("/own")]);
    assert_eq!(target.known_hosts, [PathBuf::from("/own_known_hosts")]);
    assert_eq!(target.jumps, []);
    assert_eq!(target.password_command.as_deref(), Some("pass"));
    assert_eq!(target.passphrase_command.as_deref(), Some("phrase"));
}

#[test]
fn tokens_and_variables_in_paths() {
    let home = with_ssh_config(
        "Host assess\n HostName h.example.org\n User u\n Port 7\n HostKeyAlias alias\n\
         IdentityFile ~/%h_%n_%p_%r_%u_%k_%%\n IdentityFile %d/x\n IdentityFile ${KEYS}/id\n\
         UserKnownHostsFile ~/kh_%k\n IdentityAgent ~/agent_%n\n",
    );
    let target = resolved(&home, &remote("assess"), &[("KEYS", "/keys")]).unwrap();
    let mut files = below(&home, &["h.example.org_assess_7_u_ann_alias_%", "x"]);
    files.push("/keys/id".into());
    assert_eq!(target.identity_files, files);
    assert_eq!(target.known_hosts.first(), Some(&home.path().join("kh_alias")));
    assert_eq!(target.identity_agent, Some(home.path().join("agent_assess")));
}

#[test]
fn agents() {
    let variables = [("SSH_AUTH_SOCK", "/agent"), ("OTHER", "/other")];
    for (written, expected) in [
        ("", Some("/agent")),
        ("IdentityAgent none", None),
        ("IdentityAgent SSH_AUTH_SOCK", Some("/agent")),
        ("IdentityAgent $OTHER", Some("/other")),
        ("IdentityAgent $UNSET", None),
        ("IdentityAgent /own", Some("/own")),
        ("IdentityAgent ${OTHER}/x", Some("/other/x")),
    ] {
        let home = with_ssh_config(written);
        let target = resolved(&home, &remote("a"), &variables).unwrap();
        assert_eq!(target.identity_agent, expected.map(PathBuf::from), "{written}");
    }
}

#[test]
fn a_chain_of_jump_hosts_is_resolved_hop_by_hop() {
    let home = with_ssh_config(
        "Host assess\n ProxyJump one,bob@two:2200\n\
         Host one\n HostName one.example.org\n User eve\n ProxyJump zero\n IdentityFile ~/one\n\
         Host two\n ProxyJump never\n UserKnownHostsFile ~/two\n",
    );
    let mut remote = remote("assess");
    remote.identity_file = Some("/own".into());
    remote.password_command = Some("pass".to_owned());
    remote.passphrase_command = Some("phrase".to_owned());
    let target = resolved(&home, &remote, &[]).unwrap();
    assert_eq!(
        places(&target.jumps),
        ["ann@zero:22", "eve@one.example.org:22", "bob@two:2200"]
    );
    assert!(
        target
            .jumps
            .iter()
            .all(|jump| jump.jumps.is_empty() && jump.password_command.is_none())
    );
    let [zero, one, two] = target.jumps.as_slice() else {
        panic!("three")
    };
    assert_eq!(one.identity_files, below(&home, &["one"]), "what ssh_config names");
    assert_eq!(one.passphrase_command, None, "it belongs to the other key");
    assert_eq!(
        zero.identity_files.first(),
        Some(&PathBuf::from("/own")),
        "else modsync's own, then the defaults"
    );
    assert_eq!(
        (zero.identity_files.len(), zero.passphrase_command.as_deref()),
        (4, Some("phrase"))
    );
    assert_eq!(two.known_hosts.first(), Some(&home.path().join("two")));
}

#[test]
fn jump_hosts_in_a_circle_are_refused() {
    for (text, host) in [
        ("Host *\n ProxyJump bastion\n", "bastion"),
        (
            "Host a\n ProxyJump b\nHost b\n ProxyJump c\nHost c\n ProxyJump a\n",
            "a",
        ),
    ] {
        let error = resolved(&with_ssh_config(text), &remote("a"), &[]).unwrap_err();
        assert_eq!(
            error,
            format!("the jump hosts go in a circle: ann@{host}:22 is reached through itself")
        );
    }
    let same_host = with_ssh_config("Host inner\n HostName h\n Port 2222\n ProxyJump h\n");
    assert_eq!(
        places(&resolved(&same_host, &remote("inner"), &[]).unwrap().jumps),
        ["ann@h:22"]
    );
}

#[test]
fn what_cannot_be_followed_is_named_with_its_line() {
    for (text, expected) in [
        (
            "Host a\n Port x\n",
            "~/.ssh/config:2: Port \"x\" is not a port: 1 to 65535",
        ),
        ("User \"ann\nPort 1\n", "~/.ssh/config:1: a quote is not closed"),
        (
            "IdentitiesOnly maybe\n",
            "~/.ssh/config:1: IdentitiesOnly \"maybe\" is not allowed: yes or no",
        ),
        (
            "HostName %x\n",
            "~/.ssh/config:1: \"%x\" is not a HostName: only %h and %% are expanded in it",
        ),
        ("User\n", "~/.ssh/config:1: user has no value"),
        ("Match host\n", "~/.ssh/config:1: Match host needs a pattern"),
        (
            "IdentityFile ~/%C\n",
            "~/.ssh/config:1: \"~/%C\": the token %C is not supported here: %%, %d, %h, %k, %n, %p, %r and %u are",
        ),
        (
            "IdentityFile ${NO}/k\n",
            "~/.ssh/config:1: \"${NO}/k\": the variable NO is not set",
        ),
        (
            "IdentityFile key\n",
            "~/.ssh/config:1: \"key\" is not an absolute path: begin it with / or ~/",
        ),
        (
            "ProxyJump a:b\n",
            "~/.ssh/config:1: ProxyJump: \"a:b\" is not a jump host: [user@]host[:port], several with commas between, or none",
        ),
        (
            "ProxyCommand nc %h %p\n",
            "~/.ssh/config:1: ProxyCommand is not supported: use ProxyJump, or set remote.proxy_jump (\"none\" for no jump)",
        ),
        (
            "Include config\n",
            "~/.ssh/config:1: Include nests deeper than 16 files",
        ),
    ] {
        assert_eq!(
            resolved(&with_ssh_config(text), &remote("a"), &[]).unwrap_err(),
            expected,
            "{text}"
        );
    }
    // Blocks of other hosts do not matter.
    let home = with_ssh_config("Host b\n Port x\n ProxyCommand nc\n");
    assert_eq!(resolved(&home, &remote("a"), &[]).unwrap().port, 22);
    let mut other = remote("a");
    other.ssh_config = Some(home.path().join("gone"));
    let error = resolved(&home, &other, &[]).unwrap_err();
    assert_eq!(error, "read ~/gone (remote.ssh_config): there is no such file");
}

#[test]
fn match_blocks_that_are_left_out_are_noted_once() {
    let home = with_ssh_config("Match exec \"test -d /\"\n User wrong\nHost a\n ProxyJump b\n");
    let (target, notes) = resolve_noting(&remote("a"), home.path(), "ann", &home.environment(&[])).unwrap();
    assert_eq!((target.user.as_str(), target.jumps.len()), ("ann", 1));
    let expected = format!(
        "{}/.ssh/config:1: Match exec is not evaluated, so its block is left out",
        home.path().display()
    );
    assert_eq!(notes, [expected]);
}
