//! The site's PHP: a process that keeps the database open and does what it is told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::world::World;

const PROGRAM: &str = r#"
$db = new PDO("sqlite:$argv[1]", null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 20]);
while (($sql = fgets(STDIN)) !== false) {
    try { $db->exec($sql); echo "ok\n"; } catch (PDOException $e) { echo $e->getMessage(), "\n"; }
}"#;

/// Writes rows one after the other at random intervals, each with a connection of its own as a request has; prints the number of each one
/// that was committed.
const WRITER: &str = r#"
for ($n = 1; !file_exists($argv[2]); $n++) {
    try {
        $db = new PDO("sqlite:$argv[1]", null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 20]);
        $db->exec("BEGIN IMMEDIATE");
        $db->exec("INSERT INTO grow(word) VALUES('php $n')");
        $db->exec("UPDATE item SET server = $n WHERE k = 'row " . ($n % 10 + 1) . "'");
        $db->exec("COMMIT");
        echo "$n\n";
    } catch (PDOException $e) { echo "error ", $e->getMessage(), "\n"; }
    $db = null;
    usleep(mt_rand(0, 2 * (int)$argv[3]) * 1000);
}"#;

pub struct Php {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Php {
    /// A process that has the server's database open.
    pub fn open(world: &World) -> Self {
        let mut child = Command::new("php")
            .args(["-r", PROGRAM, "--"])
            .arg(world.remote())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Self { child, to, from }
    }

    /// Runs SQL: what PDO says, "ok" if nothing.
    pub fn run(&mut self, sql: &str) -> String {
        writeln!(self.to, "{}", sql.replace('\n', " ")).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that writes until it is told to stop.
pub struct Writer {
    child: Child,
    stop: std::path::PathBuf,
}

impl Writer {
    pub fn start(world: &World, every_ms: u32) -> Self {
        let stop = world.path("stop");
        let child = Command::new("php")
            .args(["-r", WRITER, "--"])
            .arg(world.remote())
            .arg(&stop)
            .arg(every_ms.to_string())
            .stdout(std::fs::File::create(world.path("written")).unwrap())
            .spawn()
            .unwrap();
        Self { child, stop }
    }

    /// Ends it; the numbers that were committed, and what went wrong.
    pub fn stop(mut self, world: &World) -> (Vec<u64>, Vec<String>) {
        std::fs::write(&self.stop, "").unwrap();
        assert!(self.child.wait().unwrap().success());
        let text = std::fs::read_to_string(world.path("written")).unwrap();
        let (errors, written): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("error"));
        (
            written.iter().map(|line| line.parse().unwrap()).collect(),
            errors.into_iter().map(str::to_owned).collect(),
        )
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
