//! Secrets that somebody writes where none belongs.

use std::fs;
use std::process::Command;

use crate::Secret;

/// A configuration with this in `[remote]`, in a home with this ssh_config: all that the verbs say of it.
fn said(remote: &str, ssh_config: &str, more: &[&str], variable: Option<(&str, &str)>) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    let text = format!(
        "[local]\ndatabase = \"/nowhere/products.db\"\n[remote]\ndatabase = \"/nowhere/products.db\"\n{remote}\n\
         [daemon]\nstate_dir = \"{0}/state\"\nsocket = \"{0}/state/s\"\n",
        home.path().display()
    );
    fs::write(&file, text).unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(home.path().join(".ssh/config"), ssh_config).unwrap();
    let mut all = String::new();
    for verb in ["check-config", "run"] {
        let mut command = Command::new("timeout");
        command
            .args(["4", env!("CARGO_BIN_EXE_modsyncd"), verb, "--config"])
            .arg(&file)
            .args(more);
        command.env("HOME", home.path()).env_remove("SSH_AUTH_SOCK");
        command.envs(variable);
        let output = command.output().unwrap();
        all += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
    }
    for path in crate::files_below(&home.path().join("state")) {
        all += &String::from_utf8_lossy(&fs::read(path).unwrap());
    }
    all
}

#[test]
fn a_password_in_the_wrong_place_is_not_repeated() {
    let secret = Secret::plant();
    let word = &secret.0;
    let host = "host = \"127.0.0.1\"";
    let remotes = [
        format!("host = \"root:{word}@127.0.0.1\""),
        format!("host = \"ssh://root:{word}@127.0.0.1:22/\""),
        format!("{host}\nuser = \"root:{word}\""),
        format!("{host}\nuser = \"root:{word}@127.0.0.1\""),
        format!("{host}\nproxy_jump = \"ann:{word}@bastion\""),
        format!("{host}\nproxy_jump = \"ssh://ann:{word}@bastion:port\""),
        format!("{host}\nproxy_command = \"sshpass -p {word} ssh -W %h:%p bastion\""),
        format!("{host}\npasword = \"{word}\""),
        format!("{host}\nkey_passphrase = \"{word}\""),
        format!("{host}\npassword_command = [\"echo\", \"{word}\"]"),
        format!("{host}\npassword_command = \"echo {word}"),
        format!("{host}\npassword_command = \"echo {word}; exit 1\""),
    ];
    for remote in &remotes {
        secret.must_not_be_in(&remote.replace(word, "SECRET"), said(remote, "", &[], None).as_bytes());
    }
    for ssh_config in [
        format!("Host *\n  ProxyCommand sshpass -p {word} ssh -W %h:%p bastion\n"),
        format!("Host *\n  ProxyJump ann:{word}@bastion\n"),
        format!("Host *\n  User root:{word}\n"),
        format!("Host *\n  Password {word}\n"),
    ] {
        let said = said(host, &ssh_config, &[], None);
        secret.must_not_be_in(&ssh_config.replace(word, "SECRET"), said.as_bytes());
    }
    let setting = format!("remote.password={word}");
    secret.must_not_be_in("--set", said(host, "", &["--set", &setting], None).as_bytes());
    let variable = Some(("MODSYNC_REMOTE_PASSWORD", word.as_str()));
    secret.must_not_be_in("a variable", said(host, "", &[], variable).as_bytes());
}
