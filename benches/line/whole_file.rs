//! The way that modsync replaces: download the whole database, merge, back up on the server, upload the whole database.
//!
//! It is given what helps it: one connection for all of it, OpenSSH's own pipelined sftp, and a merge in this process.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::contest::{Contender, Run};
use crate::meter::{Here, succeed};
use crate::place::{Kind, Place, host};
use crate::row::{Row, merge_reviews};

pub struct WholeFile {
    place: Place,
}

impl WholeFile {
    pub fn new(runtime: &Runtime, template: &Path, kind: Kind) -> Self {
        Self {
            place: Place::full(runtime, template, kind),
        }
    }

    fn once(&self) -> io::Result<()> {
        let world = &self.place.world;
        let (server, copy) = (world.remote(), world.path("downloaded.db"));
        let master = Master::open(&self.place)?;
        self.sftp(&format!("get {} {}", server.display(), copy.display()))?;
        merge_reviews(&Connection::open(world.local()).unwrap(), copy.to_str().unwrap());
        let backup = format!("cp {0} {0}.backup", server.display());
        succeed(self.place.client("ssh").arg(host()).arg(backup))?;
        self.sftp(&format!("put {} {}", world.local().display(), server.display()))?;
        master.close()
    }

    fn sftp(&self, batch: &str) -> io::Result<()> {
        let mut command = self.place.client("sftp");
        command.args(["-q", "-b", "-"]).arg(host());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        writeln!(child.stdin.take().unwrap(), "{batch}")?;
        let status = child.wait()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| io::Error::other(format!("sftp: {batch}: {status}")))
    }
}

impl Contender for WholeFile {
    fn name(&self) -> &'static str {
        "the whole file down, merged, backed up, up"
    }

    fn takes(&self, row: Row) -> bool {
        row == Row::Twelve
    }

    fn run(&mut self, row: Row, cut: Option<Duration>) -> Run {
        row.happen(&self.place.world);
        let running = self.place.running(Here::Started);
        let (result, was_cut) = self.place.with_cut(cut, || until_done(cut.is_some(), || self.once()));
        let sample = running.end_after(|| ());
        result.unwrap();
        self.place.assert_same(&self.place.world.local());
        Run { sample, cut: was_cut }
    }

    fn server(&self) -> Option<&Place> {
        // It writes over the file, whoever reads or writes there.
        None
    }
}

/// Does it, and once more when a cut may be why it failed.
pub fn until_done(may_fail: bool, mut attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    match attempt() {
        Err(_) if may_fail => attempt(),
        result => result,
    }
}

/// The connection that the others go through. Ended when dropped.
struct Master<'a> {
    place: &'a Place,
    child: std::process::Child,
}

impl<'a> Master<'a> {
    fn open(place: &'a Place) -> io::Result<Self> {
        // A cut leaves the socket of the one before.
        let _ = fs::remove_file(place.world.sshd.folder().join("control"));
        let mut command = place.client("ssh");
        command
            .arg("-NM")
            .arg(host())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let mut master = Self {
            place,
            child: command.spawn()?,
        };
        while !place.world.sshd.folder().join("control").exists() {
            if let Some(status) = master.child.try_wait()? {
                return Err(io::Error::other(format!("ssh: {status}")));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(master)
    }

    fn control(&self, verb: &str) -> Command {
        let mut command = self.place.client("ssh");
        command.args(["-O", verb]).arg(host());
        command
    }

    fn close(mut self) -> io::Result<()> {
        succeed(&mut self.control("exit"))?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Master<'_> {
    fn drop(&mut self) {
        // Gone already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
