//! What `modsyncctl` says, by name and by exit code, of real data.

use serde_json::Value as Json;

use crate::story::{until_equal, waiting};
use crate::support::daemon::Daemon;
use crate::support::world::{World, dump, rows};

/// A daemon in sync that does nothing by itself.
fn calm(products: usize) -> (World, Daemon) {
    let mut world = World::with_products(products);
    world.settings.insert("sync", "poll = \"1h\"\nwatch = false".to_owned());
    let daemon = Daemon::start(&world);
    daemon.until_in_sync();
    (world, daemon)
}

fn assert_fields(json: &Json, fields: &[&str]) {
    for field in fields {
        assert!(json.get(field).is_some(), "\"{field}\" is missing: {json:#}");
    }
}

const CYCLE: [&str; 12] = [
    "cycle",
    "outcome",
    "pulled",
    "pushed",
    "deleted",
    "conflicts",
    "held",
    "backup",
    "duration_ms",
    "bytes_sent",
    "bytes_received",
    "round_trips",
];

/// Reviews the product that waits longest, and adds two on the laptop.
fn change_both_sides(world: &World) -> String {
    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["modest", &url]);
    world.python(&["--count", "2"]);
    url
}

#[test]
fn status_check_diff_and_a_cycle_by_plan_have_the_documented_fields() {
    let (world, daemon) = calm(40);
    let (code, status) = daemon.json(&["status", "--exit-code"]);
    assert_eq!(code, 0);
    assert_fields(
        &status,
        &[
            "state",
            "reason",
            "in_sync",
            "as_of",
            "pending",
            "last_cycle",
            "next_run",
            "local",
            "server",
            "recommendation",
        ],
    );
    assert_fields(&status["pending"], &["pull", "push"]);
    assert_fields(&status["last_cycle"], &CYCLE);
    for side in ["local", "server"] {
        assert_fields(&status[side], &["pending_reviews", "assessed", "rows"]);
        let sql = "SELECT count(*) FROM assessment_queue WHERE status='pending'";
        let pending: u64 = world
            .open_remote()
            .query_row(sql, [], |row| row.get::<_, u32>(0))
            .unwrap()
            .into();
        assert_eq!(status[side]["pending_reviews"], pending, "{status:#}");
        assert_eq!(status[side]["tables"]["products"], 40);
    }

    let url = change_both_sides(&world);
    let (code, check) = daemon.json(&["check"]);
    assert_eq!((code, &check["in_sync"]), (0, &Json::Bool(false)), "{check:#}");
    assert_eq!(daemon.ctl(&["check", "--exit-code"]).code, 6);
    let table = |name: &str| {
        let tables = check["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"] == name).unwrap().clone()
    };
    for name in ["products", "assessment_queue"] {
        assert_eq!(
            (&table(name)["to_pull"], &table(name)["to_push"]),
            (&1.into(), &2.into()),
            "{check:#}"
        );
    }

    let (code, verify) = daemon.json(&["verify"]);
    assert_eq!((code, &verify["equal"]), (1, &Json::Bool(false)));
    let (code, one) = daemon.json(&["diff", "products", &url]);
    assert_eq!((code, one["moves"].as_array().unwrap().len()), (0, 1), "{one:#}");
    assert_eq!(
        (&one["moves"][0]["to"], &one["moves"][0]["action"]),
        (&"local".into(), &"update".into())
    );
    let (_, diff) = daemon.json(&["diff"]);
    assert_eq!(diff["moves"].as_array().unwrap().len(), 6, "{diff:#}");

    // Another review in between: the plan no longer holds.
    let plan = diff["plan"].as_str().unwrap();
    let other = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["modest", &other]);
    let before = dump(&world.open_local());
    let refused = daemon.ctl(&["sync-now", "--plan", plan]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.err.contains("a side has changed"), "{refused:?}");
    assert!(before == dump(&world.open_local()));
    let plan = daemon.json(&["diff"]).1["plan"].as_str().unwrap().to_owned();
    let summary = daemon.sync(&["--plan", &plan], 0);
    assert_fields(&summary, &CYCLE);
    assert_eq!(
        (&summary["pulled"], &summary["pushed"], &summary["outcome"]),
        (&4.into(), &4.into(), &"synced".into())
    );
    assert_eq!(daemon.ctl(&["verify"]).code, 0);
    world.assert_equal();
}

#[test]
fn the_flags_of_sync_now_do_what_they_say_and_no_more() {
    let (world, daemon) = calm(40);
    // Otherwise what a partial cycle leaves is taken up by itself at once.
    assert_eq!(daemon.ctl(&["pause"]).code, 0);
    let url = change_both_sides(&world);
    let (local, site) = (dump(&world.open_local()), dump(&world.open_remote()));

    let planned = daemon.sync(&["--dry-run"], 0);
    assert_eq!(
        (&planned["outcome"], &planned["pulled"], &planned["pushed"]),
        (&"planned".into(), &2.into(), &4.into())
    );
    assert!(planned["backup"].is_null() && planned["cycle"].is_null(), "{planned:#}");
    assert_eq!(
        (&local, &site),
        (&dump(&world.open_local()), &dump(&world.open_remote())),
        "nothing was written"
    );

    let pulled = daemon.sync(&["--pull-only"], 0);
    assert_eq!(
        (&pulled["pulled"], &pulled["pushed"]),
        (&2.into(), &0.into()),
        "{pulled:#}"
    );
    assert!(site == dump(&world.open_remote()), "nothing was pushed");
    let sql = format!("SELECT 1 FROM products WHERE url='{url}' AND modesty_status='modest'");
    assert_eq!(rows(&world.open_local(), &sql).len(), 1);
    assert_eq!(daemon.status()["in_sync"], false);

    world.php(&["not_modest", &url]);
    let local = dump(&world.open_local());
    let pushed = daemon.sync(&["--skip-pull", "--no-backup", "--no-verify"], 0);
    assert_eq!(
        (&pushed["pulled"], &pushed["pushed"]),
        (&0.into(), &4.into()),
        "{pushed:#}"
    );
    assert!(pushed["backup"].is_null(), "{pushed:#}");
    assert!(local == dump(&world.open_local()), "nothing was pulled");
    let kept = format!("SELECT 1 FROM products WHERE url='{url}' AND modesty_status='not_modest'");
    assert_eq!(rows(&world.open_remote(), &kept).len(), 1, "the newer review stands");

    assert_eq!(daemon.ctl(&["resume"]).code, 0);
    until_equal(&world);
    world.python(&["--count", "1"]);
    assert_eq!(daemon.json(&["sync-now", "--no-wait"]).0, 0);
    until_equal(&world);
    daemon.until_in_sync();
    world.python(&["--count", "1"]);
    let summary = daemon.sync(&[], 0);
    let backup = summary["backup"].as_str().unwrap();
    assert!(backup.starts_with("products.db.backup_"), "{backup}");
    assert!(world.path("site").join(backup).exists());
    assert_eq!(daemon.status()["last_cycle"], summary);
    assert_eq!(daemon.sync(&[], 0)["outcome"], "unchanged");
    assert_eq!(daemon.ctl(&["sync-now", "--pull-only", "--skip-pull"]).code, 2);
}

#[test]
fn a_pause_survives_a_restart_and_resume_catches_up() {
    let mut world = World::with_products(20);
    world
        .settings
        .insert("sync", "poll = \"200ms\"\ndebounce = \"100ms\"".to_owned());
    let mut daemon = Daemon::start(&world);
    daemon.until_in_sync();
    let (code, paused) = daemon.json(&["pause", "--for", "2h"]);
    assert_eq!((code, &paused["state"]), (0, &"paused".into()));
    daemon.kill();
    daemon.again();
    let status = daemon.status();
    assert_eq!(
        (&status["state"], &status["paused_until"]),
        (&"paused".into(), &paused["paused_until"])
    );

    let url = waiting(&world.open_remote(), 1).remove(0);
    world.php(&["modest", &url]);
    daemon.until_status("the change on the server is known", |status| status["in_sync"] == false);
    assert_eq!(daemon.status()["state"], "paused");
    let sql = format!("SELECT 1 FROM products WHERE url='{url}' AND modesty_status='modest'");
    assert!(rows(&world.open_local(), &sql).is_empty(), "no cycle by itself");
    assert_eq!(daemon.sync(&[], 0)["pulled"], 2, "but one by hand");

    world.php(&["not_modest", &url]);
    assert_eq!(daemon.ctl(&["resume"]).code, 0);
    until_equal(&world);
    let log = daemon.ctl(&["logs", "-n", "500"]);
    assert_eq!(log.code, 0);
    assert!(
        log.out.contains("starts, process") && log.out.contains("cycle"),
        "{}",
        log.out
    );

    assert!(daemon.terminate().0.success());
    assert_eq!(daemon.ctl(&["status"]).code, 3);
    assert_eq!(daemon.ctl(&["sync-now"]).code, 3);
    assert_eq!(daemon.ctl(&["sync-now", "--nonsense"]).code, 2);
}
