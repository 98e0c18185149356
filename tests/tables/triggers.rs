//! Triggers: a change that arrives carries their effects already.

use modsync::control::types::Outcome;

use crate::support::world::{World, assert_synced, sync};

#[tokio::test(flavor = "multi_thread")]
async fn triggers_fire_once_and_stay_to_the_letter() {
    let schema = "CREATE TABLE item(k TEXT PRIMARY KEY, v, last_updated TEXT);
        CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT, what TEXT, at TEXT);
        CREATE TRIGGER z_first AFTER INSERT ON item BEGIN\n  -- it's a note; with \"quotes\"\n  INSERT INTO audit(k,what) VALUES(new.k,'in;sert');\n/* and\n; another */\nEND;
        CREATE TRIGGER \"touch it\" AFTER UPDATE OF v ON item WHEN new.last_updated IS old.last_updated BEGIN
            UPDATE item SET last_updated=strftime('%Y-%m-%d %H:%M:%f','now') WHERE k=new.k; END;
        create trigger a_last after update on item begin insert into audit(k,what,at) values(new.k,'update',new.last_updated); end;
        CREATE TRIGGER gone BEFORE DELETE ON item BEGIN INSERT INTO audit(k,what) VALUES(old.k,'delete'); END;
        CREATE TRIGGER never BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT,'the log is kept'); END;
        CREATE VIEW seen AS SELECT * FROM item;
        CREATE TRIGGER through INSTEAD OF INSERT ON seen BEGIN INSERT INTO item(k) VALUES(new.k); END;";
    let world = World::with_schema(schema);
    let insert = "INSERT INTO item(k,v) VALUES('a',1),('b',1),('c',1),('d',1),('e',1)";
    world.open_local().execute_batch(insert).unwrap();
    let order = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='item' ORDER BY rowid)";
    let (before, ordered) = (
        world.both("SELECT name,tbl_name,sql FROM sqlite_master WHERE type='trigger'"),
        world.both(order),
    );
    let mut pair = world.pair().await;
    sync(&mut pair).await;
    world.assert_equal();
    assert_eq!(
        world.both("SELECT count(*) FROM audit"),
        ["Integer(5)"],
        "once for each row, not again on the server"
    );

    world
        .open_local()
        .execute_batch("UPDATE item SET v=2 WHERE k='a'; INSERT INTO seen(k) VALUES('f')")
        .unwrap();
    world
        .open_remote()
        .execute_batch("UPDATE item SET v=3 WHERE k='b'; DELETE FROM item WHERE k='c'")
        .unwrap();
    let done = sync(&mut pair).await;
    assert_synced(&done);
    world.assert_equal();
    // Two rows for an update: its own and that of the time which its trigger sets.
    assert_eq!(
        world.both("SELECT count(*) FROM audit WHERE what='update' AND k='a'"),
        ["Integer(2)"]
    );
    assert_eq!(
        world.both("SELECT count(*) FROM audit WHERE what IN('delete','in;sert')"),
        ["Integer(7)"]
    );
    assert_eq!(
        world.both("SELECT name,tbl_name,sql FROM sqlite_master WHERE type='trigger'"),
        before
    );
    assert_eq!(
        world.both(order),
        ordered,
        "they fire in the order in which they were made"
    );
    assert_eq!(sync(&mut pair).await.outcome, Outcome::Unchanged);
    world
        .open_remote()
        .execute_batch("UPDATE item SET v=4 WHERE k='a'")
        .unwrap();
    sync(&mut pair).await;
    assert_eq!(
        world.both("SELECT count(*) FROM audit WHERE what='update' AND k='a'"),
        ["Integer(4)"],
        "they still fire"
    );
}
