//! The way that modsync replaces: download the whole database, merge, back up on the server, upload the whole database.
//!
//! It is given what helps it: one connection for all of it, OpenSSH's own pipelined sftp, and a merge in this process.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::cycle::edit_both;
use crate::far_world;
use crate::figures::{Running, Sample};
use crate::support::proxy::Proxy;
use crate::support::sshd;
use crate::support::world::World;

pub struct WholeFile {
    world: World,
    proxy: Proxy,
    backups: u32,
}

impl WholeFile {
    pub fn new(runtime: &Runtime, products: usize) -> Self {
        let (world, proxy) = far_world(runtime, products);
        // Writes the known_hosts file as well.
        world.config_file();
        Self {
            world,
            proxy,
            backups: 0,
        }
    }

    pub fn run(&mut self) -> Sample {
        edit_both(&self.world);
        self.backups += 1;
        let (server, copy) = (self.world.remote(), self.downloaded());
        let running = Running::over(&self.proxy);
        succeed(self.client("ssh").arg("-fNM").arg(host()));
        self.sftp(&format!("get {} {}", server.display(), copy.display()));
        self.merge();
        let backup = format!("cp {0} {0}.backup_{1}", server.display(), self.backups);
        succeed(self.client("ssh").arg(host()).arg(backup));
        self.sftp(&format!("put {} {}", self.world.local().display(), server.display()));
        let sample = running.end(None);
        succeed(self.client("ssh").args(["-O", "exit"]).arg(host()));
        sample
    }

    fn downloaded(&self) -> PathBuf {
        self.world.path("downloaded.db")
    }

    /// The five columns that the old script took over.
    fn merge(&self) {
        let local = Connection::open(self.world.local()).unwrap();
        local
            .execute("ATTACH ?1 AS server", [self.downloaded().to_str().unwrap()])
            .unwrap();
        local
            .execute_batch(
                "UPDATE products SET (lifecycle_stage,assessed_at,modesty_status,shopify_status,assessment_status)=\
                 (s.lifecycle_stage,s.assessed_at,s.modesty_status,s.shopify_status,s.assessment_status) \
                 FROM server.products s WHERE s.url=products.url AND s.assessed_at IS NOT products.assessed_at \
                 AND s.assessed_at IS NOT NULL",
            )
            .unwrap();
    }

    fn sftp(&self, batch: &str) {
        let mut child = self
            .client("sftp")
            .args(["-q", "-b", "-"])
            .arg(host())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{batch}").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// `ssh` or `sftp` on its way to the server.
    fn client(&self, program: &str) -> Command {
        let folder = self.world.sshd.folder();
        let mut command = Command::new(program);
        command.args(["-F", "/dev/null", "-i"]).arg(self.world.sshd.user_key());
        let options = [
            format!("Port={}", self.world.port),
            format!("UserKnownHostsFile={}", folder.join("known_hosts").display()),
            format!("ControlPath={}", folder.join("control").display()),
            "BatchMode=yes".to_owned(),
        ];
        for option in options {
            command.args(["-o", &option]);
        }
        command.stdout(Stdio::null());
        command
    }
}

fn host() -> String {
    format!("{}@127.0.0.1", sshd::user())
}

fn succeed(command: &mut Command) {
    assert!(command.stdin(Stdio::null()).status().unwrap().success(), "{command:?}");
}
