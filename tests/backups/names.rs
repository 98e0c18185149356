//! A name is one from the list, whatever stands in it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::{assert_at_rest, assert_says, beside, create, in_sync, names, world};

#[test]
fn a_server_without_backups_and_names_that_are_none() {
    let world = world("auto");
    let daemon = in_sync(&world);
    assert_says(
        &daemon.ctl(&["backups"]),
        0,
        &["the server has no backups", "backups create"],
    );
    assert_says(
        &daemon.ctl(&["backups", "verify", "--all"]),
        0,
        &["the server has no backups"],
    );
    assert_says(&daemon.ctl(&["backups", "prune", "--yes"]), 0, &["nothing to remove"]);
    let none = "products.db.backup_20251123_103507";
    let restore = |name: &str| daemon.ctl(&["backups", "restore", name, "--take", "backup", "--yes"]);
    assert_says(&restore(none), 1, &["no backup of that name", "no backup yet"]);

    let name = create(&daemon);
    // A whole database, in a place and under names that are not from the list.
    let elsewhere = world.path("elsewhere.db");
    std::fs::copy(world.remote(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, beside(&world, "products.db.backup_20240101_000000")).unwrap();
    std::fs::create_dir(beside(&world, "products.db.backup_20240101_000001")).unwrap();
    std::fs::copy(&elsewhere, beside(&world, "products.db.backup_2024 $(touch hit)")).unwrap();
    std::fs::copy(
        &elsewhere,
        beside(
            &world,
            "products.db.backup_20240101_000002\nproducts.db.backup_20240101_000003",
        ),
    )
    .unwrap();
    let forged = format!("{name}\nwhole 9 9 20240101_000004");
    std::fs::copy(&elsewhere, beside(&world, &forged)).unwrap();
    assert_eq!(names(&daemon), std::slice::from_ref(&name));
    let path = beside(&world, &name).display().to_string();
    for wrong in [
        "",
        "/etc/passwd",
        "products.db",
        "../site/products.db",
        &path,
        &format!("{name}/../{name}"),
        &format!("{name}\n"),
        "products.db.backup_20240101_000000",
        "products.db.backup_20240101_000001",
        "products.db.backup_20240101_000002",
        "products.db.backup_2024 $(touch hit)",
        none,
    ] {
        assert_says(&restore(wrong), 1, &["no backup of that name", &name]);
        assert_says(
            &daemon.ctl(&["backups", "verify", wrong]),
            1,
            &["no backup of that name"],
        );
    }
    let unknown = daemon.ctl(&["backups", "restore", &name, "products", "--dry-run"]);
    assert_says(&unknown, 1, &["no synced table has that name", "product, queue"]);
    let unknown = daemon.ctl(&["backups", "restore", &name, "product", "u999", "--dry-run"]);
    assert_says(&unknown, 1, &["u999", "neither"]);
    // A row without its table: only a script can ask that.
    let said = post(
        &world.socket(),
        "/v1/backups/restore",
        &format!("{{\"name\":\"{name}\",\"key\":\"u1\"}}"),
    );
    assert!(
        said.contains("400") && said.contains("its table has to be named"),
        "{said}"
    );
    let said = post(
        &world.socket(),
        "/v1/backups/restore",
        "{\"name\":\"x\",\"path\":\"/etc/passwd\"}",
    );
    assert!(said.contains("400"), "{said}");
    assert_says(
        &daemon.ctl(&["backups", "restore", &name, "--take", "backup", "--yes"]),
        0,
        &["nothing to restore"],
    );
    assert_at_rest(&world, &daemon);
}

fn post(socket: &std::path::Path, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: modsync\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
