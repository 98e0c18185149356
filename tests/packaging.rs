//! `scripts/install` and `scripts/deb`, with the programs that were just built.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the programs of this build are.
fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_modsyncd")).parent().unwrap()
}

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name));
    command.env_remove("XDG_CONFIG_HOME");
    command
}

/// Runs a program that has to succeed; what it said.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {said}{complaint}");
    said.into_owned()
}

/// The files below a folder, by their path in it.
fn files(folder: &Path) -> BTreeSet<String> {
    let listed = run(Command::new("find").arg(folder).args(["-type", "f", "-printf", "%P\n"]));
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn installing_puts_all_in_place_again_changes_nothing_and_uninstalling_takes_it_away() {
    let home = tempfile::tempdir().unwrap();
    let prefix = home.path().join(".local");
    let install = |arguments: &[&str]| {
        let mut command = script("install");
        command
            .env("HOME", home.path())
            .arg("--prefix")
            .arg(&prefix)
            .args(arguments);
        run(&mut command)
    };
    let from = built().to_str().unwrap();
    let said = install(&["--from", from]);
    assert!(
        said.contains("is not in PATH") && said.contains("modsyncd init"),
        "{said}"
    );

    let first = files(&prefix);
    for program in ["modsyncd", "modsyncctl"] {
        assert!(run(Command::new(prefix.join("bin").join(program)).arg("--version")).starts_with(program));
        for place in [
            format!("share/bash-completion/completions/{program}"),
            format!("share/zsh/site-functions/_{program}"),
            format!("share/fish/vendor_completions.d/{program}.fish"),
        ] {
            assert!(first.contains(&place), "{place} is missing: {first:?}");
        }
        let completion = prefix.join(format!("share/bash-completion/completions/{program}"));
        let sourced = format!("source {} && complete -p {program}", completion.display());
        assert!(run(Command::new("bash").args(["-c", &sourced])).contains("-F"));
    }
    the_pages_are_of_the_verbs(&prefix.join("share/man/man1"));

    // A verb that there was in the version before, and what somebody else keeps there.
    let list = prefix.join("share/modsync/installed");
    let old = std::fs::read_to_string(&list).unwrap() + "share/man/man1/modsyncctl-gone.1\n";
    std::fs::write(&list, old).unwrap();
    for file in ["modsyncctl-gone.1", "other.1"] {
        std::fs::write(prefix.join("share/man/man1").join(file), "").unwrap();
    }
    install(&["--from", from]);
    let mut expected = first.clone();
    expected.insert("share/man/man1/other.1".to_owned());
    assert_eq!(files(&prefix), expected);

    install(&["--uninstall"]);
    assert_eq!(files(&prefix), BTreeSet::from(["share/man/man1/other.1".to_owned()]));
}

/// One page for each verb that `--help` shows, with its examples.
fn the_pages_are_of_the_verbs(folder: &Path) {
    for program in ["modsyncd", "modsyncctl"] {
        let help = run(Command::new(built().join(program)).arg("--help"));
        let verbs = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
        let verbs = verbs
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        for verb in verbs.filter(|verb| !verb.is_empty() && *verb != "help") {
            let page = folder.join(format!("{program}-{verb}.1"));
            let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            // roff writes a hyphen that is one in another way.
            let text = text.replace("\\-", "-");
            for section in [".SH NAME", ".SH SYNOPSIS", ".SH EXAMPLES", &format!("{program} {verb}")] {
                assert!(text.contains(section), "{section} is missing in {}", page.display());
            }
        }
    }
}

#[test]
fn the_debian_package_installs_runs_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut deb = script("deb");
    deb.args(["--compression", "none", "--from"])
        .arg(built())
        .arg("--out")
        .arg(folder.path());
    run(&mut deb);
    let package = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let field = |name: &str| {
        run(Command::new("dpkg-deb").arg("--field").arg(&package).arg(name))
            .trim()
            .to_owned()
    };
    assert_eq!(field("Version"), concat!(env!("CARGO_PKG_VERSION"), "-1"));
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));

    let root = empty_system(folder.path());
    dpkg(&root, &["--install", package.to_str().unwrap()]);
    let accounts = std::fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(
        accounts.contains("modsync:x:"),
        "the service's account is missing: {accounts}"
    );
    let units = root.join("usr/lib/systemd");
    for unit in [
        "system/modsyncd.service",
        "system/modsyncd@.service",
        "user/modsyncd.service",
        "user/modsyncd@.service",
    ] {
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        assert!(
            text.contains("\nExecStart=/usr/bin/modsyncd run --config "),
            "{unit}: {text}"
        );
    }
    assert!(!root.join("etc/systemd").exists(), "it enabled a service");
    let told = run(Command::new(root.join("usr/bin/modsyncd")).arg("demo"));
    assert!(told.contains("Nothing was lost"), "{told}");

    dpkg(&root, &["--remove", "modsync"]);
    let left: Vec<String> = files(&root)
        .into_iter()
        .filter(|file| file.starts_with("usr/"))
        .collect();
    assert_eq!(left, [""; 0], "removing leaves nothing");
}

/// A folder that dpkg takes for a system on which nothing is installed.
fn empty_system(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    for part in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    root
}

/// The package's scripts run here, and are told where the system is. Its libraries are this system's.
fn dpkg(root: &Path, arguments: &[&str]) {
    let mut command = Command::new("dpkg");
    command
        .arg(format!("--root={}", root.display()))
        .args(["--force-script-chrootless", "--force-depends"]);
    run(command.arg("--force-unsafe-io").args(arguments));
}
