//! The file itself over the line, compressed by a program at the far end: what a first sync is held against.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::contest::{Contender, Run};
use crate::meter::{Here, succeed};
use crate::place::{Kind, Place, host};
use crate::row::Row;
use crate::whole_file::until_done;

pub struct Download<'a> {
    runtime: &'a Runtime,
    template: &'a Path,
    kind: Kind,
    /// A program that compresses with `-c` and expands with `-dc`.
    program: &'static str,
}

impl<'a> Download<'a> {
    pub fn new(runtime: &'a Runtime, template: &'a Path, kind: Kind, program: &'static str) -> Self {
        let there = Command::new(program).arg("--version").output();
        assert!(there.is_ok(), "{program} is needed for the comparison");
        Self {
            runtime,
            template,
            kind,
            program,
        }
    }
}

impl Contender for Download<'_> {
    fn name(&self) -> &'static str {
        if self.program == "gzip" {
            "gzip of the file"
        } else {
            "zstd of the file"
        }
    }

    fn takes(&self, row: Row) -> bool {
        row == Row::First
    }

    fn run(&mut self, _: Row, cut: Option<Duration>) -> Run {
        let place = Place::without_laptop(self.runtime, self.template, self.kind);
        let script = format!(
            "set -o pipefail; ssh -F '{}' {} '{program} -c {}' | {program} -dc > '{}'",
            place.ssh_config().display(),
            host(),
            place.world.remote().display(),
            place.world.local().display(),
            program = self.program,
        );
        let running = place.running(Here::Started);
        let (result, cut) = place.with_cut(cut, || {
            until_done(cut.is_some(), || succeed(Command::new("bash").args(["-c", &script])))
        });
        let sample = running.end_after(|| ());
        result.unwrap();
        place.assert_same(&place.world.local());
        Run { sample, cut }
    }

    fn server(&self) -> Option<&Place> {
        None
    }
}
