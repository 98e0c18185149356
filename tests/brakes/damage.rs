//! What happens to a database, to the side that the stage names.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};

use crate::stage::Stage;

pub fn remove(stage: &mut Stage) {
    std::fs::remove_file(stage.path()).unwrap();
}

pub fn empty(stage: &mut Stage) {
    std::fs::write(stage.path(), "").unwrap();
}

pub fn drop_all_tables(stage: &mut Stage) {
    let database = stage.open();
    for name in tables(stage) {
        database.execute_batch(&format!("DROP TABLE {name}")).unwrap();
    }
}

pub fn delete_all_rows(stage: &mut Stage) {
    let database = stage.open();
    for name in tables(stage) {
        database.execute_batch(&format!("DELETE FROM {name}")).unwrap();
    }
}

/// Every product gets another address, and what refers to it follows.
pub fn rename_keys(stage: &mut Stage) {
    stage.run(
        "BEGIN; UPDATE products SET url=url||'?new';
         UPDATE product_update_queue SET product_url=product_url||'?new'; COMMIT",
    );
}

fn tables(stage: &Stage) -> Vec<String> {
    let database = stage.open();
    let mut names = database
        .prepare("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

pub fn truncate(stage: &mut Stage) {
    let file = std::fs::OpenOptions::new().write(true).open(stage.path()).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 2).unwrap();
}

pub fn replace_by_another_file(stage: &mut Stage) {
    std::fs::write(stage.path(), "retailer;url;price\n".repeat(5000)).unwrap();
}

pub fn replace_by_another_database(stage: &mut Stage) {
    // Made elsewhere: the daemon looks at whatever stands in the place.
    let bookmarks = stage.world.path("bookmarks.db");
    crate::support::world::open(&bookmarks)
        .execute_batch("CREATE TABLE bookmark(url TEXT PRIMARY KEY, title TEXT); INSERT INTO bookmark VALUES('a', 'b')")
        .unwrap();
    std::fs::rename(bookmarks, stage.path()).unwrap();
}

/// The same program's database, of somebody else. The right one is kept beside it.
pub fn replace_by_a_strangers(stage: &mut Stage) {
    let stranger = stage.world.path("stranger.db");
    modsync::demo::data::create(&stranger, 60).unwrap();
    let database = crate::support::world::open(&stranger);
    database
        .execute_batch(
            "PRAGMA foreign_keys=OFF; UPDATE products SET url='https://elsewhere.example/'||rowid;
             UPDATE assessment_queue SET product_url='https://elsewhere.example/'||id;
             UPDATE catalog_products SET catalog_url='https://elsewhere.example/'||id;
             UPDATE product_update_queue SET product_url='https://elsewhere.example/'||id",
        )
        .unwrap();
    drop(database);
    std::fs::rename(stage.path(), kept(stage)).unwrap();
    std::fs::rename(stranger, stage.path()).unwrap();
}

/// Puts back what [`replace_by_a_strangers`] kept.
pub fn put_back(stage: &mut Stage) {
    std::fs::rename(kept(stage), stage.path()).unwrap();
}

fn kept(stage: &Stage) -> std::path::PathBuf {
    stage.path().with_extension("kept")
}

/// A page in the middle that holds rows becomes zeros, as after a disk error.
pub fn overwrite_a_page(stage: &mut Stage) {
    const PAGE: usize = 4096;
    const LEAF: u8 = 0x0d;
    let bytes = std::fs::read(stage.path()).unwrap();
    let leaves: Vec<usize> = (1..bytes.len() / PAGE)
        .filter(|page| bytes[page * PAGE] == LEAF)
        .collect();
    // Most of them hold products.
    let page = leaves[leaves.len() / 2];
    let file = std::fs::OpenOptions::new().write(true).open(stage.path()).unwrap();
    file.write_all_at(&[0; PAGE], (page * PAGE) as u64).unwrap();
}

/// The same while programs work: one of them commits, so that everybody reads the file anew.
pub fn overwrite_a_page_at_work(stage: &mut Stage) {
    overwrite_a_page(stage);
    stage.run("UPDATE retailer_url_patterns SET confidence=0.5 WHERE rowid=1");
}

/// A PHP script that holds a lock until it is told to end.
struct Php(Child);

impl Drop for Php {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

pub fn lock(stage: &mut Stage) {
    let script = "$db = new PDO('sqlite:' . $argv[1]); $db->exec('BEGIN EXCLUSIVE'); echo 'locked'; fgets(STDIN);";
    let mut php = Command::new("php")
        .args(["-r", script, "--"])
        .arg(stage.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    php.stdin.as_mut().unwrap().flush().unwrap();
    let mut said = [0; 6];
    std::io::Read::read_exact(php.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(&said, b"locked");
    stage.held.push(Box::new(Php(php)));
}
