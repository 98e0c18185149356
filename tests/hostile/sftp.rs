//! A server whose SFTP lies of a file's size, or gives more or less than it was asked for.

use modsync::demo::data;

use super::stage::{MEMORY, Stage, peak, program, refused};
use super::support::daemon::Daemon;
use super::support::world::rows;

/// The laptop has no database, so the server's is fetched: whole, or not at all.
#[test]
fn a_copy_that_is_not_what_it_should_be_is_not_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let subsystem = folder.path().join("sftp");
    program("liar_sftp.py", &subsystem);
    let mut stage = Stage::empty(&format!("Subsystem sftp {}", subsystem.display()));
    stage.quiet();
    data::create(&stage.world.remote(), 20).unwrap();
    let before = std::fs::read(stage.world.remote()).unwrap();
    let lie = |word: &str| std::fs::write(folder.path().join("lie"), word).unwrap();
    lie("huge");
    let daemon = Daemon::start(&stage.world);
    for (what, code, words) in [
        ("huge", 4, "bytes of room"),
        ("grows", 1, "were expected"),
        ("endless", 5, "cannot read"),
        ("short", 5, "cannot read"),
        ("packet", 5, "cannot read"),
    ] {
        lie(what);
        let error = refused(&daemon, code, what);
        assert!(error.contains(words), "{what}: {error}");
        let left = std::fs::read_dir(stage.world.path("laptop")).unwrap().count();
        assert_eq!(left, 0, "{what}: something was left on the laptop");
        assert!(std::fs::read(stage.world.remote()).unwrap() == before, "{what}");
    }
    let peak = peak(&daemon);
    assert!(peak < 3 * MEMORY, "{peak} KiB");
    lie("not at all");
    daemon.sync(&[], 0);
    stage.world.assert_equal();
    assert_eq!(rows(&stage.world.open_local(), "SELECT url FROM products").len(), 20);
}
