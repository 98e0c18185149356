//! A place to stand on: the server's engine stops before a line of the session, for as long as a trial wants.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::daemon::until;
use crate::support::world::World;

/// A `sqlite3` on the server's path that can be held. There may be several engines; the first that comes is held.
pub struct Gate {
    folder: PathBuf,
}

/// An engine that is held: the line that it would run next has reached the server, and it has not seen it.
#[derive(Clone)]
pub struct Held {
    file: PathBuf,
    gate: u32,
    engine: u32,
}

impl Gate {
    /// Puts the stand-in where the sessions of this world find it.
    pub fn on(world: &World) -> Self {
        let (bin, folder) = (world.path("bin"), world.path("gate"));
        for folder in [&bin, &folder] {
            std::fs::create_dir(folder).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/gate.py");
        let program = bin.join("sqlite3");
        let text = format!(
            "#!/bin/sh\nexec /usr/bin/python3 -S -E '{}' '{}' \"$@\"\n",
            script.display(),
            folder.display()
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// From now on the first engine that is sent a line with this text is held before it.
    pub fn hold(&self, text: &str) {
        assert!(!text.contains('/'), "the text is a file's name");
        std::fs::write(self.folder.join(format!("hold.{text}")), "").unwrap();
    }

    /// Waits until an engine is held.
    pub fn held(&self) -> Held {
        let file = self.folder.join("held");
        let words = until("an engine is held", || std::fs::read_to_string(&file).ok());
        let mut numbers = words.split(' ').map(|number| number.parse().unwrap());
        Held {
            file,
            gate: numbers.next().unwrap(),
            engine: numbers.next().unwrap(),
        }
    }
}

impl Held {
    /// Ends the engine as a lack of memory or an administrator would.
    pub fn kill(&self) {
        self.signal("KILL");
        until("the engine is gone", || (!lives(self.engine)).then_some(()));
    }

    /// Sends the engine a signal by name.
    pub fn signal(&self, name: &str) {
        signal(name, self.engine);
    }

    /// Lets it go on with all that it has received.
    pub fn release(self) {
        std::fs::remove_file(&self.file).unwrap();
    }

    /// Lets it go on, and waits for its end: nobody sends it anything more.
    pub fn release_to_its_end(self) {
        let (gate, engine) = (self.gate, self.engine);
        self.release();
        until("the engine has ended", || {
            (!lives(gate) && !lives(engine)).then_some(())
        });
    }
}

/// Sends a signal by name.
fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.unwrap().success(), "process {process} is gone");
}

/// Whether a process runs; one that nobody has waited for has ended, too.
pub fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}
