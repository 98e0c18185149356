//! Backups that are none, or none any more.

use std::io::{Seek as _, SeekFrom, Write as _};

use rstest::rstest;

use crate::support::world::{dump, open};
use crate::{assert_at_rest, assert_says, beside, create, in_sync, list, restore, world};

#[rstest]
fn what_is_damaged_is_told_and_never_restored(#[values("sqlite3", "php", "sftp")] engine: &str) {
    let world = world(engine);
    let daemon = in_sync(&world);
    let good = create(&daemon);
    let bytes = std::fs::read(beside(&world, &good)).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(beside(&world, name), bytes).unwrap();
    let [truncated, overwritten, text, other] =
        [1, 2, 3, 4].map(|second| format!("products.db.backup_20240101_00000{second}"));
    put(&truncated, &bytes[..bytes.len() / 2 / 4096 * 4096]);
    put(&overwritten, &bytes);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(beside(&world, &overwritten))
        .unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&[0xa5; 4096]).unwrap();
    put(
        &text,
        b"<?php echo 'no database at all, whatever its name may say'; ?>"
            .repeat(100)
            .as_slice(),
    );
    open(&beside(&world, &other))
        .execute_batch("PRAGMA encoding='UTF-16'; CREATE TABLE product(url);")
        .unwrap();
    let [empty, cut_off] = [5, 6].map(|second| format!("products.db.backup_20240101_00000{second}"));
    put(&empty, b"");
    put(&cut_off, &bytes);
    put(&format!("{cut_off}-journal"), b"journal");
    let before = dump(&world.open_remote());
    world
        .open_remote()
        .execute_batch("DELETE FROM queue WHERE id=1")
        .unwrap();
    daemon.sync(&[], 0);

    let (code, found) = daemon.json(&["backups", "verify", "--all"]);
    assert_eq!(code, 1, "{found:#}");
    let backups = list(&daemon);
    let of = |name: &str| backups.iter().find(|backup| backup["name"] == *name).unwrap();
    assert!(of(&good)["verified"].is_string(), "{backups:#?}");
    for damaged in [&truncated, &overwritten, &text, &other] {
        assert!(
            of(damaged)["damage"].is_string() && of(damaged)["verified"].is_null(),
            "{backups:#?}"
        );
        let refused = daemon.ctl(&["backups", "restore", damaged, "--take", "backup", "--yes"]);
        assert_says(&refused, 4, &["it is damaged", "nothing was written"]);
    }
    for unfinished in [&empty, &cut_off] {
        assert_eq!(of(unfinished)["whole"], false, "{backups:#?}");
        let refused = daemon.ctl(&["backups", "restore", unfinished, "--take", "backup", "--yes"]);
        assert_says(&refused, 4, &["it is unfinished"]);
        assert_says(&daemon.ctl(&["backups", "verify", unfinished]), 1, &["unfinished"]);
    }
    // What was found holds for the file that was looked through.
    put(&truncated, &bytes);
    let again = list(&daemon);
    let healed = again.iter().find(|backup| backup["name"] == *truncated).unwrap();
    assert!(healed["damage"].is_null() && healed["verified"].is_null(), "{healed:#}");
    assert_at_rest(&world, &daemon);
    let (code, restored) = restore(&daemon, &good, &["--take", "local", "--yes"]);
    assert_eq!((code, &restored["inserts"]), (0, &1.into()), "{restored:#}");
    assert_eq!(dump(&world.open_remote()), before);
    assert_at_rest(&world, &daemon);
    // When the database itself is gone or damaged is when a person asks what there is.
    let whole = world.path("whole.db");
    std::fs::rename(world.remote(), &whole).unwrap();
    for broken in [None, Some("no database")] {
        if let Some(words) = broken {
            std::fs::write(world.remote(), words).unwrap();
        }
        assert!(list(&daemon).iter().any(|backup| backup["name"] == *good));
    }
    // Nothing was made beside the backups.
    for ending in ["-wal", "-shm"] {
        assert!(!beside(&world, &format!("{good}{ending}")).exists());
    }
}
