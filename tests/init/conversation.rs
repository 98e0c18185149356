//! A person at a terminal, who types what a new user would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use modsync::demo::data;

use crate::support::daemon::Daemon;
use crate::support::sshd::{self, Options, Sshd};
use crate::support::world::World;
use crate::{fingerprint, text};

/// A laptop and a server with homes of their own, each with the product database where such things are kept.
struct Place {
    world: World,
}

impl Place {
    fn new() -> Self {
        Self::with("")
    }

    /// The same with more lines of sshd_config, in which HOME stands for the home folder there.
    fn with(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("modsync-init-").tempdir().unwrap();
        let server = folder.path().join("server");
        let sshd = Sshd::with(&Options {
            config: format!(
                "SetEnv HOME={0} XDG_STATE_HOME={0}/state PATH=/usr/local/bin:/usr/bin:/bin\n{1}",
                server.display(),
                config.replace("HOME", &server.display().to_string())
            ),
            ..Options::default()
        });
        let place = Self {
            world: World::in_folder(folder, sshd),
        };
        for path in [place.local(), place.remote()] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            data::create(&path, 3).unwrap();
        }
        std::fs::write(
            place.remote().with_file_name("thumbs.db"),
            "no database at all, for all its name",
        )
        .unwrap();
        place.ssh_config(&place.world.sshd.user_key());
        place
    }

    /// ~/.ssh/config, with the server's name and a key.
    fn ssh_config(&self, key: &Path) {
        let folder = self.home().join(".ssh");
        std::fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "Host assess\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n\nHost *\n  Compression yes\n",
            self.world.port,
            sshd::user(),
            key.display()
        );
        std::fs::write(folder.join("config"), config).unwrap();
    }

    fn home(&self) -> PathBuf {
        self.world.path("home")
    }

    fn local(&self) -> PathBuf {
        self.world.path("home/scraper/Shared/products.db")
    }

    fn remote(&self) -> PathBuf {
        self.world.path("server/public_html/web/data/products.db")
    }

    fn config(&self) -> PathBuf {
        self.world.path("home/.config/modsync/config.toml")
    }

    /// Types these answers to these questions.
    fn converse(&self, arguments: &[&str], answers: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/converse.py");
        Command::new("python3")
            .arg(script)
            .arg(serde_json::to_string(answers).unwrap())
            .args([env!("CARGO_BIN_EXE_modsyncd"), "init"])
            .args(arguments)
            .env("HOME", self.home())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .unwrap()
    }

    /// Fails if the look at the server left something there.
    fn assert_no_trace_at_the_server(&self) {
        let state = self.world.path("server/state/modsync");
        assert!(
            !state.exists(),
            "left on the server: {:?}",
            std::fs::read_dir(state).unwrap().collect::<Vec<_>>()
        );
    }
}

const LOCAL: &str = "Which one is to be kept in sync? A number or a path [1]:";
const HOST: &str = "Which one has the website? A number, or [user@]host[:port] [1]:";
const TRUST: &str = "(yes, no, or the fingerprint that you were told):";
const REMOTE: &str = "Which one belongs to it? A number or a path [1]:";

#[test]
fn return_at_each_question_makes_a_config_that_syncs() {
    let place = Place::new();
    let print = fingerprint(&place.world);
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let answers = [
        (LOCAL, ""),
        (HOST, ""),
        (TRUST, "perhaps"),
        (TRUST, other),
        (TRUST, &print),
        (REMOTE, ""),
    ];
    let output = place.converse(&[], &answers);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for expected in [
        "1  ~/scraper/Shared/products.db",
        &format!("1  assess  {}@127.0.0.1:{}", sshd::user(), place.world.port),
        "Please type yes, no, or a fingerprint",
        "That is another fingerprint",
        &format!("1  {}", place.remote().display()),
        "5 tables will be synced",
        "products               url; 5 columns move together, newest by assessed_at",
        "assessment_queue       product_url, review_type",
        "modsyncd install",
    ] {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
    assert!(
        !said.contains("thumbs.db"),
        "a file is offered that is no database:\n{said}"
    );
    place.assert_no_trace_at_the_server();

    // The daemon takes that config as it stands, but for its socket, which has to be known here.
    let socket = place.world.path("modsyncd.sock");
    let mut config = std::fs::read_to_string(place.config()).unwrap();
    assert!(
        config.contains("database = \"~/scraper/Shared/products.db\"") && config.contains("host = \"assess\""),
        "{config}"
    );
    config.push_str(&format!("\n[daemon]\nsocket = \"{}\"\n", socket.display()));
    std::fs::write(place.config(), config).unwrap();
    let daemon = Daemon::with(place.config(), socket, place.home(), place.world.path("errors"));
    daemon.until_in_sync();
    let local = crate::support::world::open(&place.local());
    local
        .execute_batch("UPDATE products SET price=1 WHERE rowid=1")
        .unwrap();
    assert_eq!(daemon.sync(&[], 0)["outcome"], "synced");
}

#[test]
fn control_c_leaves_nothing_half_written() {
    let place = Place::new();
    for questions in [
        &[(LOCAL, "^C")][..],
        &[(LOCAL, ""), (HOST, ""), (TRUST, "yes"), (REMOTE, "^C")],
    ] {
        let output = place.converse(&[], questions);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("stopped; no config was written"), "{said}");
        assert!(!place.config().exists());
        place.assert_no_trace_at_the_server();
    }
}

#[test]
fn a_config_that_is_there_is_written_over_only_after_a_yes() {
    let place = Place::new();
    let question = "is there already. Write over it? (yes/no):";
    std::fs::create_dir_all(place.config().parent().unwrap()).unwrap();
    std::fs::write(place.config(), "# mine\n").unwrap();
    let kept = place.converse(&[], &[(question, "no")]);
    assert_eq!(kept.status.code(), Some(1), "{}", text(&kept));
    assert_eq!(std::fs::read_to_string(place.config()).unwrap(), "# mine\n");

    let answers = [(question, "maybe"), ("Please answer yes or no", ""), (question, "yes")];
    let print = fingerprint(&place.world);
    let remote = place.remote();
    let flags = [
        "--host",
        "assess",
        "--remote",
        remote.to_str().unwrap(),
        "--accept-fingerprint",
        &print,
    ];
    let replaced = place.converse(&flags, &[&answers[..], &[(LOCAL, "1")]].concat());
    assert!(replaced.status.success(), "{}", text(&replaced));
    assert!(
        std::fs::read_to_string(place.config())
            .unwrap()
            .contains("host = \"assess\"")
    );
}

#[test]
fn another_key_can_be_named_when_the_usual_one_is_refused() {
    let place = Place::new();
    let stranger = place.home().join(".ssh/id_stranger");
    sshd::keygen(&stranger, "ed25519", "");
    place.ssh_config(&stranger);
    for file in ["user", "user.pub"] {
        let name = file.replace("user", "id_work");
        std::fs::copy(
            place.world.sshd.folder().join(file),
            place.home().join(".ssh").join(name),
        )
        .unwrap();
    }
    let key = "Another key to log in with? A number or a path, nothing to stop:";
    let answers = [(LOCAL, ""), (HOST, "assess"), (TRUST, "yes"), (key, "1"), (REMOTE, "1")];
    let output = place.converse(&[], &answers);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("refused") && said.contains("1  ~/.ssh/id_work"), "{said}");
    let config = std::fs::read_to_string(place.config()).unwrap();
    assert!(config.contains("identity_file = \"~/.ssh/id_work\""), "{config}");
}

#[test]
fn a_server_that_serves_files_alone_is_offered_the_second_best() {
    let place = Place::with("ForceCommand internal-sftp -d HOME");
    let answers = [
        (LOCAL, ""),
        (HOST, ""),
        (TRUST, "yes"),
        (REMOTE, "1"),
        ("Use engine = \"sftp\"? (yes/no):", "yes"),
    ];
    let output = place.converse(&[], &answers);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        std::fs::read_to_string(place.config())
            .unwrap()
            .contains("\nengine = \"sftp\"")
    );
}
