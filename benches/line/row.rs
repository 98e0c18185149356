//! What happens to the databases before a run: the rows of the tables.

use std::path::Path;

use ::modsync::demo::data;
use clap::ValueEnum;
use rusqlite::Connection;

use crate::support::moved::{compressed, reviewed_and_added};
use crate::support::world::World;

/// Something that a sync has to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Row {
    /// Nothing has changed.
    Nothing,
    /// One product on the server has another price.
    One,
    /// Five reviews on the server, seven new products with their queue entries on the laptop.
    Twelve,
    /// A hundred products all over the server's table have another price.
    Scattered,
    /// The server's database was vacuumed, its pages are somewhere else.
    Vacuum,
    /// 5,000 new products with their queue entries on the laptop: 10,000 rows.
    Many,
    /// The laptop has no database.
    First,
    /// Two full databases that nobody has synced, seven new products on the laptop.
    Meet,
}

/// Which way a run has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Down,
    Up,
    Both,
}

impl Row {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing new",
            Self::One => "1 row",
            Self::Twelve => "12 rows, two-way",
            Self::Scattered => "100 scattered rows",
            Self::Vacuum => "after VACUUM",
            Self::Many => "10 000 rows",
            Self::First => "first sync, nothing on the laptop",
            Self::Meet => "first sync of two full databases",
        }
    }

    pub fn way(self) -> Way {
        match self {
            Self::Twelve | Self::Meet => Way::Both,
            Self::Many => Way::Up,
            Self::Nothing | Self::One | Self::Scattered | Self::Vacuum | Self::First => Way::Down,
        }
    }

    /// Rows that modsync moves for it, down and up.
    pub fn moves(self) -> (u64, u64) {
        match self {
            Self::Nothing | Self::Vacuum | Self::First | Self::Meet => (0, 0),
            Self::One => (1, 0),
            Self::Twelve => (10, 14),
            Self::Scattered => (100, 0),
            Self::Many => (0, 10_000),
        }
    }

    /// Makes it happen.
    pub fn happen(self, world: &World) {
        match self {
            Self::Nothing | Self::First => {}
            Self::One => reprice(&world.open_remote(), 1),
            Self::Twelve => edit_both(world),
            Self::Scattered => reprice(&world.open_remote(), 100),
            Self::Vacuum => rearrange(&world.open_remote()),
            // More than new rows on one side would be conflicts: without a base nobody knows which side changed a row.
            Self::Meet => {
                data::laptop_adds(&mut world.open_local(), 7).unwrap();
            }
            Self::Many => {
                data::laptop_adds(&mut world.open_local(), 5_000).unwrap();
            }
        }
    }
}

/// Five reviews on the phone, seven new products on the laptop.
pub fn edit_both(world: &World) {
    data::phone_reviews(&mut world.open_remote(), 5).unwrap();
    data::laptop_adds(&mut world.open_local(), 7).unwrap();
}

/// The reviews of one server, brought into the laptop's database: what whoever copies files has to do himself.
pub fn merge_reviews(local: &Connection, server: &str) {
    local.execute("ATTACH ?1 AS server", [server]).unwrap();
    local
        .execute_batch(
            "UPDATE products SET (lifecycle_stage,assessed_at,modesty_status,shopify_status,assessment_status)=\
             (s.lifecycle_stage,s.assessed_at,s.modesty_status,s.shopify_status,s.assessment_status) \
             FROM server.products s WHERE s.url=products.url AND s.assessed_at IS NOT products.assessed_at \
             AND s.assessed_at IS NOT NULL",
        )
        .unwrap();
}

/// Other prices, evenly all over the table.
fn reprice(connection: &Connection, count: i64) {
    let changed = connection
        .execute(
            "UPDATE products SET price = coalesce(price, 0) + 1 WHERE rowid IN \
             (SELECT rowid FROM products WHERE rowid % (SELECT max(rowid) / ?1 FROM products) = 0 LIMIT ?1)",
            [count],
        )
        .unwrap();
    assert_eq!(i64::try_from(changed), Ok(count));
}

/// VACUUM, with and without room for autovacuum's own pages in turn: a second VACUUM by itself would move nothing.
fn rearrange(connection: &Connection) {
    let mode: i64 = connection
        .query_row("PRAGMA auto_vacuum", [], |row| row.get(0))
        .unwrap();
    connection
        .execute_batch(&format!("PRAGMA auto_vacuum = {}; VACUUM", i64::from(mode == 0)))
        .unwrap();
}

/// What the rows of [`Row::Twelve`] come to when they are compressed by themselves, in bytes.
pub fn own_size(template: &Path) -> u64 {
    let world = World::empty();
    for side in [world.local(), world.remote()] {
        std::fs::copy(template, side).unwrap();
    }
    let reviewed = data::phone_reviews(&mut world.open_remote(), 5).unwrap();
    let added = data::laptop_adds(&mut world.open_local(), 7).unwrap();
    compressed(&reviewed_and_added(
        &world.open_remote(),
        &reviewed,
        &world.open_local(),
        &added,
    ))
}
