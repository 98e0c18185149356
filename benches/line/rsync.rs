//! SQLite's own `sqlite3_rsync`: makes one database a copy of the other, page by page, in one direction a run.
//!
//! Two-way it takes two runs and a merge between them, which is done for it and not timed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::contest::{Contender, Run};
use crate::meter::{Here, Sample, succeed};
use crate::place::{Kind, Place, host, tally};
use crate::row::{Row, Way, merge_reviews};
use crate::whole_file::until_done;

pub struct Rsync<'a> {
    runtime: &'a Runtime,
    program: PathBuf,
    kind: Kind,
    template: &'a Path,
    place: Place,
}

/// Where it is on the PATH.
pub fn program() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join("sqlite3_rsync"))
        .find(|path| path.is_file())
}

impl<'a> Rsync<'a> {
    pub fn new(runtime: &'a Runtime, program: PathBuf, template: &'a Path, kind: Kind) -> Self {
        let place = Place::full(runtime, template, kind);
        fs::copy(template, mirror(&place)).unwrap();
        Self {
            runtime,
            program,
            kind,
            template,
            place,
        }
    }

    /// One direction; whether it was cut.
    fn one_way(&self, place: &Place, way: Way, cut: Option<Duration>) -> (Sample, bool) {
        let (copy, server) = (mirror(place), format!("{}:{}", host(), place.world.remote().display()));
        let ours = if way == Way::Up { place.world.local() } else { copy };
        let ours_text = ours.to_str().unwrap().to_owned();
        let (from, to) = if way == Way::Up {
            (ours_text, server)
        } else {
            (server, ours_text)
        };
        let ssh = wrapper(place);
        let attempt = || {
            let mut command = std::process::Command::new(&self.program);
            command
                .arg(&from)
                .arg(&to)
                .arg("--ssh")
                .arg(&ssh)
                .arg("--exe")
                .arg(&self.program);
            succeed(&mut command)?;
            // It may end well after a line that did not.
            let same = cut.is_none() || tally(&ours) == tally(&place.world.remote());
            same.then_some(())
                .ok_or_else(|| io::Error::other("sqlite3_rsync copied half of it"))
        };
        let running = place.running(Here::Started);
        let (result, was_cut) = place.with_cut(cut, || until_done(cut.is_some(), attempt));
        let sample = running.end_after(|| ());
        result.unwrap();
        place.assert_same(&ours);
        (sample, was_cut)
    }

    /// All three files the same again.
    fn level(&self) {
        let (local, copy, server) = (self.place.world.local(), mirror(&self.place), self.place.world.remote());
        for file in [local, copy] {
            fs::copy(&server, file).unwrap();
        }
    }
}

impl Contender for Rsync<'_> {
    fn name(&self) -> &'static str {
        "sqlite3_rsync"
    }

    fn takes(&self, row: Row) -> bool {
        row != Row::Meet
    }

    fn run(&mut self, row: Row, cut: Option<Duration>) -> Run {
        if row == Row::First {
            let place = Place::without_laptop(self.runtime, self.template, self.kind);
            let (sample, cut) = self.one_way(&place, Way::Down, cut);
            return Run { sample, cut };
        }
        let place = &self.place;
        row.happen(&place.world);
        let (sample, cut) = match row.way() {
            Way::Both => {
                // A cut comes half-way: in one of the two runs, or between them.
                let (down, was_cut) = self.one_way(place, Way::Down, cut);
                merge_reviews(
                    &Connection::open(place.world.local()).unwrap(),
                    mirror(place).to_str().unwrap(),
                );
                let rest = cut.filter(|_| !was_cut).map(|cut| cut.saturating_sub(down.took));
                let (up, later) = self.one_way(place, Way::Up, rest);
                (down.and(up), was_cut || later)
            }
            way => self.one_way(place, way, cut),
        };
        self.level();
        Run { sample, cut }
    }

    fn server(&self) -> Option<&Place> {
        Some(&self.place)
    }
}

/// The laptop's copy of the server's database.
fn mirror(place: &Place) -> PathBuf {
    place.world.path("laptop/mirror.db")
}

/// An `ssh` that reaches this server: the program takes a name and no arguments of it.
fn wrapper(place: &Place) -> PathBuf {
    let path = place.world.path("ssh");
    let text = format!("#!/bin/sh\nexec ssh -F '{}' \"$@\"\n", place.ssh_config().display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}
