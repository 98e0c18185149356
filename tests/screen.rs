//! `status --watch` in a terminal (tmux), against a real daemon and a real sshd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use support::daemon::{Daemon, LIMIT, until};
use support::world::{World, run};

/// A terminal of tmux with a shell in it. Gone when dropped.
struct Terminal {
    /// The socket of a tmux server of its own.
    socket: PathBuf,
}

impl Terminal {
    fn open(world: &World, columns: u16, rows: u16) -> Self {
        let terminal = Self {
            socket: world.path("tmux"),
        };
        let size = [columns, rows].map(|size| size.to_string());
        let session = ["new-session", "-d", "-x", &size[0], "-y", &size[1], "sh"];
        let mut command = terminal.command(&[&["-f", "/dev/null"], session.as_slice()].concat());
        command
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .env("MODSYNC_SOCKET", world.socket())
            .env_remove("TMUX");
        run(&mut command);
        terminal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).args(arguments);
        command
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    /// Types keys, by their names in tmux.
    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Runs `modsyncctl status --watch`, and says afterwards how it ended and what state the terminal is in.
    fn watch(&self, before: &str) {
        let script = self.socket.with_extension("sh");
        let program = env!("CARGO_BIN_EXE_modsyncctl");
        let text = format!(
            "{before} sh -c 'echo $$ >\"$MODSYNC_SOCKET.pid\"; exec {program} status --watch'\n\
             echo \"ended $? $(stty -a | tr ' ;' '\\n\\n' | grep -e '^-*echo$' -e '^-*icanon$' | tr '\\n' ' ')\"\n"
        );
        std::fs::write(&script, text).unwrap();
        self.keys(&[&format!("sh {}", script.display()), "Enter"]);
    }

    fn shows(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen shows all of that.
    #[track_caller]
    fn until(&self, texts: &[&str]) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let shown = self.shows();
            if texts.iter().all(|text| shown.contains(text)) {
                return shown;
            }
            assert!(
                Instant::now() < deadline,
                "the screen does not show {texts:?}:\n{shown}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the shell is back, with the terminal as it was.
    #[track_caller]
    fn until_ended(&self, code: i32) {
        let shown = self.until(&[&format!("ended {code} ")]);
        let end = shown.lines().find(|line| line.contains("ended ")).unwrap();
        let words: Vec<&str> = end.split_whitespace().collect();
        assert!(words.contains(&"echo") && words.contains(&"icanon"), "{shown}");
        assert!(!shown.contains("q quits"), "the screen before it is back: {shown}");
        let modes = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(modes.trim(), "0 1", "no other screen, and a cursor");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

fn pid(world: &World) -> String {
    let file = format!("{}.pid", world.socket().display());
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

fn calm() -> (World, Daemon) {
    let mut world = World::with_products(40);
    world
        .settings
        .insert("sync", "debounce = \"200ms\"\npoll = \"500ms\"".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    (world, daemon)
}

#[test]
fn it_shows_a_cycle_row_by_row_at_any_size_and_quits() {
    let (world, _daemon) = calm();
    let terminal = Terminal::open(&world, 80, 24);
    terminal.watch("");
    terminal.until(&["modsync  idle, in sync", "next run", "cycles", "q quits"]);
    world.python(&["--count", "3"]);
    let shown = terminal.until(&[
        "modsync  idle, in sync",
        "moved last by cycle",
        "→ server + products",
        "pushed",
    ]);
    assert!(shown.lines().count() <= 24, "{shown}");

    terminal.tmux(&["resize-window", "-x", "40", "-y", "12"]);
    let small = until("the screen fits", || {
        let shown = terminal.shows();
        let foot = shown.lines().nth(11).is_some_and(|line| line.starts_with("q quits"));
        (foot && shown.starts_with("modsync  idle")).then_some(shown)
    });
    assert!(small.lines().all(|line| line.chars().count() <= 40), "{small}");
    terminal.tmux(&["resize-window", "-x", "140", "-y", "40"]);
    until("the rows stand beside the counts", || {
        let shown = terminal.shows();
        let beside = |line: &str| line.contains("laptop") && line.contains("moved last by cycle");
        shown.lines().any(beside).then_some(())
    });
    terminal.keys(&["q"]);
    terminal.until_ended(0);
}

#[test]
fn it_waits_for_a_daemon_that_is_away_and_goes_on_with_it() {
    let (world, mut daemon) = calm();
    let terminal = Terminal::open(&world, 80, 24);
    terminal.watch("");
    terminal.until(&["modsync  idle, in sync"]);
    daemon.kill();
    let gone = terminal.until(&["daemon not running, waiting", "products.db", "rows  "]);
    assert!(!gone.contains("next run"), "{gone}");
    daemon.again();
    terminal.until(&["modsync  idle, in sync", "next run"]);
    terminal.keys(&["Escape"]);
    terminal.until_ended(0);
}

#[test]
fn the_terminal_is_as_before_after_ctrl_c_and_after_a_kill() {
    let (world, _daemon) = calm();
    let terminal = Terminal::open(&world, 80, 24);
    terminal.watch("");
    terminal.until(&["modsync  idle, in sync"]);
    terminal.keys(&["C-c"]);
    terminal.until_ended(0);
    terminal.keys(&["clear", "Enter"]);
    until("the shell's screen is clear", || {
        (!terminal.shows().contains("ended")).then_some(())
    });

    terminal.watch("");
    terminal.until(&["modsync  idle, in sync"]);
    run(Command::new("kill").args(["-s", "TERM", &pid(&world)]));
    terminal.until_ended(1);
}

/// Codes of colour in what the terminal was told, as tmux keeps it.
fn is_painted(terminal: &Terminal) -> bool {
    terminal.tmux(&["capture-pane", "-p", "-e"]).contains("\x1b[")
}

#[test]
fn there_is_colour_unless_somebody_wants_none() {
    let (world, _daemon) = calm();
    let terminal = Terminal::open(&world, 80, 24);
    terminal.watch("");
    terminal.until(&["modsync  idle, in sync"]);
    assert!(is_painted(&terminal));
    terminal.keys(&["q"]);
    terminal.until_ended(0);
    terminal.watch("NO_COLOR=1");
    terminal.until(&["modsync  idle, in sync"]);
    assert!(
        !is_painted(&terminal),
        "{}",
        terminal.tmux(&["capture-pane", "-p", "-e"])
    );
}
